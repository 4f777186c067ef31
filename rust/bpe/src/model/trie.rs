//! A map from byte strings to numbers, walked byte by byte: a double-array trie.
//!
//! The child of a node for a byte lies at `base ^ byte`, if that slot names the node as its parent.
//! All children of a node lie in one block of 256 slots.

/// No node, no value.
const NONE: u32 = u32::MAX;
/// Slots that the children of a node may lie in.
const BLOCK: usize = 256;
/// Blocks that are tried before a new one is begun: those before them are nearly full.
const TRIED: usize = 16;

#[derive(Clone, Copy, Debug)]
struct Link {
    base: u32,
    parent: u32,
    value: u32,
}

const FREE: Link = Link {
    base: 0,
    parent: NONE,
    value: NONE,
};

/// The set.
#[derive(Debug)]
pub(super) struct Trie {
    slots: Vec<Link>,
}

/// A place in the set: what has been walked so far starts some of its strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node(u32);

impl Trie {
    /// Of strings that are not empty; of two that are equal the later stands.
    pub(super) fn new<'a>(strings: impl Iterator<Item = (&'a [u8], u32)>) -> Self {
        let mut strings: Vec<(&[u8], u32)> = strings.filter(|(text, _)| !text.is_empty()).collect();
        strings.sort_by_key(|&(text, _)| text);
        let mut builder = Builder {
            slots: vec![FREE; BLOCK],
            taken: vec![[0; BLOCK / 64]],
        };
        builder.take(0, 0);
        builder.add_children(0, &strings);
        let slots = builder.slots;
        Self { slots }
    }

    /// Where every walk starts.
    pub(super) const ROOT: Node = Node(0);

    /// One byte on.
    #[inline]
    pub(super) fn step(&self, node: Node, byte: u8) -> Option<Node> {
        let child = self.slots[node.0 as usize].base ^ u32::from(byte);
        let known = self.slots[child as usize].parent == node.0 && child != 0;
        known.then_some(Node(child))
    }

    /// The number of the string that ends there.
    #[inline]
    pub(super) fn value(&self, node: Node) -> Option<u32> {
        let value = self.slots[node.0 as usize].value;
        (value != NONE).then_some(value)
    }

    /// The number of a string.
    pub(super) fn get(&self, text: &[u8]) -> Option<u32> {
        let mut bytes = text.iter();
        let node = bytes.try_fold(Self::ROOT, |node, &byte| self.step(node, byte))?;
        self.value(node)
    }

    /// The strings that `text` starts with, the shortest first: length and number of each.
    #[inline]
    pub(super) fn prefixes(&self, text: &[u8]) -> impl Iterator<Item = (usize, u32)> {
        let walk = text.iter().scan(Self::ROOT, |node, &byte| {
            *node = self.step(*node, byte)?;
            Some(*node)
        });
        let ends = (1..).zip(walk);
        ends.filter_map(|(length, node)| Some((length, self.value(node)?)))
    }
}

/// A set that is being made.
struct Builder {
    slots: Vec<Link>,
    /// One bit for each slot of a block.
    taken: Vec<[u64; BLOCK / 64]>,
}

impl Builder {
    fn take(&mut self, slot: usize, parent: u32) {
        self.slots[slot].parent = parent;
        self.taken[slot / BLOCK][slot % BLOCK / 64] |= 1 << (slot % 64);
    }

    /// Adds what follows a string, given all strings, sorted, that start with it. The work that is
    /// left waits in a list: strings may be long.
    fn add_children(&mut self, root: u32, strings: &[(&[u8], u32)]) {
        let mut waiting = vec![(root, strings, 0)];
        while let Some((node, strings, depth)) = waiting.pop() {
            let ended = strings.partition_point(|(text, _)| text.len() == depth);
            if let Some(&(_, value)) = strings[..ended].last() {
                self.slots[node as usize].value = value;
            }
            let groups: Vec<_> = strings[ended..]
                .chunk_by(|one, other| one.0[depth] == other.0[depth])
                .collect();
            if groups.is_empty() {
                continue;
            }
            let labels: Vec<u8> = groups.iter().map(|group| group[0].0[depth]).collect();
            let base = self.base(&labels);
            self.slots[node as usize].base = base as u32;
            for (label, group) in labels.into_iter().zip(groups) {
                let child = base ^ usize::from(label);
                self.take(child, node);
                waiting.push((child as u32, group, depth + 1));
            }
        }
    }

    /// A base for which the slots of all labels are free.
    fn base(&mut self, labels: &[u8]) -> usize {
        let blocks = self.taken.len();
        for block in blocks.saturating_sub(TRIED)..blocks {
            if let Some(low) = fitting(&self.taken[block], labels) {
                return block * BLOCK + usize::from(low);
            }
        }
        self.taken.push([0; BLOCK / 64]);
        self.slots.resize(self.slots.len() + BLOCK, FREE);
        blocks * BLOCK
    }
}

fn is_free(taken: &[u64; BLOCK / 64], slot: u8) -> bool {
    taken[usize::from(slot / 64)] >> (slot % 64) & 1 == 0
}

/// The low bits of a base whose children find room in a block.
fn fitting(taken: &[u64; BLOCK / 64], labels: &[u8]) -> Option<u8> {
    let first = *labels.first()?;
    let free = (0..=u8::MAX).filter(|&slot| is_free(taken, slot));
    free.map(|slot| slot ^ first)
        .find(|low| labels.iter().all(|label| is_free(taken, low ^ label)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_string_and_nothing_else_is_found() {
        let mut state = 1_u32;
        let mut chance = |most: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % most
        };
        let mut strings: Vec<Vec<u8>> = Vec::new();
        for _ in 0..3000 {
            let spread = if chance(2) == 0 { 3 } else { 256 };
            let length = 1 + chance(6);
            strings.push((0..length).map(|_| chance(spread) as u8).collect());
        }
        strings.sort();
        strings.dedup();
        let trie = Trie::new(strings.iter().map(|text| &text[..]).zip(0..));
        for (text, number) in strings.iter().zip(0..) {
            assert_eq!(trie.get(text), Some(number));
            let prefixes: Vec<_> = trie.prefixes(text).collect();
            let expected: Vec<_> = (1..=text.len())
                .filter_map(|length| {
                    let found = strings.binary_search_by(|known| known[..].cmp(&text[..length]));
                    Some((length, found.ok()? as u32))
                })
                .collect();
            assert_eq!(prefixes, expected);
            let longer = [&text[..], &[0]].concat();
            assert_eq!(trie.get(&longer).is_some(), strings.contains(&longer));
        }
        assert_eq!(trie.get(b""), None);
    }

    #[test]
    fn the_later_of_two_equal_strings_stands() {
        let trie = Trie::new([(&b"ab"[..], 1), (b"a", 2), (b"ab", 3), (b"", 4)].into_iter());
        assert_eq!((trie.get(b"ab"), trie.get(b"a")), (Some(3), Some(2)));
        let empty = Trie::new(std::iter::empty());
        assert_eq!(empty.prefixes(b"ab").count(), 0);
    }
}
