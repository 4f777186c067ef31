//! The reference backend: Hugging Face's `tokenizers` crate.

use std::any::Any;
use std::convert::Infallible;
use std::sync::Arc;

use tokenizers::tokenizer::normalizer::Range;
use tokenizers::tokenizer::{
    AddedToken as CrateToken, Model, NormalizedString, Normalizer, OffsetType, PreTokenizedString,
    PreTokenizer, Token, Tokenizer as CrateTokenizer,
};

use turnmill_bpe::added::AddedSplitter;

use super::{AddedToken, Affixes, Backend, Encoding, Input, Mark};
use crate::{Error, ErrorKind, Result};

/// A tokenizer of the `tokenizers` crate with truncation, padding and post-processing off.
#[derive(Clone)]
pub struct Reference {
    tokenizer: Arc<CrateTokenizer>,
    /// Searches for added tokens in the text and in the normalized text; known only once the
    /// structural ones are.
    splitters: Option<Arc<Splitters>>,
}

/// Searches for added tokens in the text and in the normalized text.
struct Splitters {
    plain: Option<AddedSplitter>,
    normalized: Option<AddedSplitter>,
}

/// Byte ranges of content, moved to the start of the part that is encoded.
struct Content<'a> {
    ranges: &'a [(u32, u32)],
    base: usize,
}

impl Content<'_> {
    fn overlaps(&self, start: usize, end: usize) -> bool {
        let (start, end) = ((self.base + start) as u32, (self.base + end) as u32);
        let after = self.ranges.partition_point(|range| range.1 <= start);
        self.ranges.get(after).is_some_and(|range| range.0 < end)
    }
}

fn defect(cause: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorKind::Tokenizer,
        "invalid-tokenizer",
        format!("the tokenizers library refuses tokenizer.json: {cause}"),
    )
    .hint("get the file again, or write it again with tokenizers 0.23 or transformers")
}

impl Reference {
    /// Reads `tokenizer.json` and adds `missing` tokens. Returns the ids that the post-processor
    /// puts before and after a text as well.
    pub fn load(json: &[u8], missing: &[AddedToken]) -> Result<(Self, Affixes)> {
        let mut tokenizer = CrateTokenizer::from_bytes(json).map_err(defect)?;
        tokenizer.with_truncation(None).map_err(defect)?;
        tokenizer.with_padding(None);
        add_missing(&mut tokenizer, missing)?;
        refuse_empty_tokens(&tokenizer)?;
        let affixes = affixes(&tokenizer)?;
        // A post-processor may trim offsets; without special tokens it changes no id.
        tokenizer.with_post_processor(None::<tokenizers::PostProcessorWrapper>);
        let reference = Self {
            tokenizer: Arc::new(tokenizer),
            splitters: None,
        };
        Ok((reference, affixes))
    }

    fn part(&self, input: &Input<'_>, start: u32, end: u32, out: &mut Collected) -> Result<()> {
        let text = &input.text[start as usize..end as usize];
        if text.is_empty() {
            return Ok(());
        }
        let base = start;
        let with_offsets = !input.marks.is_empty();
        let encoded = match &self.splitters {
            Some(splitters) if !input.content.is_empty() => {
                let content = Content {
                    ranges: input.content,
                    base: base as usize,
                };
                self.encode_content(text, splitters, &content)
            }
            _ if with_offsets => self.tokenizer.encode(text, false),
            _ => self.tokenizer.encode_fast(text, false),
        }
        .map_err(defect)?;
        out.ids.extend_from_slice(encoded.get_ids());
        if with_offsets {
            let offsets = encoded.get_offsets().iter();
            out.offsets
                .extend(offsets.map(|(start, end)| (base + *start as u32, base + *end as u32)));
        }
        Ok(())
    }

