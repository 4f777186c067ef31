//! `Replace`: something else for each match of a pattern.

use std::ops::Range;

use memchr::memmem::Finder;
use serde_json::Value;

use super::sink::Sink;

/// The patterns that are known.
#[derive(Debug)]
enum Pattern {
    Text(Box<Finder<'static>>),
    /// ` {2,}`.
    Spaces,
    /// `\s+`.
    White,
}

/// What is replaced, and by what.
#[derive(Debug)]
pub(super) struct Replace {
    pattern: Pattern,
    content: String,
}

impl Replace {
    /// `None` for a pattern that is not known.
    pub(super) fn new(pattern: &Value, content: &str) -> Option<Self> {
        let pattern = match (pattern["String"].as_str(), pattern["Regex"].as_str()) {
            (Some(text), _) if !text.is_empty() => {
                Pattern::Text(Box::new(Finder::new(text).into_owned()))
            }
            (None, Some(" {2,}")) => Pattern::Spaces,
            (None, Some(r"\s+")) => Pattern::White,
            _ => return None,
        };
        let content = content.to_owned();
        Some(Self { pattern, content })
    }

    pub(super) fn run(&self, text: &str, sink: &mut impl Sink) {
        let mut kept = 0;
        while let Some(found) = self.find(text, kept) {
            sink.keep(&text[kept..found.start]);
            sink.skip(text[found.clone()].chars().count());
            self.content.chars().for_each(|c| sink.push(c, 1));
            kept = found.end;
        }
        sink.keep(&text[kept..]);
    }

    /// Nothing happens to a text that does not have that; `None` if more than a text matches.
    pub(super) fn needs(&self) -> Option<&[u8]> {
        match &self.pattern {
            Pattern::Text(finder) => Some(finder.needle()),
            Pattern::Spaces => Some(b"  "),
            Pattern::White => None,
        }
    }

    fn find(&self, text: &str, from: usize) -> Option<Range<usize>> {
        let rest = &text[from..];
        let (start, length) = match &self.pattern {
            Pattern::Text(finder) => (finder.find(rest.as_bytes())?, finder.needle().len()),
            Pattern::Spaces => {
                let start = memchr::memmem::find(rest.as_bytes(), b"  ")?;
                (start, run(&rest[start..], |c| c == ' '))
            }
            Pattern::White => {
                let start = rest.find(char::is_whitespace)?;
                (start, run(&rest[start..], char::is_whitespace))
            }
        };
        Some(from + start..from + start + length)
    }
}

/// Bytes of the characters of a kind that a text starts with.
fn run(text: &str, kind: impl Fn(char) -> bool) -> usize {
    text.find(|c| !kind(c)).unwrap_or(text.len())
}
