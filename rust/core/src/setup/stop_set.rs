//! The stop set.

use crate::tokenizer::Tokenizer;

/// The ids that the serving side stops on. There are few, so a scan is faster than a hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StopSet {
    ids: Vec<u32>,
    /// Bits in which the ids differ. Stop ids are usually close together, so one comparison of the
    /// other bits rules out nearly all ids.
    loose: u32,
}

impl StopSet {
    /// A set of these ids, in this order, without duplicates.
    pub fn new(ids: &[u32]) -> Self {
        let mut unique = Vec::with_capacity(ids.len());
        for id in ids {
            if !unique.contains(id) {
                unique.push(*id);
            }
        }
        let first = unique.first().copied().unwrap_or_default();
        let loose = unique.iter().fold(0, |loose, id| loose | (id ^ first));
        Self { ids: unique, loose }
    }

    /// Whether serving stops on `id`.
    pub fn contains(&self, id: u32) -> bool {
        self.ids.contains(&id)
    }

    /// Whether these ids end in a stop id.
    pub fn ends(&self, ids: &[u32]) -> bool {
        ids.last().is_some_and(|id| self.contains(*id))
    }

    /// The ids, in the order given.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Whether nothing stops.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The index of the first stop id in `ids`.
    pub fn find(&self, ids: &[u32]) -> Option<usize> {
        let loose = self.loose;
        match self.ids[..] {
            [] => None,
            [one] => self.find_near(ids, |id| u32::from(id == one)),
            [one, two] => self.find_near(ids, |id| u32::from(id == one) | u32::from(id == two)),
            [one, ..] => self.find_near(ids, |id| u32::from(id | loose == one | loose)),
        }
    }

    /// The index of the first stop id; `near` must not be 0 for any stop id. Blocks are scanned
    /// without an early exit, and truth values are numbers as wide as the ids, so that the compiler
    /// can vectorize the loop. This pays off because stop ids are rare.
    fn find_near(&self, ids: &[u32], near: impl Fn(u32) -> u32) -> Option<usize> {
        const BLOCK: usize = 64;
        for (number, block) in ids.chunks(BLOCK).enumerate() {
            if block.iter().fold(0, |found, id| found | near(*id)) == 0 {
                continue;
            }
            if let Some(at) = block.iter().position(|id| self.contains(*id)) {
                return Some(number * BLOCK + at);
            }
        }
        None
    }
}

/// The ids that a server loading this directory stops on: those of `generation_config.json`, else
/// the tokenizer's eos.
pub fn served_stop_ids(tokenizer: &Tokenizer) -> Vec<u32> {
    if tokenizer.generation_eos().is_empty() {
        return tokenizer.special_id("eos_token").into_iter().collect();
    }
    tokenizer.generation_eos().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_and_repeats_leave() {
        let stop = StopSet::new(&[7, 3, 7, 0]);
        assert_eq!(stop.ids(), [7, 3, 0]);
        assert!(stop.contains(0) && !stop.contains(1));
    }

    #[test]
    fn find_agrees_with_contains_for_every_size() {
        let ids: Vec<u32> = (0..200).collect();
        for set in [
            &[][..],
            &[5],
            &[63],
            &[64],
            &[200],
            &[9, 4],
            &[199, 150],
            &[190, 128, 170],
            &[199, 2, 11, 7],
            &[64, 65, 71],
            &[67, 64, 65, 71],
            &[0, u32::MAX],
            &[0, u32::MAX, 130],
        ] {
            let stop = StopSet::new(set);
            let slow = ids.iter().position(|id| stop.contains(*id));
            assert_eq!(stop.find(&ids), slow);
        }
    }
}
