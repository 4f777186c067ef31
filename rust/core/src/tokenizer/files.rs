//! The shape of the files beside a tokenizer, as far as they are read.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map as JsonMap, Value as Json};
use turnmill_bpe::AddedToken;

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
    #[serde(default)]
    pub(super) vocab: Vocabulary,
}

/// Tokens with their ids; an object of ids (BPE, `WordPiece`) or a list of pieces (Unigram).
#[derive(Debug, Default)]
pub(super) struct Vocabulary(pub(super) Vec<(String, u32)>);

impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VocabularyVisitor)
    }
}

struct VocabularyVisitor;

impl<'de> Visitor<'de> for VocabularyVisitor {
    type Value = Vocabulary;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a vocabulary: an object of ids or a list of pieces")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vocabulary, A::Error> {
        let mut tokens = Vec::new();
        while let Some(entry) = map.next_entry()? {
            tokens.push(entry);
        }
        Ok(Vocabulary(tokens))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pieces: A) -> Result<Vocabulary, A::Error> {
        let mut tokens = Vec::new();
        while let Some((piece, _)) = pieces.next_element::<(String, IgnoredAny)>()? {
            let id = tokens.len() as u32;
            tokens.push((piece, id));
        }
        Ok(Vocabulary(tokens))
    }
}

/// `tokenizer_config.json`, as a plain object.
pub(super) type Config = JsonMap<String, Json>;

/// The text of a token given as a string or as an object with `content`.
pub(super) fn token_text(value: &Json) -> Option<&str> {
    value
        .as_str()
        .or_else(|| value.get("content").and_then(Json::as_str))
}

/// `added_tokens_decoder` of the configuration, by id.
pub(super) fn declared_tokens(config: &Config) -> Vec<AddedToken> {
    let Some(Json::Object(declared)) = config.get("added_tokens_decoder") else {
        return Vec::new();
    };
    let mut tokens: Vec<AddedToken> = declared
        .iter()
        .filter_map(|(id, value)| {
            let mut token = AddedToken::deserialize(value).ok()?;
            token.id = id.parse().ok()?;
            Some(token)
        })
        .collect();
    tokens.sort_by_key(|token| token.id);
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_vocabulary_shapes_are_read() {
        let map: Vocabulary = serde_json::from_str(r#"{"b":1,"a":0}"#).unwrap();
        assert_eq!(map.0, [("b".to_owned(), 1), ("a".to_owned(), 0)]);
        let list: Vocabulary = serde_json::from_str(r#"[["<unk>",0.0],["a",-3.5]]"#).unwrap();
        assert_eq!(list.0[1], ("a".to_owned(), 1));
    }

    #[test]
    fn declared_tokens_come_by_id() {
        let config: Config = serde_json::from_str(
            r#"{"added_tokens_decoder":{"10":{"content":"b","special":true},"9":{"content":"a"}}}"#,
        )
        .unwrap();
        let tokens = declared_tokens(&config);
        assert_eq!(tokens[0].content, "a");
        assert_eq!((tokens[1].id, tokens[1].special), (10, true));
    }
}
