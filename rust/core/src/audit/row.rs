//! One row prepared for the rules: ids, labels, documents.

use std::ops::Range;

use super::columns::Columns;
use super::integers::Integers;
use super::meanings::Boundaries;
use super::padding::{self, extent};
use super::scan;
use super::token_classes::TokenClasses;
use crate::chat::Record;
use crate::row::contract::TrainedTurn;
use crate::rules::{Evidence, IGNORED, Rule, RuleCounts, Token, around, is_trained};

/// Buffers of one worker thread.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    ids: Vec<i32>,
    labels: Vec<i32>,
    attention: Vec<i32>,
    positions: Vec<i32>,
    other: Vec<i32>,
    documents: Vec<Range<usize>>,
    marks: Vec<u32>,
}

/// A sample, as the row that it was just made from knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownSample<'a> {
    /// The row's index in its input, from 0.
    pub(crate) row: u64,
    /// Its line, from 1, if the input has lines.
    pub(crate) line: Option<u64>,
    /// What was read from it.
    pub(crate) record: &'a Record<'a>,
    /// Rules that it has counted itself.
    pub(crate) counted: &'a RuleCounts,
    /// Token ids.
    pub(crate) ids: &'a [u32],
    /// Labels, aligned with the ids.
    pub(crate) labels: &'a [i32],
    /// The trained turns, in order.
    pub(crate) turns: &'a [TrainedTurn],
}

impl KnownSample<'_> {
    /// Which of the assistant's turns a message is, from 0.
    pub(super) fn turn_of(&self, message: u32) -> Option<u32> {
        self.record.conversation()?.turn_of(message)
    }
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenRow<'a> {
    /// Its index in the data, from 0.
    pub(super) number: u64,
    /// What is known of it beyond ids and labels.
    pub(super) sample: Option<&'a KnownSample<'a>>,
    /// Token ids, padding included.
    pub(super) ids: &'a [i32],
    /// Labels, one for each id.
    pub(super) labels: &'a [i32],
    /// Positions; empty if there is no such column.
    pub(super) positions: &'a [i32],
    /// The documents, in order, without padding.
    pub(super) documents: &'a [Range<usize>],
    /// Positions of the ids that the turn rules look at, in order.
    pub(super) marks: &'a [u32],
    /// Whether boundaries between documents are marked, or the row has several documents.
    pub(super) packed: bool,
    /// A stop token inside the row that the attention mask leaves out.
    pub(super) unattended: Option<usize>,
    /// The first token that the labels train and the masks do not, or the other way round.
    pub(super) contradicted: Option<usize>,
}

/// Why a row cannot be read: a list of the wrong length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    /// The list that is not as long as the ids.
    pub(super) what: &'static str,
    /// Number of ids.
    pub(super) ids: usize,
    /// Length found.
    pub(super) found: usize,
}

impl<'a> TokenRow<'a> {
    /// Reads row `index` of a batch.
    pub(super) fn read(
        columns: &'a Columns,
        index: usize,
        number: u64,
        classes: &TokenClasses,
        scratch: &'a mut Scratch,
    ) -> Result<Self, Mismatch> {
        let ids = columns.ids.row(index, &mut scratch.ids);
        let optional = |column: &'a Option<Integers>, scratch: &'a mut Vec<i32>| match column {
            Some(column) => column.row(index, scratch),
            None => &[],
        };
        let attended = columns.attention.as_ref();
        let whole = attended.is_some_and(|column| column.is_all_one(index));
        let attention = match attended {
            Some(column) if whole => {
                let found = column.length(index);
                require_length("attention_mask", ids, found)?;
                &[]
            }
            Some(column) => column.row(index, &mut scratch.attention),
            None => &[],
        };
        let positions = optional(&columns.positions, &mut scratch.positions);
        same_length(
            "attention_mask",
            ids,
            attention,
            attended.is_some() && !whole,
        )?;
        same_length("position_ids", ids, positions, columns.positions.is_some())?;
        let labels = read_labels(columns, index, ids, &mut scratch.labels, &mut scratch.other)?;
        let extent = if whole {
            0..ids.len()
        } else {
            let labels = columns.has_labels().then_some(labels);
            extent(ids, labels, attention, classes)
        };
        let left_out = |at: &usize| attention[*at] == 0 && classes.stops(ids[*at]);
        let unattended = extent
            .clone()
            .find(|at| !attention.is_empty() && left_out(at));
        let contradicted = contradiction(columns, index, labels, &mut scratch.other)?;
        let lengths = columns.documents.as_ref();
        let starts = lengths.map(|(kind, column)| (*kind, column.row(index, &mut scratch.other)));
        find_documents(
            ids.len(),
            extent,
            starts,
            attention,
            positions,
            &mut scratch.documents,
        )?;
        if attention.is_empty() {
            padding::drop_rest(&mut scratch.documents, ids, labels);
        }
        find_marks(ids, &scratch.documents, classes, &mut scratch.marks);
        Ok(Self {
            number,
            sample: None,
            ids,
            labels,
            positions,
            documents: &scratch.documents,
            marks: &scratch.marks,
            packed: columns.documents.is_some() || scratch.documents.len() > 1,
            unattended,
            contradicted,
        })
    }

