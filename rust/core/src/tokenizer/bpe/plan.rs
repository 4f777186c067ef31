//! Which of the known shapes a tokenizer has. Whatever is not recognised exactly is refused with
//! its reason, and goes to the reference backend.

use serde_json::{Value, json};
use std::str::FromStr;
use tokenizers::PreTokenizerWrapper;
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

use super::Unsupported;
use super::definition::{Definition, Model};
use super::grammar::{CasedWords, Grammar, Words};
use super::normalize::{MARKER, Prefix, Rewrite};
use super::simd::Vectors;
use super::vocabulary::Spelling;

/// What is done to a text, in this order.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) spelling: Spelling,
    /// Before the normalized added tokens are searched.
    pub(super) normalizer: Rewrite,
    /// After that.
    pub(super) pre_tokenizer: Rewrite,
    pub(super) split: Split,
}

/// How a text falls into pieces.
#[derive(Debug)]
pub(super) enum Split {
    /// By a scanner of ours.
    Known(Grammar),
    /// By the reference's own pre-tokenizers: correct and slow, for patterns not known.
    Reference(Box<PreTokenizerWrapper>),
}

impl Split {
    /// Appends the end of every piece of `text`, in order.
    #[inline(always)]
    pub(super) fn split(
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

impl Plan {
    pub(super) fn new(definition: &Definition<'_>) -> Result<Self, Unsupported> {
        let model = &definition.model;
        check_model(model)?;
        let stages = stages(definition.pre_tokenizer.as_ref());
        let normalizers = stages_of(definition.normalizer.as_ref(), "normalizers");
        if model.byte_fallback {
            characters(&normalizers, &stages)
        } else {
            byte_level(&normalizers, &stages)
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

/// The items of a sequence, of sequences in it too; one item that is none; none for null.
fn stages_of<'a>(value: Option<&'a Value>, key: &str) -> Vec<&'a Value> {
    match value {
        None | Some(Value::Null) => Vec::new(),
        Some(value) if kind(value) == "Sequence" => value[key]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|item| stages_of(Some(item), key))
            .collect(),
        Some(value) => vec![value],
    }
}

fn stages(value: Option<&Value>) -> Vec<&Value> {
    stages_of(value, "pretokenizers")
}

fn kind(value: &Value) -> &str {
    value["type"].as_str().unwrap_or("")
}

fn flag(value: &Value, key: &str, default: bool) -> bool {
    value[key].as_bool().unwrap_or(default)
}

/// Byte-level BPE: any splits, then `ByteLevel`.
fn byte_level(normalizers: &[&Value], stages: &[&Value]) -> Result<Plan, Unsupported> {
    let nfc = match normalizers {
        [] => false,
        [one] if kind(one) == "NFC" => true,
        _ => return Err(Unsupported::of("normalizer", normalizers)),
    };
    let Some((last, before)) = stages
        .split_last()
        .filter(|(last, _)| kind(last) == "ByteLevel")
    else {
        return Err(Unsupported::of("pre-tokenizer", stages));
    };
    let prefixed = flag(last, "add_prefix_space", true);
    if prefixed && !before.is_empty() {
        return Err(Unsupported::of("pre-tokenizer", stages));
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
        split: byte_level_split(before, flag(last, "use_regex", true))?,
    })
}

fn byte_level_split(stages: &[&Value], gpt2: bool) -> Result<Split, Unsupported> {
    let known = match (stages, gpt2) {
        ([], true) => Some(Grammar::Gpt2),
        ([], false) => Some(Grammar::Whole),
        ([digits], true)
            if kind(digits) == "Digits" && flag(digits, "individual_digits", false) =>
        {
            Some(Grammar::Gpt2Digits)
        }
        ([one], false) => pattern(one).and_then(|pattern| grammar(&pattern)),
        ([a, b, c], false) => deepseek(&[a, b, c]),
        _ => None,
    };
    match known {
        Some(grammar) => Ok(Split::Known(grammar)),
        None => reference_split(stages, gpt2),
    }
}

/// The stages as the reference has them, if none takes text away.
fn reference_split(stages: &[&Value], gpt2: bool) -> Result<Split, Unsupported> {
    let keeps = |stage: &&Value| match kind(stage) {
        "Split" | "Punctuation" => {
            let behavior = stage["behavior"].as_str().unwrap_or("Isolated");
            !behavior.eq_ignore_ascii_case("removed")
        }
        "Digits" => true,
        _ => false,
    };
    if !stages.iter().all(keeps) {
        return Err(Unsupported::of("pre-tokenizer", stages));
    }
    let mut list: Vec<Value> = stages.iter().map(|&stage| stage.clone()).collect();
    if gpt2 {
        list.push(json!({
            "type": "Split", "pattern": {"Regex": GPT2}, "behavior": "Isolated", "invert": false,
        }));
    }
    serde_json::from_value(json!({"type": "Sequence", "pretokenizers": list}))
        .map(|splitter| Split::Reference(Box::new(splitter)))
        .map_err(|error| Unsupported::new(format!("the pre-tokenizer cannot be read: {error}")))
}

/// The pattern of a plain isolating `Split`, with escapes for line ends that stand for themselves.
fn pattern(stage: &Value) -> Option<String> {
    let behavior = stage["behavior"].as_str()?;
    let plain = kind(stage) == "Split"
        && behavior.eq_ignore_ascii_case("isolated")
        && !flag(stage, "invert", false);
    let pattern = stage["pattern"]["Regex"].as_str().filter(|_| plain)?;
    Some(pattern.replace('\r', r"\r").replace('\n', r"\n"))
}

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const CONTRACTIONS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const WHITE: &str = r"\s*[\r\n]+|\s+(?!\S)|\s+";

fn grammar(pattern: &str) -> Option<Grammar> {
    if pattern == GPT2 {
        return Some(Grammar::Gpt2);
    }
    let both = [false, true];
    let words = both
        .into_iter()
        .flat_map(|marks| [1, 3].map(|digits| Words { marks, digits }));
    let mut cased = Vec::new();
    for contractions in both {
        for slash in both {
            for han in both {
                let of = |digits| CasedWords {
                    contractions,
                    digits,
                    slash,
                    han,
                };
                cased.extend([1, 3].map(of));
            }
        }
    }
    words
        .map(|words| (words_pattern(words), Grammar::Words(words)))
        .chain(
            cased
                .into_iter()
                .map(|words| (cased_pattern(words), Grammar::CasedWords(words))),
        )
        .find_map(|(known, grammar)| (known == pattern).then_some(grammar))
}

fn digits_pattern(digits: usize) -> &'static str {
    if digits == 1 { r"\p{N}" } else { r"\p{N}{1,3}" }
}

