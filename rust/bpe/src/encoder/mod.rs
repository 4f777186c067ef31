//! Takes a text through all parts of a tokenizer.
//!
//! text → added tokens (`added`) → rewritten text (`normalizer`) → pieces (`pre_tokenizer`)
//! → ids (`cache`, else `model`). If one scan (`added::prescan`) shows that a text has no added token
//! and is not rewritten, it is split into pieces at once.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, LazyLock};

use rustc_hash::FxHashMap;

use crate::added::prescan::{Look, Starts};
use crate::added::{AddedSplitter, AddedToken, assign_ids};
use crate::definition::{self, Definition};
use crate::encoding::{Encoding, IdRows, Input};
use crate::error::{Error, Result, Unsupported};
use crate::model::bpe::Bpe;
use crate::model::bpe::vocabulary::{Spelling, Vocabulary};
use crate::model::{Model, Unigram, WordPiece};
use crate::normalizer::{self, Normalizer, Prefix, Rewrite};
use crate::offsets::{MarkFinder, Trace};
use crate::pieces::PieceEncoder;
use crate::plan::{Kind, Plan};
use crate::pre_tokenizer::Split;
use crate::scratch::PieceScratch;
use crate::simd::{self, Processor};

/// The encoder of one tokenizer. Shared between threads; a copy is cheap.
#[derive(Clone, Debug)]
pub struct Encoder {
    shared: Arc<Shared>,
    /// Of the tokens that are searched in the text as it is.
    raw: Option<Arc<AddedSplitter>>,
    /// Of the tokens that are searched in the normalized text.
    normalized: Option<Arc<AddedSplitter>>,
    /// What tokens of both kinds start with.
    starts: Option<Starts>,
}

/// What does not depend on which tokens are structural.
#[derive(Debug)]
struct Shared {
    pieces: PieceEncoder,
    normalizer: Normalizer,
    pre_tokenizer: Rewrite,
    added: Vec<AddedToken>,
    /// Whether a space is put before a text depends on where its first byte comes from.
    minds_origin: bool,
    /// The bytes that each id stands for in the text, as far as the model gives it.
    lengths: Vec<u32>,
}

/// Rewritten text whose memory a thread keeps.
const KEPT_BYTES: usize = 1 << 20;

/// Memory of one thread: its cache and its buffers. For any encoder, but of one at a time.
#[derive(Debug)]
pub struct Scratch {
    pieces: PieceScratch,
    normalized: String,
    rewritten: String,
}

impl Encoder {
    /// Of the bytes of a `tokenizer.json` and the tokens that the config adds to it
    /// (`added_tokens_decoder`, in order of id).
    pub fn new(json: &[u8], more: &[AddedToken]) -> Result<Self, Unsupported> {
        let broken = |error: &dyn fmt::Display| {
            Unsupported::new(format!("tokenizer.json cannot be read: {error}"))
        };
        // Checked at once, which is faster than string by string.
        let json = simdutf8::basic::from_utf8(json).map_err(|error| broken(&error))?;
        let definition: Definition<'_> =
            serde_json::from_str(json).map_err(|error| broken(&error))?;
        let plan = Plan::new(&definition)?;
        // The first text shall not wait for it.
        LazyLock::force(&crate::pre_tokenizer::unicode::CLASSES);
        let added = added_tokens(&definition, more);
        refuse_empty_tokens(&added, &plan.normalizer)?;
        let (pieces, lengths) = pieces(&definition.model, plan.kind, plan.split)?;
        let shared = Shared {
            lengths,
            pieces,
            minds_origin: plan.pre_tokenizer.prefix == Prefix::FirstUnlessSpace,
            normalizer: plan.normalizer,
            pre_tokenizer: plan.pre_tokenizer,
            added,
        };
        Ok(Self::of(Arc::new(shared), &[]))
    }

    /// `structural`: ids of tokens that are plain text inside the content ranges of an input.
    fn of(shared: Arc<Shared>, structural: &[u32]) -> Self {
        let text = |token: &AddedToken| {
            let mut text = String::new();
            if !token.normalized || !shared.normalizer.apply(&token.content, true, &mut text) {
                text.clone_from(&token.content);
            }
            text
        };
        let splitter = |normalized: bool| {
            let tokens = shared
                .added
                .iter()
                .filter(|token| token.normalized == normalized);
            let pairs = tokens.map(|token| (token, text(token)));
            let splitter = AddedSplitter::new(pairs, |id| structural.contains(&id))?;
            let signs = normalized && shared.normalizer.rewrite.marker;
            Some(Arc::new(splitter.with_signs_for_spaces(signs)))
        };
        let (raw, normalized) = (splitter(false), splitter(true));
        let splitters = raw.iter().chain(&normalized).map(|splitter| &**splitter);
        Self {
            starts: Starts::new(splitters),
            shared,
            raw,
            normalized,
        }
    }

