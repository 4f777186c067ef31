//! Suggests the flags with which rows of unknown field names can be read.

use std::fmt::Write;

use super::fields::{fields_flag, keys};
use crate::value::{Map, Value};

/// Names of a prompt, the likeliest first.
pub(super) const PROMPTS: &[&str] = &[
    "instruction",
    "question",
    "query",
    "prompt",
    "input",
    "human",
    "user",
    "problem",
    "inputs",
];

/// Names of an answer.
pub(super) const ANSWERS: &[&str] = &[
    "output",
    "answer",
    "response",
    "completion",
    "assistant",
    "solution",
    "target",
    "targets",
    "outputs",
    "reply",
];

/// Names of the assistant's words in a pair, besides those of an answer.
const REPLIES: &[&str] = &["bot", "gpt", "model", "chatbot", "ai"];

/// Names of the speaker and the words of a message, with the schema that has such messages.
const ROLES: &[&str] = &["role", "from", "speaker", "author", "sender"];
const CONTENTS: &[&str] = &["content", "value", "text", "message", "utterance"];

/// The flags that read rows like this one under a chat template; `None` where nothing is clear.
pub(super) fn that_fit(row: Map<'_>) -> Option<String> {
    of_messages(row)
        .or_else(|| of_pairs(row))
        .or_else(|| of_texts(row))
}

/// A list of objects in a row, with the keys of the first: messages of unknown names.
pub(super) fn list_in(row: Map<'_>) -> Option<(&str, String)> {
    row.iter().find_map(|(name, list)| {
        let message = list.as_list()?.first()?.as_map()?;
        (message.entries.len() > 1).then(|| (name, keys(message)))
    })
}

/// The first of these names under which an object has a text.
fn text_under<'n>(map: Map<'_>, names: &[&'n str]) -> Option<&'n str> {
    let is_text = |name: &&&str| map.get(name).and_then(Value::as_str).is_some();
    names.iter().find(is_text).copied()
}

/// For a list of messages under a name of its own.
fn of_messages(row: Map<'_>) -> Option<String> {
    row.iter().find_map(|(name, list)| {
        let message = list.as_list()?.first()?.as_map()?;
        let role = text_under(message, ROLES)?;
        let content = text_under(message, CONTENTS)?;
        Some(match (role, content) {
            ("from", "value") => {
                let fields = fields_flag(&[(name, "conversations")]);
                format!("--schema sharegpt{fields}")
            }
            (role, content) => {
                let fields = [(name, "messages"), (role, "role"), (content, "content")];
                format!("--schema messages{}", fields_flag(&fields))
            }
        })
    })
}

/// For a list of pairs.
fn of_pairs(row: Map<'_>) -> Option<String> {
    row.iter().find_map(|(name, list)| {
        let pair = list.as_list()?.first()?.as_map()?;
        let human = text_under(pair, PROMPTS)?;
        let assistant = text_under(pair, ANSWERS).or_else(|| text_under(pair, REPLIES))?;
        let fields = [
            (name, "conversation"),
            (human, "human"),
            (assistant, "assistant"),
        ];
        Some(format!("--schema pairs{}", fields_flag(&fields)))
    })
}

/// The name of the prompt in `row`, if it has one that is text.
pub(super) fn prompt_in(row: Map<'_>) -> Option<&'static str> {
    text_under(row, PROMPTS)
}

/// For a prompt and an answer.
fn of_texts(row: Map<'_>) -> Option<String> {
    let prompt = prompt_in(row)?;
    let answer = text_under(row, ANSWERS)?;
    let fields = fields_flag(&[(prompt, "instruction"), (answer, "output")]);
    let mut flags = format!("--schema alpaca{fields}");
    let others = ANSWERS.iter().filter(|name| **name != answer);
    if let Some(other) = text_under(row, &others.copied().collect::<Vec<_>>()) {
        let _ = write!(
            flags,
            "; `{other}` is left out then, {other}=output takes it in place of `{answer}`"
        );
    }
    Some(flags)
}
