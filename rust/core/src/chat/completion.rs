//! The schemas `prompt-completion` and `text`.

use super::alpaca::text;
use super::already_rendered::check_text;
use super::conversation::{Message, Record};
use super::messages::{MessageReader, Read};
use super::options::Field;
use super::turns::is_turn;
use super::variables::mismatch;
use crate::rules::{Reject, Rule, RuleCounts};
use crate::value::{Arena, Map, Value};

/// Reads a document.
pub(super) fn read_text<'a>(
    row: Map<'a>,
    reader: &MessageReader,
    counts: &mut RuleCounts,
) -> Result<Record<'a>, Reject> {
    let document = text(row, &reader.names, Field::Text)?;
    check_text(document, reader.names.of(Field::Text))?;
    if document.trim().is_empty() {
        counts.add(Rule::WhitespaceOnlyInput, 1);
    }
    Ok(Record::Text(document))
}

/// Reads a prompt and a completion that are strings.
pub(super) fn read_strings<'a>(
    row: Map<'a>,
    reader: &MessageReader,
    counts: &mut RuleCounts,
) -> Result<Record<'a>, Reject> {
    let names = &reader.names;
    let prompt = text(row, names, Field::Prompt)?;
    let completion = text(row, names, Field::Completion)?;
    check_text(prompt, names.of(Field::Prompt))?;
    check_text(completion, names.of(Field::Completion))?;
    if prompt.trim().is_empty() {
        counts.add(Rule::WhitespaceOnlyInput, 1);
    }
    Ok(Record::Completion { prompt, completion })
}

/// Whether prompt and completion of `row` are lists of messages; an error if they differ in kind.
pub(super) fn is_conversational(row: Map<'_>, reader: &MessageReader) -> Result<bool, Reject> {
    let names = &reader.names;
    let prompt = names.get(row, Field::Prompt);
    let completion = names.get(row, Field::Completion);
    match (prompt, completion) {
        (Some(Value::List(_)), Some(Value::List(_))) => Ok(true),
        (Some(Value::List(_)), Some(other)) => Err(mismatch(
            names.of(Field::Completion),
            "a list as the prompt is",
            other,
        )),
        (Some(other), Some(Value::List(_))) => Err(mismatch(
            names.of(Field::Prompt),
            "a list as the completion is",
            other,
        )),
        _ => Ok(false),
    }
}

/// Reads a prompt and a completion that are lists of messages. Assistant messages of the prompt
/// are context unless they have a weight of their own.
pub(super) fn read_messages<'a>(
    row: Map<'a>,
    reader: &MessageReader,
    arena: &'a Arena,
) -> Result<Read<'a>, Reject> {
    let half = |field| {
        let name = reader.names.of(field);
        reader.read(row.get(name).unwrap_or(Value::Null), name, arena)
    };
    let (prompt, completion) = (half(Field::Prompt)?, half(Field::Completion)?);
    let length = prompt.messages.len() + completion.messages.len();
    let mut messages: bumpalo::collections::Vec<'a, Message<'a>> =
        bumpalo::collections::Vec::with_capacity_in(length, arena);
    messages.extend_from_slice(prompt.messages);
    for message in messages.iter_mut().filter(|message| is_turn(message)) {
        message.weight.get_or_insert(0.0);
    }
    messages.extend_from_slice(completion.messages);
    Ok(Read {
        messages: messages.into_bump_slice_mut(),
        tools: prompt.tools.or(completion.tools),
    })
}
