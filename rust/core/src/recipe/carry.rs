//! How the index calls the columns that it carries.

use std::borrow::Cow;

/// The index's own columns.
const OWN: &[&str] = &[
    "source",
    "row",
    "line",
    "sample",
    "turns",
    "length",
    "trained",
    "hash",
    "conversation",
];

/// The name of a carried column in the index: its own, or `row_source` for a column `source`,
/// which the index has already.
pub fn index_column(name: &str) -> Cow<'_, str> {
    if OWN.contains(&name) {
        return format!("row_{name}").into();
    }
    name.into()
}
