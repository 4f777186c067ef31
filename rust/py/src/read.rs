//! What the core reads and renders, as Python objects, to compare it with other readers of the same
//! rows.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};
use turnmill_core::chat::{Record, Schema};
use turnmill_core::rules::{Reject, RuleCounts};
use turnmill_core::run::Encoder;
use turnmill_core::source::arrow::{ArrowRows, Wanted};
use turnmill_core::{Arena, Error, Value, source::json};

use crate::{capsule, errors};

/// What the core reads from a JSON text, and how many keys stood twice in one object.
pub(crate) fn parse_json<'py>(py: Python<'py>, data: &[u8]) -> PyResult<(Bound<'py, PyAny>, u32)> {
    let arena = Arena::new();
    let parsed =
        json::parse(data, &arena).map_err(|error| errors::from_reject(py, &error.reject()))?;
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
        noticed: &[],
    };
    let rows = ArrowRows::new(&batch, &wanted);
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

/// What a row is read and rendered as; see `Encoder.look`.
pub(crate) fn look<'py>(
    py: Python<'py>,
    encoder: &Encoder,
    row: &[u8],
    schema: &str,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    let raised = |error: Error| errors::to_python(py, &error);
    let arena = Arena::new();
    let looked = PyDict::new(py);
    let refuse = |reject: &Reject| looked.set_item("reject", (reject.rule.name(), &reject.reason));
    let parsed = match json::parse(row, &arena) {
        Ok(parsed) => parsed.value,
        Err(error) => {
            refuse(&error.reject())?;
            return Ok(Some(looked));
        }
    };
    let schema = Schema::from_name(schema).map_err(raised)?;
    let conversation = match encoder.read(schema, parsed, &arena).map_err(raised)? {
        Ok(Record::Conversation(conversation)) => conversation,
        Ok(_) => return Ok(None),
        Err(reject) => {
            refuse(&reject)?;
            return Ok(Some(looked));
        }
    };
    let messages = PyList::empty(py);
    let weights = PyList::empty(py);
    for message in conversation.messages {
        messages.append(object(py, Value::Map(message.fields))?)?;
        weights.append(message.weight)?;
    }
    let or_none = |value: Option<Value<'_>>| object(py, value.unwrap_or(Value::Null));
    looked.set_item("messages", messages)?;
    looked.set_item("weights", weights)?;
    looked.set_item("tools", or_none(conversation.tools)?)?;
    looked.set_item("documents", or_none(conversation.documents)?)?;
    let variables = object(py, Value::Map(conversation.template_kwargs))?;
    looked.set_item("variables", variables)?;
    match encoder.render(&conversation, &arena).map_err(raised)? {
        Ok(rendered) => looked.set_item("text", rendered.text)?,
        Err(reject) => refuse(&reject)?,
    }
    Ok(Some(looked))
}

/// A value as Python's `json` would return it.
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
