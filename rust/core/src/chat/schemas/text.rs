//! The schema `text`: documents.

use crate::chat::already_rendered::check_text;
use crate::chat::conversation::Record;
use crate::chat::fields::Field;
use crate::chat::row_reader::RowReader;
use crate::rules::{Reject, Rule, RuleCounts};
use crate::value::{Arena, Map, Value};

/// Whether the row has a text.
pub(super) fn fits(row: Map<'_>) -> bool {
    row.get("text").and_then(Value::as_str).is_some()
}

/// Reads one row.
pub(super) fn read<'a>(
    reader: &RowReader,
    row: Map<'a>,
    _arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Result<Record<'a>, Reject> {
    let document = reader.names.text(row, Field::Text)?;
    let weight = reader.wire.plain(row, &reader.names, counts)?;
    check_text(document, reader.names.of(Field::Text))?;
    if document.trim().is_empty() {
        counts.add(Rule::WhitespaceOnlyInput, 1);
    }
    Ok(Record::Text {
        text: document,
        weight,
    })
}
