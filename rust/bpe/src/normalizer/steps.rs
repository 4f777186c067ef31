//! Other normalizers. ASCII is handled byte by byte with code of our own; for everything else the
//! reference's normalizers are called, which are correct but slow.

use serde_json::Value;
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::tokenizer::normalizer::Range;
use tokenizers::{NormalizedString, Normalizer};

use super::Origins;
use crate::Unsupported;
use crate::definition::{flag, kind};

/// Stands for a byte of which a step does not make one byte.
const NOT_ONE: u8 = 0xFF;

/// Normalizers, one after the other.
#[derive(Debug)]
pub(super) struct Steps {
    all: Vec<NormalizerWrapper>,
    quick: Vec<Quick>,
}

/// What a step does to a text of ASCII.
#[derive(Debug)]
enum Quick {
    /// Each byte becomes another, whatever stands beside it.
    Map(Box<[u8; 128]>),
    /// Nothing if white space stands neither at the left end nor at the right.
    Ends { left: bool, right: bool },
    /// Nothing if the text does not have that.
    Without(Box<str>),
    /// Nobody knows.
    Unknown,
}

impl Steps {
    /// Of stages in the file; refuses those that nothing is known of.
    pub(super) fn new(stages: &[&Value]) -> Result<Self, Unsupported> {
        let mut steps = Self {
            all: Vec::new(),
            quick: Vec::new(),
        };
        for &stage in stages {
            let normalizer = serde_json::from_value(stage.clone());
            let normalizer: NormalizerWrapper = normalizer.map_err(|error| {
                Unsupported::new(format!("the normalizer cannot be read: {error}"))
            })?;
            let quick = quick(stage, &normalizer);
            let quick = quick.ok_or_else(|| Unsupported::shape("normalizer", stages))?;
            steps.quick.extend(quick);
            steps.all.push(normalizer);
        }
        Ok(steps)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Nothing happens to a text, as far as a glance tells.
    pub(super) fn keep(&self, text: &str) -> bool {
        let kept = self.quick.iter().all(|quick| match quick {
            Quick::Map(map) => {
                let kept = |&byte: &u8| map.get(usize::from(byte)) == Some(&byte);
                text.as_bytes().iter().all(kept)
            }
            other => other.passes(text),
        });
        kept && text.is_ascii()
    }

    /// Appends the text as the steps leave it.
    pub(super) fn apply(&self, text: &str, out: &mut String) {
        if let Some(quick) = self.quickly(text) {
            out.push_str(&quick);
        } else {
            out.push_str(self.slowly(text).get());
        }
    }

    /// For each byte of what `apply` gives, the bytes of the original that it stands for, as Hugging
    /// Face aligns them.
    pub(super) fn origins(&self, text: &str) -> Origins {
        if self.quickly(text).is_some() {
            return (0..text.len() as u32).map(|at| (at, at + 1)).collect();
        }
        let normalized = self.slowly(text);
        let origin = |at| normalized.convert_offsets(Range::Normalized(at..=at));
        (0..normalized.len())
            .map(|at| origin(at).unwrap_or_default())
            .map(|origin| (origin.start as u32, origin.end as u32))
            .collect()
    }

    /// A text of ASCII byte for byte; `None` if that does not tell.
    fn quickly(&self, text: &str) -> Option<String> {
        if !text.is_ascii() {
            return None;
        }
        let mut text = text.to_owned();
        for quick in &self.quick {
            match quick {
                Quick::Map(map) => {
                    let mut bytes = text.into_bytes();
                    for byte in &mut bytes {
                        *byte = map[usize::from(*byte)];
                    }
                    // What does not become one byte has become one that no text has.
                    text = String::from_utf8(bytes).ok()?;
                }
                other if other.passes(&text) => {}
                _ => return None,
            }
        }
        Some(text)
    }

    fn slowly(&self, text: &str) -> NormalizedString {
        let mut normalized = NormalizedString::from(text);
        for step in &self.all {
            // None of the steps that are taken here can fail.
            let _ = step.normalize(&mut normalized);
        }
        normalized
    }
}

impl Quick {
    /// A step that is not a map does nothing.
    fn passes(&self, text: &str) -> bool {
        match self {
            Self::Map(_) | Self::Unknown => false,
            Self::Without(pattern) => {
                memchr::memmem::find(text.as_bytes(), pattern.as_bytes()).is_none()
            }
            Self::Ends { left, right } => {
                !(*left && text.starts_with(char::is_whitespace)
                    || *right && text.ends_with(char::is_whitespace))
            }
        }
    }
}

/// What a stage does to ASCII; `None` for one that is not known.
fn quick(stage: &Value, normalizer: &NormalizerWrapper) -> Option<Vec<Quick>> {
    Some(match kind(stage) {
        "NFC" | "NFD" | "NFKC" | "NFKD" | "StripAccents" => Vec::new(),
        "Lowercase" | "Nmt" | "BertNormalizer" => vec![map(normalizer)],
        // Both together are one character for it.
        "Precompiled" => vec![Quick::Without("\r\n".into()), map(normalizer)],
        "Strip" => vec![Quick::Ends {
            left: flag(stage, "strip_left", false),
            right: flag(stage, "strip_right", false),
        }],
        "Prepend" => vec![Quick::Unknown],
        "Replace" => vec![replace(&stage["pattern"])?],
        _ => return None,
    })
}

fn replace(pattern: &Value) -> Option<Quick> {
    if let Some(pattern) = pattern["String"].as_str() {
        return (!pattern.is_empty()).then(|| Quick::Without(pattern.into()));
    }
    match pattern["Regex"].as_str()? {
        " {2,}" => Some(Quick::Without("  ".into())),
        r"\s+" => Some(Quick::Unknown),
        _ => None,
    }
}

/// Of a step that does not mind what stands beside a character.
fn map(normalizer: &NormalizerWrapper) -> Quick {
    let one = |byte: u8| {
        let mut text = NormalizedString::from(char::from(byte).to_string());
        let done = normalizer.normalize(&mut text).is_ok();
        match text.get().as_bytes() {
            &[one @ ..0x80] if done => one,
            _ => NOT_ONE,
        }
    };
    Quick::Map(Box::new(std::array::from_fn(|byte| one(byte as u8))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Every text of three signs, by steps that change each other's work.
    #[test]
    fn the_quick_way_is_the_slow_one() {
        let signs = [" ", "a", "A", "\t", "\r", "\n", "\0", "é", "中", "ﬁ", "."];
        let lower = json!({"type": "Lowercase"});
        let nmt = json!({"type": "Nmt"});
        let spaces = json!({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"});
        let letters = json!({"type": "Replace", "pattern": {"String": "aa"}, "content": "A"});
        let strip = json!({"type": "Strip", "strip_left": true, "strip_right": true});
        let nfkc = json!({"type": "NFKC"});
        let bert = json!({"type": "BertNormalizer", "clean_text": true,
            "handle_chinese_chars": true, "strip_accents": null, "lowercase": true});
        let kinds: [&[&Value]; 7] = [
            &[&nmt, &spaces, &lower],
            &[&spaces, &nmt],
            &[&lower, &letters, &lower],
            &[&strip, &nmt],
            &[&nmt, &strip],
            &[&nfkc, &lower],
            &[&bert],
        ];
        for stages in kinds {
            let steps = Steps::new(stages).unwrap();
            for number in 0..signs.len().pow(3) {
                let place = |n| signs[number / signs.len().pow(n) % signs.len()];
                let text = [place(0), place(1), place(2)].concat();
                let slow = steps.slowly(&text);
                let mut out = String::new();
                steps.apply(&text, &mut out);
                assert_eq!(out, slow.get(), "{stages:?} {text:?}");
                assert!(!steps.keep(&text) || out == text);
                assert_eq!(steps.origins(&text).len(), out.len());
            }
        }
        let odd = json!({"type": "ByteLevel"});
        assert!(Steps::new(&[&odd]).is_err());
    }
}
