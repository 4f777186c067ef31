//! Merges long pieces in overlapping windows, so that time grows linearly with their length.
//!
//! Call a list of tokens *settled* if merging the text of each two neighbours gives these two.
//!
//! A list is settled if and only if it is what merging its whole text gives. For the merges that
//! fall inside a stretch of a text happen in the order in which they happen when the stretch stands
//! alone, as long as no merge crosses its borders: each time the pair of lowest rank goes first,
//! the leftmost of equals, and the choice among the pairs of a stretch does not depend on others.
//! So if merging gives a list, no merge crossed a border of its tokens, and each two neighbours are
//! what their text alone gives. Conversely, take the first merge that crosses a border between two
//! tokens of a settled list: up to it the text of these two went as it goes alone, where the same
//! pair would be the next to merge, and they would not be what their text gives.
//!
//! Two windows that overlap are each settled. If they have one token in common, at one place, then
//! the tokens of the first up to it and those of the second from it on are settled too: every two
//! neighbours are neighbours in one of the two. This holds for every list of rules.

use crate::model::bpe::merge_list::MergeList;
use crate::model::bpe::merges::Merges;

/// Symbols of a window, where that is enough; shorter pieces are merged whole.
pub(crate) const WINDOW: usize = 512;

/// A token and the place of its first symbol.
type WindowToken = (u32, u32);

/// One long piece that is being merged.
pub(crate) struct Windows<'a> {
    merges: &'a Merges,
    merging: &'a mut MergeList,
    /// The bytes of the symbols, or empty if they are not bytes.
    piece: &'a [u8],
    symbols: &'a [u32],
    /// What the symbols before `end` merge into, for as long as nothing follows them.
    tokens: Vec<WindowToken>,
    end: usize,
    window: Vec<u32>,
    next: Vec<WindowToken>,
}

impl<'a> Windows<'a> {
    pub(crate) fn new(
        merges: &'a Merges,
        piece: &'a [u8],
        symbols: &'a [u32],
        merging: &'a mut MergeList,
    ) -> Self {
        Self {
            merges,
            merging,
            piece,
            symbols,
            tokens: Vec::with_capacity(symbols.len() / 2),
            end: 0,
            window: Vec::new(),
            next: Vec::new(),
        }
    }

    /// The ids of the piece.
    pub(crate) fn ids(mut self) -> impl Iterator<Item = u32> {
        while self.end < self.symbols.len() {
            let mut size = WINDOW;
            while !self.advance(size) {
                size = size.saturating_mul(8);
            }
        }
        self.tokens.into_iter().map(|(id, _)| id)
    }

    /// Goes on by a window of `size` symbols, an eighth of which overlaps with what is done;
    /// `false` if that is not enough to tell, or the window is not worth its time.
    fn advance(&mut self, size: usize) -> bool {
        let sure = self.end.saturating_sub(size / 8) as u32;
        let after = self.tokens.partition_point(|token| token.1 <= sure);
        let from = after.saturating_sub(1);
        let start = self.tokens.get(from).map_or(0, |token| token.1 as usize);
        let end = self.symbols.len().min(start.saturating_add(size));
        if end < self.symbols.len() && end < self.end + size / 2 {
            return false;
        }
        self.merge(start, end);
        // A window from the start on needs nothing before it.
        let found = if start == 0 {
            Some((0, 0))
        } else {
            common(&self.tokens, from, &self.next)
        };
        let Some((until, since)) = found else {
            return false;
        };
        self.tokens.truncate(until);
        self.tokens.extend_from_slice(&self.next[since..]);
        self.end = end;
        true
    }

    /// Merges the symbols of a range into `next`.
    fn merge(&mut self, start: usize, end: usize) {
        self.window.clear();
        self.window.extend_from_slice(&self.symbols[start..end]);
        let bytes = self.piece.len() == self.symbols.len();
        let piece = if bytes { &self.piece[start..end] } else { &[] };
        self.merging.merge(self.merges, piece, &mut self.window);
        self.next.clear();
        let places = self.merging.places(end - start);
        let token = |place: usize| (self.window[place], (start + place) as u32);
        self.next.extend(places.map(token));
    }
}

