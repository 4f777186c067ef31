//! Remembers what long pieces merge into, and short ones with many ids, in a table for each thread
//! that is emptied when it is full.

/// Pieces longer than this are merged each time: they hardly ever come again.
pub(crate) const MAX_BYTES: usize = 80;

const SLOTS: usize = 1 << 15;
/// Half full, so that a search ends soon.
const MAX_PIECES: usize = SLOTS / 2;

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    hash: u64,
    text: u32,
    ids: u32,
    length: u16,
    /// 0 is a free slot.
    count: u16,
}

/// The table.
#[derive(Debug)]
pub(crate) struct LongCache {
    slots: Vec<Entry>,
    pieces: usize,
    text: Vec<u8>,
    ids: Vec<u32>,
}

impl LongCache {
    pub(crate) fn new() -> Self {
        let slots = vec![Entry::default(); SLOTS];
        Self {
            slots,
            pieces: 0,
            text: Vec::new(),
            ids: Vec::new(),
        }
    }

    /// The memory that pieces take.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.text.capacity() + 4 * self.ids.capacity()
    }

    /// The slot of a piece, or the free one where it belongs.
    fn slot(&self, piece: &[u8], hash: u64) -> usize {
        let mut at = (hash >> 32) as usize % SLOTS;
        loop {
            let slot = &self.slots[at];
            let text = slot.text as usize;
            let found = slot.hash == hash
                && self.text.get(text..text + usize::from(slot.length)) == Some(piece);
            if slot.count == 0 || found {
                return at;
            }
            at = (at + 1) % SLOTS;
        }
    }

    /// The ids of a piece met before. `tag` tells apart pieces of the same text.
    pub(crate) fn get(&self, piece: &[u8], tag: bool) -> Option<&[u32]> {
        let slot = &self.slots[self.slot(piece, hash(piece, tag))];
        let ids = slot.ids as usize;
        (slot.count > 0).then(|| &self.ids[ids..ids + usize::from(slot.count)])
    }

    /// Remembers a piece that `get` has not found.
    pub(crate) fn insert(&mut self, piece: &[u8], tag: bool, ids: &[u32]) {
        if self.pieces == MAX_PIECES {
            self.slots.fill(Entry::default());
            self.text.clear();
            self.ids.clear();
            self.pieces = 0;
        }
        let hash = hash(piece, tag);
        let at = self.slot(piece, hash);
        self.slots[at] = Entry {
            hash,
            text: self.text.len() as u32,
            ids: self.ids.len() as u32,
            length: piece.len() as u16,
            count: ids.len() as u16,
        };
        self.text.extend_from_slice(piece);
        self.ids.extend_from_slice(ids);
        self.pieces += 1;
    }
}

/// The tag is the lowest bit, so that two pieces that differ in it never have one hash.
fn hash(piece: &[u8], tag: bool) -> u64 {
    xxhash_rust::xxh3::xxh3_64(piece) << 1 | u64::from(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_found_until_the_table_starts_afresh() {
        let mut pieces = LongCache::new();
        for i in 0..MAX_PIECES as u32 {
            pieces.insert(format!("a long piece {i}").as_bytes(), false, &[i, i + 1]);
        }
        assert_eq!(pieces.get(b"a long piece 77", false), Some(&[77, 78][..]));
        assert_eq!(pieces.get(b"a long piece 77", true), None);
        pieces.insert(b"one more", true, &[1]);
        assert_eq!(pieces.get(b"a long piece 77", false), None);
        assert_eq!(pieces.get(b"one more", true), Some(&[1][..]));
    }
}
