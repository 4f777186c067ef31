//! One pass over a text for many short texts.
//!
//! Most texts hold none of them, so all that counts is how fast a text is passed that has none. The
//! pass looks for the first bytes of each, which a vectorised search finds in one go, and compares
//! the whole texts only there.

use aho_corasick::packed::{self, MatchKind};
use aho_corasick::{AhoCorasick, Input, Span};

use crate::{Error, ErrorKind, Result};

/// The texts that are sought, with what each stands for.
#[derive(Debug)]
pub(super) struct Search<T> {
    /// By their start.
    sought: Vec<Vec<(&'static [u8], T)>>,
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
        /// The longest start that is looked for, and the one that searches without vector
        /// instructions look for. Few texts have the same four bytes by chance.
        const LONGEST: usize = 4;
        const SHORTEST: usize = 2;
        let sought: Vec<_> = sought
            .into_iter()
            .map(|(text, of)| (text.as_bytes(), of))
            .collect();
        let packed = (SHORTEST..=LONGEST).rev().find_map(|length| {
            let starts = starts(&sought, length);
            Some((Starts::packed(&starts)?, starts))
        });
        let (search, starts) = if let Some(found) = packed {
            found
        } else {
            let starts = starts(&sought, SHORTEST);
            (Starts::plain(&starts)?, starts)
        };
        let of = |start: &&'static [u8]| {
            let begin = sought.iter().filter(|(text, _)| text.starts_with(start));
            begin.copied().collect()
        };
        Ok(Self {
            sought: starts.iter().map(of).collect(),
            starts: search,
        })
    }

    /// Calls `found` with the place of every text that is sought, in order.
    pub(super) fn each(&self, text: &[u8], mut found: impl FnMut(usize, T)) {
        let mut from = 0;
        while let Some((at, start)) = self.starts.next(text, from) {
            let rest = &text[at..];
            let sought = self.sought.get(start).into_iter().flatten();
            let here = sought.filter(|(sought, _)| rest.starts_with(sought));
            here.for_each(|(_, of)| found(at, *of));
            from = at + 1;
        }
    }
}

/// The first bytes of texts, each once. None begins with another.
fn starts<T>(sought: &[(&'static [u8], T)], length: usize) -> Vec<&'static [u8]> {
    let starts = sought
        .iter()
        .map(|(text, _)| &text[..text.len().min(length)]);
    let mut starts: Vec<_> = starts.collect();
    starts.sort_unstable();
    // A text that is shorter than `length` stands for all that begin with it.
    starts.dedup_by(|next, before| next.starts_with(before));
    starts
}

impl Starts {
    /// `None` where there are too many.
    fn packed(starts: &[&[u8]]) -> Option<Self> {
        let mut packed = packed::Config::new()
            .match_kind(MatchKind::LeftmostFirst)
            .builder();
        packed.extend(starts).build().map(Self::Packed)
    }

    fn plain(starts: &[&[u8]]) -> Result<Self> {
        let plain = AhoCorasick::new(starts)
            .map_err(|error| Error::new(ErrorKind::Internal, "content-rules", error.to_string()))?;
        Ok(Self::Plain(plain))
    }

    /// The next place at which a text may start, and the number of its start.
    #[inline]
    fn next(&self, text: &[u8], from: usize) -> Option<(usize, usize)> {
        let rest = Span {
            start: from,
            end: text.len(),
        };
        match self {
            Self::Packed(packed) => {
                let found = packed.find_in(text, rest)?;
                Some((found.start(), found.pattern().as_usize()))
            }
            Self::Plain(plain) => {
                let found = plain.find(Input::new(text).span(rest))?;
                Some((found.start(), found.pattern().as_usize()))
            }
        }
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
        let sought: Vec<_> = packed.sought.iter().flatten().copied().collect();
        let plain = Search {
            sought: packed.sought.clone(),
            starts: Starts::plain(&starts(&sought, 4)).unwrap(),
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
