//! The shape of the files beside a tokenizer, as far as they are read.

use std::fmt;
use std::path::Path;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map as JsonMap, Value as Json};
use turnmill_bpe::AddedToken;

use crate::{Error, ErrorKind, Result};

/// `tokenizer.json`; what only the backends need stays JSON or is skipped.
#[derive(Debug, Deserialize)]
pub(super) struct TokenizerFile {
    #[serde(default)]
    pub(super) added_tokens: Vec<AddedToken>,
    #[serde(default)]
    pub(super) pre_tokenizer: Json,
    #[serde(default)]
    pub(super) post_processor: Json,
    #[serde(default)]
    pub(super) decoder: Json,
    pub(super) model: ModelFile,
}

/// `model` of `tokenizer.json`.
#[derive(Debug, Deserialize)]
pub(super) struct ModelFile {
    #[serde(default)]
    pub(super) byte_fallback: bool,
    /// What unknown text becomes: its text, or its id in a Unigram model.
    pub(super) unk_token: Option<String>,
    pub(super) unk_id: Option<u32>,
    #[serde(default)]
    pub(super) vocab: TokenIds,
}

/// Tokens with their ids; an object of ids (BPE, `WordPiece`) or a list of pieces (Unigram).
#[derive(Debug, Default)]
pub(super) struct TokenIds(pub(super) Vec<(String, u32)>);

impl<'de> Deserialize<'de> for TokenIds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VocabularyVisitor)
    }
}

struct VocabularyVisitor;

impl<'de> Visitor<'de> for VocabularyVisitor {
    type Value = TokenIds;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a vocabulary: an object of ids or a list of pieces")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TokenIds, A::Error> {
        let mut tokens = Vec::new();
        while let Some(entry) = map.next_entry()? {
            tokens.push(entry);
        }
        Ok(TokenIds(tokens))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pieces: A) -> Result<TokenIds, A::Error> {
        let mut tokens = Vec::new();
        while let Some((piece, _)) = pieces.next_element::<(String, IgnoredAny)>()? {
            let id = tokens.len() as u32;
            tokens.push((piece, id));
        }
        Ok(TokenIds(tokens))
    }
}

/// `tokenizer_config.json` or another file beside it, as a plain object.
pub(super) type Config = JsonMap<String, Json>;

/// The object in a JSON file; `None` if there is no such file.
pub(super) fn read_object(directory: &Path, name: &str) -> Result<Option<Config>> {
    let path = directory.join(name);
    if !path.is_file() {
        return Ok(None);
    }
    let text = std::fs::read(&path).map_err(|cause| unreadable(&path, &cause))?;
    let object = serde_json::from_slice(&text).map_err(|cause| {
        let what = format!("{name} is not a JSON object: {cause}");
        Error::new(ErrorKind::Tokenizer, "invalid-config", what)
            .at_path(&path)
            .hint("repair the file or get it again; without it, turnmill does without what it says")
    })?;
    Ok(Some(object))
}

/// The error for a file that the system does not give.
pub(super) fn unreadable(path: &Path, cause: &std::io::Error) -> Error {
    let what = format!("cannot read the file: {cause}");
    Error::new(ErrorKind::Tokenizer, "unreadable-file", what)
        .at_path(path)
        .hint("see who may read it, and whether the disk is there")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_vocabulary_shapes_are_read() {
        let map: TokenIds = serde_json::from_str(r#"{"b":1,"a":0}"#).unwrap();
        assert_eq!(map.0, [("b".to_owned(), 1), ("a".to_owned(), 0)]);
        let list: TokenIds = serde_json::from_str(r#"[["<unk>",0.0],["a",-3.5]]"#).unwrap();
        assert_eq!(list.0[1], ("a".to_owned(), 1));
    }
}
