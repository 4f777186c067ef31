//! Ids that end turns where the template does not.

use super::conversation::has_tool_calls;
use super::desk::Desk;
use super::policy::Policy;
use crate::recipe::Eos;
use crate::rules::Rule;
use crate::setup::ending::TurnEnd;
use crate::template::Span;

impl Desk {
    /// Inserts the ids that end turns where the template does not. Returns the token positions, of
    /// the encoding before, in front of which an id was inserted.
    pub(crate) fn insert_terminators(&mut self, policy: &Policy<'_, '_>) -> Vec<u32> {
        let mut inserted = Vec::new();
        let TurnEnd::Insert(id) = policy.plan.turn_end else {
            self.append_role_marker(policy);
            return inserted;
        };
        if policy.plan.templates.is_none() {
            return inserted;
        }
        self.spare.clear();
        let mut copied = 0;
        for index in 0..self.spans.len() {
            let span = self.rendered.spans[index];
            let shift = inserted.len() as u32;
            let tokens = &mut self.spans[index];
            tokens.start += shift;
            tokens.content_end += shift;
            tokens.end += shift;
            if !tokens.last || !policy.inserts(&span) {
                continue;
            }
            let at = self.mark(insertion(&self.rendered.text, &span)).token;
            let ids = &self.encoding.ids[copied as usize..at as usize];
            self.spare.extend_from_slice(ids);
            copied = at;
            self.spare.push(id);
            inserted.push(at);
            let tokens = &mut self.spans[index];
            tokens.content_end = at + shift;
            tokens.end = (tokens.end + 1).max(at + shift + 1);
            self.counts.add(Rule::EosInserted, 1);
            self.note(Rule::EosInserted, span.message);
        }
        self.spare
            .extend_from_slice(&self.encoding.ids[copied as usize..]);
        std::mem::swap(&mut self.spare, &mut self.encoding.ids);
        inserted
    }

    /// Where the next role's marker ends a turn, the last turn of the data lacks one.
    fn append_role_marker(&mut self, policy: &Policy<'_, '_>) {
        let TurnEnd::NextRole {
            after_calls,
            otherwise,
        } = policy.plan.turn_end
        else {
            return;
        };
        let length = self.encoding.ids.len() as u32;
        let Some(span) = self.spans.last() else {
            return;
        };
        let ends_text = span.end == length && !self.ends_in_stop(&policy.plan.stop);
        if policy.plan.recipe.eos == Eos::Ensure && ends_text && policy.weight(span.message) > 0.0 {
            let message = &policy.conversation.messages[span.message as usize];
            let id = after_calls.filter(|_| has_tool_calls(message));
            let id = id.unwrap_or(otherwise);
            self.encoding.ids.push(id);
            let message = span.message;
            self.counts.add(Rule::EosInserted, 1);
            self.note(Rule::EosInserted, message);
        }
    }
}

/// Where a terminator is inserted: behind the turn's text, before whitespace that the template
/// prints between turns.
pub(crate) fn insertion(text: &str, span: &Span) -> u32 {
    let after = &text[span.content_end as usize..span.end as usize];
    span.content_end + after.trim_end().len() as u32
}

/// A token position after ids were inserted in front of those positions.
pub(crate) fn shifted(token: u32, inserted: &[u32]) -> u32 {
    token + inserted.partition_point(|at| *at <= token) as u32
}
