//! Types of recipe values, each read from JSON and written as JSON.

use std::collections::BTreeMap;

use serde_json::{Map as JsonMap, Value as Json, json};

use super::choice::{Choice, Word};
use crate::chat::Schema;
use crate::{Error, ErrorKind, Result};

/// A type of recipe values.
pub(super) trait RecipeValue: Sized {
    /// Reads the value of `key`, which is not null.
    fn read(key: &str, value: &Json) -> Result<Self>;

    /// The value as the recipe writes it.
    fn to_json(&self) -> Json;

    /// The words that it may be, each with its meaning.
    fn words() -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }

    /// Words of earlier versions, each with the word that took its place.
    fn renamed() -> &'static [(&'static str, &'static str)] {
        &[]
    }
}

/// The error of a value that `key` cannot have.
pub(super) fn bad(key: &str, found: &Json, allowed: &str) -> Error {
    let shown: String = found.to_string().chars().take(80).collect();
    Error::new(
        ErrorKind::Recipe,
        "bad-value",
        format!("recipe key `{key}` cannot be {shown}"),
    )
    .hint(format!("`{key}` takes {allowed}"))
}

/// The error of a key or value that this version knows by name only.
pub(super) fn not_available(what: &str) -> Error {
    Error::new(
        ErrorKind::Recipe,
        "not-available",
        format!("{what} is not available in this version"),
    )
}

/// The words of `V` as a list, for messages.
fn list_of<V: RecipeValue>() -> String {
    let words: Vec<&str> = V::words().into_iter().map(|(word, _)| word).collect();
    words.join(", ")
}

impl RecipeValue for Json {
    fn read(_key: &str, value: &Json) -> Result<Self> {
        Ok(value.clone())
    }

    fn to_json(&self) -> Json {
        self.clone()
    }
}

impl RecipeValue for String {
    fn read(key: &str, value: &Json) -> Result<Self> {
        let text = value.as_str().ok_or_else(|| bad(key, value, "a string"))?;
        Ok(text.to_owned())
    }

    fn to_json(&self) -> Json {
        json!(self)
    }
}

impl RecipeValue for Option<String> {
    fn read(key: &str, value: &Json) -> Result<Self> {
        String::read(key, value).map(Some)
    }

    fn to_json(&self) -> Json {
        json!(self)
    }
}

impl RecipeValue for bool {
    fn read(key: &str, value: &Json) -> Result<Self> {
        value
            .as_bool()
            .ok_or_else(|| bad(key, value, "true or false"))
    }

    fn to_json(&self) -> Json {
        json!(self)
    }
}

impl RecipeValue for Option<u32> {
    fn read(key: &str, value: &Json) -> Result<Self> {
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        number
            .filter(|number| *number > 0)
            .ok_or_else(|| bad(key, value, "a positive number of tokens"))
            .map(Some)
    }

    fn to_json(&self) -> Json {
        json!(self)
    }
}

impl RecipeValue for u64 {
    fn read(key: &str, value: &Json) -> Result<Self> {
        value
            .as_u64()
            .ok_or_else(|| bad(key, value, "a whole number from 0"))
    }

    fn to_json(&self) -> Json {
        json!(self)
    }
}

/// A share from 0 to 1.
impl RecipeValue for f64 {
    fn read(key: &str, value: &Json) -> Result<Self> {
        value
            .as_f64()
            .filter(|share| (0.0..=1.0).contains(share))
            .ok_or_else(|| bad(key, value, "a share from 0 to 1"))
    }

    fn to_json(&self) -> Json {
        json!(self)
    }
}

impl RecipeValue for JsonMap<String, Json> {
    fn read(key: &str, value: &Json) -> Result<Self> {
        object(key, value).cloned()
    }

    fn to_json(&self) -> Json {
        json!(self)
    }
}

impl RecipeValue for BTreeMap<String, String> {
    fn read(key: &str, value: &Json) -> Result<Self> {
        object(key, value)?
            .iter()
            .map(|(name, mapped)| Ok((name.clone(), String::read(key, mapped)?)))
            .collect()
    }

    fn to_json(&self) -> Json {
        json!(self)
    }
}

/// Names; one may stand without a list.
impl RecipeValue for Vec<String> {
    fn read(key: &str, value: &Json) -> Result<Self> {
        let items = match value {
            Json::Array(items) => items.iter(),
            one => std::slice::from_ref(one).iter(),
        };
        let name = |item: &Json| item.as_str().map(str::to_owned);
        let names: Option<Self> = items.map(name).collect();
        names.ok_or_else(|| bad(key, value, "a list of names"))
    }

