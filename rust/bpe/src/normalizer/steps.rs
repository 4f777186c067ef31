//! Normalizers one after the other, with a quick way for ASCII: there most of them make one byte of each
//! byte.

use serde_json::Value;
use tokenizers::normalizers::NormalizerWrapper;

use super::Origins;
use super::characters::{Characters, Rule};
use super::charsmap::Charsmap;
use super::forms::{Form, NormalForm};
use super::replace::Replace;
use super::sink::{Aligned, Alignment, Sink};
use crate::Unsupported;

/// Stands for a byte of which a step does not make one byte.
const NOT_ONE: u8 = 0xFF;

/// Normalizers, one after the other.
#[derive(Debug, Default)]
pub(super) struct Steps {
    all: Vec<Step>,
    quick: Vec<Quick>,
}

/// A normalizer, or a part of one.
#[derive(Debug)]
enum Step {
    Characters(Characters),
    Form(NormalForm),
    Charsmap(Charsmap),
    Strip { left: bool, right: bool },
    Prepend(String),
    Replace(Replace),
}

/// What a step does to a text of ASCII.
#[derive(Debug)]
enum Quick {
    /// Each byte becomes another, whatever stands beside it.
    Map(Box<[u8; 128]>),
    /// Nothing if white space stands neither at the left end nor at the right.
    Ends { left: bool, right: bool },
    /// Nothing if the text does not have that.
    Without(Box<[u8]>),
    /// Nobody knows.
    Unknown,
}

impl Steps {
    /// Of stages in the file; refuses those that nothing is known of.
    pub(super) fn new(stages: &[&Value]) -> Result<Self, Unsupported> {
        let mut steps = Self::default();
        for &stage in stages {
            let normalizer = serde_json::from_value(stage.clone());
            let normalizer: NormalizerWrapper = normalizer.map_err(|error| {
                Unsupported::new(format!("the normalizer cannot be read: {error}"))
            })?;
            let found = read(stage, normalizer);
            let found = found.ok_or_else(|| Unsupported::shape("normalizer", stages))?;
            for step in found {
                steps.push(step);
            }
        }
        steps.quick = steps
            .all
            .iter()
            .flat_map(Step::quick)
            .fold(Vec::new(), joined);
        Ok(steps)
    }

