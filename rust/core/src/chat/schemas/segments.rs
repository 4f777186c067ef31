//! The schema `segments`: stretches of text as the model reads them, each trained or not.

use crate::chat::conversation::{Record, Segment};
use crate::chat::fields::{Field, keys};
use crate::chat::row_reader::RowReader;
use crate::chat::variables::mismatch;
use crate::chat::weight::weight_of;
use crate::rules::{Reject, Rule, RuleCounts};
use crate::value::{Arena, Map, Value};

/// Whether the row has a list of texts.
pub(super) fn fits(row: Map<'_>) -> bool {
    let list = row.get("segments").and_then(Value::as_list);
    let first = list.and_then(|list| list.first()?.as_map());
    first.is_some_and(|segment| segment.get("text").and_then(Value::as_str).is_some())
}

/// Reads one row.
pub(super) fn read<'a>(
    reader: &RowReader,
    row: Map<'a>,
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Result<Record<'a>, Reject> {
    let (list, name) = reader.list(row, Field::Segments)?;
    let Value::List(items) = list else {
        return Err(mismatch(name, "a list", list));
    };
    let weight = reader.wire.plain(row, &reader.names, counts)?;
    counts.add(Rule::WithoutTemplate, 1);
    let segments: Result<Vec<Segment<'a>>, Reject> = (0..)
        .zip(items)
        .map(|(index, item)| segment(*item).map_err(|reject| reject.at_message(index)))
        .collect();
    Ok(Record::Segments {
        segments: arena.alloc_slice_copy(&segments?),
        weight,
    })
}

/// Reads a segment: its text, and the `label` or weight that says whether it is trained.
fn segment(item: Value<'_>) -> Result<Segment<'_>, Reject> {
    let map = item
        .as_map()
        .ok_or_else(|| mismatch("segments", "a list of objects", item))?;
    let text = match map.get_some("text") {
        Some(Value::Str(text)) => text,
        Some(other) => return Err(mismatch("text", "a string", other)),
        None => return Err(lacking(map, "text")),
    };
    let weight = match map.get_some("label") {
        Some(Value::Bool(trained)) => f32::from(u8::from(trained)),
        Some(Value::Int(trained @ 0..=1)) => trained as f32,
        Some(other) => return Err(mismatch("label", "true or false", other)),
        None => weight_of(map)?.ok_or_else(|| lacking(map, "label"))?,
    };
    Ok(Segment { text, weight })
}

fn lacking(map: Map<'_>, name: &str) -> Reject {
    let reason = format!("a segment has no `{name}`; its keys: {}", keys(map));
    Reject::new(Rule::SchemaMismatch, reason)
}
