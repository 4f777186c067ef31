//! From a text without added tokens to ids: pieces, their parts, the cache, and merging.

use rustc_hash::FxHashMap;

use super::Unsupported;
use super::abreast::{self, ABREAST, Line};
use super::cache::{self, Entry, Image, Key, MAX_BYTES, Own};
use super::definition::Model;
use super::gaps::Gaps;
use super::joins::Joins;
use super::long::{self, LongPieces};
use super::merges::Merges;
use super::merging::Merging;
use super::plan::Split;
use super::simd::{Processor, Task, Vectors};
use super::unicode::decode;
use super::vocabulary::{Alphabet, Vocabulary};

/// Pieces whose cache lines are asked for before the first of them is read.
const CHUNK: usize = 256;
/// Pieces and rows that wait to be settled.
const WAITING: usize = 64;
/// Ends and symbols whose memory a thread keeps; a piece may be as long as a text.
const KEPT: usize = 1 << 18;
/// Marks, among the ends, a part that is not a whole piece.
const PART: u32 = 1 << 31;
/// Marks its key where the two must be told apart.
const PART_KEY: Key = 1 << 127;

/// The key of pieces that are too long for one; no entry has it.
const LONG: Key = Key::MAX;

/// Everything that is shared: splits, merges, and the vocabulary's cache.
#[derive(Debug)]
pub(super) struct Pieces {
    split: Split,
    processor: Processor,
    joins: Joins,
    alphabet: Alphabet,
    merges: Merges,
    image: Image,
    /// Tokens too long for the cache that a piece may equal.
    long: FxHashMap<Box<[u8]>, u32>,
    /// Cut between ASCII characters too: the text has no other pieces.
    cut_ascii: bool,
    /// `ignore_merges`: a piece that is a token is that token, whatever merging gives. This holds
    /// for whole pieces only, and makes a difference for some token.
    whole_differs: bool,
}

/// Memory of one thread.
#[derive(Debug)]
pub(super) struct Work {
    own: Own,
    ends: Vec<u32>,
    keys: Box<[Key; CHUNK]>,
    hashes: Box<[u32; CHUNK]>,
    /// The ids of a chunk, each entry of the cache being written whole.
    out: Box<[u32; CHUNK * 4]>,
    gaps: Gaps,
    /// Ends of rows without gaps.
    row_ends: Vec<usize>,
    lines: Box<[Line; ABREAST]>,
    symbols: Vec<u32>,
    long_pieces: LongPieces,
    long: Merging,
}

