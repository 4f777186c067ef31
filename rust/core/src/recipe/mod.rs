//! The recipe: the one configuration object.
//!
//! All keys are in one table. An unknown key is an error that names the nearest key, a bad value one
//! that lists the allowed values, and a key of a feature that does not exist yet is never ignored.

mod carry;
mod choice;
mod keys;
mod quota;
mod read;
mod values;

use serde_json::Value as Json;
use xxhash_rust::xxh3::xxh3_128;

use crate::Result;

pub use carry::index_column;
pub use choice::{
    Boundary, Choice, Compat, Dedup, Eos, Format, History, OverLength, PackStrategy, Reasoning,
    RoleOrder, Spans, SpecialInContent, Wire, Word,
};
pub use keys::{Recipe, table_json};
pub use quota::{Quota, Weight};
pub use values::{Column, Layout, Stop, StopToken, TrainOn};

impl Recipe {
    /// Reads a JSON object; missing keys and nulls take their defaults.
    pub fn from_json(text: &str) -> Result<Self> {
        read::recipe(text)
    }

    /// Checks that messages can have the roles that `train_on` names. Only with the recipe's
    /// `inputs`, whose own `roles` count too, is that known.
    pub fn check_train_on(&self) -> Result<()> {
        read::check_train_on(self)
    }

    /// The recipe for one input, with the `schema`, `fields` and `roles` (as JSON) that it says of
    /// itself; names are laid over those that hold for all inputs.
    pub fn for_input(&self, text: &str) -> Result<Self> {
        read::for_input(self, text)
    }

    /// Reads what one input says of itself, as JSON: the recipe for it, and how many of its rows are
    /// written.
    pub fn of_input(text: &str) -> Result<(Self, Quota)> {
        read::input(text)
    }

    /// 32 hexadecimal digits that change with every key that can change a written byte. Inputs,
    /// `split` and `overwrite` are left out: they choose what is made, not how.
    pub fn fingerprint(&self) -> String {
        let mut canonical = self.to_json();
        if let Json::Object(keys) = &mut canonical {
            keys.remove("inputs");
            keys.remove("overwrite");
            keys.remove("split");
            keys.sort_keys();
        }
        format!("{:032x}", xxh3_128(canonical.to_string().as_bytes()))
    }
}

#[cfg(test)]
mod tests;