/// The first token that two lists have in common, as its index in each; `from` is where the first
/// list reaches the second.
fn common(first: &[WindowToken], from: usize, second: &[WindowToken]) -> Option<(usize, usize)> {
    let (mut i, mut j) = (from, 0);
    while let (Some(one), Some(other)) = (first.get(i), second.get(j)) {
        if one == other {
            return Some((i, j));
        }
        let (here, there) = (one.1, other.1);
        i += usize::from(here <= there);
        j += usize::from(there <= here);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look like chance.
    fn chance(state: &mut u64) -> usize {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) as usize
    }

    /// Merges without any queue or window: looks at every pair each time.
    fn plainly(rules: &[(u32, u32, u32)], symbols: &mut Vec<u32>) {
        let rank = |pair: &[u32]| rules.iter().rposition(|rule| [rule.0, rule.1] == *pair);
        loop {
            let pairs = symbols.windows(2).enumerate();
            let best = pairs.filter_map(|(at, pair)| Some((rank(pair)?, at))).min();
            let Some((rank, at)) = best else { return };
            symbols[at] = rules[rank].2;
            symbols.remove(at + 1);
        }
    }

    /// Rules over a few letters, in any order, so that ranks go up and down along a derivation.
    fn rules(state: &mut u64, letters: usize, count: usize) -> Vec<(u32, u32, u32)> {
        let mut texts: Vec<Vec<u8>> = (0..letters).map(|letter| vec![letter as u8]).collect();
        let mut rules: Vec<(u32, u32, u32)> = Vec::new();
        while rules.len() < count {
            let (left, right) = (chance(state) % texts.len(), chance(state) % texts.len());
            let text = [&texts[left][..], &texts[right]].concat();
            let product = texts.iter().position(|known| *known == text);
            let product = product.unwrap_or_else(|| {
                texts.push(text);
                texts.len() - 1
            });
            rules.push((left as u32, right as u32, product as u32));
        }
        for at in (1..rules.len()).rev() {
            if chance(state).is_multiple_of(2) {
                rules.swap(at, chance(state) % at);
            }
        }
        rules
    }

    #[test]
    fn any_rules_give_what_looking_at_every_pair_gives() {
        let state = &mut 5;
        for round in 0..200 {
            let letters = 1 + round % 4;
            let rules = rules(state, letters, 4 + round / 4);
            let merges = Merges::new(&rules);
            let count = match round % 4 {
                0 => WINDOW + chance(state) % 700,
                _ => chance(state) % 100,
            };
            let symbols: Vec<u32> = (0..count)
                .map(|_| (chance(state) % letters) as u32)
                .collect();
            let (mut expected, mut merged) = (symbols.clone(), symbols);
            plainly(&rules, &mut expected);
            merges.apply(&[], &mut merged, &mut MergeList::default());
            assert!(merged == expected, "{rules:?}");
        }
    }

    /// Letters whose neighbours merge from the right end on: what the first token is, the last
    /// letter decides.
    #[test]
    fn a_chain_longer_than_a_window_is_merged_whole() {
        let letters = 3000;
        let rules: Vec<(u32, u32, u32)> = (0..letters - 1)
            .rev()
            .map(|left| (left, left + 1, letters + left))
            .collect();
        let merges = Merges::new(&rules);
        for count in [letters, letters - 1] {
            let mut symbols: Vec<u32> = (0..count).collect();
            merges.apply(&[], &mut symbols, &mut MergeList::default());
            let odd = count % 2;
            let mut expected: Vec<u32> = (0..odd).collect();
            expected.extend((odd..count).step_by(2).map(|left| letters + left));
            assert!(symbols == expected, "{count}");
        }
    }

    #[test]
    fn tokens_longer_than_a_window_are_found() {
        // Doubling: 2^12 letters are one token.
        let rules: Vec<(u32, u32, u32)> = (0..12).map(|n| (n, n, n + 1)).collect();
        let merges = Merges::new(&rules);
        let mut symbols = vec![0; (1 << 14) + 5];
        merges.apply(&[], &mut symbols, &mut MergeList::default());
        assert_eq!(symbols, [12, 12, 12, 12, 2, 0]);
    }
}
