//! Texts from Python, read in place: in Python strings or in Arrow buffers.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use turnmill_core::rules::{Reject, Rule};
use turnmill_core::{Error, ErrorKind, Result};

use crate::{capsule, errors};

/// Texts of a caller.
pub(crate) enum Texts<'py> {
    /// Strings in a tuple, which nobody else can change.
    Python(Bound<'py, PyTuple>),
    /// Arrays of strings.
    Arrow(Vec<ArrayRef>),
}

impl<'py> Texts<'py> {
    /// Arrow data, or any iterable of strings.
    pub(crate) fn read(texts: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Some(arrays) = capsule::arrays(texts)? {
            let arrays: PyResult<Vec<ArrayRef>> = arrays
                .map(|array| check_type(array.map_err(capsule::arrow_error)?))
                .collect();
            return Ok(Self::Arrow(arrays?));
        }
        if texts.is_instance_of::<PyString>() {
            let text = "texts is one string: call encode, or put it into a list";
            return Err(PyTypeError::new_err(text));
        }
        let tuple = texts.py().get_type::<PyTuple>().call1((texts,))?;
        Ok(Self::Python(tuple.cast_into()?))
    }

    /// The texts, in place.
    pub(crate) fn strings(&self, py: Python<'_>) -> PyResult<Vec<&str>> {
        match self {
            Self::Python(tuple) => of_tuple(tuple),
            Self::Arrow(arrays) => of_arrays(arrays).map_err(|error| errors::to_python(py, &error)),
        }
    }
}

/// Borrowed from the tuple, not counted one by one.
fn of_tuple<'a>(tuple: &'a Bound<'_, PyTuple>) -> PyResult<Vec<&'a str>> {
    let mut strings = Vec::with_capacity(tuple.len());
    for (row, item) in tuple.iter_borrowed().enumerate() {
        if row.is_multiple_of(1 << 16) {
            item.py().check_signals()?;
        }
        strings.push(string(row, item)?);
    }
    Ok(strings)
}

fn string<'a>(row: usize, item: Borrowed<'a, '_, PyAny>) -> PyResult<&'a str> {
    if !item.is_instance_of::<PyString>() {
        let name = item.get_type().name()?;
        let text = format!("text {row} is a {name} object, not a string");
        return Err(PyTypeError::new_err(text));
    }
    item.extract().map_err(|_| {
        let error = Error::new(
            ErrorKind::Data,
            Rule::LoneSurrogate.name(),
            Rule::LoneSurrogate.meaning(),
        );
        errors::to_python(item.py(), &error.at_row(row as u64))
    })
}

/// None of them may be null.
fn of_arrays(arrays: &[ArrayRef]) -> Result<Vec<&str>> {
    let mut strings = Vec::with_capacity(arrays.iter().map(Array::len).sum());
    for array in arrays {
        extend(&mut strings, array)?;
    }
    Ok(strings)
}

/// The error for one string with half of a surrogate pair.
pub(crate) fn lone_surrogate(py: Python<'_>) -> PyErr {
    let reject = Reject::new(Rule::LoneSurrogate, Rule::LoneSurrogate.meaning());
    errors::from_reject(py, &reject)
}

fn check_type(array: ArrayRef) -> PyResult<ArrayRef> {
    match array.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(array),
        other => Err(PyTypeError::new_err(format!(
            "texts must be strings, not {other}"
        ))),
    }
}

fn extend<'a>(strings: &mut Vec<&'a str>, array: &'a ArrayRef) -> Result<()> {
    match array.data_type() {
        DataType::LargeUtf8 => extend_from(strings, array.as_string::<i64>().iter()),
        DataType::Utf8View => extend_from(strings, array.as_string_view().iter()),
        _ => extend_from(strings, array.as_string::<i32>().iter()),
    }
}

fn extend_from<'a>(
    strings: &mut Vec<&'a str>,
    texts: impl Iterator<Item = Option<&'a str>>,
) -> Result<()> {
    for text in texts {
        let Some(text) = text else {
            let what = "a text is null";
            let error = Error::new(ErrorKind::Data, Rule::NullContent.name(), what);
            return Err(error.at_row(strings.len() as u64));
        };
        strings.push(text);
    }
    Ok(())
}
