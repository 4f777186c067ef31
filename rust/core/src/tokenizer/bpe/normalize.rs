//! What is done to a text before it is split: NFC, a space in front, one sign for spaces.
//!
//! Tokenizers of the SentencePiece kind write spaces as `▁` (U+2581). Here it is the other way
//! round: the vocabulary is read with a space for each `▁`, and so is the text.

use std::ops::RangeInclusive;
use std::sync::OnceLock;
use unicode_normalization_alignments::char::canonical_combining_class;
use unicode_normalization_alignments::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::simd::{Processor, Task, Vectors};

/// The sign for a space.
pub(super) const MARKER: char = '▁';
const MARKER_BYTES: &[u8] = "▁".as_bytes();

/// Whether a space comes before a text that is not empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Prefix {
    #[default]
    Never,
    /// Before every text.
    Always,
    /// Unless the text starts with one.
    UnlessSpace,
    /// Unless the text starts with one, and only at the start of the whole input.
    FirstUnlessSpace,
}

/// Changes to a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rewrite {
    /// Canonical composition, by the tables of the reference.
    pub(super) nfc: bool,
    pub(super) prefix: Prefix,
    /// The sign for a space becomes a space.
    pub(super) marker: bool,
}

/// For each byte of a rewritten text, the bytes of the original that it stands for.
pub(super) type Origins = Vec<(u32, u32)>;

impl Rewrite {
    /// Writes the changed text into `out` and says `true`, or says `false` if nothing changes.
    /// `first`: the text is at the start of the whole input.
    pub(super) fn apply(self, text: &str, first: bool, out: &mut String) -> bool {
        let prefix = self.prefixes(text, first);
        let compose = self.nfc && !is_composed(text);
        let unmark = self.marker && memchr::memmem::find(text.as_bytes(), MARKER_BYTES).is_some();
        if !prefix && !compose && !unmark {
            return false;
        }
        out.clear();
        if prefix {
            out.push(' ');
        }
        if compose {
            out.extend(text.nfc().map(|(c, _)| c));
        } else if unmark {
            out.extend(text.chars().map(|c| if c == MARKER { ' ' } else { c }));
        } else {
            out.push_str(text);
        }
        true
    }

    /// `apply` would not change a whole text whose highest byte is `highest`, as far as a glance tells.
    pub(super) fn keeps(self, text: &str, highest: u8) -> bool {
        let bytes = text.as_bytes();
        let composed = || !self.nfc || Processor::here().run(OnlyInert(bytes));
        let unmarked = || !self.marker || memchr::memmem::find(bytes, MARKER_BYTES).is_none();
        // Two-byte characters below U+0300 never change.
        !self.prefixes(text, true) && (highest < 0xCC || composed() && unmarked())
    }

    fn prefixes(self, text: &str, first: bool) -> bool {
        let spaced = || text.starts_with(' ') || (self.marker && text.starts_with(MARKER));
        match self.prefix {
            _ if text.is_empty() => false,
            Prefix::Never => false,
            Prefix::Always => true,
            Prefix::UnlessSpace => !spaced(),
            Prefix::FirstUnlessSpace => first && !spaced(),
        }
    }

    /// The origins of what `apply` gives, as Hugging Face aligns them.
    pub(super) fn origins(self, text: &str, first: bool) -> Origins {
        let mut origins = Origins::with_capacity(text.len() + 1);
        if self.prefixes(text, first) {
            // A model that writes the first character writes the space before it.
            let length = text.chars().next().map_or(0, char::len_utf8);
            origins.push((0, length as u32));
        }
        let mut chars = text
            .char_indices()
            .map(|(at, c)| (at as u32, (at + c.len_utf8()) as u32));
        if !self.nfc {
            for c in text.chars() {
                let length = if self.marker && c == MARKER {
                    1
                } else {
                    c.len_utf8()
                };
                origins.extend(std::iter::repeat_n(
                    chars.next().unwrap_or_default(),
                    length,
                ));
            }
            return origins;
        }
        let mut last = (0, 0);
        for (c, change) in text.nfc() {
            if change <= 0 {
                last = chars.next().unwrap_or_default();
            }
            origins.extend(std::iter::repeat_n(last, c.len_utf8()));
            for _ in change..0 {
                // An inserted character is aligned with the last one taken, removed ones included.
                let removed = chars.next().unwrap_or_default();
                if change < 0 {
                    last = removed;
                }
            }
        }
        origins
    }
}

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
fn is_composed(text: &str) -> bool {
    // Two-byte characters below U+0300 never change.
    highest(text) < 0xCC
        || Processor::here().run(OnlyInert(text.as_bytes()))
        || !text.chars().any(suspect)
        || is_nfc_quick(text.chars()) == IsNormalized::Yes
}

/// The highest byte of a text.
pub(super) fn highest(text: &str) -> u8 {
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
struct OnlyInert<'a>(&'a [u8]);

impl Task for OnlyInert<'_> {
    type Output = bool;

    #[inline(always)]
    fn run(self, _: impl Vectors) -> bool {
        only_inert(self.0)
    }
}

/// For the signs the second and third byte must be looked at. Vector instructions do it without
/// branches.
#[inline(always)]
fn only_inert(bytes: &[u8]) -> bool {
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
    use super::*;

    fn rewritten(rewrite: Rewrite, text: &str) -> (String, Origins) {
        let mut out = String::new();
        if !rewrite.apply(text, true, &mut out) {
            text.clone_into(&mut out);
        }
        let origins = rewrite.origins(text, true);
        assert_eq!(origins.len(), out.len());
        (out, origins)
    }

    #[test]
    fn composition_keeps_where_things_come_from() {
        let nfc = Rewrite {
            nfc: true,
            ..Rewrite::default()
        };
        let (text, origins) = rewritten(nfc, "ae\u{301}b");
        assert_eq!(text, "a\u{e9}b");
        assert_eq!(origins, [(0, 1), (1, 2), (1, 2), (4, 5)]);
        assert_eq!(rewritten(nfc, "\u{2126}").0, "\u{3a9}");
        assert_eq!(rewritten(nfc, "a\u{301}\u{323}").0, "\u{1ea1}\u{301}");
    }

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
                assert!(!only_inert(text.as_bytes()) || !may_change(c), "{c:?}");
            }
        }
        assert!(only_inert("“你好”，世界……（a — b）！".as_bytes()));
        for text in ["", "é", "中é", "。"] {
            assert!(only_inert(text.as_bytes()), "{text}");
        }
        for text in ["e\u{301}", "a\u{2000}", "中\u{302A}", "\u{FB1D}"] {
            assert!(!only_inert(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn the_sign_for_a_space_is_a_space() {
        let rewrite = Rewrite {
            marker: true,
            prefix: Prefix::UnlessSpace,
            nfc: false,
        };
        let (text, origins) = rewritten(rewrite, "a▁b");
        assert_eq!(text, " a b");
        assert_eq!(origins, [(0, 1), (0, 1), (1, 4), (4, 5)]);
        assert_eq!(rewritten(rewrite, "▁b").0, " b");
        assert_eq!(rewritten(rewrite, "").0, "");
    }
}
