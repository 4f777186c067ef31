//! The model's tokens, as the bytes of text that they stand for.

use rustc_hash::{FxHashMap, FxHashSet};
use std::borrow::Cow;

use crate::Unsupported;
use crate::definition::Vocab;
use crate::normalizer::MARKER;

/// Tables are as long as the greatest id.
const MAX_ID: usize = 1 << 24;

/// How the vocabulary writes bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// One character a byte, by the table of GPT-2.
    ByteLevel,
    /// As they are, spaces as `▁`, and bytes of characters it does not have as `<0x..>`.
    Characters,
}

/// No token.
pub(super) const NONE: u32 = u32::MAX;

/// The first symbols of a piece, before merging; [`NONE`] where the vocabulary has no token.
#[derive(Clone, Debug)]
pub(crate) enum Alphabet {
    /// The id of each byte.
    Bytes(Box<[u32; 256]>),
    /// The id of each character that has one, and of the bytes for those that have not.
    Characters {
        ids: FxHashMap<char, u32>,
        bytes: Box<[u32; 256]>,
    },
}

/// Tokens by id.
#[derive(Debug)]
pub(crate) struct Vocabulary<'a> {
    /// Text of the file → id.
    pub(crate) ids: FxHashMap<&'a str, u32>,
    /// The bytes of each id in the text; empty for one that no text has.
    pub(crate) bytes: Vec<Cow<'a, [u8]>>,
    pub(crate) alphabet: Alphabet,
}

impl<'a> Vocabulary<'a> {
    /// `byte_fallback`: characters without a token are written as tokens of their bytes.
    pub(crate) fn new(
        vocab: &'a Vocab<'a>,
        spelling: Spelling,
        byte_fallback: bool,
    ) -> Result<Self, Unsupported> {
        let ids: FxHashMap<&str, u32> = vocab
            .tokens
            .iter()
            .map(|(text, id)| (text.as_ref(), *id))
            .collect();
        let size = vocab
            .tokens
            .iter()
            .map(|(_, id)| *id)
            .max()
            .map_or(0, |id| id as usize + 1);
        if size > MAX_ID {
            return Err(Unsupported::new("the vocabulary has ids above 16,777,215"));
        }
        let mut bytes = vec![Cow::Borrowed(&[][..]); size];
        if let Some(id) = shared_id(&ids, size) {
            return Err(Unsupported::new(format!("two tokens have the id {id}")));
        }
        let letters = (spelling == Spelling::ByteLevel).then(letter_bytes);
        for (text, &id) in &ids {
            bytes[id as usize] = match &letters {
                Some(letters) => Cow::Owned(from_letters(text, letters)),
                None => from_characters(text),
            };
        }
        let alphabet = match spelling {
            Spelling::ByteLevel => Alphabet::bytes(&ids),
            Spelling::Characters => Alphabet::characters(&ids, byte_fallback),
        };
        for id in alphabet.fallback() {
            bytes[id as usize] = Cow::Borrowed(&[]);
        }
        Ok(Self {
            ids,
            bytes,
            alphabet,
        })
    }

    /// The bytes and the id of every token that a text may have.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = (&[u8], u32)> {
        let all = self.bytes.iter().map(|bytes| &**bytes).zip(0..);
        all.filter(|(bytes, _)| !bytes.is_empty())
    }

    /// The number of bytes of the text that each id stands for.
    pub(crate) fn lengths(&self) -> Vec<u32> {
        let mut lengths: Vec<u32> = self.bytes.iter().map(|bytes| bytes.len() as u32).collect();
        for id in self.alphabet.fallback() {
            lengths[id as usize] = 1;
        }
        lengths
    }
}

impl Alphabet {
    fn bytes(ids: &FxHashMap<&str, u32>) -> Self {
        let mut table = Box::new([NONE; 256]);
        for (letter, byte) in byte_letters() {
            let mut buffer = [0; 4];
            if let Some(&id) = ids.get(&*letter.encode_utf8(&mut buffer)) {
                table[usize::from(byte)] = id;
            }
        }
        Self::Bytes(table)
    }

    fn characters(ids: &FxHashMap<&str, u32>, byte_fallback: bool) -> Self {
        let mut bytes = Box::new([NONE; 256]);
        for (byte, slot) in bytes.iter_mut().enumerate().filter(|_| byte_fallback) {
            if let Some(&id) = ids.get(&*format!("<0x{byte:02X}>")) {
                *slot = id;
            }
        }
        let mut table = FxHashMap::default();
        for (text, &id) in ids {
            let mut chars = text.chars();
            if let (Some(c), None) = (chars.next(), chars.next()) {
                match c {
                    MARKER => table.insert(' ', id),
                    ' ' => None,
                    other => table.insert(other, id),
                };
            }
        }
        Self::Characters { ids: table, bytes }
    }

