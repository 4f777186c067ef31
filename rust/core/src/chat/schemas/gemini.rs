//! The schema `gemini`: contents of parts, as Google's API takes them.

use crate::chat::conversation::{Message, Record};
use crate::chat::fields::Field;
use crate::chat::roles::unknown_role;
use crate::chat::row_reader::{Messages, RowReader};
use crate::chat::variables::{self, mismatch};
use crate::chat::weight::weight_of;
use crate::chat::wire;
use crate::rules::{Reject, Rule, RuleCounts};
use crate::source::json;
use crate::value::{Arena, Map, Value};

/// Whether the row has contents of parts.
pub(super) fn fits(row: Map<'_>) -> bool {
    let contents = row
        .get("contents")
        .and_then(Value::as_list)
        .unwrap_or_default();
    let mut contents = contents.iter().filter_map(|content| content.as_map());
    contents.any(|content| content.get("parts").is_some())
}

/// Reads one row.
pub(super) fn read<'a>(
    reader: &RowReader,
    row: Map<'a>,
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Result<Record<'a>, Reject> {
    let names = &reader.names;
    let (list, name) = reader.list(row, Field::Contents)?;
    let contents = list
        .as_list()
        .ok_or_else(|| mismatch(name, "a list of contents", list))?;
    let mut messages = bumpalo::collections::Vec::with_capacity_in(contents.len() + 1, arena);
    for content in contents {
        let before = messages.len() as u32;
        read_content(*content, &mut messages, arena).map_err(|reject| reject.at_message(before))?;
    }
    let system = match names.get(row, Field::SystemInstruction) {
        Some(instruction) => Some(instruction_text(instruction, arena)?),
        None => None,
    };
    let tools = match names.get(row, Field::Tools) {
        Some(tools) => declared(tools, names.of(Field::Tools), arena)?,
        None => None,
    };
    let read = Messages {
        list: messages.into_bump_slice_mut(),
        tools: None,
    };
    let mut record = reader.led_by(system, read, row, arena, counts)?;
    if let Record::Conversation(conversation) = &mut record {
        conversation.tools = tools;
    }
    Ok(record)
}

/// A key in either of its spellings: `functionCall` in JSON, `function_call` in Python.
fn either<'a>(map: Map<'a>, camel: &str, snake: &str) -> Option<Value<'a>> {
    map.get_some(camel).or_else(|| map.get_some(snake))
}

/// What the parts of one content come to.
#[derive(Default)]
struct Collected<'a> {
    text: String,
    reasoning: String,
    calls: Vec<Value<'a>>,
    results: Vec<Map<'a>>,
}

fn read_content<'a>(
    content: Value<'a>,
    messages: &mut bumpalo::collections::Vec<'a, Message<'a>>,
    arena: &'a Arena,
) -> Result<(), Reject> {
    let map = content
        .as_map()
        .ok_or_else(|| mismatch("content", "an object", content))?;
    let role = match map.get_some("role") {
        None | Some(Value::Str("user" | "function" | "tool")) => "user",
        Some(Value::Str("model" | "assistant")) => "assistant",
        Some(Value::Str("system")) => "system",
        Some(Value::Str(other)) => return Err(unknown_role(other)),
        Some(other) => return Err(mismatch("role", "a string", other)),
    };
    let parts = collect(map, arena)?;
    let weight = weight_of(map)?;
    for result in &parts.results {
        messages.push(Message {
            role: "tool",
            fields: *result,
            weight,
        });
    }
    let is_results_alone = !parts.results.is_empty() && parts.text.is_empty();
    if !is_results_alone {
        messages.push(Message {
            role,
            fields: message(role, &parts, arena),
            weight,
        });
    }
    Ok(())
}

