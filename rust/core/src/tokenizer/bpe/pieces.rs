//! From a text without added tokens to ids: pieces, their parts, the cache, and merging.

use rustc_hash::FxHashMap;

use super::Unsupported;
use super::abreast::{self, ABREAST, Line, MAX_RANK};
use super::atoms::Atoms;
use super::cache::{self, Entry, Image, Key, MAX_BYTES};
use super::definition::Model;
use super::gaps::Waiting;
use super::joins::{self, Joins};
use super::long;
use super::merges::{Merges, Rule};
use super::merging::Merging;
use super::plan::Split;
use super::simd::{Processor, Task, Vectors};
use super::vocabulary::{Alphabet, Vocabulary};
use super::wide::{self, Wide};
use super::work::{CHUNK, Work};
use crate::error::{Error, ErrorKind, Result};

/// Pieces and rows that wait to be settled.
const WAITING: usize = 64;
/// Marks, among the ends, a part that is not a whole piece.
const PART: u32 = 1 << 31;
/// From there to the key, where the two must be told apart.
const TAG_SHIFT: u32 = 127 - 31;

/// The key of pieces that are too long for one; none of the short ones has it.
const LONG: Key = Key::MAX;

/// Everything that is shared: splits, merges, and the vocabulary's cache.
#[derive(Debug)]
pub(super) struct Pieces {
    split: Split,
    processor: Processor,
    joins: Joins,
    alphabet: Alphabet,
    atoms: Atoms,
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

impl Pieces {
    pub(super) fn new(
        model: &Model<'_>,
        vocabulary: &Vocabulary<'_>,
        split: Split,
    ) -> Result<Self, Unsupported> {
        let rules = rules(model, vocabulary)?;
        let mut merges = Merges::new(&rules);
        let cut_ascii = matches!(vocabulary.alphabet, Alphabet::Characters { .. });
        let tokens = || {
            vocabulary
                .bytes
                .iter()
                .zip(0..)
                .filter(|(bytes, _)| !bytes.is_empty())
        };
        let atoms = if let Alphabet::Bytes(ids) = &vocabulary.alphabet {
            merges.start_from_bytes(ids);
            let texts = tokens().filter_map(|(bytes, _)| std::str::from_utf8(bytes).ok());
            Atoms::new(texts, &rules, &merges, ids)
        } else {
            Atoms::none()
        };
        let mut pieces = Self {
            split,
            processor: Processor::here(),
            joins: Joins::new(tokens().map(|(bytes, _)| &**bytes)),
            atoms,
            alphabet: vocabulary.alphabet.clone(),
            merges,
            image: Image::default(),
            long: FxHashMap::default(),
            cut_ascii,
            whole_differs: false,
        };
        let mut entries = Vec::with_capacity(vocabulary.bytes.len());
        let (mut long, mut whole_differs) = (FxHashMap::default(), false);
        let texts = tokens().filter(|(bytes, _)| std::str::from_utf8(bytes).is_ok());
        let texts: Vec<(&[u8], u32)> = texts.map(|(bytes, id)| (&**bytes, id)).collect();
        pieces.merge_tokens(&texts, |bytes, id, symbols| {
            let own = [id];
            let differs = model.ignore_merges && symbols != own;
            whole_differs |= differs;
            let symbols = if differs { &own } else { symbols };
            if bytes.len() <= MAX_BYTES {
                entries.extend(Entry::new(cache::key(bytes, 0, bytes.len()), symbols));
            } else if symbols == own {
                long.insert(bytes.into(), id);
            }
        });
        (pieces.long, pieces.whole_differs) = (long, whole_differs);
        pieces.image = Image::new(&entries);
        Ok(pieces)
    }

    /// Memory of a thread.
    pub(super) fn work(&self) -> Work {
        Work::new(&self.image)
    }

    /// As on that processor.
    #[cfg(test)]
    pub(super) fn run_on(&mut self, processor: Processor) {
        self.processor = processor;
    }

