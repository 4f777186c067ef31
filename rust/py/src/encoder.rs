//! `Encoder`: the plan of a run, made once.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyDict, PyList};
use turnmill_core::chat::Schema;
use turnmill_core::recipe::Recipe;
use turnmill_core::row::content_rules::ContentRules;
use turnmill_core::run::{self, ShardOptions};
use turnmill_core::{Arena, pool};

use crate::convert::Foreign;
use crate::shard::Shard;
use crate::{capsule, convert, detach, read};

/// A schema's name and a price list as JSON.
type Inspected = (&'static str, Option<String>);

fn inspected(inspection: &run::Inspection) -> Inspected {
    let costs = inspection.costs.as_ref();
    let costs = costs.map(|costs| costs.to_json().to_string());
    (inspection.schema.name(), costs)
}

/// A recipe made ready; see `turnmill.Encoder`.
#[pyclass(frozen, module = "turnmill._core")]
pub(crate) struct Encoder(Arc<run::Encoder>);

#[pymethods]
impl Encoder {
    /// Loads what the recipe (as JSON) names and makes every check that needs no row. With a
    /// `difference`, what a self-check found, the tokenizer's reference backend is used.
    #[new]
    #[pyo3(signature = (recipe, difference=None))]
    fn new(py: Python<'_>, recipe: &str, difference: Option<&str>) -> PyResult<Self> {
        let encoder = detach::run(py, |_| {
            let recipe = Recipe::from_json(recipe)?;
            match difference {
                Some(difference) => run::Encoder::with_reference(recipe, difference),
                None => run::Encoder::new(recipe),
            }
        })?;
        Ok(Self(Arc::new(encoder)))
    }

    /// The same encoder for an input that says its own `schema`, `fields` or `roles`, as JSON.
    fn for_input(&self, py: Python<'_>, keys: &str) -> PyResult<Self> {
        let encoder = detach::run_short(py, || self.0.for_input(keys))?;
        Ok(Self(Arc::new(encoder)))
    }

    /// Compares the tokenizer's fast backend with the reference on the first rows of these bytes of
    /// JSON: the number of bytes compared, and the first difference in words.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an argument from Python is owned"
    )]
    fn self_check_bytes(
        &self,
        py: Python<'_>,
        head: PyBackedBytes,
    ) -> PyResult<(usize, Option<String>)> {
        let check = detach::run(py, |_| self.0.self_check_bytes(&head))?;
        Ok((check.compared, check.difference))
    }

    /// The same on the first rows of a record batch.
    fn self_check_batch(&self, batch: &Bound<'_, PyAny>) -> PyResult<(usize, Option<String>)> {
        let rows = capsule::batch(batch)?;
        let check = detach::run(batch.py(), |_| self.0.self_check_batch(&rows))?;
        Ok((check.compared, check.difference))
    }

    /// The schema of an input that starts with these bytes of JSON (the last row may be cut), and
    /// as JSON what each choice of `history` costs, where the recipe leaves it open.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an argument from Python is owned"
    )]
    fn inspect_bytes(
        &self,
        py: Python<'_>,
        head: PyBackedBytes,
        path: &str,
    ) -> PyResult<Inspected> {
        let inspect = || self.0.inspect_bytes(&head).map_err(|e| e.at_path(path));
        Ok(inspected(&detach::run(py, |_| inspect())?))
    }

    /// The same for an input that starts with this record batch.
    fn inspect_batch(&self, batch: &Bound<'_, PyAny>, path: &str) -> PyResult<Inspected> {
        let rows = capsule::batch(batch)?;
        let inspect = || self.0.inspect_batch(&rows).map_err(|e| e.at_path(path));
        Ok(inspected(&detach::run(batch.py(), |_| inspect())?))
    }

    /// The same for an input that starts with these rows.
    fn inspect_rows(&self, rows: &Bound<'_, PyList>, path: &str) -> PyResult<Inspected> {
        let arena = Arena::new();
        let read = convert::rows(rows, Foreign::Glance, &arena)?;
        let values: Vec<_> = read.into_iter().filter_map(Result::ok).collect();
        let inspect = || self.0.inspect_values(&values).map_err(|e| e.at_path(path));
        Ok(inspected(&detach::run(rows.py(), |_| inspect())?))
    }

    /// What a row (as JSON) is read and rendered as: `messages`, `tools`, `documents`, `variables`,
    /// `weights` and `text`; the reject's code and reason as `reject` instead of what is missing;
    /// nothing for a row that is no conversation.
    fn look<'py>(
        &self,
        py: Python<'py>,
        row: &[u8],
        schema: &str,
    ) -> PyResult<Option<Bound<'py, PyDict>>> {
        read::look(py, &self.0, row, schema)
    }

    /// A shard: rows of one input of a known schema. `evidence`: for a check, rules on contents are
    /// counted too, samples are replayed against the inference prompt, and so many places of each
    /// rule are kept.
    #[pyo3(signature = (schema, path, array, first_row, first_line, threads, chunk_rows, mixed, evidence=None))]
    #[expect(clippy::too_many_arguments, reason = "each is one key of the protocol")]
    fn open_shard(
        &self,
        py: Python<'_>,
        schema: &str,
        path: String,
        array: bool,
        first_row: u64,
        first_line: u64,
        threads: Option<usize>,
        chunk_rows: Option<usize>,
        mixed: bool,
        evidence: Option<usize>,
    ) -> PyResult<Shard> {
        let shard = detach::run_short(py, || {
            let content = evidence.map(|_| ContentRules::new(self.0.tokenizer()));
            let schema = Schema::from_name(schema)?;
            let default = ShardOptions::new(schema, path);
            self.0.open_shard(ShardOptions {
                array,
                first_row,
                first_line,
                threads: threads.unwrap_or_else(pool::default_threads),
                chunk_rows,
                mixed,
                content: content.transpose()?.map(Arc::new),
                replays: evidence.is_some(),
                evidence: evidence.unwrap_or(default.evidence),
                ..default
            })
        })?;
        Ok(Shard::new(shard))
    }

    /// What was found and decided, as JSON; the same plan gives the same facts.
    fn facts(&self) -> String {
        self.0.facts().to_string()
    }

    /// Hash of the files that decide ids and templates, in hexadecimal digits.
    #[getter]
    fn fingerprint(&self) -> String {
        format!("{:032x}", self.0.tokenizer().hash())
    }
}