    /// The added tokens with the ids that they have.
    pub fn added_tokens(&self) -> &[AddedToken] {
        &self.shared.added
    }

    /// Memory of one worker thread.
    pub fn scratch(&self) -> Scratch {
        Scratch {
            pieces: self.shared.pieces.scratch(),
            normalized: String::new(),
            rewritten: String::new(),
        }
    }

    /// The same encoder, for which the added tokens of these ids are structural: inside
    /// [`Input::content`] their text is ordinary text.
    #[must_use]
    pub fn with_structural(&self, ids: &[u32]) -> Self {
        Self::of(Arc::clone(&self.shared), ids)
    }

    /// Encodes without adding special tokens; `encoding` is cleared first.
    pub fn encode(
        &self,
        scratch: &mut Scratch,
        input: &Input<'_>,
        encoding: &mut Encoding,
    ) -> Result<()> {
        let Encoding { ids, marks } = encoding;
        marks.clear();
        let mut places = MarkFinder::new(input.marks, marks);
        self.parts(scratch, input, ids, &mut places)?;
        places.finish(ids.len());
        Ok(())
    }

    /// As [`encode`](Self::encode), and the bytes of the input that each id stands for: those that
    /// Hugging Face gives, before a post-processor trims them. The marks of the input are not
    /// looked for.
    pub fn encode_with_ranges(
        &self,
        scratch: &mut Scratch,
        input: &Input<'_>,
        ids: &mut Vec<u32>,
        ranges: &mut Vec<(u32, u32)>,
    ) -> Result<()> {
        ranges.clear();
        self.parts(scratch, input, ids, &mut MarkFinder::ranges(ranges))
    }

    /// Encodes the parts of an input between its cuts.
    fn parts(
        &self,
        scratch: &mut Scratch,
        input: &Input<'_>,
        ids: &mut Vec<u32>,
        places: &mut MarkFinder<'_>,
    ) -> Result<()> {
        scratch.pieces.start();
        ids.clear();
        let mut start = 0;
        let end = input.text.len();
        for cut in input.cuts.iter().map(|&cut| cut as usize).chain([end]) {
            let part = input.text.get(start..cut).ok_or(Error::Cut)?;
            self.part(scratch, part, start, input.content, ids, places)?;
            start = cut;
        }
        self.shared.pieces.settle(&mut scratch.pieces, ids);
        Ok(())
    }

    /// Appends the ids of whole texts, each between a prefix and a suffix; control tokens are
    /// parsed. Faster than one call of [`encode`](Self::encode) for each, where texts are short.
    pub fn encode_rows(
        &self,
        scratch: &mut Scratch,
        texts: &[&str],
        affixes: (&[u32], &[u32]),
        rows: &mut IdRows,
    ) -> Result<()> {
        scratch.pieces.start();
        for (row, text) in texts.iter().enumerate() {
            if let Some(next) = texts.get(row + 1) {
                fetch(next);
            }
            self.row(scratch, text, affixes, rows)?;
        }
        let pieces = &self.shared.pieces;
        pieces.settle(&mut scratch.pieces, &mut rows.ids);
        scratch.pieces.take_ends(&mut rows.ends);
        Ok(())
    }

