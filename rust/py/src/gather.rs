//! Rows of many batches, in any order → one batch.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use turnmill_core::sink::{self, SpareBuffers};

use crate::capsule::{self, Batch};
use crate::detach;

/// Copies rows of batches with the same columns: `sources` and `rows`, Arrow arrays of uint32, say
/// from which batch each row comes, and which row of it.
#[pyfunction]
#[expect(
    clippy::needless_pass_by_value,
    reason = "an argument from Python is owned"
)]
pub(crate) fn gather(
    py: Python<'_>,
    batches: Vec<Bound<'_, PyAny>>,
    sources: &Bound<'_, PyAny>,
    rows: &Bound<'_, PyAny>,
) -> PyResult<Batch> {
    let batches: PyResult<Vec<_>> = batches.iter().map(capsule::batch).collect();
    let (batches, sources, rows) = (batches?, numbers(sources)?, numbers(rows)?);
    let gathered = detach::run(py, |_| {
        let picks: Vec<(u32, u32)> = sources.into_iter().zip(rows).collect();
        sink::gather(&batches, &picks)
    })?;
    Ok(Batch::new(gathered, &SpareBuffers::default()))
}

fn numbers(array: &Bound<'_, PyAny>) -> PyResult<Vec<u32>> {
    let array = capsule::arrays(array)?.and_then(|mut arrays| arrays.next());
    let array = array.transpose().map_err(capsule::arrow_error)?;
    let found = array
        .as_ref()
        .and_then(|array| array.as_primitive_opt::<UInt32Type>());
    match found {
        Some(numbers) if numbers.null_count() == 0 => Ok(numbers.values().to_vec()),
        _ => Err(PyValueError::new_err("expected an Arrow array of uint32")),
    }
}