    /// A sample as a row: one document without padding.
    pub(super) fn of_sample(
        sample: &'a KnownSample<'a>,
        classes: &TokenClasses,
        scratch: &'a mut Scratch,
    ) -> Self {
        scratch.ids.clear();
        scratch.ids.extend(sample.ids.iter().map(|id| *id as i32));
        scratch.documents.clear();
        scratch.documents.push(0..sample.ids.len());
        find_marks(
            &scratch.ids,
            &scratch.documents,
            classes,
            &mut scratch.marks,
        );
        Self {
            number: sample.row,
            sample: Some(sample),
            ids: &scratch.ids,
            labels: sample.labels,
            positions: &[],
            documents: &scratch.documents,
            marks: &scratch.marks,
            packed: false,
            unattended: None,
            contradicted: None,
        }
    }

    /// The trained turns, if they are known. A text has none.
    pub(super) fn turns(&self) -> Option<&'a [TrainedTurn]> {
        let sample = self.sample?;
        (!matches!(sample.record, Record::Text { .. })).then_some(sample.turns)
    }

    /// Whether the rule was counted when the row was encoded.
    pub(super) fn has_counted(&self, rule: Rule) -> bool {
        self.sample
            .is_some_and(|sample| sample.counted.get(rule) > 0)
    }

    /// The place `at`, without a turn.
    pub(super) fn evidence(&self, at: usize, note: &str) -> Evidence {
        let token = |position: usize| Token {
            position: position as u32,
            id: self.ids[position],
            label: self.labels[position],
        };
        Evidence {
            row: Some(self.number),
            line: self.sample.and_then(|sample| sample.line),
            length: self.length() as u32,
            note: note.to_owned(),
            tokens: around(at, self.ids.len()).map(token).collect(),
            ..Evidence::default()
        }
    }

    /// Whether the token is trained.
    pub(super) fn trains(&self, position: usize) -> bool {
        self.labels
            .get(position)
            .is_some_and(|label| is_trained(*label))
    }

    /// Number of tokens without padding.
    pub(super) fn length(&self) -> usize {
        self.documents.iter().map(ExactSizeIterator::len).sum()
    }

    /// The marked positions inside a range.
    pub(super) fn marks_in(&self, range: &Range<usize>) -> &'a [u32] {
        let first = self
            .marks
            .partition_point(|mark| (*mark as usize) < range.start);
        let last = self
            .marks
            .partition_point(|mark| (*mark as usize) < range.end);
        &self.marks[first..last.max(first)]
    }
}

fn same_length(
    what: &'static str,
    ids: &[i32],
    found: &[i32],
    present: bool,
) -> Result<(), Mismatch> {
    if present {
        return require_length(what, ids, found.len());
    }
    Ok(())
}

fn require_length(what: &'static str, ids: &[i32], found: usize) -> Result<(), Mismatch> {
    if found == ids.len() {
        return Ok(());
    }
    let ids = ids.len();
    Err(Mismatch { what, ids, found })
}

/// The labels of a row: its own, else the ids that every mask trains, else all ids.
fn read_labels<'a>(
    columns: &'a Columns,
    index: usize,
    ids: &'a [i32],
    scratch: &'a mut Vec<i32>,
    mask_scratch: &mut Vec<i32>,
) -> Result<&'a [i32], Mismatch> {
    if let Some(column) = &columns.labels {
        let labels = match columns.ignore {
            Some(ignored) => column.row_without(index, ignored, scratch),
            None => column.row(index, scratch),
        };
        same_length("labels", ids, labels, true)?;
        return Ok(labels);
    }
    if columns.masks.is_empty() {
        return Ok(ids);
    }
    scratch.clear();
    scratch.extend_from_slice(ids);
    for column in &columns.masks {
        let mask = column.row(index, mask_scratch);
        same_length("the mask", ids, mask, true)?;
        apply_mask(scratch, mask, columns.shifted);
    }
    Ok(scratch)
}

