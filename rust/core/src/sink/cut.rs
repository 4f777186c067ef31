//! Parts of any size → batches of one size.

use std::ops::Range;

use arrow_array::RecordBatch;

use crate::error::Result;

/// Rows of a written batch: small enough that one row is read quickly from a mapped file.
pub const BATCH_ROWS: usize = 1000;

/// Rows of one table in flat vectors.
pub trait TableRows {
    /// How many rows it holds.
    fn len(&self) -> usize;

    /// Whether it holds no rows.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds some rows of another part of the same table.
    fn extend(&mut self, other: &Self, rows: Range<usize>);

    /// Moves all rows out into a batch. The part is empty afterwards.
    fn take_batch(&mut self) -> Result<RecordBatch>;
}

/// Joins parts in order and cuts them into batches.
#[derive(Debug)]
pub struct Batches<T> {
    pending: T,
    rows: usize,
    cut_any: bool,
}

impl<T: TableRows> Batches<T> {
    /// Batches of `rows` rows; `pending` is an empty part of the table.
    pub fn new(pending: T, rows: usize) -> Self {
        Self {
            pending,
            rows: rows.max(1),
            cut_any: false,
        }
    }

    /// Adds the rows of `part`; full batches go to `out`.
    pub fn append(&mut self, part: &T, out: &mut Vec<RecordBatch>) -> Result<()> {
        let mut start = 0;
        while start < part.len() {
            let end = part.len().min(start + self.rows - self.pending.len());
            self.pending.extend(part, start..end);
            start = end;
            if self.pending.len() == self.rows {
                out.push(self.pending.take_batch()?);
                self.cut_any = true;
            }
        }
        Ok(())
    }

    /// Returns the remaining rows. A table without rows gives one empty batch, which carries the
    /// schema.
    pub fn finish(&mut self, out: &mut Vec<RecordBatch>) -> Result<()> {
        if !self.pending.is_empty() || !self.cut_any {
            out.push(self.pending.take_batch()?);
            self.cut_any = true;
        }
        Ok(())
    }
}
