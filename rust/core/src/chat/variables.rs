//! What a row passes to the template besides its messages: tools, documents, keyword arguments.

use super::conversation::{Conversation, Message};
use super::fields::Field;
use super::names::Names;
use crate::rules::{Reject, Rule};
use crate::source::json;
use crate::value::{Arena, Map, Value};

/// Variables of a template that nobody else may set: as in transformers, where a second value for
/// one of them raises.
pub const GIVEN: [&str; 5] = [
    "messages",
    "tools",
    "documents",
    "add_generation_prompt",
    "continue_final_message",
];

/// Whether the rows, or turnmill itself, give that variable.
pub fn is_given(name: &str) -> bool {
    GIVEN.contains(&name)
}

/// A conversation of `messages` with the variables that stand in `row`.
pub(super) fn conversation<'a>(
    messages: &'a [Message<'a>],
    row: Map<'a>,
    names: &Names,
    arena: &'a Arena,
) -> Result<Conversation<'a>, Reject> {
    let tools = match names.get(row, Field::Tools) {
        Some(value) => tools(value, names.of(Field::Tools), arena)?,
        None => None,
    };
    Ok(Conversation {
        messages,
        tools,
        documents: documents(row, names)?,
        template_kwargs: template_kwargs(row, names)?,
        weight: 1.0,
    })
}

/// Tools are a list, or JSON text of one; an empty text means none.
pub(super) fn tools<'a>(
    value: Value<'a>,
    name: &str,
    arena: &'a Arena,
) -> Result<Option<Value<'a>>, Reject> {
    let parsed = match value {
        Value::Str(text) if text.trim().is_empty() => return Ok(None),
        Value::Str(text) => json(text, name, arena)?,
        other => other,
    };
    match parsed {
        Value::Null => Ok(None),
        Value::List(_) => Ok(Some(parsed)),
        other => Err(mismatch(name, "a list or JSON text of one", other)),
    }
}

/// Reads JSON that stands in a string.
pub(super) fn json<'a>(text: &'a str, name: &str, arena: &'a Arena) -> Result<Value<'a>, Reject> {
    match json::parse(text.as_bytes(), arena) {
        Ok(parsed) => Ok(parsed.value),
        Err(error) => Err(Reject::new(
            error.rule,
            format!("the text of `{name}` is not JSON: {error}"),
        )),
    }
}

fn documents<'a>(row: Map<'a>, names: &Names) -> Result<Option<Value<'a>>, Reject> {
    match names.get(row, Field::Documents) {
        None => Ok(None),
        Some(list @ Value::List(_)) => Ok(Some(list)),
        Some(other) => Err(mismatch(names.of(Field::Documents), "a list", other)),
    }
}

fn template_kwargs<'a>(row: Map<'a>, names: &Names) -> Result<Map<'a>, Reject> {
    match names.get(row, Field::TemplateKwargs) {
        None => Ok(Map::default()),
        Some(Value::Map(map)) => match map.iter().find(|(name, _)| is_given(name)) {
            None => Ok(map),
            Some((name, _)) => {
                let field = names.of(Field::TemplateKwargs);
                let reason = format!("`{field}` cannot set `{name}`");
                Err(Reject::new(Rule::TemplateError, reason))
            }
        },
        Some(other) => Err(mismatch(
            names.of(Field::TemplateKwargs),
            "an object",
            other,
        )),
    }
}

/// A reject that names the field, what it should be and what it is.
pub(super) fn mismatch(name: &str, expected: &str, found: Value<'_>) -> Reject {
    let reason = format!("`{name}` is {}, not {expected}", found.kind());
    Reject::new(Rule::SchemaMismatch, reason)
}
