//! `Audit`: the rules on tokenized data, fed with record batches.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::RecordBatch;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyList;
use turnmill_core::audit::{self, Asked, AuditOptions, Meaning, Stated};
use turnmill_core::cancel::Cancel;
use turnmill_core::recipe::StopToken;
use turnmill_core::rules::{Rule, Severity};
use turnmill_core::setup::NamedStop;
use turnmill_core::source::json::FileLayout;
use turnmill_core::{Arena, Result, Value, pool, run, setup};

use crate::convert::{self, Foreign};
use crate::encoder::Encoder;
use crate::shard::Shard;
use crate::tokenizer::Tokenizer;
use crate::{capsule, detach};

/// The attributes of `turnmill.check.tokenized.AuditOptions` that the core reads.
#[derive(FromPyObject)]
struct AuditAttributes {
    stop: Option<Vec<StopWord>>,
    template: Option<String>,
    response_marker: Option<String>,
    ignore_label: Option<i32>,
    max_length: Option<u32>,
    replays: bool,
    untrained: bool,
    outside: bool,
    evidence: usize,
    threads: Option<usize>,
}

/// A stop token as it is named: by its id or by its text.
#[derive(FromPyObject)]
pub(crate) enum StopWord {
    Id(u32),
    Text(String),
}

impl From<StopWord> for StopToken {
    fn from(word: StopWord) -> Self {
        match word {
            StopWord::Id(id) => Self::Id(id),
            StopWord::Text(text) => Self::Text(text),
        }
    }
}

/// A model as it will be served.
#[pyclass(frozen, module = "turnmill._core")]
pub(crate) struct Served(setup::Served);

#[pymethods]
impl Served {
    /// A server that loads the directory of a tokenizer.
    #[staticmethod]
    fn of(tokenizer: &Tokenizer) -> Self {
        Self(setup::Served::of(tokenizer.core()))
    }

    /// A directory without a tokenizer; `None` if it has one, or does not say what the model stops
    /// on.
    #[staticmethod]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an argument from Python is owned"
    )]
    fn without_tokenizer(py: Python<'_>, directory: PathBuf) -> PyResult<Option<Self>> {
        let read = || setup::Served::without_tokenizer(&directory);
        Ok(detach::run_short(py, read)?.map(Self))
    }

    /// The ids that end a generation.
    #[getter]
    fn stop(&self) -> Vec<u32> {
        self.0.stop.clone()
    }
}

/// An audit of one data set; see `turnmill.check`.
#[pyclass(frozen, module = "turnmill._core")]
pub(crate) struct Audit(Mutex<Option<audit::Audit>>);

#[pymethods]
impl Audit {
    #[new]
    #[pyo3(signature = (tokenizer, options, served=None))]
    fn new(
        py: Python<'_>,
        tokenizer: &Tokenizer,
        options: AuditAttributes,
        served: Option<&Served>,
    ) -> PyResult<Self> {
        let tokenizer = Arc::clone(tokenizer.core());
        let stop = options.stop;
        let stated = Stated {
            stop: stop.map(|words| words.into_iter().map(StopToken::from).collect()),
            served: served.map(|served| served.0.clone()),
            template: options.template,
        };
        let audit = detach::run_short(py, || {
            let marker = options.response_marker.as_deref().unwrap_or_default();
            let marker = tokenizer.encode(marker, false)?;
            let own = AuditOptions {
                threads: options.threads.unwrap_or_else(pool::default_threads),
                evidence: options.evidence,
                max_length: options.max_length,
                ignore_label: options.ignore_label,
                response_marker: marker.into_iter().map(|id| id as i32).collect(),
                asked: Asked {
                    untrained: options.untrained,
                    outside: options.outside,
                },
                setup: Vec::new(),
            };
            let audit = audit::Audit::of(&tokenizer, stated, own)?;
            Ok(if options.replays {
                audit.replaying(&tokenizer)
            } else {
                audit
            })
        })?;
        Ok(Self(Mutex::new(Some(audit))))
    }

    /// Starts the next input, whose rows are numbered within `source` and are those of `file`.
    fn start(&self, py: Python<'_>, source: &str, name: &str, file: &str) -> PyResult<()> {
        self.work(py, |audit, cancel| audit.start(source, name, file, cancel))
    }

    /// Checks the rows of an Arrow producer.
    fn add(&self, rows: &Bound<'_, PyAny>) -> PyResult<()> {
        let batches = batches(rows)?;
        self.work(rows.py(), |audit, cancel| audit.add(&batches, cancel))
    }

