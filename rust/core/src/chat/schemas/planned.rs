//! Shapes that are known by name but not read in this version.

use super::Schema;
use crate::error::{Error, ErrorKind};
use crate::value::{Map, Value};

/// Their names.
pub(in crate::chat) const PLANNED: [&str; 1] = [SEGMENTS];

/// The one whose rows can be told from all others.
pub(in crate::chat) const SEGMENTS: &str = "segments";

/// The error of such a shape.
pub(in crate::chat) fn not_available(name: &str) -> Error {
    let what = format!("the schema `{name}` is not available yet");
    Error::new(ErrorKind::Recipe, "not-available", what)
        .hint(format!("available: {}", Schema::names()))
}

/// Whether the row has stretches of text, each trained or not.
pub(in crate::chat) fn is_segments(row: Map<'_>) -> bool {
    row.get("segments").and_then(Value::as_list).is_some()
}
