//! The schema `messages`: objects with `role` and `content`, passed to the template as they are.

use crate::chat::content::{Parts, check, read_parts};
use crate::chat::conversation::{Message, Record};
use crate::chat::fields::Field;
use crate::chat::row_reader::{Messages, RowReader};
use crate::chat::variables::mismatch;
use crate::chat::weight::weight_of;
use crate::rules::{Reject, RuleCounts};
use crate::value::{Arena, Map, Value};

/// Whether the messages have a `role`.
pub(super) fn fits(row: Map<'_>) -> bool {
    any_message(row, |message| message.get_some("role").is_some())
}

/// Whether one of the first messages is such, under either name of the list.
pub(super) fn any_message(row: Map<'_>, is_such: impl Fn(Map<'_>) -> bool) -> bool {
    let names = ["messages", "conversations", "conversation"];
    names.into_iter().any(|name| {
        let items = row.get(name).and_then(Value::as_list).unwrap_or_default();
        let mut messages = items.iter().take(4).filter_map(|item| item.as_map());
        messages.any(&is_such)
    })
}

/// Reads one row.
pub(super) fn read<'a>(
    reader: &RowReader,
    row: Map<'a>,
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Result<Record<'a>, Reject> {
    let (list, name) = reader.list(row, Field::Messages)?;
    let messages = read_list(reader, list, name, arena, counts)?;
    reader.conversation(messages, row, arena, counts)
}

/// Reads the list of messages that stands under `name`.
pub(super) fn read_list<'a>(
    reader: &RowReader,
    list: Value<'a>,
    name: &str,
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Result<Messages<'a>, Reject> {
    let items = list
        .as_list()
        .ok_or_else(|| mismatch(name, "a list of messages", list))?;
    let mut messages = bumpalo::collections::Vec::with_capacity_in(items.len(), arena);
    let mut tools = None;
    for item in items {
        let blocks = reader
            .wire
            .blocks(*item, arena, counts)
            .map_err(|reject| reader.placed(reject, *item, &messages, arena))?;
        for item in blocks.unwrap_or(std::slice::from_ref(item)) {
            let (message, found) = read_message(reader, *item, arena)
                .map_err(|reject| reader.placed(reject, *item, &messages, arena))?;
            messages.push(message);
            tools = tools.or(found);
        }
    }
    Ok(Messages {
        list: messages.into_bump_slice_mut(),
        tools,
    })
}

fn read_message<'a>(
    reader: &RowReader,
    item: Value<'a>,
    arena: &'a Arena,
) -> Result<(Message<'a>, Option<Value<'a>>), Reject> {
    let map = item
        .as_map()
        .ok_or_else(|| mismatch("message", "an object", item))?;
    let named = reader.role_in(map)?;
    let role = reader.mapped_role(named, arena)?;
    let content = map.get(reader.names.of(Field::Content));
    check(role, content, map)?;
    let parts = match content {
        Some(Value::List(parts)) => read_parts(role, parts, reader.text_parts, arena)?,
        _ => None,
    };
    let message = Message {
        role,
        fields: fields(reader, map, role, parts, arena),
        weight: weight_of(map)?,
    };
    Ok((message, parts.and_then(|parts| parts.tools)))
}

/// The keys as the template sees them: the message itself wherever nothing changes.
fn fields<'a>(
    reader: &RowReader,
    map: Map<'a>,
    role: &'a str,
    parts: Option<Parts<'a>>,
    arena: &'a Arena,
) -> Map<'a> {
    let (role_name, content_name) = (
        reader.names.of(Field::Role),
        reader.names.of(Field::Content),
    );
    let unchanged = parts.is_none()
        && role_name == "role"
        && content_name == "content"
        && map.iter().all(|(key, value)| {
            value != Value::Null && (key != "role" || value == Value::Str(role))
        });
    if unchanged {
        return map;
    }
    let mut entries = bumpalo::collections::Vec::with_capacity_in(map.entries.len() + 2, arena);
    for (key, value) in map.iter().filter(|(_, value)| *value != Value::Null) {
        if key == role_name {
            entries.push(("role", Value::Str(role)));
        } else if key == content_name {
            let content = parts.and_then(|parts| parts.content).unwrap_or(value);
            entries.push(("content", content));
        } else if !matches!(key, "role" | "content") {
            entries.push((key, value));
        }
    }
    push_parts(&mut entries, parts.unwrap_or_default());
    Map::new(entries.into_bump_slice())
}

/// Adds what the parts held besides text, unless the message has it in a key of its own.
fn push_parts<'a>(
    entries: &mut bumpalo::collections::Vec<'a, (&'a str, Value<'a>)>,
    parts: Parts<'a>,
) {
    let found = [
        ("reasoning_content", parts.reasoning.map(Value::Str)),
        ("tool_calls", parts.tool_calls),
    ];
    for (key, value) in found {
        if let Some(value) = value
            && !entries.iter().any(|(name, _)| *name == key)
        {
            entries.push((key, value));
        }
    }
}
