//! Finds out which of the known shapes a tokenizer has. What is not recognised exactly is refused
//! with a reason, and the reference backend takes it.

use std::str::FromStr;

use serde_json::Value;

use crate::Unsupported;
use crate::definition::{Definition, Model, flag, kind, stages};
use crate::normalizer::{MARKER, Normalizer, Prefix, Rewrite};
use crate::pre_tokenizer::Split;
use crate::pre_tokenizer::grammar::Grammar;

/// How a model's tokens are written, and which model it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// BPE on bytes, one character a byte, by the table of GPT-2.
    BytesBpe,
    /// BPE on characters, spaces as `▁`, and bytes of characters it does not have as `<0x..>`.
    CharactersBpe,
    /// Unigram; whether spaces are `▁`.
    Unigram { signs: bool },
    /// `WordPiece`.
    WordPiece,
}

/// What is done to a text, in this order.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Before the normalized added tokens are searched.
    pub(crate) normalizer: Normalizer,
    /// After that.
    pub(crate) pre_tokenizer: Rewrite,
    pub(crate) split: Split,
    pub(crate) kind: Kind,
}

impl Plan {
    pub(crate) fn new(definition: &Definition<'_>) -> Result<Self, Unsupported> {
        let model = &definition.model;
        let normalizers = stages(definition.normalizer.as_ref(), "normalizers");
        let pre_tokenizers = stages(definition.pre_tokenizer.as_ref(), "pretokenizers");
        match model.kind.as_deref() {
            Some("Unigram") => unigram(&normalizers, &pre_tokenizers),
            None if model.vocab.scores.is_some() => unigram(&normalizers, &pre_tokenizers),
            Some("WordPiece") => word_piece(&normalizers, &pre_tokenizers),
            Some("BPE") | None => {
                check_bpe(model)?;
                let bytes = pre_tokenizers
                    .iter()
                    .any(|stage| kind(stage) == "ByteLevel");
                if bytes && !model.byte_fallback {
                    byte_level(&normalizers, &pre_tokenizers)
                } else {
                    characters(&normalizers, &pre_tokenizers)
                }
            }
            Some(_) => Err(Unsupported::new(
                "the model is not BPE, Unigram or WordPiece",
            )),
        }
    }
}

fn check_bpe(model: &Model<'_>) -> Result<(), Unsupported> {
    let set = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let reason = match model {
        _ if model.vocab.tokens.is_empty() || model.vocab.scores.is_some() => {
            "the model has no vocabulary of BPE"
        }
        _ if model.dropout.is_some_and(|rate| rate != 0.0) => "the model drops merges at random",
        _ if set(&model.continuing_subword_prefix) => "the model has a subword prefix",
        _ if set(&model.end_of_word_suffix) => "the model has a suffix at word ends",
        _ if model.byte_fallback && model.ignore_merges => {
            "the model has both byte fallback and ignore_merges"
        }
        _ => return Ok(()),
    };
    Err(Unsupported::new(reason))
}

/// Byte-level BPE: any splits, then `ByteLevel`.
fn byte_level(normalizers: &[&Value], stages: &[&Value]) -> Result<Plan, Unsupported> {
    let nfc = matches!(normalizers, [one] if kind(one) == "NFC");
    let steps = if nfc { &[] } else { normalizers };
    let Some((last, before)) = stages
        .split_last()
        .filter(|(last, _)| kind(last) == "ByteLevel")
    else {
        return Err(Unsupported::shape("pre-tokenizer", stages));
    };
    let prefixed = flag(last, "add_prefix_space", true);
    if prefixed && !before.is_empty() {
        return Err(Unsupported::shape("pre-tokenizer", stages));
    }
    let prefix = if prefixed {
        Prefix::UnlessSpace
    } else {
        Prefix::Never
    };
    let composed = Rewrite {
        nfc,
        ..Rewrite::default()
    };
    Ok(Plan {
        kind: Kind::BytesBpe,
        normalizer: Normalizer::new(steps, composed)?,
        pre_tokenizer: Rewrite {
            prefix,
            ..Rewrite::default()
        },
        split: Split::before_bytes(before, flag(last, "use_regex", true))?,
    })
}

