//! Loading a tokenizer directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde_json::Value as Json;
use turnmill_bpe::Encoder;
use xxhash_rust::xxh3::Xxh3Default;

use super::added::{Added, Declarations};
use super::bytes::{TokenBytes, knows_every_byte};
use super::files::{Config, TokenizerFile, read_object, unreadable};
use super::trimming::Trimming;
use super::{AddedToken, Affixes, Backend, Reference, SpecialTokens, Templates, Tokenizer, kinds};
use crate::{Error, ErrorKind, Result};

/// Far above any published vocabulary.
const LARGEST_ID: u32 = 50_000_000;

impl Tokenizer {
    /// Loads a directory with `tokenizer.json`, or that file. Truncation and padding settings of
    /// the file are ignored. Other files that transformers reads are read too:
    /// `tokenizer_config.json`, `special_tokens_map.json`, `added_tokens.json`,
    /// `generation_config.json`, `chat_template.jinja`, `additional_chat_templates/`, and the chat
    /// template of `processor_config.json` or `chat_template.json`.
    pub fn load(path: &Path) -> Result<Self> {
        load_with(path, |json, further, affixes| {
            let known = affixes.ok_or("its post-processor is not known")?;
            let encoder = Encoder::new(json, further).map_err(|unsupported| unsupported.reason)?;
            Ok((encoder, known))
        })
    }

    /// Like [`load`](Self::load), but always with the reference backend; for tests, and for
    /// tokenizers whose self-check found a difference. [`backend_reason`](Self::backend_reason)
    /// returns `reason`.
    pub fn load_reference(path: &Path, reason: &str) -> Result<Self> {
        load_with(path, |_, _, _| Err(reason.to_owned()))
    }
}

/// `fast` gives the fast encoder, or the reason why there is none.
fn load_with(
    path: &Path,
    fast: impl Fn(&[u8], &[AddedToken], Option<Affixes>) -> Result<(Encoder, Affixes), String>,
) -> Result<Tokenizer> {
    let (directory, file_path) = locate(path)?;
    let text = std::fs::read(&file_path).map_err(|cause| unreadable(&file_path, &cause))?;
    let config = read_object(&directory, "tokenizer_config.json")?.unwrap_or_default();
    let map = read_object(&directory, "special_tokens_map.json")?;
    let legacy = read_object(&directory, "added_tokens.json")?;
    let generation = read_object(&directory, "generation_config.json")?;
    let file: TokenizerFile = serde_json::from_slice(&text)
        .map_err(|cause| kinds::wrong_file(&file_path, &text, &cause))?;
    let here = |error: Error| error.at_path(&file_path);
    check_ids(&file).map_err(here)?;
    let special = SpecialTokens::read(&config, map.as_ref());
    let declarations = Declarations {
        file: &file,
        config: &config,
        legacy: legacy.as_ref(),
        special: &special,
    };
    let mut ids: FxHashMap<String, u32> = file.model.vocab.0.iter().cloned().collect();
    let Added {
        tokens: added,
        further,
        beyond,
    } = declarations.added(&ids).map_err(here)?;
    ids.extend(added.iter().map(|token| (token.content.clone(), token.id)));
    let known = Affixes::of(&file.post_processor);
    let chosen = fast(&text, &further, known.clone());
    let (backend, name, reason, affixes): (Arc<dyn Backend>, _, _, Affixes) = match chosen {
        Ok((encoder, known)) => {
            let (name, title) = (encoder.model_name(), encoder.model_title());
            let reason = format!("the tokenizer is a known kind of {title}");
            (Arc::new(encoder), name, reason, known)
        }
        Err(reason) => {
            let (reference, found) = Reference::load(&text, &further).map_err(here)?;
            let affixes = known.unwrap_or(found);
            (Arc::new(reference), "reference", reason, affixes)
        }
    };
    let templates = Templates::read(&directory, &config)?;
    let generation_eos = generation.as_ref().map(eos_ids).unwrap_or_default();
    let unknown = unknown_id(&file, &ids);
    Ok(Tokenizer {
        path: path.to_owned(),
        hash: hash(&text, &special, &templates, &further, &generation_eos),
        backend,
        backend_name: name,
        backend_reason: reason,
        token_bytes: TokenBytes::new(&file, &added),
        added,
        beyond,
        ids,
        special,
        templates,
        generation_eos,
        claims_eos: config.get("add_eos_token") == Some(&Json::Bool(true)),
        unknown,
        affixes,
        trimming: Trimming::of(&file.post_processor),
    })
}

