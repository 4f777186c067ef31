//! Packing: which samples share a row of fixed capacity.
//!
//! Lengths go in, the number of a bin for each comes out. A sample is never cut: one that is longer
//! than a bin is an error, or has a bin of its own, or is left out, as the caller says. Nothing but
//! the lengths, their order, the options and the seed decides the result, which stays the same in
//! every version.

mod best_fit;
mod bins;
mod in_order;
mod length_set;
mod limit;
mod options;
mod shuffle;
#[cfg(test)]
mod tests;

use crate::cancel::Cancel;
use crate::{Error, ErrorKind, Result};
use limit::Limit;

pub use bins::{Groups, LEFT_OUT, Packing, group};
pub use limit::Length;
pub use options::{MOST_CAPACITY, OverLength, PackOptions, Strategy, WINDOW};

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

fn bad_window() -> Error {
    Error::new(ErrorKind::Argument, "invalid-window", "window cannot be 0")
        .hint("window takes a number of samples from 1; strategy \"global\" packs all together")
}
