//! The replay: would a perfect model see these prompts, and would it stop in the right place?
//!
//! For every trained turn of some rows, the tokens before it are decoded to the prompt text and
//! encoded again, as a server would do. The ids must be the same. Also, the first stop id after the
//! turn's start must be its last label.

use std::any::Any;
use std::sync::Arc;

use super::row::TokenRow;
use super::token_classes::TokenClasses;
use crate::rules::{REPLAYED_TURNS, Replay, slot};
use crate::tokenizer::{Encoding, Input, Tokenizer};

/// Number of first rows that are always replayed; after them, one of this many rows.
const FIRST_ROWS: u64 = 1024;
const THEN_ONE_OF: u64 = 64;

/// Where a replayed prompt differs from the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// First differing place in the row.
    pub(super) at: usize,
    /// What the server has there; `None`: nothing.
    pub(super) server: Option<u32>,
}

/// Replays the rows of one thread.
pub(super) struct TokenReplayer<'a> {
    tokenizer: &'a Arc<Tokenizer>,
    classes: &'a TokenClasses,
    scratch: Box<dyn Any + Send>,
    encoding: Encoding,
    bytes: Vec<u8>,
}

impl<'a> TokenReplayer<'a> {
    pub(super) fn new(tokenizer: &'a Arc<Tokenizer>, classes: &'a TokenClasses) -> Self {
        Self {
            tokenizer,
            classes,
            scratch: tokenizer.backend().scratch(),
            encoding: Encoding::default(),
            bytes: Vec::new(),
        }
    }

    /// Replays the turns of a row, if it is one of the chosen rows.
    pub(super) fn play(&mut self, row: &TokenRow<'_>, replay: &mut Replay) -> Option<Difference> {
        let chosen = row.number < FIRST_ROWS || row.number.is_multiple_of(THEN_ONE_OF);
        if !chosen {
            return None;
        }
        let mut found = None;
        for document in row.documents {
            let starts = document
                .clone()
                .filter(|at| row.trains(*at) && *at > document.start && !row.trains(*at - 1));
            let starts: Vec<usize> = starts.filter(|at| self.opens_turn(row, *at)).collect();
            for (position, start) in starts.iter().take(REPLAYED_TURNS).enumerate() {
                let Some(difference) = self.prompt(row, document.start, *start) else {
                    continue;
                };
                let right = difference.is_none() && self.stops_right(row, *start);
                slot(&mut replay.positions, position).add(right);
                found = found.or(difference);
            }
        }
        found
    }

    /// Whether a run starts after a header; true if headers are not known.
    fn opens_turn(&self, row: &TokenRow<'_>, start: usize) -> bool {
        if !self.classes.knows_headers() {
            return true;
        }
        (start.saturating_sub(12)..start).any(|at| {
            let header = self.classes.header_at(&row.ids[at..start]);
            // Whitespace at a header's end may share a token with the answer's, or take several.
            header.is_some_and(|header| {
                let length = header.ids.len() + header.tail.len().max(1);
                header.assistant && start - at <= length
            })
        })
    }

    /// The prompt before `start` against the server's; `None` if it cannot be decoded, or holds
    /// the text of control tokens as ordinary text.
    #[expect(clippy::option_option, reason = "not comparable, equal, or different")]
    fn prompt(
        &mut self,
        row: &TokenRow<'_>,
        from: usize,
        start: usize,
    ) -> Option<Option<Difference>> {
        let ids = &row.ids[from..start];
        self.bytes.clear();
        for id in ids {
            let bytes = self.tokenizer.id_to_bytes(u32::try_from(*id).ok()?);
            self.bytes.extend_from_slice(bytes);
        }
        let text = std::str::from_utf8(&self.bytes).ok()?;
        let input = Input {
            text,
            content: &[],
            cuts: &[],
            marks: &[],
        };
        let backend = self.tokenizer.backend();
        backend
            .encode(&mut *self.scratch, &input, &mut self.encoding)
            .ok()?;
        let again = &self.encoding.ids;
        let controls = |ids: &mut dyn Iterator<Item = i32>| {
            ids.filter(|id| self.classes.structures(*id)).count()
        };
        let before = controls(&mut ids.iter().copied());
        if controls(&mut again.iter().map(|id| *id as i32)) != before {
            return None;
        }
        let length = ids.len().max(again.len());
        let differs = |at: &usize| ids.get(*at).map(|id| *id as u32) != again.get(*at).copied();
        Some((0..length).find(differs).map(|at| Difference {
            at: from + at.min(ids.len().saturating_sub(1)),
            server: again.get(at).copied(),
        }))
    }

    /// Whether the first stop token after the turn's start is trained, and nothing after it.
    fn stops_right(&self, row: &TokenRow<'_>, start: usize) -> bool {
        let stop = (start..row.ids.len()).find(|at| self.classes.stops(row.ids[*at]));
        stop.is_some_and(|stop| {
            row.trains(stop) && (start..stop).all(|at| row.trains(at)) && !row.trains(stop + 1)
        })
    }
}

/// Whether decoding and encoding gives a chat text back. If not, nothing can be replayed.
pub(super) fn round_trips(tokenizer: &Tokenizer) -> bool {
    let text = "user\nHello, 你好: 12 + 3?\n\nassistant\n";
    let Ok(ids) = tokenizer.encode(text, false) else {
        return false;
    };
    let bytes: Vec<u8> = ids
        .iter()
        .flat_map(|id| tokenizer.id_to_bytes(*id))
        .copied()
        .collect();
    bytes == text.as_bytes()
}