    /// The kind of the model: `bpe`, `unigram` or `wordpiece`.
    pub fn model_name(&self) -> &'static str {
        self.shared.pieces.model().name()
    }

    /// The same as people write it, such as `WordPiece`.
    pub fn model_title(&self) -> &'static str {
        self.shared.pieces.model().title()
    }

    /// Appends the ids of one text of many, up to pieces that wait to be merged with others.
    fn row(
        &self,
        scratch: &mut Scratch,
        text: &str,
        (prefix, suffix): (&[u32], &[u32]),
        rows: &mut IdRows,
    ) -> Result<()> {
        rows.ids.extend_from_slice(prefix);
        match self.plainness(text) {
            Some(highest) => {
                let pieces = &self.shared.pieces;
                pieces.encode(&mut scratch.pieces, text, highest, &mut rows.ids)?;
            }
            None => self.part(
                scratch,
                text,
                0,
                &[],
                &mut rows.ids,
                &mut MarkFinder::none(),
            )?,
        }
        rows.ids.extend_from_slice(suffix);
        scratch.pieces.end_row(rows.ids.len());
        Ok(())
    }

    /// The highest byte of a text that has no added token and that nothing rewrites; `None` of others,
    /// and wherever a closer look is needed to tell.
    #[inline]
    fn plainness(&self, text: &str) -> Option<u8> {
        let (starts, shared) = (self.starts?, &*self.shared);
        let text_bytes = text.as_bytes();
        let survey = Processor::here().run(Look {
            text: text_bytes,
            starts,
        });
        let (normalizer, pre_tokenizer) = (&shared.normalizer, shared.pre_tokenizer);
        let plain = !survey.start
            && normalizer.keeps(text, survey.highest)
            && pre_tokenizer.keeps(text, survey.highest);
        plain.then_some(survey.highest)
    }

    /// Encodes one part of an input, which starts at byte `base` of it.
    fn part(
        &self,
        scratch: &mut Scratch,
        text: &str,
        base: usize,
        content: &[(u32, u32)],
        ids: &mut Vec<u32>,
        places: &mut MarkFinder<'_>,
    ) -> Result<()> {
        let Some(raw) = &self.raw else {
            let trace = Trace::new(base, base + text.len(), None);
            return self.between(scratch, text, &trace, base, content, ids, places);
        };
        let plain = |start: usize, end: usize| touches(content, base + start, base + end);
        raw.split(text, plain, |part| {
            let trace = Trace::new(base + part.start, base + part.end, None);
            if let Some(id) = part.id {
                places.token(ids, id, trace.range());
            } else {
                let text = &text[part.start..part.end];
                self.between(scratch, text, &trace, base, content, ids, places)?;
            }
            Ok(())
        })
    }

    /// Encodes text between two added tokens that are searched in the text as it is.
    #[expect(clippy::too_many_arguments, reason = "one step of a private recursion")]
    fn between(
        &self,
        scratch: &mut Scratch,
        text: &str,
        trace: &Trace,
        base: usize,
        content: &[(u32, u32)],
        ids: &mut Vec<u32>,
        places: &mut MarkFinder<'_>,
    ) -> Result<()> {
        let first = trace.start == base;
        let mut normalized = std::mem::take(&mut scratch.normalized);
        let changed = self.shared.normalizer.apply(text, first, &mut normalized);
        let (marked, tracked) = (places.within(trace.end), !places.all_found());
        // Without origins a changed text does not tell where in the input it ends.
        let mut none = MarkFinder::none();
        let places = if marked { places } else { &mut none };
        let trace = if changed && (marked || !content.is_empty() || self.shared.minds_origin) {
            trace.rewritten(self.shared.normalizer.origins(text, first))
        } else {
            trace.clone()
        };
        let text = if changed { &*normalized } else { text };
        let done = match &self.normalized {
            None => self.plain(scratch, text, &trace, base, ids, places),
            Some(splitter) => splitter.split(
                text,
                |start, end| {
                    let (start, end) = trace.slice(start, end).range();
                    touches(content, start, end)
                },
                |part| {
                    let trace = trace.slice(part.start, part.end);
                    if let Some(id) = part.id {
                        places.token(ids, id, trace.range());
                    } else {
                        let text = &text[part.start..part.end];
                        self.plain(scratch, text, &trace, base, ids, places)?;
                    }
                    Ok(())
                },
            ),
        };
        if tracked {
            // A mark after this text has to know how many ids the text has.
            self.shared.pieces.settle(&mut scratch.pieces, ids);
        }
        normalized.clear();
        normalized.shrink_to(KEPT_BYTES);
        scratch.normalized = normalized;
        done
    }

    /// Encodes text without added tokens.
    fn plain(
        &self,
        scratch: &mut Scratch,
        text: &str,
        trace: &Trace,
        base: usize,
        ids: &mut Vec<u32>,
        places: &mut MarkFinder<'_>,
    ) -> Result<()> {
        let first = trace.first() == base;
        let marked = places.within(trace.end);
        let mut rewritten = std::mem::take(&mut scratch.rewritten);
        let changed = self.shared.pre_tokenizer.apply(text, first, &mut rewritten);
        let origins = || self.shared.pre_tokenizer.origins(text, first);
        let moved = (marked && changed).then(|| trace.rewritten(origins()));
        let trace = moved.as_ref().unwrap_or(trace);
        let plain = if changed { &rewritten } else { text };
        self.rewritten(scratch, plain, trace, marked, ids, places)?;
        rewritten.clear();
        rewritten.shrink_to(KEPT_BYTES);
        scratch.rewritten = rewritten;
        Ok(())
    }

    /// Encodes text as the pieces have it; `marked`: some mark lies in it.
    fn rewritten(
        &self,
        scratch: &mut Scratch,
        text: &str,
        trace: &Trace,
        marked: bool,
        ids: &mut Vec<u32>,
        places: &mut MarkFinder<'_>,
    ) -> Result<()> {
        let (pieces, scratch) = (&self.shared.pieces, &mut scratch.pieces);
        if marked && !pieces.is_even() {
            return pieces.encode_marked(scratch, text, trace, ids, places);
        }
        let start = ids.len();
        pieces.encode(scratch, text, normalizer::highest(text), ids)?;
        if !places.all_found() {
            // What follows has to know how many ids there are.
            pieces.settle(scratch, ids);
        }
        if marked {
            places.walk(ids, start, &self.shared.lengths, trace);
        }
        Ok(())
    }
}

