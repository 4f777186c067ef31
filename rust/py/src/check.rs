//! `Audit`: the rules on tokenized data, fed with record batches.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use turnmill_core::audit::{self, Asked, AuditOptions, Vocabulary};
use turnmill_core::rules::{PromptSource, Rule, Severity};
use turnmill_core::{pool, run, setup, tokenizer};

use crate::encoder::Encoder;
use crate::shard::Shard;
use crate::tokenizer::Tokenizer;
use crate::{capsule, detach};

/// An audit of one data set; see `turnmill.check`.
#[pyclass(frozen, module = "turnmill._core")]
pub(crate) struct Audit {
    inner: Mutex<Option<audit::Audit>>,
    tokenizer: Option<Arc<tokenizer::Tokenizer>>,
    /// Why turns are found only by their labels, if they are.
    #[pyo3(get)]
    note: Option<String>,
    /// The token by which the template ends turns.
    #[pyo3(get)]
    ends: Option<u32>,
}

#[pymethods]
impl Audit {
    /// `template`: source of the chat template; `None`: the tokenizer's own. `replays`: turns are
    /// replayed from the ids. `asked`: turns may be untrained, text outside of them is trained.
    #[new]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an argument from Python is owned"
    )]
    #[expect(clippy::too_many_arguments, reason = "each is one option of the check")]
    fn new(
        py: Python<'_>,
        tokenizer: Option<&Tokenizer>,
        stop: Vec<u32>,
        template: Option<&str>,
        threads: Option<usize>,
        evidence: usize,
        max_length: Option<u32>,
        ignore_label: Option<i32>,
        response_marker: Vec<i32>,
        replays: bool,
        asked: (bool, bool),
    ) -> PyResult<Self> {
        let tokenizer = tokenizer.map(|tokenizer| Arc::clone(tokenizer.core()));
        let prepared = detach::run_short(py, || {
            Ok(match &tokenizer {
                Some(tokenizer) => Known::of(tokenizer, &stop, template),
                None => Known::of_ids(&stop),
            })
        })?;
        let options = AuditOptions {
            threads: threads.unwrap_or_else(pool::default_threads),
            evidence,
            max_length,
            ignore_label,
            response_marker,
            asked: Asked {
                untrained: asked.0,
                outside: asked.1,
            },
            setup: prepared.setup,
        };
        let (note, ends) = (prepared.note, prepared.ends);
        let mut audit = audit::Audit::new(prepared.vocabulary, options);
        if let Some(tokenizer) = tokenizer.as_ref().filter(|_| replays) {
            audit = audit.replaying(tokenizer);
        }
        Ok(Self {
            inner: Mutex::new(Some(audit)),
            tokenizer,
            note,
            ends,
        })
    }

    /// Checks the rows of an Arrow producer.
    fn add(&self, rows: &Bound<'_, PyAny>) -> PyResult<()> {
        let batches = batches(rows)?;
        detach::run(rows.py(), |cancel| {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            match inner.as_mut() {
                Some(audit) => audit.add(&batches, cancel),
                None => Ok(()),
            }
        })
    }

    /// The findings as JSON; nothing can be added after.
    fn finish(&self) -> PyResult<String> {
        let audit = self
            .inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(audit) = audit else {
            return Err(PyValueError::new_err("this audit is finished"));
        };
        Ok(audit
            .finish()
            .to_json(PromptSource::Decoded, self.tokenizer.as_deref())
            .to_string())
    }
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
    /// `evidence`: places kept for each rule.
    #[new]
    fn new(py: Python<'_>, encoder: &Encoder, evidence: usize) -> PyResult<Self> {
        let check = detach::run_short(py, || run::Check::new(encoder.core(), evidence))?;
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

/// What is known before the first row.
struct Known {
    vocabulary: Vocabulary,
    setup: Vec<(Rule, String)>,
    note: Option<String>,
    ends: Option<u32>,
}

impl Known {
    fn of_ids(stop: &[u32]) -> Self {
        Self {
            vocabulary: Vocabulary::new(stop),
            setup: Vec::new(),
            note: None,
            ends: None,
        }
    }

    fn of(tokenizer: &tokenizer::Tokenizer, stop: &[u32], template: Option<&str>) -> Self {
        let mut vocabulary = Vocabulary::of_tokenizer(tokenizer, stop);
        let compiled = match template {
            Some(source) => setup::compile(tokenizer, source).map(Some),
            None => setup::template_of(tokenizer),
        };
        let (template, broken) = match compiled {
            Ok(template) => (template, None),
            Err(error) => (None, Some(error)),
        };
        let learned = template
            .as_ref()
            .and_then(|template| audit::learn(&mut vocabulary, tokenizer, template).err());
        Self {
            setup: audit::setup_findings(tokenizer, stop, template.as_ref()),
            ends: template
                .as_ref()
                .and_then(|template| audit::ends_turns(tokenizer, template)),
            note: broken.or(learned).map(|error| error.what().to_owned()),
            vocabulary,
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

/// The ids that a server loading this tokenizer's directory stops on.
#[pyfunction]
pub(crate) fn stop_set(tokenizer: &Tokenizer) -> Vec<u32> {
    setup::served_stop_ids(tokenizer.core())
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