    /// Every text can be written with it.
    pub(super) fn is_complete(&self) -> bool {
        let never_in_text = |byte: usize| matches!(byte, 0xC0 | 0xC1 | 0xF5..);
        match self {
            Self::Bytes(ids) => (0..256).all(|byte| ids[byte] != NONE || never_in_text(byte)),
            Self::Characters { bytes, .. } => bytes.iter().all(|&id| id != NONE),
        }
    }

    /// The ids of bytes of characters that the vocabulary does not have.
    pub(super) fn fallback(&self) -> FxHashSet<u32> {
        match self {
            Self::Bytes(_) => FxHashSet::default(),
            Self::Characters { bytes, .. } => {
                bytes.iter().copied().filter(|&id| id != NONE).collect()
            }
        }
    }

    /// Appends the first symbols of a piece, given as bytes of UTF-8.
    #[inline]
    pub(crate) fn symbols_of(&self, piece: &[u8], symbols: &mut Vec<u32>) {
        match self {
            Self::Bytes(ids) => symbols.extend(piece.iter().map(|&byte| ids[usize::from(byte)])),
            Self::Characters { .. } => {
                self.symbols(std::str::from_utf8(piece).unwrap_or_default(), symbols);
            }
        }
    }

    /// Appends the first symbols of a piece.
    #[inline]
    pub(crate) fn symbols(&self, piece: &str, symbols: &mut Vec<u32>) {
        match self {
            Self::Bytes(ids) => symbols.extend(piece.bytes().map(|byte| ids[usize::from(byte)])),
            Self::Characters { ids, bytes } => {
                for c in piece.chars() {
                    if let Some(&id) = ids.get(&c) {
                        symbols.push(id);
                    } else {
                        let mut buffer = [0; 4];
                        let tokens = c.encode_utf8(&mut buffer).bytes();
                        symbols.extend(tokens.map(|byte| bytes[usize::from(byte)]));
                    }
                }
            }
        }
    }
}

/// An id that two tokens have.
fn shared_id(ids: &FxHashMap<&str, u32>, size: usize) -> Option<u32> {
    let mut taken = vec![false; size];
    ids.values()
        .copied()
        .find(|&id| std::mem::replace(&mut taken[id as usize], true))
}

/// The letter of each byte (GPT-2's `bytes_to_unicode`).
fn byte_letters() -> FxHashMap<char, u8> {
    let mut next = 256;
    (0..=255_u8)
        .map(|byte| {
            let printable = matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..);
            let letter = if printable {
                char::from(byte)
            } else {
                next += 1;
                char::from_u32(next - 1).unwrap_or(char::REPLACEMENT_CHARACTER)
            };
            (letter, byte)
        })
        .collect()
}

/// The byte of each letter, by code point.
type Letters = [Option<u8>; 512];

fn letter_bytes() -> Letters {
    let mut bytes = [None; 512];
    for (letter, byte) in byte_letters() {
        bytes[letter as usize] = Some(byte);
    }
    bytes
}

/// The bytes of a token of letters; empty if one is not a letter.
fn from_letters(text: &str, letters: &Letters) -> Vec<u8> {
    let byte = |c: char| letters.get(c as usize).copied().flatten();
    text.chars()
        .map(byte)
        .collect::<Option<Vec<u8>>>()
        .unwrap_or_default()
}

/// The bytes of a token of characters; empty if it has a space, which no text has by then.
fn from_characters(text: &str) -> Cow<'_, [u8]> {
    if text.contains(' ') {
        Cow::Borrowed(&[])
    } else if text.contains(MARKER) {
        Cow::Owned(text.replace(MARKER, " ").into_bytes())
    } else {
        Cow::Borrowed(text.as_bytes())
    }
}

/// The letters of all bytes.
#[cfg(test)]
pub(crate) fn letters() -> Vec<char> {
    byte_letters().into_keys().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_letter() {
        assert_eq!(byte_letters().len(), 256);
        let letters = letter_bytes();
        assert_eq!(from_letters("ĠaĊÄ", &letters), b" a\n\xC4");
        assert_eq!(from_letters("a b", &letters), b"");
    }

    #[test]
    fn spaces_are_written_with_a_sign() {
        assert_eq!(&*from_characters("▁▁a"), b"  a");
        assert_eq!(&*from_characters("a b"), b"");
    }
}