    fn to_json(&self) -> Json {
        json!(self)
    }
}

fn object<'j>(key: &str, value: &'j Json) -> Result<&'j JsonMap<String, Json>> {
    value
        .as_object()
        .ok_or_else(|| bad(key, value, "an object"))
}

impl<C: Choice> RecipeValue for C {
    fn read(key: &str, value: &Json) -> Result<Self> {
        let word = value.as_str().unwrap_or_default();
        if let Some(found) = C::ALL.iter().find(|choice| choice.word == word) {
            return Ok(found.value);
        }
        let allowed = list_of::<C>();
        let error = bad(key, value, &allowed);
        Err(match C::RENAMED.iter().find(|(old, _)| *old == word) {
            Some((_, new)) => error.hint(format!(
                "`{word}` is called `{new}` now; `{key}` takes {allowed}"
            )),
            None => error,
        })
    }

    fn to_json(&self) -> Json {
        let found = C::ALL.iter().find(|choice| choice.value == *self);
        json!(found.map(|choice| choice.word))
    }

    fn words() -> Vec<(&'static str, &'static str)> {
        let of = |choice: &Word<C>| (choice.word, choice.meaning);
        C::ALL.iter().map(of).collect()
    }

    fn renamed() -> &'static [(&'static str, &'static str)] {
        C::RENAMED
    }
}

/// A choice that may be left to the run.
impl<C: Choice> RecipeValue for Option<C> {
    fn read(key: &str, value: &Json) -> Result<Self> {
        C::read(key, value).map(Some)
    }

    fn to_json(&self) -> Json {
        self.as_ref().map_or(Json::Null, RecipeValue::to_json)
    }

    fn words() -> Vec<(&'static str, &'static str)> {
        C::words()
    }
}

/// None: detected for each file.
impl RecipeValue for Option<Schema> {
    fn read(key: &str, value: &Json) -> Result<Self> {
        let name = String::read(key, value)?;
        if name == "auto" {
            return Ok(None);
        }
        let schema = Schema::ALL.iter().find(|schema| schema.name() == name);
        let schema = schema.ok_or_else(|| bad(key, value, &list_of::<Self>()))?;
        Ok(Some(*schema))
    }

    fn to_json(&self) -> Json {
        json!(self.map_or("auto", Schema::name))
    }

    fn words() -> Vec<(&'static str, &'static str)> {
        let auto = (
            "auto",
            "Found for each file and stated; an error where it is ambiguous.",
        );
        let named = Schema::ALL
            .iter()
            .map(|schema| (schema.name(), schema.meaning()));
        std::iter::once(auto).chain(named).collect()
    }
}

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
    /// Nothing: a sample is a prompt.
    Nothing,
    /// Messages of these roles.
    Roles(Vec<String>),
}

impl RecipeValue for TrainOn {
    fn read(key: &str, value: &Json) -> Result<Self> {
        let refused = || {
            bad(
                key,
                value,
                &format!("{}, or a list of roles", list_of::<Self>()),
            )
        };
        match value {
            Json::String(word) => match word.as_str() {
                "assistant" => Ok(Self::Assistant),
                "last-turn" => Ok(Self::LastTurn),
                "everything" => Ok(Self::Everything),
                "none" => Ok(Self::Nothing),
                _ => Err(refused()),
            },
            Json::Array(roles) if !roles.is_empty() => {
                let roles: Result<Vec<String>> =
                    roles.iter().map(|role| String::read(key, role)).collect();
                Ok(Self::Roles(roles?))
            }
            _ => Err(refused()),
        }
    }

    fn to_json(&self) -> Json {
        match self {
            Self::Assistant => json!("assistant"),
            Self::LastTurn => json!("last-turn"),
            Self::Everything => json!("everything"),
            Self::Nothing => json!("none"),
            Self::Roles(roles) => json!(roles),
        }
    }

    fn words() -> Vec<(&'static str, &'static str)> {
        vec![
            ("assistant", "Every assistant message."),
            ("last-turn", "The last assistant message."),
            ("everything", "Every token of the row."),
            (
                "none",
                "Nothing: prompts alone, with the start of the answer that a server adds, for \
                 reinforcement learning and evaluation.",
            ),
        ]
    }
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

impl RecipeValue for Stop {
    fn read(key: &str, value: &Json) -> Result<Self> {
        let tokens = match value {
            Json::String(word) if word == "auto" => return Ok(Self::Auto),
            Json::Array(items) if !items.is_empty() => items.iter().map(stop_token).collect(),
            _ => None,
        };
        tokens
            .map(Self::Tokens)
            .ok_or_else(|| bad(key, value, "auto, or a list of tokens or ids"))
    }