impl Work {
    pub(super) fn new() -> Self {
        Self {
            own: Own::new(),
            ends: Vec::new(),
            keys: Box::new([0; CHUNK]),
            hashes: Box::new([0; CHUNK]),
            out: Box::new([0; CHUNK * 4]),
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
        let buffers = [&self.ends, &self.symbols];
        let own: usize = buffers.iter().map(|buffer| 4 * buffer.capacity()).sum();
        own + self.long_pieces.bytes() + self.gaps.bytes()
    }

    /// Gives memory back that only a rare text needs.
    fn trim(&mut self) {
        for buffer in [&mut self.ends, &mut self.symbols] {
            if buffer.capacity() > KEPT {
                *buffer = Vec::new();
            }
        }
    }
}

impl Work {
    /// Forgets what an error has left.
    pub(super) fn start(&mut self) {
        self.gaps.clear();
        self.row_ends.clear();
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

impl Pieces {
    pub(super) fn new(
        model: &Model<'_>,
        vocabulary: &Vocabulary<'_>,
        split: Split,
    ) -> Result<Self, Unsupported> {
        let merges = merges(model, vocabulary)?;
        let cut_ascii = matches!(vocabulary.alphabet, Alphabet::Characters { .. });
        let tokens = || {
            vocabulary
                .bytes
                .iter()
                .zip(0..)
                .filter(|(bytes, _)| !bytes.is_empty())
        };
        let mut pieces = Self {
            split,
            processor: Processor::detect(),
            joins: Joins::new(tokens().map(|(bytes, _)| &**bytes)),
            alphabet: vocabulary.alphabet.clone(),
            merges,
            image: Image::new(&[]),
            long: FxHashMap::default(),
            cut_ascii,
            whole_differs: false,
        };
        let (mut symbols, mut long) = (Vec::new(), Merging::default());
        let mut entries = Vec::with_capacity(vocabulary.bytes.len());
        for (bytes, id) in tokens() {
            let Ok(text) = std::str::from_utf8(bytes) else {
                continue;
            };
            pieces.merge(text, &mut symbols, &mut long);
            if model.ignore_merges && symbols != [id] {
                pieces.whole_differs = true;
                symbols.clear();
                symbols.push(id);
            }
            if bytes.len() <= MAX_BYTES {
                entries.extend(Entry::new(cache::key(bytes, 0, bytes.len()), &symbols));
            } else if symbols == [id] {
                pieces.long.insert((&**bytes).into(), id);
            }
        }
        pieces.image = Image::new(&entries);
        Ok(pieces)
    }

    /// Appends the ids of `text`; returns where they start.
    pub(super) fn encode(
        &self,
        work: &mut Work,
        text: &str,
        ids: &mut Vec<u32>,
    ) -> Result<usize, String> {
        let first = ids.len();
        let pieces = self;
        self.processor.run(Encode {
            pieces,
            work,
            text,
            ids,
        })?;
        Ok(first)
    }

    #[inline(always)]
    fn encode_with(
        &self,
        vectors: impl Vectors,
        work: &mut Work,
        text: &str,
        ids: &mut Vec<u32>,
    ) -> Result<(), String> {
        work.ends.clear();
        self.split.split(text, vectors, &mut work.ends)?;
        let ends = std::mem::take(&mut work.ends);
        if self.cut_ascii || text.bytes().fold(0, u8::max) >= 0xE0 {
            self.cut(work, text, &ends, ids);
        } else {
            let mut start = 0;
            for chunk in ends.chunks(CHUNK) {
                start = self.chunk(work, text, start, chunk, ids);
            }
        }
        work.ends = ends;
        work.trim();
        Ok(())
    }

    /// Encodes pieces, each cut where no token lies across.
    #[inline(always)]
    fn cut(&self, work: &mut Work, text: &str, ends: &[u32], ids: &mut Vec<u32>) {
        let bytes = text.as_bytes();
        let mut parts = [0; CHUNK];
        let (mut count, mut start, mut done) = (0, 0, 0);
        for &end in ends {
            let (mut left, length) = decode(bytes, start);
            let mut at = start + length;
            let mut mark = 0;
            while at < end as usize {
                let (right, length) = decode(bytes, at);
                let narrow = !self.cut_ascii && left < 0x800 && right < 0x800;
                let apart = !narrow && !self.joins.joined(bytes, at, left, right);
                // Without a branch: half of the borders are cut, and nobody foresees which.
                parts[count] = at as u32 | PART;
                count += usize::from(apart);
                mark |= u32::from(apart) * PART;
                if count == CHUNK {
                    done = self.chunk(work, text, done, &parts, ids);
                    count = 0;
                }
                left = right;
                at += length;
            }
            parts[count] = end | mark;
            count += 1;
            if count == CHUNK {
                done = self.chunk(work, text, done, &parts, ids);
                count = 0;
            }
            start = end as usize;
        }
        self.chunk(work, text, done, &parts[..count], ids);
    }

    /// Encodes the pieces from `start` on that end at `ends`; returns the last end.
    #[inline]
    fn chunk(
        &self,
        work: &mut Work,
        text: &str,
        start: usize,
        ends: &[u32],
        ids: &mut Vec<u32>,
    ) -> usize {
        self.ask(work, text.as_bytes(), start, ends);
        let (mut at, mut filled) = (start, 0);
        for (i, &end) in ends.iter().enumerate().take(CHUNK) {
            let (key, hash) = (work.keys[i], work.hashes[i]);
            let end = (end & !PART) as usize;
            if let Some(entry) = work.own.get(key, hash) {
                work.out[filled..filled + 4].copy_from_slice(&entry.ids);
                filled += entry.count();
            } else if key == LONG {
                ids.extend_from_slice(&work.out[..filled]);
                filled = 0;
                let part = ends[i] & PART != 0;
                self.long_piece(work, &text[at..end], part, ids);
            } else {
                self.image.prefetch(hash);
                work.gaps.push(ids.len() + filled, key, hash);
            }
            at = end;
        }
        ids.extend_from_slice(&work.out[..filled]);
        if work.gaps.len() >= WAITING {
            self.settle(work, ids);
        }
        at
    }

    /// Makes the keys of pieces and asks for the lines of the cache that they lie in.
    #[inline(always)]
    fn ask(&self, work: &mut Work, text: &[u8], mut start: usize, ends: &[u32]) {
        let slots = work.keys.iter_mut().zip(&mut work.hashes[..]);
        for ((key, hash), &end) in slots.zip(ends) {
            let part = end & PART != 0;
            let end = (end & !PART) as usize;
            if end - start <= MAX_BYTES {
                *key = cache::key(text, start, end);
                if part && self.whole_differs {
                    *key |= PART_KEY;
                }
                *hash = cache::hash(*key);
                work.own.prefetch(*hash);
            } else {
                (*key, *hash) = (LONG, 0);
            }
            start = end;
        }
    }

    /// Appends the ids of a piece that is too long for the cache.
    #[inline(never)]
    fn long_piece(&self, work: &mut Work, piece: &str, part: bool, ids: &mut Vec<u32>) {
        let tag = part && self.whole_differs;
        if !tag && let Some(&id) = self.long.get(piece.as_bytes()) {
            ids.push(id);
            return;
        }
        let remembered = piece.len() <= long::MAX_BYTES;
        if remembered && let Some(known) = work.long_pieces.get(piece.as_bytes(), tag) {
            ids.extend_from_slice(known);
            return;
        }
        self.merge(piece, &mut work.symbols, &mut work.long);
        ids.extend_from_slice(&work.symbols);
        if remembered {
            work.long_pieces
                .insert(piece.as_bytes(), tag, &work.symbols);
        }
    }

    /// Fills the gaps among `ids`.
    #[inline]
    pub(super) fn settle(&self, work: &mut Work, ids: &mut Vec<u32>) {
        if work.gaps.len() > 0 {
            self.fill(work);
            work.gaps.close(ids, &mut work.row_ends);
        }
    }

    /// Finds the ids of the pieces that wait.
    #[inline(never)]
    fn fill(&self, work: &mut Work) {
        let mut waiting = [0; ABREAST];
        let mut count = 0;
        for number in 0..work.gaps.len() {
            if self.recall(work, number) {
                continue;
            }
            waiting[count] = number;
            let (bytes, length) = cache::piece(work.gaps.get(number).key);
            let bytes = &bytes[..length];
            work.symbols.clear();
            self.alphabet.symbols_of(bytes, &mut work.symbols);
            work.lines[count] = Line::new(&self.merges, bytes, &work.symbols);
            count += 1;
            if count == ABREAST {
                self.merge_abreast(work, &waiting[..count]);
                count = 0;
            }
        }
        self.merge_abreast(work, &waiting[..count]);
    }

    /// Fills the gap of a piece that somebody knows; says `false` if it has to be merged.
    #[inline]
    fn recall(&self, work: &mut Work, number: usize) -> bool {
        let gap = work.gaps.get(number);
        if gap.is_end() {
            return true;
        }
        if let Some(entry) = work.own.get(gap.key, gap.hash) {
            work.gaps.fill(number, &entry.ids[..entry.count()]);
            return true;
        }
        if let Some(entry) = work.own.adopt(&self.image, gap.key, gap.hash) {
            work.gaps.fill(number, &entry.ids[..entry.count()]);
            return true;
        }
        false
    }

    /// Merges the pieces of the first lines, fills their gaps, and remembers them.
    fn merge_abreast(&self, work: &mut Work, waiting: &[usize]) {
        abreast::merge(&self.merges, &mut work.lines[..waiting.len()]);
        for (&number, line) in waiting.iter().zip(&work.lines[..]) {
            let gap = work.gaps.get(number);
            work.symbols.clear();
            work.symbols.extend(line.symbols());
            work.gaps.fill(number, &work.symbols);
            if let Some(entry) = Entry::new(gap.key, &work.symbols) {
                work.own.insert(entry, gap.hash);
            }
        }
    }

    /// Merges a piece by the rules.
    fn merge(&self, piece: &str, symbols: &mut Vec<u32>, long: &mut Merging) {
        symbols.clear();
        self.alphabet.symbols(piece, symbols);
        self.merges.apply(piece.as_bytes(), symbols, long);
    }
}

/// What [`Pieces::encode`] does, for one set of instructions.
struct Encode<'a> {
    pieces: &'a Pieces,
    work: &'a mut Work,
    text: &'a str,
    ids: &'a mut Vec<u32>,
}

impl Task for Encode<'_> {
    type Output = Result<(), String>;

