//! A set of lengths that finds the largest one not above a limit in constant time.

/// Bits in a word.
const WORD: usize = u64::BITS as usize;

/// A bit for each length, and above it levels in which a bit stands for a word that is not empty.
#[derive(Clone, Debug)]
pub(super) struct LengthSet {
    /// The lengths themselves first; the last level is one word.
    levels: Vec<Vec<u64>>,
}

impl LengthSet {
    /// An empty set of lengths from 0 to `longest`.
    pub(super) fn up_to(longest: usize) -> Self {
        let mut levels = Vec::new();
        let mut bits = longest + 1;
        loop {
            let words = bits.div_ceil(WORD);
            levels.push(vec![0; words]);
            if words == 1 {
                return Self { levels };
            }
            bits = words;
        }
    }

    pub(super) fn insert(&mut self, mut length: usize) {
        for level in &mut self.levels {
            level[length / WORD] |= 1 << (length % WORD);
            length /= WORD;
        }
    }

    pub(super) fn remove(&mut self, mut length: usize) {
        for level in &mut self.levels {
            level[length / WORD] &= !(1 << (length % WORD));
            if level[length / WORD] != 0 {
                return;
            }
            length /= WORD;
        }
    }

    /// The largest length in the set that is at most `limit`, which may be above all of them.
    pub(super) fn largest_up_to(&self, limit: usize) -> Option<usize> {
        let last = self.levels[0].len() * WORD - 1;
        let mut position = limit.min(last);
        // Bits at and below the position count on the first level; above it only those below do,
        // for the word at the position was searched.
        let mut mask = u64::MAX >> (WORD - 1 - position % WORD);
        for (height, level) in self.levels.iter().enumerate() {
            let found = level[position / WORD] & mask;
            if found != 0 {
                let bit = position / WORD * WORD + highest(found);
                return Some(self.descend(height, bit));
            }
            position /= WORD;
            mask = (1 << (position % WORD)) - 1;
        }
        None
    }

    /// The largest length below the bit `bit` of level `height`.
    fn descend(&self, height: usize, bit: usize) -> usize {
        self.levels[..height]
            .iter()
            .rev()
            .fold(bit, |word, level| word * WORD + highest(level[word]))
    }
}

/// The number of the highest bit of a word that is not 0.
fn highest(word: u64) -> usize {
    word.ilog2() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_answers_as_a_sorted_set_does(
            longest in 0_usize..20_000,
            steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..200),
        ) {
            let mut set = LengthSet::up_to(longest);
            let mut oracle = BTreeSet::new();
            for (insert, index) in steps {
                let length = index.index(longest + 1);
                if insert {
                    set.insert(length);
                    oracle.insert(length);
                } else {
                    set.remove(length);
                    oracle.remove(&length);
                }
                for limit in [0, length.saturating_sub(1), length, length + 1, longest, usize::MAX] {
                    let expected = oracle.range(..=limit).next_back().copied();
                    prop_assert_eq!(set.largest_up_to(limit), expected);
                }
            }
        }
    }
}