    /// Merges tokens, and tells of each with its id what it has become.
    fn merge_tokens(&self, tokens: &[(&[u8], u32)], mut found: impl FnMut(&[u8], u32, &[u32])) {
        let mut lines = [Line::EMPTY; ABREAST];
        let (mut symbols, mut merging) = (Vec::new(), Merging::default());
        let (short, long): (Vec<_>, Vec<_>) = tokens
            .iter()
            .partition(|(bytes, _)| bytes.len() <= wide::MAX_BYTES);
        for batch in short.chunks(ABREAST) {
            for (line, (bytes, _)) in lines.iter_mut().zip(batch) {
                self.start(line, bytes, &mut symbols);
            }
            let (merges, lines) = (&self.merges, &mut lines[..batch.len()]);
            self.processor.run(Abreast { merges, lines });
            for (line, (bytes, id)) in lines.iter().zip(batch) {
                symbols.clear();
                symbols.extend(line.symbols());
                found(bytes, *id, &symbols);
            }
        }
        for (bytes, id) in long {
            self.merge(bytes, &mut symbols, &mut merging);
            found(bytes, id, &symbols);
        }
    }

    /// Appends the ids of `text`, whose highest byte is `highest`. Errors if the pattern cannot
    /// split it.
    pub(super) fn encode(
        &self,
        work: &mut Work,
        text: &str,
        highest: u8,
        ids: &mut Vec<u32>,
    ) -> Result<()> {
        let result = self.processor.run(Encode {
            pieces: self,
            work,
            text,
            highest,
            ids,
        });
        result.map_err(|what| Error::new(ErrorKind::Tokenizer, "bad-split", what))
    }

    #[inline(always)]
    fn encode_with(
        &self,
        vectors: impl Vectors,
        work: &mut Work,
        text: &str,
        highest: u8,
        ids: &mut Vec<u32>,
    ) -> std::result::Result<(), String> {
        work.ends.clear();
        self.split.split(text, vectors, &mut work.ends)?;
        let mut ends = std::mem::take(&mut work.ends);
        if self.cut_ascii || highest >= 0xE0 {
            let count = self.cut(text.as_bytes(), &ends, &mut work.parts);
            std::mem::swap(&mut ends, &mut work.parts);
            self.chunks(vectors, work, text, &ends[..count], ids);
            std::mem::swap(&mut ends, &mut work.parts);
        } else {
            self.chunks(vectors, work, text, &ends, ids);
        }
        work.ends = ends;
        work.trim();
        Ok(())
    }

    /// Cuts pieces where no token lies across; writes the ends of the parts, and says how many
    /// there are.
    #[inline(always)]
    fn cut(&self, text: &[u8], ends: &[u32], parts: &mut Vec<u32>) -> usize {
        // A part has a byte at least; what is written there beyond the last part is overwritten.
        parts.resize(parts.len().max(text.len() + 1), 0);
        let (mut count, mut start) = (0, 0);
        for &end in ends {
            let mut mark = 0;
            if self.cut_ascii || !is_ascii(text, start, end as usize) {
                let first = count;
                count = self.cut_piece(text, (start, end as usize), parts, count);
                mark = u32::from(count > first) * PART;
            }
            parts[count] = end | mark;
            count += 1;
            start = end as usize;
        }
        count
    }

    /// Writes the ends of the parts of a piece but the last, from `count` on.
    #[inline(always)]
    fn cut_piece(
        &self,
        text: &[u8],
        (start, end): (usize, usize),
        parts: &mut [u32],
        mut count: usize,
    ) -> usize {
        let mut left = start;
        let mut at = start + joins::length(text[start]);
        while at < end {
            let next = at + joins::length(text[at]);
            // Characters of two bytes are letters of scripts that have words.
            let narrow = !self.cut_ascii && text[left] < 0xE0 && text[at] < 0xE0;
            let apart = !narrow && !self.joins.joined(text, left, at, next);
            // Without a branch: half of the borders are cut, and nobody foresees which.
            parts[count] = at as u32 | PART;
            count += usize::from(apart);
            (left, at) = (at, next);
        }
        count
    }

    /// Encodes the pieces or parts that end at `ends`.
    #[inline(always)]
    fn chunks(
        &self,
        vectors: impl Vectors,
        work: &mut Work,
        text: &str,
        ends: &[u32],
        ids: &mut Vec<u32>,
    ) {
        let mut start = 0;
        for chunk in ends.chunks(CHUNK) {
            let filled = self.chunk(vectors, work, text, start, chunk, ids);
            ids.extend_from_slice(&work.out[..filled]);
            if work.gaps.len() >= WAITING {
                self.settle(work, ids);
            }
            start = end_of(chunk, chunk.len() - 1);
        }
    }

