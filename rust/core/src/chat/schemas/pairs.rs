//! The schema `pairs`: objects with the words of a human and an assistant.

use super::messages::any_message;
use crate::chat::conversation::{Message, Record};
use crate::chat::fields::Field;
use crate::chat::names::Names;
use crate::chat::row_reader::{Messages, RowReader};
use crate::chat::variables::mismatch;
use crate::rules::{Reject, RuleCounts};
use crate::value::{Arena, Map, Value};

/// Whether the list holds such pairs.
pub(super) fn fits(row: Map<'_>) -> bool {
    any_message(row, |pair| {
        pair.get_some("human").is_some() && pair.get("assistant").is_some()
    })
}

/// Reads one row.
pub(super) fn read<'a>(
    reader: &RowReader,
    row: Map<'a>,
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Result<Record<'a>, Reject> {
    let names = &reader.names;
    let (list, name) = reader.list(row, Field::Pairs)?;
    let pairs = list
        .as_list()
        .ok_or_else(|| mismatch(name, "a list of pairs", list))?;
    let mut messages = bumpalo::collections::Vec::with_capacity_in(2 * pairs.len(), arena);
    for pair in pairs {
        messages.extend(read_pair(reader, *pair, arena).map_err(|reject| {
            let before = messages.len() as u32;
            reject.at_message(before)
        })?);
    }
    let read = Messages {
        list: messages.into_bump_slice_mut(),
        tools: None,
    };
    // The row's own system text stands before them.
    let system = names.optional_text(row, Field::System)?;
    reader.led_by(system, read, row, arena, counts)
}

fn read_pair<'a>(
    reader: &RowReader,
    pair: Value<'a>,
    arena: &'a Arena,
) -> Result<[Message<'a>; 2], Reject> {
    let map = pair
        .as_map()
        .ok_or_else(|| mismatch("pair", "an object", pair))?;
    let human = reader.names.text(map, Field::Human)?;
    let assistant = reader.names.text(map, Field::Assistant)?;
    let answer = Message::plain("assistant", assistant, arena);
    Ok([
        Message::plain("user", human, arena),
        Message {
            fields: with_others(answer.fields, map, &reader.names, arena),
            ..answer
        },
    ])
}

/// The fields of the answer with the other keys of the pair, such as reasoning. What the template
/// does not print of them is found later.
fn with_others<'a>(answer: Map<'a>, pair: Map<'a>, names: &Names, arena: &'a Arena) -> Map<'a> {
    let read = [names.of(Field::Human), names.of(Field::Assistant)];
    let is_other = |(key, value): &(&str, Value<'_>)| {
        *value != Value::Null && !read.contains(key) && answer.get(key).is_none()
    };
    let mut fields = bumpalo::collections::Vec::from_iter_in(answer.iter(), arena);
    fields.extend(pair.iter().filter(is_other));
    Map::new(fields.into_bump_slice())
}
