//! `Tokenizer`: text → ids.

use std::any::Any;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyByteArray, PyBytes, PyString};
use turnmill_core::cancel::Cancel;
use turnmill_core::check::{Reject, Rule};
use turnmill_core::tokenizer::Rows;
use turnmill_core::{Error, ErrorKind, Result, pool, tokenizer};

use crate::{capsule, detach, errors, flat};

/// Text of one work item, in bytes: long enough to pay for the hand-over, short enough for Ctrl-C.
const ITEM: usize = 64 * 1024;

/// A tokenizer directory; see `turnmill.Tokenizer`.
#[pyclass(frozen, module = "turnmill._core")]
pub(crate) struct Tokenizer {
    inner: Arc<tokenizer::Tokenizer>,
    /// Scratch memory between calls, one for each thread that ever worked at the same time.
    scratch: Mutex<Vec<Box<dyn Any + Send>>>,
}

#[pymethods]
impl Tokenizer {
    #[new]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an argument from Python is owned"
    )]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let inner = detach::run(py, |_| tokenizer::Tokenizer::load(&path))?;
        Ok(Self {
            inner: Arc::new(inner),
            scratch: Mutex::default(),
        })
    }

    /// Ids of one text, as the bytes of uint32.
    fn encode<'py>(
        &self,
        text: &Bound<'py, PyString>,
        add_special_tokens: bool,
    ) -> PyResult<Bound<'py, PyByteArray>> {
        let py = text.py();
        let text = text.to_str().map_err(|_| lone_surrogate(py))?;
        let encoded = detach::run_short(py, || self.encode_all(&[text], add_special_tokens))?;
        flat::bytes(py, &[&encoded.ids], u32::to_ne_bytes)
    }

    /// Ids of many texts, as the bytes of uint32, and row offsets, as the bytes of int64.
    fn encode_batch<'py>(
        &self,
        texts: &Bound<'py, PyAny>,
        add_special_tokens: bool,
        threads: Option<usize>,
    ) -> PyResult<(Bound<'py, PyByteArray>, Bound<'py, PyByteArray>)> {
        let py = texts.py();
        let texts = Texts::read(texts)?;
        let threads = threads.unwrap_or_else(pool::default_threads);
        let parts = detach::run(py, |cancel| {
            let texts = texts.strings()?;
            self.encode_items(&texts, add_special_tokens, threads, cancel)
        })?;
        let ids: Vec<&[u32]> = parts.iter().map(|part| &part.ids[..]).collect();
        let offsets = row_offsets(&parts);
        Ok((
            flat::bytes(py, &ids, u32::to_ne_bytes)?,
            flat::bytes(py, &[&offsets], i64::to_ne_bytes)?,
        ))
    }

    /// The id of a token by its text; `None` if there is no such token.
    fn token_to_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The bytes that each id stands for; empty for an id that no token has.
    fn token_bytes<'py>(&self, py: Python<'py>, ids: Vec<u32>) -> Vec<Bound<'py, PyBytes>> {
        ids.into_iter()
            .map(|id| PyBytes::new(py, self.inner.id_to_bytes(id)))
            .collect()
    }

    /// Named special tokens with their texts.
    fn special_tokens(&self) -> Vec<(String, String)> {
        let owned = |(name, text): (&str, &str)| (name.to_owned(), text.to_owned());
        self.inner.special_tokens().iter().map(owned).collect()
    }

    /// Where it was loaded from.
    #[getter]
    fn path(&self) -> String {
        self.inner.path().to_string_lossy().into_owned()
    }

    /// Hash of every file that decides an id or a template, in hexadecimal digits.
    #[getter]
    fn fingerprint(&self) -> String {
        format!("{:032x}", self.inner.hash())
    }

    /// `bpe` or `reference`.
    #[getter]
    fn backend(&self) -> &'static str {
        self.inner.backend_name()
    }

    /// Why that backend.
    #[getter]
    fn backend_reason(&self) -> &str {
        self.inner.backend_reason()
    }

    /// One more than the largest id.
    #[getter]
    fn vocab_size(&self) -> usize {
        self.inner.vocab_size()
    }
}

impl Tokenizer {
    /// The tokenizer itself.
    pub(crate) fn core(&self) -> &Arc<tokenizer::Tokenizer> {
        &self.inner
    }

