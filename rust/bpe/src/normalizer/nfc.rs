//! Checks quickly whether a text is in NFC already, as most texts are.

use std::ops::RangeInclusive;
use std::sync::OnceLock;

use unicode_normalization_alignments::char::canonical_combining_class;
use unicode_normalization_alignments::{IsNormalized, is_nfc_quick};

use crate::simd::{Processor, Task, Vectors};

/// Where code points are that may take part in a change by NFC. Looking at all of them would take
/// longer than encoding a megabyte of text.
const CHANGING: [RangeInclusive<char>; 5] = [
    '\u{300}'..='\u{33FF}',
    '\u{A000}'..='\u{ABFF}',
    '\u{D7A4}'..='\u{1FFFF}',
    '\u{2F800}'..='\u{2FA1F}',
    '\u{E0000}'..='\u{E01FF}',
];

/// Code points of a block of [`CHANGING_CODES`].
const BLOCK: usize = 1 << 10;

/// Code points that may take part in a change by NFC, one bit each; a block is made when a text has
/// a character of it.
static CHANGING_CODES: [OnceLock<[u64; BLOCK / 64]>; 0x11_0000 / BLOCK] =
    [const { OnceLock::new() }; 0x11_0000 / BLOCK];

/// As `may_change`, remembered.
fn suspect(c: char) -> bool {
    let code = c as usize;
    let block = CHANGING_CODES[code / BLOCK].get_or_init(|| {
        let mut bits = [0; BLOCK / 64];
        let first = (code / BLOCK * BLOCK) as u32;
        for c in (first..).take(BLOCK).filter_map(char::from_u32) {
            let inside = CHANGING.iter().any(|range| range.contains(&c));
            let place = c as usize % BLOCK;
            bits[place / 64] |= u64::from(inside && may_change(c)) << (place % 64);
        }
        bits
    });
    let place = code % BLOCK;
    block[place / 64] >> (place % 64) & 1 != 0
}

/// NFC may change the character, or another one beside it.
fn may_change(c: char) -> bool {
    canonical_combining_class(c) != 0 || is_nfc_quick(std::iter::once(c)) != IsNormalized::Yes
}

/// The text is its own NFC, as far as a look at each character tells.
pub(super) fn is_composed(text: &str) -> bool {
    // Two-byte characters below U+0300 never change.
    highest(text) < 0xCC
        || only_inert(text)
        || !text.chars().any(suspect)
        || is_nfc_quick(text.chars()) == IsNormalized::Yes
}

/// The highest byte of a text.
pub(crate) fn highest(text: &str) -> u8 {
    Processor::here().run(Highest(text.as_bytes()))
}

/// What [`highest`] does, for one set of instructions.
struct Highest<'a>(&'a [u8]);

impl Task for Highest<'_> {
    type Output = u8;

    #[inline(always)]
    fn run(self, _: impl Vectors) -> u8 {
        self.0.iter().fold(0, |highest, &byte| highest.max(byte))
    }
}

/// A text has only characters that never change: those of two bytes below U+0300, the ideographs of
/// the leads 0xE4 to 0xE9, and the signs of everyday Chinese and English.
pub(super) fn only_inert(text: &str) -> bool {
    Processor::here().run(OnlyInert(text.as_bytes()))
}

/// What [`only_inert`] does, for one set of instructions.
struct OnlyInert<'a>(&'a [u8]);

impl Task for OnlyInert<'_> {
    type Output = bool;

    #[inline(always)]
    fn run(self, _: impl Vectors) -> bool {
        inert(self.0)
    }
}

/// For the signs the second and third byte must be looked at. Vector instructions do it without
/// branches.
#[inline(always)]
fn inert(bytes: &[u8]) -> bool {
    let seconds = bytes.get(1..).unwrap_or_default();
    let thirds = bytes.get(2..).unwrap_or_default();
    // A lead of three bytes is never among the last two.
    let whole = bytes.iter().zip(seconds).zip(thirds);
    let mut last = bytes.iter().rev().take(2);
    let most = whole.fold(true, |all, ((&first, &second), &third)| {
        let inert = first < 0xCC || (0xE4..0xEA).contains(&first);
        let dash_or_quote = first == 0xE2 && second == 0x80 && third >= 0x82;
        let ideographic = first == 0xE3 && second == 0x80 && third < 0xAA;
        let full_width = first == 0xEF && second >= 0xBC;
        let passed = inert || dash_or_quote || ideographic || full_width;
        all & passed
    });
    most && last.all(|&byte| byte < 0xCC)
}

#[cfg(test)]
mod tests {
    use unicode_normalization_alignments::UnicodeNormalization;

    use super::*;

    #[test]
    fn no_code_point_changes_outside_the_ranges() {
        let inside = |c| CHANGING.iter().any(|range| range.contains(&c));
        for c in '\u{300}'..=char::MAX {
            assert!(inside(c) || !may_change(c), "{c:?}");
        }
    }

    #[test]
    fn every_code_point_that_nfc_changes_is_seen() {
        for c in '\u{80}'..=char::MAX {
            let text = c.to_string();
            let composed: String = text.nfc().map(|(c, _)| c).collect();
            assert!(composed == text || !is_composed(&text), "{c:?}");
        }
    }

    #[test]
    fn what_is_passed_over_never_changes() {
        for c in '\0'..=char::MAX {
            for text in [c.to_string(), format!("{c}。"), format!("中{c}”")] {
                assert!(!only_inert(&text) || !may_change(c), "{c:?}");
            }
        }
        assert!(only_inert("“你好”，世界……（a — b）！"));
        for text in ["", "é", "中é", "。"] {
            assert!(only_inert(text), "{text}");
        }
        for text in ["e\u{301}", "a\u{2000}", "中\u{302A}", "\u{FB1D}"] {
            assert!(!only_inert(text), "{text}");
        }
    }
}
