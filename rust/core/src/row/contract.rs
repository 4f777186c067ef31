//! The stop-token contract, checked on the finished ids and labels of a row.
//!
//! For each trained turn: its last trained id is a stop id; no stop id occurs earlier inside it,
//! unless the recipe allows the data to contain one; nothing between it and the next turn is
//! trained; at least one id before the terminator is trained.

use crate::rules::{IGNORED, Reject, Rule, RuleCounts, is_masked};
use crate::setup::StopSet;

/// A trained turn in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrainedTurn {
    /// Index of the message.
    pub message: u32,
    /// First token of the turn.
    pub start: u32,
    /// One past its terminator.
    pub end: u32,
}

/// What the recipe allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Content may hold stop tokens (`special_in_content = parse`).
    pub stops_inside: bool,
    /// Text outside assistant turns is trained (`train_on` a list of roles, or everything).
    pub outside: bool,
}

/// Checks a row. A breach rejects the row; an empty turn is only counted.
pub fn check(
    ids: &[u32],
    labels: &[i32],
    turns: &[TrainedTurn],
    stop: &StopSet,
    allowance: Allowance,
    counts: &mut RuleCounts,
) -> Result<(), Reject> {
    if ids.len() != labels.len() {
        let reason = format!("{} ids and {} labels", ids.len(), labels.len());
        return Err(Reject::new(Rule::LengthMismatch, reason));
    }
    let mut after = 0;
    for turn in turns {
        let (start, end) = (turn.start as usize, turn.end as usize);
        if !allowance.outside {
            nothing_trained(&labels[after..start.max(after)], Rule::PromptInLoss, turn)?;
        }
        check_turn(
            &ids[start..end],
            &labels[start..end],
            turn,
            stop,
            allowance,
            counts,
        )?;
        after = end;
    }
    if allowance.outside {
        return Ok(());
    }
    match turns.last() {
        Some(turn) => nothing_trained(&labels[after..], Rule::TrailingTokensTrained, turn),
        None => Ok(()),
    }
}

fn check_turn(
    ids: &[u32],
    labels: &[i32],
    turn: &TrainedTurn,
    stop: &StopSet,
    allowance: Allowance,
    counts: &mut RuleCounts,
) -> Result<(), Reject> {
    let reject = |rule, reason: &str| Err(Reject::new(rule, reason).at_message(turn.message));
    let (Some((last, inside)), Some((last_label, inside_labels))) =
        (ids.split_last(), labels.split_last())
    else {
        return reject(Rule::MissingTerminator, "the turn has no token");
    };
    if !stop.contains(*last) {
        let reason = "the turn does not end in a stop token";
        return reject(Rule::MissingTerminator, reason);
    }
    if *last_label != *last as i32 {
        let reason = "the turn's stop token is not trained";
        return reject(Rule::TerminatorMasked, reason);
    }
    if !allowance.stops_inside && trained_stop(inside, inside_labels, stop) {
        let reason = "there is a stop token inside the turn";
        return reject(Rule::PrematureTerminator, reason);
    }
    // Usually the first label decides; the scan is for turns with gaps.
    if inside_labels.iter().all(|label| *label == IGNORED) {
        counts.add_at(Rule::EmptyAssistantTurn, turn.message, String::new);
    }
    Ok(())
}

fn trained_stop(ids: &[u32], labels: &[i32], stop: &StopSet) -> bool {
    let mut from = 0;
    while let Some(offset) = stop.find(&ids[from..]) {
        if labels[from + offset] != IGNORED {
            return true;
        }
        from += offset + 1;
    }
    false
}

fn nothing_trained(labels: &[i32], rule: Rule, turn: &TrainedTurn) -> Result<(), Reject> {
    if is_masked(labels) {
        return Ok(());
    }
    let reason = "a token outside the assistant turns is trained";
    Err(Reject::new(rule, reason).at_message(turn.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: i32 = IGNORED;

    fn verdict(ids: &[u32], labels: &[i32], turns: &[(u32, u32)]) -> (Option<Rule>, u64) {
        let turns: Vec<TrainedTurn> = turns
            .iter()
            .map(|(start, end)| TrainedTurn {
                message: 1,
                start: *start,
                end: *end,
            })
            .collect();
        let mut counts = RuleCounts::default();
        let stop = StopSet::new(&[9, 0]);
        let result = check(
            ids,
            labels,
            &turns,
            &stop,
            Allowance::default(),
            &mut counts,
        );
        let rule = result.err().map(|reject| reject.rule);
        (rule, counts.get(Rule::EmptyAssistantTurn))
    }

    #[test]
    fn a_row_that_keeps_the_contract() {
        let ids = [1, 2, 9, 3, 4, 0, 5];
        let labels = [N, 2, 9, N, 4, 0, N];
        assert_eq!(verdict(&ids, &labels, &[(1, 3), (4, 6)]), (None, 0));
    }

    #[test]
    fn each_breach_has_its_rule() {
        let breach = |ids: &[u32], labels: &[i32], turns| verdict(ids, labels, turns).0;
        assert_eq!(
            breach(&[1, 2], &[N, 2], &[(1, 2)]),
            Some(Rule::MissingTerminator)
        );
        assert_eq!(
            breach(&[1, 2, 9], &[N, 2, N], &[(1, 3)]),
            Some(Rule::TerminatorMasked)
        );
        assert_eq!(
            breach(&[9, 2, 9], &[9, 2, 9], &[(0, 3)]),
            Some(Rule::PrematureTerminator)
        );
        assert_eq!(
            breach(&[1, 2, 9], &[1, 2, 9], &[(1, 3)]),
            Some(Rule::PromptInLoss)
        );
        assert_eq!(
            breach(&[1, 9, 5], &[1, 9, 5], &[(0, 2)]),
            Some(Rule::TrailingTokensTrained)
        );
        assert_eq!(breach(&[1, 9], &[1], &[(0, 2)]), Some(Rule::LengthMismatch));
    }

    #[test]
    fn an_empty_turn_is_counted() {
        assert_eq!(verdict(&[1, 9], &[N, 9], &[(1, 2)]), (None, 1));
    }
}