    fn to_json(&self) -> Json {
        let written = |token: &StopToken| match token {
            StopToken::Text(text) => json!(text),
            StopToken::Id(id) => json!(id),
        };
        match self {
            Self::Auto => json!("auto"),
            Self::Tokens(tokens) => tokens.iter().map(written).collect(),
        }
    }

    fn words() -> Vec<(&'static str, &'static str)> {
        vec![(
            "auto",
            "The eos ids of generation_config.json, else the tokenizer's eos.",
        )]
    }
}

fn stop_token(value: &Json) -> Option<StopToken> {
    match value {
        Json::String(text) => Some(StopToken::Text(text.clone())),
        Json::Number(number) => Some(StopToken::Id(u32::try_from(number.as_u64()?).ok()?)),
        _ => None,
    }
}

/// What a row of the output holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// A sample.
    Samples,
    /// Two answers to a prompt.
    Pairs,
    /// An answer to a prompt, with a verdict.
    Judged,
    /// A prompt.
    Prompts,
}

macro_rules! columns {
    ($($variant:ident $name:literal $meaning:literal in $($layout:ident)+;)*) => {
        /// A column of the written samples.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Column {
            $(#[doc = $meaning] $variant,)*
        }

        impl Column {
            /// Every column.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in the output.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it holds.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// Whether an output of that layout can have it.
            pub fn fits(self, layout: Layout) -> bool {
                let fitting: &[Layout] = match self { $(Self::$variant => &[$(Layout::$layout),+],)* };
                fitting.contains(&layout)
            }
        }
    };
}

columns! {
    InputIds "input_ids" "List of int32." in Samples Judged Prompts;
    Labels "labels" "List of int32, aligned with the ids, -100 = not trained." in Samples Judged Prompts;
    AttentionMask "attention_mask" "List of int8, all 1." in Samples Judged Prompts;
    Length "length" "Number of ids, int32." in Samples Judged Prompts;
    PositionIds "position_ids" "List of int32." in Samples Judged Prompts;
    Weights "weights" "Loss weight of each token, list of float32." in Samples Judged;
    Source "source" "The input's name." in Samples Pairs Judged Prompts;
    ChosenInputIds "chosen_input_ids" "Ids of the prompt and the chosen answer." in Pairs;
    ChosenLabels "chosen_labels" "Their labels, -100 in the prompt." in Pairs;
    ChosenAttentionMask "chosen_attention_mask" "List of int8, all 1." in Pairs;
    RejectedInputIds "rejected_input_ids" "Ids of the prompt and the rejected answer." in Pairs;
    RejectedLabels "rejected_labels" "Their labels, -100 in the prompt." in Pairs;
    RejectedAttentionMask "rejected_attention_mask" "List of int8, all 1." in Pairs;
    PromptIds "prompt_ids" "Ids of the prompt that the answers share." in Pairs Judged;
    ChosenIds "chosen_ids" "Ids of the chosen answer; they begin with the prompt where there is no `prompt_ids`." in Pairs;
    RejectedIds "rejected_ids" "The same of the rejected answer." in Pairs;
    CompletionIds "completion_ids" "Ids of the answer." in Judged;
    Label "label" "Whether the answer is a good one." in Judged;
    Prompt "prompt" "Text of the prompt." in Prompts;
    Reference "reference" "What the row answers: the text of the last message, or the whole message as JSON where it is more than that; null where there is no answer." in Prompts;
}

