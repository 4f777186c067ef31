//! Byte-pair encoding: the symbols of a piece merge by ranked rules.

mod atoms;
mod cut_points;
pub(crate) mod merge_batch;
pub(crate) mod merge_list;
mod merge_windows;
mod merges;
mod queue;
mod unknown;
pub(crate) mod vocabulary;

use std::ops::Range;

use super::PART;
use crate::Unsupported;
use crate::cache::medium;
use crate::definition;
use crate::simd::{Processor, Task, Vectors};
use atoms::Atoms;
use cut_points::CutPoints;
use merge_batch::{BATCH, Line, MAX_RANK};
use merge_list::MergeList;
use merges::{Merges, Rule};
use unknown::Incomplete;
use vocabulary::{Alphabet, Vocabulary};

/// The model.
#[derive(Debug)]
pub(crate) struct Bpe {
    cut_points: CutPoints,
    alphabet: Alphabet,
    atoms: Atoms,
    merges: Merges,
    /// Where the alphabet lacks something.
    incomplete: Option<Incomplete>,
    /// Cut between ASCII characters too: the text has no other pieces.
    cut_ascii: bool,
}

impl Bpe {
    pub(crate) fn new(
        model: &definition::Model<'_>,
        vocabulary: &Vocabulary<'_>,
    ) -> Result<Self, Unsupported> {
        let rules = rules(model, vocabulary)?;
        let incomplete = Incomplete::of(model, vocabulary)?;
        let mut merges = Merges::new(&rules);
        let tokens = || vocabulary.tokens().map(|(bytes, _)| bytes);
        let atoms = if let Alphabet::Bytes(ids) = &vocabulary.alphabet {
            merges.start_from_bytes(ids);
            let texts = tokens().filter_map(|bytes| std::str::from_utf8(bytes).ok());
            Atoms::new(texts, &rules, &merges, ids)
        } else {
            Atoms::none()
        };
        Ok(Self {
            cut_points: CutPoints::new(tokens()),
            alphabet: vocabulary.alphabet.clone(),
            atoms,
            merges,
            incomplete,
            cut_ascii: matches!(vocabulary.alphabet, Alphabet::Characters { .. }),
        })
    }

    /// Merges tokens, and tells of each with its id what it has become.
    pub(crate) fn merge_tokens(
        &self,
        tokens: &[(&[u8], u32)],
        mut found: impl FnMut(&[u8], u32, &[u32]),
    ) {
        let mut lines = [Line::EMPTY; BATCH];
        let (mut symbols, mut list) = (Vec::new(), MergeList::default());
        let (short, long): (Vec<_>, Vec<_>) = tokens
            .iter()
            .partition(|(bytes, _)| bytes.len() <= medium::MAX_BYTES);
        for batch in short.chunks(BATCH) {
            for (line, (bytes, _)) in lines.iter_mut().zip(batch) {
                self.start(line, bytes, &mut symbols);
            }
            let (merges, lines) = (&self.merges, &mut lines[..batch.len()]);
            Processor::here().run(MergeBatch { merges, lines });
            for (line, (bytes, id)) in lines.iter().zip(batch) {
                symbols.clear();
                symbols.extend(line.symbols());
                found(bytes, *id, &symbols);
            }
        }
        for (bytes, id) in long {
            self.merge(bytes, &mut symbols, &mut list);
            found(bytes, id, &symbols);
        }
    }

    /// Pieces are cut between ASCII characters too.
    #[inline(always)]
    pub(crate) fn cuts_ascii(&self) -> bool {
        self.cut_ascii
    }

    /// Writes the ends of the parts of a piece but the last, from `count` on: no token lies across
    /// these, so each part merges alone.
    #[inline(always)]
    pub(crate) fn cut(
        &self,
        text: &[u8],
        (start, end): (usize, usize),
        parts: &mut [u32],
        mut count: usize,
    ) -> usize {
        if let Some(incomplete) = &self.incomplete {
            return self.cut_written(incomplete, text, start..end, parts, count);
        }
        let mut left = start;
        let mut at = start + cut_points::length(text[start]);
        while at < end {
            let next = at + cut_points::length(text[at]);
            // Characters of two bytes are letters of scripts that have words.
            let narrow = !self.cut_ascii && text[left] < 0xE0 && text[at] < 0xE0;
            let apart = !narrow && !self.cut_points.joined(text, left, at, next);
            // Without a branch: half of the borders are cut, and nobody foresees which.
            parts[count] = at as u32 | PART;
            count += usize::from(apart);
            (left, at) = (at, next);
        }
        count
    }

