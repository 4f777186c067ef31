//! JSON strings: borrowed from the text if they hold no escape, else decoded into the arena.

use super::syntax::Fault;
use crate::value::Arena;

/// Where strings of one text are read from and decoded to.
pub(super) struct Strings<'a> {
    text: &'a str,
    arena: &'a Arena,
    /// Whether the text holds control characters, which strings may not. Most rows hold none, and
    /// then no string is searched for them.
    has_control: bool,
    /// The first escape that names half of a surrogate pair. Parsing continues, because a text that
    /// also is not JSON is reported as that.
    pub(super) lone_surrogate: Option<usize>,
}

impl<'a> Strings<'a> {
    pub(super) fn new(text: &'a str, arena: &'a Arena) -> Self {
        Self {
            text,
            arena,
            has_control: has_control(text.trim_ascii_end().as_bytes()),
            lone_surrogate: None,
        }
    }

    /// The offset of the quote or backslash that ends the plain run from `start` on.
    #[inline]
    fn run_end(&self, start: usize, string_start: usize) -> Result<usize, Fault> {
        let rest = &self.text.as_bytes()[start..];
        let found = memchr::memchr2(b'"', b'\\', rest);
        if self.has_control {
            check_control(&rest[..found.unwrap_or(rest.len())], start)?;
        }
        found
            .map(|length| start + length)
            .ok_or_else(|| unterminated(string_start))
    }

    /// Reads the string whose first character is at `start`, after the opening quote. Returns it
    /// with the offset after the closing quote.
    #[inline]
    pub(super) fn read(&mut self, start: usize) -> Result<(&'a str, usize), Fault> {
        let end = self.run_end(start, start)?;
        if self.text.as_bytes()[end] == b'"' {
            return Ok((&self.text[start..end], end + 1));
        }
        self.decode(start, end)
    }

    /// Reads a string that is not plain: its first run ends at `run_end`.
    fn decode(&mut self, start: usize, mut run_end: usize) -> Result<(&'a str, usize), Fault> {
        let capacity = 2 * (run_end - start) + 64;
        let mut decoded = bumpalo::collections::String::with_capacity_in(capacity, self.arena);
        let mut run_start = start;
        loop {
            decoded.push_str(&self.text[run_start..run_end]);
            if self.text.as_bytes()[run_end] == b'"' {
                break;
            }
            let (character, next) = self.escape(run_end, start)?;
            decoded.push(character);
            run_start = next;
            run_end = self.run_end(run_start, start)?;
        }
        decoded.shrink_to_fit();
        Ok((decoded.into_bump_str(), run_end + 1))
    }

    /// Decodes the escape whose backslash is at `at`; returns the offset after it.
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

    /// Decodes `\uXXXX`, or two of them that form a surrogate pair.
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

/// Has no early exit, so that the compiler can vectorize the loop.
fn has_control(bytes: &[u8]) -> bool {
    bytes.iter().copied().fold(u8::MAX, u8::min) < 0x20
}

/// Refuses a control character in `run`, which starts at `start`.
fn check_control(run: &[u8], start: usize) -> Result<(), Fault> {
    if !has_control(run) {
        return Ok(());
    }
    let place = run.iter().position(|byte| *byte < 0x20).unwrap_or(0);
    Err(Fault::new(start + place, "Invalid control character"))
}

fn unterminated(start: usize) -> Fault {
    Fault::new(start - 1, "Unterminated string starting")
}
