//! Rows of many batches, in any order → batches.

use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, ListArray, RecordBatch, make_array};
use arrow_data::ArrayData;
use arrow_data::transform::MutableArrayData;

use super::cut::TableRows;
use super::list::{defect, lists};
use super::samples::SampleRows;
use super::spare::SpareBuffers;
use super::waiting::{Waited, count_tokens, int32_lists, tokens_of};
use crate::error::{Error, ErrorKind, Result};
use crate::recipe::Column;

/// Batches with the same columns, whose rows are copied in any order.
#[derive(Debug)]
pub struct Gatherer {
    sources: Vec<RecordBatch>,
    /// For batches of samples; empty, with the memory of the last.
    samples: SampleRows,
}

/// The source of a row, and its place in it.
pub type Pick = (u32, u32);

impl Gatherer {
    /// Takes the batches. If they are of samples that waited, `columns` are those to make of them.
    pub fn new(sources: Vec<RecordBatch>, columns: &[Column]) -> Result<Self> {
        let first = sources.first().ok_or_else(|| wrong("there is no batch"))?;
        let schema = first.schema();
        let differs = |source: &RecordBatch| source.schema_ref().fields() != schema.fields();
        if sources.iter().any(differs) {
            return Err(wrong("the batches have other columns than the first"));
        }
        let samples = SampleRows::new(columns, "");
        Ok(Self { sources, samples })
    }

    /// Takes back the memory of the batches that were made.
    pub fn spare(&self) -> SpareBuffers {
        self.samples.spare()
    }

    /// Copies rows as they are.
    pub fn rows(&self, picks: &[Pick]) -> Result<RecordBatch> {
        self.require(picks)?;
        let schema = self.sources[0].schema();
        let columns = 0..schema.fields().len();
        let columns = columns.map(|column| self.column(column, picks));
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        RecordBatch::try_new(schema, columns).map_err(defect)
    }

    /// Makes the columns of the output from samples that waited.
    pub fn samples(&mut self, picks: &[Pick]) -> Result<RecordBatch> {
        self.require(picks)?;
        let waited = Waited::new(&self.sources)?;
        self.samples.extend_waiting(&waited, picks);
        let batch = self.samples.take_batch()?;
        let name = Column::Source.name();
        let schema = batch.schema();
        let Some(place) = schema.column_with_name(name).map(|(place, _)| place) else {
            return Ok(batch);
        };
        let from = self.sources[0].schema().index_of(name).map_err(defect)?;
        let mut columns = batch.columns().to_vec();
        columns[place] = self.column(from, picks)?;
        RecordBatch::try_new(schema, columns).map_err(defect)
    }

    fn require(&self, picks: &[Pick]) -> Result<()> {
        let is_there = |(source, row): &Pick| {
            let batch = self.sources.get(*source as usize);
            batch.is_some_and(|batch| (*row as usize) < batch.num_rows())
        };
        if picks.iter().all(is_there) {
            return Ok(());
        }
        Err(wrong("a row is not there"))
    }

    fn column(&self, column: usize, picks: &[Pick]) -> Result<ArrayRef> {
        let columns = self.sources.iter().map(|source| source.column(column));
        let tokens: Option<Vec<_>> = columns.map(int32_lists).collect();
        match tokens {
            Some(tokens) => self.token_lists(&tokens, picks),
            None => self.any_column(column, picks),
        }
    }

    /// Most of the bytes: they go to memory that was used before.
    fn token_lists(&self, sources: &[&ListArray], picks: &[Pick]) -> Result<ArrayRef> {
        let mut values = self.samples.spare.take();
        values.reserve(count_tokens(sources, picks));
        let mut ends = Vec::with_capacity(picks.len());
        for &(source, row) in picks {
            values.extend_from_slice(tokens_of(sources[source as usize], row as usize));
            ends.push(values.len());
        }
        lists::<Int32Type>(&mut values, &ends)
    }

    fn any_column(&self, column: usize, picks: &[Pick]) -> Result<ArrayRef> {
        let sources = self.sources.iter();
        let arrays: Vec<ArrayData> = sources
            .map(|source| source.column(column).to_data())
            .collect();
        let mut out = MutableArrayData::new(arrays.iter().collect(), false, picks.len());
        for (source, row) in picks {
            let row = *row as usize;
            out.try_extend(*source as usize, row, row + 1)
                .map_err(defect)?;
        }
        Ok(make_array(out.freeze()))
    }
}

fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::Internal, "gather", what)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int32Type;
    use arrow_array::{Int32Array, ListArray, StringArray};
    use arrow_schema::{DataType, Field, Schema};

    use super::*;

    fn rows(numbers: &[i32], texts: &[Option<&str>]) -> RecordBatch {
        let lists = numbers.iter().map(|n| Some((0..*n).map(Some)));
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(lists);
        let schema = Schema::new(vec![
            Field::new("n", DataType::Int32, true),
            Field::new("ids", lists.data_type().clone(), true),
            Field::new("text", DataType::Utf8, true),
        ]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from(numbers.to_vec())),
            Arc::new(lists),
            Arc::new(StringArray::from(texts.to_vec())),
        ];
        RecordBatch::try_new(Arc::new(schema), columns).unwrap()
    }

    #[test]
    fn rows_keep_their_columns_in_any_order() {
        let one = rows(&[1, 0, 3], &[Some("a"), None, Some("c")]);
        let two = rows(&[9, 4], &[Some("x"), Some("y")]).slice(1, 1);
        let picks = [(1, 0), (0, 2), (0, 1), (0, 2)];
        let gatherer = Gatherer::new(vec![one, two], &[]).unwrap();
        let found = gatherer.rows(&picks).unwrap();
        assert_eq!(
            found,
            rows(&[4, 3, 0, 3], &[Some("y"), Some("c"), None, Some("c")])
        );
        assert_eq!(found["ids"].as_list::<i32>().value_length(0), 4);
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        let one = rows(&[1], &[None]);
        let other = one.project(&[0]).unwrap();
        assert!(Gatherer::new(vec![], &[]).is_err());
        assert!(Gatherer::new(vec![one.clone(), other], &[]).is_err());
        let mut gatherer = Gatherer::new(vec![one], &[]).unwrap();
        assert!(gatherer.rows(&[(0, 1)]).is_err());
        assert!(gatherer.rows(&[(1, 0)]).is_err());
        assert!(gatherer.samples(&[(0, 0)]).is_err(), "no samples that wait");
    }
}