    /// Rules for characters that follow each other become one step.
    fn push(&mut self, step: Step) {
        match (self.all.last_mut(), step) {
            (Some(Step::Characters(last)), Step::Characters(next)) => *last = last.then(&next),
            (_, step) => self.all.push(step),
        }
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

    /// The text as the steps leave it.
    pub(super) fn apply(&self, text: &str) -> String {
        if let Some(quick) = self.quickly(text) {
            return quick;
        }
        let Some((first, rest)) = self.all.split_first() else {
            return text.to_owned();
        };
        let (mut before, mut after) = (String::with_capacity(text.len()), String::new());
        first.run(text, &mut before);
        for step in rest {
            after.clear();
            step.run(&before, &mut after);
            std::mem::swap(&mut before, &mut after);
        }
        before
    }

    /// For each byte of what `apply` gives, the bytes of the original that it stands for, as Hugging
    /// Face aligns them.
    pub(super) fn origins(&self, text: &str) -> Origins {
        if self.quickly(text).is_some() {
            return (0..text.len() as u32).map(|at| (at, at + 1)).collect();
        }
        self.aligned(text).origins
    }

    fn aligned(&self, text: &str) -> Aligned {
        let mut aligned = Aligned::new(text);
        for step in &self.all {
            let mut next = Alignment::of(&aligned);
            step.run(&aligned.text, &mut next);
            aligned = next.finish();
        }
        aligned
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
}

impl Step {
    fn run(&self, text: &str, sink: &mut impl Sink) {
        match self {
            Self::Characters(characters) => characters.run(text, sink),
            Self::Form(form) => form.run(text, sink),
            Self::Charsmap(map) => map.run(text, sink),
            Self::Strip { left, right } => strip(text, *left, *right, sink),
            Self::Prepend(prefix) => prepend(prefix, text, sink),
            Self::Replace(replace) => replace.run(text, sink),
        }
    }

    /// What it does to ASCII, one thing after the other.
    fn quick(&self) -> Vec<Quick> {
        match self {
            Self::Form(_) => Vec::new(),
            Self::Characters(_) => vec![self.map()],
            // Both together are one character for it.
            Self::Charsmap(_) => vec![Quick::Without((*b"\r\n").into()), self.map()],
            &Self::Strip { left, right } => vec![Quick::Ends { left, right }],
            Self::Prepend(_) => vec![Quick::Unknown],
            Self::Replace(replace) => {
                let needs = replace.needs().map(Into::into);
                vec![needs.map_or(Quick::Unknown, Quick::Without)]
            }
        }
    }

    /// Of a step that does not mind what stands beside a character.
    fn map(&self) -> Quick {
        let one = |byte: u8| {
            let mut text = String::new();
            self.run(char::from(byte).encode_utf8(&mut [0; 4]), &mut text);
            match text.as_bytes() {
                &[one @ ..0x80] => one,
                _ => NOT_ONE,
            }
        };
        Quick::Map(Box::new(std::array::from_fn(|byte| one(byte as u8))))
    }
}

impl Quick {
    /// A step that is not a map does nothing.
    fn passes(&self, text: &str) -> bool {
        match self {
            Self::Map(_) | Self::Unknown => false,
            Self::Without(pattern) => memchr::memmem::find(text.as_bytes(), pattern).is_none(),
            Self::Ends { left, right } => {
                !(*left && text.starts_with(char::is_whitespace)
                    || *right && text.ends_with(char::is_whitespace))
            }
        }
    }
}

/// Two maps that follow each other become one.
fn joined(mut all: Vec<Quick>, next: Quick) -> Vec<Quick> {
    match (all.last_mut(), next) {
        (Some(Quick::Map(last)), Quick::Map(next)) => {
            for byte in last.iter_mut().filter(|byte| **byte != NOT_ONE) {
                *byte = next[usize::from(*byte)];
            }
        }
        (_, next) => all.push(next),
    }
    all
}

/// The steps of a stage of the file; `None` for one that is not known.
fn read(stage: &Value, normalizer: NormalizerWrapper) -> Option<Vec<Step>> {
    let characters = |rules: &[Rule]| Step::Characters(Characters::new(rules.to_vec()));
    let form = |form| Step::Form(NormalForm::new(form));
    Some(match normalizer {
        NormalizerWrapper::NFC(_) => vec![form(Form::Nfc)],
        NormalizerWrapper::NFD(_) => vec![form(Form::Nfd)],
        NormalizerWrapper::NFKC(_) => vec![form(Form::Nfkc)],
        NormalizerWrapper::NFKD(_) => vec![form(Form::Nfkd)],
        NormalizerWrapper::Lowercase(_) => vec![characters(&[Rule::Lowercase])],
        NormalizerWrapper::StripAccents(_) => vec![characters(&[Rule::WithoutMarks])],
        NormalizerWrapper::Nmt(_) => vec![characters(&[Rule::Nmt])],
        NormalizerWrapper::BertNormalizer(bert) => {
            let mut steps = Vec::new();
            let flags = [bert.clean_text, bert.handle_chinese_chars];
            let rules = [Rule::Clean, Rule::SpaceIdeographs];
            let rules = flags.into_iter().zip(rules).filter(|&(on, _)| on);
            steps.extend(rules.map(|(_, rule)| characters(&[rule])));
            if bert.strip_accents.unwrap_or(bert.lowercase) {
                steps.push(form(Form::Nfd));
                steps.push(characters(&[Rule::WithoutNonspacingMarks]));
            }
            steps.extend(bert.lowercase.then(|| characters(&[Rule::Lowercase])));
            steps
        }
        NormalizerWrapper::Precompiled(map) => vec![Step::Charsmap(Charsmap::new(map))],
        NormalizerWrapper::StripNormalizer(strip) => vec![Step::Strip {
            left: strip.strip_left,
            right: strip.strip_right,
        }],
        NormalizerWrapper::Prepend(prefix) if !prefix.prepend.is_empty() => {
            vec![Step::Prepend(prefix.prepend)]
        }
        NormalizerWrapper::Replace(replace) => {
            vec![Step::Replace(Replace::new(
                &stage["pattern"],
                &replace.content,
            )?)]
        }
        _ => return None,
    })
}

fn strip(text: &str, left: bool, right: bool, sink: &mut impl Sink) {
    let rest = if left { text.trim_start() } else { text };
    sink.skip(text[..text.len() - rest.len()].chars().count());
    let kept = if right { rest.trim_end() } else { rest };
    sink.keep(kept);
}

/// All of the prefix, and the first character, come from the first character.
fn prepend(prefix: &str, text: &str, sink: &mut impl Sink) {
    let mut chars = text.chars();
    let Some(first) = chars.next() else {
        return;
    };
    let before = prefix.chars().chain([first]);
    for (number, c) in before.enumerate() {
        sink.push(c, isize::from(number > 0));
    }
    sink.keep(chars.as_str());
}

#[cfg(test)]
mod tests;
