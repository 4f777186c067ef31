//! Which samples fit into a bin with others, and what becomes of the rest.

use super::options::{MOST_CAPACITY, OverLength, PackOptions};
use crate::{Error, ErrorKind, Result};

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

/// What fits, and what becomes of the rest.
pub(super) struct Limit {
    pub(super) capacity: usize,
    over_length: OverLength,
}

/// What becomes of a sample.
pub(super) enum Fate {
    /// Into a bin with others; its length.
    Shared(usize),
    /// Into a bin of its own.
    Alone,
    /// Nowhere.
    LeftOut,
}

impl Limit {
    pub(super) fn new(options: &PackOptions) -> Result<Self> {
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
    pub(super) fn survey<T: Length>(&self, lengths: &[T]) -> Result<usize> {
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
    pub(super) fn fate<T: Length>(&self, length: T) -> Fate {
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
