//! The table of samples.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::types::{Float32Type, Int8Type, Int32Type};
use arrow_array::{ArrayRef, RecordBatch, StringArray};

use super::cut::Part;
use super::list::{batch, lists, primitive};
use super::spare::SpareBuffers;
use crate::error::Result;
use crate::recipe::Column;
use crate::rules::is_trained;

/// One written training example.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// Token ids.
    pub ids: &'a [u32],
    /// Labels, aligned with the ids; -100 = not trained. Empty if the table has no labels.
    pub labels: &'a [i32],
    /// Weights of the tokens. If empty, 1 for trained labels and 0 for others.
    pub weights: &'a [f32],
}

/// Samples in flat vectors, with the columns that the recipe asks for.
#[derive(Clone, Debug)]
pub struct Samples {
    columns: Arc<[Column]>,
    source: Arc<str>,
    ids: Vec<i32>,
    labels: Vec<i32>,
    weights: Vec<f32>,
    /// Where each sample ends in `ids`.
    ends: Vec<usize>,
    spare: SpareBuffers,
}

impl Samples {
    /// An empty table. `columns` are written in the order of the recipe's column list; `source` is
    /// the text of the column `source`.
    pub fn new(columns: &[Column], source: &str) -> Self {
        Self {
            columns: columns.into(),
            source: source.into(),
            ids: Vec::new(),
            labels: Vec::new(),
            weights: Vec::new(),
            ends: Vec::new(),
            spare: SpareBuffers::default(),
        }
    }

    /// Takes back the memory of written batches.
    pub fn spare(&self) -> SpareBuffers {
        self.spare.clone()
    }

    fn has(&self, column: Column) -> bool {
        self.columns.contains(&column)
    }

    /// Adds a sample.
    pub fn push(&mut self, sample: Sample<'_>) {
        self.ids.extend(sample.ids.iter().map(|id| *id as i32));
        if self.has(Column::Labels) {
            debug_assert_eq!(sample.ids.len(), sample.labels.len());
            self.labels.extend_from_slice(sample.labels);
        }
        if self.has(Column::Weights) && sample.weights.is_empty() {
            let trained = |label: &i32| f32::from(u8::from(is_trained(*label)));
            self.weights.extend(sample.labels.iter().map(trained));
        } else if self.has(Column::Weights) {
            self.weights.extend_from_slice(sample.weights);
        }
        self.ends.push(self.ids.len());
    }

    /// Clears the table and keeps its memory.
    pub fn clear(&mut self) {
        self.ids.clear();
        self.labels.clear();
        self.weights.clear();
        self.ends.clear();
    }

    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// Offset of the first token of the sample at `row`.
    fn start_of(&self, row: usize) -> usize {
        row.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    fn column(&mut self, column: Column) -> Result<ArrayRef> {
        let tokens = self.ends.last().copied().unwrap_or(0);
        Ok(match column {
            Column::InputIds => lists::<Int32Type>(&mut self.ids, &self.ends)?,
            Column::Labels => lists::<Int32Type>(&mut self.labels, &self.ends)?,
            Column::AttentionMask => lists::<Int8Type>(&mut vec![1; tokens], &self.ends)?,
            Column::Length => {
                primitive::<Int32Type>(&mut self.lengths().map(|length| length as i32).collect())
            }
            Column::PositionIds => lists::<Int32Type>(&mut self.positions(), &self.ends)?,
            Column::Weights => lists::<Float32Type>(&mut self.weights, &self.ends)?,
            Column::Source => Arc::new(StringArray::from_iter_values(
                self.ends.iter().map(|_| &*self.source),
            )),
        })
    }

    /// Reserves room for a batch as long as the last one; growing step by step would copy it.
    fn make_room(&mut self) {
        let tokens = self.ends.last().copied().unwrap_or(0);
        let taken = [
            (Column::InputIds, &mut self.ids),
            (Column::Labels, &mut self.labels),
        ];
        for (column, values) in taken {
            if self.columns.contains(&column) {
                *values = self.spare.take();
                values.reserve(tokens);
            }
        }
    }

    /// How many tokens each sample has.
    pub fn lengths(&self) -> impl Iterator<Item = usize> {
        (0..self.ends.len()).map(|row| self.ends[row] - self.start_of(row))
    }

    fn positions(&self) -> Vec<i32> {
        self.lengths().flat_map(|length| 0..length as i32).collect()
    }
}

impl Part for Samples {
    fn len(&self) -> usize {
        self.ends.len()
    }

    fn extend(&mut self, other: &Self, rows: Range<usize>) {
        let (first, last) = (other.start_of(rows.start), other.start_of(rows.end));
        let shift = self.ids.len();
        self.ids.extend_from_slice(&other.ids[first..last]);
        if self.has(Column::Labels) {
            self.labels.extend_from_slice(&other.labels[first..last]);
        }
        if self.has(Column::Weights) {
            self.weights.extend_from_slice(&other.weights[first..last]);
        }
        let ends = other.ends[rows].iter().map(|end| end - first + shift);
        self.ends.extend(ends);
    }

    fn take_batch(&mut self) -> Result<RecordBatch> {
        let columns = Arc::clone(&self.columns);
        let arrays: Result<Vec<_>> = columns
            .iter()
            .map(|column| Ok((column.name(), self.column(*column)?)))
            .collect();
        let batch = batch(arrays?, self.ends.len());
        self.make_room();
        self.clear();
        batch
    }
}