/// Added tokens with the ids that they have.
fn added_tokens(definition: &Definition<'_>, more: &[AddedToken]) -> Vec<AddedToken> {
    let vocab = &definition.model.vocab;
    let ids = vocab.tokens.iter().map(|(text, id)| (&**text, *id));
    let ids: FxHashMap<&str, u32> = ids.collect();
    // A list counts every entry.
    let size = vocab.scores.as_ref().map_or(ids.len(), Vec::len);
    let lists = [&definition.added_tokens[..], more];
    assign_ids(&lists, |text| ids.get(text).copied(), size as u32)
}

/// A search for a token of which the normalizer leaves nothing has no end in Hugging Face.
fn refuse_empty_tokens(added: &[AddedToken], normalizer: &Normalizer) -> Result<(), Unsupported> {
    let mut text = String::new();
    let mut normalized = added.iter().filter(|token| token.normalized);
    let empty = normalized.any(|token| {
        !token.content.is_empty()
            && normalizer.apply(&token.content, true, &mut text)
            && text.is_empty()
    });
    if empty {
        let reason = "the normalizer leaves nothing of an added token";
        return Err(Unsupported::new(reason));
    }
    Ok(())
}

/// What encodes pieces, and how many bytes of the text each id stands for, as far as that is known.
fn pieces(
    model: &definition::Model<'_>,
    kind: Kind,
    split: Split,
) -> Result<(PieceEncoder, Vec<u32>), Unsupported> {
    let spelling = match kind {
        Kind::Unigram { signs } => {
            let model = Model::Unigram(Unigram::new(model, signs)?);
            return Ok((PieceEncoder::of(model, split), Vec::new()));
        }
        Kind::WordPiece => {
            let model = Model::WordPiece(WordPiece::new(model)?);
            return Ok((PieceEncoder::of(model, split), Vec::new()));
        }
        Kind::BytesBpe => Spelling::ByteLevel,
        Kind::CharactersBpe => Spelling::Characters,
    };
    let vocabulary = Vocabulary::new(&model.vocab, spelling, model.byte_fallback)?;
    let bpe = Bpe::new(model, &vocabulary)?;
    let pieces = PieceEncoder::of_bpe(bpe, &vocabulary, model.ignore_merges, split);
    Ok((pieces, vocabulary.lengths()))
}

/// Asks for the start of a text, which may lie anywhere; the processor foresees the rest.
fn fetch(text: &str) {
    for line in (0..text.len().min(512)).step_by(64) {
        simd::prefetch(text.as_bytes(), line);
    }
}

/// Some content range has a byte of `start..end`.
fn touches(content: &[(u32, u32)], start: usize, end: usize) -> bool {
    let next = content.partition_point(|range| range.1 as usize <= start);
    content
        .get(next)
        .is_some_and(|range| (range.0 as usize) < end)
}