impl Column {
    /// What is written when the recipe does not say.
    pub const DEFAULT: &'static [Self] = &[
        Self::InputIds,
        Self::Labels,
        Self::AttentionMask,
        Self::Length,
    ];

    /// The columns that are written in an output of that layout, where the recipe says `wanted`.
    pub fn written(layout: Layout, wanted: &[Self]) -> Result<Vec<Self>> {
        if wanted == Self::DEFAULT {
            return Ok(Self::of(layout).to_vec());
        }
        if let Some(column) = wanted.iter().find(|column| !column.fits(layout)) {
            return Err(unfit(*column, layout));
        }
        let is_whole = |form: &&[Self]| form.iter().all(|column| wanted.contains(column));
        if !Self::forms(layout).iter().any(is_whole) {
            return Err(in_part(layout));
        }
        let mut columns = wanted.to_vec();
        if layout == Layout::Prompts && wanted.contains(&Self::InputIds) {
            columns.push(Self::Labels);
            columns.sort_unstable();
            columns.dedup();
        }
        Ok(columns)
    }

    /// The columns of an output where the recipe does not say.
    fn of(layout: Layout) -> &'static [Self] {
        match layout {
            Layout::Samples => Self::DEFAULT,
            Layout::Pairs => &[Self::PromptIds, Self::ChosenIds, Self::RejectedIds],
            Layout::Judged => &[Self::PromptIds, Self::CompletionIds, Self::Label],
            // Labels that train nothing: readers take ids without labels as trained throughout.
            Layout::Prompts => &[
                Self::InputIds,
                Self::Labels,
                Self::AttentionMask,
                Self::Length,
                Self::Prompt,
                Self::Reference,
            ],
        }
    }

    /// The columns without which trainers cannot read an output: those of one of these forms.
    fn forms(layout: Layout) -> &'static [&'static [Self]] {
        match layout {
            Layout::Samples => &[&[Self::InputIds]],
            Layout::Pairs => &[
                &[Self::ChosenIds, Self::RejectedIds],
                &[
                    Self::ChosenInputIds,
                    Self::ChosenLabels,
                    Self::RejectedInputIds,
                    Self::RejectedLabels,
                ],
            ],
            Layout::Judged => &[
                &[Self::PromptIds, Self::CompletionIds, Self::Label],
                &[Self::InputIds, Self::Labels, Self::Label],
            ],
            Layout::Prompts => &[&[Self::InputIds, Self::Labels], &[Self::Prompt]],
        }
    }

    /// Whether the columns that a recipe names tell which parts of a judged answer are trained.
    pub fn tell_parts(wanted: &[Self]) -> bool {
        let labels = [Self::Labels, Self::ChosenLabels];
        wanted != Self::DEFAULT && labels.iter().any(|column| wanted.contains(column))
    }
}

fn rows_of(layout: Layout) -> &'static str {
    match layout {
        Layout::Samples => "a row of the output is one sample",
        Layout::Pairs => "a row of the output is a pair",
        Layout::Judged => "a row of the output is one answer with its label",
        Layout::Prompts => "a row of the output is a prompt",
    }
}

fn in_part(layout: Layout) -> Error {
    let names = |form: &&[Column]| {
        form.iter()
            .map(|column| column.name())
            .collect::<Vec<_>>()
            .join(",")
    };
    let forms: Vec<String> = Column::forms(layout).iter().map(names).collect();
    let what = format!("these columns are not enough where {}", rows_of(layout));
    Error::new(ErrorKind::Recipe, "unfit-columns", what).hint(format!(
        "--columns {}, and others besides",
        forms.join(" or --columns ")
    ))
}

fn unfit(column: Column, layout: Layout) -> Error {
    let rows = rows_of(layout);
    let fitting = Column::ALL.iter().filter(|column| column.fits(layout));
    let names: Vec<&str> = fitting.map(|column| column.name()).collect();
    let what = format!("there is no column `{}` where {rows}", column.name());
    Error::new(ErrorKind::Recipe, "unfit-columns", what)
        .hint(format!("--columns takes {}", names.join(", ")))
}

/// Columns in the order of the table, the ids always among those of samples.
impl RecipeValue for Vec<Column> {
    fn read(key: &str, value: &Json) -> Result<Self> {
        let allowed = list_of::<Self>();
        let items = value
            .as_array()
            .ok_or_else(|| bad(key, value, &format!("a list of {allowed}")))?;
        let mut columns = Self::new();
        for item in items {
            let named = |column: &&Column| item.as_str() == Some(column.name());
            let column = Column::ALL.iter().find(named);
            columns.push(*column.ok_or_else(|| bad(key, item, &allowed))?);
        }
        if columns.iter().all(|column| column.fits(Layout::Samples)) {
            columns.push(Column::InputIds);
        }
        columns.sort_unstable();
        columns.dedup();
        Ok(columns)
    }

    fn to_json(&self) -> Json {
        self.iter().map(|column| column.name()).collect()
    }

    fn words() -> Vec<(&'static str, &'static str)> {
        let of = |column: &Column| (column.name(), column.meaning());
        Column::ALL.iter().map(of).collect()
    }
}
