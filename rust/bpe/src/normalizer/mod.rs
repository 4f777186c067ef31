//! What is done to a text before it is split: NFC, a space in front, one sign for spaces.
//!
//! SentencePiece tokenizers write spaces as `▁` (U+2581). Here it is the reverse: each `▁` is read as
//! a space, in the vocabulary and in the text.

mod characters;
mod charsmap;
mod codes;
mod forms;
mod nfc;
mod replace;
mod sink;
mod steps;

use serde_json::Value;
use unicode_normalization_alignments::UnicodeNormalization;

pub(crate) use nfc::highest;
use nfc::{is_composed, only_inert};
use steps::Steps;

use crate::Unsupported;

/// The sign for a space.
pub(crate) const MARKER: char = '▁';
const MARKER_BYTES: &[u8] = "▁".as_bytes();

/// Whether a space comes before a text that is not empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Prefix {
    #[default]
    Never,
    /// Before every text.
    Always,
    /// Unless the text starts with one.
    UnlessSpace,
    /// Unless the text starts with one, and only at the start of the whole input.
    FirstUnlessSpace,
}

/// What is done to a text before added tokens are searched in it for the second time.
#[derive(Debug)]
pub(crate) struct Normalizer {
    /// First these,
    steps: Steps,
    /// then this.
    pub(crate) rewrite: Rewrite,
}

impl Normalizer {
    /// Of the stages of the file that `rewrite` does not stand for.
    pub(crate) fn new(stages: &[&Value], rewrite: Rewrite) -> Result<Self, Unsupported> {
        let steps = Steps::new(stages)?;
        Ok(Self { steps, rewrite })
    }

    /// As [`Rewrite::apply`].
    pub(crate) fn apply(&self, text: &str, first: bool, out: &mut String) -> bool {
        if self.steps.is_empty() {
            return self.rewrite.apply(text, first, out);
        }
        if self.steps.keep(text) {
            return self.rewrite.apply(text, first, out);
        }
        let text = self.steps.apply(text);
        if !self.rewrite.apply(&text, first, out) {
            *out = text;
        }
        true
    }

    /// As [`Rewrite::keeps`].
    pub(crate) fn keeps(&self, text: &str, highest: u8) -> bool {
        let kept = self.steps.is_empty() || (highest < 0x80 && self.steps.keep(text));
        kept && self.rewrite.keeps(text, highest)
    }

    /// As [`Rewrite::origins`].
    pub(crate) fn origins(&self, text: &str, first: bool) -> Origins {
        if self.steps.is_empty() {
            return self.rewrite.origins(text, first);
        }
        let steps = self.steps.origins(text);
        let mut origins = self.rewrite.origins(&self.steps.apply(text), first);
        for (start, end) in &mut origins {
            let inside = &steps[*start as usize..*end as usize];
            *start = inside.first().map_or(0, |origin| origin.0);
            *end = inside.last().map_or(*start, |origin| origin.1);
        }
        origins
    }
}

/// Changes to a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rewrite {
    /// Canonical composition, by the tables of the reference.
    pub(crate) nfc: bool,
    pub(crate) prefix: Prefix,
    /// The sign for a space becomes a space.
    pub(crate) marker: bool,
    /// Only words stay, each with a space before it unless it starts with the sign for one.
    pub(crate) words: bool,
}

/// For each byte of a rewritten text, the bytes of the original that it stands for.
pub(crate) type Origins = Vec<(u32, u32)>;

impl Rewrite {
    /// Writes the changed text into `out` and says `true`, or says `false` if nothing changes.
    /// `first`: the text is at the start of the whole input.
    pub(crate) fn apply(self, text: &str, first: bool, out: &mut String) -> bool {
        if self.words {
            out.clear();
            for (_, word) in words(text) {
                out.extend((!word.starts_with(MARKER)).then_some(' '));
                push_unmarked(word, out);
            }
            return true;
        }
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
            push_unmarked(text, out);
        } else {
            out.push_str(text);
        }
        true
    }

    /// `apply` would not change a whole text whose highest byte is `highest`, as far as a glance tells.
    pub(crate) fn keeps(self, text: &str, highest: u8) -> bool {
        if self.words {
            return text.is_empty();
        }
        let bytes = text.as_bytes();
        let composed = || !self.nfc || only_inert(text);
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
    pub(crate) fn origins(self, text: &str, first: bool) -> Origins {
        let mut origins = Origins::with_capacity(text.len() + 1);
        if self.words {
            for (start, word) in words(text) {
                let each = Self {
                    words: false,
                    prefix: Prefix::UnlessSpace,
                    ..self
                };
                let moved = |(from, to)| (start as u32 + from, start as u32 + to);
                origins.extend(each.origins(word, first).into_iter().map(moved));
            }
            return origins;
        }
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

/// Appends a text with spaces for the signs of them.
fn push_unmarked(text: &str, out: &mut String) {
    let mut parts = text.split(MARKER);
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        out.push(' ');
        out.push_str(part);
    }
}

/// What stands between white space, and where.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let start = text.as_ptr() as usize;
    text.split_whitespace()
        .map(move |word| (word.as_ptr() as usize - start, word))
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
    fn the_sign_for_a_space_is_a_space() {
        let rewrite = Rewrite {
            marker: true,
            prefix: Prefix::UnlessSpace,
            ..Rewrite::default()
        };
        let (text, origins) = rewritten(rewrite, "a▁b");
        assert_eq!(text, " a b");
        assert_eq!(origins, [(0, 1), (0, 1), (1, 4), (4, 5)]);
        assert_eq!(rewritten(rewrite, "▁b").0, " b");
        assert_eq!(rewritten(rewrite, "").0, "");
    }
}
