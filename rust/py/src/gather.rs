//! `Gatherer`: rows of many batches, in any order.

use std::sync::{Mutex, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, RecordBatch};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use turnmill_core::Result;
use turnmill_core::recipe::Column;
use turnmill_core::sink::{self, Pick};

use crate::capsule::{self, Batch};
use crate::detach;

/// Batches with the same columns, whose rows are copied in any order. If they are of samples that
/// waited, `columns` are those of the output to make of them.
#[pyclass(frozen, module = "turnmill._core")]
pub(crate) struct Gatherer(Mutex<sink::Gatherer>);

#[pymethods]
impl Gatherer {
    #[new]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an argument from Python is owned"
    )]
    fn new(py: Python<'_>, batches: Vec<Bound<'_, PyAny>>, columns: Vec<String>) -> PyResult<Self> {
        let batches: PyResult<Vec<_>> = batches.iter().map(capsule::batch).collect();
        let named = |name: &String| Column::ALL.iter().find(|column| column.name() == name);
        let columns: Vec<_> = columns.iter().filter_map(named).copied().collect();
        let batches = batches?;
        let gatherer = detach::run_short(py, || sink::Gatherer::new(batches, &columns))?;
        Ok(Self(Mutex::new(gatherer)))
    }

    /// Copies rows as they are: `sources` and `rows`, Arrow arrays of uint32, say from which batch
    /// each comes, and which row of it.
    fn rows(
        &self,
        py: Python<'_>,
        sources: &Bound<'_, PyAny>,
        rows: &Bound<'_, PyAny>,
    ) -> PyResult<Batch> {
        self.gathered(py, sources, rows, |gatherer, picks| gatherer.rows(picks))
    }

    /// Makes the columns of the output from such rows of samples that waited.
    fn samples(
        &self,
        py: Python<'_>,
        sources: &Bound<'_, PyAny>,
        rows: &Bound<'_, PyAny>,
    ) -> PyResult<Batch> {
        self.gathered(py, sources, rows, sink::Gatherer::samples)
    }
}

impl Gatherer {
    fn gathered(
        &self,
        py: Python<'_>,
        sources: &Bound<'_, PyAny>,
        rows: &Bound<'_, PyAny>,
        gather: impl FnOnce(&mut sink::Gatherer, &[Pick]) -> Result<RecordBatch> + Send,
    ) -> PyResult<Batch> {
        let (sources, rows) = (numbers(sources)?, numbers(rows)?);
        let picks: Vec<Pick> = sources.into_iter().zip(rows).collect();
        detach::run_short(py, || {
            let mut gatherer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let batch = gather(&mut gatherer, &picks)?;
            Ok(Batch::new(batch, &gatherer.spare()))
        })
    }
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
