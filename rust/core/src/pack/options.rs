//! How samples are packed.

use crate::{Error, ErrorKind, Result};

/// How many samples are packed together where nothing else is said.
pub const WINDOW: usize = 1 << 16;
/// The largest capacity: best-fit keeps two tables with an entry for every length up to it.
pub const MOST_CAPACITY: usize = 1 << 26;

/// How samples are put into bins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// First-fit-decreasing among every `window` samples; the bins of a window are shuffled.
    BestFit {
        /// Samples that are packed together.
        window: usize,
    },
    /// The same among all samples.
    Global,
    /// Samples stay in order: a bin ends where the next sample does not fit.
    InOrder,
    /// A bin for each sample.
    None,
}

impl Strategy {
    /// The names, the default first.
    pub const NAMES: [&str; 4] = ["best-fit", "global", "in-order", "none"];

    /// The strategy called `name`; `window` is for best-fit.
    pub fn named(name: &str, window: usize) -> Result<Self> {
        match name {
            "best-fit" => Ok(Self::BestFit { window }),
            "global" => Ok(Self::Global),
            "in-order" => Ok(Self::InOrder),
            "none" => Ok(Self::None),
            _ => Err(unknown("strategy", name, &Self::NAMES)),
        }
    }
}

/// What becomes of a sample that is longer than the capacity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverLength {
    /// The call fails and names it.
    #[default]
    Error,
    /// It has a bin of its own, longer than the others.
    Alone,
    /// It is left out: its bin is [`LEFT_OUT`](super::LEFT_OUT).
    Reject,
}

impl OverLength {
    /// The names, the default first.
    pub const NAMES: [&str; 3] = ["error", "alone", "reject"];

    /// The policy called `name`.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "error" => Ok(Self::Error),
            "alone" => Ok(Self::Alone),
            "reject" => Ok(Self::Reject),
            _ => Err(unknown("over_length", name, &Self::NAMES)),
        }
    }
}

/// How to pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackOptions {
    /// Tokens that a bin holds.
    pub capacity: usize,
    /// How samples are put into bins.
    pub strategy: Strategy,
    /// What becomes of samples that are longer than a bin.
    pub over_length: OverLength,
    /// Shuffles the bins of best-fit and global; `None` leaves them as they were filled, the bins
    /// with the longest samples first.
    pub seed: Option<u64>,
}

fn unknown(key: &str, name: &str, names: &[&str]) -> Error {
    let what = format!("{key} cannot be {name:?}");
    let hint = format!("{key} takes one of: {}", names.join(", "));
    Error::new(ErrorKind::Argument, "invalid-choice", what).hint(hint)
}
