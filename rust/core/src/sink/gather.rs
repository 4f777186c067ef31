//! Rows of many batches, in any order → one batch.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, make_array};
use arrow_data::ArrayData;
use arrow_data::transform::MutableArrayData;

use super::list::defect;
use crate::error::{Error, ErrorKind, Result};

/// Copies rows of `sources`, which have the same columns, in the order of `picks`: the source and
/// the row in it of each.
pub fn gather(sources: &[RecordBatch], picks: &[(u32, u32)]) -> Result<RecordBatch> {
    let first = sources.first().ok_or_else(|| wrong("there is no batch"))?;
    let schema = first.schema();
    if sources
        .iter()
        .any(|source| source.schema_ref().fields() != schema.fields())
    {
        return Err(wrong("the batches have other columns than the first"));
    }
    let is_there = |(source, row): &(u32, u32)| {
        let batch = sources.get(*source as usize);
        batch.is_some_and(|batch| (*row as usize) < batch.num_rows())
    };
    if !picks.iter().all(is_there) {
        return Err(wrong("a row is not there"));
    }
    let columns = (0..schema.fields().len()).map(|column| gathered(sources, column, picks));
    let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
    RecordBatch::try_new(Arc::clone(&schema), columns).map_err(defect)
}

fn gathered(sources: &[RecordBatch], column: usize, picks: &[(u32, u32)]) -> Result<ArrayRef> {
    let arrays: Vec<ArrayData> = sources
        .iter()
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

fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::Internal, "gather", what)
}

#[cfg(test)]
mod tests {
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
        let found = gather(&[one, two], &picks).unwrap();
        assert_eq!(
            found,
            rows(&[4, 3, 0, 3], &[Some("y"), Some("c"), None, Some("c")])
        );
        assert_eq!(found["ids"].as_list::<i32>().value_length(0), 4);
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        let one = rows(&[1], &[None]);
        assert!(gather(std::slice::from_ref(&one), &[(0, 1)]).is_err());
        assert!(gather(std::slice::from_ref(&one), &[(1, 0)]).is_err());
        assert!(gather(&[], &[]).is_err());
        let other = one.project(&[0]).unwrap();
        assert!(gather(&[one, other], &[]).is_err());
    }
}
