//! The memory of one thread.

use crate::cache::long::LongCache;
use crate::cache::medium::MediumCache;
use crate::cache::short::{Key, MAX_IDS, ShortCache, VocabularyCache};
use crate::model::ModelScratch;
use crate::model::bpe::merge_batch::{BATCH, Line};
use crate::pending::Pending;
use crate::simd::Vectors;

/// Pieces whose cache lines are asked for before the first of them is read.
pub(crate) const CHUNK: usize = 64;
/// Ends and symbols whose memory a thread keeps; a piece may be as long as a text.
const KEPT: usize = 1 << 18;

/// Memory of one thread.
#[derive(Debug)]
pub(crate) struct PieceScratch {
    pub(crate) short: ShortCache,
    pub(crate) medium: MediumCache,
    pub(crate) ends: Vec<u32>,
    /// Ends of parts; as long as a text has needed.
    pub(crate) parts: Vec<u32>,
    pub(crate) keys: Box<[Key; CHUNK]>,
    pub(crate) hashes: Box<[u32; CHUNK]>,
    /// The ids of a chunk, each entry of the cache being written whole.
    pub(crate) out: Box<[u32; CHUNK * 8]>,
    pub(crate) pending: Pending,
    /// Ends of rows without gaps.
    pub(crate) row_ends: Vec<usize>,
    pub(crate) lines: Box<[Line; BATCH]>,
    pub(crate) symbols: Vec<u32>,
    pub(crate) long: LongCache,
    pub(crate) model: ModelScratch,
}

impl PieceScratch {
    pub(crate) fn new(vocabulary: &VocabularyCache) -> Self {
        Self {
            short: ShortCache::new(vocabulary),
            medium: MediumCache::new(),
            ends: Vec::new(),
            parts: Vec::new(),
            keys: Box::new([0; CHUNK]),
            hashes: Box::new([0; CHUNK]),
            out: Box::new([0; CHUNK * 8]),
            pending: Pending::default(),
            row_ends: Vec::new(),
            lines: Box::new([Line::EMPTY; BATCH]),
            symbols: Vec::new(),
            long: LongCache::new(),
            model: ModelScratch::default(),
        }
    }

    /// The memory that texts have made it take, beside what it starts with.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        let buffers = [&self.ends, &self.parts, &self.symbols];
        let own: usize = buffers.iter().map(|buffer| 4 * buffer.capacity()).sum();
        own + self.long.bytes() + self.pending.bytes()
    }

    /// Gives memory back that only a rare text needs.
    pub(crate) fn trim(&mut self) {
        for buffer in [&mut self.ends, &mut self.parts, &mut self.symbols] {
            if buffer.capacity() > KEPT {
                *buffer = Vec::new();
            }
        }
        self.model.trim();
    }

    /// Forgets what an error has left.
    pub(crate) fn start(&mut self) {
        self.pending.clear();
        self.row_ends.clear();
    }

    /// Writes the ids of pieces of the chunk after those that are `filled`, from number `next` on,
    /// until one is not remembered; says where it stopped.
    #[inline(always)]
    pub(crate) fn known(
        &mut self,
        vectors: impl Vectors,
        mut next: usize,
        count: usize,
        mut filled: usize,
    ) -> (usize, usize) {
        let (cache, keys, hashes, out) = (&self.short, &*self.keys, &*self.hashes, &mut *self.out);
        while next < count.min(CHUNK) {
            let Some(entry) = cache.get(vectors, &keys[next], hashes[next]) else {
                break;
            };
            out[filled..filled + MAX_IDS].copy_from_slice(&entry.ids);
            filled += entry.count();
            next += 1;
        }
        (next, filled)
    }

    /// A row ends after so many ids.
    #[inline]
    pub(crate) fn end_row(&mut self, at: usize) {
        self.pending.end_row(at);
    }

    /// Moves the ends of the rows that are settled.
    pub(crate) fn take_ends(&mut self, ends: &mut Vec<usize>) {
        ends.append(&mut self.row_ends);
    }
}
