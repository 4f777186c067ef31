//! Detects text that a chat template has rendered already.

use super::conversation::Message;
use crate::rules::{Reject, Rule};
use crate::value::Value;

/// How the text of one family of templates starts, and what it prints before an answer.
struct Family {
    starts: &'static [&'static str],
    answer: &'static str,
}

const FAMILIES: [Family; 8] = [
    Family {
        starts: &[
            "<|im_start|>system",
            "<|im_start|>user",
            "<|im_start|>assistant",
        ],
        answer: "<|im_start|>assistant",
    },
    Family {
        starts: &["<|begin_of_text|>", "<|start_header_id|>"],
        answer: "<|start_header_id|>assistant",
    },
    Family {
        starts: &["<s>[INST]", "<s> [INST]", "[INST]"],
        answer: "[/INST]",
    },
    Family {
        starts: &[
            "<bos><start_of_turn>",
            "<start_of_turn>user",
            "<start_of_turn>model",
        ],
        answer: "<start_of_turn>model",
    },
    Family {
        starts: &["<|user|>", "<|system|>", "<|assistant|>", "[gMASK]<sop>"],
        answer: "<|assistant|>",
    },
    Family {
        starts: &["<｜begin▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"],
        answer: "<｜Assistant｜>",
    },
    Family {
        starts: &[
            "<|start|>system",
            "<|start|>developer",
            "<|start|>user",
            "<|start|>assistant",
        ],
        answer: "<|start|>assistant",
    },
    Family {
        starts: &["<|START_OF_TURN_TOKEN|>", "<BOS_TOKEN>"],
        answer: "<|CHATBOT_TOKEN|>",
    },
];

/// Whether `text` may start with a marker at all.
fn may_start_with_marker(text: &str) -> bool {
    matches!(text.bytes().next(), Some(b'<' | b'['))
}

/// The marker that a rendered text starts with, and its family.
fn leading_marker(text: &str) -> Option<(&'static str, &'static Family)> {
    let text = text.trim_start();
    if !may_start_with_marker(text) {
        return None;
    }
    FAMILIES.iter().find_map(|family| {
        let marker = family
            .starts
            .iter()
            .find(|start| text.starts_with(**start))?;
        Some((*marker, family))
    })
}

/// Refuses a whole text (document, prompt or completion) that starts as a rendered one does.
pub(super) fn check_text(text: &str, name: &str) -> Result<(), Reject> {
    leading_marker(text).map_or(Ok(()), |(marker, _)| Err(reject(marker, name)))
}

/// Refuses messages of which one holds a whole rendered conversation: it starts with a marker and
/// goes on to an answer. A marker alone is content that talks about markers.
pub(super) fn check_messages(messages: &[Message<'_>]) -> Result<(), Reject> {
    for (index, message) in messages.iter().enumerate() {
        let Some(content) = message.fields.get("content").and_then(Value::as_str) else {
            continue;
        };
        if let Some((marker, family)) = leading_marker(content)
            && content.trim_start()[marker.len()..].contains(family.answer)
        {
            return Err(reject(marker, "content").at_message(index as u32));
        }
    }
    Ok(())
}

fn reject(marker: &str, name: &str) -> Reject {
    let reason = format!(
        "`{name}` starts with `{marker}`: a chat template rendered it before; give the messages themselves"
    );
    Reject::new(Rule::AlreadyRendered, reason)
}