    /// Checks the next block of an input of JSON: lines, or one array.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an argument from Python is owned"
    )]
    fn add_json(&self, py: Python<'_>, block: PyBackedBytes, array: bool) -> PyResult<()> {
        let layout = if array {
            FileLayout::Array
        } else {
            FileLayout::Lines
        };
        self.work(py, |audit, cancel| audit.add_json(&block, layout, cancel))
    }

    /// Checks rows given as dicts, as one batch.
    fn add_rows(&self, rows: &Bound<'_, PyList>) -> PyResult<()> {
        let arena = Arena::new();
        let read = convert::rows(rows, Foreign::Glance, &arena)?;
        let unread = |_| Value::Null;
        let values: Vec<_> = read
            .into_iter()
            .map(|row| row.unwrap_or_else(unread))
            .collect();
        self.work(rows.py(), |audit, cancel| audit.add_values(&values, cancel))
    }

    /// The findings as JSON; nothing can be added after.
    fn finish(&self, py: Python<'_>) -> PyResult<String> {
        let Some(audit) = self.lock().take() else {
            return Err(finished());
        };
        let found = detach::run(py, |cancel| audit.finish_as_json(cancel))?;
        Ok(found.to_string())
    }
}

impl Audit {
    fn lock(&self) -> MutexGuard<'_, Option<audit::Audit>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(
        &self,
        py: Python<'_>,
        job: impl FnOnce(&mut audit::Audit, &Cancel) -> Result<()> + Send,
    ) -> PyResult<()> {
        let done = detach::run(py, |cancel| {
            self.lock()
                .as_mut()
                .map(|audit| job(audit, cancel))
                .transpose()
        })?;
        done.ok_or_else(finished)
    }
}

fn finished() -> PyErr {
    PyValueError::new_err("this audit is finished")
}

/// A check of conversations: of shards that were opened for it.
#[pyclass(frozen, module = "turnmill._core")]
pub(crate) struct Check {
    inner: Mutex<Option<run::Check>>,
    checks: run::Checks,
}

impl Check {
    /// What the shards of this check have to do.
    pub(crate) fn checks(&self) -> run::Checks {
        self.checks.clone()
    }
}

#[pymethods]
impl Check {
    /// `evidence`: places kept for each rule; `served`: the model that will be served.
    #[new]
    #[pyo3(signature = (encoder, evidence, served=None))]
    fn new(
        py: Python<'_>,
        encoder: &Encoder,
        evidence: usize,
        served: Option<&Served>,
    ) -> PyResult<Self> {
        let served = served.map(|served| served.0.clone());
        let check =
            detach::run_short(py, || Ok(run::Check::new(encoder.core(), evidence, served)))?;
        Ok(Self {
            checks: check.checks().clone(),
            inner: Mutex::new(Some(check)),
        })
    }

    /// Adds what a finished shard found.
    fn add(&self, shard: &Shard) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(check) = inner.as_mut() {
            check.add(&mut shard.lock());
        }
    }

    /// The findings as JSON; nothing can be added after.
    fn finish(&self) -> PyResult<String> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        match inner.take() {
            Some(check) => Ok(check.finish().to_string()),
            None => Err(PyValueError::new_err("this check is finished")),
        }
    }
}

fn batches(rows: &Bound<'_, PyAny>) -> PyResult<Vec<RecordBatch>> {
    let Some(arrays) = capsule::arrays(rows)? else {
        let name = rows.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "expected Arrow data, not {name}"
        )));
    };
    arrays
        .map(|array| capsule::record_batch(&array.map_err(capsule::arrow_error)?))
        .collect()
}

/// The columns of tokenized rows, each with what it says.
#[pyfunction]
pub(crate) fn token_columns() -> Vec<(&'static str, &'static str)> {
    let word = |meaning| match meaning {
        Meaning::Ids => "ids",
        Meaning::Labels => "labels",
        Meaning::Mask => "mask",
        Meaning::Attention => "attention",
        Meaning::Positions => "positions",
        Meaning::Documents(_) => "documents",
    };
    let columns = audit::COLUMNS.iter();
    columns
        .map(|(name, meaning)| (*name, word(*meaning)))
        .collect()
}

/// The ids of named stop tokens, without those that are none; if none are named, those that a
/// server loading this tokenizer's directory stops on.
#[pyfunction]
#[pyo3(signature = (tokenizer, named=None))]
pub(crate) fn stop_set(
    py: Python<'_>,
    tokenizer: &Tokenizer,
    named: Option<Vec<StopWord>>,
) -> PyResult<Vec<u32>> {
    let Some(words) = named else {
        return Ok(setup::served_stop_ids(tokenizer.core()));
    };
    let tokens: Vec<StopToken> = words.into_iter().map(StopToken::from).collect();
    let found = detach::run_short(py, || setup::named_stop_ids(&tokens, tokenizer.core()))?;
    let ids = found.into_iter().filter_map(|named| match named {
        NamedStop::Id(id) => Some(id),
        NamedStop::Pieces(_) => None,
    });
    Ok(ids.collect())
}

/// One rule: name, severity, meaning, cause, cure, hint.
type RuleText = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
);

/// Every rule, in the order of reports.
#[pyfunction]
pub(crate) fn rules() -> Vec<RuleText> {
    let text = |rule: &Rule| {
        let severity: Severity = rule.severity();
        (
            rule.name(),
            severity.name(),
            rule.meaning(),
            rule.cause(),
            rule.cure(),
            rule.hint(),
        )
    };
    Rule::ALL.iter().map(text).collect()
}
