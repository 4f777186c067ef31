//! The merge rules, and merging a piece by them: always the pair of lowest rank, the leftmost of
//! equals.

use crate::model::bpe::merge_list::MergeList;
use crate::model::bpe::merge_windows::{WINDOW, Windows};
use crate::simd::{large, prefetch};

/// No such merge; also greater than every rank.
pub(crate) const NONE: u32 = u32::MAX;

/// Two tokens, and what they merge into. Rules are listed by rank.
pub(crate) type Rule = (u32, u32, u32);

/// Slots looked at together: one cache line.
const BUCKET: usize = 4;
/// A pair that merges, its rank, and what it merges into.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct MergeRule {
    pair: u64,
    rank: u32,
    product: u32,
}

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Bucket([MergeRule; BUCKET]);

/// Of a pair of ids that no vocabulary has.
const FREE: MergeRule = MergeRule {
    pair: u64::MAX,
    rank: NONE,
    product: 0,
};

/// Ranks of pairs of ids, and what they merge into.
#[derive(Debug)]
pub(crate) struct Merges {
    buckets: Vec<Bucket>,
    mask: usize,
    /// One bit for each hash of a pair: most pairs asked for do not merge, and this, unlike the
    /// buckets, stays in the cache.
    seen: Vec<u64>,
    /// A pair that no rule has, and whose bucket says so at once.
    nothing: u64,
    /// Rank and product of pairs of bytes, by the bytes; empty if pieces do not start as bytes.
    bytes: Vec<(u32, u32)>,
}

impl Merges {
    /// A pair given twice has its last rank, as in
    /// Hugging Face.
    pub(crate) fn new(rules: &[Rule]) -> Self {
        // A slot always stays free, or a search for a pair that no rule has would never end.
        let size = (rules.len() / 3 + 1).next_power_of_two();
        let mut merges = Self {
            buckets: large(Bucket([FREE; BUCKET]), size),
            mask: size - 1,
            seen: vec![0; (rules.len() / 8).next_power_of_two().max(1)],
            nothing: FREE.pair,
            bytes: Vec::new(),
        };
        for (rank, &(left, right, product)) in (0..).zip(rules) {
            merges.insert(MergeRule {
                pair: pack(left, right),
                rank,
                product,
            });
        }
        let not_full =
            |pair: &u64| merges.buckets[merges.home(*pair)].0[BUCKET - 1].pair == FREE.pair;
        merges.nothing = (0..FREE.pair).rev().find(not_full).unwrap_or(FREE.pair);
        merges
    }

    /// Stands for a pair that does not merge; see [`Merges::asked`].
    pub(crate) fn nothing(&self) -> u64 {
        self.nothing
    }

    /// Keeps the ranks of pairs of bytes ready, given the id of each byte.
    pub(crate) fn start_from_bytes(&mut self, ids: &[u32; 256]) {
        let pairs = ids
            .iter()
            .flat_map(|&left| ids.iter().map(move |&right| (left, right)));
        self.bytes = pairs.map(|(left, right)| self.find(left, right)).collect();
    }

    fn insert(&mut self, rule: MergeRule) {
        let bit = self.bit(rule.pair);
        self.seen[bit / 64] |= 1 << (bit % 64);
        let mut bucket = self.home(rule.pair);
        loop {
            for slot in &mut self.buckets[bucket].0 {
                if slot.pair == FREE.pair || slot.pair == rule.pair {
                    *slot = rule;
                    return;
                }
            }
            bucket = (bucket + 1) & self.mask;
        }
    }

    #[inline]
    fn bit(&self, pair: u64) -> usize {
        (pair.wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 32) as usize & (self.seen.len() * 64 - 1)
    }

