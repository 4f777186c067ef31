//! Text as the one part of a content, for templates that print nothing but parts.

use super::fields;
use crate::chat::conversation::Message;
use crate::rules::{Reject, Rule, RuleCounts};
use crate::value::{Arena, Map, Value};

/// Makes the text of messages of these roles one part.
pub(super) fn wrap<'a>(
    messages: &'a [Message<'a>],
    part_roles: &[String],
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> &'a [Message<'a>] {
    if part_roles.is_empty() {
        return messages;
    }
    let wrapped = arena.alloc_slice_copy(messages);
    for (index, message) in (0..).zip(&mut *wrapped) {
        if let Some(fields) = in_parts(message.fields, part_roles, arena) {
            counts.add_at(Rule::ContentAsParts, index, String::new);
            message.fields = fields;
        }
    }
    wrapped
}

/// Refuses answers of which the template would print nothing.
pub(super) fn require(messages: &[Message<'_>], part_roles: &[String]) -> Result<(), Reject> {
    if !part_roles.iter().any(|role| role == "assistant") {
        return Ok(());
    }
    let is_text = |message: &Message<'_>| {
        let content = message.fields.get("content").and_then(Value::as_str);
        message.role == "assistant" && content.is_some_and(|text| !text.is_empty())
    };
    match messages.iter().position(is_text) {
        None => Ok(()),
        Some(index) => {
            let reason = "the template prints lists of parts only, and the content is a text";
            Err(Reject::new(Rule::TurnLost, reason).at_message(index as u32))
        }
    }
}

/// The fields of a message with its text as one part; `None` where it has no text, or a role that
/// is none of these.
pub(crate) fn in_parts<'a>(
    fields: Map<'a>,
    part_roles: &[String],
    arena: &'a Arena,
) -> Option<Map<'a>> {
    let role = fields.get("role")?.as_str()?;
    let text = fields
        .get("content")
        .filter(|text| text.as_str().is_some())?;
    if !part_roles.iter().any(|wanted| wanted == role) {
        return None;
    }
    let part = [("type", Value::Str("text")), ("text", text)];
    let part = Value::Map(Map::new(arena.alloc_slice_copy(&part)));
    let content = Value::List(arena.alloc_slice_copy(&[part]));
    Some(fields::with(fields, "content", content, arena))
}
