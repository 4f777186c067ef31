//! Turns that came as several messages, or not whole.

use super::fields;
use crate::chat::conversation::{Message, REASONING_KEYS};
use crate::rules::{Rule, RuleCounts};
use crate::value::{Arena, Map, Value};

/// Keys by which APIs are told to go on with a message.
const BEGUN: [&str; 2] = ["prefix", "partial"];

/// What APIs say of an answer that the limit of its length cut.
const CUT: [(&str, &str); 5] = [
    ("finish_reason", "length"),
    ("finish_reason", "max_tokens"),
    ("stop_reason", "max_tokens"),
    ("done_reason", "length"),
    ("status", "incomplete"),
];

/// What says of a turn that it is only begun or was cut; `None` where nothing does.
pub(crate) fn unfinished(turn: &Message<'_>) -> Option<String> {
    let fields = turn.fields;
    let begun = |key: &&&str| fields.get(key).is_some_and(is_true);
    let cut = |(key, says): &&(&str, &str)| {
        let text = fields.get(key).and_then(Value::as_str);
        text.is_some_and(|text| text.eq_ignore_ascii_case(says))
    };
    let begun = BEGUN.iter().find(begun);
    let begun = begun.map(|key| format!("`{key}` is true"));
    begun.or_else(|| {
        let (key, says) = CUT.iter().find(cut)?;
        Some(format!("`{key}` is `{says}`"))
    })
}

fn is_true(value: Value<'_>) -> bool {
    match value {
        Value::Bool(value) => value,
        Value::Int(value) => value != 0,
        Value::Float(value) => value != 0.0,
        Value::Str(text) => ["true", "1", "yes"]
            .iter()
            .any(|yes| text.trim().eq_ignore_ascii_case(yes)),
        _ => false,
    }
}

/// Makes an assistant's text and the calls that follow it in a message of their own one turn, as
/// the model writes them. Other turns in a row stay and are counted.
pub(super) fn join<'a>(
    messages: &'a mut [Message<'a>],
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> &'a mut [Message<'a>] {
    let Some(first) = messages.windows(2).position(follow_each_other) else {
        return messages;
    };
    let mut kept = first + 1;
    for index in first + 1..messages.len() {
        let (last, next) = (messages[kept - 1], messages[index]);
        let place = kept as u32 - 1;
        if let Some(joined) = joined(&last, &next, arena) {
            counts.add_at(Rule::TurnsJoined, place, String::new);
            messages[kept - 1] = joined;
            continue;
        }
        if follow_each_other(&[last, next]) && counts.get(Rule::RoleOrder) == 0 {
            let note = || "assistant after assistant".to_owned();
            counts.add_at(Rule::RoleOrder, place + 1, note);
        }
        messages[kept] = next;
        kept += 1;
    }
    &mut messages[..kept]
}

fn follow_each_other(pair: &[Message<'_>]) -> bool {
    pair.iter().all(|message| message.role == "assistant")
}

/// The one turn of two messages, where the second holds nothing but calls.
fn joined<'a>(first: &Message<'a>, second: &Message<'a>, arena: &'a Arena) -> Option<Message<'a>> {
    let is_turn = follow_each_other(&[*first, *second]) && first.weight == second.weight;
    let calls = calls_of(second).filter(|calls| is_turn && !calls.is_empty())?;
    if !is_bare(second) {
        return None;
    }
    let mut all = bumpalo::collections::Vec::new_in(arena);
    all.extend_from_slice(calls_of(first).unwrap_or_default());
    all.extend_from_slice(calls);
    let all = Value::List(all.into_bump_slice());
    let own = fields::with(first.fields, "tool_calls", all, arena);
    Some(Message {
        fields: with_missing(own, second.fields, arena),
        ..*first
    })
}

fn calls_of<'a>(message: &Message<'a>) -> Option<&'a [Value<'a>]> {
    message.fields.get("tool_calls")?.as_list()
}

/// Whether a message has no text and no reasoning of its own.
fn is_bare(message: &Message<'_>) -> bool {
    let content = message.fields.get("content");
    let text = content.is_none_or(|content| content == Value::Str(""));
    text && REASONING_KEYS
        .iter()
        .all(|key| message.fields.get(key).is_none())
}

/// The fields with those of `other` that they lack.
fn with_missing<'a>(own: Map<'a>, other: Map<'a>, arena: &'a Arena) -> Map<'a> {
    let missing = other.iter().filter(|(key, _)| own.get(key).is_none());
    missing.fold(own, |own, (key, value)| {
        fields::with(own, key, value, arena)
    })
}
