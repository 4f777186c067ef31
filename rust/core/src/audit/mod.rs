//! The audit of tokenized data from any tool: rules on ids and labels.
//!
//! Record batches with `input_ids`, and columns that say what is trained, go in; counts and evidence
//! by rule come out. Turns are found: runs of trained labels, cut at role headers if a template is
//! known. Samples that were just made from conversations go the same way, with the turns that
//! their row knows.

mod auditor;
mod columns;
mod ends;
mod learn;
mod padding;
mod part;
mod replay;
mod report;
mod row;
mod scan;
mod segment;
mod setup;
#[cfg(test)]
mod tests;
mod turns;
mod vocabulary;

use std::sync::Arc;

use arrow_array::RecordBatch;

use crate::cancel::Cancel;
use crate::rules::Rule;
use crate::tokenizer::Tokenizer;
use crate::{Result, pool};

use auditor::add_mismatch;
use columns::Columns;
use row::Row;

pub use auditor::Auditor;
pub use learn::learn;
pub(crate) use part::Part;
pub use report::Report;
pub(crate) use row::{Sample, Scratch};
pub use setup::{ends_turns, setup_findings};
pub use vocabulary::{Header, Vocabulary};

/// Rows that one thread takes at a time.
const PIECE: usize = 4096;

/// What the makers of the data asked for, if they are known: then it is no finding.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// Turns may be left untrained, and the rows were compared with inference when they were made.
    pub untrained: bool,
    /// Text outside the assistant's turns is trained.
    pub outside: bool,
}

/// The options of an audit.
#[derive(Clone, Debug)]
pub struct AuditOptions {
    /// Threads to use.
    pub threads: usize,
    /// Places kept as evidence for each rule.
    pub evidence: usize,
    /// The length at which rows were cut; `None`: that of the longest row, if it looks like a
    /// limit.
    pub max_length: Option<u32>,
    /// A label that means untrained, besides -100.
    pub ignore_label: Option<i32>,
    /// Ids that mark where a response starts, if the trainer searches for them.
    pub response_marker: Vec<i32>,
    /// What the makers of the data asked for.
    pub asked: Asked,
    /// Findings on tokenizer and template, for the report.
    pub setup: Vec<(Rule, String)>,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self {
            threads: 1,
            evidence: 5,
            max_length: None,
            ignore_label: None,
            response_marker: Vec::new(),
            asked: Asked::default(),
            setup: Vec::new(),
        }
    }
}

/// An audit of one data set, fed in order.
#[derive(Debug)]
pub struct Audit {
    auditor: Auditor,
    part: Part,
    labelled: bool,
    masked: bool,
}

impl Audit {
    /// An audit that has seen nothing.
    pub fn new(vocabulary: Vocabulary, options: AuditOptions) -> Self {
        let auditor = Auditor::new(vocabulary, options);
        Self {
            part: auditor.part(),
            auditor,
            labelled: false,
            masked: false,
        }
    }

    /// Turns on the replay, which needs the tokenizer.
    #[must_use]
    pub fn replaying(mut self, tokenizer: &Arc<Tokenizer>) -> Self {
        self.auditor = self.auditor.replaying(tokenizer);
        self
    }

    /// Checks the next batches. It is an error if a batch is not tokenized data; problems of its
    /// rows are findings.
    pub fn add(&mut self, batches: &[RecordBatch], cancel: &Cancel) -> Result<()> {
        let options = &self.auditor.options;
        let read = |batch| Columns::of(batch, options.ignore_label);
        let columns: Vec<Columns> = batches.iter().map(read).collect::<Result<_>>()?;
        self.labelled |= columns.iter().any(Columns::has_labels);
        self.masked |= columns.iter().any(|columns| !columns.masks.is_empty());
        let pieces = cut(&columns, self.part.rows);
        let parts = pool::map(options.threads, &pieces, |piece| {
            cancel.check()?;
            Ok(self.check_piece(piece))
        })?;
        for part in parts {
            self.part.append(part);
        }
        Ok(())
    }

    fn check_piece(&self, piece: &Piece<'_>) -> Part {
        let mut part = self.auditor.part();
        let mut scratch = Scratch::default();
        let mut player = self.auditor.player();
        for (number, index) in (piece.number..).zip(piece.rows.clone()) {
            let known = &self.auditor.vocabulary;
            match Row::read(piece.columns, index, number, known, &mut scratch) {
                Ok(row) => {
                    self.auditor.check(&row, &mut part);
                    if let Some(player) = &mut player {
                        self.auditor.replay(player, &row, &mut part);
                    }
                }
                Err(mismatch) => add_mismatch(&mut part, number, mismatch),
            }
        }
        part
    }

    /// The findings.
    pub fn finish(mut self) -> Report {
        self.part.replay.trained = self.part.turns;
        self.auditor.report(self.part, self.labelled, self.masked)
    }
}

/// Rows of one batch that one thread checks.
#[derive(Debug)]
struct Piece<'a> {
    columns: &'a Columns,
    rows: std::ops::Range<usize>,
    /// Index of the first row in the data.
    number: u64,
}

fn cut(columns: &[Columns], first: u64) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut number = first;
    for columns in columns {
        for start in (0..columns.rows).step_by(PIECE) {
            let rows = start..(start + PIECE).min(columns.rows);
            pieces.push(Piece {
                columns,
                rows: rows.clone(),
                number,
            });
            number += rows.len() as u64;
        }
    }
    pieces
}
