//! Where in a row a rule fired, for a check: the turn, and the tokens around the place.

use super::contract::TrainedTurn;
use super::draft::Draft;
use super::findings::{InputPosition, RowFindings};
use super::locate::content_starts;
use crate::chat::Record;
use crate::rules::{Evidence, Reject, Rule, Token, around};
use crate::setup::plan::Plan;
use crate::setup::turn_end_probe::TurnEnd;

/// Rules about the start of a turn. All others are about its end.
const ABOUT_STARTS: [Rule; 2] = [Rule::BoundaryMerge, Rule::PromptParity];

/// Finds places in a row that is finished or was refused.
pub(crate) struct RowPositions<'r> {
    pub(crate) plan: &'r Plan,
    pub(crate) input: InputPosition,
    /// The row, if it could be read.
    pub(crate) record: Option<&'r Record<'r>>,
    /// Its last sample, possibly unfinished.
    pub(crate) draft: &'r Draft,
    pub(crate) findings: &'r RowFindings,
}

impl RowPositions<'_> {
    /// The place of a finding. Turn and tokens are looked up if a check asks for them.
    pub(crate) fn of(&self, rule: Rule, message: Option<u32>, note: String) -> Evidence {
        let shown = self.findings.positions;
        let tokens = shown.then(|| self.tokens(rule, message)).flatten();
        Evidence {
            row: Some(self.input.row),
            line: self.input.line,
            turn: message
                .filter(|_| shown)
                .and_then(|message| self.turn_of(message)),
            message,
            tokens: tokens.unwrap_or_default(),
            note,
            ..Evidence::default()
        }
    }

    /// The place of a rule that was counted.
    pub(crate) fn of_counted(&self, rule: Rule) -> Evidence {
        let noted = self.findings.counts.first(rule);
        let note = noted.map_or_else(String::new, |noted| noted.note.clone());
        self.of(rule, noted.map(|noted| noted.message), note)
    }

    /// The place of a reject.
    pub(crate) fn of_reject(&self, reject: &Reject) -> Evidence {
        let place = self.of(reject.rule, reject.message, reject.reason.clone());
        Evidence {
            turn: place.turn.or(reject.turn),
            ..place
        }
    }

    fn turn_of(&self, message: u32) -> Option<u32> {
        self.record?.conversation()?.turn_of(message)
    }

    /// Tokens around the place; empty if the row was not encoded and labelled.
    fn tokens(&self, rule: Rule, message: Option<u32>) -> Option<Vec<Token>> {
        // In a shortened sample the messages have other indices; of a pair, the draft holds one.
        let is_pair = matches!(self.record, Some(Record::Pair(_)));
        if is_pair || !self.draft.is_labelled() || self.findings.lost.turns > 0 {
            return None;
        }
        let at_start = ABOUT_STARTS.contains(&rule);
        let at = match message {
            Some(message) => self.token_of(message, at_start)?,
            None => bound(self.draft.labelled.turns.first()?, at_start),
        };
        let labels = &self.draft.labelled.labels;
        let token = |position: usize| Token {
            position: position as u32,
            id: self.draft.encoding.ids[position] as i32,
            label: labels[position],
        };
        Some(around(at, labels.len()).map(token).collect())
    }

    /// The first or last token of a turn; for other messages, the first token of the content.
    fn token_of(&self, message: u32, at_start: bool) -> Option<usize> {
        let labelled = &self.draft.labelled;
        let trained = labelled.turns.iter().find(|turn| turn.message == message);
        if let Some(turn) = trained {
            return Some(bound(turn, at_start));
        }
        let mut spans = labelled.spans.iter().rev();
        if let Some(span) = spans.find(|span| span.message == message) {
            let last = span.end.max(1) - 1;
            return Some(if at_start { span.start } else { last } as usize);
        }
        let mut starts = content_starts(&self.draft.rendered);
        let (_, start) = starts.find(|(index, _)| *index == message)?;
        let before = labelled.turns.iter().filter(|turn| turn.message < message);
        let inserted = matches!(self.plan.turn_end, TurnEnd::Insert(_));
        let shift = if inserted { before.count() } else { 0 };
        Some(self.draft.mark(start)?.token as usize + shift)
    }
}

/// The first or the last token of a turn.
fn bound(turn: &TrainedTurn, at_start: bool) -> usize {
    let token = if at_start { turn.start } else { turn.end - 1 };
    token as usize
}
