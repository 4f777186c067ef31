//! Samples → hashes.

use pyo3::prelude::*;
use turnmill_core::audit;

use crate::flat::Flat;
use crate::{capsule, detach};

/// A hash of the integer lists of each row, int64, over those of `columns` that are there.
#[pyfunction]
#[expect(
    clippy::needless_pass_by_value,
    reason = "an argument from Python is owned"
)]
pub(crate) fn sample_digests(
    py: Python<'_>,
    batch: &Bound<'_, PyAny>,
    columns: Vec<String>,
) -> PyResult<Flat> {
    let batch = capsule::batch(batch)?;
    detach::run_short(py, || audit::digests(&batch, &columns)).map(Flat::new)
}
