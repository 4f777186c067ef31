//! What was found in rows: rules with a few rows as evidence, and what the over-length policy left
//! out.

use serde_json::{Value as Json, json};

use crate::rules::{Reject, Rule, RuleCounts, Token, is_trained};
use crate::tokenizer::Tokenizer;

/// Rows kept as evidence for each rule, unless a run asks for another number.
pub(crate) const EVIDENCE_ROWS: usize = 5;

/// The position of a row in its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InputPosition {
    /// Index among the rows of the input, from 0.
    pub(crate) row: u64,
    /// Line, from 1; `None` for columnar input.
    pub(crate) line: Option<u64>,
}

/// A row in which a rule was found; the first few of each rule are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The rule.
    pub rule: Rule,
    /// Index of the row in its input, from 0.
    pub row: u64,
    /// Its line, from 1; `None` for columnar input.
    pub line: Option<u64>,
    /// What was found there, as a sentence without a full stop; may be empty.
    pub note: String,
    /// Where in the row.
    pub inside: RowPosition,
}

/// A place inside a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowPosition {
    /// Index of the message, from 0, if the rule is about one.
    pub message: Option<u32>,
    /// Number among the assistant's turns, from 0, if the message is one.
    pub turn: Option<u32>,
    /// Tokens around the place, if a check asks for them and the row was encoded.
    pub tokens: Vec<Token>,
}

impl Evidence {
    /// The evidence as a JSON object; the tokenizer gives the text of the tokens.
    pub(crate) fn to_json(&self, tokenizer: &Tokenizer) -> Json {
        let tokens = self.inside.tokens.iter();
        let tokens: Vec<Json> = tokens.map(|token| token.to_json(Some(tokenizer))).collect();
        json!({
            "rule": self.rule.name(),
            "row": self.row,
            "line": self.line,
            "message": self.inside.message,
            "turn": self.inside.turn,
            "note": self.note,
            "tokens": tokens,
        })
    }
}

impl Token {
    /// The token as a JSON object, with its text if there is a tokenizer.
    pub(crate) fn to_json(self, tokenizer: Option<&Tokenizer>) -> Json {
        let text = tokenizer
            .filter(|_| self.id >= 0)
            .map(|tokenizer| tokenizer.id_to_text(self.id as u32));
        json!({
            "position": self.position,
            "id": self.id,
            "text": text,
            "label": self.label,
            "trained": is_trained(self.label),
        })
    }
}

/// Turns and tokens that were left out of a row that is in the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) turns: u64,
    pub(crate) tokens: u64,
}

impl Lost {
    pub(crate) fn add(&mut self, other: Self) {
        self.turns += other.turns;
        self.tokens += other.tokens;
    }
}

/// What was found in one row.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowFindings {
    /// Rules that fired, with the first message if it is known.
    pub(crate) counts: RuleCounts,
    /// Turns and tokens that are in no sample of the row.
    pub(crate) lost: Lost,
    /// Whether a check asks where in the row each rule fired.
    pub(crate) positions: bool,
}

impl RowFindings {
    /// Nothing yet.
    pub(crate) fn new(positions: bool) -> Self {
        Self {
            positions,
            ..Self::default()
        }
    }

    /// Counts a rule, and keeps the message if a check asks for places.
    pub(crate) fn count(&mut self, rule: Rule, message: u32) {
        self.counts.add(rule, 1);
        self.note(rule, message);
    }

    /// Keeps the message in which a counted rule fired first, if a check asks for places.
    pub(crate) fn note(&mut self, rule: Rule, message: u32) {
        if self.positions {
            self.counts.note(rule, message, String::new);
        }
    }

    /// Counts turns and tokens that are in no sample.
    pub(crate) fn leave_out(&mut self, turns: u64, tokens: u64) {
        self.counts.add(Rule::TurnsLeftOut, turns);
        self.lost.add(Lost { turns, tokens });
    }
}

/// Rule counts with their evidence.
#[derive(Clone, Debug)]
pub(crate) struct Findings {
    pub(crate) counts: RuleCounts,
    /// Rows in which each rule was found.
    pub(crate) rows: RuleCounts,
    pub(crate) evidence: Vec<Evidence>,
    keep: usize,
}

impl Findings {
    /// No findings yet; `keep` rows are kept as evidence for each rule.
    pub(crate) fn keeping(keep: usize) -> Self {
        Self {
            counts: RuleCounts::default(),
            rows: RuleCounts::default(),
            evidence: Vec::new(),
            keep,
        }
    }

    /// Adds the findings of one row; `inside` gives the place in the row.
    pub(crate) fn add(
        &mut self,
        row: &RuleCounts,
        input: InputPosition,
        mut inside: impl FnMut(Rule, Option<u32>) -> RowPosition,
    ) {
        for (rule, _) in row.iter() {
            let noted = row.first(rule);
            let note = || noted.map_or_else(String::new, |noted| noted.note.clone());
            let message = noted.map(|noted| noted.message);
            self.keep(rule, input, note, || inside(rule, message));
            self.rows.add(rule, 1);
        }
        self.counts.merge(row);
    }

    /// Adds a reject.
    pub(crate) fn add_reject(
        &mut self,
        reject: &Reject,
        input: InputPosition,
        inside: impl FnOnce() -> RowPosition,
    ) {
        self.keep(reject.rule, input, || reject.reason.clone(), inside);
        self.counts.add(reject.rule, 1);
        self.rows.add(reject.rule, 1);
    }

    fn keep(
        &mut self,
        rule: Rule,
        input: InputPosition,
        note: impl FnOnce() -> String,
        inside: impl FnOnce() -> RowPosition,
    ) {
        // A rule with many counts has its evidence, or its first rows count several times.
        if self.kept(rule) < self.keep {
            self.evidence.push(Evidence {
                rule,
                row: input.row,
                line: input.line,
                note: note(),
                inside: inside(),
            });
        }
    }

    fn kept(&self, rule: Rule) -> usize {
        let kept = self.evidence.iter().filter(|known| known.rule == rule);
        kept.count()
    }

    /// Adds the findings of the rows that follow.
    pub(crate) fn merge(&mut self, next: &Self) {
        for evidence in &next.evidence {
            if self.kept(evidence.rule) < self.keep {
                self.evidence.push(evidence.clone());
            }
        }
        self.counts.merge(&next.counts);
        self.rows.merge(&next.rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_does_not_depend_on_how_rows_are_grouped() {
        let place = |row| InputPosition { row, line: None };
        let mut one = RuleCounts::default();
        one.add(Rule::Crlf, 3);
        let nowhere = |_, _| RowPosition::default();
        let mut all = Findings::keeping(EVIDENCE_ROWS);
        (0..20).for_each(|row| all.add(&one, place(row), nowhere));
        let mut merged = Findings::keeping(EVIDENCE_ROWS);
        for chunk in [0..2, 2..9, 9..20] {
            let mut part = Findings::keeping(EVIDENCE_ROWS);
            chunk.for_each(|row| part.add(&one, place(row), nowhere));
            merged.merge(&part);
        }
        assert_eq!(all.counts, merged.counts);
        assert_eq!(all.evidence, merged.evidence);
        assert_eq!(all.evidence.len(), EVIDENCE_ROWS);
    }
}
