//! What `tokenizer.json` says, read with types of our own.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::{AddedToken, Unsupported};

/// The parts of `tokenizer.json` that decide the ids.
#[derive(Debug, Deserialize)]
pub(crate) struct Definition<'a> {
    #[serde(default)]
    pub(crate) added_tokens: Vec<AddedToken>,
    #[serde(default)]
    pub(crate) normalizer: Option<Value>,
    #[serde(default)]
    pub(crate) pre_tokenizer: Option<Value>,
    #[serde(borrow)]
    pub(crate) model: Model<'a>,
}

/// The `model` object.
#[derive(Debug, Deserialize)]
pub(crate) struct Model<'a> {
    #[serde(rename = "type", default)]
    pub(crate) kind: Option<String>,
    #[serde(default)]
    pub(crate) dropout: Option<f32>,
    #[serde(default)]
    pub(crate) continuing_subword_prefix: Option<String>,
    #[serde(default)]
    pub(crate) end_of_word_suffix: Option<String>,
    #[serde(default)]
    pub(crate) byte_fallback: bool,
    #[serde(default)]
    pub(crate) ignore_merges: bool,
    #[serde(default)]
    pub(crate) unk_token: Option<String>,
    #[serde(default)]
    pub(crate) fuse_unk: bool,
    /// Of Unigram: the place of the unknown token in the list.
    #[serde(default)]
    pub(crate) unk_id: Option<usize>,
    /// Of `WordPiece`.
    #[serde(default)]
    pub(crate) max_input_chars_per_word: Option<u64>,
    #[serde(borrow, default)]
    pub(crate) vocab: Vocab<'a>,
    #[serde(borrow, default)]
    pub(crate) merges: Vec<Merge<'a>>,
}

/// Token texts and their ids, in file order.
#[derive(Debug, Default)]
pub(crate) struct Vocab<'a> {
    pub(crate) tokens: Vec<(Cow<'a, str>, u32)>,
    /// One for each token if the file has a list of them, as Unigram has.
    pub(crate) scores: Option<Vec<f64>>,
}

/// Two token texts that merge; the rank is the position in the list.
#[derive(Debug)]
pub(crate) struct Merge<'a>(pub(crate) Cow<'a, str>, pub(crate) Cow<'a, str>);

/// A string that borrows from the file where it has no escapes.
struct BorrowedText<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for BorrowedText<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = BorrowedText<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(BorrowedText(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(BorrowedText(Cow::Owned(text.to_owned())))
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
                f.write_str("a map of tokens to ids, or a list of tokens with scores")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::with_capacity(1 << 15);
                while let Some((BorrowedText(text), id)) = map.next_entry()? {
                    entries.push((text, id));
                }
                Ok(Vocab {
                    tokens: entries,
                    scores: None,
                })
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let (mut tokens, mut scores) = (Vec::with_capacity(1 << 15), Vec::new());
                while let Some((BorrowedText(text), score)) = seq.next_element()? {
                    tokens.push((text, tokens.len() as u32));
                    scores.push(score);
                }
                Ok(Vocab {
                    tokens,
                    scores: Some(scores),
                })
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
                let BorrowedText(left) = seq.next_element()?.ok_or_else(missing)?;
                let BorrowedText(right) = seq.next_element()?.ok_or_else(missing)?;
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

/// The items of a sequence, of sequences in it too; one item that is none; none for null. `key` is
/// the field of a sequence that holds its items.
pub(crate) fn stages<'a>(value: Option<&'a Value>, key: &str) -> Vec<&'a Value> {
    match value {
        None | Some(Value::Null) => Vec::new(),
        Some(value) if kind(value) == "Sequence" => value[key]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|item| stages(Some(item), key))
            .collect(),
        Some(value) => vec![value],
    }
}

/// The type of a stage.
pub(crate) fn kind(stage: &Value) -> &str {
    stage["type"].as_str().unwrap_or("")
}

/// A setting of a stage.
pub(crate) fn flag(stage: &Value, key: &str, default: bool) -> bool {
    stage[key].as_bool().unwrap_or(default)
}

impl Unsupported {
    /// Stages in a combination that is not known here.
    pub(crate) fn shape(what: &str, stages: &[&Value]) -> Self {
        let kinds: Vec<_> = stages.iter().map(|stage| kind(stage)).collect();
        Self::new(format!(
            "the {what} is of an unknown shape: [{}]",
            kinds.join(", ")
        ))
    }
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
        assert_eq!(definition.model.vocab.tokens[1], (Cow::Borrowed("b\""), 1));
    }

    #[test]
    fn a_unigram_vocabulary_is_not_a_syntax_error() {
        let json = r#"{"model": {"type": "Unigram", "vocab": [["a", -1.5]]}}"#;
        let definition: Definition<'_> = serde_json::from_str(json).unwrap();
        assert_eq!(definition.model.kind.as_deref(), Some("Unigram"));
        assert_eq!(definition.model.vocab.scores, Some(vec![-1.5]));
    }
}
