//! Arrow arrays from flat vectors, without a copy.

use std::sync::Arc;

use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{Array, ArrayRef, ListArray, PrimitiveArray, RecordBatch, RecordBatchOptions};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, Field, Schema};

use crate::error::{Error, ErrorKind, Result};

/// Takes all of `values` as a primitive array.
pub(super) fn primitive<T: ArrowPrimitiveType>(values: &mut Vec<T::Native>) -> ArrayRef {
    let values = ScalarBuffer::from(std::mem::take(values));
    Arc::new(PrimitiveArray::<T>::new(values, None))
}

/// Takes all of `values` as lists that end at the offsets in `ends`. The child is a nullable
/// `item`, as pyarrow names it and every release of `datasets` loads it.
pub(super) fn lists<T: ArrowPrimitiveType>(
    values: &mut Vec<T::Native>,
    ends: &[usize],
) -> Result<ArrayRef> {
    let item = Arc::new(Field::new("item", T::DATA_TYPE, true));
    let mut offsets = Vec::with_capacity(ends.len() + 1);
    offsets.push(0);
    for end in ends {
        offsets.push(i32::try_from(*end).map_err(|_| too_large())?);
    }
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let list = ListArray::try_new(item, offsets, primitive::<T>(values), None).map_err(defect)?;
    Ok(Arc::new(list))
}

/// A batch of named columns, every one nullable.
pub(super) fn batch(columns: Vec<(&str, ArrayRef)>, rows: usize) -> Result<RecordBatch> {
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns
        .into_iter()
        .map(|(name, array)| (Field::new(name, array.data_type().clone(), true), array))
        .unzip();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .map_err(defect)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it serves as a function of map_err"
)]
pub(super) fn defect(error: ArrowError) -> Error {
    Error::new(ErrorKind::Internal, "arrow", error.to_string())
}

fn too_large() -> Error {
    let what = "a batch of rows has more than 2,147,483,647 tokens";
    Error::new(ErrorKind::Data, "batch-too-large", what).hint("set max_length")
}
