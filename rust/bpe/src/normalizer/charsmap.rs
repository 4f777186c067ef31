//! `Precompiled`: the rules of a SentencePiece model, as the reference applies them.
//!
//! A grapheme of fewer than six bytes becomes what the map has for the shortest of its beginnings,
//! and nothing is left of the rest of it; of other graphemes each character is looked up alone.

use tokenizers::normalizers::Precompiled;
use unicode_segmentation::UnicodeSegmentation;

use super::codes::Codes;
use super::sink::Sink;

/// The character may belong to a grapheme with others.
const JOINS: u32 = 1 << 31;
/// Other than one character stands for it.
const OTHER: u32 = 1 << 30;
/// Graphemes of more bytes are looked up character by character.
const MAX_BYTES: usize = 5;

/// The rules.
#[derive(Debug)]
pub(super) struct Charsmap {
    map: Precompiled,
    /// What stands for each character, where that is one character, or a flag.
    codes: Codes,
}

impl Charsmap {
    pub(super) fn new(map: Precompiled) -> Self {
        Self {
            map,
            codes: Codes::new(),
        }
    }

    /// Two neighbours that do not join stand in graphemes of their own. What lies between two such
    /// places is looked at as a whole, if it is more than a character.
    pub(super) fn run(&self, text: &str, sink: &mut impl Sink) {
        let mut kept = 0;
        while let Some((found, code)) = self.changing(text, kept) {
            let before = text[kept..found].char_indices().next_back();
            let start = match before {
                Some((at, _)) if code == JOINS => kept + at,
                _ => found,
            };
            let (end, alone) = self.group(text, found);
            sink.keep(&text[kept..start]);
            match char::from_u32(code) {
                Some(c) if alone => sink.push(c, 0),
                _ => self.graphemes(&text[start..end], sink),
            }
            kept = end;
        }
        sink.keep(&text[kept..]);
    }

    /// The first character from `start` on that does not stay as it is, and its code.
    fn changing(&self, text: &str, start: usize) -> Option<(usize, u32)> {
        let chars = text[start..].char_indices();
        let mut codes = chars.map(|(at, c)| (start + at, c, self.code(c)));
        let found = codes.find(|&(_, c, code)| code != c as u32);
        found.map(|(at, _, code)| (at, code))
    }

    /// Where the first two neighbours from `start` on meet that do not join; and whether that is
    /// after one character.
    fn group(&self, text: &str, start: usize) -> (usize, bool) {
        let (mut joins_last, mut count) = (true, 0);
        for (at, c) in text[start..].char_indices() {
            let joins = self.code(c) == JOINS;
            if count > 0 && !joins && !joins_last {
                return (start + at, count == 1);
            }
            joins_last = joins;
            count += 1;
        }
        (text.len(), count == 1)
    }

    fn code(&self, c: char) -> u32 {
        self.codes.get(c, |c| {
            let mut bytes = [0; 4];
            let text = &*c.encode_utf8(&mut bytes);
            let becomes = self.map.transform(text).unwrap_or(text);
            let mut chars = becomes.chars();
            match (chars.next(), chars.next()) {
                _ if joins(c) => JOINS,
                (Some(c), None) => c as u32,
                _ => OTHER,
            }
        })
    }

    fn graphemes(&self, text: &str, sink: &mut impl Sink) {
        for grapheme in text.graphemes(true) {
            let whole = Some(grapheme).filter(|grapheme| grapheme.len() <= MAX_BYTES);
            if let Some(becomes) = whole.and_then(|whole| self.map.transform(whole)) {
                replace(grapheme.chars().count(), becomes, sink);
                continue;
            }
            for c in grapheme.chars() {
                match self.map.transform(c.encode_utf8(&mut [0; 4])) {
                    Some(becomes) => replace(1, becomes, sink),
                    None => sink.push(c, 0),
                }
            }
        }
    }
}

/// Of new characters that are more than those before, the last are put in; of fewer, the last one
/// takes the place of what is over, even if it stands before the new ones.
fn replace(before: usize, new: &str, sink: &mut impl Sink) {
    let count = new.chars().count();
    for (number, c) in new.chars().enumerate() {
        sink.push(c, isize::from(number >= before));
    }
    sink.lower_change(before.saturating_sub(count) as isize);
}

/// The character may stand in a grapheme with one before or after it. A line feed does so only with
/// the carriage return before it.
fn joins(c: char) -> bool {
    let one = |text: String| text.graphemes(true).count() == 1;
    c == '\r'
        // Marks; what goes before a letter; parts of a syllable of Hangul; halves of a flag.
        || one(format!("a{c}"))
        || one(format!("{c}a"))
        || one(format!("\u{ac00}{c}"))
        || one(format!("{c}\u{1100}"))
        || one(format!("\u{1f1e9}{c}"))
}
