//! Merges several short pieces side by side.
//!
//! Each step of a merge waits for a table of rules that lies far from the processor. So the steps
//! of many pieces take turns: each asks for what it will read next, and when its turn comes again
//! it is there.

use super::merges::{Merges, NONE};

/// Pieces that are merged side by side.
pub(super) const ABREAST: usize = 16;
/// One more than the symbols that such a piece may have.
const MOST: usize = 32;
/// Bits of a place.
const PLACE_BITS: u32 = MOST.trailing_zeros();
/// Ranks must be below this.
pub(super) const MAX_RANK: u32 = NONE >> PLACE_BITS;

/// A piece while it is merged: symbols from place 0 on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    symbols: [u32; MOST],
    /// The rank of the pair that each symbol starts, above its place: the least of all is the pair
    /// that merges next, the leftmost of equals.
    keys: [u32; MOST],
    /// What that pair merges into.
    products: [u32; MOST],
    /// One bit for each place that holds a symbol.
    held: u32,
    /// The places of pairs that may merge, whose rules are asked for.
    asked: u32,
}

impl Line {
    pub(super) const EMPTY: Self = Self {
        symbols: [0; MOST],
        keys: [NONE; MOST],
        products: [0; MOST],
        held: 0,
        asked: 0,
    };

    /// Of fewer than [`MOST`] symbols; `piece` are their bytes, or of another length.
    #[inline(always)]
    pub(super) fn new(merges: &Merges, piece: &[u8], symbols: &[u32]) -> Self {
        let mut line = Self::EMPTY;
        for (place, &symbol) in line.symbols.iter_mut().zip(symbols) {
            *place = symbol;
        }
        line.held = (1 << symbols.len()) - 1;
        if let Some(rules) = merges.of_bytes(piece, symbols.len()) {
            for (place, rule) in rules.enumerate() {
                line.set(place, rule);
            }
        } else {
            for (place, pair) in symbols.windows(2).enumerate() {
                line.asked |= u32::from(merges.ask(pair[0], pair[1])) << place;
            }
        }
        line
    }

    #[inline(always)]
    fn set(&mut self, place: usize, (rank, product): (u32, u32)) {
        let place = place % MOST;
        // Shifted out of `NONE`, ones stay: it is still more than any rank.
        self.keys[place] = rank << PLACE_BITS | place as u32;
        self.products[place] = product;
    }

    /// The place of the symbol behind `place`.
    #[inline(always)]
    fn after(&self, place: usize) -> Option<usize> {
        let right = self.held & (!1 << place);
        (right != 0).then(|| right.trailing_zeros() as usize % MOST)
    }

    /// The place of the symbol before `place`.
    #[inline(always)]
    fn before(&self, place: usize) -> Option<usize> {
        let left = self.held & ((1 << place) - 1);
        (left != 0).then(|| left.ilog2() as usize % MOST)
    }

    /// Merges the pair of lowest rank; says `false` if no pair merges any more.
    #[inline(always)]
    fn step(&mut self, merges: &Merges) -> bool {
        while self.asked != 0 {
            let place = self.asked.trailing_zeros() as usize % MOST;
            self.asked &= self.asked - 1;
            if let Some(after) = self.after(place) {
                self.set(
                    place,
                    merges.find_asked(self.symbols[place], self.symbols[after]),
                );
            }
        }
        let least = self.keys.iter().fold(NONE, |least, &key| least.min(key));
        let place = least as usize % MOST;
        let Some(gone) = self.after(place).filter(|_| least >> PLACE_BITS < MAX_RANK) else {
            return false;
        };
        let product = self.products[place];
        self.held ^= 1 << gone;
        self.symbols[place] = product;
        self.keys[gone] = NONE;
        self.keys[place] = NONE;
        if let Some(after) = self.after(place) {
            self.asked |= u32::from(merges.ask(product, self.symbols[after])) << place;
        }
        if let Some(before) = self.before(place) {
            self.keys[before] = NONE;
            self.asked |= u32::from(merges.ask(self.symbols[before], product)) << before;
        }
        true
    }

    /// The symbols that are left.
    pub(super) fn symbols(&self) -> impl Iterator<Item = u32> {
        let places = self.symbols.iter().enumerate();
        places.filter_map(|(place, &symbol)| (self.held >> place & 1 != 0).then_some(symbol))
    }
}

/// Merges every piece as far as the rules go.
#[inline(always)]
pub(super) fn merge(merges: &Merges, lines: &mut [Line]) {
    let mut order: [usize; ABREAST] = std::array::from_fn(|place| place);
    let mut going = lines.len().min(ABREAST);
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
    use super::super::merging::Merging;
    use super::*;

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
            let pieces: Vec<Vec<u32>> = (1..=ABREAST as u32)
                .map(|n| {
                    (0..n + chance(MOST as u32 - n))
                        .map(|_| chance(3))
                        .collect()
                })
                .collect();
            let mut lines: Vec<Line> = pieces
                .iter()
                .map(|piece| Line::new(&merges, &[], piece))
                .collect();
            merge(&merges, &mut lines);
            for (mut piece, line) in pieces.into_iter().zip(&lines) {
                merges.apply(&[], &mut piece, &mut Merging::default());
                assert_eq!(line.symbols().collect::<Vec<_>>(), piece, "{rules:?}");
            }
        }
    }
}
