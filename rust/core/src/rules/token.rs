//! Tokens as evidence.

use std::ops::Range;

use serde_json::{Value, json};

use super::is_trained;

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

impl Token {
    /// The token as a JSON object; `text` gives the text of an id.
    pub(crate) fn to_json(self, text: &dyn Fn(u32) -> Option<String>) -> Value {
        json!({
            "position": self.position,
            "id": self.id,
            "text": u32::try_from(self.id).ok().and_then(text),
            "label": self.label,
            "trained": is_trained(self.label),
        })
    }
}
