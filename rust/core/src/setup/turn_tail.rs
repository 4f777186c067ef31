//! What a template prints after the content of a turn, as tokens.

use crate::Result;
use crate::setup::StopSet;
use crate::template::{Rendered, Span};
use crate::tokenizer::{Encoding, Input, Tokenizer};

/// The end of a turn.
#[derive(Debug)]
pub(super) struct TurnTail {
    /// The text after the turn's content.
    pub(super) text: String,
    /// The tokens of that text.
    pub(super) ids: Vec<u32>,
    /// The tokens of the turn before it.
    inside: Vec<u32>,
}

impl TurnTail {
    /// The ends of the turns of a render.
    pub(super) fn of_turns(rendered: &Rendered, tokenizer: &Tokenizer) -> Result<Vec<Self>> {
        let turns = rendered
            .spans
            .chunk_by(|one, next| one.message == next.message);
        turns
            .map(|spans| Self::of_turn(&rendered.text, spans, tokenizer))
            .collect()
    }

    /// A turn may have several spans. What follows the last content is its end.
    fn of_turn(text: &str, spans: &[Span], tokenizer: &Tokenizer) -> Result<Self> {
        let mut ending = Self {
            text: String::new(),
            ids: Vec::new(),
            inside: Vec::new(),
        };
        let filled = |span: &Span| span.content_end > span.start;
        let last = spans.iter().rposition(filled).unwrap_or(0);
        for (index, span) in spans.iter().enumerate() {
            let from = match index.cmp(&last) {
                std::cmp::Ordering::Less => span.end,
                std::cmp::Ordering::Equal => span.content_end,
                std::cmp::Ordering::Greater => span.start,
            };
            let [inside, after] = tokens(text, [span.start, from, span.end], tokenizer)?;
            ending.inside.extend(inside);
            ending.ids.extend(after);
            ending
                .text
                .push_str(&text[from as usize..span.end as usize]);
        }
        Ok(ending)
    }

    /// Whether serving stops in this end.
    pub(super) fn stops(&self, stop: &StopSet) -> bool {
        stop.find(&self.ids).is_some()
    }

    /// A stop token before the end: serving would cut the turn there.
    pub(super) fn stops_inside(&self, stop: &StopSet) -> Option<u32> {
        stop.find(&self.inside).map(|at| self.inside[at])
    }

    /// The control tokens of the end, in order. The unknown token stands for text that has none, and
    /// added tokens of whitespace are ordinary text.
    pub(super) fn controls(&self, tokenizer: &Tokenizer) -> impl DoubleEndedIterator<Item = u32> {
        let unknown = tokenizer.unknown_id();
        let is_control = move |id: u32| {
            let added = tokenizer.added_token(id);
            added.is_some_and(|token| !token.content.trim().is_empty()) && Some(id) != unknown
        };
        let ids = self.ids.iter().copied();
        ids.filter(move |id| is_control(*id))
    }

    /// Whether the turn has this token once, in its end.
    fn ends_in(&self, id: u32) -> bool {
        let once = self.ids.iter().filter(|known| **known == id).count() == 1;
        once && !self.inside.contains(&id)
    }
}

/// The tokens between three places, in order.
fn tokens(text: &str, places: [u32; 3], tokenizer: &Tokenizer) -> Result<[Vec<u32>; 2]> {
    let mut encoding = Encoding::default();
    let input = Input {
        text,
        content: &[],
        cuts: &[],
        marks: &places,
    };
    let backend = tokenizer.backend();
    backend.encode(&mut *backend.scratch(), &input, &mut encoding)?;
    let starts = |place: usize| encoding.marks[place].token as usize;
    let end = starts(2) + usize::from(encoding.marks[2].straddles);
    let (start, middle) = (starts(0), starts(1).max(starts(0)));
    Ok([
        encoding.ids[start..middle].to_vec(),
        encoding.ids[middle..end.max(middle)].to_vec(),
    ])
}

/// The control token in the end of a turn on which serving should stop: one that ends the other
/// turns too and stands nowhere inside them, as far as there is one.
pub(super) fn terminator<'e>(
    turn: &'e TurnTail,
    others: impl Iterator<Item = &'e TurnTail>,
    tokenizer: &Tokenizer,
) -> Option<u32> {
    let mut left: Vec<u32> = turn.controls(tokenizer).collect();
    for ending in std::iter::once(turn).chain(others) {
        let kept = left.iter().copied().filter(|id| ending.ends_in(*id));
        let kept: Vec<u32> = kept.collect();
        if !kept.is_empty() {
            left = kept;
        }
    }
    left.first().copied()
}
