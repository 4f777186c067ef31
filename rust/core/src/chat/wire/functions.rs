//! The first form of tools: `functions`, `function_call` and the role `function`.

use super::{Correction, fields, is_blank};
use crate::chat::content;
use crate::chat::conversation::Message;
use crate::chat::variables::json;
use crate::rules::{Reject, Rule};
use crate::value::{Arena, Map, Value};

const CALL: &str = "function_call";

/// Makes the `function_call` of an assistant message the one tool call of that message, which has
/// none yet.
pub(super) fn read_call<'a>(
    message: &mut Message<'a>,
    correction: &mut Correction<'_, 'a>,
) -> Result<(), Reject> {
    let Some(given) = message.fields.get(CALL) else {
        return Ok(());
    };
    let call = match given {
        Value::Str(_) if is_blank(given) => Value::Null,
        Value::Str(text) => json(text, CALL, correction.arena)?,
        other => other,
    };
    let name = call.as_map().and_then(|call| call.get_some("name"));
    if name.is_none() {
        return without_call(message, call, correction);
    }
    let calls = message.fields.get("tool_calls");
    if calls.is_some_and(|calls| calls != Value::List(&[]) && !is_blank(calls)) {
        return Ok(());
    }
    let rest = match calls {
        Some(_) => fields::without(message.fields, "tool_calls", correction.arena),
        None => message.fields,
    };
    let call = Value::List(
        correction
            .arena
            .alloc_slice_copy(&[wrapped(call, correction.arena)]),
    );
    message.fields = fields::replaced(rest, CALL, "tool_calls", call, correction.arena);
    correction.count(Rule::FunctionCallRead);
    Ok(())
}

/// A call without a name, which tools write where a message calls nothing, leaves; anything else
/// that stands there stays.
fn without_call<'a>(
    message: &mut Message<'a>,
    call: Value<'a>,
    correction: &mut Correction<'_, 'a>,
) -> Result<(), Reject> {
    let is_none = match call {
        Value::Null => true,
        Value::Map(map) => map.iter().all(|(_, v)| v == Value::Null || is_blank(v)),
        _ => false,
    };
    if !is_none {
        return Ok(());
    }
    correction.count(Rule::EmptyToolCalls);
    message.fields = fields::without(message.fields, CALL, correction.arena);
    content::check(message.role, message.fields.get("content"), message.fields)
}

/// A function as the call or the tool that it is.
pub(in crate::chat) fn wrapped<'a>(function: Value<'a>, arena: &'a Arena) -> Value<'a> {
    let entries = [("type", Value::Str("function")), ("function", function)];
    Value::Map(Map::new(arena.alloc_slice_copy(&entries)))
}

/// Functions as tools; those that are tools already stay.
pub(in crate::chat) fn wrapped_tools<'a>(
    functions: &[Value<'a>],
    arena: &'a Arena,
) -> Result<Value<'a>, Reject> {
    let mut tools = bumpalo::collections::Vec::with_capacity_in(functions.len(), arena);
    for function in functions {
        let function = match *function {
            Value::Str(text) => json(text, "functions", arena)?,
            other => other,
        };
        let map = function.as_map();
        let is_tool = map.is_some_and(|map| map.get("function").is_some());
        tools.push(if is_tool {
            function
        } else {
            wrapped(function, arena)
        });
    }
    Ok(Value::List(tools.into_bump_slice()))
}
