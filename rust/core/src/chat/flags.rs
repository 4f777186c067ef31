//! Suggests the flags with which rows of unknown field names can be read.

use super::fields::fields_flag;
use crate::value::{Map, Value};

/// Names of a prompt, the likeliest first.
const PROMPTS: &[&str] = &[
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
const ANSWERS: &[&str] = &[
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

/// Names of the speaker and the words of a message, with the schema that has such messages.
const ROLES: &[&str] = &["role", "from", "speaker", "author", "sender"];
const CONTENTS: &[&str] = &["content", "value", "text", "message", "utterance"];

/// The flags that read rows like this one under a chat template; `None` where nothing is clear.
pub(super) fn that_fit(row: Map<'_>) -> Option<String> {
    of_messages(row).or_else(|| of_texts(row))
}

/// For a list of messages under a name of its own.
fn of_messages(row: Map<'_>) -> Option<String> {
    row.iter().find_map(|(name, list)| {
        let message = list.as_list()?.first()?.as_map()?;
        let has = |name: &&&str| message.get(name).and_then(Value::as_str).is_some();
        let role = ROLES.iter().find(has)?;
        let content = CONTENTS.iter().find(has)?;
        Some(match (*role, *content) {
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

/// The name of the prompt in `row`, if it has one that is text.
pub(super) fn prompt_in(row: Map<'_>) -> Option<&'static str> {
    let is_text = |name: &&&str| row.get(name).and_then(Value::as_str).is_some();
    PROMPTS.iter().find(is_text).copied()
}

/// For a prompt and an answer.
fn of_texts(row: Map<'_>) -> Option<String> {
    let is_text = |name: &&&str| row.get(name).and_then(Value::as_str).is_some();
    let prompt = prompt_in(row)?;
    let answer = ANSWERS.iter().find(is_text)?;
    let fields = fields_flag(&[(prompt, "instruction"), (answer, "output")]);
    Some(format!("--schema alpaca{fields}"))
}
