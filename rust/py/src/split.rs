//! `Splitter`: the rows of a JSON input, cut as a run cuts them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use turnmill_core::source::json::{self, RawRows};
use turnmill_core::{Error, Result};

use crate::errors;

/// Row, line and text of a row.
type Found<'py> = (u64, u64, Bound<'py, PyBytes>);

/// Splits one file into rows without reading them; see `json::Splitter`.
#[pyclass(frozen, module = "turnmill._core")]
pub(crate) struct Splitter(Mutex<Cut>);

struct Cut {
    splitter: json::Splitter,
    rows: RawRows,
    /// The rows before a broken place come first, then its error.
    broken: Option<Error>,
}

#[pymethods]
impl Splitter {
    /// For a JSON array or for JSON Lines.
    #[new]
    fn new(array: bool) -> Self {
        let splitter = if array {
            json::Splitter::new()
        } else {
            json::Splitter::for_range(0, u64::MAX)
        };
        Self(Mutex::new(Cut {
            splitter,
            rows: RawRows::default(),
            broken: None,
        }))
    }

    /// The rows that end in these bytes.
    fn feed<'py>(&self, py: Python<'py>, data: &[u8]) -> PyResult<Vec<Found<'py>>> {
        self.cut(py, |splitter, rows| splitter.feed(data, rows))
    }

    /// The row that was carried, at the end of the file.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Vec<Found<'py>>> {
        self.cut(py, json::Splitter::finish)
    }
}

impl Splitter {
    fn lock(&self) -> MutexGuard<'_, Cut> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut<'py>(
        &self,
        py: Python<'py>,
        step: impl FnOnce(&mut json::Splitter, &mut RawRows) -> Result<()>,
    ) -> PyResult<Vec<Found<'py>>> {
        let mut cut = self.lock();
        let Cut {
            splitter,
            rows,
            broken,
        } = &mut *cut;
        let step = match broken.take() {
            Some(error) => Err(error),
            None => step(splitter, rows),
        };
        match step {
            Err(error) if rows.is_empty() => return Err(errors::to_python(py, &error)),
            Err(error) => *broken = Some(error),
            Ok(()) => {}
        }
        let found = rows
            .iter()
            .map(|row| (row.index, row.line, PyBytes::new(py, row.bytes)));
        let found = found.collect();
        *rows = RawRows::default();
        Ok(found)
    }
}
