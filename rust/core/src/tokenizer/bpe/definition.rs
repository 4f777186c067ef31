//! What `tokenizer.json` says, read with types of our own.

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

use crate::tokenizer::AddedToken;

/// The parts of `tokenizer.json` that decide the ids.
#[derive(Debug, Deserialize)]
pub(super) struct Definition<'a> {
    #[serde(default)]
    pub(super) added_tokens: Vec<AddedToken>,
    #[serde(default)]
    pub(super) normalizer: Option<serde_json::Value>,
    #[serde(default)]
    pub(super) pre_tokenizer: Option<serde_json::Value>,
    #[serde(borrow)]
    pub(super) model: Model<'a>,
}

/// The `model` object.
#[derive(Debug, Deserialize)]
pub(super) struct Model<'a> {
    #[serde(rename = "type", default)]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) dropout: Option<f32>,
    #[serde(default)]
    pub(super) continuing_subword_prefix: Option<String>,
    #[serde(default)]
    pub(super) end_of_word_suffix: Option<String>,
    #[serde(default)]
    pub(super) byte_fallback: bool,
    #[serde(default)]
    pub(super) ignore_merges: bool,
    #[serde(borrow, default)]
    pub(super) vocab: Vocab<'a>,
    #[serde(borrow, default)]
    pub(super) merges: Vec<Merge<'a>>,
}

/// Token texts and their ids, in file order. Empty when the file has another shape (Unigram).
#[derive(Debug, Default)]
pub(super) struct Vocab<'a>(pub(super) Vec<(Cow<'a, str>, u32)>);

/// Two token texts that merge; the rank is the position in the list.
#[derive(Debug)]
pub(super) struct Merge<'a>(pub(super) Cow<'a, str>, pub(super) Cow<'a, str>);

/// A string that borrows from the file where it has no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Vocab<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct VocabVisitor;
        impl<'de> Visitor<'de> for VocabVisitor {
            type Value = Vocab<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of tokens to ids")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::with_capacity(1 << 15);
                while let Some((Text(text), id)) = map.next_entry()? {
                    entries.push((text, id));
                }
                Ok(Vocab(entries))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<de::IgnoredAny>()?.is_some() {}
                Ok(Vocab::default())
            }
        }
        deserializer.deserialize_any(VocabVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Merge<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MergeVisitor;
        impl<'de> Visitor<'de> for MergeVisitor {
            type Value = Merge<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("two tokens, as a list or joined by one space")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Merge<'de>, E> {
                let (left, right) = halves(text)?;
                Ok(Merge(Cow::Borrowed(left), Cow::Borrowed(right)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Merge<'de>, E> {
                let (left, right) = halves(text)?;
                Ok(Merge(
                    Cow::Owned(left.to_owned()),
                    Cow::Owned(right.to_owned()),
                ))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Merge<'de>, A::Error> {
                let missing = || de::Error::invalid_length(1, &"two tokens");
                let Text(left) = seq.next_element()?.ok_or_else(missing)?;
                let Text(right) = seq.next_element()?.ok_or_else(missing)?;
                Ok(Merge(left, right))
            }
        }
        deserializer.deserialize_any(MergeVisitor)
    }
}

fn halves<E: de::Error>(text: &str) -> Result<(&str, &str), E> {
    text.split_once(' ')
        .filter(|(_, right)| !right.contains(' '))
        .ok_or_else(|| de::Error::custom(format!("a merge has two tokens, this has not: {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_of_merges_are_read() {
        let json = r#"{"model": {"type": "BPE", "vocab": {"a": 0, "b\"": 1}, "merges": ["a b", ["a", "b c"]]}}"#;
        let definition: Definition<'_> = serde_json::from_str(json).unwrap();
        let pairs: Vec<_> = definition
            .model
            .merges
            .iter()
            .map(|m| (&*m.0, &*m.1))
            .collect();
        assert_eq!(pairs, [("a", "b"), ("a", "b c")]);
        assert_eq!(definition.model.vocab.0[1], (Cow::Borrowed("b\""), 1));
    }

    #[test]
    fn a_unigram_vocabulary_is_not_a_syntax_error() {
        let json = r#"{"model": {"type": "Unigram", "vocab": [["a", -1.5]]}}"#;
        let definition: Definition<'_> = serde_json::from_str(json).unwrap();
        assert_eq!(definition.model.kind.as_deref(), Some("Unigram"));
    }
}