    #[inline(always)]
    fn run(self, vectors: impl Vectors) -> Self::Output {
        self.pieces
            .encode_with(vectors, self.work, self.text, self.ids)
    }
}

/// The model's rules as ids.
fn merges(model: &Model<'_>, vocabulary: &Vocabulary<'_>) -> Result<Merges, Unsupported> {
    let mut product = String::new();
    let id = |text: &str| {
        vocabulary.ids.get(text).copied().ok_or_else(|| {
            Unsupported::new(format!(
                "a merge names a token out of the vocabulary: {text:?}"
            ))
        })
    };
    let rules = model
        .merges
        .iter()
        .map(|rule| {
            product.clear();
            product.push_str(&rule.0);
            product.push_str(&rule.1);
            Ok((id(&rule.0)?, id(&rule.1)?, id(&product)?))
        })
        .collect::<Result<Vec<_>, Unsupported>>()?;
    let fallback = vocabulary.alphabet.fallback();
    if rules
        .iter()
        .any(|(a, b, c)| [a, b, c].iter().any(|id| fallback.contains(id)))
    {
        return Err(Unsupported::new("the model merges byte tokens"));
    }
    let mut merges = Merges::new(&rules);
    if let Alphabet::Bytes(ids) = &vocabulary.alphabet {
        merges.start_from_bytes(ids);
    }
    Ok(merges)
}
