//! The schema `preference`: a prompt, the answer that was chosen and the one that was rejected.
//!
//! Data sets keep the three in many shapes. The prompt is a text or messages, stands in a column of
//! its own or at the start of both answers; an answer is a text, a message or messages.

use super::messages::read_list;
use super::{alpaca, sharegpt};
use crate::chat::already_rendered::check_text;
use crate::chat::conversation::{Message, REASONING_KEYS, Record, SIDES};
use crate::chat::fields::{Field, keys};
use crate::chat::row_reader::{Messages, RowReader};
use crate::chat::variables::{mismatch, tools};
use crate::rules::{Reject, Rule, RuleCounts};
use crate::value::{Arena, Map, Value};

/// The names of the two answers: those of most data sets, and `OpenAI`'s.
const ANSWERS: [[&str; 2]; 2] = [
    ["chosen", "rejected"],
    ["preferred_output", "non_preferred_output"],
];

/// Whether the row has both answers.
pub(super) fn fits(row: Map<'_>) -> bool {
    let is_answer = |name: &&str| {
        let value = row.get_some(name);
        matches!(value, Some(Value::Str(_) | Value::List(_) | Value::Map(_)))
    };
    ANSWERS.iter().any(|names| names.iter().all(is_answer))
}

/// Reads one row.
pub(super) fn read<'a>(
    reader: &RowReader,
    row: Map<'a>,
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Result<Record<'a>, Reject> {
    let [chosen, rejected] = [
        answer(reader, row, Field::Chosen)?,
        answer(reader, row, Field::Rejected)?,
    ];
    let prompt = prompt(reader, row, arena, counts)?;
    let texts = (chosen.as_str(), rejected.as_str());
    let sides = match (&prompt, texts) {
        (Prompt::Text(prompt), (Some(chosen), Some(rejected))) => {
            return read_texts(reader, row, prompt, [chosen, rejected], arena, counts);
        }
        (Prompt::Missing, (Some(chosen), Some(rejected))) => {
            let talks = [chosen, rejected].map(|text| reader.wire.dialogue(text, arena));
            let [Some(chosen), Some(rejected)] = talks else {
                let seam = shared_text(chosen, rejected);
                let answers = [&chosen[seam..], &rejected[seam..]];
                return read_texts(reader, row, &chosen[..seam], answers, arena, counts);
            };
            counts.add(Rule::MessagesParsed, 1);
            [chosen, rejected].map(|list| Messages { list, tools: None })
        }
        _ => [
            messages(reader, chosen, Field::Chosen, arena, counts)?,
            messages(reader, rejected, Field::Rejected, arena, counts)?,
        ],
    };
    let pair = Pair { prompt, sides };
    pair.read(reader, row, arena, counts)
}

/// What stands before the answers.
enum Prompt<'a> {
    /// No column holds it.
    Missing,
    Text(&'a str),
    Messages(Messages<'a>),
}

fn answer<'a>(reader: &RowReader, row: Map<'a>, field: Field) -> Result<Value<'a>, Reject> {
    reader.names.get(row, field).ok_or_else(|| {
        let name = reader.names.name_in(row, field);
        let reason = format!("the row has no `{name}`; its keys: {}", keys(row));
        Reject::new(Rule::SchemaMismatch, reason)
    })
}

/// The prompt, from the column that holds it.
fn prompt<'a>(
    reader: &RowReader,
    row: Map<'a>,
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Result<Prompt<'a>, Reject> {
    let names = &reader.names;
    let found = |field| {
        names
            .get(row, field)
            .map(|value| (value, names.name_in(row, field)))
    };
    if let Some((value, name)) = found(Field::Prompt) {
        return match value {
            Value::Str(text) => Ok(Prompt::Text(text)),
            list => any_list(reader, list, name, arena, counts).map(Prompt::Messages),
        };
    }
    if let Some((list, name)) = found(Field::Messages) {
        return any_list(reader, list, name, arena, counts).map(Prompt::Messages);
    }
    if let Some((Value::Map(input), name)) = found(Field::Input) {
        return request(reader, input, name, arena, counts).map(Prompt::Messages);
    }
    if found(Field::Instruction).is_some() {
        let list = alpaca::read_prompt(row, names, arena, counts)?.into_bump_slice_mut();
        return Ok(Prompt::Messages(Messages { list, tools: None }));
    }
    Ok(Prompt::Missing)
}