    /// The steps of the library's `encode`, with our own search for added tokens.
    fn encode_content(
        &self,
        text: &str,
        splitters: &Splitters,
        content: &Content<'_>,
    ) -> tokenizers::Result<tokenizers::Encoding> {
        let mut pieces = PreTokenizedString::from(text);
        pieces.split(|_, piece| {
            let overlaps = |start, end| content.overlaps(start, end);
            Ok(sliced(piece, splitters.plain.as_ref(), overlaps))
        })?;
        pieces.split(|_, mut piece| {
            if let Some(normalizer) = self.tokenizer.get_normalizer() {
                normalizer.normalize(&mut piece)?;
            }
            let base = piece.offsets_original().0;
            let place = piece.clone();
            let overlaps = |start, end| {
                let original = place.convert_offsets(Range::Normalized(start..end));
                original.is_some_and(|o| content.overlaps(base + o.start, base + o.end))
            };
            Ok(sliced(piece, splitters.normalized.as_ref(), overlaps))
        })?;
        if let Some(pre_tokenizer) = self.tokenizer.get_pre_tokenizer() {
            pre_tokenizer.pre_tokenize(&mut pieces)?;
        }
        pieces.tokenize(|piece| self.tokenizer.get_model().tokenize(piece.get()))?;
        pieces.into_encoding(None, 0, OffsetType::Byte)
    }
}

/// Refuses an added token of which the normalizer leaves nothing. A search for it would never end,
/// as in tokenizers 0.23.3.
fn refuse_empty_tokens(tokenizer: &CrateTokenizer) -> Result<()> {
    let Some(normalizer) = tokenizer.get_normalizer() else {
        return Ok(());
    };
    let tokens = tokenizer.get_added_tokens_decoder();
    for token in tokens.values().filter(|token| token.normalized) {
        let mut text = NormalizedString::from(&*token.content);
        normalizer.normalize(&mut text).map_err(defect)?;
        if text.is_empty() {
            let content = &token.content;
            let what = format!("the normalizer leaves nothing of the added token {content:?}");
            let hint = "set \"normalized\": false for it in tokenizer.json, or remove it";
            return Err(Error::new(ErrorKind::Tokenizer, "empty-token", what).hint(hint));
        }
    }
    Ok(())
}

/// The parts of a piece; added tokens come with their token.
fn sliced(
    piece: NormalizedString,
    splitter: Option<&AddedSplitter>,
    in_content: impl Fn(usize, usize) -> bool,
) -> Vec<(NormalizedString, Option<Vec<Token>>)> {
    let Some(splitter) = splitter else {
        return vec![(piece, None)];
    };
    let mut parts = Vec::new();
    let split = splitter.split(piece.get(), in_content, |part| {
        if let Some(slice) = piece.slice(Range::Normalized(part.start..part.end)) {
            let token = part.id.map(|id| {
                let value = slice.get().to_owned();
                let length = value.len();
                vec![Token::new(id, value, (0, length))]
            });
            parts.push((slice, token));
        }
        Ok::<(), Infallible>(())
    });
    match split {
        Ok(()) if parts.is_empty() => vec![(piece, None)],
        Ok(()) => parts,
        Err(never) => match never {},
    }
}

/// Adds all in one call: each call builds the library's search again.
fn add_missing(tokenizer: &mut CrateTokenizer, missing: &[AddedToken]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let tokens = missing.iter().map(|token| {
        CrateToken::from(token.content.clone(), token.special)
            .single_word(token.single_word)
            .lstrip(token.lstrip)
            .rstrip(token.rstrip)
            .normalized(token.normalized)
    });
    tokenizer.add_tokens(tokens).map_err(defect)?;
    Ok(())
}

fn own(id: u32, token: CrateToken) -> AddedToken {
    AddedToken {
        id,
        content: token.content,
        single_word: token.single_word,
        lstrip: token.lstrip,
        rstrip: token.rstrip,
        normalized: token.normalized,
        special: token.special,
    }
}

