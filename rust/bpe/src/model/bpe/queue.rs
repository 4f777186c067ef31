//! Finds the pair of a piece that merges next: a tree of minima with eight children a node.
//!
//! Keys are read and written one at a time, so that a read never waits for several writes; that
//! is why it is faster here than vector instructions, and unlike a heap it holds no pair twice.

/// Eight keys, or the minima of eight groups.
type Group = [u64; 8];

/// Enough levels for the symbols of 2^32 bytes.
const MOST_LEVELS: usize = 11;

/// No pair; greater than every pair that merges.
const NEVER: u64 = (crate::model::bpe::merges::NONE as u64) << 32;

/// Pairs by rank, then by place.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    levels: [Vec<Group>; MOST_LEVELS],
}

/// A rank above a place: the lowest rank comes first, the leftmost of equals.
#[inline]
fn key(rank: u32, place: usize) -> u64 {
    u64::from(rank) << 32 | place as u64
}

/// The least of eight.
#[inline]
fn least(group: &Group) -> u64 {
    let pair = |at: usize| group[at].min(group[at + 1]);
    pair(0).min(pair(2)).min(pair(4).min(pair(6)))
}

impl Queue {
    /// Empties it, with room for `places`.
    pub(crate) fn start(&mut self, places: usize) {
        let keys = &mut self.levels[0];
        let groups = places.div_ceil(8);
        keys.resize(groups.max(keys.len()), [NEVER; 8]);
        if let Some(last) = groups.checked_sub(1) {
            keys[last] = [NEVER; 8];
        }
    }

    /// Sets a rank; the tree is wrong until [`Queue::arrange`] or [`Queue::mend`] has seen it.
    #[inline]
    pub(crate) fn put(&mut self, place: usize, rank: u32) {
        self.levels[0][place / 8][place % 8] = key(rank, place);
    }

    /// Builds the tree over the ranks of `places`.
    pub(crate) fn arrange<const LEVELS: usize>(&mut self, places: usize) {
        let mut groups = places.div_ceil(8);
        for level in 1..LEVELS {
            let (below, above) = self.levels.split_at_mut(level);
            let (below, above) = (&below[level - 1], &mut above[0]);
            let over = groups.div_ceil(8);
            above.resize(over.max(above.len()), [NEVER; 8]);
            above[over - 1] = [NEVER; 8];
            for (group, keys) in below[..groups].iter().enumerate() {
                above[group / 8][group % 8] = least(keys);
            }
            groups = over;
        }
    }

    /// The place of the pair that merges next.
    #[inline]
    pub(crate) fn first<const LEVELS: usize>(&self) -> Option<usize> {
        let first = least(&self.levels[LEVELS - 1][0]);
        (first < NEVER).then_some(first as u32 as usize)
    }

    /// Makes the tree right again above three places in ascending order.
    #[inline]
    pub(crate) fn mend<const LEVELS: usize>(&mut self, places: [usize; 3]) {
        let (first, middle, last) = (places[0] / 8, places[1] / 8, places[2] / 8);
        self.climb::<LEVELS>(first);
        if last != first {
            self.climb::<LEVELS>(last);
            if middle != first && middle != last {
                self.climb::<LEVELS>(middle);
            }
        }
    }

    #[inline]
    fn climb<const LEVELS: usize>(&mut self, mut group: usize) {
        for level in 1..LEVELS {
            let minimum = least(&self.levels[level - 1][group]);
            self.levels[level][group / 8][group % 8] = minimum;
            group /= 8;
        }
    }
}