/// The messages and tools of a request, as `OpenAI`'s preference data hold them.
fn request<'a>(
    reader: &RowReader,
    input: Map<'a>,
    name: &str,
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Result<Messages<'a>, Reject> {
    let Some(list) = input.get_some("messages") else {
        let reason = format!("`{name}` has no `messages`; its keys: {}", keys(input));
        return Err(Reject::new(Rule::SchemaMismatch, reason));
    };
    let mut read = any_list(reader, list, "messages", arena, counts)?;
    if let Some(given) = input.get_some("tools") {
        read.tools = tools(given, "tools", arena)?;
    }
    Ok(read)
}

/// An answer as messages.
fn messages<'a>(
    reader: &RowReader,
    answer: Value<'a>,
    field: Field,
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Result<Messages<'a>, Reject> {
    let name = reader.names.of(field);
    match answer {
        Value::Str(text) => Ok(Messages {
            list: arena.alloc_slice_copy(&[Message::plain("assistant", text, arena)]),
            tools: None,
        }),
        Value::Map(_) => {
            let list = Value::List(arena.alloc_slice_copy(&[answer]));
            any_list(reader, list, name, arena, counts)
        }
        list => any_list(reader, list, name, arena, counts),
    }
}

/// A list of messages with `role` and `content`, or with `from` and `value`.
pub(super) fn any_list<'a>(
    reader: &RowReader,
    list: Value<'a>,
    name: &str,
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Result<Messages<'a>, Reject> {
    let first = list.as_list().and_then(|items| items.first()?.as_map());
    let speaks = |map: Map<'_>| {
        let names = &reader.names;
        map.get_some(names.of(Field::From)).is_some()
            && map.get_some(names.of(Field::Role)).is_none()
    };
    if first.is_some_and(speaks) {
        return sharegpt::read_list(reader, (list, name), None, arena, counts);
    }
    read_list(reader, list, name, arena, counts)
}

/// The answers as messages, with the prompt that may stand in them too.
struct Pair<'a> {
    prompt: Prompt<'a>,
    sides: [Messages<'a>; 2],
}

impl<'a> Pair<'a> {
    fn read(
        self,
        reader: &RowReader,
        row: Map<'a>,
        arena: &'a Arena,
        counts: &mut RuleCounts,
    ) -> Result<Record<'a>, Reject> {
        let (prompt, tools) = match self.prompt {
            Prompt::Missing => (None, None),
            Prompt::Messages(prompt) => (Some(&*prompt.list), prompt.tools),
            Prompt::Text(text) => {
                let [chosen, rejected] = &self.sides;
                let is_whole = opens(chosen.list) && opens(rejected.list);
                if is_whole {
                    require_text(text, reader, chosen.list)?;
                }
                let message = Message::plain("user", text, arena);
                let asked: &[_] = arena.alloc_slice_copy(&[message]);
                ((!is_whole).then_some(asked), None)
            }
        };
        let [chosen, rejected] = self.sides;
        let wholes = [
            whole(prompt, chosen.list, SIDES[0], arena)?,
            whole(prompt, rejected.list, SIDES[1], arena)?,
        ];
        let context = prompt.map_or_else(|| shared(&wholes), |prompt| Ok(prompt.len()))?;
        let tools = tools.or(chosen.tools).or(rejected.tools);
        let mut records = [None, None];
        for (side, list) in wholes.into_iter().enumerate() {
            untrain(&mut list[..context]);
            let record = reader
                .conversation(Messages { list, tools }, row, arena, counts)
                .map_err(|reject| reject.of(SIDES[side]))?;
            records[side] = Some(&*arena.alloc(record));
        }
        match records {
            [Some(chosen), Some(rejected)] => Ok(Record::Pair([chosen, rejected])),
            _ => Err(mismatch("row", "a pair", Value::Map(row))),
        }
    }
}

/// Whether a list begins a conversation: an answer alone begins with the assistant.
fn opens(list: &[Message<'_>]) -> bool {
    list.first().is_some_and(|first| !first.is_turn())
}

/// The text of a prompt beside whole conversations says nothing new, or the row is refused.
fn require_text(text: &str, reader: &RowReader, list: &[Message<'_>]) -> Result<(), Reject> {
    let says = |message: &Message<'_>| message.fields.get("content") == Some(Value::Str(text));
    if list.iter().any(says) {
        return Ok(());
    }
    let name = reader.names.of(Field::Prompt);
    let reason =
        format!("the answers are whole conversations, and none of their messages is `{name}`");
    Err(Reject::new(Rule::SchemaMismatch, reason))
}

/// A side with its prompt before it, unless it begins with it.
fn whole<'a>(
    prompt: Option<&[Message<'a>]>,
    list: &'a mut [Message<'a>],
    side: &str,
    arena: &'a Arena,
) -> Result<&'a mut [Message<'a>], Reject> {
    let Some(prompt) = prompt else {
        return Ok(list);
    };
    if prompt.len() < list.len()
        && prompt
            .iter()
            .zip(&*list)
            .all(|(mine, theirs)| same(mine, theirs))
    {
        return Ok(list);
    }
    if opens(list) {
        let reason = format!(
            "`{side}` begins with a message of `{}`, but not with the prompt",
            list[0].role
        );
        return Err(Reject::new(Rule::SchemaMismatch, reason));
    }
    let mut all = bumpalo::collections::Vec::with_capacity_in(prompt.len() + list.len(), arena);
    all.extend_from_slice(prompt);
    all.extend_from_slice(list);
    Ok(all.into_bump_slice_mut())
}