    #[inline]
    fn home(&self, pair: u64) -> usize {
        (pair.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize & self.mask
    }

    /// Most pairs do not merge, and of most of these this knows it.
    #[inline(always)]
    fn may_merge(&self, pair: u64) -> bool {
        let bit = self.bit(pair);
        self.seen[bit / 64] >> (bit % 64) & 1 != 0
    }

    /// The rank of a pair, or [`NONE`], and what it merges into.
    #[inline]
    pub(crate) fn find(&self, left: u32, right: u32) -> (u32, u32) {
        if self.may_merge(pack(left, right)) {
            self.find_asked(left, right)
        } else {
            (NONE, 0)
        }
    }

    /// As `find`, for a pair of which [`Merges::ask`] says that it may merge.
    #[inline(always)]
    pub(crate) fn find_asked(&self, left: u32, right: u32) -> (u32, u32) {
        self.answer(pack(left, right))
    }

    /// The rank of a pair of [`Merges::asked`], or [`NONE`], and what it merges into. Which of the
    /// slots it is, nobody can foresee: there is no branch for it.
    #[inline(always)]
    pub(crate) fn answer(&self, pair: u64) -> (u32, u32) {
        let mut bucket = self.home(pair);
        loop {
            let Bucket(slots) = &self.buckets[bucket];
            let found = slots.iter().fold(
                FREE,
                |found, slot| {
                    if slot.pair == pair { *slot } else { found }
                },
            );
            if found.rank != NONE || slots[BUCKET - 1].pair == FREE.pair {
                return (found.rank, found.product);
            }
            bucket = (bucket + 1) & self.mask;
        }
    }

    /// Starts to load what `find_asked` will read; says `false` if the pair does not merge.
    #[inline(always)]
    pub(crate) fn ask(&self, left: u32, right: u32) -> bool {
        let pair = pack(left, right);
        let may = self.may_merge(pair);
        if may {
            prefetch(&self.buckets, self.home(pair));
        }
        may
    }

    /// As `ask`, without a branch: gives the pair for `answer`, another one if it does not merge.
    #[inline(always)]
    pub(crate) fn asked(&self, left: u32, right: u32) -> u64 {
        let pair = pack(left, right);
        let pair = if self.may_merge(pair) {
            pair
        } else {
            self.nothing
        };
        prefetch(&self.buckets, self.home(pair));
        pair
    }

    /// Merges `symbols` in place as far as the rules go. `piece` are their bytes, or empty if they
    /// are not bytes.
    pub(crate) fn apply(&self, piece: &[u8], symbols: &mut Vec<u32>, merging: &mut MergeList) {
        if symbols.len() <= WINDOW {
            merging.merge(self, piece, symbols);
            merging.gather(symbols);
        } else {
            *symbols = Windows::new(self, piece, symbols, merging).ids().collect();
            merging.trim();
        }
    }

    /// Ranks and products of all neighbours, if the piece is bytes that are each a symbol.
    #[inline(always)]
    pub(crate) fn of_bytes(
        &self,
        piece: &[u8],
        symbols: usize,
    ) -> Option<impl Iterator<Item = (u32, u32)>> {
        let pairs = piece.windows(2);
        let index = |pair: &[u8]| usize::from(pair[0]) << 8 | usize::from(pair[1]);
        let ready = piece.len() == symbols && !self.bytes.is_empty();
        ready.then(|| pairs.map(move |pair| self.bytes[index(pair)]))
    }

    /// Finds ranks and products of all neighbours among the first symbols.
    #[inline]
    pub(crate) fn neighbours(
        &self,
        piece: &[u8],
        symbols: &[u32],
        mut found: impl FnMut(usize, (u32, u32)),
    ) {
        if let Some(rules) = self.of_bytes(piece, symbols.len()) {
            rules.enumerate().for_each(|(at, rule)| found(at, rule));
        } else {
            for (at, pair) in symbols.windows(2).enumerate() {
                found(at, self.find(pair[0], pair[1]));
            }
        }
    }
}

#[inline]
fn pack(left: u32, right: u32) -> u64 {
    u64::from(left) << 32 | u64::from(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// a b c = 0 1 2; ab = 3, bc = 4, abab = 5, aa = 6.
    fn rules() -> Merges {
        Merges::new(&[(1, 2, 4), (0, 1, 3), (3, 3, 5), (0, 0, 6)])
    }

    fn merged(text: &str) -> Vec<u32> {
        let mut symbols: Vec<u32> = text.bytes().map(|b| u32::from(b - b'a')).collect();
        rules().apply(&[], &mut symbols, &mut MergeList::default());
        symbols
    }

    #[test]
    fn the_lowest_rank_goes_first_and_the_leftmost_of_equals() {
        assert_eq!(merged("abc"), [0, 4]);
        assert_eq!(merged("ababa"), [5, 0]);
        assert_eq!(merged("aaa"), [6, 0]);
        assert!(merged("").is_empty());
    }

    #[test]
    fn a_search_ends_whatever_the_number_of_rules() {
        for number in 0..70 {
            let rules: Vec<_> = (0..number).map(|n| (n, n, 100 + n)).collect();
            let merges = Merges::new(&rules);
            let mut found = 0;
            for (left, right) in (0..100).flat_map(|l| (0..100).map(move |r| (l, r))) {
                found += u32::from(merges.find(left, right).0 != NONE);
            }
            assert_eq!(found, number);
        }
    }
}
