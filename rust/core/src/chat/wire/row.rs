//! What stands in a row beside its messages.

use super::{blocks, fields, functions, is_blank};
use crate::chat::conversation::{Message, led};
use crate::chat::variables::{self, json};
use crate::rules::{Reject, Rule, RuleCounts};
use crate::value::{Arena, Map, Value};

/// Puts the row's own system text before the messages, unless they begin with one.
pub(super) fn lead<'a>(
    messages: &'a mut [Message<'a>],
    system: &'a str,
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> &'a mut [Message<'a>] {
    let first = messages.first();
    if let Some(first) = first.filter(|first| matches!(first.role, "system" | "developer")) {
        if first.fields.get("content") != Some(Value::Str(system)) {
            counts.add_at(Rule::SystemLeftOut, 0, || shown(system));
        }
        return messages;
    }
    counts.add(Rule::SystemAdded, 1);
    led(messages, system, arena)
}

fn shown(text: &str) -> String {
    let start: String = text.chars().take(40).collect();
    format!("{start:?}")
}

/// The row's own system text: a string, or text blocks; `None` where it is empty.
pub(super) fn system<'a>(
    value: Option<Value<'a>>,
    arena: &'a Arena,
) -> Result<Option<&'a str>, Reject> {
    let text = match value {
        None => return Ok(None),
        Some(Value::Str(text)) => text,
        Some(Value::List(blocks)) => blocks::joined(blocks, arena)?,
        Some(other) => {
            let reason = format!("`system` is {}, not text", other.kind());
            return Err(Reject::new(Rule::NonStringContent, reason));
        }
    };
    Ok((!text.is_empty()).then_some(text))
}

/// The weight of all that the row trains; 1 where it says nothing.
pub(super) fn weight(value: Option<Value<'_>>) -> Result<f32, Reject> {
    let weight = match value {
        None | Some(Value::Null) => return Ok(1.0),
        Some(Value::Bool(train)) => f32::from(u8::from(train)),
        Some(Value::Int(weight)) => weight as f32,
        Some(Value::Float(weight)) => weight as f32,
        Some(other) => return Err(variables::mismatch("weight", "a number from 0 up", other)),
    };
    if weight == 0.0 {
        let reason = "the row's own `weight` is 0: nothing of it is trained";
        return Err(Reject::new(Rule::AllLabelsMasked, reason));
    }
    if weight.is_finite() && weight > 0.0 {
        return Ok(weight);
    }
    let reason = format!("`weight` is {weight}, not a number from 0 up");
    Err(Reject::new(Rule::SchemaMismatch, reason))
}

/// The `functions` of a row as tools.
pub(super) fn tools_of_functions<'a>(
    functions: Value<'a>,
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Result<Option<Value<'a>>, Reject> {
    let Some(Value::List(items)) = variables::tools(functions, "functions", arena)? else {
        return Ok(None);
    };
    counts.add(Rule::FunctionCallRead, 1);
    functions::wrapped_tools(items, arena).map(Some)
}

/// Keys by which an object shows that it is a tool, or Gemini's group of tools.
const NAMING: [&str; 4] = [
    "function",
    "name",
    "functionDeclarations",
    "function_declarations",
];

/// The row with one tool, that stands in no list, as a list; an empty object is none.
pub(super) fn with_tool_list<'a>(
    row: Map<'a>,
    name: &str,
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Map<'a> {
    let Some((key, given)) = row.iter().find(|(key, _)| *key == name) else {
        return row;
    };
    let value = match given {
        Value::Str(text) if text.trim_start().starts_with('{') => json(text, name, arena).ok(),
        other => Some(other),
    };
    let tools = match value {
        Some(Value::Map(tool)) if tool.entries.is_empty() => Value::Null,
        Some(Value::Map(tool)) if NAMING.iter().any(|key| tool.get_some(key).is_some()) => {
            Value::List(arena.alloc_slice_copy(&[Value::Map(tool)]))
        }
        _ => return row,
    };
    counts.add(Rule::ToolsParsed, 1);
    fields::with(row, key, tools, arena)
}

/// Tools of which some, or their parameters, are JSON text.
pub(super) fn tools<'a>(
    tools: Value<'a>,
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Result<Value<'a>, Reject> {
    let Value::List(items) = tools else {
        return Ok(tools);
    };
    let mut read: Option<&'a mut [Value<'a>]> = None;
    for (index, item) in items.iter().enumerate() {
        let (tool, rule) = match item.as_map().and_then(|map| blocks::tool(map, arena)) {
            Some(tool) => (Some(tool), Rule::BlocksRead),
            None => (tool(*item, arena)?, Rule::ToolsParsed),
        };
        if let Some(tool) = tool {
            counts.add(rule, 1);
            read.get_or_insert_with(|| arena.alloc_slice_copy(items))[index] = tool;
        }
    }
    Ok(read.map_or(tools, |items| Value::List(items)))
}

/// The tool as a value; `None` where it stays as it is.
fn tool<'a>(item: Value<'a>, arena: &'a Arena) -> Result<Option<Value<'a>>, Reject> {
    let (item, parsed) = match item {
        Value::Str(text) => (json(text, "tools", arena)?, true),
        item => (item, false),
    };
    let Some(map) = item.as_map() else {
        return Ok(parsed.then_some(item));
    };
    let read = match map.get("function") {
        Some(Value::Map(function)) => with_parameters(function, arena)?
            .map(|function| fields::with(map, "function", Value::Map(function), arena)),
        _ => with_parameters(map, arena)?,
    };
    Ok(read.map(Value::Map).or(parsed.then_some(item)))
}

/// The function with its parameters as a value; `None` where they are one.
fn with_parameters<'a>(function: Map<'a>, arena: &'a Arena) -> Result<Option<Map<'a>>, Reject> {
    let Some(given) = function.get("parameters") else {
        return Ok(None);
    };
    let parameters = match given {
        Value::Str(_) if is_blank(given) => Value::Map(Map::default()),
        Value::Str(text) => json(text, "parameters", arena)?,
        _ => return Ok(None),
    };
    Ok(Some(fields::with(
        function,
        "parameters",
        parameters,
        arena,
    )))
}