/// The first token on which labels and masks disagree, if the row has both.
fn contradiction(
    columns: &Columns,
    index: usize,
    labels: &[i32],
    scratch: &mut Vec<i32>,
) -> Result<Option<usize>, Mismatch> {
    if columns.labels.is_none() || columns.masks.is_empty() {
        return Ok(None);
    }
    let mut masked = vec![0; labels.len()];
    for column in &columns.masks {
        let mask = column.row(index, scratch);
        require_length("the mask", labels, mask.len())?;
        apply_mask(&mut masked, mask, columns.shifted);
    }
    let trains = labels.iter().map(|label| is_trained(*label));
    let allows = masked.iter().map(|label| is_trained(*label));
    let differs = |(trains, allows): (bool, bool)| trains != allows;
    Ok(trains.zip(allows).position(differs))
}

fn apply_mask(labels: &mut [i32], mask: &[i32], shifted: bool) {
    if let Some(first) = labels.first_mut().filter(|_| shifted) {
        *first = IGNORED;
    }
    let later = labels.iter_mut().skip(usize::from(shifted));
    for (label, trained) in later.zip(mask) {
        if *trained == 0 {
            *label = IGNORED;
        }
    }
}

fn find_documents(
    ids: usize,
    extent: Range<usize>,
    lengths: Option<(Boundaries, &[i32])>,
    attention: &[i32],
    positions: &[i32],
    out: &mut Vec<Range<usize>>,
) -> Result<(), Mismatch> {
    out.clear();
    if let Some((kind, numbers)) = lengths {
        let total = told_documents(kind, numbers, ids, out);
        if total != ids && total != extent.end {
            return Err(Mismatch {
                what: "the sum of document lengths",
                ids,
                found: total,
            });
        }
        clip(out, &extent);
        return Ok(());
    }
    let several = scan::any(attention, |number| number > 1);
    if several {
        split_where(&extent, out, |at| attention[at] != attention[at - 1]);
    } else if positions.is_empty() {
        split_where(&extent, out, |_| false);
    } else {
        split_where(&extent, out, |at| {
            positions[at] != positions[at - 1].wrapping_add(1)
        });
    }
    Ok(())
}

/// The documents that a column describes, and where the last one ends.
fn told_documents(
    kind: Boundaries,
    numbers: &[i32],
    ids: usize,
    out: &mut Vec<Range<usize>>,
) -> usize {
    let mut start = 0;
    for number in numbers {
        let number = (*number).max(0) as usize;
        let end = if kind == Boundaries::Lengths {
            start + number
        } else {
            number
        };
        if end > start {
            out.push(start..end);
            start = end;
        }
    }
    if kind == Boundaries::Starts && start < ids {
        out.push(start..ids);
        start = ids;
    }
    start
}

/// Cuts documents to the text: padding belongs to none.
fn clip(out: &mut Vec<Range<usize>>, extent: &Range<usize>) {
    for document in out.iter_mut() {
        *document = document.start.max(extent.start)..document.end.min(extent.end);
    }
    out.retain(|document| document.start < document.end);
}

fn split_where(extent: &Range<usize>, out: &mut Vec<Range<usize>>, starts: impl Fn(usize) -> bool) {
    let mut start = extent.start;
    for at in extent.start + 1..extent.end {
        if starts(at) {
            out.push(start..at);
            start = at;
        }
    }
    if start < extent.end {
        out.push(start..extent.end);
    }
}

/// Ids that are examined together. Few of them are marks, so most blocks are skipped at once.
const MARKS_CHUNK: usize = 16;

fn find_marks(ids: &[i32], documents: &[Range<usize>], known: &TokenClasses, out: &mut Vec<u32>) {
    out.clear();
    for document in documents {
        let mut at = document.start;
        for chunk in ids[document.clone()].chunks(MARKS_CHUNK) {
            if known.marks(chunk) {
                let marked = (at..).zip(chunk).filter(|(_, id)| known.is_mark(**id));
                out.extend(marked.map(|(position, _)| position as u32));
            }
            at += chunk.len();
        }
    }
}
