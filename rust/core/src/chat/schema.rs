//! The schemas by name.

use std::fmt;

use crate::error::{Error, ErrorKind, Result};

/// The shape of input records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Schema {
    /// `messages`: a list of objects with `role` and `content`, as transformers takes them.
    Messages,
    /// `conversations`: a list of objects with `from` and `value`.
    Sharegpt,
    /// `instruction`, `input`, `output`, and perhaps `history` and `system`.
    Alpaca,
    /// `prompt` and `completion`: two strings, or two lists of messages.
    PromptCompletion,
    /// `text`: a document.
    Text,
}

impl Schema {
    /// Every schema that can be read.
    pub const ALL: [Self; 5] = [
        Self::Messages,
        Self::Sharegpt,
        Self::Alpaca,
        Self::PromptCompletion,
        Self::Text,
    ];

    /// The name in recipes and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Sharegpt => "sharegpt",
            Self::Alpaca => "alpaca",
            Self::PromptCompletion => "prompt-completion",
            Self::Text => "text",
        }
    }

    /// The schema of that name.
    pub fn from_name(name: &str) -> Result<Self> {
        if let Some(schema) = Self::ALL.into_iter().find(|schema| schema.name() == name) {
            return Ok(schema);
        }
        if matches!(name, "segments" | "preference" | "kto") {
            return Err(not_available(name));
        }
        let names = Self::ALL.map(Self::name).join(", ");
        Err(Error::new(
            ErrorKind::Recipe,
            "unknown-schema",
            format!("there is no schema `{name}`"),
        )
        .hint(format!("one of: auto, {names}")))
    }
}

/// The error of a schema that turnmill knows by name only.
pub(super) fn not_available(name: &str) -> Error {
    let what = format!("the schema `{name}` is not available yet");
    let names = Schema::ALL.map(Schema::name).join(", ");
    Error::new(ErrorKind::Recipe, "not-available", what).hint(format!("available: {names}"))
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
