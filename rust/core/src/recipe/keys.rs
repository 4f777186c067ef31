//! The keys of the recipe: one table.
//!
//! From it come the fields of [`Recipe`], their defaults, the reader, what a run records, the
//! messages about unknown keys, the flags of the command line, the signature of `turnmill.Recipe`
//! and the tables of `docs/recipe.md`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map as JsonMap, Value as Json, json};

use super::choice::{
    Boundary, Compat, Dedup, Eos, Format, History, OverLength, PackStrategy, Reasoning, RoleOrder,
    Spans, SpecialInContent, Wire,
};
use super::values::{Column, RecipeValue, Stop, TrainOn};
use crate::Result;
use crate::chat::Schema;

/// How a value is written on the command line and typed in Python.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Form {
    /// Whatever the layer that reads files takes.
    Any,
    /// Text.
    Text,
    /// A path, or text.
    Path,
    /// A date in ISO 8601.
    Date,
    /// One of a few words.
    Word,
    /// True or false.
    Switch,
    /// A whole number above 0.
    Count,
    /// A whole number from 0.
    Number,
    /// A number from 0 to 1.
    Share,
    /// A JSON object.
    Object,
    /// Pairs of names.
    Names,
    /// A word, or a list of names.
    WordOrNames,
    /// A word, or a list of tokens and ids.
    WordOrTokens,
    /// A list of a few words.
    Words,
}

/// The heading under which help and documentation list a key.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Group {
    /// The tokenizer and its template.
    Model,
    /// What is read.
    Data,
    /// What is trained.
    Training,
    /// Which conversations are written.
    Set,
    /// What is written.
    Output,
    /// Known by name, and refused.
    Later,
}

/// What the table says of one key.
#[derive(Serialize)]
struct Key {
    name: &'static str,
    form: Form,
    group: Group,
    default: Json,
    /// What the value may be, the default first, where that is more than words.
    takes: Option<&'static str>,
    means: &'static str,
    /// How help calls the value, and its line about the flag; a key without one is not a flag.
    flag: Option<(&'static str, &'static str)>,
    words: Vec<(&'static str, &'static str)>,
    renamed: &'static [(&'static str, &'static str)],
}

macro_rules! or_default {
    () => {
        Default::default()
    };
    ($default:expr) => {
        $default
    };
}

macro_rules! option {
    () => {
        None
    };
    ($($value:tt)+) => {
        Some(($($value)+))
    };
}

macro_rules! keys {
    (available {
        $($name:ident: $type:ty $(= $default:expr)?,
            $form:ident in $group:ident
            $(takes $takes:literal)?
            means $means:literal
            $(flag $value:literal $help:literal)?;)*
    }
    planned {
        $($planned:ident: $planned_form:ident
            flag $planned_value:literal $planned_help:literal;)*
    }) => {
        /// The configuration of a run; defaults are the safe choice.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Recipe {
            $(#[doc = $means] pub $name: $type,)*
        }

        impl Default for Recipe {
            fn default() -> Self {
                Self { $($name: or_default!($($default)?),)* }
            }
        }

        impl Recipe {
            /// Every key with its value, defaults included, in the order of the table.
            pub fn to_json(&self) -> Json {
                let mut keys = JsonMap::new();
                $(keys.insert(stringify!($name).to_owned(), self.$name.to_json());)*
                Json::Object(keys)
            }

            /// Reads the value of one key; an unknown or planned key changes nothing.
            pub(super) fn set(&mut self, key: &str, value: &Json) -> Result<()> {
                match key {
                    $(stringify!($name) => self.$name = RecipeValue::read(key, value)?,)*
                    _ => {}
                }
                Ok(())
            }
        }

        /// Every name.
        pub(super) const NAMES: &[&str] = &[$(stringify!($name),)* $(stringify!($planned),)*];

        /// Names of keys that are refused in this version. Only "off" is accepted.
        pub(super) const PLANNED: &[&str] = &[$(stringify!($planned),)*];

        fn table() -> Vec<Key> {
            let defaults = Recipe::default();
            vec![
                $(Key {
                    name: stringify!($name),
                    form: Form::$form,
                    group: Group::$group,
                    default: defaults.$name.to_json(),
                    takes: option!($($takes)?),
                    means: $means,
                    flag: option!($($value, $help)?),
                    words: <$type>::words(),
                    renamed: <$type>::renamed(),
                },)*
                $(Key {
                    name: stringify!($planned),
                    form: Form::$planned_form,
                    group: Group::Later,
                    default: Json::Null,
                    takes: None,
                    means: "Not in this version.",
                    flag: Some(($planned_value, $planned_help)),
                    words: Vec::new(),
                    renamed: &[],
                },)*
            ]
        }
    };
}

