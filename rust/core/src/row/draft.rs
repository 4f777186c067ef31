//! The sample in progress.

use super::label::Labelled;
use super::locate::Located;
use crate::template::Rendered;
use crate::tokenizer::{Encoding, Mark};

/// The results of the stages for the sample in progress. A stage writes its own field and reads
/// those of earlier stages. Buffers are reused from sample to sample.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// The text, and where it came from.
    pub(crate) rendered: Rendered,
    /// The bytes of the text that later stages ask about.
    pub(crate) located: Located,
    /// Ids, and the tokens at the marks. After labelling, the ids include inserted terminators.
    pub(crate) encoding: Encoding,
    /// What is trained: labels, weights and turns.
    pub(crate) labelled: Labelled,
}

impl Draft {
    /// Clears the results and keeps their memory.
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

    /// Whether the sample has been labelled.
    pub(crate) fn is_labelled(&self) -> bool {
        let labels = self.labelled.labels.len();
        labels > 0 && labels == self.len()
    }

    /// The token that holds a marked byte, in the encoder's numbering: before terminators were
    /// inserted.
    pub(crate) fn mark(&self, offset: u32) -> Option<Mark> {
        self.located.mark(&self.encoding, offset)
    }
}
