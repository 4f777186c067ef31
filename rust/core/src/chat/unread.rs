//! Columns that say something elsewhere, and that the schema of the rows does not read.

use super::fields::Field;
use super::flags;
use super::names::Names;
use super::options::{SchemaOptions, Wire};
use super::schema::Schema;
use crate::rules::{Rule, RuleCounts};
use crate::value::{Map, Value};

/// Columns that say something to other tools, besides the fields of the schemas.
const TELLING: [&str; 28] = [
    "chosen",
    "rejected",
    "system_message",
    "systemPrompt",
    "instructions",
    "examples",
    "function_call",
    "tool_calls",
    "reasoning",
    "reasoning_content",
    "reasoning_details",
    "thinking",
    "thought",
    "rationale",
    "chain_of_thought",
    "prefix",
    "suffix",
    "loss",
    "loss_weight",
    "sample_weight",
    "weights",
    "train",
    "image",
    "images",
    "video",
    "videos",
    "audio",
    "audios",
];

/// Other spellings in which tables and other tools have such columns. All that read rows compare
/// names exactly, so each is listed.
const SPELLINGS: [&str; 17] = [
    "System",
    "SystemPrompt",
    "SystemMessage",
    "systemMessage",
    "system_instruction",
    "systemInstruction",
    "Instruction",
    "Instructions",
    "Input",
    "Context",
    "History",
    "Tools",
    "Functions",
    "Reasoning",
    "Thinking",
    "Examples",
    "Images",
];

/// The columns that a reader does not read although they say something. Metadata is not among
/// them.
#[derive(Clone, Debug)]
pub(super) struct Unread(Vec<&'static str>);

impl Unread {
    pub(super) fn new(options: &SchemaOptions, names: &Names) -> Self {
        let read = names.columns();
        let left = left_by_keep(options);
        let is_unread = |column: &&'static str| {
            let is_mapped = options.fields.iter().any(|(theirs, _)| theirs == column);
            let mut kept = options.ignore.iter().chain(&options.carry);
            let is_named = is_mapped || kept.any(|named| named == column);
            !is_named && (!read.contains(column) || left.contains(column))
        };
        let texts = flags::PROMPTS.iter().chain(flags::ANSWERS).copied();
        // A label is metadata, unless it judges the row: then other schemas refuse it.
        let fields = Field::of_rows().filter(|name| !Field::Label.is_named(name));
        let mut columns: Vec<&str> = fields
            .chain(TELLING)
            .chain(SPELLINGS)
            .chain(texts)
            .collect();
        columns.sort_unstable();
        columns.dedup();
        columns.retain(is_unread);
        Self(columns)
    }

    pub(super) fn columns(&self) -> &[&'static str] {
        &self.0
    }

    /// Counts each of the columns in which `row` says something.
    pub(super) fn count(&self, row: Map<'_>, names: &Names, counts: &mut RuleCounts) {
        for (key, value) in row.iter() {
            if let Ok(index) = self.0.binary_search(&key)
                && says_something(key, value)
            {
                counts.add_named(Rule::ColumnUnread, self.0[index]);
            }
        }
        for (column, value) in names.second_names(row) {
            if says_something(column, value) {
                counts.add_named(Rule::ColumnUnread, column);
            }
        }
    }
}

/// Columns that the wire formats have in rows of messages, and that `wire = keep` leaves.
fn left_by_keep(options: &SchemaOptions) -> &'static [&'static str] {
    match (options.wire, options.schema) {
        (Wire::Normalise, _) => &[],
        (
            Wire::Keep,
            Schema::Messages | Schema::PromptCompletion | Schema::Preference | Schema::Kto,
        ) => &["system", "system_prompt", "functions", "weight"],
        (Wire::Keep, _) => &["functions", "weight"],
    }
}

fn says_something(key: &str, value: Value<'_>) -> bool {
    match value {
        Value::Null | Value::List([]) => false,
        Value::Str(text) => !text.trim().is_empty(),
        Value::Map(map) => map.iter().any(|(_, inner)| inner != Value::Null),
        Value::Bool(false) => key != "prefix",
        Value::Bool(true) => !WEIGHTS.contains(&key),
        Value::Int(weight) => weight != 1 || !WEIGHTS.contains(&key),
        Value::Float(weight) => (weight - 1.0).abs() > f64::EPSILON || !WEIGHTS.contains(&key),
        _ => true,
    }
}

/// Columns in which 1 says nothing.
const WEIGHTS: [&str; 5] = ["weight", "loss", "loss_weight", "sample_weight", "train"];
