//! The recipe: the one configuration object.
//!
//! Unknown keys are errors that name the nearest key, bad values list the allowed ones, and a key
//! whose feature has not landed is an error, never ignored.

mod choice;
mod read;

use std::collections::BTreeMap;

use serde_json::{Map as JsonMap, Value as Json, json};
use xxhash_rust::xxh3::xxh3_128;

use crate::Result;

pub use choice::{
    Boundary, Choice, Compat, Eos, Format, History, OverLength, Reasoning, RoleOrder, Spans,
    SpecialInContent,
};

/// Which messages are trained.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TrainOn {
    /// Every assistant message.
    #[default]
    Assistant,
    /// The last assistant message.
    LastTurn,
    /// Every token of the row.
    Everything,
    /// Messages of these roles.
    Roles(Vec<String>),
}

/// One member of the stop set, as the user wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopToken {
    /// A token by its text.
    Text(String),
    /// A token by its id.
    Id(u32),
}

/// The tokens the serving side stops on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    /// The eos ids of `generation_config.json`, else the tokenizer's eos.
    #[default]
    Auto,
    /// These.
    Tokens(Vec<StopToken>),
}

/// A column of the written samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Column {
    /// `input_ids`: list of int32.
    InputIds,
    /// `labels`: list of int32, aligned with the ids, -100 = not trained.
    Labels,
    /// `attention_mask`: list of int8, all 1.
    AttentionMask,
    /// `length`: int32.
    Length,
    /// `position_ids`: list of int32.
    PositionIds,
    /// `weights`: list of float32.
    Weights,
    /// `source`: string, the input's name.
    Source,
}

impl Column {
    /// Every column with its name.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::InputIds, "input_ids"),
        (Self::Labels, "labels"),
        (Self::AttentionMask, "attention_mask"),
        (Self::Length, "length"),
        (Self::PositionIds, "position_ids"),
        (Self::Weights, "weights"),
        (Self::Source, "source"),
    ];

    /// What is written when the recipe does not say.
    pub const DEFAULT: &'static [Self] = &[
        Self::InputIds,
        Self::Labels,
        Self::AttentionMask,
        Self::Length,
    ];

    /// The name in the output.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(column, _)| *column == self)
            .map_or("", |(_, name)| name)
    }
}

/// The configuration of a run; defaults are the safe choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Directory with `tokenizer.json`, or that file.
    pub tokenizer: String,
    /// Name, path or source of the template; `None`: the tokenizer's own.
    pub template: Option<String>,
    /// Variables for the template; a row's own win.
    pub template_kwargs: JsonMap<String, Json>,
    /// The date templates see, as ISO 8601; `None`: fixed when the plan is made.
    pub now: Option<String>,
    /// Schema by name; `None`: detected.
    pub schema: Option<String>,
    /// Our field names to the data's.
    pub fields: BTreeMap<String, String>,
    /// The data's role names to the template's.
    pub roles: BTreeMap<String, String>,
    /// What is done with a leading assistant message.
    pub role_order: RoleOrder,
    /// Which messages are trained.
    pub train_on: TrainOn,
    /// How turns are found.
    pub spans: Spans,
    /// What is trained of reasoning.
    pub reasoning: Reasoning,
    /// What is done about rewritten history.
    pub history: History,
    /// The stop set.
    pub stop: Stop,
    /// Who ends a turn whose template never does.
    pub eos: Eos,
    /// What structural text in content becomes.
    pub special_in_content: SpecialInContent,
    /// Whether prompt and answer are tokenized together.
    pub boundary: Boundary,
    /// Most tokens of a sample.
    pub max_length: Option<u32>,
    /// What is done with longer samples.
    pub over_length: OverLength,
    /// Columns of the output.
    pub columns: Vec<Column>,
    /// Largest share of rejected rows, 0 to 1.
    pub max_rejects: f64,
    /// Format of the output files.
    pub format: Option<Format>,
    /// Whether an existing output is replaced.
    pub overwrite: bool,
    /// Other projects to be equal to.
    pub compat: Compat,
    /// Inputs as given; the layer that reads files knows them.
    pub inputs: Json,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            tokenizer: String::new(),
            template: None,
            template_kwargs: JsonMap::new(),
            now: None,
            schema: None,
            fields: BTreeMap::new(),
            roles: BTreeMap::new(),
            role_order: RoleOrder::default(),
            train_on: TrainOn::default(),
            spans: Spans::default(),
            reasoning: Reasoning::default(),
            history: History::default(),
            stop: Stop::default(),
            eos: Eos::default(),
            special_in_content: SpecialInContent::default(),
            boundary: Boundary::default(),
            max_length: None,
            over_length: OverLength::default(),
            columns: Column::DEFAULT.to_vec(),
            max_rejects: 0.5,
            format: None,
            overwrite: false,
            compat: Compat::default(),
            inputs: Json::Null,
        }
    }
}

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

    /// Every key with its value, defaults included, in the order of the documentation.
    pub fn to_json(&self) -> Json {
        json!({
            "inputs": self.inputs,
            "tokenizer": self.tokenizer,
            "template": self.template,
            "template_kwargs": self.template_kwargs,
            "now": self.now,
            "schema": self.schema.as_deref().unwrap_or("auto"),
            "fields": self.fields,
            "roles": self.roles,
            "role_order": self.role_order.word(),
            "train_on": self.train_on.to_json(),
            "spans": self.spans.word(),
            "reasoning": self.reasoning.word(),
            "history": self.history.word(),
            "stop": self.stop.to_json(),
            "eos": self.eos.word(),
            "special_in_content": self.special_in_content.word(),
            "boundary": self.boundary.word(),
            "max_length": self.max_length,
            "over_length": self.over_length.word(),
            "columns": self.columns.iter().map(|column| column.name()).collect::<Vec<_>>(),
            "max_rejects": self.max_rejects,
            "format": self.format.map(Format::word),
            "overwrite": self.overwrite,
            "compat": self.compat.word(),
        })
    }

    /// 32 hexadecimal digits that change with every key that can change a written byte. Inputs and
    /// `overwrite` are left out: they choose what is made, not how.
    pub fn fingerprint(&self) -> String {
        let mut canonical = self.to_json();
        if let Json::Object(keys) = &mut canonical {
            keys.remove("inputs");
            keys.remove("overwrite");
            keys.sort_keys();
        }
        format!("{:032x}", xxh3_128(canonical.to_string().as_bytes()))
    }
}

impl TrainOn {
    fn to_json(&self) -> Json {
        match self {
            Self::Assistant => json!("assistant"),
            Self::LastTurn => json!("last-turn"),
            Self::Everything => json!("everything"),
            Self::Roles(roles) => json!(roles),
        }
    }
}

impl Stop {
    fn to_json(&self) -> Json {
        match self {
            Self::Auto => json!("auto"),
            Self::Tokens(tokens) => tokens
                .iter()
                .map(|token| match token {
                    StopToken::Text(text) => json!(text),
                    StopToken::Id(id) => json!(id),
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests;
