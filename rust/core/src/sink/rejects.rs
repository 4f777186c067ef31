//! The table of rejected rows.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::types::Int64Type;
use arrow_array::{Int32Array, Int64Array, RecordBatch, StringArray};

use super::cut::TableRows;
use super::list::{batch, primitive};
use crate::error::Result;
use crate::rules::Reject;

/// Rejects in the order of their rows.
#[derive(Clone, Debug, Default)]
pub struct RejectRows {
    rows: Vec<i64>,
    lines: Vec<Option<i64>>,
    rejects: Vec<Reject>,
}

impl RejectRows {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the reject of `row`, from 0, that stands on `line`, from 1.
    pub fn push(&mut self, row: u64, line: Option<u64>, reject: Reject) {
        self.rows.push(row as i64);
        self.lines.push(line.map(|line| line as i64));
        self.rejects.push(reject);
    }

    /// Clears the table and keeps its memory.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.lines.clear();
        self.rejects.clear();
    }

    /// The rejects.
    pub fn iter(&self) -> impl Iterator<Item = &Reject> {
        self.rejects.iter()
    }
}

impl TableRows for RejectRows {
    fn len(&self) -> usize {
        self.rejects.len()
    }

    fn extend(&mut self, other: &Self, rows: Range<usize>) {
        self.rows.extend_from_slice(&other.rows[rows.clone()]);
        self.lines.extend_from_slice(&other.lines[rows.clone()]);
        self.rejects.extend_from_slice(&other.rejects[rows]);
    }

    /// Columns: `row` int64, `line` int64 (null for columnar input), `code` and `reason` string,
    /// `message` int32: index of the message it concerns, null where it concerns the whole row.
    fn take_batch(&mut self) -> Result<RecordBatch> {
        let lines: Int64Array = self.lines.drain(..).collect();
        let codes = self.rejects.iter().map(|reject| reject.rule.name());
        let reasons = self.rejects.iter().map(|reject| &reject.reason);
        let messages = self
            .rejects
            .iter()
            .map(|reject| reject.message.map(|index| index as i32));
        let rows = self.rejects.len();
        let batch = batch(
            vec![
                ("row", primitive::<Int64Type>(&mut self.rows)),
                ("line", Arc::new(lines)),
                ("code", Arc::new(StringArray::from_iter_values(codes))),
                ("reason", Arc::new(StringArray::from_iter_values(reasons))),
                ("message", Arc::new(messages.collect::<Int32Array>())),
            ],
            rows,
        );
        self.clear();
        batch
    }
}
