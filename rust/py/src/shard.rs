//! `Shard` and `Output`: rows of one input, fed in blocks, become record batches.

use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow_array::RecordBatch;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict, PyList};
use turnmill_core::cancel::Cancel;
use turnmill_core::rules::Rule;
use turnmill_core::sink::SpareBuffers;
use turnmill_core::{Arena, Result, run};

use crate::capsule::{self, Batch};
use crate::convert::Foreign;
use crate::{convert, detach};

/// Rows of one input. The output does not depend on how they are fed.
#[pyclass(frozen, module = "turnmill._core")]
pub(crate) struct Shard {
    inner: Mutex<run::Shard>,
    columns: Vec<String>,
    text_fields: Vec<String>,
    noticed: Vec<&'static str>,
    carried: Vec<String>,
    written: SpareBuffers,
}

impl Shard {
    pub(crate) fn new(shard: run::Shard) -> Self {
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        let (columns, text_fields) = shard.reads();
        let (columns, text_fields) = (owned(columns), owned(text_fields));
        Self {
            noticed: shard.notices().to_vec(),
            carried: shard.carries().to_vec(),
            written: shard.written(),
            inner: Mutex::new(shard),
            columns,
            text_fields,
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, run::Shard> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(
        &self,
        py: Python<'_>,
        job: impl FnOnce(&mut run::Shard, &Cancel) -> Result<run::Output> + Send,
    ) -> PyResult<Output> {
        let output = detach::run(py, |cancel| {
            let mut shard = self.lock();
            job(&mut shard, cancel)
        })?;
        Output::new(py, output, &self.written)
    }
}

#[pymethods]
impl Shard {
    /// Encodes every row that ends in these bytes of JSON and carries the rest.
    fn feed_bytes(&self, data: &Bound<'_, PyAny>) -> PyResult<Output> {
        let block = bytes(data)?;
        self.work(data.py(), |shard, cancel| shard.feed_bytes(&block, cancel))
    }

    /// Encodes the rows of an Arrow record batch.
    fn feed_batch(&self, batch: &Bound<'_, PyAny>) -> PyResult<Output> {
        let rows = capsule::batch(batch)?;
        self.work(batch.py(), |shard, cancel| shard.feed_batch(&rows, cancel))
    }

    /// Encodes rows given as dicts.
    fn feed_rows(&self, rows: &Bound<'_, PyList>) -> PyResult<Output> {
        let arena = Arena::new();
        let foreign = Foreign::Refuse {
            columns: &self.columns,
            text_fields: &self.text_fields,
            noticed: &self.noticed,
            carried: &self.carried,
        };
        let values = convert::rows(rows, foreign, &arena)?;
        self.work(rows.py(), |shard, cancel| {
            shard.feed_values(&values, cancel)
        })
    }

    /// Encodes the last row and returns the last batches.
    fn finish(&self, py: Python<'_>) -> PyResult<Output> {
        self.work(py, run::Shard::finish)
    }

    /// How often each rule was counted, by its name.
    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let shard = self.lock();
        let found = shard.findings().iter();
        by_name(py, found.map(|(rule, finding)| (rule, finding.count)))
    }

    /// What was counted by name: the rule, the name of a column or key, how often.
    fn named(&self) -> Vec<(&'static str, &'static str, u64)> {
        self.lock().named().iter().collect()
    }

    /// How many samples have each length in tokens, shortest first.
    fn lengths(&self) -> Vec<(usize, u64)> {
        let shard = self.lock();
        let lengths = shard.lengths().iter();
        lengths
            .map(|(length, samples)| (*length, *samples))
            .collect()
    }

    /// Rows that were rejected so far, by the rule's name.
    fn rejected<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        by_name(py, self.lock().rejected().iter())
    }

    /// The first rows in which each rule was found: rule, row, line, message.
    fn evidence(&self) -> Vec<Found> {
        let shard = self.lock();
        let places = shard.findings().iter().flat_map(|(rule, finding)| {
            let places = finding.evidence.iter();
            places
                .filter_map(move |place| Some((rule.name(), place.row?, place.line, place.message)))
        });
        places.collect()
    }
}

/// Rule, row, line, message.
type Found = (&'static str, u64, Option<u64>, Option<u32>);

fn by_name(
    py: Python<'_>,
    counts: impl Iterator<Item = (Rule, u64)>,
) -> PyResult<Bound<'_, PyDict>> {
    let named = PyDict::new(py);
    for (rule, count) in counts {
        named.set_item(rule.name(), count)?;
    }
    Ok(named)
}

/// `bytes` as they are; any other buffer is copied.
fn bytes(data: &Bound<'_, PyAny>) -> PyResult<PyBackedBytes> {
    if let Ok(bytes) = data.cast::<PyBytes>() {
        return Ok(PyBackedBytes::from(bytes.clone()));
    }
    let copied = data.py().get_type::<PyBytes>().call1((data,))?;
    Ok(copied.extract::<PyBackedBytes>()?)
}

/// The output of one call.
#[pyclass(frozen, get_all, module = "turnmill._core")]
pub(crate) struct Output {
    samples: Vec<Py<Batch>>,
    apart: Vec<Py<Batch>>,
    index: Vec<Py<Batch>>,
    rejects: Vec<Py<Batch>>,
    rows: u64,
    rejected: u64,
    tokens: u64,
    trained: u64,
    lost_turns: u64,
    lost_tokens: u64,
    lost_rejected_tokens: u64,
}

impl Output {
    fn new(py: Python<'_>, output: run::Output, spare: &SpareBuffers) -> PyResult<Self> {
        let wrap = |batches: Vec<RecordBatch>| -> PyResult<Vec<Py<Batch>>> {
            let batches = batches.into_iter();
            batches
                .map(|batch| Py::new(py, Batch::new(batch, spare)))
                .collect()
        };
        Ok(Self {
            samples: wrap(output.samples)?,
            apart: wrap(output.apart)?,
            index: wrap(output.index)?,
            rejects: wrap(output.rejects)?,
            rows: output.rows,
            rejected: output.rejected,
            tokens: output.tokens,
            trained: output.trained,
            lost_turns: output.lost_turns,
            lost_tokens: output.lost_tokens,
            lost_rejected_tokens: output.lost_rejected_tokens,
        })
    }
}
