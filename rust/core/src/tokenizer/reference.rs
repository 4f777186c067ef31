//! The reference backend: Hugging Face's `tokenizers` crate.

use std::any::Any;

use tokenizers::tokenizer::{AddedToken as CrateToken, Tokenizer as CrateTokenizer};

use super::{AddedToken, Backend, Encoding, Input, Mark};
use crate::{Error, ErrorKind, Result};

/// A tokenizer of the `tokenizers` crate with truncation, padding and post-processing off.
pub struct Reference {
    tokenizer: CrateTokenizer,
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
        Ok((Self { tokenizer }, prefix, suffix))
    }

    fn part(&self, text: &str, base: u32, with_offsets: bool, out: &mut Parts) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let encoded = if with_offsets {
            self.tokenizer.encode(text, false)
        } else {
            self.tokenizer.encode_fast(text, false)
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
        let with_offsets = !input.marks.is_empty();
        let mut start = 0;
        for cut in input.cuts {
            let text = &input.text[start as usize..*cut as usize];
            self.part(text, start, with_offsets, parts)?;
            start = *cut;
        }
        self.part(&input.text[start as usize..], start, with_offsets, parts)?;
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
