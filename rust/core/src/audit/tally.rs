//! The findings of one piece of work; pieces are merged in the order of the rows.

use std::sync::Arc;

use super::ends::Ends;
use crate::rules::{Evidence, Findings, Replay, Rule};

/// A packed row that ends inside a turn: the next row decides what that means.
#[derive(Clone, Debug)]
struct Open {
    evidence: Evidence,
    length: u32,
}

/// Counts, evidence and open questions of consecutive rows.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Findings by rule.
    pub(crate) findings: Findings,
    /// Open ends of rows.
    pub(super) ends: Ends,
    /// Rows.
    pub(crate) rows: u64,
    /// Documents; more than rows if rows are packed.
    pub(crate) documents: u64,
    /// Trained turns.
    pub(crate) turns: u64,
    /// Whether a document has several answers.
    pub(crate) several: bool,
    /// Tokens, padding included.
    pub(crate) tokens: u64,
    /// Trained tokens.
    pub(crate) trained: u64,
    /// Stop ids that end trained turns, with the number of turns.
    pub(crate) terminators: Vec<(i32, u64)>,
    /// Replayed turns.
    pub(crate) replay: Replay,
    /// Rows without a trained token.
    pub(crate) rows_untrained: u64,
    /// Rows in which every token is trained.
    pub(crate) rows_all_trained: u64,
    /// Rows whose labels train other tokens than their masks, and the first of them.
    pub(crate) contradicted: u64,
    pub(crate) first_contradicted: Option<u64>,
    open: Option<Open>,
    /// Whether the first row starts inside a turn; `None` while there is no row.
    starts_inside: Option<bool>,
}

impl Tally {
    /// No rows yet.
    pub(crate) fn new(limit: Option<u32>, keep: usize) -> Self {
        Self {
            findings: Findings::keeping(keep),
            ends: Ends::new(limit),
            rows: 0,
            documents: 0,
            turns: 0,
            several: false,
            tokens: 0,
            trained: 0,
            terminators: Vec::new(),
            replay: Replay::default(),
            rows_untrained: 0,
            rows_all_trained: 0,
            contradicted: 0,
            first_contradicted: None,
            open: None,
            starts_inside: None,
        }
    }

    /// Starts the next row. `inside`: its first token is trained and does not begin a turn.
    pub(crate) fn start_row(&mut self, inside: bool) {
        self.rows += 1;
        self.starts_inside.get_or_insert(inside);
        self.settle(inside);
    }

    /// Notes that the row's last turn has no stop token.
    pub(crate) fn set_open(&mut self, evidence: Evidence, length: u32, packed: bool) {
        if packed {
            self.open = Some(Open { evidence, length });
        } else {
            self.ends.add_open(evidence, length, self.findings.keep());
        }
    }

    /// Counts turns that end in this stop id.
    pub(crate) fn add_terminator(&mut self, id: i32, turns: u64) {
        match self.terminators.iter_mut().find(|(known, _)| *known == id) {
            Some((_, count)) => *count += turns,
            None => self.terminators.push((id, turns)),
        }
    }

    /// Decides what the open end of the row before means.
    fn settle(&mut self, continues: bool) {
        let Some(open) = self.open.take() else {
            return;
        };
        if continues {
            let row = open.evidence.row.unwrap_or(0);
            self.findings
                .add(Rule::PackingSplitTurn, row, || open.evidence);
        } else {
            self.ends
                .add_open(open.evidence, open.length, self.findings.keep());
        }
    }

    /// Adds the findings of later rows.
    pub(crate) fn append(&mut self, later: Self) {
        if let Some(inside) = later.starts_inside {
            self.settle(inside);
            self.starts_inside.get_or_insert(inside);
            self.open = later.open;
        }
        let keep = self.findings.keep();
        self.findings.append(later.findings);
        self.ends.append(later.ends, keep);
        for (id, turns) in later.terminators {
            self.add_terminator(id, turns);
        }
        self.replay.append(later.replay, keep);
        self.rows += later.rows;
        self.documents += later.documents;
        self.turns += later.turns;
        self.several |= later.several;
        self.tokens += later.tokens;
        self.trained += later.trained;
        self.rows_untrained += later.rows_untrained;
        self.rows_all_trained += later.rows_all_trained;
        self.contradicted += later.contradicted;
        self.first_contradicted = self.first_contradicted.or(later.first_contradicted);
    }

    /// Names the input of every place.
    pub(crate) fn name_input(&mut self, file: &Arc<str>) {
        self.findings.name_input(file);
        for place in &mut self.replay.different.evidence {
            place.file = Some(Arc::clone(file));
        }
    }

    /// Ends the data: no more rows follow.
    pub(crate) fn close(&mut self) {
        self.settle(false);
    }
}
