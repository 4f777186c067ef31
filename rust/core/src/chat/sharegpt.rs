//! The schema `sharegpt`: objects with `from` and `value`.

use super::content::{Parts, check, read_parts, tool_calls};
use super::conversation::Message;
use super::messages::{MessageReader, Read, keys, unknown_role};
use super::options::Field;
use super::variables::{json, mismatch};
use super::weight::weight_of;
use crate::rules::{Reject, Rule};
use crate::value::{Arena, Map, Value};

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

impl MessageReader {
    /// Reads the list of sharegpt messages that stands under `name`; `system` is the row's own.
    pub(super) fn read_sharegpt<'a>(
        &self,
        list: Value<'a>,
        name: &str,
        system: Option<&'a str>,
        arena: &'a Arena,
    ) -> Result<Read<'a>, Reject> {
        let items = list
            .as_list()
            .ok_or_else(|| mismatch(name, "a list of messages", list))?;
        let mut messages = bumpalo::collections::Vec::with_capacity_in(items.len() + 1, arena);
        let mut tools = None;
        for item in items {
            let (message, found) = self
                .sharegpt_message(*item, arena)
                .map_err(|reject| self.placed(reject, *item, &messages, arena))?;
            messages.push(message);
            tools = tools.or(found);
        }
        if let Some(system) = system
            && messages.first().is_none_or(|first| first.role != "system")
        {
            messages.insert(0, plain_message("system", system, arena));
        }
        Ok(Read {
            messages: messages.into_bump_slice_mut(),
            tools,
        })
    }

    fn sharegpt_message<'a>(
        &self,
        item: Value<'a>,
        arena: &'a Arena,
    ) -> Result<(Message<'a>, Option<Value<'a>>), Reject> {
        let map = item
            .as_map()
            .ok_or_else(|| mismatch("message", "an object", item))?;
        let value = map.get(self.names.of(Field::Value));
        let (role, parts) = match self.speaker_in(map)? {
            Speaker::FunctionCall => ("assistant", function_call(value, arena)?),
            Speaker::Role(role) => {
                check(role, value, map)?;
                (role, self.sharegpt_content(role, value, arena)?)
            }
        };
        let message = Message {
            role,
            fields: self.sharegpt_fields(map, role, parts, arena),
            weight: weight_of(map)?,
        };
        Ok((message, parts.tools))
    }

    fn speaker_in(&self, map: Map<'_>) -> Result<Speaker, Reject> {
        let name = self.names.of(Field::From);
        let Some(from) = map.get_some(name) else {
            let reason = format!("a message has no `{name}`; its keys: {}", keys(map));
            return Err(Reject::new(Rule::SchemaMismatch, reason));
        };
        let from = from
            .as_str()
            .ok_or_else(|| mismatch(name, "a string", from))?;
        let mapped = self.roles.iter().find(|(theirs, _)| theirs == from);
        speaker(mapped.map_or(from, |(_, ours)| ours)).ok_or_else(|| unknown_role(from))
    }

    fn sharegpt_content<'a>(
        &self,
        role: &str,
        value: Option<Value<'a>>,
        arena: &'a Arena,
    ) -> Result<Parts<'a>, Reject> {
        if let Some(Value::List(parts)) = value
            && let Some(parts) = read_parts(role, parts, self.text_parts, arena)?
        {
            return Ok(parts);
        }
        Ok(Parts {
            content: value.filter(|value| *value != Value::Null),
            ..Parts::default()
        })
    }

    fn sharegpt_fields<'a>(
        &self,
        map: Map<'a>,
        role: &'static str,
        parts: Parts<'a>,
        arena: &'a Arena,
    ) -> Map<'a> {
        let (from, value) = (self.names.of(Field::From), self.names.of(Field::Value));
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

/// A message of role and text alone.
pub(super) fn plain_message<'a>(
    role: &'static str,
    content: &'a str,
    arena: &'a Arena,
) -> Message<'a> {
    let entries = [("role", Value::Str(role)), ("content", Value::Str(content))];
    Message {
        role,
        fields: Map::new(arena.alloc_slice_copy(&entries)),
        weight: None,
    }
}
