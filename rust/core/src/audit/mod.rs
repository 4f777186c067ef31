//! The audit of tokenized data from any tool: rules on ids and labels.
//!
//! Rows with `input_ids`, and columns that say what is trained, go in, as record batches, JSON or
//! values; counts and evidence by rule come out. Turns are found: runs of trained labels, cut at
//! role headers if a template is known. Samples that were just made from conversations go the same
//! way, with the turns that their row knows.

mod auditor;
mod columns;
mod digest;
mod ends;
mod inputs;
mod integers;
mod json;
mod known;
mod learn;
mod lists;
mod meanings;
mod options;
mod padding;
mod replay;
mod report;
mod row;
mod scan;
mod segment;
pub(crate) mod served;
mod setup;
mod tally;
#[cfg(test)]
mod tests;
mod token_classes;
mod turns;

use std::sync::Arc;

use arrow_array::RecordBatch;
use serde_json::Value as Json;

use crate::cancel::Cancel;
use crate::rules::{Evidence, PromptSource, Rule};
use crate::source::json::FileLayout;
use crate::tokenizer::Tokenizer;
use crate::value::Value;
use crate::{Result, pool};

use auditor::add_mismatch;
use columns::Columns;
use inputs::Inputs;
use json::{BadRow, JsonOptions, JsonRows};
use lists::Lists;
use row::TokenRow;

pub use auditor::Auditor;
pub use digest::digests;
pub use known::{Known, Stated};
pub use learn::learn;
pub use meanings::{Boundaries, COLUMNS, Meaning};
pub use options::{Asked, AuditOptions};
pub use report::Report;
pub(crate) use row::{KnownSample, Scratch};
pub use setup::setup_findings;
pub(crate) use tally::Tally;
pub use token_classes::{Header, TokenClasses};

/// Rows that one thread takes at a time.
const PIECE: usize = 4096;

/// An audit of one data set, whose inputs are fed one after the other.
#[derive(Debug)]
pub struct Audit {
    auditor: Auditor,
    /// What is known of the data, if it is more than the classes of tokens.
    known: Option<Known>,
    inputs: Inputs,
    /// The input that is being read, if it is JSON.
    json: Option<JsonRows>,
    tally: Tally,
    /// Places that hold no row.
    faults: u64,
    labelled: bool,
    masked: bool,
}

impl Audit {
    /// An audit that has seen nothing.
    pub fn new(classes: TokenClasses, options: AuditOptions) -> Self {
        let auditor = Auditor::new(classes, options);
        Self {
            tally: auditor.tally(),
            auditor,
            known: None,
            inputs: Inputs::default(),
            json: None,
            faults: 0,
            labelled: false,
            masked: false,
        }
    }

    /// An audit of data of which that is said. The report is compared with the model's files.
    pub fn of(
        tokenizer: &Arc<Tokenizer>,
        stated: Stated,
        mut options: AuditOptions,
    ) -> Result<Self> {
        let (known, classes) = Known::of(tokenizer, stated)?;
        options.setup.extend(known.findings.iter().cloned());
        let mut audit = Self::new(classes, options);
        audit.known = Some(known);
        Ok(audit)
    }

    /// Turns on the replay, which needs the tokenizer.
    #[must_use]
    pub fn replaying(mut self, tokenizer: &Arc<Tokenizer>) -> Self {
        self.auditor = self.auditor.replaying(tokenizer);
        self
    }

    /// Starts the next input. Its rows are numbered within `source`, which may be several inputs,
    /// and are those of `file`, which may be two: the answers of pairs.
    pub fn start(&mut self, source: &str, name: &str, file: &str, cancel: &Cancel) -> Result<()> {
        self.end_json(cancel)?;
        self.inputs.start(source, name, file);
        Ok(())
    }

    /// Checks the next batches. It is an error if a batch is not tokenized data; problems of its
    /// rows are findings.
    pub fn add(&mut self, batches: &[RecordBatch], cancel: &Cancel) -> Result<()> {
        let options = &self.auditor.options;
        let read = |batch| Columns::of(batch, options.ignore_label);
        let columns: Vec<Columns> = batches.iter().map(read).collect::<Result<_>>()?;
        for batch in batches {
            let schema = batch.schema();
            let fields = schema.fields().iter();
            let known = fields.filter_map(|field| meanings::known(field.name()));
            self.inputs.name_columns(known);
        }
        self.check(&columns, cancel)
    }

    /// Takes the next block of JSON. What is not JSON, or not a row, is a finding.
    pub fn add_json(&mut self, block: &[u8], layout: FileLayout, cancel: &Cancel) -> Result<()> {
        let mut json = self
            .json
            .take()
            .unwrap_or_else(|| JsonRows::new(layout, self.tally.rows));
        if json.feed(block, self.reading(cancel))? {
            self.check_json(&mut json, cancel)?;
        }
        self.json = Some(json);
        Ok(())
    }

