//! The one error of the language: a template that does not compile, an exception, a limit.

use std::fmt;

/// `Result` with the error of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The template does not compile: jinja2's `TemplateSyntaxError`.
    Syntax,
    /// The template raised: any exception that Python would end the render with.
    Raised,
    /// The render went beyond one of its [`Limits`](crate::Limits).
    Budget,
}

/// Why a template does not compile or a render ended early, in the words of jinja2 and Python.
///
/// ```
/// use turnmill_jinja::{ErrorKind, Template};
///
/// let error = Template::new("Hello\n{% if %}").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Syntax);
/// assert_eq!(error.to_string(), "Expected an expression, got 'end of statement block' (line 2)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Repr>);

// Boxed: every step of a render returns a `Result`, and so it is one word.
#[derive(Clone, PartialEq, Eq)]
struct Repr {
    kind: ErrorKind,
    message: String,
    line: Option<u32>,
    record: Option<u32>,
}

impl Error {
    fn new(kind: ErrorKind, message: String, line: Option<u32>) -> Self {
        Self(Box::new(Repr {
            kind,
            message,
            line,
            record: None,
        }))
    }

    /// A template that does not compile.
    pub(crate) fn syntax(message: impl Into<String>, line: u32) -> Self {
        Self::new(ErrorKind::Syntax, message.into(), Some(line))
    }

    /// An exception with its text.
    pub(crate) fn raised(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Raised, message.into(), None)
    }

    /// A limit was reached.
    pub(crate) fn budget(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Budget, message.into(), None)
    }

    /// Adds the line of the statement and the record it was run for, unless an inner statement is
    /// known.
    pub(crate) fn at(mut self, line: u32, record: Option<u32>) -> Self {
        if self.0.line.is_none() {
            self.0.line = Some(line);
            self.0.record = record;
        }
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The sentence, without the place: of an exception, what Python's `str(exception)` gives.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The line of the template, from 1.
    pub fn line(&self) -> Option<u32> {
        self.0.line
    }

    /// The number of the record (see [`Input::records`](crate::Input::records)) that the template
    /// was at.
    pub fn record(&self) -> Option<u32> {
        self.0.record
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        match self.0.line {
            Some(line) => write!(f, " (line {line})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl std::error::Error for Error {}
