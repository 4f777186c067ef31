//! Results of tools that are no text.

use super::Correction;
use crate::chat::conversation::Message;
use crate::rules::Rule;
use crate::value::Value;

/// Counts a result that is a value. No API sends one to a server, and each template prints it in
/// its own way; as JSON text it would be right for some templates only, because others print text
/// in quotes.
pub(super) fn count_value(message: &Message<'_>, correction: &mut Correction<'_, '_>) {
    if message.role != "tool" {
        return;
    }
    let is_value = match message.fields.get("content") {
        Some(Value::Map(_) | Value::Bool(_)) => true,
        Some(Value::List(parts)) => !parts.iter().all(is_part),
        _ => false,
    };
    if is_value {
        correction.count(Rule::ResultAsValue);
    }
}

fn is_part(item: &Value<'_>) -> bool {
    let part = item.as_map();
    part.is_some_and(|part| part.get_some("type").or(part.get_some("text")).is_some())
}
