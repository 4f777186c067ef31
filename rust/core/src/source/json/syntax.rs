//! Whitespace of JSON, and what is wrong with a text, and where.

use std::fmt;

use crate::rules::{Reject, Rule};

/// Whether there is nothing but whitespace.
pub(super) fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| is_whitespace(*byte))
}

/// JSON's whitespace.
pub(super) fn is_whitespace(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// A place in the text and what is wrong there. Small, because every parsing function returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) offset: usize,
    pub(super) reason: &'static str,
}

impl Fault {
    pub(super) fn new(offset: usize, reason: &'static str) -> Self {
        Self { offset, reason }
    }
}

/// Why a text is not JSON that turnmill can use. The wording follows Python's `json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Byte offset in the text.
    pub offset: usize,
    /// Line inside the text, from 1.
    pub line: u64,
    /// Column in code points, from 1.
    pub column: u64,
    /// What is wrong.
    pub reason: &'static str,
    /// [`Rule::InvalidJson`], or [`Rule::LoneSurrogate`] for a text that Python reads into a
    /// string that no tokenizer can encode.
    pub rule: Rule,
}

impl SyntaxError {
    /// Finds line and column of `fault` in `text`.
    pub(super) fn new(text: &[u8], fault: Fault, rule: Rule) -> Self {
        let before = &text[..fault.offset.min(text.len())];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        let column = before[line_start..]
            .iter()
            .filter(|byte| !is_continuation(**byte))
            .count();
        Self {
            offset: fault.offset,
            line: 1 + memchr::memchr_iter(b'\n', before).count() as u64,
            column: 1 + column as u64,
            reason: fault.reason,
            rule,
        }
    }

    /// The reject of the row that this text is.
    pub fn reject(&self) -> Reject {
        Reject::new(self.rule, self.to_string())
    }
}

/// Whether `byte` continues a UTF-8 sequence.
fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)?;
        if self.line > 1 {
            write!(f, " at line {} of the row,", self.line)?;
        } else {
            f.write_str(" at")?;
        }
        write!(f, " column {}", self.column)
    }
}

impl std::error::Error for SyntaxError {}
