//! How many of an input's rows are written.

use serde_json::{Map as JsonMap, Value as Json};

use super::values::bad;
use crate::Result;

/// What an input says of the number of its rows in the set.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quota {
    /// How often they are written.
    pub weight: Option<Weight>,
    /// The most rows that are taken from the input.
    pub cap: Option<u64>,
}

/// How often the rows of an input are written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weight {
    /// So many that they are this share of all rows.
    Share(f64),
    /// Each so often.
    Epochs(f64),
}

/// The most often that a row may be written.
const MOST_EPOCHS: f64 = 1000.0;

impl Quota {
    /// The keys of an input that say it.
    pub(super) const KEYS: &[&str] = &["weight", "cap"];

    /// Reads them among the keys of an input.
    pub(super) fn read(keys: &JsonMap<String, Json>) -> Result<Self> {
        let given = |key: &str| keys.get(key).filter(|value| !value.is_null());
        Ok(Self {
            weight: given("weight").map(Weight::read).transpose()?,
            cap: given("cap").map(cap).transpose()?,
        })
    }
}

impl Weight {
    fn read(value: &Json) -> Result<Self> {
        let weight = match value {
            Json::String(text) => epochs(text).map(Self::Epochs),
            number => number
                .as_f64()
                .filter(|share| *share > 0.0 && *share < 1.0)
                .map(Self::Share),
        };
        weight.ok_or_else(|| {
            let allowed = "a share of the set between 0 and 1, such as 0.3, or how often each row \
                           is written, such as \"2 epochs\" (1000 at most)";
            bad("weight", value, allowed)
        })
    }
}

/// The number in `2 epochs`.
fn epochs(text: &str) -> Option<f64> {
    let number = text
        .strip_suffix("epochs")
        .or_else(|| text.strip_suffix("epoch"))?;
    let number: f64 = number.trim().parse().ok()?;
    (number > 0.0 && number <= MOST_EPOCHS).then_some(number)
}

fn cap(value: &Json) -> Result<u64> {
    let rows = value.as_u64().filter(|rows| *rows > 0);
    rows.ok_or_else(|| bad("cap", value, "a whole number of rows above 0"))
}
