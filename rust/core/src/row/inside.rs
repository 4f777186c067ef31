//! Where in a row a rule fired: the turn, and the tokens around the place, for a check.

use super::desk::Desk;
use super::record::Inside;
use crate::chat::Conversation;
use crate::rules::{Reject, Rule, Token, around};
use crate::setup::ending::TurnEnd;
use crate::setup::plan::Plan;
use crate::template::{Field, Origin};

/// Rules about the start of a turn; the others look at its end.
const ABOUT_STARTS: [Rule; 2] = [Rule::BoundaryMerge, Rule::PromptParity];

impl Desk {
    /// Remembers which turn each message of the row at hand is, where a check asks for it.
    pub(crate) fn name_turns(&mut self, conversation: &Conversation<'_>) {
        if self.player.is_some() {
            let messages = 0..conversation.messages.len() as u32;
            let turns = messages.map(|message| conversation.turn_of(message));
            self.turn_numbers.extend(turns);
        }
    }

    /// Notes the message in which a counted rule fired first, where a check asks for it.
    pub(crate) fn note(&mut self, rule: Rule, message: u32) {
        if self.player.is_some() {
            self.counts.note(rule, message, String::new);
        }
    }

    /// Marks where the contents of messages start, where a check asks for it.
    pub(crate) fn mark_contents(&mut self) {
        if self.player.is_some() {
            let starts = self.contents().map(|(_, start)| start);
            let starts: Vec<u32> = starts.collect();
            self.marks.extend(starts);
        }
    }

    /// The place of a finding in the row at hand.
    pub(crate) fn inside(&self, plan: &Plan, rule: Rule, message: Option<u32>) -> Inside {
        if self.player.is_none() {
            return Inside {
                message,
                ..Inside::default()
            };
        }
        let number = message.and_then(|message| self.turn_numbers.get(message as usize));
        let place = self.place(plan, rule, message);
        Inside {
            message,
            turn: number.copied().flatten(),
            tokens: place.map(|at| self.tokens(at)).unwrap_or_default(),
        }
    }

    /// The place of a reject.
    pub(crate) fn inside_rejected(&self, plan: &Plan, reject: &Reject) -> Inside {
        let inside = self.inside(plan, reject.rule, reject.message);
        Inside {
            turn: inside.turn.or(reject.turn),
            ..inside
        }
    }

    /// The token to look at; none where the row was not encoded and labelled.
    fn place(&self, plan: &Plan, rule: Rule, message: Option<u32>) -> Option<usize> {
        // A shorter sample has other messages.
        let encoded = !self.labels.is_empty() && self.labels.len() == self.encoding.ids.len();
        if !encoded || self.lost.turns > 0 {
            return None;
        }
        let starts = ABOUT_STARTS.contains(&rule);
        let Some(message) = message else {
            let turn = self.turns.first()?;
            return Some(if starts { turn.start } else { turn.end - 1 } as usize);
        };
        let ended = self.turns.iter().find(|turn| turn.message == message);
        if let Some(turn) = ended {
            return Some(if starts { turn.start } else { turn.end - 1 } as usize);
        }
        let mut spans = self.spans.iter().rev();
        if let Some(span) = spans.find(|span| span.message == message) {
            return Some(if starts {
                span.start
            } else {
                span.end.max(1) - 1
            } as usize);
        }
        let (_, start) = self.contents().find(|(index, _)| *index == message)?;
        let inserted = matches!(plan.turn_end, TurnEnd::Insert(_));
        let before = self.turns.iter().filter(|turn| turn.message < message);
        let shift = if inserted { before.count() } else { 0 };
        let mark = self.marks.binary_search(&start).ok()?;
        Some(self.encoding.marks.get(mark)?.token as usize + shift)
    }

    /// Messages with the byte of the render where their content starts.
    fn contents(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let ends = self.rendered.pieces.iter().map(|piece| piece.end);
        let starts = std::iter::once(0).chain(ends);
        let pieces = self.rendered.pieces.iter().zip(starts);
        pieces.filter_map(|(piece, start)| match piece.origin {
            Origin::Message {
                index,
                field: Field::Content,
            } => Some((index, start)),
            _ => None,
        })
    }

    fn tokens(&self, at: usize) -> Vec<Token> {
        let token = |position: usize| Token {
            position: position as u32,
            id: self.encoding.ids[position] as i32,
            label: self.labels[position],
        };
        let positions = around(at, self.labels.len());
        positions.map(token).collect()
    }
}
