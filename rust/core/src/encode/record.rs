//! What rows showed, with a few of them as evidence, and what left with the over-length policy.

use serde_json::{Value as Json, json};

use crate::check::{Reject, Rule, RuleCounts};

/// Rows kept as evidence for each rule.
const EVIDENCE_ROWS: usize = 5;

/// Where a row stands in its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Index among the rows of the input, from 0.
    pub(super) row: u64,
    /// Line, from 1; columnar input has none.
    pub(super) line: Option<u64>,
}

/// A row in which a rule was found; the first few of each rule are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The rule.
    pub rule: Rule,
    /// Index of the row in its input, from 0.
    pub row: u64,
    /// Its line, from 1; columnar input has none.
    pub line: Option<u64>,
    /// The message, where one is named.
    pub message: Option<u32>,
    /// What was found there, as a sentence without a full stop; may be empty.
    pub note: String,
}

impl Evidence {
    /// As one object.
    pub(super) fn to_json(&self) -> Json {
        json!({
            "rule": self.rule.name(),
            "row": self.row,
            "line": self.line,
            "message": self.message,
            "note": self.note,
        })
    }
}

/// Turns and tokens that are not in the output although their row is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) turns: u64,
    pub(super) tokens: u64,
}

impl Lost {
    pub(super) fn add(&mut self, other: Self) {
        self.turns += other.turns;
        self.tokens += other.tokens;
    }
}

/// Rule counts with their evidence.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    pub(super) counts: RuleCounts,
    /// Rows in which each rule was found.
    pub(super) rows: RuleCounts,
    pub(super) evidence: Vec<Evidence>,
}

impl Findings {
    /// Adds what one row showed.
    pub(super) fn add(&mut self, row: &RuleCounts, place: Place) {
        for (rule, _) in row.iter() {
            let noted = row.first(rule);
            let note = || noted.map_or_else(String::new, |noted| noted.note.clone());
            self.keep(rule, place, noted.map(|noted| noted.message), note);
            self.rows.add(rule, 1);
        }
        self.counts.merge(row);
    }

    /// Adds a reject.
    pub(super) fn add_reject(&mut self, reject: &Reject, place: Place) {
        self.keep(reject.rule, place, reject.message, || reject.reason.clone());
        self.counts.add(reject.rule, 1);
        self.rows.add(reject.rule, 1);
    }

    fn keep(
        &mut self,
        rule: Rule,
        place: Place,
        message: Option<u32>,
        note: impl FnOnce() -> String,
    ) {
        // A rule with many counts has its evidence, or its first rows count several times.
        if self.kept(rule) < EVIDENCE_ROWS {
            self.evidence.push(Evidence {
                rule,
                row: place.row,
                line: place.line,
                message,
                note: note(),
            });
        }
    }

    fn kept(&self, rule: Rule) -> usize {
        let kept = self.evidence.iter().filter(|known| known.rule == rule);
        kept.count()
    }

    /// Adds the findings of the rows that follow.
    pub(super) fn merge(&mut self, next: &Self) {
        for evidence in &next.evidence {
            if self.kept(evidence.rule) < EVIDENCE_ROWS {
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
        let place = |row| Place { row, line: None };
        let mut one = RuleCounts::default();
        one.add(Rule::Crlf, 3);
        let mut all = Findings::default();
        (0..20).for_each(|row| all.add(&one, place(row)));
        let mut merged = Findings::default();
        for chunk in [0..2, 2..9, 9..20] {
            let mut part = Findings::default();
            chunk.for_each(|row| part.add(&one, place(row)));
            merged.merge(&part);
        }
        assert_eq!(all.counts, merged.counts);
        assert_eq!(all.evidence, merged.evidence);
        assert_eq!(all.evidence.len(), EVIDENCE_ROWS);
    }
}
