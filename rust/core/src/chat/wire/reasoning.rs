//! Reasoning that came as a list of blocks.

use super::{Correction, blocks, fields};
use crate::chat::conversation::{Message, REASONING_KEYS};
use crate::rules::{Reject, Rule};
use crate::value::Value;

/// Makes the reasoning of an assistant message one text, as templates take it.
pub(super) fn read<'a>(
    message: &mut Message<'a>,
    correction: &mut Correction<'_, 'a>,
) -> Result<(), Reject> {
    for key in REASONING_KEYS {
        let text = match message.fields.get(key) {
            None | Some(Value::Str(_) | Value::Null) => continue,
            Some(Value::List(parts)) => blocks::joined(parts, correction.arena)?,
            Some(other) => {
                let reason = format!("`{key}` is {}, not text", other.kind());
                return Err(Reject::new(Rule::NonStringContent, reason));
            }
        };
        correction.count(Rule::BlocksRead);
        message.fields = fields::with(message.fields, key, Value::Str(text), correction.arena);
    }
    Ok(())
}
