//! The schema `alpaca`: instruction, input, output, history, system.

use crate::chat::conversation::{Message, Record};
use crate::chat::fields::Field;
use crate::chat::names::Names;
use crate::chat::row_reader::{Messages, RowReader};
use crate::chat::variables::mismatch;
use crate::rules::{Reject, Rule, RuleCounts};
use crate::value::{Arena, Map, Value};

/// Names of the prompt and the answer, in data sets whose rows are the same but for names: Alpaca,
/// Dolly, ms-swift, `OpenOrca`, pairs of a human and an assistant.
const PAIRS: [(&str, &str); 5] = [
    ("instruction", "output"),
    ("instruction", "response"),
    ("query", "response"),
    ("question", "response"),
    ("human", "assistant"),
];

/// Whether the row has a prompt and an answer.
pub(super) fn fits(row: Map<'_>) -> bool {
    PAIRS
        .iter()
        .any(|(prompt, answer)| row.get_some(prompt).is_some() && row.get(answer).is_some())
}

/// Reads one row.
pub(super) fn read<'a>(
    reader: &RowReader,
    row: Map<'a>,
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Result<Record<'a>, Reject> {
    let names = &reader.names;
    let list = if reader.prompts && names.get(row, Field::Output).is_none() {
        read_prompt(row, names, arena, counts)?.into_bump_slice_mut()
    } else {
        read_messages(row, names, arena, counts)?
    };
    let messages = Messages { list, tools: None };
    reader.conversation(messages, row, arena, counts)
}

/// The messages of the prompt, and the answer.
fn read_messages<'a>(
    row: Map<'a>,
    names: &Names,
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Result<&'a mut [Message<'a>], Reject> {
    let mut messages = read_prompt(row, names, arena, counts)?;
    let answer = names.text(row, Field::Output)?;
    messages.push(Message::plain("assistant", answer, arena));
    Ok(messages.into_bump_slice_mut())
}

/// The system message, pairs of history and the prompt. Nothing is stripped.
pub(super) fn read_prompt<'a>(
    row: Map<'a>,
    names: &Names,
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Result<bumpalo::collections::Vec<'a, Message<'a>>, Reject> {
    let mut messages = bumpalo::collections::Vec::with_capacity_in(4, arena);
    if let Some(system) = names.optional_text(row, Field::System)? {
        messages.push(Message::plain("system", system, arena));
    }
    for (user, assistant) in history(row, names)? {
        messages.push(Message::plain("user", user, arena));
        messages.push(Message::plain("assistant", assistant, arena));
    }
    let instruction = names.text(row, Field::Instruction)?;
    let input = names.optional_text(row, Field::Input)?;
    if input.unwrap_or(instruction).trim().is_empty() {
        counts.add(Rule::WhitespaceOnlyInput, 1);
    }
    let prompt = match input {
        Some(input) => joined(instruction, input, arena),
        None => instruction,
    };
    messages.push(Message::plain("user", prompt, arena));
    Ok(messages)
}

fn joined<'a>(instruction: &str, input: &str, arena: &'a Arena) -> &'a str {
    let capacity = instruction.len() + 1 + input.len();
    let mut prompt = bumpalo::collections::String::with_capacity_in(capacity, arena);
    prompt.push_str(instruction);
    prompt.push('\n');
    prompt.push_str(input);
    prompt.into_bump_str()
}

/// Earlier exchanges: a list of pairs of strings.
fn history<'a>(
    row: Map<'a>,
    names: &Names,
) -> Result<impl Iterator<Item = (&'a str, &'a str)>, Reject> {
    let name = names.of(Field::History);
    let pairs = match names.get(row, Field::History) {
        None => &[],
        Some(Value::List(pairs)) => pairs,
        Some(other) => return Err(mismatch(name, "a list of pairs", other)),
    };
    if let Some(broken) = pairs.iter().find(|pair| pair_of(**pair).is_none()) {
        return Err(mismatch(name, "a list of pairs of strings", *broken));
    }
    Ok(pairs.iter().filter_map(|pair| pair_of(*pair)))
}

fn pair_of(pair: Value<'_>) -> Option<(&str, &str)> {
    match pair.as_list()? {
        [Value::Str(user), Value::Str(assistant)] => Some((user, assistant)),
        _ => None,
    }
}
