//! Spans and marks → labels.
//!
//! Labels depend only on positions. An id is only ever compared with the stop ids, never with the
//! pad token, and 0 is an id like any other.

use crate::rules::IGNORED;
use crate::setup::StopSet;

/// A span of a turn in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenSpan {
    /// Index of the assistant message.
    pub message: u32,
    /// First token that overlaps the span.
    pub start: u32,
    /// First token that ends after the content: the terminator is looked for from here on.
    pub content_end: u32,
    /// One past the last token that overlaps the span.
    pub end: u32,
    /// It is the last span of its turn, the one that ends in the terminator.
    pub last: bool,
}

/// Tokens that a trained span leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// First token.
    pub start: u32,
    /// One past the last.
    pub end: u32,
}

/// The result of training a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanEnd {
    /// Tokens up to `end` are trained; the last one is a stop id.
    Stopped {
        /// One past the terminator.
        end: u32,
        /// Tokens of the span after the terminator, not trained.
        cut: u32,
    },
    /// The whole span is trained; a later span of the turn holds the terminator.
    Continued,
    /// No stop id follows the content. Nothing was trained.
    Missing,
}

/// Starts the labels of a row: nothing is trained.
pub fn reset(labels: &mut Vec<i32>, tokens: usize) {
    labels.clear();
    labels.resize(tokens, IGNORED);
}

/// Trains one span, from its start through the first stop id after its content. If the span holds
/// no stop id, the token right after it ends the turn if that is one; this is for templates whose
/// next role marker is the terminator.
pub fn train(ids: &[u32], span: &TokenSpan, stop: &StopSet, labels: &mut [i32]) -> SpanEnd {
    let start = span.start as usize;
    let end = (span.end as usize).min(ids.len());
    let from = (span.content_end.max(span.start) as usize).min(end);
    let inside = ids[from..end].iter().position(|id| stop.contains(*id));
    let stopped = match inside {
        Some(offset) => Some(from + offset + 1),
        None if span.last && ids.get(end).is_some_and(|id| stop.contains(*id)) => Some(end + 1),
        None => None,
    };
    match stopped {
        Some(stopped) => {
            copy(ids, labels, start, stopped);
            SpanEnd::Stopped {
                end: stopped as u32,
                cut: end.saturating_sub(stopped) as u32,
            }
        }
        None if span.last => SpanEnd::Missing,
        None => {
            copy(ids, labels, start, end);
            SpanEnd::Continued
        }
    }
}

/// Trains every token from `start` to `end`.
pub fn copy(ids: &[u32], labels: &mut [i32], start: usize, end: usize) {
    for (label, id) in labels[start..end].iter_mut().zip(&ids[start..end]) {
        *label = *id as i32;
    }
}

/// Takes tokens out of the training again.
pub fn mask(labels: &mut [i32], hole: Hole) {
    let end = (hole.end as usize).min(labels.len());
    if let Some(tokens) = labels.get_mut(hole.start as usize..end) {
        tokens.fill(IGNORED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: u32, content_end: u32, end: u32) -> TokenSpan {
        TokenSpan {
            message: 1,
            start,
            content_end,
            end,
            last: true,
        }
    }

    fn labels(ids: &[u32], span: &TokenSpan, stop: &[u32]) -> (Vec<i32>, SpanEnd) {
        let mut labels = Vec::new();
        reset(&mut labels, ids.len());
        let ending = train(ids, span, &StopSet::new(stop), &mut labels);
        (labels, ending)
    }

    #[test]
    fn training_ends_with_the_first_stop_id_after_the_content() {
        let ids = [5, 6, 7, 9, 9, 4];
        let (found, ending) = labels(&ids, &span(1, 3, 6), &[9]);
        assert_eq!(found, [-100, 6, 7, 9, -100, -100]);
        assert_eq!(ending, SpanEnd::Stopped { end: 4, cut: 2 });
    }

    #[test]
    fn zero_is_an_id_and_may_be_a_stop_id() {
        let (found, _) = labels(&[0, 0, 0], &span(1, 2, 3), &[0]);
        assert_eq!(found, [-100, 0, 0]);
    }

    #[test]
    fn a_stop_id_inside_the_content_does_not_end_the_turn() {
        let (found, ending) = labels(&[1, 9, 2, 9], &span(0, 3, 4), &[9]);
        assert_eq!(found, [1, 9, 2, 9]);
        assert_eq!(ending, SpanEnd::Stopped { end: 4, cut: 0 });
    }

    #[test]
    fn the_next_role_marker_may_be_the_terminator() {
        let (found, ending) = labels(&[1, 2, 9, 3], &span(1, 2, 2), &[9]);
        assert_eq!(found, [-100, 2, 9, -100]);
        assert_eq!(ending, SpanEnd::Stopped { end: 3, cut: 0 });
    }

    #[test]
    fn a_turn_without_stop_id_is_not_trained_and_says_so() {
        let (found, ending) = labels(&[1, 2, 3], &span(1, 2, 3), &[9]);
        assert_eq!(found, [-100; 3]);
        assert_eq!(ending, SpanEnd::Missing);
        let middle = TokenSpan {
            last: false,
            ..span(1, 2, 3)
        };
        let (found, ending) = labels(&[1, 2, 3], &middle, &[9]);
        assert_eq!(found, [-100, 2, 3]);
        assert_eq!(ending, SpanEnd::Continued);
    }

    #[test]
    fn an_empty_turn_trains_its_terminator() {
        let (found, _) = labels(&[1, 9], &span(1, 1, 2), &[9]);
        assert_eq!(found, [-100, 9]);
    }

    #[test]
    fn holes_may_reach_past_the_end() {
        let mut labels = vec![1, 2, 3];
        mask(&mut labels, Hole { start: 1, end: 9 });
        mask(&mut labels, Hole { start: 7, end: 9 });
        assert_eq!(labels, [1, -100, -100]);
    }
}
