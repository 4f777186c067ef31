//! `Head`: the first rows of an input, to be looked at before a run.

use std::sync::{Mutex, PoisonError};

use arrow_array::RecordBatch;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyList;
use turnmill_core::run::{JsonHead, look_at_batch};
use turnmill_core::{Arena, Result, Value, chat};

use crate::convert::{self, Foreign};
use crate::{capsule, detach};

/// The first rows of an input, in any form. They are read once and inspected as often as needed.
#[pyclass(frozen, module = "turnmill._core")]
pub(crate) struct Head(HeadRows);

enum HeadRows {
    Json(Mutex<JsonHead>),
    Batch(RecordBatch),
    Dicts(Py<PyList>),
}

#[pymethods]
impl Head {
    /// A record batch, a list of dicts, or nothing: JSON bytes to be fed.
    #[new]
    #[pyo3(signature = (rows=None))]
    fn new(rows: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        Ok(Self(match rows {
            None => HeadRows::Json(Mutex::default()),
            Some(rows) => match rows.cast::<PyList>() {
                Ok(dicts) => HeadRows::Dicts(dicts.clone().unbind()),
                Err(_) => HeadRows::Batch(capsule::batch(rows)?),
            },
        }))
    }

    /// Takes the next block of JSON, and says whether a row is complete, so that no more is needed.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an argument from Python is owned"
    )]
    fn feed(&self, py: Python<'_>, block: PyBackedBytes) -> PyResult<bool> {
        let head = self.json()?;
        detach::run_short(py, || Ok(lock(head).feed(&block)))
    }

    /// The schema of the rows, where no encoder is there yet. `path` names the input in errors.
    fn detect(&self, py: Python<'_>, path: &str) -> PyResult<&'static str> {
        self.look_at(py, path, |rows| Ok(chat::detect(rows)?.name()))
    }

    /// The keys of the first row of JSON; none if it has none or cannot be read.
    fn keys(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let head = self.json()?;
        detach::run_short(py, || Ok(lock(head).keys()))
    }

    /// Whether only whitespace was fed.
    #[getter]
    fn is_blank(&self) -> bool {
        matches!(&self.0, HeadRows::Json(head) if lock(head).is_blank())
    }
}

impl Head {
    fn json(&self) -> PyResult<&Mutex<JsonHead>> {
        match &self.0 {
            HeadRows::Json(head) => Ok(head),
            _ => Err(PyTypeError::new_err("the rows are not JSON")),
        }
    }

    /// Calls `look` with the first rows.
    pub(crate) fn look<T: Send>(
        &self,
        py: Python<'_>,
        look: impl FnOnce(&[Value<'_>]) -> Result<T> + Send,
    ) -> PyResult<T> {
        self.with_rows(py, look, |result| result)
    }

    /// The same; errors name the input.
    pub(crate) fn look_at<T: Send>(
        &self,
        py: Python<'_>,
        path: &str,
        look: impl FnOnce(&[Value<'_>]) -> Result<T> + Send,
    ) -> PyResult<T> {
        self.with_rows(py, look, |result| {
            result.map_err(|error| error.at_path(path))
        })
    }

    fn with_rows<T: Send>(
        &self,
        py: Python<'_>,
        look: impl FnOnce(&[Value<'_>]) -> Result<T> + Send,
        done: impl FnOnce(Result<T>) -> Result<T> + Send,
    ) -> PyResult<T> {
        match &self.0 {
            HeadRows::Json(head) => detach::run(py, |_| done(lock(head).look(look))),
            HeadRows::Batch(batch) => detach::run(py, |_| done(look_at_batch(batch, look))),
            HeadRows::Dicts(dicts) => {
                let arena = Arena::new();
                let read = convert::rows(dicts.bind(py), Foreign::Glance, &arena)?;
                let values: Vec<_> = read.into_iter().filter_map(Result::ok).collect();
                detach::run(py, |_| done(look(&values)))
            }
        }
    }
}

fn lock(head: &Mutex<JsonHead>) -> std::sync::MutexGuard<'_, JsonHead> {
    head.lock().unwrap_or_else(PoisonError::into_inner)
}
