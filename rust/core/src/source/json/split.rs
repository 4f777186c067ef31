//! Files → rows: blocks of bytes go in, complete rows with their positions come out.
//!
//! JSON Lines are split at `\n` only (U+2028 and its kind are part of a row), a JSON array at the
//! commas between its elements. The first byte tells which of the two a file is.

use std::ops::Range;

use super::array::ArrayScan;
use super::rows::{FilePosition, MAX_ROW_BYTES, Omission, RawRows, RowRange};
use super::syntax::{is_blank, is_whitespace};
use crate::error::{Error, ErrorKind, Result};

/// How much is kept of the start.
const KEPT_BYTES: usize = 4 << 10;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How rows are laid out in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileLayout {
    /// One JSON text per line.
    Lines,
    /// One JSON array; its elements are the rows.
    Array,
}

impl FileLayout {
    /// The layout of a file that starts with `head`; `None` while that is blank.
    pub fn detect(head: &[u8]) -> Option<Self> {
        let head = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head);
        let first = head.iter().find(|byte| !is_whitespace(**byte))?;
        Some(if *first == b'[' {
            Self::Array
        } else {
            Self::Lines
        })
    }
}

/// Splits one file, or one byte range of it, into rows.
///
/// Feed it blocks of any size, then call [`finish`](Self::finish); the rows do not depend on where
/// the blocks are cut.
///
/// ```
/// use turnmill_core::source::json::{RawRows, Splitter};
///
/// let (mut splitter, mut rows) = (Splitter::new(), RawRows::default());
/// let mut found = Vec::new();
/// for block in ["{\"a\": 1}\n\n{\"a\"", ": 2}"] {
///     splitter.feed(block.as_bytes(), &mut rows)?;
///     found.extend(rows.iter().map(|row| (row.index, row.line, row.bytes.to_vec())));
/// }
/// splitter.finish(&mut rows)?; // the last line has no line end
/// found.extend(rows.iter().map(|row| (row.index, row.line, row.bytes.to_vec())));
/// assert_eq!(found, [(0, 1, b"{\"a\": 1}".to_vec()), (1, 3, b"{\"a\": 2}".to_vec())]);
/// # Ok::<(), turnmill_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Splitter {
    layout: Option<FileLayout>,
    /// The start of a row whose end has not come yet.
    carry: Vec<u8>,
    /// What follows it of a row that is too long.
    omission: Omission,
    /// The place of the first byte of `carry`.
    position: FilePosition,
    array: ArrayScan,
    /// Rows that start at this offset or later belong to the next shard.
    end: u64,
    /// Bytes up to the first newline belong to a row of the shard before.
    skip_line: bool,
    at_file_start: bool,
    /// How long a row may be before its rest is left out.
    most: usize,
}

impl Default for Splitter {
    fn default() -> Self {
        Self::new()
    }
}

impl Splitter {
    /// For a whole file; the layout is read from its first bytes.
    pub fn new() -> Self {
        Self {
            layout: None,
            carry: Vec::new(),
            omission: Omission::default(),
            position: FilePosition {
                offset: 0,
                line: 1,
                index: 0,
            },
            array: ArrayScan::default(),
            end: u64::MAX,
            skip_line: false,
            at_file_start: true,
            most: MAX_ROW_BYTES,
        }
    }

