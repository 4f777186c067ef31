//! From a text without added tokens to ids: pieces, their parts, the cache, and merging.

use rustc_hash::FxHashMap;

use super::Unsupported;
use super::cache::{self, Entry, Image, Key, MAX_BYTES, Own};
use super::definition::Model;
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
    parts: Vec<u32>,
    keys: Box<[Key; CHUNK]>,
    hashes: Box<[u32; CHUNK]>,
    /// The ids of a chunk, each entry of the cache being written whole.
    out: Box<[u32; CHUNK * 4]>,
    symbols: Vec<u32>,
    long_pieces: LongPieces,
    long: Merging,
}

impl Work {
    pub(super) fn new() -> Self {
        Self {
            own: Own::new(),
            ends: Vec::new(),
            parts: Vec::new(),
            keys: Box::new([0; CHUNK]),
            hashes: Box::new([0; CHUNK]),
            out: Box::new([0; CHUNK * 4]),
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
        own + self.long_pieces.bytes()
    }

    /// Gives memory back that only a rare text needs.
    fn trim(&mut self) {
        for buffer in [&mut self.ends, &mut self.parts, &mut self.symbols] {
            if buffer.capacity() > KEPT {
                *buffer = Vec::new();
            }
        }
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
        if self.cut_ascii || text.bytes().fold(0, u8::max) >= 0xE0 {
            self.cut(text.as_bytes(), work);
            std::mem::swap(&mut work.ends, &mut work.parts);
        }
        let ends = std::mem::take(&mut work.ends);
        let mut start = 0;
        for chunk in ends.chunks(CHUNK) {
            start = self.chunk(work, text, start, chunk, ids);
        }
        work.ends = ends;
        work.trim();
        Ok(())
    }

    /// Cuts every piece of `work.ends` where no token lies across, into `work.parts`.
    #[inline(always)]
    fn cut(&self, text: &[u8], work: &mut Work) {
        work.parts.clear();
        let mut start = 0;
        for &end in &work.ends {
            let (mut left, length) = decode(text, start);
            let mut at = start + length;
            let mut mark = 0;
            while at < end as usize {
                let (right, length) = decode(text, at);
                let narrow = !self.cut_ascii && left < 0x800 && right < 0x800;
                if !narrow && !self.joins.joined(text, at, left, right) {
                    mark = PART;
                    work.parts.push(at as u32 | mark);
                }
                left = right;
                at += length;
            }
            work.parts.push(end | mark);
            start = end as usize;
        }
    }

    /// Encodes the pieces from `start` on that end at `ends`; returns the last end.
    #[inline(always)]
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
            } else {
                ids.extend_from_slice(&work.out[..filled]);
                filled = 0;
                let part = ends[i] & PART != 0;
                self.miss(work, &text[at..end], (key, hash), part, ids);
            }
            at = end;
        }
        ids.extend_from_slice(&work.out[..filled]);
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

    /// Appends the ids of a piece that the thread does not remember, and remembers it.
    #[inline(never)]
    fn miss(
        &self,
        work: &mut Work,
        piece: &str,
        (key, hash): (Key, u32),
        part: bool,
        ids: &mut Vec<u32>,
    ) {
        if key != LONG
            && let Some(entry) = work.own.adopt(&self.image, key, hash)
        {
            ids.extend_from_slice(&entry.ids[..entry.count()]);
            return;
        }
        let tag = part && self.whole_differs;
        if key == LONG
            && !tag
            && let Some(&id) = self.long.get(piece.as_bytes())
        {
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
        let entry = (key != LONG)
            .then(|| Entry::new(key, &work.symbols))
            .flatten();
        if let Some(entry) = entry {
            work.own.insert(entry, hash);
        } else if remembered {
            work.long_pieces
                .insert(piece.as_bytes(), tag, &work.symbols);
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
