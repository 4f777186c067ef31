//! The schema `messages`: objects with `role` and `content`, passed to the template as they are.

use super::content::{Parts, check, read_parts};
use super::conversation::Message;
use super::options::{Field, Names, TextParts};
use super::variables::mismatch;
use super::weight::weight_of;
use crate::rules::{Reject, Rule};
use crate::value::{Arena, Map, Value};

/// Roles that templates of real models know. Any other is likely a role of the data set that needs
/// a mapping; many templates would drop its messages without a word.
pub const KNOWN_ROLES: [&str; 8] = [
    "user",
    "assistant",
    "system",
    "tool",
    "developer",
    "function",
    "ipython",
    "tool_results",
];

/// Messages read from a list, and tools found inside them.
pub(super) struct Read<'a> {
    pub(super) messages: &'a mut [Message<'a>],
    pub(super) tools: Option<Value<'a>>,
}

/// What reading a list of messages needs to know.
#[derive(Clone, Debug)]
pub(super) struct MessageReader {
    pub(super) names: Names,
    pub(super) roles: Vec<(String, String)>,
    pub(super) text_parts: TextParts,
}

impl MessageReader {
    /// Reads the list of messages that stands under `name`.
    pub(super) fn read<'a>(
        &self,
        list: Value<'a>,
        name: &str,
        arena: &'a Arena,
    ) -> Result<Read<'a>, Reject> {
        let items = list
            .as_list()
            .ok_or_else(|| mismatch(name, "a list of messages", list))?;
        let mut messages = bumpalo::collections::Vec::with_capacity_in(items.len(), arena);
        let mut tools = None;
        for item in items {
            let (message, found) = self
                .message(*item, arena)
                .map_err(|reject| self.placed(reject, *item, &messages, arena))?;
            messages.push(message);
            tools = tools.or(found);
        }
        Ok(Read {
            messages: messages.into_bump_slice_mut(),
            tools,
        })
    }

    /// A reject of the message after those that were read, with its number and turn.
    pub(super) fn placed<'a>(
        &self,
        reject: Reject,
        item: Value<'a>,
        before: &[Message<'a>],
        arena: &'a Arena,
    ) -> Reject {
        let named = item.as_map().and_then(|map| self.role_in(map).ok());
        let role = named.and_then(|named| self.mapped_role(named, arena).ok());
        let turns = before.iter().filter(|message| message.role == "assistant");
        let turn = (role == Some("assistant")).then(|| turns.count() as u32);
        Reject {
            turn: reject.turn.or(turn),
            ..reject.at_message(before.len() as u32)
        }
    }

    fn message<'a>(
        &self,
        item: Value<'a>,
        arena: &'a Arena,
    ) -> Result<(Message<'a>, Option<Value<'a>>), Reject> {
        let map = item
            .as_map()
            .ok_or_else(|| mismatch("message", "an object", item))?;
        let named = self.role_in(map)?;
        let role = self.mapped_role(named, arena)?;
        let content = map.get(self.names.of(Field::Content));
        check(role, content, map)?;
        let parts = match content {
            Some(Value::List(parts)) => read_parts(role, parts, self.text_parts, arena)?,
            _ => None,
        };
        let message = Message {
            role,
            fields: self.fields(map, role, parts, arena),
            weight: weight_of(map)?,
        };
        Ok((message, parts.and_then(|parts| parts.tools)))
    }

    fn role_in<'a>(&self, map: Map<'a>) -> Result<&'a str, Reject> {
        let name = self.names.of(Field::Role);
        match map.get_some(name) {
            Some(Value::Str(role)) => Ok(role),
            Some(other) => Err(mismatch(name, "a string", other)),
            None => {
                let reason = format!("a message has no `{name}`; its keys: {}", keys(map));
                Err(Reject::new(Rule::SchemaMismatch, reason))
            }
        }
    }

    fn mapped_role<'a>(&self, role: &'a str, arena: &'a Arena) -> Result<&'a str, Reject> {
        if let Some((_, ours)) = self.roles.iter().find(|(theirs, _)| theirs == role) {
            return Ok(arena.alloc_str(ours));
        }
        if KNOWN_ROLES.contains(&role) {
            return Ok(role);
        }
        Err(unknown_role(role))
    }

    /// The keys as the template sees them: the message itself wherever nothing changes.
    fn fields<'a>(
        &self,
        map: Map<'a>,
        role: &'a str,
        parts: Option<Parts<'a>>,
        arena: &'a Arena,
    ) -> Map<'a> {
        let (role_name, content_name) = (self.names.of(Field::Role), self.names.of(Field::Content));
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

/// The keys of an object, for messages.
pub(super) fn keys(map: Map<'_>) -> String {
    let names: Vec<&str> = map.iter().map(|(key, _)| key).take(12).collect();
    names.join(", ")
}

/// The reject of a role that nothing maps.
pub(super) fn unknown_role(role: &str) -> Reject {
    let reason = format!("the role `{role}` is not known; map it, such as --roles {role}=user");
    Reject::new(Rule::UnknownRole, reason)
}
