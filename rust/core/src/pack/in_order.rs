//! Packing without a change of order, one pass and nothing held back.

use super::bins::{LEFT_OUT, Packing};
use super::limit::{Fate, Length, Limit};

/// Puts each sample into the open bin, or opens the next one where it does not fit.
pub(super) fn pack<T: Length>(lengths: &[T], limit: &Limit) -> Packing {
    let mut bins = Vec::with_capacity(lengths.len());
    let mut count = 0;
    let mut room = None;
    for &length in lengths {
        let bin = match limit.fate(length) {
            Fate::Shared(tokens) => {
                let open = room.filter(|room| tokens <= *room);
                count += usize::from(open.is_none());
                room = Some(open.unwrap_or(limit.capacity) - tokens);
                count as i32 - 1
            }
            Fate::Alone => {
                count += 1;
                room = None;
                count as i32 - 1
            }
            Fate::LeftOut => LEFT_OUT,
        };
        bins.push(bin);
    }
    Packing { bins, count }
}

/// A bin for each sample.
pub(super) fn alone<T: Length>(lengths: &[T], limit: &Limit) -> Packing {
    let mut count = 0;
    let bins = lengths
        .iter()
        .map(|&length| match limit.fate(length) {
            Fate::LeftOut => LEFT_OUT,
            Fate::Shared(_) | Fate::Alone => {
                count += 1;
                count as i32 - 1
            }
        })
        .collect();
    Packing { bins, count }
}