    /// Puts a piece on a line, before it is merged.
    #[inline(always)]
    pub(crate) fn start(&self, line: &mut Line, piece: &[u8], symbols: &mut Vec<u32>) {
        symbols.clear();
        let bytes = self.first_symbols(piece, symbols);
        line.start(&self.merges, bytes, symbols);
    }

    /// Merges the pieces of some lines.
    #[inline(always)]
    pub(crate) fn merge_batch(&self, lines: &mut [Line]) {
        merge_batch::merge(&self.merges, lines);
    }

    /// As `cut`, between characters that can be written: around others symbols may merge that no
    /// text has side by side.
    #[inline(never)]
    fn cut_written(
        &self,
        incomplete: &Incomplete,
        text: &[u8],
        piece: Range<usize>,
        parts: &mut [u32],
        mut count: usize,
    ) -> usize {
        let mut left = piece.start;
        let mut at = left + cut_points::length(text[left]);
        while at < piece.end {
            let next = at + cut_points::length(text[at]);
            let written = incomplete.writes_at(text, left) && incomplete.writes_at(text, at);
            if written && !self.cut_points.joined(text, left, at, next) {
                parts[count] = at as u32 | PART;
                count += 1;
            }
            (left, at) = (at, next);
        }
        count
    }

    /// Each token stands for as many bytes as its text has.
    pub(crate) fn is_even(&self) -> bool {
        self.incomplete.is_none()
    }

    /// Appends the first symbols of a piece, given as bytes of UTF-8. Returns their bytes, or nothing
    /// if they are not bytes.
    #[inline(always)]
    fn first_symbols<'p>(&self, piece: &'p [u8], symbols: &mut Vec<u32>) -> &'p [u8] {
        if let Some(incomplete) = &self.incomplete {
            let piece = std::str::from_utf8(piece).unwrap_or_default();
            if !incomplete.writes(piece) {
                let add = |id, _| symbols.push(id);
                unknown::symbols(&self.alphabet, Some(incomplete), piece, add);
                return &[];
            }
        }
        let atoms = match &self.alphabet {
            Alphabet::Bytes(ids) => self.atoms.symbols(piece, &self.cut_points, ids, symbols),
            Alphabet::Characters { .. } => false,
        };
        if !atoms {
            self.alphabet.symbols_of(piece, symbols);
        }
        piece
    }

    /// Replaces `symbols` by what a piece merges into.
    pub(crate) fn merge(&self, piece: &[u8], symbols: &mut Vec<u32>, list: &mut MergeList) {
        symbols.clear();
        let bytes = self.first_symbols(piece, symbols);
        self.merges.apply(bytes, symbols, list);
    }
}

impl Bpe {
    /// Tells the id of every token of a piece, and which of its bytes the token stands for.
    pub(crate) fn tokens(
        &self,
        piece: &str,
        list: &mut MergeList,
        mut found: impl FnMut(u32, Range<usize>),
    ) {
        let (mut symbols, mut ranges) = (Vec::new(), Vec::new());
        let add = |id, range| {
            symbols.push(id);
            ranges.push(range);
        };
        unknown::symbols(&self.alphabet, self.incomplete.as_ref(), piece, add);
        list.merge(&self.merges, &[], &mut symbols);
        let places: Vec<usize> = list.places(symbols.len()).collect();
        let ends = places.iter().copied().skip(1).chain([symbols.len()]);
        for (&place, end) in places.iter().zip(ends) {
            found(symbols[place], ranges[place].start..ranges[end - 1].end);
        }
        list.trim();
    }
}

/// What [`Bpe::merge_batch`] does, for one set of instructions.
struct MergeBatch<'a> {
    merges: &'a Merges,
    lines: &'a mut [Line],
}

impl Task for MergeBatch<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, _: impl Vectors) {
        merge_batch::merge(self.merges, self.lines);
    }
}

/// The model's rules as ids.
fn rules(
    model: &definition::Model<'_>,
    vocabulary: &Vocabulary<'_>,
) -> Result<Vec<Rule>, Unsupported> {
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
