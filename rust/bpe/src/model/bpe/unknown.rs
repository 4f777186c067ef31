//! Vocabularies that cannot encode every text: what has no token is left out or becomes the unknown
//! token, exactly as in Hugging Face's `tokenizers`.

use std::iter::repeat_n;
use std::ops::Range;

use super::vocabulary::{Alphabet, NONE, Vocabulary};
use crate::Unsupported;
use crate::definition::Model;
use crate::pre_tokenizer::unicode::decode;

/// Code points.
const CODES: usize = 0x11_0000;

/// What stands for a character, or a byte, that has no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unknown {
    /// Nothing.
    Nothing,
    /// A token for each.
    Each(u32),
    /// A token for each run of them.
    Run(u32),
}

/// An alphabet that lacks something.
#[derive(Debug)]
pub(super) struct Incomplete {
    /// One bit for each character that can be written.
    written: Vec<u64>,
    unknown: Unknown,
}

impl Incomplete {
    /// `None` if the alphabet is complete.
    pub(super) fn of(
        model: &Model<'_>,
        vocabulary: &Vocabulary<'_>,
    ) -> Result<Option<Self>, Unsupported> {
        let alphabet = &vocabulary.alphabet;
        if matches!(alphabet, Alphabet::Characters { ids, .. } if !ids.contains_key(&' ')) {
            return Err(Unsupported::new(
                "the vocabulary lacks the sign for a space",
            ));
        }
        if alphabet.is_complete() {
            return Ok(None);
        }
        let lacks = match alphabet {
            Alphabet::Bytes(_) => "the vocabulary lacks a byte of the alphabet",
            Alphabet::Characters { .. } => "the vocabulary cannot write every character",
        };
        let refused = |also| Err(Unsupported::new(format!("{lacks}, and {also}")));
        if model.ignore_merges {
            return refused("the model ignores merges");
        }
        let unknown = match (&model.unk_token, alphabet) {
            (None, Alphabet::Characters { .. }) => return refused("has no unknown token"),
            (None, Alphabet::Bytes(_)) => Unknown::Nothing,
            (Some(text), _) => match vocabulary.ids.get(&**text) {
                None => return refused("the unknown token"),
                Some(&id) if model.fuse_unk => Unknown::Run(id),
                Some(&id) => Unknown::Each(id),
            },
        };
        let mut written = vec![0; CODES / 64];
        for c in '\0'..=char::MAX {
            let bit = u64::from(is_written(alphabet, c));
            written[c as usize / 64] |= bit << (c as usize % 64);
        }
        Ok(Some(Self { written, unknown }))
    }

    /// The character that starts at a place of the text can be written.
    #[inline]
    pub(super) fn writes_at(&self, text: &[u8], at: usize) -> bool {
        let code = decode(text, at).0 as usize;
        self.written[code / 64] >> (code % 64) & 1 != 0
    }

    /// All of a piece can be written.
    pub(super) fn writes(&self, piece: &str) -> bool {
        let written = |c: char| self.written[c as usize / 64] >> (c as usize % 64) & 1 != 0;
        piece.chars().all(written)
    }
}

/// Tells the first symbols of a piece, and the bytes of the piece that each stands for. Where
/// something is left out these bytes are too few and too early, as they are in Hugging Face.
pub(super) fn symbols(
    alphabet: &Alphabet,
    incomplete: Option<&Incomplete>,
    piece: &str,
    mut found: impl FnMut(u32, Range<usize>),
) {
    let unknown = incomplete.map_or(Unknown::Nothing, |incomplete| incomplete.unknown);
    match alphabet {
        Alphabet::Bytes(ids) => {
            // Bytes are counted as the letters that they are written with.
            let lengths = piece.bytes().map(letter_length);
            let places = lengths
                .zip(0..)
                .flat_map(|(length, at)| repeat_n(at, length));
            let places: Vec<usize> = places.collect();
            let mut writer = Writer::new(unknown, |id, letters: Range<usize>| {
                found(id, places[letters.start]..places[letters.end - 1] + 1);
            });
            for byte in piece.bytes() {
                writer.write(ids[usize::from(byte)], letter_length(byte));
            }
            writer.finish();
        }
        Alphabet::Characters { ids, bytes } => {
            let mut writer = Writer::new(unknown, found);
            for c in piece.chars() {
                match ids.get(&c) {
                    Some(&id) => writer.write(id, c.len_utf8()),
                    None => writer.write_bytes(bytes, c),
                }
            }
            writer.finish();
        }
    }
}

/// The bytes of the letter that stands for a byte.
fn letter_length(byte: u8) -> usize {
    1 + usize::from(!byte.is_ascii_graphic())
}

fn is_written(alphabet: &Alphabet, c: char) -> bool {
    let mut buffer = [0; 4];
    match alphabet {
        Alphabet::Bytes(ids) => {
            let mut bytes = c.encode_utf8(&mut buffer).bytes();
            bytes.all(|byte| ids[usize::from(byte)] != NONE)
        }
        // What is written as bytes does not end a run of what is not written at all.
        Alphabet::Characters { ids, .. } => ids.contains_key(&c),
    }
}

/// Symbols on their way out: an unknown token waits, as long as others may join it.
struct Writer<Found> {
    unknown: Unknown,
    /// How many bytes the unknown token that waits stands for.
    waiting: Option<usize>,
    at: usize,
    found: Found,
}

impl<Found: FnMut(u32, Range<usize>)> Writer<Found> {
    fn new(unknown: Unknown, found: Found) -> Self {
        Self {
            unknown,
            waiting: None,
            at: 0,
            found,
        }
    }

    fn add(&mut self, id: u32, length: usize) {
        (self.found)(id, self.at..self.at + length);
        self.at += length;
    }

    /// A symbol, which may be none.
    fn write(&mut self, id: u32, length: usize) {
        if id == NONE {
            self.miss(length);
        } else {
            self.finish();
            self.add(id, length);
        }
    }

    /// The bytes of a character without a token. They do not let go of an unknown token that waits:
    /// it comes after them.
    fn write_bytes(&mut self, bytes: &[u32; 256], c: char) {
        let mut buffer = [0; 4];
        let ids = c.encode_utf8(&mut buffer).bytes();
        let ids: Vec<u32> = ids.map(|byte| bytes[usize::from(byte)]).collect();
        if ids.contains(&NONE) {
            return self.miss(c.len_utf8());
        }
        for id in ids {
            self.add(id, 1);
        }
    }

    fn miss(&mut self, length: usize) {
        match (self.unknown, self.waiting) {
            (Unknown::Nothing, _) => {}
            (Unknown::Run(_), waiting) => self.waiting = Some(waiting.unwrap_or(0) + length),
            (Unknown::Each(_), _) => {
                self.finish();
                self.waiting = Some(length);
            }
        }
    }

    /// Lets go of an unknown token that waits.
    fn finish(&mut self) {
        if let (Unknown::Each(id) | Unknown::Run(id), Some(length)) =
            (self.unknown, self.waiting.take())
        {
            self.add(id, length);
        }
    }
}