keys! {
available {
    inputs: Json,
        Any in Data
        takes "paths, directories, globs, URIs, rows in memory"
        means "What is read. An input may say of itself what differs: in Python an `Input`, in TOML \
               a table with `path` and its own `split`, `schema`, `fields`, `roles`, `ignore` and `carry`, laid \
               over the recipe's; and `weight` and `cap`: how many of its rows are written. `turnmill.prepare` takes them as its first argument.";
    tokenizer: String,
        Path in Model
        takes "a directory, a `tokenizer.json`, a model id"
        means "Directory with `tokenizer.json`, that file, or a model id, which is looked for in the \
               local Hugging Face and ModelScope caches and never downloaded."
        flag "DIR" "directory with tokenizer.json, or a model id in the local cache";
    template: Option<String>,
        Path in Model
        takes "the tokenizer's own; one of its names; a built-in's name; a directory, a `.jinja` or \
               JSON file; source"
        means "The chat template."
        flag "NAME|FILE" "chat template: a built-in's name, a .jinja file or source (default: the \
                          tokenizer's)";
    template_kwargs: JsonMap<String, Json>,
        Object in Model
        takes "`{}`"
        means "Variables for the template; a row's `chat_template_kwargs` win. Neither sets \
               `messages`, `tools`, `documents`, `add_generation_prompt` or \
               `continue_final_message`."
        flag "JSON" "variables for the template";
    now: Option<String>,
        Date in Model
        takes "the moment at which the run is planned; a date"
        means "The date that templates see; kept when a run is resumed."
        flag "DATE" "the date that templates see (default: today, kept on resume)";
    split: Option<String>,
        Text in Data
        takes "none; `train`, `train+validation`, `all`"
        means "Which split of a directory is read, by the rules of `datasets`: a directory with \
               several needs a choice. `all` is every file."
        flag "NAME" "split of a directory to read: train, train+validation, all";
    schema: Option<Schema>,
        Word in Data
        means "Shape of the rows."
        flag "" "shape of the rows";
    fields: BTreeMap<String, String>,
        Names in Data
        takes "`{}`, theirs = ours"
        means "The data's field names to the schema's, such as `dialog = \"messages\"`."
        flag "A=B,…" "the data's field names to ours: dialog=messages";
    roles: BTreeMap<String, String>,
        Names in Data
        takes "`{}`, theirs = ours"
        means "The data's role names to ours, such as `client = \"user\"`."
        flag "A=B,…" "the data's role names to ours: client=user";
    ignore: Vec<String>,
        Words in Data
        takes "`[]`, names of columns"
        means "Columns of the rows that are read as if they were not there. Columns that judge an \
               answer (`label`, `chosen` and `rejected`, `rating`, `score`) must be named here before \
               such rows are trained."
        flag "NAMES" "columns to leave unread, separated by commas: label,score";
    role_order: RoleOrder,
        Word in Data
        means "What to do with assistant messages at the start."
        flag "" "what to do with assistant messages at the start";
    system: Option<String>,
        Text in Data
        takes "none; a text"
        means "System text that becomes the first message of conversations that have none."
        flag "TEXT" "system text for conversations that have none";
    wire: Wire,
        Word in Data
        means "How the wire formats of chat APIs are read: JSON text for calls, old names, turns in \
               two messages."
        flag "" "wire formats of chat APIs: read as engines read them, or kept";
    train_on: TrainOn,
        WordOrNames in Training
        takes "a list of roles (known ones, or targets of `roles`)"
        means "Which messages are trained. A message's own `weight`, `loss`, `loss_weight` or \
               `train` wins."
        flag "WHAT" "assistant, last-turn, everything, none (prompts), or roles separated by commas";
    spans: Spans,
        Word in Training
        means "How turns are found."
        flag "" "how turns are found";
    reasoning: Reasoning,
        Word in Training
        means "How reasoning is trained."
        flag "" "training on reasoning";
    history: History,
        Word in Training
        means "What to do when the template prints earlier turns differently from how the model saw \
               them at inference."
        flag "" "what to do when the template rewrites earlier turns";
    stop: Stop,
        WordOrTokens in Model
        takes "a list of tokens or ids"
        means "What the serving side stops on; never learned from the template."
        flag "TOKEN" "token or id that serving stops on; repeat for several (default: \
                      generation_config's)";
    eos: Eos,
        Word in Model
        means "What ends a turn if the template never does."
        flag "" "what ends a turn if the template never does";
    special_in_content: SpecialInContent,
        Word in Training
        means "How the text of a control token inside a message is encoded."
        flag "" "how control-token text inside messages is encoded";
    boundary: Boundary,
        Word in Training
        means "Whether prompt and answer are tokenized together."
        flag "" "prompt and answer tokenized together or apart";
    max_length: Option<u32>,
        Count in Training
        takes "none; a number of tokens"
        means "The most tokens that a sample may have."
        flag "N" "the most tokens that a sample may have (default: no limit)";
    over_length: OverLength,
        Word in Training
        means "What to do with longer samples. A turn is never cut: whole turns are left out, \
               counted with their tokens, and the rest is rendered again."
        flag "" "what to do with longer samples";
    validation: f64,
        Share in Set
        takes "`0`, a share from 0 to 1"
        means "The share of conversations that is set apart. The hash of a conversation decides: it \
               keeps its side when data is added, and equal ones are on one side. With a share, the \
               output holds two data sets, `train` and `validation`."
        flag "SHARE" "share of the conversations that is set apart (default: none)";
    dedup: Dedup,
        Word in Set
        means "What becomes of repeated conversations."
        flag "" "what becomes of repeated conversations";
    shuffle: bool,
        Switch in Set
        takes "`false`, `true`"
        means "Whether the samples of all inputs are written in a random order, which `seed` decides."
        flag "" "write the samples of all inputs in a random order";
    seed: u64,
        Number in Set
        takes "`0`, a whole number"
        means "Decides the order of `shuffle`, which rows are drawn where an input has a `weight` or a \
               `cap`, and the order of packs."
        flag "N" "another seed gives another order, and draws other rows (default: 0)";
    carry: Vec<String>,
        Words in Set
        takes "`[]`, names of columns"
        means "Columns of the rows, such as an id or a licence, that the index of the output holds \
               beside each sample: as text, or as JSON where they are something else."
        flag "NAMES" "columns of the rows to keep in the index, separated by commas: id,licence";
    columns: Vec<Column> = Column::DEFAULT.to_vec(),
        Words in Output
        takes "`input_ids`, `labels`, `attention_mask`, `length`"
        means "Columns of the output; without `labels` only where `schema = \"text\"`."
        flag "NAMES" "columns to write, separated by commas";
    max_rejects: f64 = 0.5,
        Share in Data
        takes "`0.5`, a share from 0 to 1"
        means "The share of rejected rows above which a run stops."
        flag "SHARE" "largest share of rejected rows (default: 50%)";
    format: Option<Format>,
        Word in Output
        means "Form of the output files; Parquet by default where the output is a URI."
        flag "" "form of the data files";
    pack: Option<u32>,
        Count in Output
        takes "none; a number of tokens"
        means "Tokens of a packed row. When the output is finished, `turnmill pack` makes an index \
               over it. Needs a `max_length` that is not longer, so that every sample fits."
        flag "N" "pack samples into rows of this many tokens (default: no packs)";
    pack_strategy: PackStrategy,
        Word in Output
        means "Which samples share a packed row."
        flag "" "which samples share a packed row";
    overwrite: bool,
        Switch in Output
        takes "`false`, `true`"
        means "Whether an existing output is replaced."
        flag "" "replace an output that was made with another recipe";
    compat: Compat,
        Text in Later
        means "Another project's script to be equal to. Not in this version."
        flag "PROJECT" "be equal to another project's script";
}

planned {
}
}

/// The table as JSON, a list of objects: `name`, `form`, `group`, `default`, `takes`, `means`,
/// `words` and `renamed` (pairs), `flag` (how help calls the value, and its line).
pub fn table_json() -> Json {
    json!(table())
}
