//! The audit of tokenized data from any tool: rules on ids and labels.
//!
//! It needs neither a template nor the encoder. Record batches with `input_ids`, and columns that
//! say what is trained, go in; counts and evidence by rule come out. Turns are runs of trained
//! labels, cut at role headers if a template is known.

mod columns;
mod ends;
mod json;
mod learn;
mod padding;
mod part;
mod replay;
mod report;
mod row;
mod scan;
mod setup;
mod tally;
#[cfg(test)]
mod tests;
mod turns;
mod vocabulary;

use std::sync::Arc;

use arrow_array::RecordBatch;

use crate::cancel::Cancel;
use crate::rules::{IGNORED, Rule};
use crate::tokenizer::Tokenizer;
use crate::{Result, pool};

use columns::Columns;
use part::Part;
use replay::Player;
use row::{Mismatch, Row, Scratch};
use turns::Turns;

pub use learn::learn;
pub use report::{Finding, Report};
pub use setup::setup_findings;
pub use tally::{Entry, Evidence};
pub use vocabulary::{Header, Vocabulary};

/// Rows that one thread takes at a time.
const PIECE: usize = 4096;

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
            setup: Vec::new(),
        }
    }
}

/// An audit of one data set, fed in order.
#[derive(Debug)]
pub struct Audit {
    vocabulary: Vocabulary,
    options: AuditOptions,
    /// Replays turns; `None` if prompts cannot be decoded.
    tokenizer: Option<Arc<Tokenizer>>,
    part: Part,
    labelled: bool,
    masked: bool,
}

impl Audit {
    /// An audit that has seen nothing.
    pub fn new(vocabulary: Vocabulary, options: AuditOptions) -> Self {
        let part = Part::new(options.max_length, options.evidence);
        Self {
            vocabulary,
            options,
            tokenizer: None,
            part,
            labelled: false,
            masked: false,
        }
    }

    /// Turns on the replay, which needs the tokenizer.
    #[must_use]
    pub fn replaying(mut self, tokenizer: &Arc<Tokenizer>) -> Self {
        self.tokenizer = replay::round_trips(tokenizer).then(|| Arc::clone(tokenizer));
        self
    }

    /// Checks the next batches. It is an error if a batch is not tokenized data; problems of its
    /// rows are findings.
    pub fn add(&mut self, batches: &[RecordBatch], cancel: &Cancel) -> Result<()> {
        let read = |batch| Columns::of(batch, self.options.ignore_label);
        let columns: Vec<Columns> = batches.iter().map(read).collect::<Result<_>>()?;
        self.labelled |= columns.iter().any(Columns::has_labels);
        self.masked |= columns.iter().any(|columns| !columns.masks.is_empty());
        let pieces = cut(&columns, self.part.rows);
        let parts = pool::map(self.options.threads, &pieces, |piece| {
            cancel.check()?;
            Ok(self.check_piece(piece))
        })?;
        for part in parts {
            self.part.append(part);
        }
        Ok(())
    }

    fn check_piece(&self, piece: &Piece<'_>) -> Part {
        let mut part = Part::new(self.options.max_length, self.options.evidence);
        let mut scratch = Scratch::default();
        let tokenizer = self.tokenizer.as_ref();
        let mut player = tokenizer.map(|known| Player::new(known, &self.vocabulary));
        for (number, index) in (piece.number..).zip(piece.rows.clone()) {
            let known = &self.vocabulary;
            match Row::read(piece.columns, index, number, known, &mut scratch) {
                Ok(row) => {
                    self.check_row(&row, &mut part);
                    if let Some(player) = &mut player {
                        self.replay(player, &row, &mut part);
                    }
                }
                Err(mismatch) => add_mismatch(&mut part, number, mismatch),
            }
        }
        part
    }

    fn check_row(&self, row: &Row<'_>, part: &mut Part) {
        part.start_row(self.starts_inside(row));
        let trained = scan::count_trained(row.labels);
        part.documents += row.documents.len() as u64;
        part.tokens += row.ids.len() as u64;
        part.trained += trained as u64;
        part.rows_untrained += u64::from(trained == 0);
        part.rows_all_trained += u64::from(trained == row.ids.len());
        if let Some(limit) = self
            .options
            .max_length
            .filter(|limit| row.length() > *limit as usize)
        {
            add_at(part, Rule::OverlongSample, row, limit as usize, "");
        }
        part.ends.see(row.length() as u32, self.options.evidence);
        let marker = &self.options.response_marker;
        if trained == 0 && !marker.is_empty() && !contains(row.ids, marker) {
            add_at(part, Rule::ResponseMarkerNotFound, row, 0, "");
        }
        self.check_tokens(row, part);
        check_seams(row, part);
        if let Some(at) = row.unattended {
            let note = "the attention mask is 0 at this stop token inside the row: it was made by \
                        comparing ids with the pad id";
            add_at(part, Rule::PadEqualsTerminator, row, at, note);
        }
        if row.contradicted.is_some() {
            part.contradicted += 1;
            part.first_contradicted.get_or_insert(row.number);
        }
        for index in 0..row.documents.len() {
            Turns::new(&self.vocabulary, row, index, part).check();
        }
        if row.documents.is_empty() {
            add_at(part, Rule::AllLabelsMasked, row, 0, "the row has no tokens");
        }
    }

