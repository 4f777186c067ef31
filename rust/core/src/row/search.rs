//! One pass over a text for many short texts.
//!
//! Most texts hold none of them, so all that counts is how fast a text is passed that has none. The
//! pass looks for the first two bytes of each, which a vectorised search finds in one go, and
//! compares the whole texts only there.

use aho_corasick::packed::{self, MatchKind};
use aho_corasick::{AhoCorasick, Input, Span};

use crate::{Error, ErrorKind, Result};

/// The texts that are sought, with what each stands for.
#[derive(Debug)]
pub(super) struct Search<T> {
    sought: Vec<(&'static [u8], T)>,
    starts: Starts,
}

/// Where one of the texts may start.
#[derive(Debug)]
enum Starts {
    /// By vector instructions.
    Packed(packed::Searcher),
    /// On processors without them, or for more beginnings than they take.
    Plain(AhoCorasick),
}

impl<T: Copy> Search<T> {
    /// A search for texts that are not empty.
    pub(super) fn new(sought: Vec<(&'static str, T)>) -> Result<Self> {
        const START: usize = 2;
        let sought: Vec<_> = sought
            .into_iter()
            .map(|(text, of)| (text.as_bytes(), of))
            .collect();
        let mut starts: Vec<&[u8]> = sought
            .iter()
            .map(|(text, _)| &text[..text.len().min(START)])
            .collect();
        starts.sort_unstable();
        starts.dedup();
        Ok(Self {
            starts: Starts::new(&starts)?,
            sought,
        })
    }

    /// Calls `found` with the place of every text that is sought, in order.
    pub(super) fn each(&self, text: &[u8], mut found: impl FnMut(usize, T)) {
        let mut from = 0;
        while let Some(at) = self.starts.next(text, from) {
            let here = self
                .sought
                .iter()
                .filter(|(sought, _)| text[at..].starts_with(sought));
            here.for_each(|(_, of)| found(at, *of));
            from = at + 1;
        }
    }
}

impl Starts {
    fn new(starts: &[&[u8]]) -> Result<Self> {
        let mut packed = packed::Config::new()
            .match_kind(MatchKind::LeftmostFirst)
            .builder();
        if let Some(packed) = packed.extend(starts).build() {
            return Ok(Self::Packed(packed));
        }
        let plain = AhoCorasick::new(starts)
            .map_err(|error| Error::new(ErrorKind::Internal, "content-rules", error.to_string()))?;
        Ok(Self::Plain(plain))
    }

    #[inline]
    fn next(&self, text: &[u8], from: usize) -> Option<usize> {
        let rest = Span {
            start: from,
            end: text.len(),
        };
        let found = match self {
            Self::Packed(packed) => packed.find_in(text, rest),
            Self::Plain(plain) => plain.find(Input::new(text).span(rest)),
        };
        found.map(|found| found.start())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every text of six characters over a few, with both searches.
    #[test]
    fn finds_what_a_look_at_every_byte_finds() {
        const SOUGHT: [&str; 5] = ["<a>", "<a", "[<a", "\0", "##a"];
        const CHARACTERS: &[char] = &['<', '[', 'a', '>', '#', '\0'];
        let packed = Search::new(SOUGHT.into_iter().zip(0..).collect()).unwrap();
        let starts = [&b"<a"[..], b"[<", b"\0", b"##"];
        let plain = Search {
            sought: packed.sought.clone(),
            starts: Starts::Plain(AhoCorasick::new(starts).unwrap()),
        };
        let mut seen = 0;
        for number in 0..CHARACTERS.len().pow(6) {
            let digit = |place| number / CHARACTERS.len().pow(place) % CHARACTERS.len();
            let short: String = (0..6).map(|place| CHARACTERS[digit(place)]).collect();
            // Short texts take another way than those that fill a vector.
            let long = format!("{}{short}{}", " ".repeat(number % 40), " ".repeat(40));
            for text in [short, long] {
                let text = text.as_bytes();
                let expected: Vec<(usize, i32)> = (0..text.len())
                    .flat_map(|at| (0..).zip(SOUGHT).map(move |(of, sought)| (at, of, sought)))
                    .filter(|(at, _, sought)| text[*at..].starts_with(sought.as_bytes()))
                    .map(|(at, of, _)| (at, of))
                    .collect();
                for search in [&packed, &plain] {
                    let mut found = Vec::new();
                    search.each(text, |at, of| found.push((at, of)));
                    assert_eq!(found, expected, "{text:?}");
                }
                seen += expected.len();
            }
        }
        assert!(seen > 10_000);
    }
}
