//! Remembers what pieces of 16 to 31 bytes merge into, in a table for each thread. A piece and its
//! ids fill one cache line, and a newer entry replaces an older one.

use crate::simd::{large, prefetch};

/// Shortest piece of this kind, in bytes.
const MIN_BYTES: usize = 16;
/// Longest piece of this kind, in bytes.
pub(crate) const MAX_BYTES: usize = 31;
/// Most ids of a piece that is remembered here.
pub(crate) const MAX_IDS: usize = 7;

const SLOTS: usize = 1 << 14;

/// A piece: its first 16 bytes and its last 16, which may overlap, and how many it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct MediumPiece {
    first: u128,
    last: u128,
    length: u8,
    /// Tells apart pieces of the same text.
    pub(crate) tag: bool,
}

impl MediumPiece {
    /// `None` unless the piece is of this kind.
    #[inline(always)]
    pub(crate) fn new(piece: &[u8], tag: bool) -> Option<Self> {
        let wide = (MIN_BYTES..=MAX_BYTES).contains(&piece.len());
        let (first, last) = (piece.first_chunk()?, piece.last_chunk()?);
        wide.then_some(Self {
            first: u128::from_le_bytes(*first),
            last: u128::from_le_bytes(*last),
            length: piece.len() as u8,
            tag,
        })
    }

    /// Its bytes.
    pub(crate) fn piece(&self) -> ([u8; 32], usize) {
        let (mut bytes, length) = ([0; 32], usize::from(self.length));
        bytes[..16].copy_from_slice(&self.first.to_le_bytes());
        bytes[length - 16..length].copy_from_slice(&self.last.to_le_bytes());
        (bytes, length)
    }

    fn hash(&self) -> u32 {
        let mix = |bytes: u128, key: u64| {
            let low = bytes as u64 ^ 0x9E37_79B9_7F4A_7C15;
            let product = u128::from(low) * u128::from((bytes >> 64) as u64 ^ key);
            product as u64 ^ (product >> 64) as u64
        };
        let own = u64::from(self.length) << 1 | u64::from(self.tag);
        let last = mix(self.last, 0xA076_1D64_78BD_642F ^ own << 32);
        let mixed = mix(self.first, 0xD6E8_FEB8_6659_FD93) ^ last.rotate_left(20);
        (mixed ^ mixed >> 32) as u32
    }
}

/// The hash of a piece of this kind, else 0.
#[inline(never)]
pub(crate) fn hash(piece: &[u8], tag: bool) -> u32 {
    MediumPiece::new(piece, tag).map_or(0, |piece| piece.hash())
}

/// A piece, how many ids it has, and these.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Entry {
    first: u128,
    last: u128,
    length: u8,
    tag: bool,
    count: u8,
    ids: [u32; MAX_IDS],
}

/// The table.
#[derive(Debug)]
pub(crate) struct MediumCache {
    slots: Box<[Entry; SLOTS]>,
}

impl MediumCache {
    pub(crate) fn new() -> Self {
        let slots = large(Entry::default(), SLOTS).into_boxed_slice();
        let Ok(slots) = slots.try_into() else {
            unreachable!("the table has that many slots")
        };
        Self { slots }
    }

    /// Starts to load what `get` will read.
    #[inline(always)]
    pub(crate) fn prefetch(&self, hash: u32) {
        prefetch(&self.slots[..], hash as usize % SLOTS);
    }

    /// The ids of a piece met before, and how many of them.
    #[inline(always)]
    pub(crate) fn get(&self, piece: &MediumPiece, hash: u32) -> Option<(&[u32; MAX_IDS], usize)> {
        let slot = &self.slots[hash as usize % SLOTS];
        let same = slot.first == piece.first
            && slot.last == piece.last
            && slot.length == piece.length
            && slot.tag == piece.tag;
        same.then_some((&slot.ids, usize::from(slot.count)))
    }

    /// Remembers a piece, unless it has more ids than there is room for.
    pub(crate) fn insert(&mut self, piece: &MediumPiece, hash: u32, ids: &[u32]) {
        let mut slot = Entry {
            first: piece.first,
            last: piece.last,
            length: piece.length,
            tag: piece.tag,
            count: ids.len() as u8,
            ids: [0; MAX_IDS],
        };
        if let Some(room) = slot.ids.get_mut(..ids.len()) {
            room.copy_from_slice(ids);
            self.slots[hash as usize % SLOTS] = slot;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_every_length_come_back_whole() {
        let text: Vec<u8> = (100..).take(40).collect();
        for length in 0..40 {
            let wide = MediumPiece::new(&text[..length], false);
            assert_eq!(wide.is_some(), (16..32).contains(&length));
            if let Some(wide) = wide {
                let (bytes, count) = wide.piece();
                assert_eq!(&bytes[..count], &text[..length]);
            }
        }
    }

    #[test]
    fn a_piece_is_found_by_all_that_it_is() {
        let mut pieces = MediumCache::new();
        let wide = |text: &str, tag| MediumPiece::new(text.as_bytes(), tag).unwrap();
        let piece = wide("a piece of some length", false);
        pieces.insert(&piece, 7, &[1, 2, 3]);
        let (ids, count) = pieces.get(&piece, 7).unwrap();
        assert_eq!(&ids[..count], [1, 2, 3]);
        for other in [
            "A piece of some length",
            "a piece of some lengtH",
            "a piece of  of some length",
        ] {
            assert!(pieces.get(&wide(other, false), 7).is_none());
        }
        assert!(
            pieces
                .get(&wide("a piece of some length", true), 7)
                .is_none()
        );
        pieces.insert(&wide("another piece of eight", false), 7, &[0; 8]);
        assert!(pieces.get(&piece, 7).is_some());
        // Spaces: of two lengths, the first and the last 16 bytes are the same.
        pieces.insert(&wide(&" ".repeat(20), false), 9, &[1]);
        assert!(pieces.get(&wide(&" ".repeat(21), false), 9).is_none());
    }
}
