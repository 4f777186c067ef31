//! Turns a text without added tokens into ids: pieces, their parts, the cache, and merging.

use rustc_hash::FxHashMap;

use crate::cache::long;
use crate::cache::medium::{self, MediumPiece};
use crate::cache::short::{self, Entry, Key, MAX_BYTES, VocabularyCache};
use crate::error::{Error, Result};
use crate::model::bpe::Bpe;
use crate::model::bpe::merge_batch::BATCH;
use crate::model::bpe::vocabulary::Vocabulary;
use crate::model::{Model, ModelScratch, PART};
use crate::offsets::{MarkFinder, Trace};
use crate::pending::Waiting;
use crate::pre_tokenizer::Split;
use crate::scratch::{CHUNK, PieceScratch};
use crate::simd::{Portable, Processor, Task, Vectors};

/// Pieces and rows that wait to be settled.
const WAITING: usize = 64;
/// From there to the key, where the two must be told apart.
const TAG_SHIFT: u32 = 127 - 31;

/// The key of pieces that are too long for one; none of the short ones has it.
const LONG: Key = Key::MAX;

/// Everything that is shared: the split, the model, and the vocabulary's cache.
#[derive(Debug)]
pub(crate) struct PieceEncoder {
    split: Split,
    processor: Processor,
    model: Model,
    vocabulary: VocabularyCache,
    /// Tokens too long for the cache that a piece may equal.
    long: FxHashMap<Box<[u8]>, u32>,
    /// `ignore_merges`: a piece that is a token is that token, whatever merging gives. This holds
    /// for whole pieces only, and makes a difference for some token.
    whole_differs: bool,
}

impl PieceEncoder {
    /// Of BPE.
    pub(crate) fn of_bpe(
        model: Bpe,
        vocabulary: &Vocabulary<'_>,
        ignore_merges: bool,
        split: Split,
    ) -> Self {
        let mut entries = Vec::with_capacity(vocabulary.bytes.len());
        let (mut long, mut whole_differs) = (FxHashMap::default(), false);
        let texts = vocabulary
            .tokens()
            .filter(|(bytes, _)| std::str::from_utf8(bytes).is_ok());
        model.merge_tokens(&texts.collect::<Vec<_>>(), |bytes, id, symbols| {
            let own = [id];
            let differs = ignore_merges && symbols != own;
            whole_differs |= differs;
            let symbols = if differs { &own } else { symbols };
            if bytes.len() <= MAX_BYTES {
                entries.extend(Entry::new(short::key(bytes, 0, bytes.len()), symbols));
            } else if symbols == own {
                long.insert(bytes.into(), id);
            }
        });
        Self {
            vocabulary: VocabularyCache::new(&entries),
            long,
            whole_differs,
            ..Self::of(Model::Bpe(model), split)
        }
    }

    /// Of any other model.
    pub(crate) fn of(model: Model, split: Split) -> Self {
        Self {
            split,
            processor: Processor::here(),
            model,
            vocabulary: VocabularyCache::new(&[]),
            long: FxHashMap::default(),
            whole_differs: false,
        }
    }

    /// The model.
    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    /// Memory of a thread.
    pub(crate) fn scratch(&self) -> PieceScratch {
        PieceScratch::new(&self.vocabulary)
    }

    /// As on that processor.
    #[cfg(test)]
    pub(crate) fn run_on(&mut self, processor: Processor) {
        self.processor = processor;
    }

    /// Appends the ids of `text`, whose highest byte is `highest`. Errors if the pattern cannot
    /// split it.
    pub(crate) fn encode(
        &self,
        scratch: &mut PieceScratch,
        text: &str,
        highest: u8,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let result = self.processor.run(Encode {
            pieces: self,
            scratch,
            text,
            highest,
            ids,
        });
        result.map_err(Error::Split)
    }

    /// The bytes of a text that its ids stand for follow from the ids.
    pub(crate) fn is_even(&self) -> bool {
        matches!(&self.model, Model::Bpe(model) if model.is_even())
    }

    /// As `encode`, and finds the marks inside the text, piece by piece.
    pub(crate) fn encode_marked(
        &self,
        scratch: &mut PieceScratch,
        text: &str,
        trace: &Trace,
        ids: &mut Vec<u32>,
        places: &mut MarkFinder<'_>,
    ) -> Result<()> {
        let mut ends = Vec::new();
        let split = self.processor.run(SplitOnly {
            split: &self.split,
            text,
            ends: &mut ends,
        });
        split.map_err(Error::Split)?;
        let (mut start, mut ends) = (0, &ends[..]);
        while let Some(mark) = places.next_within(trace.end) {
            let before = |&end: &u32| trace.origin(end as usize - 1, end as usize).1 <= mark;
            let (quick, rest) = ends.split_at(ends.partition_point(before));
            self.whole_pieces(scratch, text, start, quick, ids);
            start = quick.last().map_or(start, |&end| end as usize);
            let Some((&end, rest)) = rest.split_first() else {
                ends = rest;
                break;
            };
            self.marked_piece(
                scratch,
                &text[start..end as usize],
                start,
                trace,
                ids,
                places,
            );
            (start, ends) = (end as usize, rest);
        }
        self.whole_pieces(scratch, text, start, ends, ids);
        scratch.trim();
        Ok(())
    }