    fn encode_items(
        &self,
        texts: &[&str],
        add_special_tokens: bool,
        threads: usize,
        cancel: &Cancel,
    ) -> Result<Vec<Rows>> {
        pool::map(threads, &items(texts), |item| {
            cancel.check()?;
            self.encode_all(item, add_special_tokens)
        })
    }

    fn encode_all(&self, texts: &[&str], add_special_tokens: bool) -> Result<Rows> {
        let tokenizer = &*self.inner;
        let frame = if add_special_tokens {
            (tokenizer.prefix(), tokenizer.suffix())
        } else {
            (&[][..], &[][..])
        };
        texts.iter().try_for_each(|text| check_size(text))?;
        let mut scratch = self.take_scratch();
        let mut rows = Rows::default();
        tokenizer
            .backend()
            .encode_rows(&mut *scratch, texts, frame, &mut rows)?;
        self.give_scratch(scratch);
        Ok(rows)
    }

    /// A lock that is taken (by a thread that a fork did not copy, at worst) is not waited for.
    fn take_scratch(&self) -> Box<dyn Any + Send> {
        let kept = self.scratch.try_lock().ok().and_then(|mut kept| kept.pop());
        kept.unwrap_or_else(|| self.inner.backend().scratch())
    }

    fn give_scratch(&self, scratch: Box<dyn Any + Send>) {
        if let Ok(mut kept) = self.scratch.try_lock() {
            kept.push(scratch);
        }
    }
}

/// Offsets inside a text are 32 bits wide.
fn check_size(text: &str) -> Result<()> {
    if u32::try_from(text.len()).is_ok() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Data,
        "text-too-long",
        "a text is longer than 4 GiB",
    ))
}

/// Cuts the texts into work items of about [`ITEM`] bytes.
fn items<'t, 's>(texts: &'t [&'s str]) -> Vec<&'t [&'s str]> {
    let mut items = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, text) in texts.iter().enumerate() {
        bytes += text.len();
        if bytes >= ITEM {
            items.push(&texts[start..=index]);
            (start, bytes) = (index + 1, 0);
        }
    }
    if start < texts.len() {
        items.push(&texts[start..]);
    }
    items
}

fn row_offsets(parts: &[Rows]) -> Vec<i64> {
    let mut offsets = vec![0];
    let mut start = 0;
    for part in parts {
        offsets.extend(part.ends.iter().map(|end| (start + end) as i64));
        start += part.ids.len();
    }
    offsets
}

/// Texts that stay where they are: in Python strings or in Arrow buffers.
enum Texts {
    Python(Vec<PyBackedStr>),
    Arrow(Vec<ArrayRef>),
}

impl Texts {
    fn read(texts: &Bound<'_, PyAny>) -> PyResult<Self> {
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
        let strings: PyResult<Vec<PyBackedStr>> = texts
            .try_iter()?
            .enumerate()
            .map(|(row, item)| backed(row, &item?))
            .collect();
        Ok(Self::Python(strings?))
    }

    fn strings(&self) -> Result<Vec<&str>> {
        match self {
            Self::Python(strings) => Ok(strings.iter().map(|text| &**text).collect()),
            Self::Arrow(arrays) => {
                let mut strings = Vec::with_capacity(arrays.iter().map(Array::len).sum());
                for array in arrays {
                    extend(&mut strings, array)?;
                }
                Ok(strings)
            }
        }
    }
}

fn backed(row: usize, item: &Bound<'_, PyAny>) -> PyResult<PyBackedStr> {
    if row.is_multiple_of(1 << 16) {
        item.py().check_signals()?;
    }
    let Ok(text) = item.cast::<PyString>() else {
        let name = item.get_type().name()?;
        let text = format!("text {row} is a {name} object, not a string");
        return Err(PyTypeError::new_err(text));
    };
    PyBackedStr::try_from(text.clone()).map_err(|_| {
        let error = Error::new(
            ErrorKind::Data,
            Rule::LoneSurrogate.name(),
            Rule::LoneSurrogate.meaning(),
        );
        errors::to_python(item.py(), &error.at_row(row as u64))
    })
}

fn lone_surrogate(py: Python<'_>) -> PyErr {
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