/// Ids before and after a text, found by encoding one with and without special tokens.
fn affixes(tokenizer: &CrateTokenizer) -> Result<Affixes> {
    let plain = tokenizer.encode_fast("a", false).map_err(defect)?;
    let framed = tokenizer.encode_fast("a", true).map_err(defect)?;
    let (plain, framed) = (plain.get_ids(), framed.get_ids());
    let at = framed
        .windows(plain.len().max(1))
        .position(|window| window == plain);
    Ok(match at {
        Some(at) => Affixes {
            prefix: framed[..at].to_vec(),
            suffix: framed[at + plain.len()..].to_vec(),
        },
        None => Affixes::default(),
    })
}

/// Ids and byte offsets while the parts of a text are collected.
#[derive(Default)]
struct Collected {
    ids: Vec<u32>,
    offsets: Vec<(u32, u32)>,
}

impl Backend for Reference {
    fn scratch(&self) -> Box<dyn Any + Send> {
        Box::new(Collected::default())
    }

    fn with_structural(&self, ids: &[u32]) -> Result<Arc<dyn Backend>> {
        let mut plain = Vec::new();
        let mut normalized = Vec::new();
        for (id, token) in self.tokenizer.get_added_tokens_decoder() {
            let mut text = token.content.clone();
            if token.normalized
                && let Some(normalizer) = self.tokenizer.get_normalizer()
            {
                let mut changed = NormalizedString::from(&text[..]);
                normalizer.normalize(&mut changed).map_err(defect)?;
                changed.get().clone_into(&mut text);
            }
            let group = if token.normalized {
                &mut normalized
            } else {
                &mut plain
            };
            group.push((own(id, token), text));
        }
        let splitter = |tokens: &[(AddedToken, String)]| {
            let pairs = tokens.iter().map(|(token, text)| (token, text.clone()));
            AddedSplitter::new(pairs, |id| ids.contains(&id))
        };
        Ok(Arc::new(Self {
            splitters: Some(Arc::new(Splitters {
                plain: splitter(&plain),
                normalized: splitter(&normalized),
            })),
            tokenizer: Arc::clone(&self.tokenizer),
        }))
    }

    fn encode(
        &self,
        scratch: &mut dyn Any,
        input: &Input<'_>,
        encoding: &mut Encoding,
    ) -> Result<()> {
        let mut own = Collected::default();
        let parts = scratch.downcast_mut::<Collected>().unwrap_or(&mut own);
        parts.ids.clear();
        parts.offsets.clear();
        let mut start = 0;
        for cut in input.cuts {
            self.part(input, start, *cut, parts)?;
            start = *cut;
        }
        self.part(input, start, input.text.len() as u32, parts)?;
        encoding.ids.clear();
        encoding.ids.extend_from_slice(&parts.ids);
        find_marks(&parts.offsets, input.marks, &mut encoding.marks);
        Ok(())
    }

    fn encode_with_ranges(
        &self,
        _: &mut dyn Any,
        text: &str,
        ids: &mut Vec<u32>,
        ranges: &mut Vec<(u32, u32)>,
    ) -> Result<()> {
        let encoded = self.tokenizer.encode(text, false).map_err(defect)?;
        ids.clear();
        ids.extend_from_slice(encoded.get_ids());
        ranges.clear();
        let offsets = encoded.get_offsets().iter();
        ranges.extend(offsets.map(|(start, end)| (*start as u32, *end as u32)));
        Ok(())
    }
}

/// Token positions of sorted byte offsets.
fn find_marks(offsets: &[(u32, u32)], marks: &[u32], out: &mut Vec<Mark>) {
    out.clear();
    let mut token = 0;
    for mark in marks {
        while token < offsets.len() && offsets[token].1 <= *mark {
            token += 1;
        }
        out.push(Mark {
            token: token as u32,
            straddles: token < offsets.len() && offsets[token].0 < *mark,
        });
    }
}
