//! The elements of a JSON array that arrives in blocks, found by structure alone.

use super::rows::{FilePosition, Omission, RawRows, RowRange};
use super::syntax::is_whitespace;
use crate::error::{Error, ErrorKind, Result};

/// Where the scan is inside the array.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before the opening bracket.
    #[default]
    Start,
    /// After the opening bracket: an element or the end may come.
    First,
    /// After a comma: an element must come.
    Next,
    /// Inside an element, outside its strings.
    Element,
    /// Inside a string of an element.
    String,
    /// After the closing bracket.
    Done,
}

/// A scan that can stop anywhere and continue with the next block.
#[derive(Clone, Debug, Default)]
pub(super) struct ArrayScan {
    state: State,
    /// Open brackets inside the element.
    depth: u32,
    /// How many bytes of the carried buffer have been scanned.
    scanned: usize,
}

impl ArrayScan {
    /// Finds the elements that `rows.bytes` completes. `position` is the place of its first byte in
    /// the file; it moves to the first byte that must be kept, and the offset of that byte in the
    /// buffer is returned.
    pub(super) fn split(
        &mut self,
        rows: &mut RawRows,
        position: &mut FilePosition,
        omission: &mut Omission,
    ) -> Result<usize> {
        let RawRows { bytes, places } = rows;
        let mut walk = Walk {
            bytes,
            places,
            position,
            omission,
            kept: 0,
            at: self.scanned,
        };
        while walk.at < walk.bytes.len() {
            self.step(&mut walk)?;
        }
        if !matches!(self.state, State::Element | State::String) {
            walk.keep_from(walk.at);
        }
        let kept = walk.kept;
        self.scanned = walk.at - kept;
        Ok(kept)
    }

    /// Steps back as many bytes as were cut from the end of the buffer.
    pub(super) fn forget(&mut self, bytes: usize) {
        self.scanned = self.scanned.saturating_sub(bytes);
    }

    /// Looks at one byte, or at one run of string bytes.
    fn step(&mut self, walk: &mut Walk<'_>) -> Result<()> {
        let byte = walk.bytes[walk.at];
        match self.state {
            State::String => {
                self.step_in_string(walk);
                return Ok(());
            }
            State::Element => return self.step_in_element(byte, walk),
            _ if is_whitespace(byte) => {}
            State::Start => self.state = State::First,
            State::First if byte == b']' => self.state = State::Done,
            State::First | State::Next if matches!(byte, b',' | b']' | b'}') => {
                return Err(walk.error("a row is missing here"));
            }
            State::First | State::Next => {
                walk.keep_from(walk.at);
                self.state = State::Element;
                return Ok(());
            }
            State::Done => {
                walk.keep_from(walk.at);
                return Err(walk.error("something follows the end of the JSON array"));
            }
        }
        walk.at += 1;
        Ok(())
    }

    fn step_in_string(&mut self, walk: &mut Walk<'_>) {
        let Some(found) = memchr::memchr2(b'"', b'\\', &walk.bytes[walk.at..]) else {
            walk.at = walk.bytes.len();
            return;
        };
        walk.at += found;
        if walk.bytes[walk.at] == b'"' {
            self.state = State::Element;
            walk.at += 1;
        } else {
            // The escaped byte may be in the next block; then `at` is past the end of the buffer.
            walk.at += 2;
        }
    }

    fn step_in_element(&mut self, byte: u8, walk: &mut Walk<'_>) -> Result<()> {
        match byte {
            b'"' => self.state = State::String,
            b'{' | b'[' => self.depth += 1,
            b',' if self.depth == 0 => {
                walk.give_out();
                self.state = State::Next;
            }
            b']' if self.depth == 0 => {
                walk.give_out();
                self.state = State::Done;
            }
            b'}' | b']' => {
                self.depth = self
                    .depth
                    .checked_sub(1)
                    .ok_or_else(|| walk.error("a bracket closes that was never opened"))?;
            }
            _ => {}
        }
        walk.at += 1;
        Ok(())
    }

    /// What is wrong if the file ends here; `carry` starts at `position`.
    pub(super) fn at_end(&self, carry: &[u8], position: FilePosition) -> Result<()> {
        let what = match self.state {
            State::Done => return Ok(()),
            State::Element | State::String if carry.len() > 64 => {
                "the JSON array ends inside this row: the file is cut, or a quote or bracket is missing"
            }
            State::Element | State::String => {
                "the JSON array ends inside this row: the file is cut"
            }
            State::Start | State::First | State::Next => "the JSON array has no closing bracket",
        };
        Err(broken(what, position))
    }
}

fn broken(what: &str, position: FilePosition) -> Error {
    let place = format!("{what} (byte {})", position.offset);
    Error::new(ErrorKind::Data, "broken-input", place)
        .at_line(position.line)
        .at_row(position.index)
        .hint("repair the file there; JSON Lines (one object a line) lose only the broken row")
}

/// A walk through the buffer.
struct Walk<'a> {
    bytes: &'a [u8],
    places: &'a mut Vec<RowRange>,
    /// The place of `bytes[kept]`.
    position: &'a mut FilePosition,
    /// What was left out of the element that starts there.
    omission: &'a mut Omission,
    kept: usize,
    at: usize,
}

impl Walk<'_> {
    /// Drops the bytes before `start`.
    fn keep_from(&mut self, start: usize) {
        let start = start.min(self.bytes.len());
        let dropped = &self.bytes[self.kept..start];
        self.position.line += memchr::memchr_iter(b'\n', dropped).count() as u64;
        self.position.offset += dropped.len() as u64;
        self.kept = start;
    }

    /// Steps over what was left out.
    fn skip_omission(&mut self) {
        let omission = std::mem::take(self.omission);
        self.position.line += omission.lines;
        self.position.offset += omission.bytes;
    }

    /// Gives out the element that ends before `at`.
    fn give_out(&mut self) {
        let element = &self.bytes[self.kept..self.at];
        let length = match self.omission.bytes {
            0 => element.trim_ascii_end().len(),
            _ => element.len(),
        };
        self.places.push(RowRange {
            start: self.kept,
            end: self.kept + length,
            index: self.position.index,
            line: self.position.line,
            offset: self.position.offset,
            omitted: self.omission.bytes,
        });
        self.skip_omission();
        self.position.index += 1;
        self.keep_from(self.at);
    }

    fn error(&self, what: &str) -> Error {
        let mut position = *self.position;
        let before = &self.bytes[self.kept.min(self.at)..self.at];
        position.line += memchr::memchr_iter(b'\n', before).count() as u64;
        position.offset += before.len() as u64;
        broken(what, position)
    }
}
