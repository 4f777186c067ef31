//! Shapes that are recognised but not read in this version, so that none is read as another.

use super::Schema;
use crate::error::{Error, ErrorKind};
use crate::value::{Map, Value};

/// Tells whether a row has some shape.
type Fits = fn(Map<'_>) -> bool;

/// Each with its name.
pub(in crate::chat) const PLANNED: &[(&str, Fits)] = &[
    ("preference", preference),
    ("kto", kto),
    ("segments", segments),
];

/// The error of such a shape.
pub(in crate::chat) fn not_available(name: &str) -> Error {
    let what = format!("the schema `{name}` is not available yet");
    Error::new(ErrorKind::Recipe, "not-available", what)
        .hint(format!("available: {}", Schema::names()))
}

/// A better and a worse answer.
pub(super) fn preference(row: Map<'_>) -> bool {
    row.get_some("chosen").is_some() && row.get_some("rejected").is_some()
}

/// An answer and whether it is a good one.
pub(super) fn kto(row: Map<'_>) -> bool {
    matches!(row.get("label"), Some(Value::Bool(_)))
        && (row.get_some("messages").is_some() || row.get_some("completion").is_some())
}

/// Stretches of text, each trained or not.
fn segments(row: Map<'_>) -> bool {
    row.get("segments").and_then(Value::as_list).is_some()
}
