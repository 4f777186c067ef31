//! Core errors → Python exceptions.
//!
//! The classes are written in Python (`turnmill.errors`); one factory there builds them all.

use std::path::Path;

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use turnmill_core::rules::{Reject, Rule};
use turnmill_core::{Error, ErrorKind};

/// The exception that stands for `error`.
pub(crate) fn to_python(py: Python<'_>, error: &Error) -> PyErr {
    if error.kind() == ErrorKind::Cancelled {
        return PyKeyboardInterrupt::new_err(());
    }
    match build(py, error) {
        Ok(exception) => PyErr::from_value(exception),
        Err(failure) => failure,
    }
}

/// An error in a value that the caller passed, such as half of a surrogate pair.
pub(crate) fn from_reject(py: Python<'_>, reject: &Reject) -> PyErr {
    let kind = match reject.rule {
        Rule::TemplateError => ErrorKind::Template,
        _ => ErrorKind::Data,
    };
    let mut error = Error::new(kind, reject.rule.name(), &reject.reason);
    if let Some(message) = reject.message {
        error = error.at_message(message);
    }
    to_python(py, &error)
}

fn build<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyAny>> {
    let place = error.location();
    let details = PyDict::new(py);
    details.set_item("code", error.code())?;
    details.set_item("path", place.path.as_deref().map(Path::to_string_lossy))?;
    details.set_item("line", place.line)?;
    details.set_item("row", place.row)?;
    details.set_item("message_index", place.message)?;
    details.set_item("hint", error.hint_text())?;
    factory(py)?.call((class(error.kind()), error.what()), Some(&details))
}

fn factory(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static FACTORY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    FACTORY.import(py, "turnmill.errors", "_build")
}

/// The key of the class in the factory.
fn class(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Io => "io",
        ErrorKind::Data => "data",
        ErrorKind::Template => "template",
        ErrorKind::Tokenizer => "tokenizer",
        ErrorKind::Recipe => "recipe",
        ErrorKind::Argument => "argument",
        _ => "internal",
    }
}
