//! What `apply_chat_template` does to the data before the template sees it.

use super::RenderInput;
use crate::chat::REASONING_KEYS;
use crate::value::{Arena, Map, Value};
use crate::{Error, ErrorKind, Result};

/// What transformers appends to the message that is to be continued.
pub(super) const CONTINUE_TAG: &str = "CONTINUE_FINAL_MESSAGE_TAG ";

type Entries<'a> = &'a [(&'a str, Value<'a>)];

fn refuse<T>(what: impl Into<String>) -> Result<T> {
    Err(Error::new(ErrorKind::Template, "template-error", what))
}

/// What the template sees of a conversation.
pub(super) struct Prepared<'a> {
    /// The list of messages.
    pub(super) messages: &'a [Map<'a>],
    /// The text that is to be continued, if one is.
    pub(super) continued: Option<&'a str>,
}

/// The messages as the template sees them.
pub(super) fn messages<'a>(
    input: &RenderInput<'a>,
    source: &str,
    arena: &'a Arena,
) -> Result<Prepared<'a>> {
    if input.messages.is_empty() {
        return refuse("the conversation is empty");
    }
    check_documents(input)?;
    let last = input.messages.len() - 1;
    let messages = arena.alloc_slice_copy(input.messages);
    let mut continued = None;
    for (index, message) in messages.iter_mut().enumerate() {
        let mut entries = with_reasoning(without_nulls(*message, arena), arena);
        if let Some(field) = input.continue_final_message.filter(|_| index == last) {
            if input.add_generation_prompt {
                return refuse(
                    "continue_final_message and add_generation_prompt cannot both be set",
                );
            }
            let (marked, text) = with_continue_tag(entries, field, source, arena)?;
            entries = marked;
            continued = Some(text);
        }
        *message = Map::new(entries);
    }
    Ok(Prepared {
        messages,
        continued,
    })
}

fn check_documents(input: &RenderInput<'_>) -> Result<()> {
    let documents = input.documents.and_then(Value::as_list).unwrap_or_default();
    if documents.iter().any(|document| document.as_map().is_none()) {
        return refuse("documents should be a list of dicts with 'title' and 'text' keys");
    }
    let tools = input.tools.and_then(Value::as_list).unwrap_or_default();
    if tools.iter().any(|tool| tool.as_map().is_none()) {
        return refuse("tools should be JSON schemas");
    }
    Ok(())
}

/// Top-level keys that are null are dropped.
fn without_nulls<'a>(message: Map<'a>, arena: &'a Arena) -> Entries<'a> {
    let is_null = |(_, value): &&(&str, Value<'_>)| matches!(value, Value::Null);
    let nulls = message.entries.iter().filter(is_null).count();
    if nulls == 0 {
        return message.entries;
    }
    let kept: Vec<_> = message
        .entries
        .iter()
        .filter(|entry| !is_null(entry))
        .copied()
        .collect();
    arena.alloc_slice_copy(&kept)
}

/// `{"thinking": r, **message, "reasoning_content": r}` for the first reasoning field that is set.
fn with_reasoning<'a>(entries: Entries<'a>, arena: &'a Arena) -> Entries<'a> {
    let message = Map::new(entries);
    let Some(reasoning) = REASONING_KEYS.iter().find_map(|key| message.get_some(key)) else {
        return entries;
    };
    let mut aliased = bumpalo::collections::Vec::with_capacity_in(entries.len() + 2, arena);
    aliased.push(("thinking", message.get("thinking").unwrap_or(reasoning)));
    let mut has_standard = false;
    for (key, value) in entries {
        match *key {
            "thinking" => {}
            "reasoning_content" => {
                has_standard = true;
                aliased.push((*key, reasoning));
            }
            _ => aliased.push((*key, *value)),
        }
    }
    if !has_standard {
        aliased.push(("reasoning_content", reasoning));
    }
    aliased.into_bump_slice()
}

/// Marks where the final message ends; also the text that is to be continued.
fn with_continue_tag<'a>(
    entries: Entries<'a>,
    field: &str,
    source: &str,
    arena: &'a Arena,
) -> Result<(Entries<'a>, &'a str)> {
    let message = Map::new(entries);
    let Some(text) = message.get_some(field) else {
        return refuse(format!(
            "continue_final_message is set but the final message has no \"{field}\" to continue"
        ));
    };
    let fields: Vec<&str> = if REASONING_KEYS.contains(&field) {
        let same = |key: &&&str| message.get(key) == Some(text);
        REASONING_KEYS.iter().filter(same).copied().collect()
    } else {
        vec![field]
    };
    if !fields.iter().any(|field| source.contains(field)) {
        return refuse(format!(
            "continue_final_message is set to \"{field}\" but the template does not read it"
        ));
    }
    let (marked, text) = match text {
        Value::List(parts) => mark_parts(parts, arena)?,
        other => mark(other, arena)?,
    };
    let is_marked = |key: &str| fields.contains(&key);
    let entries = arena.alloc_slice_fill_iter(
        entries
            .iter()
            .map(|(key, value)| (*key, if is_marked(key) { marked } else { *value })),
    );
    Ok((entries, text))
}

/// Text with the tag after it, and without it.
fn mark<'a>(text: Value<'a>, arena: &'a Arena) -> Result<(Value<'a>, &'a str)> {
    let Value::Str(chars) = text else {
        return refuse("continue_final_message can only continue text");
    };
    let marked = arena.alloc_str(&format!("{chars}{CONTINUE_TAG}"));
    Ok((Value::Str(marked), chars))
}

/// The same for the last part that has a text.
fn mark_parts<'a>(parts: &'a [Value<'a>], arena: &'a Arena) -> Result<(Value<'a>, &'a str)> {
    for (at, part) in parts.iter().enumerate().rev() {
        let has_text = match part {
            Value::Map(part) => part.get("text").is_some(),
            // Types in which Python finds "text" but cannot index with it, or cannot search.
            Value::Str(chars) => chars.contains("text"),
            Value::List(items) => items.contains(&Value::Str("text")),
            _ => true,
        };
        if !has_text {
            continue;
        }
        let Some(part) = part.as_map() else {
            break;
        };
        let (marked, text) = mark(part.get("text").unwrap_or(Value::Null), arena)?;
        let entries = part.entries.iter().map(|(key, value)| match *key {
            "text" => (*key, marked),
            _ => (*key, *value),
        });
        let mut all = parts.to_vec();
        all[at] = Value::Map(Map::new(arena.alloc_slice_fill_iter(entries)));
        return Ok((Value::List(arena.alloc_slice_copy(&all)), text));
    }
    refuse("continue_final_message found no text to continue in the final message")
}
