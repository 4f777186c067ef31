//! Arrow in and out by the `PyCapsule` interface: the only unsafe code of this crate.
//!
//! Anything with `__arrow_c_stream__` or `__arrow_c_array__` comes in without a copy; batches go
//! out the same way. <https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html>
#![expect(
    unsafe_code,
    reason = "the Arrow C data interface hands over raw structs"
)]

use std::ffi::CStr;
use std::ptr::NonNull;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi, to_ffi};
use arrow_array::ffi_stream::{ArrayStreamReader, FFI_ArrowArrayStream};
use arrow_array::{Array, ArrayRef, OffsetSizeTrait, RecordBatch, StructArray, make_array};
use arrow_schema::{ArrowError, Fields, Schema};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};
use turnmill_core::sink::SpareBuffers;

const SCHEMA: &CStr = c"arrow_schema";
const ARRAY: &CStr = c"arrow_array";
const STREAM: &CStr = c"arrow_array_stream";

/// The arrays of an Arrow producer, read lazily: a stream's, or one array.
pub(crate) enum Arrays {
    /// From `__arrow_c_stream__`.
    Stream(ArrayStreamReader),
    /// From `__arrow_c_array__`.
    One(Option<ArrayRef>),
}

impl Iterator for Arrays {
    type Item = Result<ArrayRef, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Stream(reader) => reader.next().map(|array| array.and_then(validated)),
            Self::One(array) => array.take().map(Ok),
        }
    }
}

/// Offsets and UTF-8 cannot be trusted until they are checked; wrong ones would be undefined
/// behaviour later.
fn validated(array: ArrayRef) -> Result<ArrayRef, ArrowError> {
    let data = array.to_data();
    data.validate()?;
    if is_sound_text::<i32>(&array) || is_sound_text::<i64>(&array) {
        data.validate_nulls()?;
    } else {
        data.validate_full()?;
    }
    Ok(array)
}

/// Checks that this is an array of valid UTF-8 strings. Several times as fast as `validate_full`,
/// whose check of Chinese text took more than a tenth of the time of encoding it.
fn is_sound_text<Offset: OffsetSizeTrait>(array: &ArrayRef) -> bool {
    let Some(texts) = array.as_string_opt::<Offset>() else {
        return false;
    };
    let offsets = texts.value_offsets();
    let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else {
        return false;
    };
    let first = first.as_usize();
    let bytes = texts.value_data().get(first..last.as_usize());
    let Some(Ok(text)) = bytes.map(simdutf8::basic::from_utf8) else {
        return false;
    };
    offsets.is_sorted()
        && offsets
            .iter()
            .all(|end| text.is_char_boundary(end.as_usize() - first))
}

/// Takes the arrays of `producer`; `None` if it is not an Arrow producer.
pub(crate) fn arrays(producer: &Bound<'_, PyAny>) -> PyResult<Option<Arrays>> {
    if let Some(method) = producer.getattr_opt("__arrow_c_array__")? {
        return one(&method.call0()?).map(|array| Some(Arrays::One(Some(array))));
    }
    let Some(method) = producer.getattr_opt("__arrow_c_stream__")? else {
        return Ok(None);
    };
    let capsule = method.call0()?;
    let pointer = pointer::<FFI_ArrowArrayStream>(&capsule, STREAM)?;
    // SAFETY: the capsule's name says what it holds; the producer keeps it valid and aligned while
    // the capsule lives. `from_raw` moves the stream out and marks the producer's copy released.
    let reader = unsafe { ArrayStreamReader::from_raw(pointer.as_ptr()) }.map_err(arrow_error)?;
    Ok(Some(Arrays::Stream(reader)))
}

/// The one record batch of `producer`, which must give a struct array.
pub(crate) fn batch(producer: &Bound<'_, PyAny>) -> PyResult<RecordBatch> {
    let Some(method) = producer.getattr_opt("__arrow_c_array__")? else {
        let name = producer.get_type().name()?;
        let text =
            format!("expected a record batch (an object with __arrow_c_array__), not {name}");
        return Err(PyTypeError::new_err(text));
    };
    record_batch(&one(&method.call0()?)?)
}

