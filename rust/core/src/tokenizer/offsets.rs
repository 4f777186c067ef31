//! Ids with the code points that they stand for, as the `tokenizers` wheel gives them.

use std::any::Any;

use super::Tokenizer;
use crate::Result;

/// GPT-2's character for a space.
const SPACE: char = '\u{120}';

/// Ids of many texts with their offsets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlatOffsets {
    /// Token ids.
    pub ids: Vec<u32>,
    /// The start and end of each id in its text, in code points, one after the other. Ids that a
    /// post-processor adds have 0 and 0.
    pub spans: Vec<i32>,
    /// How many ids there are up to the end of each text; starts with a 0.
    pub offsets: Vec<i64>,
}

impl FlatOffsets {
    /// Appends the ids of whole texts.
    pub(super) fn append(
        &mut self,
        tokenizer: &Tokenizer,
        scratch: &mut dyn Any,
        texts: &[&str],
        add_special_tokens: bool,
    ) -> Result<()> {
        let (mut ids, mut ranges) = (Vec::new(), Vec::new());
        let mut points = CodePoints::default();
        for text in texts {
            let backend = tokenizer.backend();
            backend.encode_with_ranges(scratch, text, &mut ids, &mut ranges)?;
            points.convert(text, &mut ranges);
            if let Some(trimming) = tokenizer.trimming {
                trimming.trim(&ids, &mut ranges, |id| spaces(tokenizer, id));
            }
            if add_special_tokens {
                self.added(tokenizer.prefix());
            }
            self.ids.extend_from_slice(&ids);
            let spans = ranges.iter().flat_map(|&(start, end)| [start, end]);
            self.spans.extend(spans.map(|place| place as i32));
            if add_special_tokens {
                self.added(tokenizer.suffix());
            }
            self.offsets.push(self.ids.len() as i64);
        }
        Ok(())
    }

    fn added(&mut self, ids: &[u32]) {
        self.ids.extend_from_slice(ids);
        self.spans.resize(2 * self.ids.len(), 0);
    }

    /// The parts, which lack the 0 at the start, one after the other.
    pub(super) fn joined(parts: impl Iterator<Item = Self>) -> Self {
        let mut all = Self {
            offsets: vec![0],
            ..Self::default()
        };
        for part in parts {
            let before = all.ids.len() as i64;
            all.ids.extend_from_slice(&part.ids);
            all.spans.extend_from_slice(&part.spans);
            let ends = part.offsets.iter().map(|end| before + end);
            all.offsets.extend(ends);
        }
        all
    }
}

/// Byte ranges of a text → ranges of code points.
#[derive(Default)]
struct CodePoints {
    /// The number of code points that start before each byte.
    before: Vec<u32>,
}

impl CodePoints {
    /// A token that holds a part of a character has all of it.
    fn convert(&mut self, text: &str, ranges: &mut [(u32, u32)]) {
        if text.is_ascii() {
            return;
        }
        let mut count = 0;
        self.before.clear();
        self.before.extend(text.bytes().map(|byte| {
            count += u32::from(!continues(byte));
            count
        }));
        // The character that holds a byte is one of those counted up to it.
        let before = |place: u32| match place {
            0 => 0,
            place => self.before[place as usize - 1],
        };
        let bytes = text.as_bytes();
        for (start, end) in ranges {
            let inside = bytes
                .get(*start as usize)
                .is_some_and(|&byte| continues(byte));
            (*start, *end) = (before(*start) - u32::from(inside), before(*end));
        }
    }
}

/// A byte inside a character, after its first.
fn continues(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// How many characters at the start and the end of a token are spaces, as it is spelt.
fn spaces(tokenizer: &Tokenizer, id: u32) -> (u32, u32) {
    let bytes = tokenizer.id_to_bytes(id);
    if tokenizer.added_token(id).is_some() {
        let text = String::from_utf8_lossy(bytes);
        let is_space = |c: &char| *c == SPACE || c.is_whitespace();
        let count = |n: usize| n as u32;
        return (
            count(text.chars().take_while(is_space).count()),
            count(text.chars().rev().take_while(is_space).count()),
        );
    }
    let is_space = |byte: &&u8| **byte == b' ';
    let leading = bytes.iter().take_while(is_space).count() as u32;
    (
        leading,
        bytes.iter().rev().take_while(is_space).count() as u32,
    )
}
