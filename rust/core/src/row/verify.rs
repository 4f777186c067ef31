//! Last stage: the row is refused unless the finished ids and labels keep the contract.

use super::contract::{self, Allowance};
use super::findings::RowFindings;
use super::label::Labelled;
use super::policy::Policy;
use crate::recipe::{SpecialInContent, TrainOn};
use crate::rules::{Reject, Rule};
use crate::setup::plan::Plan;

/// Verifies a conversation.
pub(super) fn verify(
    policy: &Policy<'_, '_>,
    ids: &[u32],
    labelled: &Labelled,
    findings: &mut RowFindings,
) -> Result<(), Reject> {
    let plan = policy.plan;
    let parses = plan.recipe.special_in_content == SpecialInContent::Parse;
    if has_double_bos(ids, plan.tokenizer.special_id("bos_token")) {
        if !parses {
            let reason = "the text starts with two beginning-of-sequence tokens";
            return Err(Reject::new(Rule::DoubleBos, reason));
        }
        findings.counts.add(Rule::DoubleBos, 1);
    }
    let outside = policy.others || plan.recipe.train_on == TrainOn::Everything;
    verify_turns(plan, ids, labelled, outside, findings)
}

/// Verifies every trained turn. `outside`: text that is not the assistant's may be trained too.
pub(super) fn verify_turns(
    plan: &Plan,
    ids: &[u32],
    labelled: &Labelled,
    outside: bool,
    findings: &mut RowFindings,
) -> Result<(), Reject> {
    let Labelled { labels, turns, .. } = labelled;
    let allowance = Allowance {
        stops_inside: plan.recipe.special_in_content == SpecialInContent::Parse,
        outside,
    };
    contract::check(
        ids,
        labels,
        turns,
        &plan.stop,
        allowance,
        &mut findings.counts,
    )
}

/// Whether a second BOS follows the first.
fn has_double_bos(ids: &[u32], bos: Option<u32>) -> bool {
    matches!((bos, ids), (Some(bos), [one, two, ..]) if *one == bos && *two == bos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_beginnings_are_one_too_many() {
        assert!(has_double_bos(&[1, 1, 5], Some(1)));
        for (ids, bos) in [(&[1, 5, 1][..], Some(1)), (&[1], Some(1)), (&[1, 1], None)] {
            assert!(!has_double_bos(ids, bos));
        }
    }
}
