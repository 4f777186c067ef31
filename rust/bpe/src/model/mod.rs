//! Turns a piece of text into tokens.
//!
//! Each kind of model is a variant of [`Model`]. It gives the tokens of a piece, each with the byte
//! range that it covers.

pub(crate) mod bpe;
mod trie;
mod unigram;
mod wordpiece;

use std::ops::Range;

use bpe::Bpe;
use bpe::merge_list::MergeList;
pub(crate) use unigram::Unigram;
pub(crate) use wordpiece::WordPiece;

/// Marks, among the ends of pieces, a part that is not a whole piece.
pub(crate) const PART: u32 = 1 << 31;

/// Symbols and places whose memory a thread keeps; a piece may be as long as a text.
const KEPT: usize = 1 << 18;

/// A model of any kind.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "an encoder has one, and never moves it"
)]
pub(crate) enum Model {
    Bpe(Bpe),
    Unigram(Unigram),
    WordPiece(WordPiece),
}

/// What models need to encode one piece; kept for its memory.
#[derive(Debug, Default)]
pub(crate) struct ModelScratch {
    pub(crate) merge_list: MergeList,
    best: Vec<unigram::Best>,
    parts: Vec<(u32, usize)>,
}

impl ModelScratch {
    /// Gives memory back that only a rare text needs.
    pub(crate) fn trim(&mut self) {
        if self.best.capacity() > KEPT {
            self.best = Vec::new();
        }
        if self.parts.capacity() > KEPT {
            self.parts = Vec::new();
        }
    }
}

impl Model {
    /// The name of its kind, in lower case.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Bpe(_) => "bpe",
            Self::Unigram(_) => "unigram",
            Self::WordPiece(_) => "wordpiece",
        }
    }

    /// The name as people write it.
    pub(crate) fn title(&self) -> &'static str {
        match self {
            Self::Bpe(_) => "BPE",
            Self::Unigram(_) => "Unigram",
            Self::WordPiece(_) => "WordPiece",
        }
    }

    /// Replaces `ids` by those of a piece.
    pub(crate) fn ids(&self, piece: &str, scratch: &mut ModelScratch, ids: &mut Vec<u32>) {
        if let Self::Bpe(model) = self {
            model.merge(piece.as_bytes(), ids, &mut scratch.merge_list);
        } else {
            ids.clear();
            self.tokens(piece, scratch, |id, _| ids.push(id));
        }
    }

    /// Tells the id of every token of a piece, and which of its bytes the token stands for.
    pub(crate) fn tokens(
        &self,
        piece: &str,
        scratch: &mut ModelScratch,
        found: impl FnMut(u32, Range<usize>),
    ) {
        match self {
            Self::Bpe(model) => model.tokens(piece, &mut scratch.merge_list, found),
            Self::Unigram(model) => model.tokens(piece, &mut scratch.best, found),
            Self::WordPiece(model) => model.tokens(piece, &mut scratch.parts, found),
        }
    }
}
