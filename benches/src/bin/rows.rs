//! MB/s from record batches to conversations, on one core.
//!
//! Usage: `rows FILE [ROUNDS]`, where FILE holds ShareGPT rows as JSON Lines, plain or `.zst`. The
//! rows are put into batches of structs first; speeds are medians over rounds, in MB of message
//! content per second.
#![expect(clippy::print_stdout, reason = "a bench talks to its user")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{Array, ArrayRef, ListArray, RecordBatch, StringArray, StructArray};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field};
use turnmill_core::chat::{Reader, Schema, SchemaOptions};
use turnmill_core::rules::RuleCounts;
use turnmill_core::source::arrow::{ArrowRows, Wanted};
use turnmill_core::source::json::{self, Splitter};
use turnmill_core::value::{Arena, Value};

const BATCH_ROWS: usize = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: rows FILE [ROUNDS]")?;
    let rounds = arguments.next().map_or(Ok(7), |rounds| rounds.parse())?;
    let file = std::fs::read(&path)?;
    let file = if Path::new(&path).extension() == Some("zst".as_ref()) {
        zstd::decode_all(&file[..])?
    } else {
        file
    };
    let (batches, bytes) = batches(&file)?;
    let reader = Reader::new(&SchemaOptions::new(Schema::Sharegpt))?;
    let mut times: Vec<Duration> = (0..rounds).map(|_| read(&batches, &reader)).collect();
    times.sort_unstable();
    let seconds = times[times.len() / 2].as_secs_f64();
    let megabytes = bytes as f64 / 1e6;
    println!("{path}: {megabytes:.1} MB of content");
    println!("{:>24} {:8.0} MB/s", "rows + schema", megabytes / seconds);
    Ok(())
}

/// Batches of the conversations of `file`, and the bytes of their content.
fn batches(file: &[u8]) -> turnmill_core::Result<(Vec<RecordBatch>, usize)> {
    let mut rows = json::RawRows::default();
    Splitter::new().feed(file, &mut rows)?;
    let arena = Arena::new();
    let conversations: Vec<Vec<[&str; 2]>> = rows
        .iter()
        .filter_map(|row| conversation(json::parse(row.bytes, &arena).ok()?.value))
        .collect();
    let bytes = conversations.iter().flatten().map(|[_, value]| value.len());
    let bytes = bytes.sum();
    Ok((conversations.chunks(BATCH_ROWS).map(batch).collect(), bytes))
}

fn conversation(row: Value<'_>) -> Option<Vec<[&str; 2]>> {
    let messages = row.as_map()?.get("conversations")?.as_list()?;

    messages.iter().map(|message| pair_of(*message)).collect()
}

fn pair_of(message: Value<'_>) -> Option<[&str; 2]> {
    let message = message.as_map()?;
    Some([
        message.get("from")?.as_str()?,
        message.get("value")?.as_str()?,
    ])
}

fn batch(conversations: &[Vec<[&str; 2]>]) -> RecordBatch {
    let messages = || conversations.iter().flatten();
    let column = |index: usize| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(
            messages().map(|pair| pair[index]),
        ))
    };
    let field = |name| Arc::new(Field::new(name, DataType::Utf8, true));
    let structs = StructArray::from(vec![
        (field("from"), column(0)),
        (field("value"), column(1)),
    ]);
    let mut ends = vec![0];
    for conversation in conversations {
        ends.push(ends[ends.len() - 1] + conversation.len() as i32);
    }
    let item = Arc::new(Field::new("item", structs.data_type().clone(), true));
    let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
    let list: ArrayRef = Arc::new(ListArray::new(item, offsets, Arc::new(structs), None));
    RecordBatch::from(StructArray::from(vec![(
        Arc::new(Field::new("conversations", list.data_type().clone(), true)),
        list,
    )]))
}

fn read(batches: &[RecordBatch], reader: &Reader) -> Duration {
    let started = Instant::now();
    let mut arena = Arena::new();
    let mut counts = RuleCounts::default();
    for batch in batches {
        let wanted = Wanted {
            columns: &reader.columns(),
            text_fields: &reader.text_fields(),
            carried: &[],
            noticed: &[],
        };
        let rows = ArrowRows::new(batch, &wanted);
        for index in 0..rows.len() {
            if let Ok(row) = rows.row(index, &arena, &mut counts) {
                std::hint::black_box(reader.read(row, &arena, &mut counts).is_ok());
            }
            arena.reset();
        }
    }
    started.elapsed()
}
