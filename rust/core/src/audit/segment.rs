//! A message inside a document.

use std::ops::Range;

use crate::row::contract::TrainedTurn;

/// A message of a document, or the whole document if no role header is known.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// The tokens of the message, header included.
    pub(super) range: Range<usize>,
    /// One past the header, before the whitespace that follows it.
    pub(super) header_end: usize,
    /// First token after the header and that whitespace.
    pub(super) content: usize,
    /// Whether the message is the assistant's; `None` if the role is not known.
    pub(super) assistant: Option<bool>,
    pub(super) system: bool,
    /// Index of the message.
    pub(super) message: Option<u32>,
    /// The trained turn, if the row knows it.
    pub(super) known: Option<TrainedTurn>,
}

impl Segment {
    /// A segment without a header.
    pub(super) fn whole(range: Range<usize>, assistant: Option<bool>) -> Self {
        Self {
            header_end: range.start,
            content: range.start,
            range,
            assistant,
            system: false,
            message: None,
            known: None,
        }
    }

    /// A trained turn of a sample.
    pub(super) fn known(turn: TrainedTurn) -> Self {
        Self {
            message: Some(turn.message),
            known: Some(turn),
            ..Self::whole(turn.start as usize..turn.end as usize, Some(true))
        }
    }
}
