//! Reasoning that came as a list of blocks.

use super::{Place, REASONING, blocks, fields};
use crate::chat::conversation::Message;
use crate::rules::{Reject, Rule};
use crate::value::Value;

/// Makes the reasoning of an assistant message one text, as templates take it.
pub(super) fn read<'a>(message: &mut Message<'a>, place: &mut Place<'_, 'a>) -> Result<(), Reject> {
    for key in REASONING {
        let text = match message.fields.get(key) {
            None | Some(Value::Str(_) | Value::Null) => continue,
            Some(Value::List(parts)) => blocks::joined(parts, place.arena)?,
            Some(other) => {
                let reason = format!("`{key}` is {}, not text", other.kind());
                return Err(Reject::new(Rule::NonStringContent, reason));
            }
        };
        place.count(Rule::BlocksRead);
        message.fields = fields::with(message.fields, key, Value::Str(text), place.arena);
    }
    Ok(())
}
