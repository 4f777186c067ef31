//! An exact, fast encoder of byte-level and SentencePiece-style BPE.
//!
//! text → added tokens ([`added`](super::added)) → rewritten text (`normalize`) → pieces (`grammar`)
//! → parts of pieces (`joins`) → ids (`cache`, else `merges`).

#![expect(
    clippy::inline_always,
    reason = "what runs for every byte has to become part of the function that enables vector instructions"
)]

mod abreast;
mod atoms;
mod blocks;
mod cache;
mod definition;
mod gaps;
mod grammar;
mod joins;
mod long;
mod merges;
mod merging;
mod normalize;
mod pieces;
mod place;
mod plan;
mod queue;
mod simd;
mod survey;
mod unicode;
mod vocabulary;
mod wide;
mod windows;
mod work;

use std::any::Any;
use std::fmt;
use std::sync::{Arc, LazyLock};

use super::added::{Splitter, assign_ids};
use super::{AddedToken, Backend, Encoding, Input, Rows};
use crate::error::{Error, ErrorKind, Result};
use definition::Definition;
use normalize::Rewrite;
use pieces::Pieces;
use place::{Places, Trace};
use plan::Plan;
use simd::Processor;
pub(crate) use simd::advise_huge;
use survey::{Look, Starts};
use vocabulary::Vocabulary;
use work::Work;

/// Why a tokenizer needs the reference backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// One sentence without a full stop.
    pub reason: String,
}

