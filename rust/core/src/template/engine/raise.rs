//! What a render raises: Python's exceptions, of which only the text and the place are kept.

use crate::{Error, ErrorKind};

/// An exception of the template language.
pub(crate) struct Raise(Box<Repr>);

struct Repr {
    what: String,
    line: Option<u32>,
    message: Option<u32>,
    budget: bool,
}

/// `Result` with an exception of the template language.
pub(crate) type Raised<T> = Result<T, Raise>;

impl Raise {
    /// An exception with its text.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self(Box::new(Repr {
            what: what.into(),
            line: None,
            message: None,
            budget: false,
        }))
    }

    /// A limit was reached.
    pub(crate) fn budget(what: impl Into<String>) -> Self {
        let mut raise = Self::new(what);
        raise.0.budget = true;
        raise
    }

    /// With the template line, unless an inner one is known.
    pub(crate) fn at(mut self, line: u32, message: Option<u32>) -> Self {
        if self.0.line.is_none() {
            self.0.line = Some(line);
            self.0.message = message;
        }
        self
    }

    /// The error of the crate.
    pub(crate) fn into_error(self) -> Error {
        let code = if self.0.budget {
            "template-budget"
        } else {
            "template-error"
        };
        let mut error = Error::new(ErrorKind::Template, code, self.0.what);
        if let Some(line) = self.0.line {
            error = error.at_line(u64::from(line));
        }
        if let Some(message) = self.0.message {
            error = error.at_message(message);
        }
        error
    }
}

impl std::fmt::Debug for Raise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (line {:?})", self.0.what, self.0.line)
    }
}
