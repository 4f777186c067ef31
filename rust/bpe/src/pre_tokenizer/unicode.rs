//! Classes of code points, as the regular expressions of the split patterns see them.

use regex_syntax::hir::{Class, HirKind};
use rustc_hash::FxHashMap;
use std::sync::LazyLock;

/// Uppercase and titlecase letters.
pub(crate) const UPPER: u16 = 1;
/// Lowercase letters.
pub(crate) const LOWER: u16 = 1 << 1;
/// Modifier and other letters.
pub(crate) const OTHER: u16 = 1 << 2;
/// `\p{M}`.
pub(crate) const MARK: u16 = 1 << 3;
/// `\p{N}`.
pub(crate) const NUMBER: u16 = 1 << 4;
/// `\s`.
pub(crate) const SPACE: u16 = 1 << 5;
/// `\p{P}`.
pub(crate) const PUNCTUATION: u16 = 1 << 6;
/// `\p{S}`.
pub(crate) const SYMBOL: u16 = 1 << 7;
/// `\p{Han}`.
pub(crate) const HAN: u16 = 1 << 8;
/// `[\r\n]`.
pub(crate) const NEWLINE: u16 = 1 << 9;
/// The range that DeepSeek's second split isolates.
pub(crate) const IDEOGRAPH_OR_KANA: u16 = 1 << 10;
/// `\w`.
pub(crate) const WORD: u16 = 1 << 11;
/// `\p{L}`.
pub(crate) const LETTER: u16 = UPPER | LOWER | OTHER;

const PATTERNS: [(u16, &str); 12] = [
    (UPPER, r"[\p{Lu}\p{Lt}]"),
    (LOWER, r"\p{Ll}"),
    (OTHER, r"[\p{Lm}\p{Lo}]"),
    (MARK, r"\p{M}"),
    (NUMBER, r"\p{N}"),
    (SPACE, r"\s"),
    (PUNCTUATION, r"\p{P}"),
    (SYMBOL, r"\p{S}"),
    (HAN, r"\p{Han}"),
    (NEWLINE, r"[\r\n]"),
    (WORD, r"\w"),
    (
        IDEOGRAPH_OR_KANA,
        r"[\u{4e00}-\u{9fa5}\u{3040}-\u{309f}\u{30a0}-\u{30ff}]",
    ),
];

const BLOCK: usize = 256;

/// Class bits of every code point, in two levels.
pub(crate) struct Classes {
    blocks: Vec<u16>,
    bits: Vec<[u16; BLOCK]>,
}

/// The one table. Its Unicode version is regex-syntax's, which is that of the reference.
pub(crate) static CLASSES: LazyLock<Classes> = LazyLock::new(Classes::build);

impl Classes {
    fn build() -> Self {
        let mut flat = vec![0_u16; 0x11_0000];
        for (bit, pattern) in PATTERNS {
            for (first, last) in ranges(pattern) {
                for bits in &mut flat[first as usize..=last as usize] {
                    *bits |= bit;
                }
            }
        }
        let (chunks, _) = flat.as_chunks::<BLOCK>();
        let mut bits: Vec<[u16; BLOCK]> = Vec::new();
        let mut known = FxHashMap::default();
        let blocks = chunks
            .iter()
            .map(|chunk| {
                *known.entry(chunk).or_insert_with(|| {
                    bits.push(*chunk);
                    bits.len() as u16 - 1
                })
            })
            .collect();
        Self { blocks, bits }
    }

    /// The class bits of a code point.
    #[inline]
    pub(crate) fn of(&self, code: u32) -> u16 {
        let block = self.blocks[code as usize / BLOCK];
        self.bits[block as usize][code as usize % BLOCK]
    }
}

fn ranges(pattern: &str) -> Vec<(u32, u32)> {
    let Ok(hir) = regex_syntax::Parser::new().parse(pattern) else {
        return Vec::new();
    };
    match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => class
            .ranges()
            .iter()
            .map(|r| (r.start() as u32, r.end() as u32))
            .collect(),
        _ => Vec::new(),
    }
}

/// The code point that starts at `at` and its length in bytes. `text` is UTF-8 and `at` a boundary.
#[inline]
pub(crate) fn decode(text: &[u8], at: usize) -> (u32, usize) {
    let tail = |byte: u8| u32::from(byte & 0x3F);
    match text[at..] {
        [lead @ 0..0x80, ..] => (u32::from(lead), 1),
        [lead @ 0xE0..0xF0, b, c, ..] => (u32::from(lead & 0x0F) << 12 | tail(b) << 6 | tail(c), 3),
        [lead @ 0xC0..0xE0, b, ..] => (u32::from(lead & 0x1F) << 6 | tail(b), 2),
        [lead, b, c, d, ..] => {
            let code = u32::from(lead & 0x07) << 18 | tail(b) << 12 | tail(c) << 6 | tail(d);
            (code, 4)
        }
        _ => (0, 1),
    }
}

/// The end of a run of the ideographs U+4E00 to U+9FFF, which are letters, seen by their bytes.
#[inline]
pub(crate) fn ideographs(text: &[u8], mut at: usize) -> usize {
    while let Some([lead, second, _, ..]) = text.get(at..) {
        match (lead, second) {
            (0xE5..=0xE9, _) | (0xE4, 0xB8..) => {}
            _ => break,
        }
        at += 3;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ideographs_are_letters() {
        for c in '\u{80}'..=char::MAX {
            let found = ideographs(c.to_string().as_bytes(), 0) > 0;
            assert_eq!(found, ('\u{4E00}'..='\u{9FFF}').contains(&c));
            assert!(!found || CLASSES.of(c as u32) & OTHER != 0, "{c:?}");
        }
    }

    #[test]
    fn classes_of_some_code_points() {
        for (c, bits) in [
            ('a', LOWER | WORD),
            ('A', UPPER | WORD),
            ('中', OTHER | HAN | IDEOGRAPH_OR_KANA | WORD),
            ('\u{300}', MARK | WORD),
            ('½', NUMBER),
            ('\n', SPACE | NEWLINE),
            ('\u{3000}', SPACE),
            ('$', SYMBOL),
            ('・', PUNCTUATION | IDEOGRAPH_OR_KANA),
        ] {
            assert_eq!(CLASSES.of(c as u32), bits, "{c:?}");
        }
    }

    #[test]
    fn decoding_is_chars() {
        let text = "aé中😀\u{10FFFF}";
        let mut at = 0;
        for c in text.chars() {
            assert_eq!(decode(text.as_bytes(), at), (c as u32, c.len_utf8()));
            at += c.len_utf8();
        }
    }
}
