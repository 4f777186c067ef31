//! Inserts the ids that end turns, for templates that do not end them.

use super::spans::TokenSpan;
use crate::recipe::Eos;
use crate::row::findings::RowFindings;
use crate::row::judge::has_tool_calls;
use crate::row::locate::{LocatedText, insertion};
use crate::row::policy::Policy;
use crate::rules::Rule;
use crate::setup::turn_end_probe::TurnEnd;
use crate::tokenizer::Encoding;

/// Inserts an id after each turn that the template does not end, and moves the spans accordingly.
/// Returns the positions before which an id was inserted, counted in the encoding without them.
/// `spare` is working memory.
pub(super) fn insert_eos(
    policy: &Policy<'_, '_>,
    text: LocatedText<'_>,
    encoding: &mut Encoding,
    spare: &mut Vec<u32>,
    spans: &mut [TokenSpan],
    findings: &mut RowFindings,
) -> Vec<u32> {
    match policy.plan.turn_end {
        TurnEnd::Template { .. } => Vec::new(),
        TurnEnd::NextRole {
            after_calls,
            otherwise,
        } => {
            append_role_marker(policy, after_calls, otherwise, encoding, spans, findings);
            Vec::new()
        }
        TurnEnd::Insert(id) => {
            let inserted = insertions(policy, text, encoding, spans, findings);
            insert(id, &inserted, &mut encoding.ids, spare);
            inserted
        }
    }
}

/// Decides where ids are inserted, moves the spans, and counts the rule.
fn insertions(
    policy: &Policy<'_, '_>,
    text: LocatedText<'_>,
    encoding: &Encoding,
    spans: &mut [TokenSpan],
    findings: &mut RowFindings,
) -> Vec<u32> {
    let mut inserted = Vec::new();
    for (span, tokens) in text.rendered.spans.iter().zip(spans) {
        let shift = inserted.len() as u32;
        tokens.start += shift;
        tokens.content_end += shift;
        tokens.end += shift;
        if !tokens.last || !policy.inserts(span) {
            continue;
        }
        let Some(mark) = text
            .located
            .mark(encoding, insertion(&text.rendered.text, span))
        else {
            continue;
        };
        tokens.content_end = mark.token + shift;
        tokens.end = (tokens.end + 1).max(mark.token + shift + 1);
        inserted.push(mark.token);
        findings.count(Rule::EosInserted, span.message);
    }
    inserted
}

/// Puts an id in front of each of these positions.
fn insert(id: u32, positions: &[u32], ids: &mut Vec<u32>, spare: &mut Vec<u32>) {
    spare.clear();
    let mut copied = 0;
    for at in positions {
        let at = *at as usize;
        spare.extend_from_slice(&ids[copied..at]);
        spare.push(id);
        copied = at;
    }
    spare.extend_from_slice(&ids[copied..]);
    std::mem::swap(spare, ids);
}

/// If the marker of the next role ends a turn, the last turn of the conversation lacks its end.
fn append_role_marker(
    policy: &Policy<'_, '_>,
    after_calls: Option<u32>,
    otherwise: u32,
    encoding: &mut Encoding,
    spans: &[TokenSpan],
    findings: &mut RowFindings,
) {
    let plan = policy.plan;
    let Some(span) = spans.last() else {
        return;
    };
    let ends_text = span.end as usize == encoding.ids.len() && !plan.stop.ends(&encoding.ids);
    if plan.recipe.eos == Eos::Ensure && ends_text && policy.weight(span.message) > 0.0 {
        let message = &policy.conversation.messages[span.message as usize];
        let marker = after_calls.filter(|_| has_tool_calls(message));
        encoding.ids.push(marker.unwrap_or(otherwise));
        findings.count(Rule::EosInserted, span.message);
    }
}

/// Where a token is after ids were inserted before these positions.
pub(super) fn shifted(token: u32, inserted: &[u32]) -> u32 {
    token + inserted.partition_point(|at| *at <= token) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_inserted_in_front_of_their_positions() {
        let inserted = |positions: &[u32]| {
            let mut ids = vec![10, 11, 12];
            insert(9, positions, &mut ids, &mut Vec::new());
            ids
        };
        assert_eq!(inserted(&[]), [10, 11, 12]);
        assert_eq!(inserted(&[0, 2]), [9, 10, 11, 9, 12]);
        assert_eq!(inserted(&[3]), [10, 11, 12, 9]);
        // A position moves by the number of ids inserted before it.
        let moved = [0, 1, 2, 3].map(|token| shifted(token, &[0, 2]));
        assert_eq!(moved, [1, 2, 4, 5]);
    }
}
