//! Splits a text into pieces.

pub(crate) mod blocks;
pub(crate) mod grammar;
mod patterns;
mod scan;
pub(crate) mod unicode;

use serde_json::{Value, json};
use tokenizers::{
    OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, PreTokenizerWrapper,
};

use crate::Unsupported;
use crate::definition::{flag, kind};
use crate::simd::Vectors;
use grammar::Grammar;

/// How a text falls into pieces.
#[derive(Debug)]
pub(crate) enum Split {
    /// By a scanner of ours.
    Known(Grammar),
    /// By the reference's own pre-tokenizers: correct and slow, for patterns not known.
    Reference(Box<PreTokenizerWrapper>),
}

impl Split {
    /// Of the stages of a tokenizer that is not of bytes.
    pub(crate) fn of(stages: &[&Value]) -> Result<Self, Unsupported> {
        let kinds: Vec<&str> = stages.iter().map(|stage| kind(stage)).collect();
        match kinds[..] {
            [] => Ok(Self::Known(Grammar::Whole)),
            ["WhitespaceSplit"] => Ok(Self::Known(Grammar::Blanks)),
            ["Whitespace"] => Ok(Self::Known(Grammar::WordsAndSigns)),
            ["BertPreTokenizer"] => Ok(Self::Known(Grammar::Bert)),
            _ => Self::reference(stages, false),
        }
    }

    /// Of the stages before `ByteLevel`; `gpt2`: that splits as well.
    pub(crate) fn before_bytes(stages: &[&Value], gpt2: bool) -> Result<Self, Unsupported> {
        let known = match (stages, gpt2) {
            ([], true) => Some(Grammar::Gpt2),
            ([], false) => Some(Grammar::Whole),
            ([digits], true)
                if kind(digits) == "Digits" && flag(digits, "individual_digits", false) =>
            {
                Some(Grammar::Gpt2Digits)
            }
            ([one], false) => {
                patterns::pattern(one).and_then(|pattern| patterns::grammar(&pattern))
            }
            ([a, b, c], false) => patterns::deepseek(&[a, b, c]),
            _ => None,
        };
        match known {
            Some(grammar) => Ok(Self::Known(grammar)),
            None => Self::reference(stages, gpt2),
        }
    }

    /// The stages as the reference has them, if none takes text away.
    fn reference(stages: &[&Value], gpt2: bool) -> Result<Self, Unsupported> {
        let keeps = |stage: &&Value| match kind(stage) {
            "Split" | "Punctuation" => {
                let behavior = stage["behavior"].as_str().unwrap_or("Isolated");
                !behavior.eq_ignore_ascii_case("removed")
            }
            "Digits" => true,
            _ => false,
        };
        if !stages.iter().all(keeps) {
            return Err(Unsupported::shape("pre-tokenizer", stages));
        }
        let mut list: Vec<Value> = stages.iter().map(|&stage| stage.clone()).collect();
        if gpt2 {
            list.push(json!({
            "type": "Split", "pattern": {"Regex": patterns::GPT2}, "behavior": "Isolated", "invert": false,
        }));
        }
        serde_json::from_value(json!({"type": "Sequence", "pretokenizers": list}))
            .map(|splitter| Self::Reference(Box::new(splitter)))
            .map_err(|error| Unsupported::new(format!("the pre-tokenizer cannot be read: {error}")))
    }

    /// White space is left out; see [`Grammar::drops_white`].
    pub(crate) fn drops_white(&self) -> bool {
        matches!(self, Self::Known(grammar) if grammar.drops_white())
    }

    /// Appends the end of every piece of `text`, in order.
    #[inline(always)]
    pub(crate) fn split(
        &self,
        text: &str,
        vectors: impl Vectors,
        ends: &mut Vec<u32>,
    ) -> Result<(), String> {
        match self {
            Self::Known(grammar) => grammar.split(text, vectors, ends),
            Self::Reference(splitter) => {
                let mut pieces = PreTokenizedString::from(text);
                splitter
                    .pre_tokenize(&mut pieces)
                    .map_err(|error| error.to_string())?;
                let splits = pieces.get_splits(OffsetReferential::Normalized, OffsetType::Byte);
                ends.extend(splits.iter().map(|(_, (_, end), _)| *end as u32));
            }
        }
        Ok(())
    }
}