fn words_pattern(words: Words) -> String {
    let (letters, marks) = if words.marks {
        (r"[\p{L}\p{M}]", r"\p{M}")
    } else {
        (r"\p{L}", "")
    };
    let digits = digits_pattern(words.digits);
    format!(
        r"{CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?{letters}+|{digits}| ?[^\s\p{{L}}{marks}\p{{N}}]+[\r\n]*|{WHITE}"
    )
}

fn cased_pattern(words: CasedWords) -> String {
    let without = if words.han { r"&&[^\p{Han}]" } else { "" };
    let upper = format!(r"[\p{{Lu}}\p{{Lt}}\p{{Lm}}\p{{Lo}}\p{{M}}{without}]");
    let lower = format!(r"[\p{{Ll}}\p{{Lm}}\p{{Lo}}\p{{M}}{without}]");
    let han = if words.han { r"[\p{Han}]+|" } else { "" };
    let contractions = if words.contractions {
        format!("{CONTRACTIONS}?")
    } else {
        String::new()
    };
    let prefix = r"[^\r\n\p{L}\p{N}]?";
    let digits = digits_pattern(words.digits);
    let after = if words.slash { r"[\r\n/]*" } else { r"[\r\n]*" };
    format!(
        r"{han}{prefix}{upper}*{lower}+{contractions}|{prefix}{upper}+{lower}*{contractions}|{digits}| ?[^\s\p{{L}}\p{{N}}]+{after}|{WHITE}"
    )
}

const DEEPSEEK: [&str; 3] = [
    r"\p{N}{1,3}",
    "[一-龥\u{3040}-ゟ゠-ヿ]+",
    r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##,
];

fn deepseek(stages: &[&Value; 3]) -> Option<Grammar> {
    let same = |(stage, known): (&&Value, &str)| pattern(stage).is_some_and(|p| p == known);
    stages
        .iter()
        .zip(DEEPSEEK)
        .all(same)
        .then_some(Grammar::DeepSeek)
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
        _ => return Err(Unsupported::of("normalizer", normalizers)),
    };
    let (pre_tokenizer, grammar) = match (stages, normalizer) {
        ([], Some(_)) => (Rewrite::default(), Grammar::Whole),
        // The normalizer has left no space to split at.
        ([split], Some(_)) if kind(split) == "Split" && split["pattern"]["String"] == " " => {
            (Rewrite::default(), Grammar::Whole)
        }
        ([metaspace], None) if kind(metaspace) == "Metaspace" => self::metaspace(metaspace)?,
        _ => return Err(Unsupported::of("pre-tokenizer", stages)),
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
        Some(_) => return Err(Unsupported::of("pre-tokenizer", &[stage])),
    };
    if !is_marker(&stage["replacement"]) {
        return Err(Unsupported::of("pre-tokenizer", &[stage]));
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

impl Unsupported {
    fn of(what: &str, stages: &[&Value]) -> Self {
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
    fn published_patterns_are_known() {
        let llama3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
        assert_eq!(
            grammar(llama3),
            Some(Grammar::Words(Words {
                marks: false,
                digits: 3
            }))
        );
        let tekken = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
        let words = CasedWords {
            contractions: false,
            digits: 1,
            slash: true,
            han: false,
        };
        assert_eq!(grammar(tekken), Some(Grammar::CasedWords(words)));
        assert_eq!(grammar(r"\w+|\W"), None);
    }
}