    /// Appends the ids of the pieces of a chunk, or leaves gaps for them; says how many ids at the
    /// end are still in `work.out`.
    #[inline(always)]
    fn chunk(
        &self,
        vectors: impl Vectors,
        work: &mut Work,
        text: &str,
        start: usize,
        ends: &[u32],
        ids: &mut Vec<u32>,
    ) -> usize {
        self.ask(work, text.as_bytes(), start, ends);
        let count = ends.len().min(CHUNK);
        let (mut next, mut filled) = work.known(vectors, 0, count, 0);
        while next < count {
            let from = next.checked_sub(1).map_or(start, |last| end_of(ends, last));
            let piece = &text[from..end_of(ends, next)];
            filled = self.unknown(work, next, piece, ends[next] & PART != 0, filled, ids);
            (next, filled) = work.known(vectors, next + 1, count, filled);
        }
        filled
    }

    /// Makes the keys of pieces and asks for the lines of the cache that they lie in.
    #[inline(always)]
    fn ask(&self, work: &mut Work, text: &[u8], mut start: usize, ends: &[u32]) {
        let tagged = if self.whole_differs { PART } else { 0 };
        let (own, wide) = (&work.own, &work.wide);
        let slots = work.keys.iter_mut().zip(&mut work.hashes[..]);
        for ((key, hash), &end) in slots.zip(ends) {
            let tag = end & tagged;
            let end = (end & !PART) as usize;
            if end - start <= MAX_BYTES {
                *key = cache::key(text, start, end) | Key::from(tag) << TAG_SHIFT;
                *hash = cache::hash(*key);
                own.prefetch(*hash);
            } else {
                *key = LONG;
                *hash = wide::hash(&text[start..end], tag != 0);
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
        work: &mut Work,
        number: usize,
        piece: &str,
        part: bool,
        filled: usize,
        ids: &mut Vec<u32>,
    ) -> usize {
        let (key, hash) = (work.keys[number], work.hashes[number]);
        if key != LONG {
            self.image.prefetch(hash);
            work.gaps
                .push(ids.len() + filled, Waiting::Short(key), hash);
            return filled;
        }
        let tag = part && self.whole_differs;
        if let Some(wide) = Wide::new(piece.as_bytes(), tag) {
            if let Some((known, count)) = work.wide.get(&wide, hash) {
                work.out[filled..filled + wide::MAX_IDS].copy_from_slice(known);
                return filled + count;
            }
            work.gaps
                .push(ids.len() + filled, Waiting::Wide(wide), hash);
            return filled;
        }
        ids.extend_from_slice(&work.out[..filled]);
        self.long_piece(work, piece, tag, ids);
        0
    }

    /// Appends the ids of a piece that is too long for both tables.
    fn long_piece(&self, work: &mut Work, piece: &str, tag: bool, ids: &mut Vec<u32>) {
        if !tag && let Some(&id) = self.long.get(piece.as_bytes()) {
            ids.push(id);
            return;
        }
        let remembered = piece.len() <= long::MAX_BYTES;
        if remembered && let Some(known) = work.long_pieces.get(piece.as_bytes(), tag) {
            ids.extend_from_slice(known);
            return;
        }
        self.merge(piece.as_bytes(), &mut work.symbols, &mut work.long);
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
            self.processor.run(Fill { pieces: self, work });
            work.gaps.close(ids, &mut work.row_ends);
        }
    }

    /// Finds the ids of the pieces that wait.
    #[inline(always)]
    fn fill(&self, work: &mut Work) {
        let mut waiting = [0; ABREAST];
        let mut count = 0;
        for number in 0..work.gaps.len() {
            if self.recall(work, number) {
                continue;
            }
            waiting[count] = number;
            let (bytes, length) = work.gaps.get(number).waiting.piece();
            self.start(&mut work.lines[count], &bytes[..length], &mut work.symbols);
            count += 1;
            if count == ABREAST {
                self.merge_abreast(work, &waiting);
                count = 0;
            }
        }
        if count > 0 {
            self.merge_abreast(work, &waiting[..count]);
        }
    }

    /// Fills the gap of a piece that somebody knows; says `false` if it has to be merged.
    #[inline(always)]
    fn recall(&self, work: &mut Work, number: usize) -> bool {
        let gap = work.gaps.get(number);
        match gap.waiting {
            Waiting::End => true,
            Waiting::Short(key) => {
                let known = work.own.find(&key, gap.hash);
                let known = known.or_else(|| work.own.adopt(&self.image, key, gap.hash));
                known
                    .inspect(|entry| work.gaps.fill(number, &entry.ids[..entry.count()]))
                    .is_some()
            }
            Waiting::Wide(piece) => {
                if let Some((known, count)) = work.wide.get(&piece, gap.hash) {
                    work.gaps.fill(number, &known[..count]);
                    return true;
                }
                let (bytes, length) = piece.piece();
                let token = self.long.get(&bytes[..length]).filter(|_| !piece.tag);
                token
                    .inspect(|&&id| {
                        work.gaps.fill(number, &[id]);
                        work.wide.insert(&piece, gap.hash, &[id]);
                    })
                    .is_some()
            }
        }
    }

    /// Puts a piece on a line, before it is merged.
    #[inline(always)]
    fn start(&self, line: &mut Line, piece: &[u8], symbols: &mut Vec<u32>) {
        symbols.clear();
        self.first_symbols(piece, symbols);
        line.start(&self.merges, piece, symbols);
    }

    /// Merges the pieces of the first lines, fills their gaps, and remembers them.
    #[inline(always)]
    fn merge_abreast(&self, work: &mut Work, waiting: &[usize]) {
        abreast::merge(&self.merges, &mut work.lines[..waiting.len()]);
        for (&number, line) in waiting.iter().zip(&work.lines[..]) {
            let gap = work.gaps.get(number);
            work.symbols.clear();
            work.symbols.extend(line.symbols());
            work.gaps.fill(number, &work.symbols);
            match gap.waiting {
                Waiting::End => {}
                Waiting::Short(key) => work.own.remember(key, gap.hash, &work.symbols),
                Waiting::Wide(piece) => work.wide.insert(&piece, gap.hash, &work.symbols),
            }
        }
    }

    /// Appends the first symbols of a piece, given as bytes of UTF-8.
    #[inline(always)]
    fn first_symbols(&self, piece: &[u8], symbols: &mut Vec<u32>) {
        let atoms = match &self.alphabet {
            Alphabet::Bytes(ids) => self.atoms.symbols(piece, &self.joins, ids, symbols),
            Alphabet::Characters { .. } => false,
        };
        if !atoms {
            self.alphabet.symbols_of(piece, symbols);
        }
    }

    /// Merges a piece by the rules.
    fn merge(&self, piece: &[u8], symbols: &mut Vec<u32>, long: &mut Merging) {
        symbols.clear();
        self.first_symbols(piece, symbols);
        self.merges.apply(piece, symbols, long);
    }
}

/// Where a piece ends.
#[inline(always)]
fn end_of(ends: &[u32], number: usize) -> usize {
    (ends[number] & !PART) as usize
}

/// What [`Pieces::encode`] does, for one set of instructions.
struct Encode<'a> {
    pieces: &'a Pieces,
    work: &'a mut Work,
    text: &'a str,
    highest: u8,
    ids: &'a mut Vec<u32>,
}

impl Task for Encode<'_> {
    type Output = std::result::Result<(), String>;

