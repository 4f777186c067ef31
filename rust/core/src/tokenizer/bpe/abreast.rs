//! Merges several short pieces side by side.
//!
//! Each step of a merge waits for a table of rules that lies far from the processor. So the steps
//! of many pieces take turns: each asks for what it will read next, and when its turn comes again
//! it is there.

use super::merges::{Merges, NONE};

/// Pieces that are merged side by side.
pub(super) const ABREAST: usize = 16;
/// Most symbols of such a piece.
pub(super) const MOST: usize = 16;

/// A piece while it is merged: symbols from place 0 on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    symbols: [u32; MOST],
    /// The rank of the pair that each symbol starts, and what it merges into.
    ranks: [u32; MOST],
    products: [u32; MOST],
    /// One bit for each place that holds a symbol.
    held: u32,
    /// The places of pairs whose rules are asked for.
    asked: [Option<u8>; 2],
}

impl Line {
    pub(super) const EMPTY: Self = Self {
        symbols: [0; MOST],
        ranks: [NONE; MOST],
        products: [0; MOST],
        held: 0,
        asked: [None; 2],
    };

    /// Of at most [`MOST`] symbols; `piece` are their bytes, or of another length.
    pub(super) fn new(merges: &Merges, piece: &[u8], symbols: &[u32]) -> Self {
        let mut line = Self::EMPTY;
        for (place, &symbol) in line.symbols.iter_mut().zip(symbols) {
            *place = symbol;
        }
        line.held = (1 << symbols.len()) - 1;
        merges.neighbours(piece, symbols, |place, rule| line.set(place, rule));
        line
    }

    #[inline]
    fn set(&mut self, place: usize, (rank, product): (u32, u32)) {
        if let (Some(known), Some(made)) = (self.ranks.get_mut(place), self.products.get_mut(place))
        {
            (*known, *made) = (rank, product);
        }
    }

    /// The place of the symbol behind `place`.
    #[inline]
    fn after(&self, place: usize) -> Option<usize> {
        let right = self.held & (!1 << place);
        (right != 0).then(|| right.trailing_zeros() as usize % MOST)
    }

    /// The place of the symbol before `place`.
    #[inline]
    fn before(&self, place: usize) -> Option<usize> {
        let left = self.held & ((1 << place) - 1);
        (left != 0).then(|| left.ilog2() as usize % MOST)
    }

    /// Merges the pair of lowest rank; says `false` if no pair merges any more.
    #[inline]
    fn step(&mut self, merges: &Merges) -> bool {
        for place in self.asked.into_iter().flatten() {
            let place = usize::from(place) % MOST;
            if let Some(after) = self.after(place) {
                self.set(place, merges.find(self.symbols[place], self.symbols[after]));
            }
        }
        let least = self.ranks.iter().fold(NONE, |least, &rank| least.min(rank));
        let Some(place) = self.ranks.iter().position(|&rank| rank == least) else {
            return false;
        };
        let Some(gone) = self.after(place).filter(|_| least != NONE) else {
            return false;
        };
        let product = self.products[place];
        self.held ^= 1 << gone;
        self.symbols[place] = product;
        self.ranks[gone] = NONE;
        self.ranks[place] = NONE;
        self.asked = [None; 2];
        if let Some(after) = self.after(place) {
            merges.ask(product, self.symbols[after]);
            self.asked[0] = Some(place as u8);
        }
        if let Some(before) = self.before(place) {
            merges.ask(self.symbols[before], product);
            self.asked[1] = Some(before as u8);
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
pub(super) fn merge(merges: &Merges, lines: &mut [Line]) {
    let mut going = true;
    while going {
        going = false;
        for line in &mut *lines {
            going |= line.step(merges);
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
            let pieces: Vec<Vec<u32>> = (0..ABREAST)
                .map(|length| (0..=length).map(|_| chance(3)).collect())
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
