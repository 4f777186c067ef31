//! `Encoder`: the plan of a run, made once.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use turnmill_core::chat::Schema;
use turnmill_core::run::{self, ShardOptions};
use turnmill_core::{Value, pool};

use crate::check::Check;
use crate::head::Head;
use crate::recipe::Recipe;
use crate::shard::Shard;
use crate::tokenizer::Tokenizer;
use crate::{detach, read};

/// The attributes of `turnmill.encoder.session.ShardOptions` that the core reads.
#[derive(FromPyObject)]
struct ShardAttributes {
    schema: String,
    path: String,
    array: bool,
    first_row: u64,
    first_line: u64,
    validation: f64,
    waiting: bool,
    threads: Option<usize>,
    chunk_rows: Option<usize>,
    mixed: bool,
    replayed: u64,
}

/// A recipe made ready; see `turnmill.Encoder`.
#[pyclass(frozen, module = "turnmill._core")]
pub(crate) struct Encoder(Arc<run::Encoder>);

#[pymethods]
impl Encoder {
    /// Loads what the recipe names, and makes every check that needs no row. `tokenizer` is where
    /// its tokenizer is, `now` the date that templates see if it names none. With a `difference`
    /// from a self-check, the tokenizer's reference backend is used.
    #[new]
    #[pyo3(signature = (recipe, tokenizer, now, difference=None))]
    fn new(
        py: Python<'_>,
        recipe: &Recipe,
        tokenizer: String,
        now: String,
        difference: Option<&str>,
    ) -> PyResult<Self> {
        let recipe = recipe.located(tokenizer, now);
        let encoder = detach::run(py, |_| match difference {
            Some(difference) => run::Encoder::with_reference(recipe, difference),
            None => run::Encoder::new(recipe),
        })?;
        Ok(Self(Arc::new(encoder)))
    }

    /// The encoder for an input with its own `schema`, `fields` or `roles`, as JSON.
    fn for_input(&self, py: Python<'_>, keys: &str) -> PyResult<Self> {
        let encoder = detach::run_short(py, || self.0.for_input(keys))?;
        Ok(Self(Arc::new(encoder)))
    }

    /// Compares the tokenizer's fast backend with the reference on the first rows of an input: the
    /// number of bytes compared, and the first difference in words.
    fn self_check(&self, py: Python<'_>, head: &Head) -> PyResult<(usize, Option<String>)> {
        let check = head.look(py, |rows| self.0.self_check(rows))?;
        Ok((check.compared, check.difference))
    }

    /// The schema of an input that starts with these rows, and as JSON what each choice of
    /// `history` costs, if the recipe leaves it open. `path` names it in errors.
    fn inspect(
        &self,
        py: Python<'_>,
        head: &Head,
        path: &str,
    ) -> PyResult<(&'static str, Option<String>)> {
        let inspect = |rows: &[Value<'_>]| self.0.inspect_values(rows);
        let inspection = head.look_at(py, path, inspect)?;
        let costs = inspection.costs.as_ref();
        let costs = costs.map(|costs| costs.to_json().to_string());
        Ok((inspection.schema.name(), costs))
    }

    /// What a row (as JSON) is read and rendered as: `messages`, `tools`, `documents`, `variables`,
    /// `weights` and `text`; the reject's code and reason as `reject` instead of what is missing;
    /// nothing for a row that is not a conversation.
    fn look<'py>(
        &self,
        py: Python<'py>,
        row: &[u8],
        schema: &str,
    ) -> PyResult<Option<Bound<'py, PyDict>>> {
        read::look(py, &self.0, row, schema)
    }

    /// A shard: rows of one input of a known schema. With a `check`, what it needs is found too.
    #[pyo3(signature = (options, check=None))]
    fn open_shard(
        &self,
        py: Python<'_>,
        options: ShardAttributes,
        check: Option<&Check>,
    ) -> PyResult<Shard> {
        let shard = detach::run_short(py, || {
            let schema = Schema::from_name(&options.schema)?;
            let checks = check.map(Check::checks);
            let default = ShardOptions::new(schema, options.path);
            self.0.open_shard(ShardOptions {
                array: options.array,
                first_row: options.first_row,
                first_line: options.first_line,
                validation: options.validation,
                waiting: options.waiting,
                threads: options.threads.unwrap_or_else(pool::default_threads),
                chunk_rows: options.chunk_rows,
                mixed: options.mixed,
                checks,
                replayed: options.replayed,
                ..default
            })
        })?;
        Ok(Shard::new(shard))
    }

    /// The tokenizer in use, shared.
    #[getter]
    fn tokenizer(&self) -> Tokenizer {
        Tokenizer::of(Arc::clone(self.0.tokenizer()))
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

impl Encoder {
    /// The encoder itself.
    pub(crate) fn core(&self) -> Arc<run::Encoder> {
        Arc::clone(&self.0)
    }
}
