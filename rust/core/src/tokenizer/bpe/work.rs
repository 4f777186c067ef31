//! The memory of one thread.

use super::abreast::{ABREAST, Line};
use super::cache::{Image, Key, MAX_IDS, Own};
use super::gaps::Gaps;
use super::long::LongPieces;
use super::merging::Merging;
use super::simd::Vectors;
use super::wide::WidePieces;

/// Pieces whose cache lines are asked for before the first of them is read.
pub(super) const CHUNK: usize = 64;
/// Ends and symbols whose memory a thread keeps; a piece may be as long as a text.
const KEPT: usize = 1 << 18;

/// Memory of one thread.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) own: Own,
    pub(super) wide: WidePieces,
    pub(super) ends: Vec<u32>,
    /// Ends of parts; as long as a text has needed.
    pub(super) parts: Vec<u32>,
    pub(super) keys: Box<[Key; CHUNK]>,
    pub(super) hashes: Box<[u32; CHUNK]>,
    /// The ids of a chunk, each entry of the cache being written whole.
    pub(super) out: Box<[u32; CHUNK * 8]>,
    pub(super) gaps: Gaps,
    /// Ends of rows without gaps.
    pub(super) row_ends: Vec<usize>,
    pub(super) lines: Box<[Line; ABREAST]>,
    pub(super) symbols: Vec<u32>,
    pub(super) long_pieces: LongPieces,
    pub(super) long: Merging,
}

impl Work {
    pub(super) fn new(image: &Image) -> Self {
        Self {
            own: Own::new(image),
            wide: WidePieces::new(),
            ends: Vec::new(),
            parts: Vec::new(),
            keys: Box::new([0; CHUNK]),
            hashes: Box::new([0; CHUNK]),
            out: Box::new([0; CHUNK * 8]),
            gaps: Gaps::default(),
            row_ends: Vec::new(),
            lines: Box::new([Line::EMPTY; ABREAST]),
            symbols: Vec::new(),
            long_pieces: LongPieces::new(),
            long: Merging::default(),
        }
    }

    /// The memory that texts have made it take, beside what it starts with.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let buffers = [&self.ends, &self.parts, &self.symbols];
        let own: usize = buffers.iter().map(|buffer| 4 * buffer.capacity()).sum();
        own + self.long_pieces.bytes() + self.gaps.bytes()
    }

    /// Gives memory back that only a rare text needs.
    pub(super) fn trim(&mut self) {
        for buffer in [&mut self.ends, &mut self.parts, &mut self.symbols] {
            if buffer.capacity() > KEPT {
                *buffer = Vec::new();
            }
        }
    }

    /// Forgets what an error has left.
    pub(super) fn start(&mut self) {
        self.gaps.clear();
        self.row_ends.clear();
    }

    /// Writes the ids of pieces of the chunk behind those that are `filled`, from number `next` on,
    /// until one is not remembered; says where it stopped.
    #[inline(always)]
    pub(super) fn known(
        &mut self,
        vectors: impl Vectors,
        mut next: usize,
        count: usize,
        mut filled: usize,
    ) -> (usize, usize) {
        let (own, keys, hashes, out) = (&self.own, &*self.keys, &*self.hashes, &mut *self.out);
        while next < count.min(CHUNK) {
            let Some(entry) = own.get(vectors, &keys[next], hashes[next]) else {
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
    pub(super) fn end_row(&mut self, at: usize) {
        self.gaps.end_row(at);
    }

    /// Moves the ends of the rows that are settled.
    pub(super) fn take_ends(&mut self, ends: &mut Vec<usize>) {
        ends.append(&mut self.row_ends);
    }
}