/// A struct array as a record batch.
pub(crate) fn record_batch(array: &ArrayRef) -> PyResult<RecordBatch> {
    match array.as_any().downcast_ref::<StructArray>() {
        Some(rows) if rows.null_count() == 0 => Ok(RecordBatch::from(rows)),
        Some(_) => Err(PyValueError::new_err(
            "rows of a record batch cannot be null",
        )),
        None => Err(PyTypeError::new_err(format!(
            "expected rows (an Arrow struct), not {}",
            array.data_type()
        ))),
    }
}

fn one(capsules: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    let (schema, array): (Bound<'_, PyAny>, Bound<'_, PyAny>) = capsules.extract()?;
    let schema = pointer::<FFI_ArrowSchema>(&schema, SCHEMA)?;
    let array = pointer::<FFI_ArrowArray>(&array, ARRAY)?;
    // SAFETY: as above; the schema is only borrowed while its capsule lives, and `from_raw` moves
    // the array out. The producer guarantees that the two describe each other.
    let data = unsafe { from_ffi(FFI_ArrowArray::from_raw(array.as_ptr()), schema.as_ref()) };
    data.map(make_array)
        .and_then(validated)
        .map_err(arrow_error)
}

fn pointer<T>(capsule: &Bound<'_, PyAny>, name: &CStr) -> PyResult<NonNull<T>> {
    let capsule = capsule.cast::<PyCapsule>()?;
    Ok(capsule.pointer_checked(Some(name))?.cast())
}

/// One record batch on its way to Python.
#[pyclass(frozen, module = "turnmill._core")]
pub(crate) struct Batch {
    rows: RecordBatch,
    /// Takes back the memory of the batch.
    spare: SpareBuffers,
}

impl Batch {
    pub(crate) fn new(rows: RecordBatch, spare: &SpareBuffers) -> Self {
        Self {
            rows,
            spare: spare.clone(),
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let nothing = RecordBatch::new_empty(Arc::new(Schema::empty()));
        self.spare.give(std::mem::replace(&mut self.rows, nothing));
    }
}

#[pymethods]
impl Batch {
    /// The batch, as a pair of `arrow_schema` and `arrow_array` capsules; can be taken more than
    /// once.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        check_requested(requested_schema, self.rows.schema_ref().fields())?;
        let rows = StructArray::from(self.rows.clone());
        let (array, _) = to_ffi(&rows.to_data()).map_err(arrow_error)?;
        let schema =
            FFI_ArrowSchema::try_from(self.rows.schema_ref().as_ref()).map_err(arrow_error)?;
        let schema = PyCapsule::new_with_value(py, schema, SCHEMA)?;
        let array = PyCapsule::new_with_value(py, array, ARRAY)?;
        PyTuple::new(py, [schema, array])
    }

    /// Number of rows.
    fn __len__(&self) -> usize {
        self.rows.num_rows()
    }
}

/// A requested schema is only a wish: other types are ignored, other columns are an error.
fn check_requested(requested: Option<&Bound<'_, PyAny>>, ours: &Fields) -> PyResult<()> {
    let Some(requested) = requested else {
        return Ok(());
    };
    let pointer = pointer::<FFI_ArrowSchema>(requested, SCHEMA)?;
    // SAFETY: as above; it is only borrowed while its capsule lives.
    let theirs = Schema::try_from(unsafe { pointer.as_ref() }).map_err(arrow_error)?;
    let names = |fields: &Fields| fields.iter().map(|f| f.name().clone()).collect::<Vec<_>>();
    if names(theirs.fields()) == names(ours) {
        return Ok(());
    }
    Err(PyValueError::new_err(format!(
        "the requested columns {:?} are not the columns {:?}",
        names(theirs.fields()),
        names(ours)
    )))
}

/// An error of the Arrow library, which only a broken producer causes.
#[expect(
    clippy::needless_pass_by_value,
    reason = "used as a function for map_err"
)]
pub(crate) fn arrow_error(error: ArrowError) -> PyErr {
    PyValueError::new_err(format!("the Arrow data cannot be read: {error}"))
}
