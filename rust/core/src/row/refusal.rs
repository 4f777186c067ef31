//! Why a row gives no sample.

use crate::Error;
use crate::rules::Reject;

/// Why a row gives no sample.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The row is rejected.
    Row(Reject),
    /// The run stops.
    Run(Error),
}

impl Refusal {
    /// Says which of several answers it concerns.
    pub(super) fn of(self, answer: &str) -> Self {
        match self {
            Self::Row(reject) => Self::Row(reject.of(answer)),
            run @ Self::Run(_) => run,
        }
    }
}

impl From<Reject> for Refusal {
    fn from(reject: Reject) -> Self {
        Self::Row(reject)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Run(error)
    }
}
