//! Packing: which samples share a row of fixed capacity.
//!
//! Lengths go in, the number of a bin for each comes out. A sample is never cut: one that is longer
//! than a bin is an error, or has a bin of its own, or is left out, as the caller says. Nothing but
//! the lengths, their order, the options and the seed decides the result, which stays the same in
//! every version.

mod best_fit;
mod in_order;
mod length_set;
mod shuffle;
#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::cancel::Cancel;
use crate::{Error, ErrorKind, Result};

/// How many samples are packed together where nothing else is said.
pub const WINDOW: usize = 1 << 16;
/// The largest capacity: best-fit keeps two tables with an entry for every length up to it.
pub const MOST_CAPACITY: usize = 1 << 26;
/// The bin of a sample that is left out.
pub const LEFT_OUT: i32 = -1;

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
    /// It is left out: its bin is [`LEFT_OUT`].
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

/// Which bin each sample is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packing {
    /// The bin of each sample, from 0; [`LEFT_OUT`] where it has none.
    pub bins: Vec<i32>,
    /// Number of bins.
    pub count: usize,
}

/// Which samples some bins hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    /// Where the samples of each bin start, and where the last end: one entry more than bins.
    pub offsets: Vec<i64>,
    /// Samples, bin after bin, in their own order inside each.
    pub samples: Vec<i32>,
}

/// A number of tokens, as a caller may hold it.
pub trait Length: Copy + Send + Sync {
    /// The number; `None` where it is negative.
    fn tokens(self) -> Option<u64>;
}

macro_rules! impl_length {
    ($($integer:ty),*) => {
        $(impl Length for $integer {
            fn tokens(self) -> Option<u64> {
                u64::try_from(self).ok()
            }
        })*
    };
}
impl_length!(i8, i16, i32, i64, u8, u16, u32, u64);

/// Puts samples of these lengths into bins.
///
/// Takes a time that grows with the number of samples, and beside the result room for the
/// lengths that occur, not for the samples.
pub fn pack<T: Length>(lengths: &[T], options: &PackOptions, cancel: &Cancel) -> Result<Packing> {
    let limit = Limit::new(options)?;
    let longest = limit.survey(lengths)?;
    match options.strategy {
        Strategy::BestFit { window: 0 } => Err(bad_window()),
        Strategy::BestFit { window } => {
            best_fit::pack(lengths, window, longest, &limit, options.seed, cancel)
        }
        Strategy::Global => {
            let all = lengths.len().max(1);
            best_fit::pack(lengths, all, longest, &limit, options.seed, cancel)
        }
        Strategy::InOrder => Ok(in_order::pack(lengths, &limit)),
        Strategy::None => Ok(in_order::alone(lengths, &limit)),
    }
}

/// The samples of some bins, where `bins` has the bin of each sample.
pub fn group(bins: &[i32], range: Range<usize>) -> Groups {
    let place = |bin: i32| {
        let bin = usize::try_from(bin).ok()?; // none where it is left out
        range.contains(&bin).then(|| bin - range.start)
    };
    let mut offsets = vec![0_i64; range.len() + 1];
    for bin in bins.iter().filter_map(|bin| place(*bin)) {
        offsets[bin + 1] += 1;
    }
    for bin in 0..range.len() {
        offsets[bin + 1] += offsets[bin];
    }
    let mut samples = vec![0; offsets[range.len()] as usize];
    let mut next = offsets.clone();
    for (sample, bin) in bins.iter().enumerate() {
        if let Some(bin) = place(*bin) {
            samples[next[bin] as usize] = sample as i32;
            next[bin] += 1;
        }
    }
    Groups { offsets, samples }
}

/// What fits, and what becomes of the rest.
struct Limit {
    capacity: usize,
    over_length: OverLength,
}

/// What becomes of a sample.
enum Fate {
    /// Into a bin with others; its length.
    Shared(usize),
    /// Into a bin of its own.
    Alone,
    /// Nowhere.
    LeftOut,
}

impl Limit {
    fn new(options: &PackOptions) -> Result<Self> {
        if !(1..=MOST_CAPACITY).contains(&options.capacity) {
            let what = format!("capacity cannot be {}", options.capacity);
            let hint = format!("capacity takes a number of tokens from 1 to {MOST_CAPACITY}");
            return Err(Error::new(ErrorKind::Argument, "invalid-capacity", what).hint(hint));
        }
        Ok(Self {
            capacity: options.capacity,
            over_length: options.over_length,
        })
    }

    /// The longest of the lengths that fit, once all were looked at.
    fn survey<T: Length>(&self, lengths: &[T]) -> Result<usize> {
        if i32::try_from(lengths.len()).is_err() {
            let what = format!("{} lengths are too many for one call", lengths.len());
            let hint = "pack parts of at most 2,147,483,647 lengths";
            return Err(Error::new(ErrorKind::Argument, "too-many-lengths", what).hint(hint));
        }
        let mut longest = 0;
        for (index, length) in lengths.iter().enumerate() {
            match length.tokens() {
                Some(tokens) if tokens <= self.capacity as u64 => {
                    longest = longest.max(tokens as usize);
                }
                Some(tokens) if self.over_length == OverLength::Error => {
                    return Err(self.too_long(index, tokens));
                }
                Some(_) => {}
                None => return Err(negative(index)),
            }
        }
        Ok(longest)
    }

    /// Where a sample of this length belongs, after the survey.
    fn fate<T: Length>(&self, length: T) -> Fate {
        match length.tokens() {
            Some(tokens) if tokens <= self.capacity as u64 => Fate::Shared(tokens as usize),
            _ if self.over_length == OverLength::Alone => Fate::Alone,
            _ => Fate::LeftOut,
        }
    }

    fn too_long(&self, index: usize, tokens: u64) -> Error {
        let what = format!(
            "the length at index {index} is {tokens}, more than the capacity of {}",
            self.capacity
        );
        let hint = "give a larger capacity, or choose with over_length: \"alone\" gives such a \
                    sample a bin of its own, \"reject\" leaves it out (its bin is -1)";
        Error::new(ErrorKind::Data, "overlong-sample", what).hint(hint)
    }
}

fn negative(index: usize) -> Error {
    let what = format!("the length at index {index} is negative");
    Error::new(ErrorKind::Argument, "invalid-lengths", what)
        .hint("lengths are numbers of tokens, from 0")
}

fn bad_window() -> Error {
    Error::new(ErrorKind::Argument, "invalid-window", "window cannot be 0")
        .hint("window takes a number of samples from 1; strategy \"global\" packs all together")
}

fn unknown(key: &str, name: &str, names: &[&str]) -> Error {
    let what = format!("{key} cannot be {name:?}");
    let hint = format!("{key} takes one of: {}", names.join(", "));
    Error::new(ErrorKind::Argument, "invalid-choice", what).hint(hint)
}
