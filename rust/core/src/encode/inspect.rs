//! A look at the first rows: their schema, and decisions that are needed before the run.

use arrow_array::RecordBatch;

use super::history::lost_turns;
use super::plan::Plan;
use super::row::Desk;
use super::{Encoder, Refusal, history, templates};
use crate::batch::rows::{Rows as ArrowRows, Wanted};
use crate::chat::{self, Conversation, Record, Schema};
use crate::check::RuleCounts;
use crate::jsonl::{self, Rows, Splitter};
use crate::recipe::History;
use crate::value::{Arena, Value};
use crate::{Error, ErrorKind, Result};

/// Rows that are looked at.
const SAMPLE_ROWS: usize = 200;

pub(super) fn bytes(encoder: &Encoder, head: &[u8]) -> Result<Schema> {
    with_bytes(head, |rows| values(encoder, rows))
}

/// Reads the first rows of JSON bytes, the last of which may be cut.
pub(super) fn with_bytes<T>(
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
        .filter_map(|row| Some(jsonl::parse(row.bytes, &arena).ok()?.value))
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
        .map(|row| (row.line, jsonl::parse(row.bytes, &arena)));
    let (line, why) = match first {
        Some((line, Err(error))) => (line, error.to_string()),
        _ => (1, String::new()),
    };
    Error::new(
        ErrorKind::Data,
        "invalid-json",
        format!("none of the first {} rows is JSON: {why}", rows.len()),
    )
    .at_line(line)
    .hint("inputs are JSON Lines, a JSON array, Parquet or Arrow; is this one of them?")
}

pub(super) fn batch(encoder: &Encoder, batch: &RecordBatch) -> Result<Schema> {
    with_batch(batch, |rows| values(encoder, rows))
}

/// Reads the first rows of a record batch.
pub(super) fn with_batch<T>(
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

pub(super) fn values(encoder: &Encoder, rows: &[Value<'_>]) -> Result<Schema> {
    let plan = &encoder.plan;
    let rows = &rows[..rows.len().min(SAMPLE_ROWS)];
    let schema = match &plan.recipe.schema {
        Some(name) => Schema::from_name(name)?,
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
        return Ok(schema);
    }
    if plan.templates.is_none() {
        return Err(templates::missing());
    }
    if plan.recipe.history == History::Auto {
        require_reasoning(plan, &conversations, &arena)?;
    }
    Ok(schema)
}

/// An error with a price list where the template would drop reasoning from earlier turns.
fn require_reasoning<'a>(
    plan: &Plan,
    conversations: &[Conversation<'a>],
    arena: &'a Arena,
) -> Result<()> {
    let as_rendered = plan.with_history(History::AsRendered);
    let mut desk = Desk::new(&as_rendered);
    let mut price = Price::default();
    for conversation in conversations {
        if desk
            .conversation(&as_rendered, conversation, arena)
            .is_err()
        {
            continue;
        }
        price.turns += desk.turns.len();
        price.tokens += u64::from(desk.trained());
        if history::lost_in_history(conversation, &desk.rendered) {
            price.rows += 1;
            let lost = lost_turns(conversation, &desk.rendered);
            let ratio = desk.encoding.ids.len() as f64 / desk.rendered.text.len().max(1) as f64;
            for (_, bytes) in lost {
                price.lost_turns += 1;
                price.lost_tokens += (bytes as f64 * ratio) as u64;
            }
        }
    }
    if price.rows == 0 {
        return Ok(());
    }
    let last_turn = plan.with_history(History::LastTurn);
    for conversation in conversations {
        match desk.conversation(&last_turn, conversation, arena) {
            Ok(()) => price.add_last_turn(&desk),
            Err(Refusal::Row(_)) => {}
            Err(Refusal::Run(error)) => return Err(error),
        }
    }
    Err(price.error(conversations.len()))
}

/// What the choices cost on the sample.
#[derive(Default)]
struct Price {
    rows: usize,
    turns: usize,
    tokens: u64,
    lost_turns: usize,
    lost_tokens: u64,
    last_turns: usize,
    last_tokens: u64,
}

impl Price {
    fn add_last_turn(&mut self, desk: &Desk) {
        self.last_turns += desk.turns.len();
        self.last_tokens += u64::from(desk.trained());
    }

    fn error(&self, sampled: usize) -> Error {
        Error::new(
            ErrorKind::Recipe,
            "reasoning-dropped",
            format!(
                "in {} of the first {sampled} rows the template leaves the reasoning of earlier \
                 turns out",
                self.rows
            ),
        )
        .hint(format!(
            "choose: --history {} trains {} turns and {} tokens, {} of the turns without their \
             reasoning (about {} tokens); --history {} trains {} turns and {} tokens, each as at \
             inference",
            History::AsRendered.word(),
            self.turns,
            self.tokens,
            self.lost_turns,
            self.lost_tokens,
            History::LastTurn.word(),
            self.last_turns,
            self.last_tokens,
        ))
    }
}