/// BPE of the SentencePiece kind: spaces have a sign, by a normalizer or by `Metaspace`.
fn characters(normalizers: &[&Value], stages: &[&Value]) -> Result<Plan, Unsupported> {
    let (steps, marked) = marking(normalizers);
    let (pre_tokenizer, grammar) = match (stages, marked) {
        ([], Some(_)) => (Rewrite::default(), Grammar::Whole),
        // The normalizer has left no space to split at.
        ([split], Some(_)) if kind(split) == "Split" && split["pattern"]["String"] == " " => {
            (Rewrite::default(), Grammar::Whole)
        }
        ([stage], None) if kind(stage) == "Metaspace" => metaspace(stage)?,
        ([], None) if !normalizers.is_empty() => {
            return Err(Unsupported::shape("normalizer", normalizers));
        }
        _ => return Err(Unsupported::shape("pre-tokenizer", stages)),
    };
    let marked = marked.map(|prefix| Rewrite {
        prefix,
        marker: true,
        ..Rewrite::default()
    });
    Ok(Plan {
        kind: Kind::CharactersBpe,
        normalizer: Normalizer::new(steps, marked.unwrap_or_default())?,
        pre_tokenizer,
        split: Split::Known(grammar),
    })
}

/// The normalizers before those that put a sign for each space, and what these put in front.
fn marking<'s, 'v>(normalizers: &'s [&'v Value]) -> (&'s [&'v Value], Option<Prefix>) {
    let marks = |value: &Value| {
        kind(value) == "Replace"
            && value["pattern"]["String"] == " "
            && is_marker(&value["content"])
    };
    let prepends = |value: &Value| kind(value) == "Prepend" && is_marker(&value["prepend"]);
    match normalizers {
        [steps @ .., one, two] if prepends(one) && marks(two) || marks(one) && prepends(two) => {
            (steps, Some(Prefix::Always))
        }
        [steps @ .., one] if marks(one) => (steps, Some(Prefix::Never)),
        _ => (normalizers, None),
    }
}

/// Unigram: any normalizers, and a split.
fn unigram(normalizers: &[&Value], stages: &[&Value]) -> Result<Plan, Unsupported> {
    let (mut pre_tokenizer, mut signs) = (Rewrite::default(), true);
    let split = match stages {
        [stage] if kind(stage) == "Metaspace" => {
            let grammar;
            (pre_tokenizer, grammar) = metaspace(stage)?;
            Split::Known(grammar)
        }
        [white, stage] if kind(white) == "WhitespaceSplit" && kind(stage) == "Metaspace" => {
            let (marked, grammar) = metaspace(stage)?;
            if (marked.prefix, grammar) != (Prefix::UnlessSpace, Grammar::Spaces) {
                return Err(Unsupported::shape("pre-tokenizer", stages));
            }
            pre_tokenizer = Rewrite {
                words: true,
                ..marked
            };
            Split::Known(grammar)
        }
        _ => {
            signs = false;
            Split::of(stages)?
        }
    };
    Ok(Plan {
        kind: Kind::Unigram { signs },
        normalizer: Normalizer::new(normalizers, Rewrite::default())?,
        pre_tokenizer,
        split,
    })
}

/// `WordPiece`: any normalizers, and a split.
fn word_piece(normalizers: &[&Value], stages: &[&Value]) -> Result<Plan, Unsupported> {
    Ok(Plan {
        kind: Kind::WordPiece,
        normalizer: Normalizer::new(normalizers, Rewrite::default())?,
        pre_tokenizer: Rewrite::default(),
        split: Split::of(stages)?,
    })
}

fn is_marker(value: &Value) -> bool {
    value.as_str().and_then(|text| char::from_str(text).ok()) == Some(MARKER)
}

fn metaspace(stage: &Value) -> Result<(Rewrite, Grammar), Unsupported> {
    let prefix = match stage["prepend_scheme"].as_str() {
        _ if stage["add_prefix_space"] == false => Prefix::Never,
        Some("never") => Prefix::Never,
        Some("first") => Prefix::FirstUnlessSpace,
        Some("always") | None => Prefix::UnlessSpace,
        Some(_) => return Err(Unsupported::shape("pre-tokenizer", &[stage])),
    };
    if !is_marker(&stage["replacement"]) {
        return Err(Unsupported::shape("pre-tokenizer", &[stage]));
    }
    let grammar = if flag(stage, "split", true) {
        Grammar::Spaces
    } else {
        Grammar::Whole
    };
    let rewrite = Rewrite {
        prefix,
        marker: true,
        ..Rewrite::default()
    };
    Ok((rewrite, grammar))
}
