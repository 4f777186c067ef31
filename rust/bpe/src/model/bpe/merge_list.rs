//! Merging a run of many symbols: a list of neighbours and a queue of pairs.

use crate::model::bpe::merges::{Merges, NONE};
use crate::model::bpe::queue::Queue;

/// Symbols whose memory is kept.
const KEPT_SYMBOLS: usize = 1 << 15;

/// What merging one run of symbols needs; kept for its memory.
#[derive(Debug, Default)]
pub(crate) struct MergeList {
    queue: Queue,
    symbols: Vec<Symbol>,
}

/// The neighbours of a symbol, and what it merges into with the next one.
#[derive(Clone, Copy, Debug, Default)]
struct Symbol {
    before: u32,
    next: u32,
    product: u32,
}

impl MergeList {
    /// Merges as far as the rules go. What is left lies at [`MergeList::places`].
    pub(crate) fn merge(&mut self, merges: &Merges, piece: &[u8], symbols: &mut [u32]) {
        match symbols.len() {
            0..=8 => self.run::<1>(merges, piece, symbols),
            9..=64 => self.run::<2>(merges, piece, symbols),
            65..=512 => self.run::<3>(merges, piece, symbols),
            513..=32_768 => self.run::<5>(merges, piece, symbols),
            _ => self.run::<11>(merges, piece, symbols),
        }
    }

    /// Gives memory back that only a rare text needs.
    pub(crate) fn trim(&mut self) {
        if self.symbols.len() > KEPT_SYMBOLS {
            *self = Self::default();
        }
    }

    fn run<const LEVELS: usize>(&mut self, merges: &Merges, piece: &[u8], symbols: &mut [u32]) {
        let count = symbols.len();
        if self.symbols.len() < count {
            self.symbols.resize(count, Symbol::default());
        }
        if count == 0 {
            return;
        }
        for (place, symbol) in self.symbols[..count].iter_mut().enumerate() {
            symbol.before = (place as u32).wrapping_sub(1);
            symbol.next = place as u32 + 1;
        }
        self.queue.start(count);
        merges.neighbours(piece, symbols, |place, (rank, product)| {
            self.queue.put(place, rank);
            self.symbols[place].product = product;
        });
        self.queue.arrange::<LEVELS>(count);
        while let Some(place) = self.queue.first::<LEVELS>() {
            self.merge_at::<LEVELS>(merges, symbols, place);
        }
    }

    /// Merges the symbol at `place` with the next one.
    #[inline]
    fn merge_at<const LEVELS: usize>(
        &mut self,
        merges: &Merges,
        symbols: &mut [u32],
        place: usize,
    ) {
        let Symbol {
            before,
            next,
            product,
        } = self.symbols[place];
        let gone = next as usize;
        let after = self.symbols[gone].next as usize;
        let before = before as usize;
        symbols[place] = product;
        self.symbols[place].next = after as u32;
        self.queue.put(gone, NONE);
        self.queue.put(place, NONE);
        if let Some(&after_symbol) = symbols.get(after) {
            self.symbols[after].before = place as u32;
            self.pair(place, merges.find(product, after_symbol));
        }
        let mut first = place;
        if let Some(&left) = symbols.get(before) {
            self.pair(before, merges.find(left, product));
            first = before;
        }
        self.queue.mend::<LEVELS>([first, place, gone]);
    }

    #[inline]
    fn pair(&mut self, place: usize, (rank, product): (u32, u32)) {
        self.queue.put(place, rank);
        self.symbols[place].product = product;
    }

    /// The place of each symbol that is left of `count`.
    pub(crate) fn places(&self, count: usize) -> impl Iterator<Item = usize> {
        let next = move |&place: &usize| {
            let next = self.symbols[place].next as usize;
            (next < count).then_some(next)
        };
        std::iter::successors((count > 0).then_some(0), next)
    }

    /// Leaves in `symbols` only what is left of them.
    pub(crate) fn gather(&self, symbols: &mut Vec<u32>) {
        let mut left = 0;
        for place in self.places(symbols.len()) {
            symbols[left] = symbols[place];
            left += 1;
        }
        symbols.truncate(left);
    }
}
