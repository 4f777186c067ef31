//! Python objects → plain values, with the meaning transformers gives them.
//!
//! transformers rebuilds everything that a template sees from plain JSON types: subclasses of
//! `str`, `int` and `float` lose their class, mappings become dicts, tuples and lists stay
//! sequences, numpy scalars, dataclasses and pydantic models are taken apart, and anything else
//! becomes the text `<its type>`. Rows of training data differ in the last point: such a value
//! rejects the row, because nobody wants to train on `<datetime>`. A date outside a text field
//! becomes ISO text, as in rows from Arrow.

use bumpalo::collections::Vec as BumpVec;
use pyo3::exceptions::{PyException, PyMemoryError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyMapping, PyString, PyTuple, PyType};
use turnmill_core::rules::{Reject, Rule};
use turnmill_core::{Arena, Map, Value};

/// Far deeper than chat data, far shallower than the stack.
const DEEPEST: u32 = 200;

/// How an object that is not plain data is treated.
#[derive(Clone, Copy)]
pub(crate) enum Foreign<'w> {
    /// The text `<its type>`, as in transformers.
    Placeholder,
    /// The same, also for anything else that cannot be read; a key that is not a string is left
    /// out. For a first look at rows that will be read again.
    Glance,
    /// An error of the row. Only these columns are read, and these fields of a message are text.
    /// Of other columns, only whether they hold something; those that are carried may be anything.
    Refuse {
        columns: &'w [String],
        text_fields: &'w [String],
        noticed: &'w [&'static str],
        carried: &'w [String],
    },
}

/// The position of a value in a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nesting {
    /// The row itself.
    Row,
    /// A value in a column, outside any message.
    Column,
    /// A value in a field of a message: a text field, or another one.
    Field { text: bool },
}

/// How deep a value is nested, and its position.
#[derive(Clone, Copy)]
struct At {
    depth: u32,
    place: Nesting,
}

impl At {
    const TOP: Self = Self {
        depth: 0,
        place: Nesting::Row,
    };

    fn deeper(self) -> Self {
        Self {
            depth: self.depth + 1,
            ..self
        }
    }
}

/// Why an object cannot be read.
pub(crate) enum Problem {
    /// The data is wrong; the row is rejected.
    Row(Reject),
    /// Python code of the object raised, or memory ran out.
    Raised(PyErr),
}

impl From<PyErr> for Problem {
    fn from(error: PyErr) -> Self {
        Self::Raised(error)
    }
}

impl Problem {
    /// Adds the message that the fault is about.
    pub(crate) fn at_message(self, index: usize) -> Self {
        match self {
            Self::Row(reject) => Self::Row(reject.at_message(index as u32)),
            raised @ Self::Raised(_) => raised,
        }
    }

    /// The fault as the reject of its row. Ctrl-C and similar exceptions are passed on.
    fn into_reject(self, py: Python<'_>) -> PyResult<Reject> {
        match self {
            Self::Row(reject) => Ok(reject),
            Self::Raised(error) => raised_in_row(py, error),
        }
    }

    /// The fault as an exception, if there is no row to reject.
    pub(crate) fn into_error(self, py: Python<'_>) -> PyErr {
        match self {
            Self::Row(reject) => crate::errors::from_reject(py, &reject),
            Self::Raised(error) => error,
        }
    }
}

/// Reads `object` into the arena.
pub(crate) fn value<'a>(
    object: &Bound<'_, PyAny>,
    foreign: Foreign<'_>,
    arena: &'a Arena,
) -> Result<Value<'a>, Problem> {
    Converter { foreign, arena }.value(object, At::TOP)
}

/// Reads the entries of a `dict` with string keys into the arena.
pub(crate) fn map<'a>(
    object: &Bound<'_, PyDict>,
    foreign: Foreign<'_>,
    arena: &'a Arena,
) -> Result<Map<'a>, Problem> {
    Converter { foreign, arena }.dict(object, At::TOP)
}

/// Rows as values; a row that is not plain data is a reject.
pub(crate) fn rows<'a>(
    rows: &Bound<'_, PyList>,
    foreign: Foreign<'_>,
    arena: &'a Arena,
) -> PyResult<Vec<Result<Value<'a>, Reject>>> {
    let read = rows.iter().map(|row| match value(&row, foreign, arena) {
        Ok(value) => Ok(Ok(value)),
        Err(problem) => problem.into_reject(rows.py()).map(Err),
    });
    read.collect()
}

/// An object that cannot be read rejects its row. Ctrl-C and similar exceptions are passed on.
fn raised_in_row(py: Python<'_>, error: PyErr) -> PyResult<Reject> {
    if error.is_instance_of::<PyException>(py) && !error.is_instance_of::<PyMemoryError>(py) {
        let text = format!("a value cannot be read: {error}");
        return Ok(Reject::new(Rule::TypeCoercedContent, text));
    }
    Err(error)
}

