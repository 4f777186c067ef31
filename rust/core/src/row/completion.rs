//! A string prompt with a string completion, which is trained after it.

use super::contract::TrainedTurn;
use super::draft::Draft;
use super::encode::{encode, frame};
use super::label::Tokens;
use super::locate::locate_seam;
use super::output::RowOutput;
use super::over_length::overlong;
use super::scratch::Scratch;
use super::{Refusal, replay, verify};
use crate::rules::{Reject, Rule};
use crate::setup::plan::Plan;

/// Makes the sample of a completion.
pub(super) fn sample(
    plan: &Plan,
    (prompt, completion): (&str, &str),
    weight: f32,
    scratch: &mut Scratch,
    draft: &mut Draft,
    output: &mut RowOutput,
) -> Result<(), Refusal> {
    let Draft {
        rendered,
        located,
        encoding,
        labelled,
    } = draft;
    let findings = &mut output.findings;
    let seam = prompt.len() as u32;
    rendered.text.push_str(prompt);
    rendered.text.push_str(completion);
    locate_seam(plan, rendered, seam, located, findings)?;
    let backend = &mut *scratch.backend;
    encode(plan, &rendered.text, located, backend, encoding)?;
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
    replay::completion(plan, prompt, draft, &mut scratch.player, &mut output.replay)?;
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
