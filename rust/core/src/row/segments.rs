//! Stretches of text, each trained or not.
//!
//! Each is encoded by itself, as the tokenizer encodes its text alone, control tokens included: a
//! segment is written as the model reads it. A turn runs from a trained segment to the next trained
//! one that ends in a stop token; what is not trained between them is a gap in it.

use super::Refusal;
use super::contract::TrainedTurn;
use super::draft::Draft;
use super::encode::encode;
use super::output::RowOutput;
use super::over_length::{overlong, too_long};
use super::scratch::Scratch;
use super::verify::verify_turns;
use crate::chat::Segment;
use crate::recipe::OverLength;
use crate::rules::{Reject, Rule};
use crate::setup::plan::Plan;
use crate::tokenizer::Encoding;

/// Makes the sample of a row.
pub(super) fn sample(
    plan: &Plan,
    segments: &[Segment<'_>],
    weight: f32,
    scratch: &mut Scratch,
    draft: &mut Draft,
    output: &mut RowOutput,
) -> Result<(), Refusal> {
    let ends = tokens(plan, segments, scratch, draft)?;
    let Draft {
        encoding, labelled, ..
    } = &mut *draft;
    let ids = &encoding.ids[..];
    labelled.start(ids.len());
    let mut start = 0;
    let mut turn: Option<u32> = None;
    for (index, (segment, end)) in (0..).zip(segments.iter().zip(ends)) {
        let weight = segment.weight * weight;
        if weight > 0.0 && end > start {
            labelled.train(ids, start, end, weight);
            let first = *turn.get_or_insert(start as u32);
            if plan.stop.contains(ids[end - 1]) {
                turn = None;
                labelled.turns.push(TrainedTurn {
                    message: index,
                    start: first,
                    end: end as u32,
                });
            }
        }
        start = end;
    }
    labelled.require_trained()?;
    if turn.is_some() {
        let reason = "the last trained segment does not end in a stop token: its text must hold it";
        return Err(Reject::new(Rule::MissingTerminator, reason).into());
    }
    verify_turns(plan, ids, labelled, false, &mut output.findings)?;
    if let Some(length) = plan.exceeding(ids.len()) {
        // There are no turns that could be left out.
        return Err(match plan.recipe.over_length {
            OverLength::Error => too_long(plan, length).into(),
            _ => overlong(plan, length, "").into(),
        });
    }
    output.push(draft);
    Ok(())
}

/// Encodes the segments into the draft; gives for each the number of ids up to its end.
fn tokens(
    plan: &Plan,
    segments: &[Segment<'_>],
    scratch: &mut Scratch,
    draft: &mut Draft,
) -> Result<Vec<usize>, Refusal> {
    let mut one = Encoding::default();
    let mut ends = Vec::with_capacity(segments.len());
    for segment in segments {
        let backend = &mut *scratch.backend;
        encode(plan, segment.text, &draft.located, backend, &mut one)?;
        draft.encoding.ids.extend_from_slice(&one.ids);
        draft.rendered.text.push_str(segment.text);
        ends.push(draft.encoding.ids.len());
    }
    Ok(ends)
}
