//! Finds the text of a row between its padding.
//!
//! An attention mask gives it directly. Without one, a run of one special id whose labels are all
//! ignored is padding if it is at the start or end of the row. Nothing inside the text is padding.

use std::ops::Range;

use super::token_classes::TokenClasses;
use crate::rules::is_trained;

/// An id that is not the pad token must be repeated this often to count as padding.
const RUN: usize = 2;

/// The range of the row without padding. `labels` are given if a column says what is trained.
pub(super) fn extent(
    ids: &[i32],
    labels: Option<&[i32]>,
    attention: &[i32],
    known: &TokenClasses,
) -> Range<usize> {
    if !attention.is_empty() {
        let trains = |at: usize| labels.is_some_and(|labels| is_trained(labels[at]));
        let counts = |position: usize| attention[position] != 0 || trains(position);
        let first = (0..ids.len()).find(|position| counts(*position));
        let last = (0..ids.len()).rfind(|position| counts(*position));
        return first.unwrap_or(0)..last.map_or(0, |last| last + 1);
    }
    // Without labels every token is trained, and so is padding.
    let Some(labels) = labels else {
        return 0..ids.len();
    };
    let end = text_end(ids, labels, known);
    text_start(&ids[..end], labels, known)..end
}

/// Where the padding after the text starts. If it consists of a stop token, the first of the run
/// may be the terminator and is kept.
fn text_end(ids: &[i32], labels: &[i32], known: &TokenClasses) -> usize {
    let Some(filler) = ids.last().copied().filter(|id| known.fills(*id)) else {
        return ids.len();
    };
    let fills = |at: usize| ids[at] == filler && !is_trained(labels[at]);
    let last = (0..ids.len()).rfind(|at| !fills(*at));
    let end = last.map_or(0, |last| last + 1);
    let ended = last.is_some_and(|last| known.stops(ids[last]));
    let terminator = usize::from(end < ids.len() && known.stops(filler) && !ended);
    let run = ids.len() - end - terminator;
    let alone = known.pads(filler) || (ended && known.is_alien(filler));
    if run >= RUN || alone {
        end + terminator
    } else {
        ids.len()
    }
}

/// Drops the last of several documents if it is a single untrained id that the padding after it
/// repeats. It is not a terminator, because it is alone in its document.
pub(super) fn drop_rest(documents: &mut Vec<Range<usize>>, ids: &[i32], labels: &[i32]) {
    let is_rest = |last: &Range<usize>| {
        last.len() == 1
            && ids.get(last.end) == Some(&ids[last.start])
            && !is_trained(labels[last.start])
    };
    if documents.len() > 1 && documents.last().is_some_and(is_rest) {
        documents.pop();
    }
}

/// Where the padding before the text ends. Ids that open a sequence or a message are not padding.
fn text_start(ids: &[i32], labels: &[i32], known: &TokenClasses) -> usize {
    let opens = |id: i32| known.begins(id) || known.opens_header(id);
    let filler = ids.first().copied().filter(|id| known.fills(*id));
    let Some(filler) = filler.filter(|id| !opens(*id)) else {
        return 0;
    };
    let fills = |at: &usize| ids[*at] == filler && !is_trained(labels[*at]);
    let run = (0..ids.len()).take_while(fills).count();
    if run < ids.len() && (run >= RUN || known.pads(filler)) {
        run
    } else {
        0
    }
}
