//! Scans a text once before anything else. Most texts have no added token and nothing that would be
//! rewritten, and then no second search is needed.

use crate::added::AddedSplitter;
use crate::simd::{Task, Vectors};

/// Bytes looked at together.
const BLOCK: usize = 64;
/// Most first bytes of added tokens that are searched so.
const FIRSTS: usize = 3;
/// Most second bytes.
const SECONDS: usize = 4;

/// The bytes that added tokens start with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Starts {
    firsts: [u8; FIRSTS],
    seconds: [u8; SECONDS],
    /// Whatever the second byte is.
    any_second: bool,
}

impl Starts {
    /// `None` if there are too many first bytes for a quick search.
    pub(crate) fn new<'a>(
        splitters: impl Iterator<Item = &'a AddedSplitter> + Clone,
    ) -> Option<Self> {
        let firsts = distinct(splitters.clone().flat_map(AddedSplitter::first_bytes));
        let seconds = distinct(splitters.flat_map(AddedSplitter::second_bytes));
        Some(Self {
            any_second: seconds.len() > SECONDS,
            firsts: padded(&firsts)?,
            seconds: padded(&seconds).unwrap_or_default(),
        })
    }
}

fn distinct(bytes: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut bytes: Vec<u8> = bytes.collect();
    bytes.sort_unstable();
    bytes.dedup();
    bytes
}

/// The bytes, and one of them again and again; where there is none, a byte that no text has.
fn padded<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let mut all = [bytes.first().copied().unwrap_or(0xFF); N];
    all.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(all)
}

/// What a text has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prescan {
    /// Its highest byte.
    pub(crate) highest: u8,
    /// A place where an added token may start.
    pub(crate) start: bool,
}

/// Looks at a text.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) starts: Starts,
}

impl Task for Look<'_> {
    type Output = Prescan;

    #[inline(always)]
    fn run(self, _: impl Vectors) -> Prescan {
        let mut lanes = Lanes {
            highest: [0; BLOCK],
            found: [0; BLOCK],
        };
        let mut rest = self.text;
        while let Some(block) = rest.first_chunk() {
            lanes.look(self.starts, block);
            rest = &rest[BLOCK..];
        }
        // What is looked at twice does not matter, nor does a token that would start in the padding.
        if let Some(last) = self.text.last_chunk() {
            lanes.look(self.starts, last);
        } else {
            let mut block = [0; BLOCK + 1];
            block[..rest.len()].copy_from_slice(rest);
            lanes.look(self.starts, &block);
        }
        let last = self.text.last().copied().unwrap_or_default();
        let alone = self.starts.any_second && self.starts.firsts.contains(&last);
        Prescan {
            highest: lanes.highest.into_iter().fold(last, u8::max),
            start: alone || lanes.found != [0; BLOCK],
        }
    }
}

/// What was seen at each place of the blocks.
struct Lanes {
    highest: [u8; BLOCK],
    found: [u8; BLOCK],
}

impl Lanes {
    /// Looks at the bytes of a block but the last, which is there for the one before it.
    #[inline(always)]
    fn look(&mut self, starts: Starts, block: &[u8; BLOCK + 1]) {
        for place in 0..BLOCK {
            let (first, second) = (block[place], block[place + 1]);
            self.highest[place] = self.highest[place].max(first);
            let any_of = |bytes: &[u8], is: u8, it: u8| {
                bytes.iter().fold(is, |is, &byte| is | u8::from(it == byte))
            };
            let first = any_of(&starts.firsts, 0, first);
            let second = any_of(&starts.seconds, u8::from(starts.any_second), second);
            self.found[place] |= first & second;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Processor;

    fn starts(firsts: &[u8], seconds: &[u8]) -> Starts {
        Starts {
            firsts: padded(firsts).unwrap(),
            seconds: padded(seconds).unwrap_or_default(),
            any_second: seconds.len() > SECONDS,
        }
    }

    #[test]
    fn every_place_of_a_text_is_seen() {
        for length in 0..200 {
            let plain = vec![b'.'; length];
            for processor in Processor::known() {
                let look = |text: &[u8], starts| processor.run(Look { text, starts });
                let quiet = Prescan {
                    highest: if length > 0 { b'.' } else { 0 },
                    start: false,
                };
                assert_eq!(look(&plain, starts(b"<[", b"|/")), quiet);
                for place in 0..length {
                    let mut text = plain.clone();
                    text[place] = b'[';
                    let alone = look(&text, starts(b"<[", b"|/"));
                    assert_eq!((alone.start, alone.highest), (false, b'['));
                    assert!(look(&text, starts(b"<[", b"abcde")).start);
                    if let Some(second) = text.get_mut(place + 1) {
                        *second = b'|';
                        assert!(look(&text, starts(b"<[", b"|/")).start);
                    }
                    text[place] = 0xE4;
                    assert_eq!(look(&text, starts(b"<", b"|/")).highest, 0xE4);
                }
            }
        }
    }

    #[test]
    fn too_many_first_bytes_are_not_searched_so() {
        assert!(padded::<FIRSTS>(b"abcd").is_none());
        assert_eq!(padded::<FIRSTS>(b"ab"), Some(*b"aba"));
        // No byte of UTF-8.
        assert_eq!(padded::<FIRSTS>(b""), Some([0xFF; 3]));
    }
}
