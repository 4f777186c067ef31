//! JSON with tokenized rows → batches of columns. Blocks are parsed on all threads.

use std::ops::Range;

use super::columns::Columns;
use super::lists::Lists;
use crate::cancel::Cancel;
use crate::rules::Rule;
use crate::source::json::{self, FileLayout, RawRow, RawRows, Splitter};
use crate::value::Arena;
use crate::{Error, Result, pool};

/// Rows in a batch. A batch has the columns of all its rows: a list that one of them lacks is empty.
const BATCH_ROWS: u64 = 4096;

/// Bytes of text that one thread takes at a time.
const PIECE_BYTES: usize = 128 << 10;

/// Integers that are held until they are checked: enough work for every thread, but little memory.
const HELD: usize = 8 << 20;

/// How an input is read: on this many threads, with this label that means untrained.
#[derive(Clone, Copy, Debug)]
pub(super) struct JsonOptions<'a> {
    pub(super) threads: usize,
    pub(super) ignore: Option<i32>,
    pub(super) cancel: &'a Cancel,
}

/// A place that holds no row, or one that is odd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadRow {
    pub(super) rule: Rule,
    /// The row, from 0; `None` if it is none.
    pub(super) row: Option<u64>,
    /// Its line, from 1.
    pub(super) line: Option<u64>,
    pub(super) note: String,
}

/// What was read of an input since it was asked for last.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Whole batches.
    pub(super) batches: Vec<Columns>,
    /// Their columns, by name.
    pub(super) names: Vec<&'static str>,
    pub(super) faults: Vec<BadRow>,
}

/// One input.
#[derive(Debug)]
pub(super) struct JsonRows {
    splitter: Splitter,
    rows: RawRows,
    /// The structure of the text is lost, so nothing after that is read.
    is_lost: bool,
    /// The number of the next row. What is not JSON does not count.
    next: u64,
    /// The batch that is not complete, and its number.
    open: Lists,
    number: u64,
    found: Found,
    held: usize,
}

impl JsonRows {
    /// Rows are numbered from `first` on.
    pub(super) fn new(layout: FileLayout, first: u64) -> Self {
        Self {
            splitter: Splitter::of(layout),
            rows: RawRows::default(),
            is_lost: false,
            next: first,
            open: Lists::default(),
            number: 0,
            found: Found::default(),
            held: 0,
        }
    }

    /// Takes the next block, and says whether there is enough to be checked.
    pub(super) fn feed(&mut self, block: &[u8], reading: JsonOptions<'_>) -> Result<bool> {
        self.split(reading, |splitter, rows| splitter.feed(block, rows))?;
        Ok(self.held >= HELD)
    }

    /// Ends the input.
    pub(super) fn end(&mut self, reading: JsonOptions<'_>) -> Result<()> {
        self.split(reading, Splitter::finish)?;
        self.close(reading.ignore)
    }

    /// What was read since the last call.
    pub(super) fn take(&mut self) -> Found {
        self.held = 0;
        std::mem::take(&mut self.found)
    }

    fn split(
        &mut self,
        reading: JsonOptions<'_>,
        step: impl FnOnce(&mut Splitter, &mut RawRows) -> Result<()>,
    ) -> Result<()> {
        if self.is_lost {
            return Ok(());
        }
        let lost = step(&mut self.splitter, &mut self.rows).err();
        let rows = &self.rows;
        let pieces = pool::map(reading.threads, &cut(rows), |piece| {
            reading.cancel.check()?;
            let mut read = ReadRows::default();
            for row in piece.clone().filter_map(|index| rows.get(index)) {
                read.number = row.index / BATCH_ROWS;
                read.push(row);
            }
            Ok(read)
        })?;
        for piece in pieces {
            self.add(piece, reading.ignore)?;
        }
        if let Some(error) = lost {
            self.is_lost = true;
            self.found.faults.push(BadRow::of_text(&error));
        }
        Ok(())
    }

    fn add(&mut self, piece: ReadRows, ignore: Option<i32>) -> Result<()> {
        if piece.number != self.number {
            self.close(ignore)?;
            self.number = piece.number;
        }
        for mut fault in piece.faults {
            fault.row = fault.row.map(|row| row + self.next);
            self.found.faults.push(fault);
        }
        self.next += piece.lists.rows() as u64;
        self.held += piece.lists.len();
        self.open.append(&piece.lists);
        Ok(())
    }

    /// Completes the open batch.
    fn close(&mut self, ignore: Option<i32>) -> Result<()> {
        let lists = std::mem::take(&mut self.open);
        if lists.rows() > 0 {
            self.found.names.extend(lists.names());
            self.found.batches.push(Columns::of_lists(lists, ignore)?);
        }
        Ok(())
    }
}

impl BadRow {
    /// The place at which the structure of a text is lost.
    fn of_text(error: &Error) -> Self {
        Self {
            rule: Rule::InvalidJson,
            row: None,
            line: error.location().line,
            note: error.what().to_owned(),
        }
    }
}

/// Consecutive rows of one batch.
#[derive(Debug, Default)]
struct ReadRows {
    number: u64,
    lists: Lists,
    faults: Vec<BadRow>,
}

impl ReadRows {
    fn push(&mut self, row: RawRow<'_>) {
        let arena = Arena::new();
        let index = self.lists.rows() as u64;
        let parsed = row.require_length().and_then(|()| {
            let parsed = json::parse(row.bytes, &arena);
            parsed.map_err(|error| error.reject())
        });
        let (rule, row_index, note) = match parsed {
            Ok(parsed) => match self.lists.push(parsed.value) {
                Some(note) => (Rule::SchemaMismatch, Some(index), note),
                None => return,
            },
            Err(reject) => (reject.rule, None, reject.reason),
        };
        self.faults.push(BadRow {
            rule,
            row: row_index,
            line: Some(row.line),
            note,
        });
    }
}

/// Ranges of rows of about the same number of bytes, each inside one batch.
fn cut(rows: &RawRows) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, row) in rows.iter().enumerate() {
        if at > start && (bytes >= PIECE_BYTES || row.index % BATCH_ROWS == 0) {
            pieces.push(start..at);
            (start, bytes) = (at, 0);
        }
        bytes += row.bytes.len();
    }
    if start < rows.len() {
        pieces.push(start..rows.len());
    }
    pieces
}