impl Unsupported {
    fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Unsupported {}

/// The encoder of one tokenizer. Shared between threads; a copy is cheap.
#[derive(Clone, Debug)]
pub struct Encoder {
    shared: Arc<Shared>,
    /// Of the tokens that are searched in the text as it is.
    raw: Option<Arc<Splitter>>,
    /// Of the tokens that are searched in the normalized text.
    normalized: Option<Arc<Splitter>>,
    /// What tokens of both kinds start with.
    starts: Option<Starts>,
}

/// What does not depend on which tokens are structural.
#[derive(Debug)]
struct Shared {
    pieces: Pieces,
    normalizer: Rewrite,
    pre_tokenizer: Rewrite,
    added: Vec<AddedToken>,
    /// The bytes that each id stands for in the text, as far as the model gives it.
    lengths: Vec<u32>,
}

/// Rewritten text whose memory a thread keeps.
const KEPT_BYTES: usize = 1 << 20;

/// Memory of one thread: its cache and its buffers. For any encoder, but of one at a time.
#[derive(Debug)]
struct Scratch {
    work: Work,
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
        LazyLock::force(&unicode::CLASSES);
        let vocabulary = Vocabulary::new(&definition.model.vocab, plan.spelling)?;
        let added = assign_ids(
            &[&definition.added_tokens, more],
            |text| vocabulary.ids.get(text).copied(),
            vocabulary.ids.len() as u32,
        );
        let pieces = Pieces::new(&definition.model, &vocabulary, plan.split)?;
        let shared = Shared {
            lengths: vocabulary.lengths(),
            pieces,
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
            Splitter::new(pairs, |id| structural.contains(&id)).map(Arc::new)
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

    /// Appends the ids of one text of many, up to pieces that wait to be merged with others.
    fn row(
        &self,
        scratch: &mut Scratch,
        text: &str,
        (prefix, suffix): (&[u32], &[u32]),
        rows: &mut Rows,
    ) -> Result<()> {
        rows.ids.extend_from_slice(prefix);
        match self.plainness(text) {
            Some(highest) => {
                let pieces = &self.shared.pieces;
                pieces.encode(&mut scratch.work, text, highest, &mut rows.ids)?;
            }
            None => self.part(scratch, text, 0, &[], &mut rows.ids, &mut Places::none())?,
        }
        rows.ids.extend_from_slice(suffix);
        scratch.work.end_row(rows.ids.len());
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
        let same = |rewrite: Rewrite| rewrite.keeps(text, survey.highest);
        (!survey.start && same(shared.normalizer) && same(shared.pre_tokenizer))
            .then_some(survey.highest)
    }

    /// Encodes one part of an input, which starts at byte `base` of it.
    fn part(
        &self,
        scratch: &mut Scratch,
        text: &str,
        base: usize,
        content: &[(u32, u32)],
        ids: &mut Vec<u32>,
        places: &mut Places<'_>,
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
        places: &mut Places<'_>,
    ) -> Result<()> {
        let first = trace.start == base;
        let mut normalized = std::mem::take(&mut scratch.normalized);
        let changed = self.shared.normalizer.apply(text, first, &mut normalized);
        let (marked, tracked) = (places.within(trace.end), !places.all_found());
        // Without origins a changed text does not tell where in the input it ends.
        let mut none = Places::none();
        let places = if marked { places } else { &mut none };
        let trace = if changed && (marked || !content.is_empty()) {
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
            // A mark behind this text has to know how many ids the text has.
            self.shared.pieces.settle(&mut scratch.work, ids);
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
        places: &mut Places<'_>,
    ) -> Result<()> {
        let first = trace.start == base;
        let marked = places.within(trace.end);
        let mut rewritten = std::mem::take(&mut scratch.rewritten);
        let changed = self.shared.pre_tokenizer.apply(text, first, &mut rewritten);
        let start = ids.len();
        let plain = if changed { &rewritten } else { text };
        let highest = normalize::highest(plain);
        self.shared
            .pieces
            .encode(&mut scratch.work, plain, highest, ids)?;
        if !places.all_found() {
            // What follows has to know how many ids there are.
            self.shared.pieces.settle(&mut scratch.work, ids);
        }
        if marked && changed {
            let trace = trace.rewritten(self.shared.pre_tokenizer.origins(text, first));
            places.walk(ids, start, &self.shared.lengths, &trace);
        } else if marked {
            places.walk(ids, start, &self.shared.lengths, trace);
        }
        rewritten.clear();
        rewritten.shrink_to(KEPT_BYTES);
        scratch.rewritten = rewritten;
        Ok(())
    }
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

fn own_scratch(scratch: &mut dyn Any) -> Result<&mut Scratch> {
    scratch.downcast_mut().ok_or_else(|| {
        Error::new(
            ErrorKind::Internal,
            "wrong-scratch",
            "the scratch is of another backend",
        )
    })
}

impl Backend for Encoder {
    fn scratch(&self) -> Box<dyn Any + Send> {
        Box::new(Scratch {
            work: Work::new(),
            normalized: String::new(),
            rewritten: String::new(),
        })
    }

    fn with_structural(&self, ids: &[u32]) -> Result<Arc<dyn Backend>> {
        Ok(Arc::new(Self::of(Arc::clone(&self.shared), ids)))
    }

    fn encode(
        &self,
        scratch: &mut dyn Any,
        input: &Input<'_>,
        encoding: &mut Encoding,
    ) -> Result<()> {
        let scratch = own_scratch(scratch)?;
        scratch.work.start();
        let Encoding { ids, marks } = encoding;
        ids.clear();
        marks.clear();
        let mut places = Places::new(input.marks, marks);
        let mut start = 0;
        let end = input.text.len();
        for cut in input.cuts.iter().map(|&cut| cut as usize).chain([end]) {
            let part = input.text.get(start..cut).ok_or_else(|| {
                Error::new(
                    ErrorKind::Internal,
                    "bad-cut",
                    "a cut is not between two characters",
                )
            })?;
            self.part(scratch, part, start, input.content, ids, &mut places)?;
            start = cut;
        }
        self.shared.pieces.settle(&mut scratch.work, ids);
        places.finish(ids.len());
        Ok(())
    }

    fn encode_rows(
        &self,
        scratch: &mut dyn Any,
        texts: &[&str],
        frame: (&[u32], &[u32]),
        rows: &mut Rows,
    ) -> Result<()> {
        let scratch = own_scratch(scratch)?;
        scratch.work.start();
        for (row, text) in texts.iter().enumerate() {
            if let Some(next) = texts.get(row + 1) {
                fetch(next);
            }
            self.row(scratch, text, frame, rows)?;
        }
        let pieces = &self.shared.pieces;
        pieces.settle(&mut scratch.work, &mut rows.ids);
        scratch.work.take_ends(&mut rows.ends);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Of `▁`, twenty letters and bytes; `ab` is the only merge.
    fn encoder() -> Encoder {
        encoder_with(&[])
    }

    fn encoder_with(added: &[AddedToken]) -> Encoder {
        let bytes = (0..256).map(|byte| format!("<0x{byte:02X}>"));
        let letters = ('a'..='t').map(String::from);
        let tokens = bytes
            .chain(letters)
            .chain(["▁".to_owned(), "ab".to_owned()]);
        let vocab: serde_json::Map<_, _> = tokens.zip((0..).map(|id| json!(id))).collect();
        let mark = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
        let model = json!({"type": "BPE", "byte_fallback": true, "vocab": vocab,
            "merges": ["a b"]});
        let file = json!({"normalizer": mark, "model": model}).to_string();
        Encoder::new(file.as_bytes(), added).unwrap()
    }

    #[test]
    fn a_hostile_text_changes_no_ids_and_leaves_no_memory_behind() {
        let encoder = encoder();
        let mut scratch = encoder.scratch();
        let mut ids = |text: &str| {
            let mut rows = Rows::default();
            encoder
                .encode_rows(&mut *scratch, &[text], (&[], &[]), &mut rows)
                .unwrap();
            assert_eq!(rows.ends, [rows.ids.len()]);
            rows.ids
        };
        let plain = "abba cab 的 abracadabra";
        let before = ids(plain);
        assert_eq!(ids(&"ab".repeat(1 << 20)).len(), 1 << 20);
        let unlike: Vec<String> = (0..200_000).map(|n| format!("{n:x}▁的")).collect();
        ids(&unlike.concat());
        assert_eq!(ids(plain), before);
        let scratch = own_scratch(&mut *scratch).unwrap();
        assert!(scratch.work.bytes() < 24 << 20, "{}", scratch.work.bytes());
        assert!(scratch.normalized.capacity() <= KEPT_BYTES);
        assert!(scratch.rewritten.capacity() <= KEPT_BYTES);
    }

    /// Of bytes, and of rules that join neighbours in some words.
    fn byte_level() -> serde_json::Value {
        let letters: Vec<char> = vocabulary::letters();
        let mut vocab: Vec<String> = letters.iter().map(ToString::to_string).collect();
        let mut merges = Vec::new();
        let words = "Ġthe Ġself assert ĠĠĠĠ ing ä¸Ń æĸĩ Ġ==";
        for word in words.split(' ') {
            let mut left = String::new();
            for letter in word.chars() {
                let product = format!("{left}{letter}");
                if !left.is_empty() && !vocab.contains(&product) {
                    merges.push(format!("{left} {letter}"));
                    vocab.push(product.clone());
                }
                left = product;
            }
        }
        merges.push("ä¸Ń æĸĩ".to_owned());
        vocab.push("ä¸Ńæĸĩ".to_owned());
        let vocab: serde_json::Map<_, _> =
            vocab.into_iter().zip((0..).map(|id| json!(id))).collect();
        let pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
        let split = json!({"type": "Split", "behavior": "Isolated",
            "invert": false, "pattern": {"Regex": pattern}});
        let bytes = json!({"type": "ByteLevel", "add_prefix_space": false,
            "trim_offsets": true, "use_regex": false});
        json!({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, bytes]},
            "model": {"type": "BPE", "vocab": vocab, "merges": merges}})
    }

    #[test]
    fn every_processor_gives_the_same_ids() {
        let file = byte_level().to_string();
        let mut texts = vec![String::new()];
        for length in [1, 2, 14, 15, 16, 17, 30, 31, 32, 33, 63, 64, 65] {
            for bits in [
                "a", "the", "self", " ", "=", "assert_", "ing", "中文", "中", "é", "7",
            ] {
                let word: String = bits.chars().cycle().take(length).collect();
                texts.push(format!("{word} the {word}\n    {word}.{word}"));
            }
        }
        texts.extend(texts.clone().into_iter().rev());
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let ids = |processor| {
            let mut encoder = Encoder::new(file.as_bytes(), &[]).unwrap();
            let shared = Arc::get_mut(&mut encoder.shared).unwrap();
            shared.pieces.run_on(processor);
            let (mut rows, mut scratch) = (Rows::default(), encoder.scratch());
            encoder
                .encode_rows(&mut *scratch, &texts, (&[], &[]), &mut rows)
                .unwrap();
            (rows.ids, rows.ends)
        };
        let portable = ids(simd::Processor::Portable);
        let reference: tokenizers::Tokenizer = file.parse().unwrap();
        let expected = reference.encode_batch_fast(texts.clone(), false).unwrap();
        let expected: Vec<u32> = expected
            .iter()
            .flat_map(tokenizers::Encoding::get_ids)
            .copied()
            .collect();
        assert!(portable.0 == expected);
        for processor in simd::Processor::known() {
            assert!(ids(processor) == portable, "{processor:?}");
        }
    }

    #[test]
    fn a_mark_is_found_alone_as_among_others() {
        let token = AddedToken {
            id: 0,
            content: "<x>".to_owned(),
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
            special: true,
        };
        let encoder = encoder_with(&[token]);
        let text = "abc<x>dba<x>cab 的<x>";
        let marks: Vec<u32> = (0..=text.len() as u32).collect();
        let encoded = |marks: &[u32]| {
            let (content, cuts) = (&[][..], &[][..]);
            let mut encoding = Encoding::default();
            let input = Input {
                text,
                content,
                cuts,
                marks,
            };
            let mut scratch = encoder.scratch();
            encoder
                .encode(&mut *scratch, &input, &mut encoding)
                .unwrap();
            encoding
        };
        let all = encoded(&marks);
        for (mark, found) in marks.iter().zip(&all.marks) {
            let alone = encoded(&[*mark]);
            assert_eq!(alone.ids, all.ids);
            assert_eq!(alone.marks, [*found], "{mark}");
        }
    }
}
