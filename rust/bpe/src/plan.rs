//! Which of the known shapes a tokenizer has. Whatever is not recognised exactly is refused with
//! its reason, and goes to the reference backend.

use std::str::FromStr;

use serde_json::Value;

use crate::Unsupported;
use crate::definition::{Definition, Model, flag, kind, stages};
use crate::model::bpe::vocabulary::Spelling;
use crate::normalizer::{MARKER, Prefix, Rewrite};
use crate::pre_tokenizer::Split;
use crate::pre_tokenizer::grammar::Grammar;

/// What is done to a text, in this order.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) spelling: Spelling,
    /// Before the normalized added tokens are searched.
    pub(crate) normalizer: Rewrite,
    /// After that.
    pub(crate) pre_tokenizer: Rewrite,
    pub(crate) split: Split,
}

impl Plan {
    pub(crate) fn new(definition: &Definition<'_>) -> Result<Self, Unsupported> {
        let model = &definition.model;
        check_model(model)?;
        let normalizers = stages(definition.normalizer.as_ref(), "normalizers");
        let pre_tokenizers = stages(definition.pre_tokenizer.as_ref(), "pretokenizers");
        if model.byte_fallback {
            characters(&normalizers, &pre_tokenizers)
        } else {
            byte_level(&normalizers, &pre_tokenizers)
        }
    }
}

fn check_model(model: &Model<'_>) -> Result<(), Unsupported> {
    let set = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let reason = match model.kind.as_deref() {
        Some("BPE") | None if model.vocab.0.is_empty() => "the model has no vocabulary of BPE",
        Some("BPE") | None => match model {
            _ if model.dropout.is_some_and(|rate| rate != 0.0) => {
                "the model drops merges at random"
            }
            _ if set(&model.continuing_subword_prefix) => "the model has a subword prefix",
            _ if set(&model.end_of_word_suffix) => "the model has a suffix at word ends",
            _ if model.byte_fallback && model.ignore_merges => {
                "the model has both byte fallback and ignore_merges"
            }
            _ => return Ok(()),
        },
        Some(_) => "the model is not BPE",
    };
    Err(Unsupported::new(reason))
}

/// Byte-level BPE: any splits, then `ByteLevel`.
fn byte_level(normalizers: &[&Value], stages: &[&Value]) -> Result<Plan, Unsupported> {
    let nfc = match normalizers {
        [] => false,
        [one] if kind(one) == "NFC" => true,
        _ => return Err(Unsupported::shape("normalizer", normalizers)),
    };
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
    Ok(Plan {
        spelling: Spelling::ByteLevel,
        normalizer: Rewrite {
            nfc,
            ..Rewrite::default()
        },
        pre_tokenizer: Rewrite {
            prefix,
            ..Rewrite::default()
        },
        split: Split::before_bytes(before, flag(last, "use_regex", true))?,
    })
}

/// BPE of the SentencePiece kind: spaces have a sign, by a normalizer or by `Metaspace`.
fn characters(normalizers: &[&Value], stages: &[&Value]) -> Result<Plan, Unsupported> {
    let marks = |value: &&Value| {
        kind(value) == "Replace"
            && value["pattern"]["String"] == " "
            && is_marker(&value["content"])
    };
    let prepends = |value: &&Value| kind(value) == "Prepend" && is_marker(&value["prepend"]);
    let normalizer = match normalizers {
        [] => None,
        [one] if marks(one) => Some(Prefix::Never),
        [one, two] if (prepends(one) && marks(two)) || (marks(one) && prepends(two)) => {
            Some(Prefix::Always)
        }
        _ => return Err(Unsupported::shape("normalizer", normalizers)),
    };
    let (pre_tokenizer, grammar) = match (stages, normalizer) {
        ([], Some(_)) => (Rewrite::default(), Grammar::Whole),
        // The normalizer has left no space to split at.
        ([split], Some(_)) if kind(split) == "Split" && split["pattern"]["String"] == " " => {
            (Rewrite::default(), Grammar::Whole)
        }
        ([metaspace], None) if kind(metaspace) == "Metaspace" => self::metaspace(metaspace)?,
        _ => return Err(Unsupported::shape("pre-tokenizer", stages)),
    };
    let marked = |prefix| Rewrite {
        prefix,
        marker: true,
        nfc: false,
    };
    Ok(Plan {
        spelling: Spelling::Characters,
        normalizer: normalizer.map(marked).unwrap_or_default(),
        pre_tokenizer,
        split: Split::Known(grammar),
    })
}

fn is_marker(value: &Value) -> bool {
    value.as_str().and_then(|text| char::from_str(text).ok()) == Some(MARKER)
}

fn metaspace(stage: &Value) -> Result<(Rewrite, Grammar), Unsupported> {
    let scheme = match stage["prepend_scheme"].as_str() {
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
    Ok((
        Rewrite {
            prefix: scheme,
            marker: true,
            nfc: false,
        },
        grammar,
    ))
}
