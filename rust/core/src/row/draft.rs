//! A sample that is being made.

use super::label::Labelled;
use super::locate::Located;
use crate::template::Rendered;
use crate::tokenizer::{Encoding, Mark};

/// What each stage gave of the sample that is being made. A stage writes its own field and reads
/// those before it. Buffers are reused from sample to sample.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// The text, and where it came from.
    pub(crate) rendered: Rendered,
    /// Bytes of the text that matter to what follows.
    pub(crate) located: Located,
    /// Ids, and the tokens at the marks. Once labelled, the ids hold inserted terminators too.
    pub(crate) encoding: Encoding,
    /// What is trained.
    pub(crate) labelled: Labelled,
}

impl Draft {
    /// Forgets the sample before and keeps its memory.
    pub(crate) fn clear(&mut self) {
        self.rendered.clear();
        self.located.clear();
        self.encoding.ids.clear();
        self.encoding.marks.clear();
        self.labelled.clear();
    }

    /// Number of tokens.
    pub(crate) fn len(&self) -> usize {
        self.encoding.ids.len()
    }

    /// Whether the sample came as far as its labels.
    pub(crate) fn is_labelled(&self) -> bool {
        let labels = self.labelled.labels.len();
        labels > 0 && labels == self.len()
    }

    /// Where a marked byte lies among the tokens that the encoder gave.
    pub(crate) fn mark(&self, offset: u32) -> Option<Mark> {
        self.located.mark(&self.encoding, offset)
    }
}
