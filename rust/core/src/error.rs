//! The one error type: what went wrong, where, and what to do about it.
//!
//! An [`Error`] ends a run or a call. A row that cannot be used is not an error but a `Reject` of
//! the rules, and the run continues.

use std::fmt;
use std::path::PathBuf;

/// `Result` with the error of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of thing failed; decides the Python exception class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file or stream (becomes the builtin `OSError` family in Python).
    Io,
    /// The input data.
    Data,
    /// A chat template: it does not compile, is refused, or raised.
    Template,
    /// A tokenizer's files.
    Tokenizer,
    /// The recipe: an unknown key, a bad value, a decision that is needed.
    Recipe,
    /// An argument of a call.
    Argument,
    /// Interrupted by the user.
    Cancelled,
    /// A defect of turnmill.
    Internal,
}

/// Where it happened. Fields are filled in as the error travels outwards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// The input, template or configuration file.
    pub path: Option<PathBuf>,
    /// Line in that file, from 1.
    pub line: Option<u64>,
    /// Input row, from 0.
    pub row: Option<u64>,
    /// Message inside the row, from 0.
    pub message: Option<u32>,
}

/// An error with a stable code, a place and a hint.
#[derive(Clone)]
pub struct Error(Box<Repr>);

#[derive(Clone)]
struct Repr {
    kind: ErrorKind,
    code: &'static str,
    what: String,
    location: Location,
    hint: Option<String>,
}

impl Error {
    /// A new error. `code` is a stable kebab-case name, `what` one sentence without a full stop.
    pub fn new(kind: ErrorKind, code: &'static str, what: impl Into<String>) -> Self {
        let what = what.into();
        Self(Box::new(Repr {
            kind,
            code,
            what,
            location: Location::default(),
            hint: None,
        }))
    }

    /// Adds what the user can do, with the exact flag or key if there is one.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds the file, unless one is known already.
    #[must_use]
    pub fn at_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.0.location.path.get_or_insert_with(|| path.into());
        self
    }

    /// Adds the line, unless one is known already.
    #[must_use]
    pub fn at_line(mut self, line: u64) -> Self {
        self.0.location.line.get_or_insert(line);
        self
    }

    /// Adds the input row, unless one is known already.
    #[must_use]
    pub fn at_row(mut self, row: u64) -> Self {
        self.0.location.row.get_or_insert(row);
        self
    }

    /// Adds the message, unless one is known already.
    #[must_use]
    pub fn at_message(mut self, message: u32) -> Self {
        self.0.location.message.get_or_insert(message);
        self
    }

    /// What kind of thing failed.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The stable code, such as `unknown-key`.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// The sentence, without place and hint.
    pub fn what(&self) -> &str {
        &self.0.what
    }

    /// Where it happened, as far as known.
    pub fn location(&self) -> &Location {
        &self.0.location
    }

    /// What the user can do.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        match (&self.path, self.line) {
            (Some(path), Some(line)) => parts.push(format!("{}:{line}", path.display())),
            (Some(path), None) => parts.push(path.display().to_string()),
            (None, Some(line)) => parts.push(format!("line {line}")),
            (None, None) => {}
        }
        parts.extend(self.row.map(|row| format!("row {row}")));
        parts.extend(self.message.map(|message| format!("message {message}")));
        f.write_str(&parts.join(", "))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.what)?;
        if self.0.location != Location::default() {
            write!(f, " ({})", self.0.location)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} [{}] {self}", self.0.kind, self.0.code)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_place_stands() {
        let error = Error::new(ErrorKind::Data, "invalid-json", "not JSON")
            .at_line(3)
            .at_path("a.jsonl")
            .at_line(9);
        assert_eq!(error.to_string(), "not JSON (a.jsonl:3)");
        assert_eq!(error.code(), "invalid-json");
    }
}
