//! The schema `pairs`: objects with the words of a human and an assistant.

use super::messages::any_message;
use crate::chat::conversation::{Message, Record};
use crate::chat::fields::Field;
use crate::chat::reader::{Messages, Reader};
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
    reader: &Reader,
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
    reader: &Reader,
    pair: Value<'a>,
    arena: &'a Arena,
) -> Result<[Message<'a>; 2], Reject> {
    let map = pair
        .as_map()
        .ok_or_else(|| mismatch("pair", "an object", pair))?;
    let human = reader.names.text(map, Field::Human)?;
    let assistant = reader.names.text(map, Field::Assistant)?;
    Ok([
        Message::plain("user", human, arena),
        Message::plain("assistant", assistant, arena),
    ])
}
