//! The table that leads from a sample back to its row.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::types::{Int32Type, Int64Type, UInt64Type};
use arrow_array::{ArrayRef, FixedSizeBinaryArray, Int64Array, RecordBatch, StringArray};
use arrow_buffer::Buffer;

use super::cut::TableRows;
use super::list::{batch, primitive};
use crate::error::Result;
use crate::recipe::index_column;
use crate::source::json::write_json;
use crate::value::{Map, Value};

/// The size of the hash of a conversation.
const CONVERSATION_BYTES: i32 = 16;

/// What the index holds about one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexRow {
    /// Row of the input, from 0.
    pub row: u64,
    /// Line of the input, from 1; `None` for columnar input.
    pub line: Option<u64>,
    /// Number of the sample among those of its row, from 0.
    pub sample: u32,
    /// Number of assistant turns.
    pub turns: u32,
    /// Number of tokens.
    pub length: u32,
    /// Number of trained tokens.
    pub trained: u32,
    /// Hash (xxh3, 64 bits) of the row: of its JSON text, or of its values for columnar input.
    pub hash: u64,
    /// What the row says; the same for equal conversations of any schema.
    pub conversation: u128,
}

/// Rows of the index in flat vectors.
#[derive(Clone, Debug)]
pub struct IndexRows {
    carried: Arc<[String]>,
    rows: Vec<IndexRow>,
    /// Values of the carried columns, row after row. Values that are not strings are JSON text.
    texts: Vec<Option<String>>,
}

impl IndexRows {
    /// An empty index that copies the columns named in `carried` from the rows.
    pub fn new(carried: &[String]) -> Self {
        Self {
            carried: carried.into(),
            rows: Vec::new(),
            texts: Vec::new(),
        }
    }

    /// Adds a sample made from `row`, which gives the carried columns; missing keys are null.
    pub fn push(&mut self, entry: IndexRow, row: Map<'_>) {
        self.rows.push(entry);
        for name in &*self.carried {
            self.texts.push(row.get_some(name).map(text_of));
        }
    }

    /// Clears the index and keeps its memory.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.texts.clear();
    }

    fn int64(&self, value: fn(&IndexRow) -> u64) -> ArrayRef {
        primitive::<Int64Type>(&mut self.rows.iter().map(|row| value(row) as i64).collect())
    }

    fn int32(&self, value: fn(&IndexRow) -> u32) -> ArrayRef {
        primitive::<Int32Type>(&mut self.rows.iter().map(|row| value(row) as i32).collect())
    }

    /// The most significant byte comes first.
    fn conversations(&self) -> ArrayRef {
        let bytes = self
            .rows
            .iter()
            .flat_map(|row| row.conversation.to_be_bytes());
        let bytes = Buffer::from_vec(bytes.collect::<Vec<u8>>());
        Arc::new(FixedSizeBinaryArray::new(CONVERSATION_BYTES, bytes, None))
    }

    fn carried_column(&self, index: usize) -> ArrayRef {
        let texts = self.texts.iter().skip(index).step_by(self.carried.len());
        Arc::new(texts.map(Option::as_deref).collect::<StringArray>())
    }
}

fn text_of(value: Value<'_>) -> String {
    let mut text = String::new();
    match value {
        Value::Str(string) => text.push_str(string),
        other => write_json(other, &mut text),
    }
    text
}

impl TableRows for IndexRows {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn extend(&mut self, other: &Self, rows: Range<usize>) {
        let width = self.carried.len();
        let texts = &other.texts[rows.start * width..rows.end * width];
        self.texts.extend_from_slice(texts);
        self.rows.extend_from_slice(&other.rows[rows]);
    }

    fn take_batch(&mut self) -> Result<RecordBatch> {
        let lines: Int64Array = self
            .rows
            .iter()
            .map(|row| row.line.map(|line| line as i64))
            .collect();
        let hashes = primitive::<UInt64Type>(&mut self.rows.iter().map(|row| row.hash).collect());
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("row", self.int64(|row| row.row)),
            ("line", Arc::new(lines)),
            ("sample", self.int32(|row| row.sample)),
            ("turns", self.int32(|row| row.turns)),
            ("length", self.int32(|row| row.length)),
            ("trained", self.int32(|row| row.trained)),
            ("hash", hashes),
            ("conversation", self.conversations()),
        ];
        let names: Vec<_> = self.carried.iter().map(|name| index_column(name)).collect();
        for (index, name) in names.iter().enumerate() {
            columns.push((name, self.carried_column(index)));
        }
        let batch = batch(columns, self.rows.len());
        self.clear();
        batch
    }
}
