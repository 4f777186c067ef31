//! What can fail: loading a tokenizer that is not known here, and encoding with a broken one.

use std::fmt;

/// `Result` with the error of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a text cannot be encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A cut of the input is not between two characters: a defect of the caller.
    Cut,
    /// The tokenizer cannot split the text, with the cause: a defect of its pattern.
    Split(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut => f.write_str("a cut is not between two characters"),
            Self::Split(cause) => f.write_str(cause),
        }
    }
}

impl std::error::Error for Error {}

/// Why a tokenizer needs the reference backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// One sentence without a full stop.
    pub reason: String,
}

impl Unsupported {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Unsupported {}