    /// Appends the ids of pieces that end at `ends`, and leaves no gaps.
    fn whole_pieces(
        &self,
        scratch: &mut PieceScratch,
        text: &str,
        start: usize,
        ends: &[u32],
        ids: &mut Vec<u32>,
    ) {
        if let Some(&last) = ends.last() {
            let text = &text[start..last as usize];
            let ends: Vec<u32> = ends.iter().map(|end| end - start as u32).collect();
            self.chunks(Portable, scratch, text, &ends, ids);
            self.settle(scratch, ids);
        }
    }

    /// Appends the ids of a piece that starts at byte `at` of the text, and finds the marks inside.
    fn marked_piece(
        &self,
        scratch: &mut PieceScratch,
        piece: &str,
        at: usize,
        trace: &Trace,
        ids: &mut Vec<u32>,
        places: &mut MarkFinder<'_>,
    ) {
        let word = if self.split.drops_white() {
            piece.trim_start()
        } else {
            piece
        };
        let at = at + piece.len() - word.len();
        self.model.tokens(word, &mut scratch.model, |id, range| {
            places.token(ids, id, trace.origin(at + range.start, at + range.end));
        });
    }

    #[inline(always)]
    fn encode_with(
        &self,
        vectors: impl Vectors,
        scratch: &mut PieceScratch,
        text: &str,
        highest: u8,
        ids: &mut Vec<u32>,
    ) -> std::result::Result<(), String> {
        scratch.ends.clear();
        self.split.split(text, vectors, &mut scratch.ends)?;
        let mut ends = std::mem::take(&mut scratch.ends);
        if let Model::Bpe(model) = &self.model
            && (model.cuts_ascii() || highest >= 0xE0)
        {
            let count = cut(model, text.as_bytes(), &ends, &mut scratch.parts);
            std::mem::swap(&mut ends, &mut scratch.parts);
            self.chunks(vectors, scratch, text, &ends[..count], ids);
            std::mem::swap(&mut ends, &mut scratch.parts);
        } else {
            self.chunks(vectors, scratch, text, &ends, ids);
        }
        scratch.ends = ends;
        scratch.trim();
        Ok(())
    }

    /// Encodes the pieces or parts that end at `ends`.
    #[inline(always)]
    fn chunks(
        &self,
        vectors: impl Vectors,
        scratch: &mut PieceScratch,
        text: &str,
        ends: &[u32],
        ids: &mut Vec<u32>,
    ) {
        let mut start = 0;
        for chunk in ends.chunks(CHUNK) {
            let filled = self.chunk(vectors, scratch, text, start, chunk, ids);
            ids.extend_from_slice(&scratch.out[..filled]);
            if scratch.pending.len() >= WAITING {
                self.settle(scratch, ids);
            }
            start = end_of(chunk, chunk.len() - 1);
        }
    }

    /// Appends the ids of the pieces of a chunk, or leaves gaps for them; says how many ids at the
    /// end are still in `scratch.out`.
    #[inline(always)]
    fn chunk(
        &self,
        vectors: impl Vectors,
        scratch: &mut PieceScratch,
        text: &str,
        start: usize,
        ends: &[u32],
        ids: &mut Vec<u32>,
    ) -> usize {
        self.ask(scratch, text.as_bytes(), start, ends);
        let count = ends.len().min(CHUNK);
        let (mut next, mut filled) = scratch.known(vectors, 0, count, 0);
        while next < count {
            let from = next.checked_sub(1).map_or(start, |last| end_of(ends, last));
            let piece = &text[from..end_of(ends, next)];
            filled = self.unknown(scratch, next, piece, ends[next] & PART != 0, filled, ids);
            (next, filled) = scratch.known(vectors, next + 1, count, filled);
        }
        filled
    }

    /// Makes the keys of pieces and asks for the lines of the cache that they lie in.
    #[inline(always)]
    fn ask(&self, scratch: &mut PieceScratch, text: &[u8], mut start: usize, ends: &[u32]) {
        let tagged = if self.whole_differs { PART } else { 0 };
        let (own, wide) = (&scratch.short, &scratch.medium);
        let slots = scratch.keys.iter_mut().zip(&mut scratch.hashes[..]);
        for ((key, hash), &end) in slots.zip(ends) {
            let tag = end & tagged;
            let end = (end & !PART) as usize;
            if end - start <= MAX_BYTES {
                *key = short::key(text, start, end) | Key::from(tag) << TAG_SHIFT;
                *hash = short::hash(*key);
                own.prefetch(*hash);
            } else {
                *key = LONG;
                *hash = medium::hash(&text[start..end], tag != 0);
                wide.prefetch(*hash);
            }
            start = end;
        }
    }

