//! Record batches → one value per row.
//!
//! Structs become objects. Their null fields are dropped at every depth: a file stores objects with
//! different keys (tool calls with different arguments) as one struct with all keys, and a template
//! would print nulls that nobody wrote. Nulls in lists, maps and top-level columns are kept. Text of
//! the extension type `arrow.json` becomes the value that it stands for, as `datasets` reads its `Json`.

mod column;
mod scalar;
#[cfg(test)]
mod tests;

use arrow_array::RecordBatch;

use crate::rules::{Reject, Rule, RuleCounts};
use crate::value::{Arena, Map, Value};
use column::{Column, Reading};

/// Which columns of a batch are read, and how strictly.
#[derive(Clone, Debug, Default)]
pub struct Wanted<'a> {
    /// Columns that hold conversations. Dates, timestamps and bytes in them reject the row: the
    /// program that wrote the file made them from text, and that text is lost.
    pub columns: &'a [&'a str],
    /// Fields of a message that are text. A date in another field becomes text in ISO form.
    pub text_fields: &'a [&'a str],
    /// Columns carried over into the index, of any type.
    pub carried: &'a [String],
    /// Columns of which it counts only whether they hold something. Text, numbers and truth values
    /// are themselves; anything else is `true`, or null where it is empty.
    pub noticed: &'a [&'a str],
}

/// The rows of one batch. Strings are borrowed from it.
#[derive(Debug)]
pub struct ArrowRows {
    columns: Vec<(String, Column)>,
    length: usize,
}

impl ArrowRows {
    /// Takes the wanted columns of `batch`; missing ones are left out.
    pub fn new(batch: &RecordBatch, wanted: &Wanted<'_>) -> Self {
        let mut columns = Vec::new();
        for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
            let name = field.name();
            let is_read = wanted.columns.contains(&name.as_str());
            if is_read {
                let column = Column::of_row(array, field, wanted.text_fields);
                columns.push((name.clone(), column));
            } else if wanted.carried.contains(name) {
                columns.push((name.clone(), Column::carried(array, field)));
            } else if wanted.noticed.contains(&name.as_str()) {
                columns.push((name.clone(), Column::noticed(array, field)));
            }
        }
        Self {
            columns,
            length: batch.num_rows(),
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The row at `index` as an object of its columns.
    ///
    /// A row whose text was changed by the writer of the file is rejected
    /// (`type-coerced-content`); a row from which nulls were dropped is counted
    /// (`arrow-null-dropped`).
    pub fn row<'a>(
        &'a self,
        index: usize,
        arena: &'a Arena,
        counts: &mut RuleCounts,
    ) -> Result<Value<'a>, Reject> {
        let mut reading = Reading {
            arena,
            dropped_null: false,
        };
        let mut entries = bumpalo::collections::Vec::with_capacity_in(self.columns.len(), arena);
        for (name, column) in &self.columns {
            entries.push((name.as_str(), column.value(index, &mut reading)?));
        }
        if reading.dropped_null {
            counts.add(Rule::ArrowNullDropped, 1);
        }
        Ok(Value::Map(Map::new(entries.into_bump_slice())))
    }
}
