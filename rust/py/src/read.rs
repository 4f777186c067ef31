//! The readers of the core as Python sees them, for tests that compare them with Python's own.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};
use turnmill_core::batch::rows::{Rows, Wanted};
use turnmill_core::check::RuleCounts;
use turnmill_core::{Arena, Value, jsonl};

use crate::{capsule, errors};

/// What the core reads from a JSON text, and how many keys stood twice in one object.
pub(crate) fn parse_json<'py>(py: Python<'py>, data: &[u8]) -> PyResult<(Bound<'py, PyAny>, u32)> {
    let arena = Arena::new();
    let parsed =
        jsonl::parse(data, &arena).map_err(|error| errors::from_reject(py, &error.reject()))?;
    Ok((object(py, parsed.value)?, parsed.duplicate_keys))
}

/// What the core reads from the rows of a record batch whose columns all hold conversations.
pub(crate) fn read_batch<'py>(batch: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
    let py = batch.py();
    let batch = capsule::batch(batch)?;
    let schema = batch.schema();
    let names: Vec<&str> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    let wanted = Wanted {
        columns: &names,
        text_fields: &["role", "content"],
        carried: &[],
    };
    let rows = Rows::new(&batch, &wanted);
    let list = PyList::empty(py);
    for index in 0..rows.len() {
        let arena = Arena::new();
        let value = rows
            .row(index, &arena, &mut RuleCounts::default())
            .map_err(|reject| errors::from_reject(py, &reject))?;
        list.append(object(py, value)?)?;
    }
    Ok(list)
}

/// A value as Python's `json` would give it.
fn object<'py>(py: Python<'py>, value: Value<'_>) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(value) => value.into_pyobject(py)?.to_owned().into_any(),
        Value::Int(value) => value.into_pyobject(py)?.into_any(),
        Value::BigInt(digits) => py.get_type::<pyo3::types::PyInt>().call1((digits,))?,
        Value::Float(value) => value.into_pyobject(py)?.into_any(),
        Value::Str(text) => PyString::new(py, text).into_any(),
        Value::List(items) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(object(py, *item)?)?;
            }
            list.into_any()
        }
        Value::Map(map) => {
            let dict = PyDict::new(py);
            for (key, item) in map.iter() {
                dict.set_item(key, object(py, item)?)?;
            }
            dict.into_any()
        }
    })
}
