//! A look at the first rows: their schema, and decisions that are needed before the run.

use arrow_array::RecordBatch;

use super::history_cost::HistoryCosts;
use super::{Encoder, history_cost};
use crate::chat::{self, Conversation, Record, Schema};
use crate::recipe::History;
use crate::rules::RuleCounts;
use crate::setup::templates;
use crate::source::arrow::{Rows as ArrowRows, Wanted};
use crate::source::json::{self, Rows, Splitter};
use crate::value::{Arena, Value};
use crate::{Error, ErrorKind, Result};

/// What the first rows show.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Their schema.
    pub schema: Schema,
    /// What each choice of `history` gives on them, where the template renders earlier turns
    /// otherwise than at inference and the recipe leaves the choice open.
    pub costs: Option<HistoryCosts>,
}

/// Rows that are looked at.
const SAMPLE_ROWS: usize = 200;

pub(crate) fn bytes(encoder: &Encoder, head: &[u8]) -> Result<Inspection> {
    with_bytes(head, |rows| values(encoder, rows))
}

/// Reads the first rows of JSON bytes, the last of which may be cut.
pub(crate) fn with_bytes<T>(
    head: &[u8],
    look: impl FnOnce(&[Value<'_>]) -> Result<T>,
) -> Result<T> {
    let mut splitter = Splitter::new();
    let mut rows = Rows::default();
    splitter.feed(head, &mut rows)?;
    if rows.is_empty() {
        // One row without a line end, or nothing at all; a row that is cut says so by itself.
        splitter.finish(&mut rows)?;
    }
    let arena = Arena::new();
    let values: Vec<Value<'_>> = rows
        .iter()
        .take(SAMPLE_ROWS)
        .filter_map(|row| Some(json::parse(row.bytes, &arena).ok()?.value))
        .collect();
    if values.is_empty() && !rows.is_empty() {
        return Err(not_json(&rows));
    }
    look(&values)
}

/// The error of a file none of whose first rows is JSON.
fn not_json(rows: &Rows) -> Error {
    let arena = Arena::new();
    let first = rows
        .get(0)
        .map(|row| (row.line, json::parse(row.bytes, &arena)));
    let (line, why) = match first {
        Some((line, Err(error))) => (line, error.to_string()),
        _ => (1, String::new()),
    };
    let none = match rows.len() {
        1 => "the first row is not JSON".to_owned(),
        many => format!("none of the first {many} rows is JSON"),
    };
    let hint = if why.contains("UTF-8") {
        "save the file as UTF-8"
    } else {
        "inputs are JSON Lines (one object a line), a JSON array, Parquet or Arrow; a single \
         object that holds the rows is none of these: take the list out of it"
    };
    Error::new(ErrorKind::Data, "invalid-json", format!("{none}: {why}"))
        .at_line(line)
        .hint(hint)
}

pub(crate) fn batch(encoder: &Encoder, batch: &RecordBatch) -> Result<Inspection> {
    with_batch(batch, |rows| values(encoder, rows))
}

/// Reads the first rows of a record batch.
pub(crate) fn with_batch<T>(
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
    // Leniently: a date in a column that no schema reads must not hide the rows.
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

pub(crate) fn values(encoder: &Encoder, rows: &[Value<'_>]) -> Result<Inspection> {
    let plan = &encoder.plan;
    let rows = &rows[..rows.len().min(SAMPLE_ROWS)];
    let schema = match plan.recipe.schema {
        Some(schema) => schema,
        None => chat::detect(rows)?,
    };
    let reader = plan.reader(schema)?;
    let arena = Arena::new();
    let mut counts = RuleCounts::default();
    let conversations: Vec<Conversation<'_>> = rows
        .iter()
        .filter_map(|row| match reader.read(*row, &arena, &mut counts) {
            Ok(Record::Conversation(conversation)) => Some(conversation),
            _ => None,
        })
        .collect();
    if conversations.is_empty() {
        return Ok(Inspection {
            schema,
            costs: None,
        });
    }
    if plan.templates.is_none() {
        return Err(templates::missing());
    }
    let costs = match plan.recipe.history {
        History::Auto => history_cost::list(plan, &conversations, &arena),
        _ => None,
    };
    match costs {
        Some(costs) if costs.losing > 0 => Err(costs.error()),
        costs => Ok(Inspection { schema, costs }),
    }
}