struct Converter<'a, 'w> {
    foreign: Foreign<'w>,
    arena: &'a Arena,
}

impl<'a> Converter<'a, '_> {
    fn value(&self, object: &Bound<'_, PyAny>, at: At) -> Result<Value<'a>, Problem> {
        let read = self.strictly(object, at);
        match (self.foreign, read) {
            (Foreign::Glance, Err(problem)) => problem
                .into_reject(object.py())
                .map(|_| Value::Str("<unreadable>"))
                .map_err(Problem::Raised),
            (_, read) => read,
        }
    }

    fn strictly(&self, object: &Bound<'_, PyAny>, at: At) -> Result<Value<'a>, Problem> {
        if at.depth > DEEPEST {
            let text = format!("the data is nested deeper than {DEEPEST} levels");
            return Err(Problem::Row(Reject::new(Rule::SchemaMismatch, text)));
        }
        if let Ok(text) = object.cast::<PyString>() {
            return self.text(text).map(Value::Str);
        }
        if let Ok(dict) = object.cast::<PyDict>() {
            return self.dict(dict, at).map(Value::Map);
        }
        if let Ok(list) = object.cast::<PyList>() {
            return self.sequence(list.iter(), at);
        }
        if object.is_none() {
            return Ok(Value::Null);
        }
        if let Ok(truth) = object.cast::<PyBool>() {
            return Ok(Value::Bool(truth.is_true()));
        }
        if let Ok(integer) = object.cast::<PyInt>() {
            return self.integer(integer);
        }
        if let Ok(float) = object.cast::<PyFloat>() {
            return Ok(Value::Float(float.value()));
        }
        self.rich(object, at)
    }

    fn text(&self, text: &Bound<'_, PyString>) -> Result<&'a str, Problem> {
        match text.to_str() {
            Ok(text) => Ok(self.arena.alloc_str(text)),
            Err(_) => Err(Problem::Row(Reject::new(
                Rule::LoneSurrogate,
                Rule::LoneSurrogate.meaning(),
            ))),
        }
    }

    /// The value itself; `__str__` or `__int__` of a subclass are not called.
    fn integer(&self, integer: &Bound<'_, PyInt>) -> Result<Value<'a>, Problem> {
        if let Ok(small) = integer.extract::<i64>() {
            return Ok(Value::Int(small));
        }
        let py = integer.py();
        let digits = py
            .get_type::<PyInt>()
            .call_method1(intern!(py, "__repr__"), (integer,))?;
        self.text(digits.cast::<PyString>().map_err(PyErr::from)?)
            .map(Value::BigInt)
    }

    fn dict(&self, dict: &Bound<'_, PyDict>, at: At) -> Result<Map<'a>, Problem> {
        let mut entries = self.vec(dict.len());
        for (key, item) in dict.iter() {
            entries.extend(self.entry(&key, &item, at)?);
        }
        Ok(Map::new(entries.into_bump_slice()))
    }

    fn mapping(&self, mapping: &Bound<'_, PyMapping>, at: At) -> Result<Map<'a>, Problem> {
        let items = mapping.items()?;
        let mut entries = self.vec(items.len());
        for pair in items.iter() {
            let (key, item): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair.extract()?;
            entries.extend(self.entry(&key, &item, at)?);
        }
        Ok(Map::new(entries.into_bump_slice()))
    }

    /// An entry of a dict; `None` for a column that is not read.
    fn entry(
        &self,
        key: &Bound<'_, PyAny>,
        item: &Bound<'_, PyAny>,
        at: At,
    ) -> Result<Option<(&'a str, Value<'a>)>, Problem> {
        let key = match self.key(key) {
            Err(Problem::Row(_)) if matches!(self.foreign, Foreign::Glance) => return Ok(None),
            key => key?,
        };
        let mut inside = at.deeper();
        if let Foreign::Refuse {
            columns,
            text_fields,
            noticed,
            carried,
        } = self.foreign
        {
            let is_read = columns.iter().any(|column| column == key);
            if at.place == Nesting::Row && !is_read && carried.iter().any(|column| column == key) {
                return Ok(Some((key, self.carried(item, inside)?)));
            }
            if at.place == Nesting::Row && noticed.contains(&key) {
                return Ok(Some((key, self.presence(item)?)));
            }
            inside.place = match at.place {
                Nesting::Row if !is_read => return Ok(None),
                Nesting::Row => Nesting::Column,
                Nesting::Column => Nesting::Field {
                    text: text_fields.iter().any(|field| field == key),
                },
                field @ Nesting::Field { .. } => field,
            };
        }
        Ok(Some((key, self.value(item, inside)?)))
    }

    /// The value of a column that is only carried; as Python prints it if it is not plain data.
    fn carried(&self, item: &Bound<'_, PyAny>, inside: At) -> Result<Value<'a>, Problem> {
        let place = Nesting::Field { text: false };
        match self.value(item, At { place, ..inside }) {
            Err(Problem::Row(_)) => Ok(Value::Str(
                self.arena.alloc_str(&item.str()?.to_string_lossy()),
            )),
            read => read,
        }
    }

    /// Text, numbers and truth values as they are; `true` for anything else that is not empty.
    fn presence(&self, item: &Bound<'_, PyAny>) -> Result<Value<'a>, Problem> {
        if let Ok(text) = item.cast::<PyString>() {
            return Ok(self.text(text).map_or(Value::Bool(true), Value::Str));
        }
        let is_plain =
            item.is_none() || item.is_instance_of::<PyInt>() || item.is_instance_of::<PyFloat>();
        if is_plain {
            return self.value(item, At::TOP);
        }
        let holds = item.len().map_or(true, |length| length > 0);
        Ok(if holds {
            Value::Bool(true)
        } else {
            Value::Null
        })
    }

    fn key(&self, key: &Bound<'_, PyAny>) -> Result<&'a str, Problem> {
        if let Ok(text) = key.cast::<PyString>() {
            return self.text(text);
        }
        let text = format!("a key is not a string: {}", key.repr()?);
        Err(Problem::Row(Reject::new(Rule::SchemaMismatch, text)))
    }

    fn sequence<'py>(
        &self,
        items: impl ExactSizeIterator<Item = Bound<'py, PyAny>>,
        at: At,
    ) -> Result<Value<'a>, Problem> {
        let mut values = self.vec(items.len());
        for item in items {
            values.push(self.value(&item, at.deeper())?);
        }
        Ok(Value::List(values.into_bump_slice()))
    }

    fn vec<T>(&self, capacity: usize) -> BumpVec<'a, T> {
        BumpVec::with_capacity_in(capacity, self.arena)
    }

    /// Everything beyond JSON's own types, in the order in which transformers tries them.
    fn rich(&self, object: &Bound<'_, PyAny>, at: At) -> Result<Value<'a>, Problem> {
        let py = object.py();
        if let Ok(mapping) = object.cast::<PyMapping>() {
            return self.mapping(mapping, at).map(Value::Map);
        }
        if let Ok(tuple) = object.cast::<PyTuple>() {
            return self.sequence(tuple.iter(), at);
        }
        if object.is_instance(numpy_scalar(py)?)? {
            let item = object.call_method0(intern!(py, "item"))?;
            return self.value(&item, at.deeper());
        }
        if let Some(fields) = dataclass_fields(object)? {
            return self.dict(&fields, at).map(Value::Map);
        }
        let dump = object.getattr_opt(intern!(py, "model_dump"))?;
        if let Some(dump) = dump.filter(Bound::is_callable) {
            return self.value(&dump.call0()?, at.deeper());
        }
        self.other(object, at)
    }

    /// Some engines pass list columns as arrays or tensors.
    fn other(&self, object: &Bound<'_, PyAny>, at: At) -> Result<Value<'a>, Problem> {
        let py = object.py();
        let name = object.get_type().name()?;
        let placeholder = || Ok(Value::Str(self.arena.alloc_str(&format!("<{name}>"))));
        if matches!(self.foreign, Foreign::Placeholder) {
            return placeholder();
        }
        let list = object.getattr_opt(intern!(py, "tolist"))?;
        if let Some(list) = list.filter(Bound::is_callable) {
            return self.value(&list.call0()?, at.deeper());
        }
        if matches!(self.foreign, Foreign::Glance) {
            return placeholder();
        }
        let date = object.getattr_opt(intern!(py, "isoformat"))?;
        if let (Some(date), Nesting::Field { text: false }) = (date, at.place) {
            return self.value(&date.call0()?, at.deeper());
        }
        let text = format!("a value is a {name} object, not text, a number, a list or a dict");
        Err(Problem::Row(Reject::new(Rule::TypeCoercedContent, text)))
    }
}

fn numpy_scalar(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static GENERIC: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    GENERIC.import(py, "numpy", "generic")
}

/// The fields of a dataclass instance, one level deep; `None` for anything else.
fn dataclass_fields<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyDict>>> {
    let py = object.py();
    let names = object.getattr_opt(intern!(py, "__dataclass_fields__"))?;
    if names.is_none() || object.is_instance_of::<PyType>() {
        return Ok(None);
    }
    let values = PyDict::new(py);
    for field in py
        .import("dataclasses")?
        .call_method1("fields", (object,))?
        .try_iter()?
    {
        let name = field?.getattr("name")?;
        let value = object.getattr(name.cast::<PyString>()?)?;
        values.set_item(name, value)?;
    }
    Ok(Some(values))
}
