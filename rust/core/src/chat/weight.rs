//! What the data says about training on a message.

use crate::rules::{Reject, Rule};
use crate::value::{Map, Value};

/// Keys under which data sets keep the weight of a message, the first that is not null counts.
const WEIGHT_KEYS: [&str; 4] = ["loss", "loss_weight", "weight", "train"];

/// The weight of `message`: a boolean, or a number that is not negative.
pub(super) fn weight_of(message: Map<'_>) -> Result<Option<f32>, Reject> {
    for (key, value) in message.iter() {
        if WEIGHT_KEYS.contains(&key) && value != Value::Null {
            return read_first(message);
        }
    }
    Ok(None)
}

/// Several keys may stand in one message.
fn read_first(message: Map<'_>) -> Result<Option<f32>, Reject> {
    let named = WEIGHT_KEYS
        .into_iter()
        .find_map(|key| Some((key, message.get_some(key)?)));
    let Some((key, value)) = named else {
        return Ok(None);
    };
    let weight = match value {
        Value::Bool(train) => f32::from(u8::from(train)),
        Value::Int(weight) => weight as f32,
        Value::Float(weight) => weight as f32,
        _ => f32::NAN,
    };
    if weight.is_finite() && weight >= 0.0 {
        return Ok(Some(weight));
    }
    let reason = format!(
        "`{key}` is {}, not a boolean or a number from 0 up",
        shown(value)
    );
    Err(Reject::new(Rule::SchemaMismatch, reason))
}

fn shown(value: Value<'_>) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        other => other.kind().to_owned(),
    }
}
