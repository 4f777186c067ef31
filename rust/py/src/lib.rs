//! The Python surface of `turnmill-core`.
use pyo3::prelude::*;

/// The compiled core of turnmill.
#[pymodule]
mod _core {}
