//! A string prompt with a string completion, which is trained after it.

use super::contract::TrainedTurn;
use super::draft::Draft;
use super::encode::frame;
use super::label::Tokens;
use super::output::RowOutput;
use super::over_length::overlong;
use super::scratch::Scratch;
use super::texts::encode_texts;
use super::{Refusal, replay, verify};
use crate::rules::{Reject, Rule};
use crate::setup::plan::Plan;

/// Makes the sample of a completion.
pub(super) fn sample(
    plan: &Plan,
    texts: (&str, &str),
    weight: f32,
    scratch: &mut Scratch,
    draft: &mut Draft,
    output: &mut RowOutput,
) -> Result<(), Refusal> {
    let findings = &mut output.findings;
    let seam = encode_texts(plan, texts, scratch, draft, findings)?;
    let Draft {
        located,
        encoding,
        labelled,
        ..
    } = draft;
    let mark = Tokens::new(plan, located, encoding).mark(seam);
    if mark.straddles {
        findings.counts.add(Rule::BoundaryMerge, 1);
    }
    let ids = &mut encoding.ids;
    let start = mark.token + frame(plan, ids, findings);
    require_stop(plan, ids)?;
    labelled.start(ids.len());
    labelled.train(ids, start as usize, ids.len(), weight);
    labelled.turns.push(TrainedTurn {
        message: 0,
        start,
        end: ids.len() as u32,
    });
    verify::verify_turns(plan, ids, labelled, false, findings)?;
    if let Some(length) = plan.exceeding(ids.len()) {
        // A completion has no turns that could be left out.
        return Err(overlong(plan, length, "").into());
    }
    replay::completion(
        plan,
        texts.0,
        draft,
        &mut scratch.player,
        &mut output.replay,
    )?;
    output.push(draft);
    Ok(())
}

fn require_stop(plan: &Plan, ids: &[u32]) -> Result<(), Reject> {
    if plan.stop.ends(ids) {
        return Ok(());
    }
    let reason = "the completion does not end in a stop token, and `eos = template` adds none";
    Err(Reject::new(Rule::MissingTerminator, reason))
}
