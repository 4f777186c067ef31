//! Loading a tokenizer directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde_json::Value as Json;
use turnmill_bpe::Encoder;
use turnmill_bpe::added::assign_ids;
use xxhash_rust::xxh3::Xxh3Default;

use super::bytes::TokenBytes;
use super::files::{Config, TokenizerFile, declared_tokens};
use super::{AddedToken, Affixes, Backend, Reference, SpecialTokens, Templates, Tokenizer};
use crate::{Error, ErrorKind, Result};

/// Far above any published vocabulary.
const LARGEST_ID: u32 = 50_000_000;

fn error(code: &'static str, what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Tokenizer, code, what)
}

pub(super) fn load(path: &Path) -> Result<Tokenizer> {
    load_with(path, |json, missing, affixes| {
        let known = affixes.ok_or("its post-processor is not known")?;
        let encoder = Encoder::new(json, missing).map_err(|unsupported| unsupported.reason)?;
        Ok((encoder, known))
    })
}

pub(super) fn load_reference(path: &Path, reason: &str) -> Result<Tokenizer> {
    load_with(path, |_, _, _| Err(reason.to_owned()))
}

/// `fast` gives the fast encoder, or the reason why there is none.
fn load_with(
    path: &Path,
    fast: impl Fn(&[u8], &[AddedToken], Option<Affixes>) -> Result<(Encoder, Affixes), String>,
) -> Result<Tokenizer> {
    let (directory, file_path) = locate(path)?;
    let text = std::fs::read(&file_path).map_err(|cause| unreadable(&file_path, &cause))?;
    let config = read_config(&directory, "tokenizer_config.json")?.unwrap_or_default();
    let map = read_config(&directory, "special_tokens_map.json")?;
    let generation = read_config(&directory, "generation_config.json")?;
    let file: TokenizerFile = serde_json::from_slice(&text).map_err(|cause| {
        let what = format!("tokenizer.json cannot be read: {cause}");
        error("invalid-tokenizer", what)
            .at_path(&file_path)
            .hint("the file is damaged or of another kind: get it again")
    })?;
    let here = |error: Error| error.at_path(&file_path);
    check_ids(&file).map_err(here)?;
    let mut ids: FxHashMap<String, u32> = file.model.vocab.0.iter().cloned().collect();
    let (added, missing) = added_tokens(&file, &config, &ids).map_err(here)?;
    ids.extend(added.iter().map(|token| (token.content.clone(), token.id)));
    let known = Affixes::of(&file.post_processor);
    let chosen = fast(&text, &missing, known.clone());
    let (backend, name, reason, affixes): (Arc<dyn Backend>, _, _, Affixes) = match chosen {
        Ok((encoder, known)) => {
            let (name, title) = (encoder.model_name(), encoder.model_title());
            let reason = format!("the tokenizer is a known kind of {title}");
            (Arc::new(encoder), name, reason, known)
        }
        Err(reason) => {
            let (reference, found) = Reference::load(&text, &missing).map_err(here)?;
            let affixes = known.unwrap_or(found);
            (Arc::new(reference), "reference", reason, affixes)
        }
    };
    let templates = Templates::read(&directory, &config)?;
    let special = SpecialTokens::read(&config, map.as_ref());
    let generation_eos = generation.as_ref().map(eos_ids).unwrap_or_default();
    Ok(Tokenizer {
        path: path.to_owned(),
        hash: hash(&text, &special, &templates, &missing, &generation_eos),
        backend,
        backend_name: name,
        backend_reason: reason,
        token_bytes: TokenBytes::new(&file, &added),
        added,
        ids,
        special,
        templates,
        generation_eos,
        affixes,
    })
}

/// The chat templates and named special tokens of a directory, without loading its vocabulary.
pub fn read_templates(directory: &Path) -> Result<(Templates, SpecialTokens)> {
    let config = read_config(directory, "tokenizer_config.json")?.unwrap_or_default();
    let map = read_config(directory, "special_tokens_map.json")?;
    let templates = Templates::read(directory, &config)?;
    Ok((templates, SpecialTokens::read(&config, map.as_ref())))
}

