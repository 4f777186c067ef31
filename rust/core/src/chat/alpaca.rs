//! The schema `alpaca`: instruction, input, output, history, system.

use super::conversation::Message;
use super::options::{Field, Names};
use super::sharegpt::plain_message;
use super::variables::mismatch;
use crate::rules::{Reject, Rule, RuleCounts};
use crate::value::{Arena, Map, Value};

/// Reads one row: the system message, pairs of history, the prompt and the answer. Nothing is
/// stripped.
pub(super) fn read<'a>(
    row: Map<'a>,
    names: &Names,
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Result<&'a mut [Message<'a>], Reject> {
    let mut messages = bumpalo::collections::Vec::with_capacity_in(4, arena);
    if let Some(system) = optional_text(row, names, Field::System)? {
        messages.push(plain_message("system", system, arena));
    }
    for (user, assistant) in history(row, names)? {
        messages.push(plain_message("user", user, arena));
        messages.push(plain_message("assistant", assistant, arena));
    }
    let instruction = text(row, names, Field::Instruction)?;
    let input = optional_text(row, names, Field::Input)?;
    if input.unwrap_or(instruction).trim().is_empty() {
        counts.add(Rule::WhitespaceOnlyInput, 1);
    }
    let prompt = match input {
        Some(input) => joined(instruction, input, arena),
        None => instruction,
    };
    messages.push(plain_message("user", prompt, arena));
    messages.push(plain_message(
        "assistant",
        text(row, names, Field::Output)?,
        arena,
    ));
    Ok(messages.into_bump_slice_mut())
}

fn joined<'a>(instruction: &str, input: &str, arena: &'a Arena) -> &'a str {
    let capacity = instruction.len() + 1 + input.len();
    let mut prompt = bumpalo::collections::String::with_capacity_in(capacity, arena);
    prompt.push_str(instruction);
    prompt.push('\n');
    prompt.push_str(input);
    prompt.into_bump_str()
}

/// The string under `field`, which must be there.
pub(super) fn text<'a>(row: Map<'a>, names: &Names, field: Field) -> Result<&'a str, Reject> {
    let name = names.of(field);
    match row.get(name) {
        Some(Value::Str(text)) => Ok(text),
        Some(Value::Null) => Err(Reject::new(Rule::NullContent, format!("`{name}` is null"))),
        Some(other) => Err(not_text(name, other)),
        None => {
            let keys = super::messages::keys(row);
            let reason = format!("the row has no `{name}`; its keys: {keys}");
            Err(Reject::new(Rule::SchemaMismatch, reason))
        }
    }
}

/// The string under `field`, if it is there and not empty.
pub(super) fn optional_text<'a>(
    row: Map<'a>,
    names: &Names,
    field: Field,
) -> Result<Option<&'a str>, Reject> {
    match names.get(row, field) {
        None | Some(Value::Str("")) => Ok(None),
        Some(Value::Str(text)) => Ok(Some(text)),
        Some(other) => Err(not_text(names.of(field), other)),
    }
}

fn not_text(name: &str, value: Value<'_>) -> Reject {
    let reason = format!("`{name}` is {}, not text", value.kind());
    Reject::new(Rule::NonStringContent, reason)
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
