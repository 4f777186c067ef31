//! Remembers what short pieces merge into: a shared, fixed table made from the vocabulary, and a
//! table for each thread that starts as a copy of it. Hits are compared exactly.

use crate::simd::{Vectors, large, large_copy, prefetch};

/// Longest piece that is remembered here, in bytes.
pub(crate) const MAX_BYTES: usize = 15;
/// Most ids of a piece that is remembered here.
pub(crate) const MAX_IDS: usize = 4;

/// Entries of a thread's own table: 2 MiB of them would not fit the second-level cache of any
/// processor, 8 MiB hold the words of a large corpus.
const BUCKETS: usize = 1 << 17;

/// The bytes of a piece in the low lanes, its length in the low bits of the highest; 0 is not a piece.
pub(crate) type Key = u128;

/// A piece and its ids.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Entry {
    /// The key, and in bits that no key uses how many ids there are.
    key: Key,
    pub(crate) ids: [u32; MAX_IDS],
}

const COUNT_SHIFT: u32 = 124;
/// The bits that no key uses.
pub(crate) const COUNT: Key = 7 << COUNT_SHIFT;

impl Entry {
    /// `None` if there are more than [`MAX_IDS`] ids.
    pub(crate) fn new(key: Key, ids: &[u32]) -> Option<Self> {
        let mut entry = Self {
            key: key | (ids.len() as Key) << COUNT_SHIFT,
            ids: [0; MAX_IDS],
        };
        entry.ids.get_mut(..ids.len())?.copy_from_slice(ids);
        Some(entry)
    }

    #[inline(always)]
    pub(crate) fn count(&self) -> usize {
        (self.key >> COUNT_SHIFT) as usize & 7
    }

    #[inline(always)]
    fn is_of(&self, key: Key) -> bool {
        (self.key ^ key) & !COUNT == 0
    }

    fn key(&self) -> Key {
        self.key & !COUNT
    }
}

/// Two entries: one cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Bucket([Entry; 2]);

#[cfg(test)]
impl Bucket {
    fn len(&self) -> usize {
        self.0.iter().filter(|entry| entry.key != 0).count()
    }
}

/// The bytes of a piece among 16, by its length.
const KEEP: [u128; 16] = {
    let mut keep = [0; 16];
    let mut length = 1;
    while length < 16 {
        keep[length] = u128::MAX >> (128 - 8 * length);
        length += 1;
    }
    keep
};

/// The key of `text[start..end]`, which has 1 to [`MAX_BYTES`] bytes.
#[inline(always)]
pub(crate) fn key(text: &[u8], start: usize, end: usize) -> Key {
    let length = (end - start) & 15;
    let bytes = match text
        .get(start..start + 16)
        .and_then(|bytes| bytes.try_into().ok())
    {
        Some(bytes) => u128::from_le_bytes(bytes),
        None => last_bytes(text, start),
    };
    bytes & KEEP[length] | (length as u128) << 120
}

/// The bytes from `start` on, where fewer than 16 are left.
#[inline(never)]
fn last_bytes(text: &[u8], start: usize) -> u128 {
    let left = text.len() - start;
    if let Some(last) = text.last_chunk() {
        return u128::from_le_bytes(*last) >> (8 * (16 - left));
    }
    let mut bytes = [0; 16];
    bytes[..left].copy_from_slice(&text[start..]);
    u128::from_le_bytes(bytes)
}

/// The piece of a key: its bytes, and how many of them.
pub(crate) fn piece(key: Key) -> ([u8; 32], usize) {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&key.to_le_bytes());
    (bytes, (key >> 120) as usize % 16)
}

/// Spreads a key over 32 bits.
#[inline(always)]
pub(crate) fn hash(key: Key) -> u32 {
    let low = key as u64 ^ 0x9E37_79B9_7F4A_7C15;
    let high = (key >> 64) as u64 ^ 0xD6E8_FEB8_6659_FD93;
    let product = u128::from(low) * u128::from(high);
    (product as u64 ^ (product >> 64) as u64) as u32
}

/// The vocabulary's own pieces.
#[derive(Debug, Default)]
pub(crate) struct VocabularyCache {
    /// What a thread's table starts with: the first two pieces of each bucket.
    first: Vec<Bucket>,
    rest: Rest,
}

