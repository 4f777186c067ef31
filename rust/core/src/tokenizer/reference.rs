//! The reference backend: Hugging Face's `tokenizers` crate.

use std::any::Any;
use std::sync::Arc;

use tokenizers::tokenizer::normalizer::Range;
use tokenizers::tokenizer::{
    AddedToken as CrateToken, Model, NormalizedString, Normalizer, OffsetType, PreTokenizedString,
    PreTokenizer, Token, Tokenizer as CrateTokenizer,
};

use super::structural::Matcher;
use super::{AddedToken, Backend, Encoding, Input, Mark};
use crate::{Error, ErrorKind, Result};

/// A tokenizer of the `tokenizers` crate with truncation, padding and post-processing off.
#[derive(Clone)]
pub struct Reference {
    tokenizer: Arc<CrateTokenizer>,
    /// Added tokens looked for in the text and in the normalized text, once the structural ones
    /// are known.
    matchers: Option<Arc<(Matcher, Matcher)>>,
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
}

impl Reference {
    /// Reads `tokenizer.json` and adds `missing` tokens. Returns the ids that the post-processor
    /// puts before and after a text as well.
    pub fn load(json: &[u8], missing: &[AddedToken]) -> Result<(Self, Vec<u32>, Vec<u32>)> {
        let mut tokenizer = CrateTokenizer::from_bytes(json).map_err(defect)?;
        tokenizer.with_truncation(None).map_err(defect)?;
        tokenizer.with_padding(None);
        add_missing(&mut tokenizer, missing)?;
        let (prefix, suffix) = frame(&tokenizer)?;
        // A post-processor may trim offsets; without special tokens it changes no id.
        tokenizer.with_post_processor(None::<tokenizers::PostProcessorWrapper>);
        let reference = Self {
            tokenizer: Arc::new(tokenizer),
            matchers: None,
        };
        Ok((reference, prefix, suffix))
    }

    fn part(&self, input: &Input<'_>, start: u32, end: u32, out: &mut Parts) -> Result<()> {
        let text = &input.text[start as usize..end as usize];
        if text.is_empty() {
            return Ok(());
        }
        let base = start;
        let with_offsets = !input.marks.is_empty();
        let encoded = match &self.matchers {
            Some(matchers) if !input.content.is_empty() => {
                let content = Content {
                    ranges: input.content,
                    base: base as usize,
                };
                self.encode_content(text, matchers, &content)
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

    /// What the library's `encode` does, step by step, with our own search for added tokens.
    fn encode_content(
        &self,
        text: &str,
        matchers: &(Matcher, Matcher),
        content: &Content<'_>,
    ) -> tokenizers::Result<tokenizers::Encoding> {
        let mut pieces = PreTokenizedString::from(text);
        pieces.split(|_, piece| {
            let runs = matchers.0.runs(piece.get(), |s, e| content.overlaps(s, e));
            Ok(sliced(&piece, &runs))
        })?;
        pieces.split(|_, mut piece| {
            if let Some(normalizer) = self.tokenizer.get_normalizer() {
                normalizer.normalize(&mut piece)?;
            }
            let base = piece.offsets_original().0;
            let overlaps = |start, end| {
                let original = piece.convert_offsets(Range::Normalized(start..end));
                original.is_some_and(|o| content.overlaps(base + o.start, base + o.end))
            };
            let runs = matchers.1.runs(piece.get(), overlaps);
            Ok(sliced(&piece, &runs))
        })?;
        if let Some(pre_tokenizer) = self.tokenizer.get_pre_tokenizer() {
            pre_tokenizer.pre_tokenize(&mut pieces)?;
        }
        pieces.tokenize(|piece| self.tokenizer.get_model().tokenize(piece.get()))?;
        pieces.into_encoding(None, 0, OffsetType::Byte)
    }
}

/// The runs of a piece; added tokens come with their token.
fn sliced(
    piece: &NormalizedString,
    runs: &[super::structural::Run],
) -> Vec<(NormalizedString, Option<Vec<Token>>)> {
    if runs.is_empty() {
        return vec![(piece.clone(), None)];
    }
    runs.iter()
        .filter_map(|run| {
            let slice = piece.slice(Range::Normalized(run.start..run.end))?;
            let token = run.id.map(|id| {
                let value = slice.get().to_owned();
                let length = value.len();
                vec![Token::new(id, value, (0, length))]
            });
            Some((slice, token))
        })
        .collect()
}

fn add_missing(tokenizer: &mut CrateTokenizer, missing: &[AddedToken]) -> Result<()> {
    for token in missing {
        let crate_token = CrateToken::from(token.content.clone(), token.special)
            .single_word(token.single_word)
            .lstrip(token.lstrip)
            .rstrip(token.rstrip)
            .normalized(token.normalized);
        tokenizer.add_tokens([crate_token]).map_err(defect)?;
        let id = tokenizer.token_to_id(&token.content);
        if id != Some(token.id) {
            return Err(Error::new(
                ErrorKind::Tokenizer,
                "token-id-conflict",
                format!(
                    "tokenizer_config.json gives {:?} the id {}, but the next free id is {}",
                    token.content,
                    token.id,
                    id.unwrap_or_default()
                ),
            ));
        }
    }
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
fn frame(tokenizer: &CrateTokenizer) -> Result<(Vec<u32>, Vec<u32>)> {
    let plain = tokenizer.encode_fast("a", false).map_err(defect)?;
    let framed = tokenizer.encode_fast("a", true).map_err(defect)?;
    let (plain, framed) = (plain.get_ids(), framed.get_ids());
    let at = framed
        .windows(plain.len().max(1))
        .position(|window| window == plain);
    Ok(match at {
        Some(at) => (framed[..at].to_vec(), framed[at + plain.len()..].to_vec()),
        None => (Vec::new(), Vec::new()),
    })
}

/// Ids and byte offsets while the parts of a text are collected.
#[derive(Default)]
struct Parts {
    ids: Vec<u32>,
    offsets: Vec<(u32, u32)>,
}

impl Backend for Reference {
    fn scratch(&self) -> Box<dyn Any + Send> {
        Box::new(Parts::default())
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
        let matchers = (Matcher::new(plain, ids), Matcher::new(normalized, ids));
        Ok(Arc::new(Self {
            matchers: Some(Arc::new(matchers)),
            ..self.clone()
        }))
    }

    fn encode(
        &self,
        scratch: &mut dyn Any,
        input: &Input<'_>,
        encoding: &mut Encoding,
    ) -> Result<()> {
        let mut own = Parts::default();
        let parts = scratch.downcast_mut::<Parts>().unwrap_or(&mut own);
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
