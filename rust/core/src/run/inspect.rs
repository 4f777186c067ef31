//! Inspects the first rows: their schema, and decisions that are needed before the run.

use arrow_array::RecordBatch;

use super::encoder::Encoder;
use super::head::SAMPLE_ROWS;
use super::history_cost;
use super::history_cost::HistoryCosts;
use crate::Result;
use crate::chat::{self, Conversation, Record, Schema};
use crate::recipe::{History, TrainOn};
use crate::rules::RuleCounts;
use crate::setup::plan::{Plan, pairs};
use crate::setup::templates;
use crate::source::arrow::{ArrowRows, Wanted};
use crate::value::{Arena, Map, Value};

/// The result of inspecting the first rows.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Their schema.
    pub schema: Schema,
    /// What each choice of `history` gives on them, if the template renders earlier turns
    /// differently from inference and the recipe leaves the choice open.
    pub costs: Option<HistoryCosts>,
}

/// The first rows of a record batch, for [`Encoder::inspect_values`] and
/// [`Encoder::self_check`].
pub fn look_at_batch<T>(
    batch: &RecordBatch,
    look: impl FnOnce(&[Value<'_>]) -> Result<T>,
) -> Result<T> {
    let arena = Arena::new();
    let names: Vec<String> = batch
        .schema()
        .fields()
        .iter()
        .map(|f| f.name().clone())
        .collect();
    // Reads leniently: a date in a column that no schema reads must not hide the rows.
    let wanted = Wanted {
        carried: &names,
        ..Wanted::default()
    };
    let rows = ArrowRows::new(batch, &wanted);
    let mut counts = RuleCounts::default();
    let values: Vec<Value<'_>> = (0..rows.len().min(SAMPLE_ROWS))
        .filter_map(|index| rows.row(index, &arena, &mut counts).ok())
        .collect();
    look(&values)
}

impl Encoder {
    /// Looks at the first rows of an input: their schema, and what the choices of `history` cost. An
    /// error where a decision is needed before the first row. [`JsonHead`](super::JsonHead) and [`look_at_batch`] give
    /// the rows.
    pub fn inspect_values(&self, rows: &[Value<'_>]) -> Result<Inspection> {
        let plan = &self.plan;
        let rows = &rows[..rows.len().min(SAMPLE_ROWS)];
        let arena = Arena::new();
        let given = rows;
        let rows = &as_seen(rows, plan, &arena)[..];
        let schema = schema(plan, rows, given)?;
        let reader = plan.reader(schema)?;
        let mut counts = RuleCounts::default();
        let read = rows
            .iter()
            .map(|row| reader.read(*row, &arena, &mut counts));
        let records: Vec<Record<'_>> = read.flatten().collect();
        let are_rendered = records.iter().any(|record| record.conversation().is_some());
        if are_rendered && plan.templates.is_none() {
            return Err(templates::missing());
        }
        // Of an answer that is judged, no earlier turns are trained.
        let trained = records.iter().filter_map(|record| match record {
            Record::Conversation(conversation) => Some(*conversation),
            _ => None,
        });
        let conversations: Vec<Conversation<'_>> = trained.collect();
        let costs = match plan.recipe.history {
            // A prompt holds earlier turns as inference does.
            History::Auto
                if !conversations.is_empty() && plan.recipe.train_on != TrainOn::Nothing =>
            {
                history_cost::list(plan, &conversations, &arena)
            }
            _ => None,
        };
        match costs {
            Some(costs) if costs.losing > 0 => Err(costs.error()),
            costs => Ok(Inspection { schema, costs }),
        }
    }
}

/// The schema of the rows: the recipe's, or the one that they fit; `given` has the columns that the
/// recipe ignores too.
fn schema(plan: &Plan, rows: &[Value<'_>], given: &[Value<'_>]) -> Result<Schema> {
    let schema = match plan.recipe.schema {
        Some(schema) => Ok(schema),
        None => match chat::detect(rows) {
            Err(_) if are_prompts(plan, rows) => Ok(Schema::PromptCompletion),
            found => found.map_err(|error| chat::with_chosen(error, given, &plan.recipe.ignore)),
        },
    };
    if !schema.as_ref().is_ok_and(|schema| schema.judges()) {
        chat::refuse_judged(rows, &pairs(&plan.recipe.fields))?;
    }
    schema
}

/// Whether the recipe makes prompts, and the rows hold nothing else.
fn are_prompts(plan: &Plan, rows: &[Value<'_>]) -> bool {
    let mut maps = rows.iter().filter_map(|row| row.as_map());
    let is_prompt = |row: Map<'_>| row.get_some("prompt").is_some();
    plan.recipe.train_on == TrainOn::Nothing
        && maps.next().is_some_and(is_prompt)
        && maps.all(is_prompt)
}

/// The rows without the columns that the recipe ignores, with messages as lists.
fn as_seen<'a>(rows: &[Value<'a>], plan: &Plan, arena: &'a Arena) -> Vec<Value<'a>> {
    let (ignored, wire) = (&plan.recipe.ignore, plan.wire());
    let seen = |row: &Value<'a>| match row.as_map() {
        Some(map) => Value::Map(chat::seen(map, ignored, wire, arena)),
        None => *row,
    };
    rows.iter().map(seen).collect()
}