    #[inline(always)]
    fn run(self, vectors: impl Vectors) -> Self::Output {
        self.pieces
            .encode_with(vectors, self.work, self.text, self.highest, self.ids)
    }
}

/// What [`abreast::merge`] does, for one set of instructions.
struct Abreast<'a> {
    merges: &'a Merges,
    lines: &'a mut [Line],
}

impl Task for Abreast<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, _: impl Vectors) {
        abreast::merge(self.merges, self.lines);
    }
}

/// What [`Pieces::settle`] does, for one set of instructions.
struct Fill<'a> {
    pieces: &'a Pieces,
    work: &'a mut Work,
}

impl Task for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, _: impl Vectors) {
        self.pieces.fill(self.work);
    }
}

/// No byte of `text[start..end]` is above 127.
#[inline(always)]
fn is_ascii(text: &[u8], start: usize, end: usize) -> bool {
    match text.get(start..start + 16) {
        Some(bytes) if end - start <= MAX_BYTES => cache::key(bytes, 0, end - start) & HIGH == 0,
        _ => text[start..end].is_ascii(),
    }
}

/// The highest bit of each byte of a key's text.
const HIGH: Key = 0x0080_8080_8080_8080_8080_8080_8080_8080;

/// The model's rules as ids.
fn rules(model: &Model<'_>, vocabulary: &Vocabulary<'_>) -> Result<Vec<Rule>, Unsupported> {
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
    if rules.len() >= MAX_RANK as usize {
        return Err(Unsupported::new(
            "the model has more than 134,217,726 merges",
        ));
    }
    Ok(rules)
}