impl VocabularyCache {
    /// Of pieces in the order of their ids: earlier ones are met more often.
    pub(crate) fn new(entries: &[Entry]) -> Self {
        let mut first = large(Bucket::default(), BUCKETS);
        let mut rest = Vec::new();
        for entry in entries {
            let Bucket(slots) = &mut first[hash(entry.key()) as usize % BUCKETS];
            let mut slots = slots.iter_mut();
            match slots.find(|slot| slot.key == 0 || slot.is_of(entry.key())) {
                Some(slot) => *slot = *entry,
                None => rest.push(*entry),
            }
        }
        Self {
            first,
            rest: Rest::new(&rest),
        }
    }

    /// Starts to load what `find` will read.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u32) {
        prefetch(&self.first, hash as usize % BUCKETS);
        self.rest.prefetch(hash);
    }

    fn find(&self, key: Key, hash: u32) -> Option<&Entry> {
        let Bucket(slots) = self.first.get(hash as usize % BUCKETS)?;
        let first = slots.iter().find(|entry| entry.is_of(key));
        first.or_else(|| self.rest.find(key, hash))
    }
}

/// Pieces that have no room in the buckets: open addressing, at most three quarters full.
#[derive(Debug, Default)]
struct Rest {
    buckets: Vec<Bucket>,
    mask: usize,
    /// One bit for each hash, eight for each piece: most of what is asked for is not there, and
    /// these, unlike the buckets, stay in the cache of the processor.
    seen: Vec<u64>,
}

impl Rest {
    fn new(entries: &[Entry]) -> Self {
        let size = (entries.len() * 2 / 3 + 1).next_power_of_two();
        let mut rest = Self {
            buckets: large(Bucket::default(), size),
            mask: size - 1,
            seen: vec![0; size.div_ceil(4)],
        };
        for entry in entries {
            rest.insert(entry);
        }
        rest
    }

    /// The word and the bit of a hash; other bits of it choose the bucket.
    fn bit(&self, hash: u32) -> (usize, u64) {
        let mixed = u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let word = (mixed >> 6) as usize & (self.seen.len() - 1);
        (word, 1 << (mixed & 63))
    }

    fn insert(&mut self, entry: &Entry) {
        let hash = hash(entry.key());
        let (word, bit) = self.bit(hash);
        self.seen[word] |= bit;
        let mut at = hash as usize & self.mask;
        loop {
            for slot in &mut self.buckets[at].0 {
                if slot.key == 0 || slot.is_of(entry.key()) {
                    *slot = *entry;
                    return;
                }
            }
            at = (at + 1) & self.mask;
        }
    }

    /// Starts to load what `find` will read first.
    #[inline]
    fn prefetch(&self, hash: u32) {
        prefetch(&self.seen, self.bit(hash).0);
    }

    fn find(&self, key: Key, hash: u32) -> Option<&Entry> {
        let (word, bit) = self.bit(hash);
        if self.seen[word] & bit == 0 {
            return None;
        }
        let mut at = hash as usize & self.mask;
        loop {
            let Bucket([first, second]) = &self.buckets[at];
            if first.is_of(key) {
                return Some(first);
            }
            if second.is_of(key) {
                return Some(second);
            }
            if second.key == 0 {
                return None;
            }
            at = (at + 1) & self.mask;
        }
    }
}

/// A thread's table: two pieces for each hash, the newer pushes out the older.
#[derive(Debug)]
pub(crate) struct ShortCache {
    buckets: Box<[Bucket; BUCKETS]>,
}

impl ShortCache {
    pub(crate) fn new(image: &VocabularyCache) -> Self {
        let buckets = large_copy(&image.first).into_boxed_slice();
        let Ok(buckets) = buckets.try_into() else {
            unreachable!("the table has that many buckets")
        };
        Self { buckets }
    }

    /// Starts to load what `get` will read.
    #[inline(always)]
    pub(crate) fn prefetch(&self, hash: u32) {
        prefetch(&self.buckets[..], hash as usize % BUCKETS);
    }

    /// The entry of a piece met before.
    #[inline(always)]
    pub(crate) fn get(&self, vectors: impl Vectors, key: &Key, hash: u32) -> Option<&Entry> {
        let Bucket(entries) = &self.buckets[hash as usize % BUCKETS];
        // Which of the two it is, nobody can foresee: choose without a branch.
        let entry = &entries[usize::from(!vectors.same_key(&entries[0].key, key))];
        vectors.same_key(&entry.key, key).then_some(entry)
    }

