//! Between which characters no token lies: there a piece can be cut, and its parts be merged
//! apart.
//!
//! Every symbol that arises while a piece is merged is a token of the vocabulary and part of the
//! piece. So if no token contains the last bytes of one character followed by the first bytes of
//! the next, no merge crosses the place between them, and what is left and right of it does not
//! matter to the other side. Chinese, which has no spaces, falls into parts of one or two
//! characters that way, and those are met again and again.

use super::unicode::decode;

/// Bits of the filter of pairs.
const FILTER_BITS: usize = 1 << 20;

/// Pairs of characters that some token joins. It may name more pairs than there are, never fewer.
#[derive(Debug)]
pub(super) struct Joins {
    /// By hash of both characters, or of one and of the first byte of the next where a token ends
    /// inside that one.
    filter: Vec<u64>,
    /// Pairs of ASCII characters, exactly.
    ascii: [u128; 128],
    /// By last byte of a character that a token starts inside of: the bytes that may follow.
    inside: Box<[[u64; 4]; 64]>,
}

impl Joins {
    /// Of all tokens of a vocabulary, as bytes.
    pub(super) fn new<'a>(tokens: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut joins = Self {
            filter: vec![0; FILTER_BITS / 64],
            ascii: [0; 128],
            inside: Box::new([[0; 4]; 64]),
        };
        for token in tokens {
            joins.add(token);
        }
        joins
    }

    fn add(&mut self, token: &[u8]) {
        let mut last = None;
        let mut at = token
            .iter()
            .take_while(|&&byte| is_continuation(byte))
            .count();
        if at > 0 && at < token.len() {
            let bits = &mut self.inside[usize::from(token[at - 1] & 0x3F)];
            bits[usize::from(token[at] / 64)] |= 1 << (token[at] % 64);
        }
        while at < token.len() {
            let whole = at + length(token[at]) <= token.len();
            if let Some(last) = last {
                self.join(last, token, at, whole);
            }
            if !whole {
                break;
            }
            let (code, bytes) = decode(token, at);
            last = Some(code);
            at += bytes;
        }
    }

    fn join(&mut self, last: u32, token: &[u8], at: usize, whole: bool) {
        if !whole {
            return self.set(hash(last, PARTIAL + u32::from(token[at])));
        }
        let (code, _) = decode(token, at);
        if last < 128 && code < 128 {
            self.ascii[last as usize] |= 1 << code;
        } else {
            self.set(hash(last, code));
        }
    }

    fn set(&mut self, hash: usize) {
        self.filter[hash / 64] |= 1 << (hash % 64);
    }

    fn has(&self, hash: usize) -> bool {
        self.filter[hash / 64] >> (hash % 64) & 1 != 0
    }

    /// Some token may lie over the border of two characters: `left`, which ends before `at`, and
    /// `right`, which starts there.
    #[inline]
    pub(super) fn joined(&self, text: &[u8], at: usize, left: u32, right: u32) -> bool {
        if left < 128 && right < 128 {
            return self.ascii[left as usize] >> right & 1 != 0;
        }
        let (end, start) = (text[at - 1], text[at]);
        let inside = &self.inside[usize::from(end & 0x3F)];
        self.has(hash(left, right))
            || self.has(hash(left, PARTIAL + u32::from(start)))
            || (end >= 128 && inside[usize::from(start / 64)] >> (start % 64) & 1 != 0)
    }
}

/// First bytes of characters, beyond all code points.
const PARTIAL: u32 = 0x11_0000;

#[inline]
fn hash(left: u32, right: u32) -> usize {
    let pair = u64::from(left) << 32 | u64::from(right);
    (pair.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as usize % FILTER_BITS
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// The length of a character by its first byte.
fn length(lead: u8) -> usize {
    match lead {
        0..0xC0 => 1,
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        0xF0.. => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(tokens: &[&[u8]], pair: &str) -> bool {
        let joins = Joins::new(tokens.iter().copied());
        let mut chars = pair.chars();
        let (left, right) = (chars.next().unwrap(), chars.next().unwrap());
        joins.joined(pair.as_bytes(), left.len_utf8(), left as u32, right as u32)
    }

    #[test]
    fn tokens_join_the_characters_inside_them() {
        assert!(joined(&["中文".as_bytes()], "中文"));
        assert!(!joined(&["中文".as_bytes()], "文中"));
        assert!(joined(&[b"ab"], "ab"));
        assert!(!joined(&[b"ab"], "ba"));
    }

    #[test]
    fn tokens_that_start_or_end_inside_characters_join_them_too() {
        let text = "中文".as_bytes();
        for start in 0..3 {
            for end in 4..=6 {
                assert!(joined(&[&text[start..end]], "中文"), "{start}..{end}");
            }
        }
        assert!(!joined(&[&text[..3], &text[3..], &text[..2]], "中文"));
    }
}
