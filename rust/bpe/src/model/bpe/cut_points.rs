//! Finds pairs of characters that no token spans. A piece can be cut between them, and its parts
//! merged separately.
//!
//! Every symbol that arises while a piece is merged is a token of the vocabulary and part of the
//! piece. So if no token contains the last bytes of one character followed by the first bytes of
//! the next, no merge crosses the place between them, and what is left and right of it does not
//! matter to the other side. Chinese, which has no spaces, falls into parts of one or two
//! characters that way, and those are met again and again.

/// Bits of the filter of pairs.
const FILTER_BITS: usize = 1 << 20;

/// Pairs of characters that some token points. It may name more pairs than there are, never fewer.
#[derive(Debug)]
pub(crate) struct CutPoints {
    /// By hash of both characters, where a token has both whole.
    filter: Vec<u64>,
    /// Pairs of ASCII characters, exactly.
    ascii: [u128; 128],
    /// Where a token has only a part of one of the two: by the last byte of the left character
    /// and the first of the right one, which `fragments` to compare.
    gates: Vec<(u16, u16)>,
    fragments: Vec<Fragment>,
}

/// What a token that starts or ends inside a character has on both sides of a border: the last
/// bytes before it and the first after it, in a window of four bytes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fragment {
    gate: usize,
    mask: u64,
    bytes: u64,
}

impl CutPoints {
    /// Of all tokens of a vocabulary, as bytes.
    pub(crate) fn new<'a>(tokens: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut points = Self {
            filter: vec![0; FILTER_BITS / 64],
            ascii: [0; 128],
            gates: vec![(0, 0); GATES],
            fragments: Vec::new(),
        };
        for token in tokens {
            points.add(token);
        }
        points.fragments.sort_unstable();
        points.fragments.dedup();
        for (i, fragment) in (0..).zip(&points.fragments) {
            let gate = &mut points.gates[fragment.gate];
            *gate = if gate.1 == 0 {
                (i, i + 1)
            } else {
                (gate.0, i + 1)
            };
        }
        points
    }

    fn add(&mut self, token: &[u8]) {
        let partial = token
            .iter()
            .take_while(|&&byte| is_continuation(byte))
            .count();
        let mut last = (0, partial, false);
        let mut at = partial;
        while at < token.len() {
            let end = at + length(token[at]);
            let whole = end <= token.len();
            let end = end.min(token.len());
            if at > 0 {
                let right = (at, end, whole);
                self.join(token, last, right);
            }
            last = (at, end, whole);
            at = end;
        }
    }

    /// A token has two neighbours: start, end, and whether it has all of the character.
    fn join(&mut self, token: &[u8], left: (usize, usize, bool), right: (usize, usize, bool)) {
        if left.2 && right.2 {
            let (first, second) = (token[left.0], token[right.0]);
            if first < 128 && second < 128 {
                self.ascii[usize::from(first)] |= 1 << second;
            } else {
                let hash = hash(pair(token, left.0, right.1));
                self.filter[hash / 64] |= 1 << (hash % 64);
            }
            return;
        }
        let (mut mask, mut bytes) = ([0; 8], [0; 8]);
        for (i, &byte) in token[left.0.max(left.1.saturating_sub(4))..left.1]
            .iter()
            .rev()
            .enumerate()
        {
            (mask[3 - i], bytes[3 - i]) = (0xFF, byte);
        }
        for (i, &byte) in token[right.0..right.1].iter().enumerate() {
            (mask[4 + i], bytes[4 + i]) = (0xFF, byte);
        }
        self.fragments.push(Fragment {
            gate: gate(bytes[3], bytes[4]),
            mask: u64::from_le_bytes(mask),
            bytes: u64::from_le_bytes(bytes),
        });
    }

    /// Some token may lie over the border of two characters: one from `left` to `at`, and one from
    /// there to `end`.
    #[inline(always)]
    pub(crate) fn joined(&self, text: &[u8], left: usize, at: usize, end: usize) -> bool {
        let (first, second) = (text[left], text[at]);
        if first < 128 && second < 128 {
            return self.ascii[usize::from(first)] >> second & 1 != 0;
        }
        let hash = hash(pair(text, left, end));
        let known = self.filter[hash / 64] >> (hash % 64) & 1 != 0;
        known | self.torn_at(text, at)
    }

    /// Some token may lie over the border at `at` with only a part of one of the characters beside
    /// it.
    #[inline]
    pub(crate) fn torn_at(&self, text: &[u8], at: usize) -> bool {
        let (from, to) = self.gates[gate(text[at - 1], text[at])];
        from < to && self.torn(text, at, from as usize..to as usize)
    }

    /// One of the fragments lies over the border at `at`.
    fn torn(&self, text: &[u8], at: usize, fragments: std::ops::Range<usize>) -> bool {
        let whole = at
            .checked_sub(4)
            .and_then(|from| text.get(from..at + 4)?.try_into().ok());
        let window = u64::from_le_bytes(whole.unwrap_or_else(|| {
            let mut window = [0; 8];
            for (i, slot) in window.iter_mut().enumerate() {
                *slot = (at + i)
                    .checked_sub(4)
                    .and_then(|at| text.get(at))
                    .copied()
                    .unwrap_or(0);
            }
            window
        }));
        self.fragments[fragments]
            .iter()
            .any(|fragment| window & fragment.mask == fragment.bytes)
    }
}

const GATES: usize = 128 * 256;

/// Of the byte before a border and the byte after it. An ASCII byte and a continuation byte may
/// share a gate; the comparison of the fragment tells them apart.
#[inline]
fn gate(end: u8, start: u8) -> usize {
    usize::from(end & 0x7F) << 8 | usize::from(start)
}

/// The bytes of two characters.
#[inline(always)]
fn pair(text: &[u8], start: usize, end: usize) -> u64 {
    let length = (end - start).clamp(1, 8);
    let bytes = text
        .get(start..start + 8)
        .and_then(|bytes| bytes.try_into().ok());
    let bytes = bytes.unwrap_or_else(|| {
        let mut bytes = [0; 8];
        bytes[..length].copy_from_slice(&text[start..start + length]);
        bytes
    });
    u64::from_le_bytes(bytes) & (u64::MAX >> (64 - 8 * length))
}

#[inline(always)]
fn hash(pair: u64) -> usize {
    (pair.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as usize % FILTER_BITS
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// The length of a character by its first byte.
#[inline(always)]
pub(crate) fn length(lead: u8) -> usize {
    let at_least = |least: u8| usize::from(lead >= least);
    1 + at_least(0xC0) + at_least(0xE0) + at_least(0xF0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(tokens: &[&[u8]], pair: &str) -> bool {
        let points = CutPoints::new(tokens.iter().copied());
        let at = length(pair.as_bytes()[0]);
        points.joined(pair.as_bytes(), 0, at, pair.len())
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
