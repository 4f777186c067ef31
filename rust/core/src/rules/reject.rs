//! A rejected row.

use super::Rule;

/// A rejected row, with the rule and the reason. The run continues without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The rule.
    pub rule: Rule,
    /// One sentence for the user, without a full stop.
    pub reason: String,
    /// The message it concerns, from 0.
    pub message: Option<u32>,
    /// Which of the assistant's turns that message is, from 0, if it is one.
    pub turn: Option<u32>,
}

impl Reject {
    /// A reject that concerns the row as a whole.
    pub fn new(rule: Rule, reason: impl Into<String>) -> Self {
        Self {
            rule,
            reason: reason.into(),
            message: None,
            turn: None,
        }
    }

    /// Says which of several answers it concerns.
    #[must_use]
    pub fn of(self, answer: &str) -> Self {
        Self {
            reason: format!("{answer}: {}", self.reason),
            ..self
        }
    }

    /// Adds the message, unless one is known already.
    #[must_use]
    pub fn at_message(mut self, message: u32) -> Self {
        self.message.get_or_insert(message);
        self
    }
}
