//! Blocks of APIs: Anthropic's calls, reasoning and results, and texts of the Responses API.

use super::{fields, functions};
use crate::chat::content::refuse_second_text;
use crate::rules::{Reject, Rule};
use crate::value::{Arena, Map, Value};

/// The messages that a message of blocks stands for; `None` where it has no such block.
pub(super) fn read<'a>(
    item: Value<'a>,
    arena: &'a Arena,
) -> Result<Option<&'a [Value<'a>]>, Reject> {
    let Some((message, blocks)) = blocks_of(item) else {
        return Ok(None);
    };
    let is_special = |block: &Value<'_>| {
        matches!(
            kind_of(*block),
            Some(
                "tool_use"
                    | "tool_result"
                    | "thinking"
                    | "redacted_thinking"
                    | "input_text"
                    | "output_text"
            )
        )
    };
    refuse_second_text(blocks)?;
    if !blocks.iter().any(is_special) {
        return Ok(None);
    }
    let mut messages = Vec::new();
    let mut rest = Rest::default();
    for block in blocks {
        match (kind_of(*block), block.as_map()) {
            (Some("tool_result"), Some(block)) => messages.push(result(block, arena)?),
            (Some("tool_use"), Some(block)) => rest.calls.push(call(block, arena)?),
            (Some("thinking"), Some(block)) => {
                let text = block.get("thinking").and_then(Value::as_str);
                rest.thoughts.push_str(text.unwrap_or_default());
            }
            // Encrypted: nobody can read it.
            (Some("redacted_thinking"), _) => {}
            (Some("input_text" | "output_text"), Some(block)) => {
                let typed = fields::with(block, "type", Value::Str("text"), arena);
                rest.blocks.push(Value::Map(typed));
            }
            _ => rest.blocks.push(*block),
        }
    }
    if messages.is_empty() || !rest.blocks.is_empty() {
        messages.push(rest.message(message, arena));
    }
    Ok(Some(arena.alloc_slice_copy(&messages)))
}

/// A message with its blocks, if its content is a list.
fn blocks_of(item: Value<'_>) -> Option<(Map<'_>, &[Value<'_>])> {
    let message = item.as_map()?;
    Some((message, message.get("content")?.as_list()?))
}

fn kind_of(block: Value<'_>) -> Option<&str> {
    block.as_map()?.get("type")?.as_str()
}

/// What becomes of the message itself.
#[derive(Default)]
struct Rest<'a> {
    blocks: Vec<Value<'a>>,
    calls: Vec<Value<'a>>,
    thoughts: String,
}

impl<'a> Rest<'a> {
    fn message(&self, given: Map<'a>, arena: &'a Arena) -> Value<'a> {
        let content = if self.blocks.is_empty() {
            Value::Str("")
        } else {
            Value::List(arena.alloc_slice_copy(&self.blocks))
        };
        let mut entries: Vec<(&'a str, Value<'a>)> = given
            .iter()
            .map(|(key, value)| (key, if key == "content" { content } else { value }))
            .collect();
        if !self.thoughts.is_empty() {
            let thoughts = Value::Str(arena.alloc_str(&self.thoughts));
            entries.push(("reasoning_content", thoughts));
        }
        if !self.calls.is_empty() {
            let calls = Value::List(arena.alloc_slice_copy(&self.calls));
            entries.push(("tool_calls", calls));
        }
        Value::Map(Map::new(arena.alloc_slice_copy(&entries)))
    }
}

fn call<'a>(block: Map<'a>, arena: &'a Arena) -> Result<Value<'a>, Reject> {
    let Some(name @ Value::Str(_)) = block.get("name") else {
        let reason = "a `tool_use` block has no name";
        return Err(Reject::new(Rule::SchemaMismatch, reason));
    };
    let arguments = block
        .get_some("input")
        .unwrap_or(Value::Map(Map::default()));
    let function = [("name", name), ("arguments", arguments)];
    let function = Value::Map(Map::new(arena.alloc_slice_copy(&function)));
    let entries = [
        ("id", block.get("id").unwrap_or(Value::Null)),
        ("type", Value::Str("function")),
        ("function", function),
    ];
    Ok(Value::Map(Map::new(without_null(&entries, arena))))
}

fn result<'a>(block: Map<'a>, arena: &'a Arena) -> Result<Value<'a>, Reject> {
    let content = match block.get_some("content") {
        None => Value::Str(""),
        Some(text @ Value::Str(_)) => text,
        Some(Value::List(parts)) => Value::Str(joined(parts, arena)?),
        Some(other) => {
            let reason = format!("the content of a `tool_result` block is {}", other.kind());
            return Err(Reject::new(Rule::NonStringContent, reason));
        }
    };
    let entries = [
        ("role", Value::Str("tool")),
        (
            "tool_call_id",
            block.get("tool_use_id").unwrap_or(Value::Null),
        ),
        ("content", content),
        ("is_error", block.get("is_error").unwrap_or(Value::Null)),
    ];
    Ok(Value::Map(Map::new(without_null(&entries, arena))))
}

fn without_null<'a>(
    entries: &[(&'a str, Value<'a>)],
    arena: &'a Arena,
) -> &'a [(&'a str, Value<'a>)] {
    let mut kept = bumpalo::collections::Vec::with_capacity_in(entries.len(), arena);
    kept.extend(entries.iter().filter(|(_, value)| *value != Value::Null));
    kept.into_bump_slice()
}

/// The text of text blocks.
pub(super) fn joined<'a>(parts: &[Value<'a>], arena: &'a Arena) -> Result<&'a str, Reject> {
    let mut text = bumpalo::collections::String::new_in(arena);
    for part in parts {
        let part_text = part.as_map().and_then(|part| part.get("text")?.as_str());
        let part_text = part_text.ok_or_else(|| {
            let kind = kind_of(*part).map(|kind| format!("`{kind}`"));
            let kind = kind.unwrap_or_else(|| part.kind().to_owned());
            let reason = format!("a block is not text but {kind}");
            Reject::new(Rule::NonStringContent, reason)
        })?;
        text.push_str(part_text);
    }
    Ok(text.into_bump_str())
}

/// The function that a tool with an `input_schema` is; `None` for any other.
pub(super) fn tool<'a>(tool: Map<'a>, arena: &'a Arena) -> Option<Value<'a>> {
    let schema = tool.get_some("input_schema")?;
    let entries = [
        ("name", tool.get_some("name")?),
        (
            "description",
            tool.get("description").unwrap_or(Value::Null),
        ),
        ("parameters", schema),
    ];
    let function = Value::Map(Map::new(without_null(&entries, arena)));
    Some(functions::wrapped(function, arena))
}
