//! Python objects → plain values, with the meaning transformers gives them.
//!
//! transformers rebuilds whatever a template sees out of plain JSON types: subclasses of `str`,
//! `int` and `float` lose their class, mappings become dicts, tuples and lists stay sequences,
//! numpy scalars, dataclasses and pydantic models are taken apart, and anything else becomes the
//! text `<its type>`. Rows of training data differ in the last point: there such a value is an
//! error of the row, because nobody wants `<datetime>` trained. A date that is not in a place of
//! text becomes ISO text, as it does in rows from Arrow.

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

/// What becomes of an object that is no plain data.
#[derive(Clone, Copy)]
pub(crate) enum Foreign<'w> {
    /// The text `<its type>`, as in transformers.
    Placeholder,
    /// The same, and so is whatever else cannot be read; a key that is no string is left out. For a
    /// look at rows that are read for good later.
    Glance,
    /// An error of the row, which has these columns and these fields of text in a message; what
    /// stands in other columns is not read at all.
    Refuse {
        columns: &'w [String],
        text_fields: &'w [String],
    },
}

/// Where in a row a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is the row.
    Row,
    /// In a column, outside any message.
    Column,
    /// In a field of a message: of text, or another one.
    Field { text: bool },
}

/// How deep a value is nested, and where it stands.
#[derive(Clone, Copy)]
struct At {
    depth: u32,
    place: Place,
}

impl At {
    const TOP: Self = Self {
        depth: 0,
        place: Place::Row,
    };

    fn deeper(self) -> Self {
        Self {
            depth: self.depth + 1,
            ..self
        }
    }
}

/// Why an object is no value.
pub(crate) enum Problem {
    /// The data: the row is left out.
    Row(Reject),
    /// Python code that the object brought along raised, or memory ran out.
    Raised(PyErr),
}

impl From<PyErr> for Problem {
    fn from(error: PyErr) -> Self {
        Self::Raised(error)
    }
}

impl Problem {
    /// With the message it concerns.
    pub(crate) fn at_message(self, index: usize) -> Self {
        match self {
            Self::Row(reject) => Self::Row(reject.at_message(index as u32)),
            raised @ Self::Raised(_) => raised,
        }
    }

    /// As the reject of its row; Ctrl-C and the like go through.
    fn into_reject(self, py: Python<'_>) -> PyResult<Reject> {
        match self {
            Self::Row(reject) => Ok(reject),
            Self::Raised(error) => raised_in_row(py, error),
        }
    }

    /// As an exception, where there is no row to leave out.
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

/// Rows as values; a row that is no plain data is a reject.
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

/// An object that cannot be read costs its row; Ctrl-C and the like go through.
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

    /// The value whatever `__str__` or `__int__` a subclass has.
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
        } = self.foreign
        {
            inside.place = match at.place {
                Place::Row if !columns.iter().any(|column| column == key) => return Ok(None),
                Place::Row => Place::Column,
                Place::Column => Place::Field {
                    text: text_fields.iter().any(|field| field == key),
                },
                field @ Place::Field { .. } => field,
            };
        }
        Ok(Some((key, self.value(item, inside)?)))
    }

    fn key(&self, key: &Bound<'_, PyAny>) -> Result<&'a str, Problem> {
        if let Ok(text) = key.cast::<PyString>() {
            return self.text(text);
        }
        let text = format!("a key is no string: {}", key.repr()?);
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

    /// Everything beyond JSON's own types, in the order in which transformers asks.
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

    /// Engines hand over list columns as numpy arrays.
    fn other(&self, object: &Bound<'_, PyAny>, at: At) -> Result<Value<'a>, Problem> {
        let py = object.py();
        let name = object.get_type().name()?;
        let placeholder = || Ok(Value::Str(self.arena.alloc_str(&format!("<{name}>"))));
        if matches!(self.foreign, Foreign::Placeholder) {
            return placeholder();
        }
        if object.is_instance(numpy_array(py)?)? {
            let list = object.call_method0(intern!(py, "tolist"))?;
            return self.value(&list, at.deeper());
        }
        if matches!(self.foreign, Foreign::Glance) {
            return placeholder();
        }
        let date = object.getattr_opt(intern!(py, "isoformat"))?;
        if let (Some(date), Place::Field { text: false }) = (date, at.place) {
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

fn numpy_array(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static ARRAY: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    ARRAY.import(py, "numpy", "ndarray")
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