/// Whether two messages say the same; what is technical, such as an `id`, may differ.
fn same(one: &Message<'_>, other: &Message<'_>) -> bool {
    let said = ["content", "tool_calls", "tool_call_id", "name"].iter();
    let mut said = said.chain(&REASONING_KEYS);
    one.role == other.role && said.all(|key| one.fields.get_some(key) == other.fields.get_some(key))
}

/// How many messages the conversations share before their answers: up to the assistant's message in
/// which they differ. Something is left for each answer, even if they are equal.
fn shared([one, other]: &[&mut [Message<'_>]; 2]) -> Result<usize, Reject> {
    let equal = one
        .iter()
        .zip(other.iter())
        .take_while(|(one, other)| same(one, other));
    let most = one.len().min(other.len()).saturating_sub(1);
    let end = equal.count().min(most);
    let sides = [one, other];
    let is_turn = |at: &usize| {
        sides
            .iter()
            .all(|side| side.get(*at).is_some_and(Message::is_turn))
    };
    let found = (0..=end).rev().find(is_turn);
    let other_question = match (one.get(end), other.get(end)) {
        (Some(one), Some(other)) => {
            [one, other].iter().all(|message| message.role == "user") && !same(one, other)
        }
        _ => false,
    };
    // A conversation without an answer is refused for that.
    let are_answered = sides.iter().all(|side| side.iter().any(Message::is_turn));
    if are_answered && (found.is_none() || other_question) {
        let reason = format!("`{}` and `{}` answer different prompts", SIDES[0], SIDES[1]);
        return Err(Reject::new(Rule::SchemaMismatch, reason));
    }
    Ok(found.unwrap_or_default())
}

/// Messages of a prompt are context, even if they have a weight of their own: one prompt serves two
/// answers.
pub(super) fn untrain(messages: &mut [Message<'_>]) {
    for message in messages {
        message.weight = Some(0.0);
    }
}

/// Answers that are texts, after a prompt that is one, without a template.
fn read_texts<'a>(
    reader: &RowReader,
    row: Map<'a>,
    prompt: &'a str,
    answers: [&'a str; 2],
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Result<Record<'a>, Reject> {
    let weight = reader.wire.plain(row, &reader.names, counts)?;
    counts.add(Rule::WithoutTemplate, 1);
    check_text(prompt, reader.names.of(Field::Prompt))?;
    for (answer, side) in answers.iter().zip(SIDES) {
        check_text(answer, side)?;
    }
    if prompt.trim().is_empty() {
        counts.add(Rule::WhitespaceOnlyInput, 1);
    }
    Ok(Record::Pair(answers.map(|completion| {
        &*arena.alloc(Record::Completion {
            prompt,
            completion,
            weight,
        })
    })))
}

/// Where two texts begin to differ, as TRL finds it: a space before the first different character
/// belongs to the answers, and so does the last character of a text that is the start of the other.
fn shared_text(one: &str, other: &str) -> usize {
    let pairs = one.char_indices().zip(other.chars());
    let mut last = 0;
    for ((at, mine), theirs) in pairs {
        if mine != theirs {
            return if one[..at].ends_with(' ') { at - 1 } else { at };
        }
        last = at;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::shared_text;

    #[test]
    fn texts_are_split_where_trl_splits_them() {
        let cases = [
            ("The sky is blue.", "The sky is red.", "The sky is"),
            ("a 天", "a 地", "a"),
            ("天地", "天人", "天"),
            ("same", "same longer", "sam"),
            ("x", "y", ""),
            ("", "y", ""),
        ];
        for (one, other, prompt) in cases {
            assert_eq!(&one[..shared_text(one, other)], prompt);
            assert_eq!(&other[..shared_text(other, one)], prompt);
        }
    }
}
