//! Merges several short pieces side by side.
//!
//! Every merge step waits for memory, because the table of rules is too large for the fast caches.
//! So the steps of many pieces are interleaved: each prefetches what it reads next, and by its next
//! turn the data has arrived.

use crate::model::bpe::merges::{Merges, NONE};

/// Pieces that are merged side by side.
pub(crate) const BATCH: usize = 16;
/// One more than the symbols that such a piece may have.
const MOST: usize = 32;
/// Bits of a place.
const PLACE_BITS: u32 = MOST.trailing_zeros();
/// Ranks must be below this.
pub(crate) const MAX_RANK: u32 = NONE >> PLACE_BITS;

/// The place that no symbol has: what is written there is never read as a pair.
const NOWHERE: usize = MOST - 1;

/// A piece while it is merged: symbols from place 0 on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    symbols: [u32; MOST],
    /// The rank of the pair that each symbol starts, above its place: the least of all is the pair
    /// that merges next, the leftmost of equals.
    keys: [u32; MOST],
    /// What that pair merges into.
    products: [u32; MOST],
    /// One bit for each place that holds a symbol.
    held: u32,
    /// The places of first pairs whose rules are asked for.
    first: u32,
    /// The places of the two pairs that the last merge has made, or [`NOWHERE`], and these pairs.
    asked: [(usize, u64); 2],
}

impl Line {
    pub(crate) const EMPTY: Self = Self {
        symbols: [u32::MAX; MOST],
        keys: [NONE; MOST],
        products: [0; MOST],
        held: 0,
        first: 0,
        asked: [(NOWHERE, 0); 2],
    };

    /// Of fewer than [`MOST`] symbols; `piece` are their bytes, or of another length.
    #[inline(always)]
    pub(crate) fn start(&mut self, merges: &Merges, piece: &[u8], symbols: &[u32]) {
        self.keys = Self::EMPTY.keys;
        for (place, &symbol) in self.symbols.iter_mut().zip(symbols) {
            *place = symbol;
        }
        self.symbols[NOWHERE] = u32::MAX;
        self.held = (1 << symbols.len()) - 1;
        self.first = 0;
        self.asked = [(NOWHERE, merges.nothing()); 2];
        if let Some(rules) = merges.of_bytes(piece, symbols.len()) {
            for (place, rule) in rules.enumerate() {
                self.set(place, rule);
            }
        } else {
            for (place, pair) in symbols.windows(2).enumerate() {
                self.first |= u32::from(merges.ask(pair[0], pair[1])) << place;
            }
        }
    }

    /// Writes the rule of a pair; returns its key.
    #[inline(always)]
    fn set(&mut self, place: usize, (rank, product): (u32, u32)) -> u32 {
        let place = place % MOST;
        // Shifted out of `NONE`, ones stay: it is still more than any rank.
        let key = rank << PLACE_BITS | place as u32;
        self.keys[place] = key;
        self.products[place] = product;
        key
    }

    /// The place of the symbol after `place`.
    #[inline(always)]
    fn after(&self, place: usize) -> usize {
        let right = self.held & (!1 << place) | 1 << NOWHERE;
        right.trailing_zeros() as usize % MOST
    }

    /// The place of the symbol before `place`.
    #[inline(always)]
    fn before(&self, place: usize) -> usize {
        let left = self.held & ((1 << place) - 1);
        // Without one this wraps to the last place, which is nowhere.
        NOWHERE.wrapping_sub(left.leading_zeros() as usize) % MOST
    }

    /// Finds the rules of the first pairs that are asked for.
    #[inline(always)]
    fn begin(&mut self, merges: &Merges) {
        while self.first != 0 {
            let place = self.first.trailing_zeros() as usize % MOST;
            self.first &= self.first - 1;
            let pair = (self.symbols[place], self.symbols[(place + 1) % MOST]);
            self.set(place, merges.find_asked(pair.0, pair.1));
        }
    }

    /// Merges the pair of lowest rank; says `false` if no pair merges any more. There is no other
    /// branch: how the merges of a word go, nobody can foresee.
    #[inline(always)]
    fn step(&mut self, merges: &Merges) -> bool {
        // Before the new keys are written: vectors are slow to read what was just written in parts.
        let least = self.keys.iter().fold(NONE, |least, &key| least.min(key));
        let least = self.asked.into_iter().fold(least, |least, (place, pair)| {
            least.min(self.set(place, merges.answer(pair)))
        });
        if least >> PLACE_BITS >= MAX_RANK {
            return false;
        }
        let place = least as usize % MOST;
        let (before, gone) = (self.before(place), self.after(place));
        let (after, product) = (self.after(gone), self.products[place]);
        self.held &= !(1 << gone);
        self.symbols[place] = product;
        for place in [before, place, gone] {
            self.keys[place] = NONE;
        }
        self.asked = [
            (before, merges.asked(self.symbols[before], product)),
            (place, merges.asked(product, self.symbols[after])),
        ];
        true
    }

    /// The symbols that are left.
    #[inline(always)]
    pub(crate) fn symbols(&self) -> impl Iterator<Item = u32> {
        let mut held = self.held;
        std::iter::from_fn(move || {
            let place = held.trailing_zeros() as usize;
            held &= held.wrapping_sub(1);
            self.symbols.get(place).copied()
        })
    }
}

/// Merges every piece as far as the rules go.
#[inline(always)]
pub(crate) fn merge(merges: &Merges, lines: &mut [Line]) {
    let mut order: [usize; BATCH] = std::array::from_fn(|place| place);
    let mut going = lines.len().min(BATCH);
    for line in &mut *lines {
        line.begin(merges);
    }
    while going > 0 {
        let mut turn = 0;
        while turn < going {
            if lines[order[turn]].step(merges) {
                turn += 1;
            } else {
                going -= 1;
                order.swap(turn, going);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::bpe::merge_list::MergeList;

    #[test]
    fn pieces_abreast_merge_as_each_alone() {
        let mut state = 7_u32;
        let mut chance = |most: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % most
        };
        for _ in 0..500 {
            let rules: Vec<_> = (0..=chance(11))
                .map(|n| (chance(3 + n), chance(3 + n), 3 + n))
                .collect();
            let merges = Merges::new(&rules);
            let pieces: Vec<Vec<u32>> = (1..=BATCH as u32)
                .map(|n| {
                    (0..n + chance(MOST as u32 - n))
                        .map(|_| chance(3))
                        .collect()
                })
                .collect();
            let mut lines = [Line::EMPTY; BATCH];
            for (line, piece) in lines.iter_mut().zip(&pieces) {
                line.start(&merges, &[], piece);
            }
            merge(&merges, &mut lines);
            for (mut piece, line) in pieces.into_iter().zip(&lines) {
                merges.apply(&[], &mut piece, &mut MergeList::default());
                assert_eq!(line.symbols().collect::<Vec<_>>(), piece, "{rules:?}");
            }
        }
    }
}