fn message<'a>(role: &'static str, parts: &Collected<'a>, arena: &'a Arena) -> Map<'a> {
    let text = Value::Str(arena.alloc_str(&parts.text));
    let mut entries = vec![("role", Value::Str(role)), ("content", text)];
    if !parts.reasoning.is_empty() {
        let reasoning = Value::Str(arena.alloc_str(&parts.reasoning));
        entries.push(("reasoning_content", reasoning));
    }
    if !parts.calls.is_empty() {
        let calls = Value::List(arena.alloc_slice_copy(&parts.calls));
        entries.push(("tool_calls", calls));
    }
    Map::new(arena.alloc_slice_copy(&entries))
}

fn collect<'a>(content: Map<'a>, arena: &'a Arena) -> Result<Collected<'a>, Reject> {
    let parts = content.get("parts").unwrap_or(Value::Null);
    let list = parts
        .as_list()
        .ok_or_else(|| mismatch("parts", "a list", parts))?;
    let mut collected = Collected::default();
    for part in list {
        let part = part
            .as_map()
            .ok_or_else(|| mismatch("part", "an object", *part))?;
        collect_part(part, &mut collected, arena)?;
    }
    Ok(collected)
}

fn collect_part<'a>(
    part: Map<'a>,
    collected: &mut Collected<'a>,
    arena: &'a Arena,
) -> Result<(), Reject> {
    if let Some(Value::Str(text)) = part.get("text") {
        match part.get("thought") {
            Some(Value::Bool(true)) => collected.reasoning.push_str(text),
            _ => collected.text.push_str(text),
        }
    } else if let Some(Value::Map(call)) = either(part, "functionCall", "function_call") {
        collected.calls.push(called(call, arena));
    } else if let Some(Value::Map(result)) = either(part, "functionResponse", "function_response") {
        collected.results.push(answered(result, arena));
    } else {
        let keys = crate::chat::fields::keys(part);
        let reason = format!("a part is neither text nor a function's call or response: {keys}");
        return Err(Reject::new(Rule::NonStringContent, reason));
    }
    Ok(())
}

fn called<'a>(call: Map<'a>, arena: &'a Arena) -> Value<'a> {
    let arguments = call.get_some("args").unwrap_or(Value::Map(Map::default()));
    let function = [
        ("name", call.get("name").unwrap_or(Value::Null)),
        ("arguments", arguments),
    ];
    wire::wrapped(
        Value::Map(Map::new(arena.alloc_slice_copy(&function))),
        arena,
    )
}

/// The fields of a result; one that is an object becomes the JSON text that a server sends.
fn answered<'a>(result: Map<'a>, arena: &'a Arena) -> Map<'a> {
    let content = match result.get("response").unwrap_or(Value::Null) {
        Value::Str(text) => text,
        value => {
            let mut text = String::new();
            json::write_json(value, &mut text);
            arena.alloc_str(&text)
        }
    };
    let entries = [
        ("role", Value::Str("tool")),
        ("name", result.get("name").unwrap_or(Value::Null)),
        ("content", Value::Str(content)),
    ];
    Map::new(arena.alloc_slice_copy(&entries))
}

/// The text of a system instruction: a string, or a content of text parts.
fn instruction_text<'a>(instruction: Value<'a>, arena: &'a Arena) -> Result<&'a str, Reject> {
    match instruction {
        Value::Str(text) => Ok(text),
        Value::Map(content) => Ok(arena.alloc_str(&collect(content, arena)?.text)),
        other => Err(mismatch("system_instruction", "a text or a content", other)),
    }
}

/// The tools of all declarations.
fn declared<'a>(
    tools: Value<'a>,
    name: &str,
    arena: &'a Arena,
) -> Result<Option<Value<'a>>, Reject> {
    let Some(Value::List(groups)) = variables::tools(tools, name, arena)? else {
        return Ok(None);
    };
    let mut functions = Vec::new();
    for group in groups {
        let declarations = group.as_map().and_then(|group| {
            either(group, "functionDeclarations", "function_declarations")?.as_list()
        });
        match declarations {
            Some(declarations) => functions.extend_from_slice(declarations),
            None => functions.push(*group),
        }
    }
    if functions.is_empty() {
        return Ok(None);
    }
    wire::wrapped_tools(arena.alloc_slice_copy(&functions), arena).map(Some)
}
