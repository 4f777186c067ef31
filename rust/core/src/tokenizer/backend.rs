//! What encodes text: our own encoder, or the reference.

use std::any::Any;
use std::sync::Arc;

use turnmill_bpe::{Encoder, Encoding, IdRows, Input, Scratch};

use crate::{Error, ErrorKind, Result};

/// An encoder of text. It is shared between threads; whatever a thread changes is in its scratch.
pub trait Backend: Send + Sync {
    /// Memory of one worker thread.
    fn scratch(&self) -> Box<dyn Any + Send>;

    /// The same encoder with these added tokens as structural ones: inside [`Input::content`] their
    /// text is ordinary text.
    fn with_structural(&self, ids: &[u32]) -> Result<Arc<dyn Backend>>;

    /// Encodes without adding special tokens; `encoding` is cleared first. Fails only if the
    /// tokenizer's files are broken.
    fn encode(
        &self,
        scratch: &mut dyn Any,
        input: &Input<'_>,
        encoding: &mut Encoding,
    ) -> Result<()>;

    /// Ids of a whole text, and the bytes of it that each stands for; both are cleared first.
    fn encode_with_ranges(
        &self,
        scratch: &mut dyn Any,
        text: &str,
        ids: &mut Vec<u32>,
        ranges: &mut Vec<(u32, u32)>,
    ) -> Result<()>;

    /// Appends the ids of whole texts, each between a prefix and a suffix; control tokens are
    /// parsed. Faster than one call of [`encode`](Self::encode) for each, where texts are short.
    fn encode_rows(
        &self,
        scratch: &mut dyn Any,
        texts: &[&str],
        (prefix, suffix): (&[u32], &[u32]),
        rows: &mut IdRows,
    ) -> Result<()> {
        let mut encoding = Encoding::default();
        for text in texts {
            self.encode(scratch, &whole(text), &mut encoding)?;
            for part in [prefix, &encoding.ids, suffix] {
                rows.ids.extend_from_slice(part);
            }
            rows.ends.push(rows.ids.len());
        }
        Ok(())
    }
}

impl From<turnmill_bpe::Error> for Error {
    fn from(error: turnmill_bpe::Error) -> Self {
        let (kind, code) = match &error {
            turnmill_bpe::Error::Split(_) => (ErrorKind::Tokenizer, "bad-split"),
            turnmill_bpe::Error::Cut => (ErrorKind::Internal, "bad-cut"),
        };
        let converted = Self::new(kind, code, error.to_string());
        if kind == ErrorKind::Internal {
            return converted;
        }
        converted.hint("the pre-tokenizer of tokenizer.json fails on this text: get the file again")
    }
}

/// A text in which control tokens are parsed.
pub(super) fn whole(text: &str) -> Input<'_> {
    Input {
        text,
        content: &[],
        cuts: &[],
        marks: &[],
    }
}

fn own_scratch(scratch: &mut dyn Any) -> Result<&mut Scratch> {
    scratch.downcast_mut().ok_or_else(|| {
        Error::new(
            ErrorKind::Internal,
            "wrong-scratch",
            "the scratch is of another backend",
        )
    })
}

impl Backend for Encoder {
    fn scratch(&self) -> Box<dyn Any + Send> {
        Box::new(self.scratch())
    }

    fn with_structural(&self, ids: &[u32]) -> Result<Arc<dyn Backend>> {
        Ok(Arc::new(self.with_structural(ids)))
    }

    fn encode(
        &self,
        scratch: &mut dyn Any,
        input: &Input<'_>,
        encoding: &mut Encoding,
    ) -> Result<()> {
        Ok(self.encode(own_scratch(scratch)?, input, encoding)?)
    }

    fn encode_with_ranges(
        &self,
        scratch: &mut dyn Any,
        text: &str,
        ids: &mut Vec<u32>,
        ranges: &mut Vec<(u32, u32)>,
    ) -> Result<()> {
        let scratch = own_scratch(scratch)?;
        Ok(self.encode_with_ranges(scratch, &whole(text), ids, ranges)?)
    }

    fn encode_rows(
        &self,
        scratch: &mut dyn Any,
        texts: &[&str],
        affixes: (&[u32], &[u32]),
        rows: &mut IdRows,
    ) -> Result<()> {
        Ok(self.encode_rows(own_scratch(scratch)?, texts, affixes, rows)?)
    }
}