    /// Checks the next rows of an input in memory, as one batch. What is not a row is a finding.
    pub fn add_values(&mut self, rows: &[Value<'_>], cancel: &Cancel) -> Result<()> {
        let mut lists = Lists::default();
        for (row, value) in (self.tally.rows..).zip(rows) {
            if let Some(note) = lists.push(*value) {
                self.add_fault(BadRow {
                    rule: Rule::SchemaMismatch,
                    row: Some(row),
                    line: None,
                    note,
                });
            }
        }
        self.inputs.name_columns(lists.names());
        let columns = Columns::of_lists(lists, self.auditor.options.ignore_label)?;
        self.check(&[columns], cancel)
    }

    fn reading<'a>(&self, cancel: &'a Cancel) -> JsonOptions<'a> {
        JsonOptions {
            threads: self.auditor.options.threads,
            ignore: self.auditor.options.ignore_label,
            cancel,
        }
    }

    fn end_json(&mut self, cancel: &Cancel) -> Result<()> {
        let Some(mut json) = self.json.take() else {
            return Ok(());
        };
        json.end(self.reading(cancel))?;
        self.check_json(&mut json, cancel)
    }

    /// Checks what was read of an input.
    fn check_json(&mut self, json: &mut JsonRows, cancel: &Cancel) -> Result<()> {
        let found = json.take();
        self.inputs.name_columns(found.names);
        for fault in found.faults {
            self.add_fault(fault);
        }
        self.check(&found.batches, cancel)
    }

    fn add_fault(&mut self, fault: BadRow) {
        let evidence = || Evidence {
            file: self.inputs.name().cloned(),
            row: fault.row,
            line: fault.line,
            note: fault.note,
            ..Evidence::default()
        };
        self.tally.findings.add(fault.rule, self.faults, evidence);
        self.faults += 1;
    }

    fn check(&mut self, columns: &[Columns], cancel: &Cancel) -> Result<()> {
        self.labelled |= columns.iter().any(Columns::has_labels);
        self.masked |= columns.iter().any(|columns| !columns.masks.is_empty());
        let pieces = cut(columns, self.tally.rows);
        let tallies = pool::map(self.auditor.options.threads, &pieces, |piece| {
            cancel.check()?;
            Ok(self.check_piece(piece))
        })?;
        for tally in tallies {
            self.tally.append(tally);
        }
        for batch in columns {
            self.inputs.see(batch);
        }
        Ok(())
    }

    fn check_piece(&self, piece: &RowSlice<'_>) -> Tally {
        let mut tally = self.auditor.tally();
        let mut scratch = Scratch::default();
        let mut player = self.auditor.player();
        for (number, index) in (piece.number..).zip(piece.rows.clone()) {
            let known = &self.auditor.classes;
            match TokenRow::read(piece.columns, index, number, known, &mut scratch) {
                Ok(row) => {
                    self.auditor.check(&row, &mut tally);
                    if let Some(player) = &mut player {
                        self.auditor.replay(player, &row, &mut tally);
                    }
                }
                Err(mismatch) => add_mismatch(&mut tally, number, mismatch),
            }
        }
        tally
    }

    /// Ends the last input: the findings as JSON, with what they depend on.
    pub fn finish_as_json(mut self, cancel: &Cancel) -> Result<Json> {
        let known = self.known.take();
        let mut report = self.finish(cancel)?;
        let Some(known) = known else {
            return Ok(report.to_json(PromptSource::Decoded, None));
        };
        known.conclude(&mut report);
        let mut json = report.to_json(PromptSource::Decoded, Some(known.tokenizer()));
        known.tell(&report, &mut json);
        Ok(json)
    }

    /// Ends the last input: the findings.
    pub fn finish(mut self, cancel: &Cancel) -> Result<Report> {
        self.end_json(cancel)?;
        for twin in self.inputs.finish().into_iter().rev() {
            self.tally
                .findings
                .add_to_all(Rule::CacheKeyCollision, twin);
        }
        self.tally.replay.trained = self.tally.turns;
        let mut report = self.auditor.report(self.tally, self.labelled, self.masked);
        report.columns = self.inputs.columns().to_vec();
        if self.inputs.are_several() {
            report
                .findings
                .places()
                .for_each(|place| self.inputs.locate(place));
        }
        Ok(report)
    }
}

/// Rows of one batch that one thread checks.
#[derive(Debug)]
struct RowSlice<'a> {
    columns: &'a Columns,
    rows: std::ops::Range<usize>,
    /// Index of the first row in the data.
    number: u64,
}

fn cut(columns: &[Columns], first: u64) -> Vec<RowSlice<'_>> {
    let mut pieces = Vec::new();
    let mut number = first;
    for columns in columns {
        for start in (0..columns.rows).step_by(PIECE) {
            let rows = start..(start + PIECE).min(columns.rows);
            pieces.push(RowSlice {
                columns,
                rows: rows.clone(),
                number,
            });
            number += rows.len() as u64;
        }
    }
    pieces
}
