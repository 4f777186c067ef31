//! Fourth stage: text becomes ids.

use std::any::Any;

use super::Refusal;
use super::findings::RowFindings;
use super::locate::Located;
use crate::recipe::Eos;
use crate::rules::{Reject, Rule};
use crate::setup::plan::Plan;
use crate::setup::turn_end_probe;
use crate::tokenizer::{Encoding, Input, MAX_TEXT_BYTES};

/// Encodes a text and finds the tokens at the located bytes.
pub(super) fn encode(
    plan: &Plan,
    text: &str,
    located: &Located,
    scratch: &mut (dyn Any + Send),
    encoding: &mut Encoding,
) -> Result<(), Refusal> {
    if text.len() > MAX_TEXT_BYTES {
        let reason = format!("the text has {} bytes", text.len());
        return Err(Reject::new(Rule::OverlongSample, reason).into());
    }
    let input = Input {
        text,
        content: &located.content,
        cuts: &located.cuts,
        marks: &located.marks,
    };
    plan.backend.encode(scratch, &input, encoding)?;
    Ok(())
}

/// Puts the post-processor's ids around a text, and the eos after it unless it already ends in a
/// stop token. Returns the number of ids in front of it.
pub(super) fn frame(plan: &Plan, ids: &mut Vec<u32>, findings: &mut RowFindings) -> u32 {
    let (prefix, suffix) = (plan.tokenizer.prefix(), plan.tokenizer.suffix());
    if !prefix.is_empty() {
        ids.splice(0..0, prefix.iter().copied());
    }
    ids.extend_from_slice(suffix);
    if plan.recipe.eos == Eos::Ensure && !plan.stop.ends(ids) {
        ids.push(turn_end_probe::inserted(&plan.tokenizer, &plan.stop));
        findings.counts.add(Rule::EosInserted, 1);
    }
    prefix.len() as u32
}
