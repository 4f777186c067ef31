//! Tokens as evidence.

use std::ops::Range;

/// Tokens shown before and after the place of a finding.
const BEFORE: usize = 6;
const AFTER: usize = 4;

/// The positions that are shown around a place in a row.
pub(crate) fn around(at: usize, length: usize) -> Range<usize> {
    at.saturating_sub(BEFORE).min(length)..(at + AFTER).min(length)
}

/// One token of a piece of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its place in the row, from 0.
    pub position: u32,
    /// Its id.
    pub id: i32,
    /// Its label; -100 = not trained.
    pub label: i32,
}
