//! JSON strings: borrowed from the text where they hold no escape, else decoded into the arena.

use super::scan::plain_run_end;
use super::syntax::Fault;
use crate::value::Arena;

/// Where strings of one text are read from and decoded to.
pub(super) struct Strings<'a> {
    pub(super) text: &'a str,
    pub(super) arena: &'a Arena,
    /// The first escape that names half of a surrogate pair. Parsing goes on, because a text that
    /// is not JSON either is reported as such.
    pub(super) lone_surrogate: Option<usize>,
}

impl<'a> Strings<'a> {
    /// Reads the string whose first character stands at `start`, behind the opening quote; returns
    /// it with the offset behind the closing quote.
    #[inline]
    pub(super) fn read(&mut self, start: usize) -> Result<(&'a str, usize), Fault> {
        let end = plain_run_end(self.text.as_bytes(), start);
        if self.text.as_bytes().get(end) == Some(&b'"') {
            return Ok((&self.text[start..end], end + 1));
        }
        self.decode(start, end)
    }

    /// Reads a string that is not plain: its first run ends at `run_end`.
    fn decode(&mut self, start: usize, mut run_end: usize) -> Result<(&'a str, usize), Fault> {
        let bytes = self.text.as_bytes();
        let capacity = 2 * (run_end - start) + 64;
        let mut decoded = bumpalo::collections::String::with_capacity_in(capacity, self.arena);
        let mut run_start = start;
        loop {
            decoded.push_str(&self.text[run_start..run_end]);
            match bytes.get(run_end) {
                Some(b'"') => break,
                Some(b'\\') => {
                    let (character, next) = self.escape(run_end, start)?;
                    decoded.push(character);
                    run_start = next;
                }
                Some(_) => return Err(Fault::new(run_end, "Invalid control character")),
                None => return Err(unterminated(start)),
            }
            run_end = plain_run_end(bytes, run_start);
        }
        decoded.shrink_to_fit();
        Ok((decoded.into_bump_str(), run_end + 1))
    }

    /// Decodes the escape whose backslash stands at `at`; returns the offset behind it.
    #[inline]
    fn escape(&mut self, at: usize, string_start: usize) -> Result<(char, usize), Fault> {
        let character = match self.text.as_bytes().get(at + 1) {
            Some(b'n') => '\n',
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'u') => return self.unicode_escape(at),
            Some(_) => return Err(Fault::new(at, "Invalid \\escape")),
            None => return Err(unterminated(string_start)),
        };
        Ok((character, at + 2))
    }

    /// Decodes `\uXXXX`, two of them where they make a surrogate pair.
    fn unicode_escape(&mut self, at: usize) -> Result<(char, usize), Fault> {
        let first = self.hex_digits(at)?;
        let next = at + 6;
        if let Some(character) = char::from_u32(first) {
            return Ok((character, next));
        }
        if first < 0xDC00 && self.text.as_bytes()[next..].starts_with(b"\\u") {
            let second = self.hex_digits(next)?;
            if (0xDC00..0xE000).contains(&second) {
                let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                return Ok((character, next + 6));
            }
        }
        self.lone_surrogate.get_or_insert(at);
        Ok((char::REPLACEMENT_CHARACTER, next))
    }

    fn hex_digits(&self, at: usize) -> Result<u32, Fault> {
        let fault = Fault::new(at + 1, "Invalid \\uXXXX escape");
        let digits = self.text.as_bytes().get(at + 2..at + 6).ok_or(fault)?;
        digits.iter().try_fold(0, |code, digit| {
            let digit = char::from(*digit).to_digit(16).ok_or(fault)?;
            Ok(code * 16 + digit)
        })
    }
}

fn unterminated(start: usize) -> Fault {
    Fault::new(start - 1, "Unterminated string starting")
}
