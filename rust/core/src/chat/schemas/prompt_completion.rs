//! The schema `prompt-completion`: two strings, or two lists of messages.

use super::messages::read_list;
use crate::chat::already_rendered::check_text;
use crate::chat::conversation::{Message, Record};
use crate::chat::fields::Field;
use crate::chat::row_reader::{Messages, RowReader};
use crate::chat::variables::mismatch;
use crate::rules::{Reject, Rule, RuleCounts};
use crate::value::{Arena, Map, Value};

/// Whether the row has both halves.
pub(super) fn fits(row: Map<'_>) -> bool {
    row.get_some("prompt").is_some() && row.get_some("completion").is_some()
}

/// Reads one row.
pub(super) fn read<'a>(
    reader: &RowReader,
    row: Map<'a>,
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Result<Record<'a>, Reject> {
    if reader.prompts && reader.names.get(row, Field::Completion).is_none() {
        return read_prompt(row, reader, arena, counts);
    }
    if is_conversational(row, reader)? {
        let messages = read_messages(row, reader, arena, counts)?;
        return reader.conversation(messages, row, arena, counts);
    }
    read_strings(row, reader, counts)
}

/// Reads a prompt that nothing answers: a string, or a list of messages.
fn read_prompt<'a>(
    row: Map<'a>,
    reader: &RowReader,
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Result<Record<'a>, Reject> {
    let names = &reader.names;
    if let Some(list @ Value::List(_)) = names.get(row, Field::Prompt) {
        let messages = read_list(reader, list, names.of(Field::Prompt), arena, counts)?;
        return reader.conversation(messages, row, arena, counts);
    }
    let prompt = names.text(row, Field::Prompt)?;
    let weight = reader.wire.plain(row, names, counts)?;
    counts.add(Rule::WithoutTemplate, 1);
    check_text(prompt, names.of(Field::Prompt))?;
    Ok(Record::Completion {
        prompt,
        completion: "",
        weight,
    })
}

/// Reads a prompt and a completion that are strings.
fn read_strings<'a>(
    row: Map<'a>,
    reader: &RowReader,
    counts: &mut RuleCounts,
) -> Result<Record<'a>, Reject> {
    let names = &reader.names;
    let prompt = names.text(row, Field::Prompt)?;
    let completion = names.text(row, Field::Completion)?;
    let weight = reader.wire.plain(row, names, counts)?;
    counts.add(Rule::WithoutTemplate, 1);
    check_text(prompt, names.of(Field::Prompt))?;
    check_text(completion, names.of(Field::Completion))?;
    if prompt.trim().is_empty() {
        counts.add(Rule::WhitespaceOnlyInput, 1);
    }
    Ok(Record::Completion {
        prompt,
        completion,
        weight,
    })
}

/// Whether prompt and completion of `row` are lists of messages; an error if they differ in kind.
fn is_conversational(row: Map<'_>, reader: &RowReader) -> Result<bool, Reject> {
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
fn read_messages<'a>(
    row: Map<'a>,
    reader: &RowReader,
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Result<Messages<'a>, Reject> {
    let mut half = |field| {
        let name = reader.names.of(field);
        let list = row.get(name).unwrap_or(Value::Null);
        read_list(reader, list, name, arena, counts)
    };
    let (prompt, completion) = (half(Field::Prompt)?, half(Field::Completion)?);
    let length = prompt.list.len() + completion.list.len();
    let mut messages: bumpalo::collections::Vec<'a, Message<'a>> =
        bumpalo::collections::Vec::with_capacity_in(length, arena);
    messages.extend_from_slice(prompt.list);
    for message in messages.iter_mut().filter(|message| message.is_turn()) {
        message.weight.get_or_insert(0.0);
    }
    messages.extend_from_slice(completion.list);
    Ok(Messages {
        list: messages.into_bump_slice_mut(),
        tools: prompt.tools.or(completion.tools),
    })
}
