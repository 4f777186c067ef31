//! The Python surface of `turnmill-core`: conversions and classes, no behaviour of its own.
//!
//! Long calls leave the interpreter in one place ([`detach`]), errors are mapped in one place
//! ([`errors`]), Arrow crosses in one place ([`capsule`]), Python objects are read in one place
//! ([`convert`]). Every other file is one class of `turnmill._core`; defaults, overloads and
//! documentation live in the Python package around it.

// Forbidden but for the one module that says why it needs it.
#![deny(unsafe_code)]

mod capsule;
mod check;
mod convert;
mod detach;
mod digest;
mod encoder;
mod errors;
mod flat;
mod gather;
mod head;
mod pack;
mod read;
mod recipe;
mod shard;
mod split;
mod template;
mod texts;
mod tokenizer;

use pyo3::prelude::*;

/// The compiled core of turnmill. Private: use the `turnmill` package.
#[pymodule(gil_used = false)]
mod _core {
    use pyo3::prelude::*;
    use pyo3::types::{PyDict, PyList};
    use turnmill_core::chat::Schema;
    use turnmill_core::recipe::{self, Weight};
    use turnmill_core::source::json::Lines;
    use turnmill_core::suggest;

    use crate::{detach, read};

    #[pymodule_export]
    use crate::capsule::Batch;
    #[pymodule_export]
    use crate::check::{Audit, Check, Served, rules, stop_set, token_columns};
    #[pymodule_export]
    use crate::digest::sample_digests;
    #[pymodule_export]
    use crate::encoder::Encoder;
    #[pymodule_export]
    use crate::flat::Flat;
    #[pymodule_export]
    use crate::gather::Gatherer;
    #[pymodule_export]
    use crate::head::Head;
    #[pymodule_export]
    use crate::pack::{group_samples, pack_lengths};
    #[pymodule_export]
    use crate::recipe::Recipe;
    #[pymodule_export]
    use crate::shard::{Output, Shard};
    #[pymodule_export]
    use crate::split::Splitter;
    #[pymodule_export]
    use crate::template::Template;
    #[pymodule_export]
    use crate::tokenizer::Tokenizer;

    /// The label of a token that is not trained.
    #[pymodule_export]
    const IGNORED: i32 = turnmill_core::rules::IGNORED;

    /// What this build is, for bug reports.
    #[pyfunction]
    fn build_info(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
        let info = PyDict::new(py);
        info.set_item("version", env!("CARGO_PKG_VERSION"))?;
        info.set_item("debug", cfg!(debug_assertions))?;
        info.set_item("os", std::env::consts::OS)?;
        info.set_item("architecture", std::env::consts::ARCH)?;
        Ok(info)
    }

    /// The schemas whose rows judge their answers.
    #[pyfunction]
    fn judging_schemas() -> Vec<&'static str> {
        let judging = Schema::ALL.iter().filter(|schema| schema.judges());
        judging.map(|schema| schema.name()).collect()
    }

    /// The table of the recipe's keys as JSON, a list of objects.
    #[pyfunction]
    fn recipe_keys() -> String {
        recipe::table_json().to_string()
    }

    /// The known name that is nearest to `name`, if it is near enough to be a typo.
    #[pyfunction]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an argument from Python is owned"
    )]
    fn nearest(name: &str, known: Vec<String>) -> Option<String> {
        suggest::nearest(name, known.iter().map(String::as_str)).map(str::to_owned)
    }

    /// Checks what one input says of itself, given as JSON: `schema`, `fields`, `roles`, … Returns
    /// how many of its rows are written: as a share, in epochs, and at most.
    #[pyfunction]
    fn check_input(
        py: Python<'_>,
        keys: &str,
    ) -> PyResult<(Option<f64>, Option<f64>, Option<u64>)> {
        let (_, quota) = detach::run_short(py, || recipe::Recipe::of_input(keys))?;
        let (share, epochs) = match quota.weight {
            Some(Weight::Share(share)) => (Some(share), None),
            Some(Weight::Epochs(epochs)) => (None, Some(epochs)),
            None => (None, None),
        };
        Ok((share, epochs, quota.cap))
    }

    /// Lines and blank lines that end in the next block of a file, and whether the line that has
    /// not ended holds anything; `begun` is what the block before gave.
    #[pyfunction]
    fn count_lines(block: &[u8], begun: bool) -> (u64, u64, bool) {
        let mut lines = Lines {
            begun,
            ..Lines::default()
        };
        lines.add(block);
        (lines.ended, lines.blank, lines.begun)
    }

    /// What the core reads from a JSON text, and how many keys stood twice in one object.
    #[pyfunction]
    #[pyo3(name = "_parse_json")]
    fn parse_json<'py>(py: Python<'py>, data: &[u8]) -> PyResult<(Bound<'py, PyAny>, u32)> {
        read::parse_json(py, data)
    }

    /// What the core reads from the rows of a record batch.
    #[pyfunction]
    #[pyo3(name = "_read_batch")]
    fn read_batch<'py>(batch: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        read::read_batch(batch)
    }

    /// Panics inside the core, so that a test sees what a user would see.
    #[pyfunction]
    #[pyo3(name = "_panic")]
    fn panic(py: Python<'_>, text: &str) -> PyResult<()> {
        #[expect(clippy::panic, reason = "this is what it is for")]
        detach::run(py, |_| panic!("{text}"))
    }
}