    /// The piece of that number in the chunk is long, or not remembered; `filled` ids wait before
    /// it. Says how many wait after it.
    #[inline(never)]
    fn unknown(
        &self,
        scratch: &mut PieceScratch,
        number: usize,
        piece: &str,
        part: bool,
        filled: usize,
        ids: &mut Vec<u32>,
    ) -> usize {
        let (key, hash) = (scratch.keys[number], scratch.hashes[number]);
        if key != LONG {
            self.vocabulary.prefetch(hash);
            scratch
                .pending
                .push(ids.len() + filled, Waiting::Short(key), hash);
            return filled;
        }
        let tag = part && self.whole_differs;
        if let Some(wide) = MediumPiece::new(piece.as_bytes(), tag) {
            if let Some((known, count)) = scratch.medium.get(&wide, hash) {
                scratch.out[filled..filled + medium::MAX_IDS].copy_from_slice(known);
                return filled + count;
            }
            scratch
                .pending
                .push(ids.len() + filled, Waiting::Medium(wide), hash);
            return filled;
        }
        ids.extend_from_slice(&scratch.out[..filled]);
        self.long_piece(scratch, piece, tag, ids);
        0
    }

    /// Appends the ids of a piece that is too long for both tables.
    fn long_piece(&self, scratch: &mut PieceScratch, piece: &str, tag: bool, ids: &mut Vec<u32>) {
        if !tag && let Some(&id) = self.long.get(piece.as_bytes()) {
            ids.push(id);
            return;
        }
        let remembered = piece.len() <= long::MAX_BYTES;
        if remembered && let Some(known) = scratch.long.get(piece.as_bytes(), tag) {
            ids.extend_from_slice(known);
            return;
        }
        self.ids(piece, &mut scratch.model, &mut scratch.symbols);
        ids.extend_from_slice(&scratch.symbols);
        // A free slot is one without ids.
        if remembered && !scratch.symbols.is_empty() {
            scratch.long.insert(piece.as_bytes(), tag, &scratch.symbols);
        }
    }

    /// Fills the gaps among `ids`.
    #[inline]
    pub(crate) fn settle(&self, scratch: &mut PieceScratch, ids: &mut Vec<u32>) {
        if scratch.pending.len() > 0 {
            match &self.model {
                Model::Bpe(model) => self.processor.run(Fill {
                    pieces: self,
                    model,
                    scratch,
                }),
                _ => self.fill_one_by_one(scratch),
            }
            scratch.pending.close(ids, &mut scratch.row_ends);
        }
    }

    /// Finds the ids of the pieces that wait, one after the other.
    fn fill_one_by_one(&self, scratch: &mut PieceScratch) {
        for number in 0..scratch.pending.len() {
            if self.recall(scratch, number) {
                continue;
            }
            let (bytes, length) = scratch.pending.get(number).waiting.piece();
            let piece = std::str::from_utf8(&bytes[..length]).unwrap_or_default();
            self.ids(piece, &mut scratch.model, &mut scratch.symbols);
            fill_gap(scratch, number);
        }
    }

    /// Replaces `ids` by those of a piece.
    fn ids(&self, piece: &str, scratch: &mut ModelScratch, ids: &mut Vec<u32>) {
        if self.split.drops_white() {
            self.model.ids(piece.trim_start(), scratch, ids);
        } else {
            self.model.ids(piece, scratch, ids);
        }
    }

    /// Finds the ids of the pieces that wait, many side by side.
    #[inline(always)]
    fn fill(&self, model: &Bpe, scratch: &mut PieceScratch) {
        let mut waiting = [0; BATCH];
        let mut count = 0;
        for number in 0..scratch.pending.len() {
            if self.recall(scratch, number) {
                continue;
            }
            waiting[count] = number;
            let (bytes, length) = scratch.pending.get(number).waiting.piece();
            model.start(
                &mut scratch.lines[count],
                &bytes[..length],
                &mut scratch.symbols,
            );
            count += 1;
            if count == BATCH {
                Self::merge_waiting(model, scratch, &waiting);
                count = 0;
            }
        }
        if count > 0 {
            Self::merge_waiting(model, scratch, &waiting[..count]);
        }
    }

