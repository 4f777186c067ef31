//! Tool calls: JSON text becomes values, and no calls at all leave no list.

use super::{Correction, fields, is_blank};
use crate::chat::content;
use crate::chat::conversation::Message;
use crate::chat::fields::keys;
use crate::chat::variables::{json, mismatch};
use crate::rules::{Reject, Rule};
use crate::source::json;
use crate::value::{Map, Value};

const CALLS: &str = "tool_calls";

/// Other names of `arguments`: of Llama's answers, and of other APIs.
const ARGUMENTS: [&str; 3] = ["parameters", "input", "args"];

/// Reads the calls of an assistant message.
pub(super) fn read<'a>(
    message: &mut Message<'a>,
    correction: &mut Correction<'_, 'a>,
) -> Result<(), Reject> {
    let Some(calls) = message.fields.get(CALLS) else {
        return Ok(());
    };
    read_calls(message, calls, correction)?;
    if message.fields.get("content").is_none() && message.fields.get(CALLS).is_some() {
        correction.count(Rule::ContentAdded);
        message.fields = fields::inserted(
            message.fields,
            1,
            "content",
            Value::Str(""),
            correction.arena,
        );
    }
    Ok(())
}

fn read_calls<'a>(
    message: &mut Message<'a>,
    given: Value<'a>,
    correction: &mut Correction<'_, 'a>,
) -> Result<(), Reject> {
    let (calls, was_list) = match given {
        Value::List(calls) => (calls, true),
        other => (list(other, correction)?, false),
    };
    if calls.is_empty() {
        correction.count(Rule::EmptyToolCalls);
        message.fields = fields::without(message.fields, CALLS, correction.arena);
        return content::check(message.role, message.fields.get("content"), message.fields);
    }
    let mut read: Option<&'a mut [Value<'a>]> = None;
    for (index, call) in calls.iter().enumerate() {
        if let Some(call) = read_call(*call, correction)? {
            read.get_or_insert_with(|| correction.arena.alloc_slice_copy(calls))[index] = call;
        }
    }
    if read.is_some() || !was_list {
        let calls = Value::List(read.map_or(calls, |calls| calls));
        message.fields = fields::with(message.fields, CALLS, calls, correction.arena);
    }
    Ok(())
}

/// The calls that came as JSON text, or as one object.
fn list<'a>(
    given: Value<'a>,
    correction: &mut Correction<'_, 'a>,
) -> Result<&'a [Value<'a>], Reject> {
    let value = match given {
        Value::Str(_) if is_blank(given) => return Ok(&[]),
        Value::Str(text) => json(text, CALLS, correction.arena)?,
        other => other,
    };
    let calls = match value {
        Value::Null => &[],
        Value::List(calls) => calls,
        one => &*correction.arena.alloc_slice_copy(&[one]),
    };
    if !calls.is_empty() {
        correction.count(Rule::ToolCallsParsed);
    }
    Ok(calls)
}

/// The call with its arguments as a value; `None` where it stays as it is.
fn read_call<'a>(
    call: Value<'a>,
    correction: &mut Correction<'_, 'a>,
) -> Result<Option<Value<'a>>, Reject> {
    let (call, parsed) = match call {
        Value::Str(text) => {
            correction.count(Rule::ToolCallsParsed);
            (json(text, CALLS, correction.arena)?, true)
        }
        call => (call, false),
    };
    let map = call
        .as_map()
        .ok_or_else(|| mismatch("tool call", "an object", call))?;
    refuse_other_types(map)?;
    let read = match map.get("function") {
        Some(Value::Map(function)) => read_function(function, correction)?
            .map(|function| fields::with(map, "function", Value::Map(function), correction.arena)),
        _ => read_function(map, correction)?,
    };
    Ok(read.map(Value::Map).or(parsed.then_some(call)))
}

/// Refuses a call of something else than a function, which no template prints.
fn refuse_other_types(call: Map<'_>) -> Result<(), Reject> {
    let kind = call.get("type").and_then(Value::as_str);
    match kind.filter(|kind| {
        call.get_some(kind)
            .is_some_and(|value| value.as_map().is_some())
    }) {
        None | Some("function") => Ok(()),
        Some(kind) => {
            let reason = format!("a tool call is of type `{kind}`: templates print functions only");
            Err(Reject::new(Rule::SchemaMismatch, reason))
        }
    }
}

/// A function with its arguments as a value, as the engines that serve models make it: one that is
/// called without arguments has empty ones.
fn read_function<'a>(
    function: Map<'a>,
    correction: &mut Correction<'_, 'a>,
) -> Result<Option<Map<'a>>, Reject> {
    if function.get_some("name").is_none_or(is_blank) {
        let reason = format!("a tool call has no name; its keys: {}", keys(function));
        return Err(Reject::new(Rule::SchemaMismatch, reason));
    }
    let mut others = ARGUMENTS.iter();
    let other = match function.get_some("arguments") {
        None => others.find(|key| function.get_some(key).is_some()),
        Some(_) => None,
    };
    let (key, given) = match other {
        Some(key) => (*key, function.get(key)),
        None => ("arguments", function.get("arguments")),
    };
    let arguments = match given {
        Some(Value::Str(text)) if !text.trim().is_empty() => parsed(text, correction),
        Some(Value::Str(_) | Value::Null) | None => Some(Value::Map(Map::default())),
        Some(value) => (key != "arguments").then_some(value),
    };
    Ok(arguments.map(|arguments| {
        correction.count(Rule::ArgumentsParsed);
        let rest = match key {
            "arguments" => function,
            _ => fields::without(function, "arguments", correction.arena),
        };
        match rest.get(key) {
            Some(_) => fields::replaced(rest, key, "arguments", arguments, correction.arena),
            None => fields::with(rest, "arguments", arguments, correction.arena),
        }
    }))
}

/// The value of arguments that are text; `None` where the text is not JSON.
fn parsed<'a>(text: &'a str, correction: &mut Correction<'_, 'a>) -> Option<Value<'a>> {
    match json::parse(text.as_bytes(), correction.arena) {
        Ok(parsed) => {
            let twice = u64::from(parsed.duplicate_keys);
            correction.counts.add(Rule::DuplicateKey, twice);
            Some(parsed.value)
        }
        Err(error) => {
            let note = || error.to_string();
            correction
                .counts
                .add_at(Rule::ArgumentsNotJson, correction.index, note);
            None
        }
    }
}
