//! `Tokenizer`: text → ids.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use turnmill_core::cancel::Cancel;
use turnmill_core::pool;
use turnmill_core::tokenizer::{self, BatchEncoder};

use crate::detach;
use crate::flat::Flat;
use crate::texts::{self, Texts};

/// A tokenizer directory; see `turnmill.Tokenizer`.
#[pyclass(frozen, module = "turnmill._core")]
pub(crate) struct Tokenizer {
    encoder: BatchEncoder,
}

#[pymethods]
impl Tokenizer {
    #[new]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an argument from Python is owned"
    )]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let encoder = detach::run(py, |_| {
            tokenizer::Tokenizer::load(&path).map(BatchEncoder::new)
        })?;
        Ok(Self { encoder })
    }

    /// Ids of one text, uint32.
    fn encode(&self, text: &Bound<'_, PyString>, add_special_tokens: bool) -> PyResult<Flat> {
        let py = text.py();
        let text = text.to_str().map_err(|_| texts::lone_surrogate(py))?;
        let ids = detach::run_short(py, || self.encoder.encode(text, add_special_tokens))?;
        Ok(Flat::new(ids))
    }

    /// Ids of many texts, uint32, and row offsets, int64.
    fn encode_batch(
        &self,
        texts: &Bound<'_, PyAny>,
        add_special_tokens: bool,
        threads: Option<usize>,
    ) -> PyResult<(Flat, Flat)> {
        let py = texts.py();
        let source = Texts::read(texts)?;
        let texts = source.strings(py)?;
        let encode = |threads: usize, cancel: &Cancel| {
            self.encoder
                .encode_batch(&texts, add_special_tokens, threads, cancel)
        };
        let flat = if BatchEncoder::is_short(&texts) {
            detach::run_short(py, || encode(1, &Cancel::default()))?
        } else {
            let threads = threads.unwrap_or_else(pool::default_threads);
            detach::run(py, |cancel| encode(threads, cancel))?
        };
        Ok((Flat::new(flat.ids), Flat::new(flat.offsets)))
    }

    /// Ids of many texts, uint32; start and end of each in code points, int32; row offsets, int64.
    fn encode_batch_with_offsets(
        &self,
        texts: &Bound<'_, PyAny>,
        add_special_tokens: bool,
        threads: Option<usize>,
    ) -> PyResult<(Flat, Flat, Flat)> {
        let py = texts.py();
        let source = Texts::read(texts)?;
        let texts = source.strings(py)?;
        let threads = threads.unwrap_or_else(pool::default_threads);
        let flat = detach::run(py, |cancel| {
            self.encoder
                .encode_batch_with_offsets(&texts, add_special_tokens, threads, cancel)
        })?;
        Ok((
            Flat::new(flat.ids),
            Flat::new(flat.spans),
            Flat::new(flat.offsets),
        ))
    }

    /// The id of a token by its text; `None` if there is no such token.
    fn token_to_id(&self, token: &str) -> Option<u32> {
        self.core().token_to_id(token)
    }

    /// The bytes that each id stands for; empty for an id that no token has.
    fn token_bytes<'py>(&self, py: Python<'py>, ids: Vec<u32>) -> Vec<Bound<'py, PyBytes>> {
        ids.into_iter()
            .map(|id| PyBytes::new(py, self.core().id_to_bytes(id)))
            .collect()
    }

    /// Named special tokens with their texts.
    fn special_tokens(&self) -> Vec<(String, String)> {
        let owned = |(name, text): (&str, &str)| (name.to_owned(), text.to_owned());
        self.core().special_tokens().iter().map(owned).collect()
    }

    /// Where it was loaded from.
    #[getter]
    fn path(&self) -> String {
        self.core().path().to_string_lossy().into_owned()
    }

    /// Hash of every file that decides an id or a template, in hexadecimal digits.
    #[getter]
    fn fingerprint(&self) -> String {
        format!("{:032x}", self.core().hash())
    }

    /// `bpe`, `unigram` or `wordpiece`, which are our own; or `reference`.
    #[getter]
    fn backend(&self) -> &'static str {
        self.core().backend_name()
    }

    /// Why this backend was chosen.
    #[getter]
    fn backend_reason(&self) -> &str {
        self.core().backend_reason()
    }

    /// One more than the largest id.
    #[getter]
    fn vocab_size(&self) -> usize {
        self.core().vocab_size()
    }
}

impl Tokenizer {
    /// A tokenizer that is already loaded.
    pub(crate) fn of(tokenizer: Arc<tokenizer::Tokenizer>) -> Self {
        Self {
            encoder: BatchEncoder::sharing(tokenizer),
        }
    }

    /// The tokenizer itself.
    pub(crate) fn core(&self) -> &Arc<tokenizer::Tokenizer> {
        self.encoder.tokenizer()
    }
}