    /// Fills the gap of a piece that somebody knows; says `false` if it has to be merged.
    #[inline(always)]
    fn recall(&self, scratch: &mut PieceScratch, number: usize) -> bool {
        let gap = scratch.pending.get(number);
        match gap.waiting {
            Waiting::End => true,
            Waiting::Short(key) => {
                let known = scratch.short.find(&key, gap.hash);
                let known = known.or_else(|| scratch.short.adopt(&self.vocabulary, key, gap.hash));
                known
                    .inspect(|entry| scratch.pending.fill(number, &entry.ids[..entry.count()]))
                    .is_some()
            }
            Waiting::Medium(piece) => {
                if let Some((known, count)) = scratch.medium.get(&piece, gap.hash) {
                    scratch.pending.fill(number, &known[..count]);
                    return true;
                }
                let (bytes, length) = piece.piece();
                let token = self.long.get(&bytes[..length]).filter(|_| !piece.tag);
                token
                    .inspect(|&&id| {
                        scratch.pending.fill(number, &[id]);
                        scratch.medium.insert(&piece, gap.hash, &[id]);
                    })
                    .is_some()
            }
        }
    }

    /// Merges the pieces of the first lines, fills their gaps, and remembers them.
    #[inline(always)]
    fn merge_waiting(model: &Bpe, scratch: &mut PieceScratch, waiting: &[usize]) {
        model.merge_batch(&mut scratch.lines[..waiting.len()]);
        for (place, &number) in waiting.iter().enumerate() {
            scratch.symbols.clear();
            scratch.symbols.extend(scratch.lines[place].symbols());
            fill_gap(scratch, number);
        }
    }
}

/// Cuts pieces where no token lies across; writes the ends of the parts, and says how many
/// there are.
#[inline(always)]
fn cut(model: &Bpe, text: &[u8], ends: &[u32], parts: &mut Vec<u32>) -> usize {
    // A part has a byte at least; what is written there beyond the last part is overwritten.
    parts.resize(parts.len().max(text.len() + 1), 0);
    let (mut count, mut start) = (0, 0);
    for &end in ends {
        let mut mark = 0;
        if model.cuts_ascii() || !is_ascii(text, start, end as usize) {
            let first = count;
            count = model.cut(text, (start, end as usize), parts, count);
            mark = u32::from(count > first) * PART;
        }
        parts[count] = end | mark;
        count += 1;
        start = end as usize;
    }
    count
}

/// Fills the gap of a piece that has become the symbols, and remembers it.
#[inline(always)]
fn fill_gap(scratch: &mut PieceScratch, number: usize) {
    let gap = scratch.pending.get(number);
    scratch.pending.fill(number, &scratch.symbols);
    match gap.waiting {
        Waiting::End => {}
        Waiting::Short(key) => scratch.short.remember(key, gap.hash, &scratch.symbols),
        Waiting::Medium(piece) => scratch.medium.insert(&piece, gap.hash, &scratch.symbols),
    }
}

/// Where a piece ends.
#[inline(always)]
fn end_of(ends: &[u32], number: usize) -> usize {
    (ends[number] & !PART) as usize
}

/// What [`PieceEncoder::encode`] does, for one set of instructions.
struct Encode<'a> {
    pieces: &'a PieceEncoder,
    scratch: &'a mut PieceScratch,
    text: &'a str,
    highest: u8,
    ids: &'a mut Vec<u32>,
}

impl Task for Encode<'_> {
    type Output = std::result::Result<(), String>;

    #[inline(always)]
    fn run(self, vectors: impl Vectors) -> Self::Output {
        self.pieces
            .encode_with(vectors, self.scratch, self.text, self.highest, self.ids)
    }
}

/// Splits a text.
struct SplitOnly<'a> {
    split: &'a Split,
    text: &'a str,
    ends: &'a mut Vec<u32>,
}

impl Task for SplitOnly<'_> {
    type Output = std::result::Result<(), String>;

    #[inline(always)]
    fn run(self, vectors: impl Vectors) -> Self::Output {
        self.split.split(self.text, vectors, self.ends)
    }
}

/// What [`PieceEncoder::settle`] does, for one set of instructions.
struct Fill<'a> {
    pieces: &'a PieceEncoder,
    model: &'a Bpe,
    scratch: &'a mut PieceScratch,
}

impl Task for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, _: impl Vectors) {
        self.pieces.fill(self.model, self.scratch);
    }
}

/// No byte of `text[start..end]` is above 127.
#[inline(always)]
fn is_ascii(text: &[u8], start: usize, end: usize) -> bool {
    match text.get(start..start + 16) {
        Some(bytes) if end - start <= MAX_BYTES => short::key(bytes, 0, end - start) & HIGH == 0,
        _ => text[start..end].is_ascii(),
    }
}

/// The highest bit of each byte of a key's text.
const HIGH: Key = 0x0080_8080_8080_8080_8080_8080_8080_8080;
