//! Rows as they stand in a file: their bytes and their places.

use super::syntax::is_blank;
use crate::rules::{Reject, Rule};

/// Of a row longer than this only the start is kept, so that it cannot fill the memory: the row is
/// rejected, and reading goes on after it.
pub const MAX_ROW_BYTES: usize = 256 << 20;

/// One complete row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawRow<'a> {
    /// Its JSON text, without the line end or the comma after it.
    pub bytes: &'a [u8],
    /// Index among the rows of the file, from 0; blank lines are not rows.
    pub index: u64,
    /// The line on which it starts, from 1; blank lines count.
    pub line: u64,
    /// Byte offset of its start in the (decompressed) file.
    pub offset: u64,
    /// How many bytes of a row that is longer than [`MAX_ROW_BYTES`] were left out of `bytes`.
    pub omitted: u64,
}

impl RawRow<'_> {
    /// Why the row is rejected, if it is too long.
    pub(crate) fn require_length(&self) -> Result<(), Reject> {
        let length = self.bytes.len() as u64 + self.omitted;
        if length <= MAX_ROW_BYTES as u64 {
            return Ok(());
        }
        let (length, most) = (length.div_ceil(1 << 20), MAX_ROW_BYTES >> 20);
        let reason = format!(
            "the row is {length} MB long, and at most {most} MB are read: the file is not what it \
             seems, or has lost its structure here"
        );
        Err(Reject::new(Rule::InvalidJson, reason))
    }
}

/// Complete rows of one block. The memory is reused from block to block.
#[derive(Clone, Debug, Default)]
pub struct RawRows {
    pub(super) bytes: Vec<u8>,
    pub(super) places: Vec<RowRange>,
}

/// Where a row lies in the buffer, and where it starts in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowRange {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) index: u64,
    pub(super) line: u64,
    pub(super) offset: u64,
    pub(super) omitted: u64,
}

impl RawRows {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The row at `position` in this block.
    pub fn get(&self, position: usize) -> Option<RawRow<'_>> {
        self.places.get(position).map(|place| self.row(*place))
    }

    /// The rows in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = RawRow<'_>> {
        self.places.iter().map(|place| self.row(*place))
    }

    fn row(&self, place: RowRange) -> RawRow<'_> {
        RawRow {
            bytes: &self.bytes[place.start..place.end],
            index: place.index,
            line: place.line,
            offset: place.offset,
            omitted: place.omitted,
        }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
    }
}

/// Where the next byte to be read stands in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct FilePosition {
    pub(super) offset: u64,
    pub(super) line: u64,
    pub(super) index: u64,
}

/// What was left out of the row in progress, because it is too long.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Omission {
    pub(super) bytes: u64,
    pub(super) lines: u64,
    /// Whether there is more than whitespace in it.
    pub(super) holds_text: bool,
}

impl Omission {
    /// Leaves these bytes out.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
        self.holds_text |= !is_blank(bytes);
    }

    pub(super) fn has_begun(self) -> bool {
        self.bytes > 0
    }
}
