//! What was found in a row: rules, and what the over-length policy left out.

use crate::rules::{Rule, RuleCounts};

/// The position of a row in its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InputPosition {
    /// Index among the rows of the input, from 0.
    pub(crate) row: u64,
    /// Line, from 1; `None` for columnar input.
    pub(crate) line: Option<u64>,
}

/// Turns and tokens that were left out of a row that is in the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) turns: u64,
    pub(crate) tokens: u64,
    /// Of the tokens, those of rejected answers: in a pair, or with a bad verdict.
    pub(crate) of_rejected: u64,
}

impl Lost {
    pub(crate) fn add(&mut self, other: Self) {
        self.turns += other.turns;
        self.tokens += other.tokens;
        self.of_rejected += other.of_rejected;
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
        self.lost.add(Lost {
            turns,
            tokens,
            of_rejected: 0,
        });
    }
}
