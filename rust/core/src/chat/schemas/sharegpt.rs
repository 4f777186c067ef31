//! The schema `sharegpt`: objects with `from` and `value`.

use super::messages::any_message;
use crate::chat::content::{Parts, check, read_parts, refuse_second_text, tool_calls};
use crate::chat::conversation::{Message, Record};
use crate::chat::fields::{Field, keys};
use crate::chat::roles::unknown_role;
use crate::chat::row_reader::{Messages, RowReader};
use crate::chat::variables::{json, mismatch};
use crate::chat::weight::weight_of;
use crate::rules::{Reject, Rule, RuleCounts};
use crate::value::{Arena, Map, Value};

/// Whether the messages have `from` and `value`.
pub(super) fn fits(row: Map<'_>) -> bool {
    let speaks =
        |message: Map<'_>| message.get_some("from").is_some() && message.get("value").is_some();
    any_message(row, speaks)
}

/// Reads one row.
pub(super) fn read<'a>(
    reader: &RowReader,
    row: Map<'a>,
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Result<Record<'a>, Reject> {
    let (list, name) = reader.list(row, Field::Conversations)?;
    let system = reader.names.optional_text(row, Field::System)?;
    let messages = read_list(reader, (list, name), system, arena, counts)?;
    reader.conversation(messages, row, arena, counts)
}

/// What a `from` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaker {
    Role(&'static str),
    /// An assistant message whose value is JSON of a call.
    FunctionCall,
}

fn speaker(name: &str) -> Option<Speaker> {
    Some(match name {
        "human" | "user" => Speaker::Role("user"),
        "gpt" | "assistant" | "chatgpt" | "bing" | "bard" => Speaker::Role("assistant"),
        "system" => Speaker::Role("system"),
        "observation" | "tool" => Speaker::Role("tool"),
        "developer" => Speaker::Role("developer"),
        "function_call" => Speaker::FunctionCall,
        _ => return None,
    })
}

/// Reads the list of sharegpt messages and the name it stands under; `system` is the row's own.
pub(super) fn read_list<'a>(
    reader: &RowReader,
    (list, name): (Value<'a>, &str),
    system: Option<&'a str>,
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Result<Messages<'a>, Reject> {
    let items = list
        .as_list()
        .ok_or_else(|| mismatch(name, "a list of messages", list))?;
    let mut messages = bumpalo::collections::Vec::with_capacity_in(items.len() + 1, arena);
    let mut tools = None;
    for item in items {
        let (message, found) = read_message(reader, *item, arena)
            .map_err(|reject| reader.placed(reject, *item, &messages, arena))?;
        count_second_content(reader, *item, messages.len() as u32, counts);
        messages.push(message);
        tools = tools.or(found);
    }
    if let Some(system) = system
        && messages.first().is_none_or(|first| first.role != "system")
    {
        messages.insert(0, Message::plain("system", system, arena));
    }
    Ok(Messages {
        list: messages.into_bump_slice_mut(),
        tools,
    })
}

/// Counts a message that has a `content` of its own beside its value.
fn count_second_content(
    reader: &RowReader,
    message: Value<'_>,
    index: u32,
    counts: &mut RuleCounts,
) {
    let value = reader.names.of(Field::Value);
    let Some(message) = message.as_map().filter(|_| value != "content") else {
        return;
    };
    let second = message.get_some("content");
    if second.is_some_and(|content| content != Value::Str("")) && second != message.get(value) {
        counts.add_named(Rule::FieldLost, "content");
        counts.note(Rule::FieldLost, index, || "content".to_owned());
    }
}

fn read_message<'a>(
    reader: &RowReader,
    item: Value<'a>,
    arena: &'a Arena,
) -> Result<(Message<'a>, Option<Value<'a>>), Reject> {
    let map = item
        .as_map()
        .ok_or_else(|| mismatch("message", "an object", item))?;
    let value = map.get(reader.names.of(Field::Value));
    let (role, parts) = match speaker_in(reader, map)? {
        Speaker::FunctionCall => ("assistant", function_call(value, arena)?),
        Speaker::Role(role) => {
            check(role, value, map)?;
            (role, content(reader, role, value, arena)?)
        }
    };
    let message = Message {
        role,
        fields: fields(reader, map, role, parts, arena),
        weight: weight_of(map)?,
    };
    Ok((message, parts.tools))
}

fn speaker_in(reader: &RowReader, map: Map<'_>) -> Result<Speaker, Reject> {
    let name = reader.names.of(Field::From);
    let Some(from) = map.get_some(name) else {
        let reason = format!("a message has no `{name}`; its keys: {}", keys(map));
        return Err(Reject::new(Rule::SchemaMismatch, reason));
    };
    let from = from
        .as_str()
        .ok_or_else(|| mismatch(name, "a string", from))?;
    speaker(reader.mapping(from).unwrap_or(from)).ok_or_else(|| unknown_role(from))
}

fn content<'a>(
    reader: &RowReader,
    role: &str,
    value: Option<Value<'a>>,
    arena: &'a Arena,
) -> Result<Parts<'a>, Reject> {
    if let Some(Value::List(parts)) = value {
        refuse_second_text(parts)?;
        if let Some(parts) = read_parts(role, parts, reader.text_parts, arena)? {
            return Ok(parts);
        }
    }
    Ok(Parts {
        content: value.filter(|value| *value != Value::Null),
        ..Parts::default()
    })
}

fn fields<'a>(
    reader: &RowReader,
    map: Map<'a>,
    role: &'static str,
    parts: Parts<'a>,
    arena: &'a Arena,
) -> Map<'a> {
    let (from, value) = (reader.names.of(Field::From), reader.names.of(Field::Value));
    let mut entries = bumpalo::collections::Vec::with_capacity_in(map.entries.len() + 2, arena);
    entries.push(("role", Value::Str(role)));
    entries.extend(parts.content.map(|content| ("content", content)));
    entries.extend(
        parts
            .reasoning
            .map(|text| ("reasoning_content", Value::Str(text))),
    );
    entries.extend(parts.tool_calls.map(|calls| ("tool_calls", calls)));
    let read = entries.len();
    for (key, field) in map.iter() {
        let taken = key == from
            || key == value
            || field == Value::Null
            || entries[..read].iter().any(|(name, _)| *name == key);
        if !taken {
            entries.push((key, field));
        }
    }
    Map::new(entries.into_bump_slice())
}

/// Reads the JSON of a call. The content is empty and not absent, because templates that know
/// tool calls print it before them, and most raise where it is undefined.
fn function_call<'a>(value: Option<Value<'a>>, arena: &'a Arena) -> Result<Parts<'a>, Reject> {
    let call = match value {
        Some(Value::Str(text)) => json(text, "function_call", arena)?,
        Some(Value::Null) | None => {
            return Err(Reject::new(
                Rule::NullContent,
                "a `function_call` has no value",
            ));
        }
        Some(value) => value,
    };
    let calls = tool_calls("function_call", call, arena)?;
    Ok(Parts {
        content: Some(Value::Str("")),
        tool_calls: Some(Value::List(arena.alloc_slice_copy(&calls))),
        ..Parts::default()
    })
}
