//! The stop set.

/// The ids that the serving side stops on. Small: a scan beats a hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StopSet(Vec<u32>);

impl StopSet {
    /// A set of these ids, in their order, without repeats.
    pub fn new(ids: &[u32]) -> Self {
        let mut unique = Vec::with_capacity(ids.len());
        for id in ids {
            if !unique.contains(id) {
                unique.push(*id);
            }
        }
        Self(unique)
    }

    /// Whether serving stops on `id`.
    pub fn contains(&self, id: u32) -> bool {
        self.0.contains(&id)
    }

    /// The ids, in the order given.
    pub fn ids(&self) -> &[u32] {
        &self.0
    }

    /// Whether nothing stops.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first place in `ids` that holds a stop id.
    #[expect(
        clippy::needless_bitwise_bool,
        reason = "without a branch it becomes vector code"
    )]
    pub fn find(&self, ids: &[u32]) -> Option<usize> {
        match self.0[..] {
            [] => None,
            [one] => find_in_blocks(ids, |id| id == one),
            [one, two] => find_in_blocks(ids, |id| (id == one) | (id == two)),
            [one, two, three] => {
                find_in_blocks(ids, |id| (id == one) | (id == two) | (id == three))
            }
            _ => {
                let (low, high) = self.bounds();
                let near = |id: &u32| (low..=high).contains(id) && self.contains(*id);
                ids.iter().position(near)
            }
        }
    }

    fn bounds(&self) -> (u32, u32) {
        let low = self.0.iter().copied().min().unwrap_or(u32::MAX);
        (low, self.0.iter().copied().max().unwrap_or_default())
    }
}

/// The first place where `wanted` holds. Whole blocks without an early exit, so that the compiler
/// makes vector code of them: stop ids are rare.
fn find_in_blocks(ids: &[u32], wanted: impl Fn(u32) -> bool) -> Option<usize> {
    const BLOCK: usize = 64;
    let holds = |block: &&[u32]| block.iter().fold(false, |found, id| found | wanted(*id));
    let block = ids.chunks(BLOCK).position(|block| holds(&block))?;
    let start = block * BLOCK;
    let inside = ids[start..].iter().position(|id| wanted(*id))?;
    Some(start + inside)
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
        ] {
            let stop = StopSet::new(set);
            let slow = ids.iter().position(|id| stop.contains(*id));
            assert_eq!(stop.find(&ids), slow);
        }
    }
}