    /// As `get`, for the few that are not asked for in a row.
    pub(crate) fn find(&self, key: &Key, hash: u32) -> Option<Entry> {
        let Bucket(entries) = &self.buckets[hash as usize % BUCKETS];
        entries.iter().find(|entry| entry.is_of(*key)).copied()
    }

    /// Takes over the shared entry of a piece, if the vocabulary has it.
    pub(crate) fn adopt(&mut self, image: &VocabularyCache, key: Key, hash: u32) -> Option<Entry> {
        let entry = *image.find(key, hash)?;
        self.insert(entry, hash);
        Some(entry)
    }

    /// Remembers a piece, unless it has more ids than there is room for.
    pub(crate) fn remember(&mut self, key: Key, hash: u32, ids: &[u32]) {
        if let Some(entry) = Entry::new(key, ids) {
            self.insert(entry, hash);
        }
    }

    fn insert(&mut self, entry: Entry, hash: u32) {
        let Bucket([first, second]) = &mut self.buckets[hash as usize % BUCKETS];
        *second = *first;
        *first = entry;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Portable;

    #[test]
    fn keys_tell_pieces_apart_at_every_place() {
        let text = b"abcabc\0abc\0\0 and some more text after it, then abc";
        assert_eq!(key(text, 0, 3), key(text, 3, 6));
        assert_eq!(key(text, 0, 3), key(text, text.len() - 3, text.len()));
        assert_ne!(key(text, 7, 10), key(text, 7, 11));
        assert_ne!(key(text, 7, 11), key(text, 7, 12));
        assert_eq!(key(text, 13, 28), key(&text[13..28], 0, 15));
        for (start, end) in (0..text.len()).flat_map(|at| (1..16).map(move |n| (at, at + n))) {
            if let Some(piece) = text.get(start..end) {
                let (bytes, length) = self::piece(key(text, start, end));
                assert_eq!(&bytes[..length], piece);
                assert_eq!(key(piece, 0, piece.len()), key(text, start, end));
            }
        }
        let (bytes, length) = piece(key(text, 3, 7));
        assert_eq!(&bytes[..length], b"abc\0");
    }

    #[test]
    fn the_older_of_three_is_forgotten() {
        let mut own = ShortCache::new(&VocabularyCache::new(&[]));
        let entry = |key| Entry::new(key, &[key as u32]).unwrap();
        for key in 1..=3 {
            own.insert(entry(key), 5);
        }
        assert!(own.get(Portable, &1, 5).is_none());
        assert_eq!(own.get(Portable, &2, 5).unwrap().ids[0], 2);
        assert_eq!(own.get(Portable, &3, 5).unwrap().count(), 1);
    }

    #[test]
    fn the_image_finds_what_was_put_in_and_so_does_a_new_table() {
        // More than two for each bucket, at an average.
        let count = BUCKETS as Key * 3;
        let entries: Vec<_> = (1..count)
            .map(|k| Entry::new(k << 3, &[k as u32]).unwrap())
            .collect();
        let image = VocabularyCache::new(&entries);
        let mut own = ShortCache::new(&image);
        let mut known = 0;
        for entry in &entries {
            let (key, hash) = (entry.key(), hash(entry.key()));
            assert_eq!(image.find(key, hash).unwrap().ids, entry.ids);
            known += usize::from(own.find(&key, hash).is_some());
        }
        let held = entries.len() - image.rest.buckets.iter().map(Bucket::len).sum::<usize>();
        assert_eq!(known, held);
        assert!(held < entries.len() && held > BUCKETS);
        assert!(image.find(1, hash(1)).is_none());
        assert!(own.adopt(&image, 1, hash(1)).is_none());
        let (last, hash) = (entries[entries.len() - 1], hash((count - 1) << 3));
        assert_eq!(own.adopt(&image, last.key(), hash).unwrap().ids, last.ids);
        assert_eq!(own.find(&last.key(), hash).unwrap().ids, last.ids);
        assert!(Entry::new(1, &[1, 2, 3, 4, 5]).is_none());
    }
}