    fn replay(&self, player: &mut Player<'_>, row: &Row<'_>, part: &mut Part) {
        let Some(difference) = player.play(row, &mut part.replay) else {
            return;
        };
        let server = match (difference.server, &self.tokenizer) {
            (Some(id), Some(tokenizer)) => format!("{:?} {id}", tokenizer.id_to_text(id)),
            _ => "no token".to_owned(),
        };
        let note = format!("the server's prompt has {server} at {}", difference.at);
        add_at(part, Rule::PromptParity, row, difference.at, &note);
    }

    /// Whether the row continues the turn that the row before left open.
    fn starts_inside(&self, row: &Row<'_>) -> bool {
        let Some(first) = row.documents.first() else {
            return false;
        };
        let ids = &row.ids[first.clone()];
        let begins = self.vocabulary.begins(ids[0]) || self.vocabulary.header_at(ids).is_some();
        row.packed && row.trains(first.start) && !begins
    }

    /// Finds ids that no token has, and labels that are those of another token or another tool's
    /// mark.
    fn check_tokens(&self, row: &Row<'_>, part: &mut Part) {
        let last = self.vocabulary.last_id();
        // As an unsigned number, a negative id is a large one.
        let outside = |id: i32| id as u32 > last as u32;
        if let Some(at) = scan::find(row.ids, outside) {
            add_at(part, Rule::TokenIdOutOfRange, row, at, "");
        }
        if row.labels.len() == row.ids.len() && std::ptr::eq(row.labels, row.ids) {
            return;
        }
        if scan::labels_differ(row.ids, row.labels) {
            check_labels(row, part);
        }
        let other = |label: i32| label < 0 && label != IGNORED;
        if let Some(at) = scan::find(row.labels, other) {
            let note = format!("the label {}", row.labels[at]);
            add_at(part, Rule::OtherIgnoreLabel, row, at, &note);
        }
    }

    /// The findings.
    pub fn finish(mut self) -> Report {
        self.part.close();
        Report::of(
            self.part,
            &self.vocabulary,
            &self.options,
            self.labelled,
            self.masked,
        )
    }
}

fn check_labels(row: &Row<'_>, part: &mut Part) {
    let differs = |at: &usize| row.trains(*at) && row.labels[*at] != row.ids[*at];
    let at = (0..row.ids.len()).find(differs).unwrap_or(0);
    let trained = || (0..row.ids.len()).filter(|at| row.trains(*at));
    let label = row.labels[at];
    let one_value = trained()
        .filter(|at| row.labels[*at] != row.ids[*at])
        .all(|at| row.labels[at] == label);
    let shifted = trained().all(|at| row.ids.get(at + 1).is_none_or(|id| *id == row.labels[at]));
    if shifted {
        let note = "every label is already the next token, and the trainer will shift once more";
        add_at(part, Rule::MaskOffByOne, row, at, note);
    } else if one_value && trained().any(|at| row.labels[at] != label) {
        let note = format!(
            "every label that differs is {label}: if it means untrained, add --ignore-label {label}"
        );
        add_at(part, Rule::LabelMismatch, row, at, &note);
    } else {
        add_at(part, Rule::LabelMismatch, row, at, "");
    }
}

/// Finds positions that continue over the seam of two documents.
fn check_seams(row: &Row<'_>, part: &mut Part) {
    if row.positions.is_empty() {
        return;
    }
    let goes_on = |at: usize| row.positions[at] == row.positions[at - 1].wrapping_add(1);
    let seams = row.documents.iter().skip(1).map(|document| document.start);
    if let Some(seam) = seams.into_iter().find(|seam| goes_on(*seam)) {
        let note = "the positions do not restart at this document";
        add_at(part, Rule::PackingBoundary, row, seam, note);
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

fn contains(ids: &[i32], marker: &[i32]) -> bool {
    ids.windows(marker.len()).any(|window| window == marker)
}

fn add_at(part: &mut Part, rule: Rule, row: &Row<'_>, at: usize, note: &str) {
    part.tally
        .add(rule, row.number, || Evidence::of_row(row, at, note));
}

fn add_mismatch(part: &mut Part, number: u64, mismatch: Mismatch) {
    part.start_row(false);
    let Mismatch { what, ids, found } = mismatch;
    part.tally.add(Rule::LengthMismatch, number, || Evidence {
        row: Some(number),
        length: ids as u32,
        note: format!("{ids} ids, but {what} gives {found}"),
        ..Evidence::default()
    });
}