    /// With another limit than [`MAX_ROW_BYTES`].
    #[cfg(test)]
    pub(super) fn keeping(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// For a file, or a part of one that starts with a row, whose layout is known.
    pub fn of(layout: FileLayout) -> Self {
        Self {
            layout: Some(layout),
            ..Self::new()
        }
    }

    /// For the rows of a JSON Lines file that start in the byte range `start..end`.
    ///
    /// Feed it the file from byte `start - 1` on (from 0 if `start` is 0): that byte tells whether
    /// a row starts at `start`. Feed on past `end` until [`is_done`](Self::is_done). Lines and rows
    /// are numbered from the first one that starts in the range, as line 1 and index 0, unless
    /// [`counting_from`](Self::counting_from) sets other numbers.
    pub fn for_range(start: u64, end: u64) -> Self {
        let mut splitter = Self::new();
        splitter.layout = Some(FileLayout::Lines);
        splitter.end = end;
        splitter.skip_line = start > 0;
        splitter.at_file_start = start == 0;
        splitter.position.offset = start.saturating_sub(1);
        splitter
    }

    /// Sets the line and index of the next row.
    #[must_use]
    pub fn counting_from(mut self, line: u64, index: u64) -> Self {
        self.position.line = line;
        self.position.index = index;
        self
    }

    /// The layout, once it is known.
    pub fn layout(&self) -> Option<FileLayout> {
        self.layout
    }

    /// The line of the next byte and the index of the next row. At the end of a shard, the next one
    /// counts from these.
    #[cfg(test)]
    pub(super) fn next_place(&self) -> (u64, u64) {
        (self.position.line, self.position.index)
    }

    /// Whether every row of the range has been given out.
    pub fn is_done(&self) -> bool {
        self.position.offset >= self.end && !self.skip_line
    }

    /// Takes the next block and puts the rows that it completes into `rows`.
    ///
    /// An error means that the structure of the file is lost. Rows that were already returned are
    /// valid, and so are those in `rows`.
    pub fn feed(&mut self, block: &[u8], rows: &mut RawRows) -> Result<()> {
        rows.clear();
        if self.is_done() {
            return Ok(());
        }
        let block = self.skip_to_first_row(block);
        if self.layout.is_none() || self.at_file_start {
            self.carry.extend_from_slice(block);
            return self.start(rows);
        }
        self.split(block, rows)
    }

    /// Takes the end of the file: the last row may lack its line end.
    pub fn finish(&mut self, rows: &mut RawRows) -> Result<()> {
        rows.clear();
        if self.is_done() || self.skip_line {
            return Ok(());
        }
        match self.layout {
            Some(FileLayout::Array) => self.array.at_end(&self.carry, self.position),
            Some(FileLayout::Lines) if !self.carry.is_empty() => {
                rows.bytes.append(&mut self.carry);
                self.add_line(rows, 0..rows.bytes.len(), 0);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Drops the rest of a row that belongs to the shard before.
    fn skip_to_first_row<'b>(&mut self, block: &'b [u8]) -> &'b [u8] {
        if !self.skip_line {
            return block;
        }
        let skipped = match memchr::memchr(b'\n', block) {
            Some(newline) => {
                self.skip_line = false;
                newline + 1
            }
            None => block.len(),
        };
        self.position.offset += skipped as u64;
        &block[skipped..]
    }

    /// Reads the start of the file: byte order mark, layout.
    fn start(&mut self, rows: &mut RawRows) -> Result<()> {
        if self.at_file_start {
            refuse_utf16(&self.carry)?;
            if self.carry.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(&self.carry)
            {
                return Ok(());
            }
            if self.carry.starts_with(BYTE_ORDER_MARK) {
                self.carry.drain(..BYTE_ORDER_MARK.len());
                self.position.offset += BYTE_ORDER_MARK.len() as u64;
            }
            self.at_file_start = false;
        }
        self.layout = self.layout.or_else(|| FileLayout::detect(&self.carry));
        if self.layout.is_none() {
            return Ok(());
        }
        let head = std::mem::take(&mut self.carry);
        self.split(&head, rows)
    }

    fn split(&mut self, block: &[u8], rows: &mut RawRows) -> Result<()> {
        if self.is_done() {
            return Ok(());
        }
        let fed = self.carry.len();
        if self.layout == Some(FileLayout::Array) {
            self.carry.extend_from_slice(block);
            std::mem::swap(&mut self.carry, &mut rows.bytes);
            let omission = &mut self.omission;
            let kept_from = self.array.split(rows, &mut self.position, omission)?;
            self.carry.clear();
            self.carry.extend_from_slice(&rows.bytes[kept_from..]);
        } else if let Some(last) = memchr::memrchr(b'\n', block) {
            std::mem::swap(&mut self.carry, &mut rows.bytes);
            let begun = self.end_omission(block);
            rows.bytes.extend_from_slice(&block[begun..=last]);
            self.carry.clear();
            self.split_lines(rows, fed);
            self.carry.extend_from_slice(&block[last + 1..]);
        } else if self.omission.has_begun() {
            self.omission.add(block);
        } else {
            self.carry.extend_from_slice(block);
        }
        self.limit_row();
        Ok(())
    }

    /// Adds the rest of a line that is too long to what is left out. Returns where that rest ends in
    /// the block.
    fn end_omission(&mut self, block: &[u8]) -> usize {
        if !self.omission.has_begun() {
            return 0;
        }
        let newline = memchr::memchr(b'\n', block).unwrap_or(block.len());
        self.omission.add(&block[..newline]);
        newline
    }

    /// Leaves out all but the start of a row that has become too long.
    fn limit_row(&mut self) {
        if self.carry.len() <= self.most {
            return;
        }
        let kept = KEPT_BYTES.min(self.most);
        self.omission.add(&self.carry[kept..]);
        self.array.forget(self.carry.len() - kept);
        self.carry.truncate(kept);
        self.carry.shrink_to_fit();
    }

    /// Adds the lines of `rows.bytes`, all of which are complete; the first `known` bytes hold no
    /// newline.
    fn split_lines(&mut self, rows: &mut RawRows, known: usize) {
        let mut start = 0;
        let mut searched = known;
        while let Some(found) = memchr::memchr(b'\n', &rows.bytes[searched..]) {
            let newline = searched + found;
            self.add_line(rows, start..newline, 1);
            start = newline + 1;
            searched = start;
            if self.is_done() {
                break;
            }
        }
    }

    /// Adds the line in this range of the buffer unless it is blank, and steps over it and over its
    /// line end.
    fn add_line(&mut self, rows: &mut RawRows, line: Range<usize>, line_end: u64) {
        let omission = std::mem::take(&mut self.omission);
        let length = line.len() as u64 + omission.bytes;
        if omission.holds_text || !is_blank(&rows.bytes[line.clone()]) {
            rows.places.push(RowRange {
                start: line.start,
                end: line.end,
                index: self.position.index,
                line: self.position.line,
                offset: self.position.offset,
                omitted: omission.bytes,
            });
            self.position.index += 1;
        }
        self.position.line += line_end;
        self.position.offset += length + line_end;
    }
}

fn refuse_utf16(head: &[u8]) -> Result<()> {
    if head.starts_with(b"\xFF\xFE") || head.starts_with(b"\xFE\xFF") {
        return Err(Error::new(
            ErrorKind::Data,
            "invalid-json",
            "the file is UTF-16, not UTF-8",
        )
        .hint("convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW"));
    }
    Ok(())
}

/// Counts the lines of a file that is read in blocks. The plan of shards needs the line and the row
/// at which each shard starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Number of lines that have ended.
    pub ended: u64,
    /// Of these, blank ones, which are not rows.
    pub blank: u64,
    /// Whether the unfinished line holds anything yet.
    pub begun: bool,
}

impl Lines {
    /// Counts the lines that end in the next block.
    pub fn add(&mut self, block: &[u8]) {
        let holds_text = |line: &[u8]| !is_blank(line);
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', block) {
            self.ended += 1;
            self.blank += u64::from(!self.begun && !holds_text(&block[start..end]));
            self.begun = false;
            start = end + 1;
        }
        self.begun |= holds_text(&block[start..]);
    }
}
