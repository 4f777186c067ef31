//! The schema `xlam`: a query, the calls that answer it, and the tools.

use crate::chat::content::tool_calls;
use crate::chat::conversation::{Message, Record};
use crate::chat::fields::Field;
use crate::chat::row_reader::{Messages, RowReader};
use crate::chat::variables::{self, json};
use crate::chat::wire;
use crate::rules::{Reject, Rule, RuleCounts};
use crate::value::{Arena, Map, Value};

/// Whether the row has all three.
pub(super) fn fits(row: Map<'_>) -> bool {
    let mut names = ["query", "answers", "tools"].into_iter();
    names.all(|name| row.get_some(name).is_some())
}

/// Reads one row.
pub(super) fn read<'a>(
    reader: &RowReader,
    row: Map<'a>,
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Result<Record<'a>, Reject> {
    let names = &reader.names;
    let query = names.text(row, Field::Query)?;
    let answers = names.get(row, Field::Answers);
    let answers = answers.ok_or_else(|| {
        let reason = format!("the row has no `{}`", names.of(Field::Answers));
        Reject::new(Rule::SchemaMismatch, reason)
    })?;
    let list = [
        Message::plain("user", query, arena),
        Message {
            role: "assistant",
            fields: called(answers, names.of(Field::Answers), arena)?,
            weight: None,
        },
    ];
    let tools = match names.get(row, Field::Tools) {
        Some(tools) => variables::tools(tools, names.of(Field::Tools), arena)?,
        None => None,
    };
    let read = Messages {
        list: arena.alloc_slice_copy(&list),
        tools: None,
    };
    let system = names.optional_text(row, Field::System)?;
    let mut record = reader.led_by(system, read, row, arena, counts)?;
    if let (Record::Conversation(conversation), Some(Value::List(tools))) = (&mut record, tools) {
        conversation.tools = Some(wire::wrapped_tools(tools, arena)?);
    }
    Ok(record)
}

/// The fields of the answer: nothing but calls.
fn called<'a>(answers: Value<'a>, name: &str, arena: &'a Arena) -> Result<Map<'a>, Reject> {
    let answers = match answers {
        Value::Str(text) => json(text, name, arena)?,
        other => other,
    };
    let calls = tool_calls(name, answers, arena)?;
    let entries = [
        ("role", Value::Str("assistant")),
        ("content", Value::Str("")),
        ("tool_calls", Value::List(arena.alloc_slice_copy(&calls))),
    ];
    Ok(Map::new(arena.alloc_slice_copy(&entries)))
}
