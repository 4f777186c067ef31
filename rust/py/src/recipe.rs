//! `Recipe`: a recipe that was read and checked once.

use pyo3::prelude::*;
use pyo3::types::PyType;
use turnmill_core::recipe;

use crate::detach;

/// A checked recipe; see `turnmill.Recipe`.
#[pyclass(frozen, module = "turnmill._core")]
pub(crate) struct Recipe(recipe::Recipe);

#[pymethods]
impl Recipe {
    /// Reads a JSON object of keys and values.
    #[new]
    fn new(py: Python<'_>, keys: &str) -> PyResult<Self> {
        let read = || {
            let recipe = recipe::Recipe::from_json(keys)?;
            recipe.check_train_on()?;
            Ok(recipe)
        };
        Ok(Self(detach::run_short(py, read)?))
    }

    /// Every key with its value, defaults included, as JSON.
    fn to_json(&self) -> String {
        self.0.to_json().to_string()
    }

    /// Changes with every key that decides a written byte.
    fn fingerprint(&self) -> String {
        self.0.fingerprint()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyType>, (String,)) {
        (py.get_type::<Self>(), (self.to_json(),))
    }
}

impl Recipe {
    /// The recipe with the tokenizer where it was found, and with a date for templates if it names
    /// none. The rows come from elsewhere.
    pub(crate) fn located(&self, tokenizer: String, now: String) -> recipe::Recipe {
        let mut own = self.0.clone();
        own.tokenizer = tokenizer;
        own.now.get_or_insert(now);
        own.inputs = recipe::Recipe::default().inputs;
        own
    }
}