/// Tables are as long as the largest id: a broken file must not ask for all memory.
fn check_ids(file: &TokenizerFile) -> Result<()> {
    let vocabulary = file.model.vocab.0.iter().map(|(_, id)| *id);
    let added = file.added_tokens.iter().map(|token| token.id);
    match vocabulary.chain(added).find(|id| *id > LARGEST_ID) {
        Some(id) => Err(error(
            "invalid-tokenizer",
            format!("tokenizer.json holds the id {id}, beyond any vocabulary"),
        )),
        None => Ok(()),
    }
}

/// The directory and its `tokenizer.json`.
fn locate(path: &Path) -> Result<(PathBuf, PathBuf)> {
    if path.is_dir() {
        let file = path.join("tokenizer.json");
        if file.is_file() {
            return Ok((path.to_owned(), file));
        }
        return Err(wrong_directory(path));
    }
    if path.is_file() {
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        return Ok((directory, path.to_owned()));
    }
    Err(error("tokenizer-not-found", "there is no such tokenizer")
        .at_path(path)
        .hint("give a directory with tokenizer.json, or that file"))
}

fn wrong_directory(path: &Path) -> Error {
    let mut names: Vec<String> = std::fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let has = |name: &str| names.iter().any(|found| found == name);
    let hint = if has("tokenizer.model") || has("vocab.json") || has("tekken.json") {
        "it holds a tokenizer of another kind; convert it once with \
         transformers.AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)"
    } else if has("adapter_config.json") {
        "it is an adapter; give the directory of its base model"
    } else {
        "give the directory that the model's files were downloaded to"
    };
    let found = if names.is_empty() {
        "it is empty".to_owned()
    } else {
        names.truncate(12);
        format!("found: {}", names.join(", "))
    };
    error(
        "no-tokenizer-json",
        format!("the directory has no tokenizer.json ({found})"),
    )
    .at_path(path)
    .hint(hint)
}

fn unreadable(path: &Path, cause: &std::io::Error) -> Error {
    error("unreadable-file", format!("cannot read the file: {cause}")).at_path(path)
}

fn read_config(directory: &Path, name: &str) -> Result<Option<Config>> {
    let path = directory.join(name);
    if !path.is_file() {
        return Ok(None);
    }
    let text = std::fs::read(&path).map_err(|cause| unreadable(&path, &cause))?;
    let config = serde_json::from_slice(&text).map_err(|cause| {
        error("invalid-config", format!("{name} is not JSON: {cause}")).at_path(&path)
    })?;
    Ok(Some(config))
}

/// Every added token by id, and those of them that only the configuration declares.
fn added_tokens(
    file: &TokenizerFile,
    config: &Config,
    ids: &FxHashMap<String, u32>,
) -> Result<(Vec<AddedToken>, Vec<AddedToken>)> {
    let in_file = |token: &AddedToken| {
        let mut known = file.added_tokens.iter();
        known.any(|known| known.content == token.content)
    };
    let mut missing = declared_tokens(config);
    missing.retain(|token| !in_file(token));
    let vocabulary = ids.len() as u32;
    let lists = [&file.added_tokens[..], &missing[..]];
    let added = assign_ids(&lists, |text| ids.get(text).copied(), vocabulary);
    for token in &missing {
        let given = added.iter().find(|known| known.content == token.content);
        if given.is_some_and(|given| given.id != token.id) {
            return Err(error(
                "token-id-conflict",
                format!(
                    "tokenizer_config.json gives {:?} the id {}, but in tokenizer.json it gets {}",
                    token.content,
                    token.id,
                    given.map_or(0, |given| given.id)
                ),
            ));
        }
    }
    Ok((added, missing))
}

/// `eos_token_id`: a number or a list of them.
fn eos_ids(generation: &Config) -> Vec<u32> {
    let id = |value: &Json| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match generation.get("eos_token_id") {
        Some(Json::Array(ids)) => ids.iter().filter_map(id).collect(),
        Some(value) => id(value).into_iter().collect(),
        None => Vec::new(),
    }
}

fn hash(
    text: &[u8],
    special: &SpecialTokens,
    templates: &Templates,
    missing: &[AddedToken],
    eos: &[u32],
) -> u128 {
    let mut hasher = Xxh3Default::new();
    hasher.update(text);
    hasher.update(format!("{special:?}{templates:?}{missing:?}{eos:?}").as_bytes());
    hasher.digest128()
}