/// The id that unknown text becomes; none where the model knows every byte. The `unk_token` of the
/// configuration is only a name: GPT-2's is its eos, and no text becomes it.
fn unknown_id(file: &TokenizerFile, ids: &FxHashMap<String, u32>) -> Option<u32> {
    if knows_every_byte(file) {
        return None;
    }
    let named = file.model.unk_token.as_ref();
    file.model.unk_id.or(ids.get(named?).copied())
}

/// The chat templates and named special tokens of a directory, without loading its vocabulary.
pub fn read_templates(directory: &Path) -> Result<(Templates, SpecialTokens)> {
    let config = read_object(directory, "tokenizer_config.json")?.unwrap_or_default();
    let map = read_object(directory, "special_tokens_map.json")?;
    let templates = Templates::read(directory, &config)?;
    Ok((templates, SpecialTokens::read(&config, map.as_ref())))
}

/// Tables are as long as the largest id: a broken file must not ask for all memory.
fn check_ids(file: &TokenizerFile) -> Result<()> {
    let vocabulary = file.model.vocab.0.iter().map(|(_, id)| *id);
    let added = file.added_tokens.iter().map(|token| token.id);
    match vocabulary.chain(added).find(|id| *id > LARGEST_ID) {
        Some(id) => {
            let what = format!("tokenizer.json holds the id {id}, beyond any vocabulary");
            let error = Error::new(ErrorKind::Tokenizer, "invalid-tokenizer", what);
            Err(error.hint("the file is damaged: get it again"))
        }
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
        return Err(kinds::wrong_directory(path));
    }
    if path.is_file() {
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        return Ok((directory, path.to_owned()));
    }
    Err(kinds::missing(path))
}

/// The values of `eos_token_id`: a number or a list of them.
fn eos_values(generation: &Config) -> &[Json] {
    match generation.get("eos_token_id") {
        Some(Json::Array(values)) => values,
        Some(Json::Null) | None => &[],
        Some(value) => std::slice::from_ref(value),
    }
}

/// Those of them that are ids.
fn eos_ids(generation: &Config) -> Vec<u32> {
    let id = |value: &Json| value.as_u64().and_then(|id| u32::try_from(id).ok());
    eos_values(generation).iter().filter_map(id).collect()
}

/// The ids that the `generation_config.json` of a directory stops on, without loading a vocabulary;
/// none if it names none.
pub fn read_generation_eos(directory: &Path) -> Result<Vec<u32>> {
    let name = "generation_config.json";
    let generation = read_object(directory, name)?.unwrap_or_default();
    let ids = eos_ids(&generation);
    if ids.len() == eos_values(&generation).len() {
        return Ok(ids);
    }
    let found = &generation["eos_token_id"];
    let what = format!("`eos_token_id` is {found}, neither an id nor a list of ids");
    Err(Error::new(ErrorKind::Tokenizer, "invalid-config", what)
        .at_path(directory.join(name))
        .hint("give it as in 2 or [2, 3]"))
}

fn hash(
    text: &[u8],
    special: &SpecialTokens,
    templates: &Templates,
    further: &[AddedToken],
    eos: &[u32],
) -> u128 {
    let mut hasher = Xxh3Default::new();
    hasher.update(text);
    hasher.update(format!("{special:?}{templates:?}{further:?}{eos:?}").as_bytes());
    hasher.digest128()
}
