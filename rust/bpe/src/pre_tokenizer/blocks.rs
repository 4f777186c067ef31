//! Splits ASCII text 64 bytes at a time: the classes of bytes are bits of words, and the rules of a
//! pattern are shifts of those words. Where that cannot decide, the pattern's scanner takes the next
//! piece.
//!
//! A block starts where a piece starts, so nothing has to be carried over from the block before.

use crate::simd::Vectors;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 64;

/// One bit for each byte of a block, by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Masks {
    pub(crate) upper: u64,
    pub(crate) lower: u64,
    pub(crate) digit: u64,
    /// The space.
    pub(crate) space: u64,
    /// Tab, line feed, vertical tab, form feed, carriage return.
    pub(crate) control: u64,
    /// Line feed, carriage return.
    pub(crate) newline: u64,
    pub(crate) quote: u64,
    pub(crate) slash: u64,
    /// Not ASCII.
    pub(crate) high: u64,
}

/// What differs between the patterns that are split this way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Words end where lowercase ends, and contractions belong to the word before them.
    pub(crate) cased: bool,
    /// There are contractions.
    pub(crate) contractions: bool,
    /// Longest run of digits in one piece: 1 or 3.
    pub(crate) digits: usize,
    /// `/` may follow newlines that follow punctuation.
    pub(crate) slash: bool,
}

/// A text and how to split it.
pub(crate) struct Blocks<'t, V, Next, Contraction> {
    pub(crate) text: &'t [u8],
    pub(crate) rules: Rules,
    pub(crate) vectors: V,
    /// The end of the piece that starts at a place.
    pub(crate) next: Next,
    /// The end of the contraction that starts at a place.
    pub(crate) contraction: Contraction,
}

impl<V, Next, Contraction> Blocks<'_, V, Next, Contraction>
where
    V: Vectors,
    Next: Fn(usize) -> usize,
    Contraction: Fn(usize) -> Option<usize>,
{
    /// Appends the end of every piece.
    #[inline(always)]
    pub(crate) fn split(&self, ends: &mut Vec<u32>) {
        let mut at = 0;
        while at < self.text.len() {
            let found = if self.text[at] < 0x80 {
                self.block(at, ends)
            } else {
                at
            };
            if found > at {
                at = found;
            } else {
                at = (self.next)(at);
                ends.push(at as u32);
            }
        }
    }

    /// Appends the ends of pieces that the block at `at` tells; returns the last of them, or `at`.
    #[inline(always)]
    fn block(&self, at: usize, ends: &mut Vec<u32>) -> usize {
        let rest = &self.text[at..];
        let masks = match rest.first_chunk::<BLOCK>() {
            Some(block) => self.vectors.classify(block),
            None => self.vectors.classify(&padded(rest)),
        };
        let size = rest.len().min(BLOCK);
        let last = rest.len() <= BLOCK && masks.high == 0;
        let (mut starts, mut limit) = starts(&masks, self.rules, size, last);
        if masks.quote != 0 && self.rules.contractions {
            self.contractions(at, &masks, &mut starts, limit);
        }
        if self.rules.slash && masks.slash != 0 {
            limit = limit.min(((absorbed(&masks) << 1) & masks.slash).trailing_zeros() as usize);
        }
        let found = starts & low(limit) & !1;
        self.vectors.push_places(found, at as u32, ends);
        if last && limit == size {
            ends.push(self.text.len() as u32);
            return self.text.len();
        }
        at + (BLOCK - 1).saturating_sub(found.leading_zeros() as usize)
    }

    /// Corrects the starts of pieces at contractions.
    #[inline(never)]
    fn contractions(&self, at: usize, masks: &Masks, starts: &mut u64, limit: usize) {
        let letters = masks.upper | masks.lower;
        let before = if self.rules.cased {
            letters << 1
        } else {
            *starts
        };
        let mut quotes = masks.quote & before & (letters >> 1) & low(limit);
        while quotes != 0 {
            let quote = quotes.trailing_zeros() as usize;
            quotes &= quotes - 1;
            let Some(end) = (self.contraction)(at + quote).map(|end| end - at) else {
                continue;
            };
            if self.rules.cased {
                *starts &= !(low(end) & !low(quote));
                quotes &= !low(end + 1);
            }
            if end < BLOCK && letters >> end & 1 != 0 {
                *starts |= 1 << end;
            }
        }
    }
}

/// The lowest `count` bits.
#[inline]
fn low(count: usize) -> u64 {
    if count >= BLOCK {
        u64::MAX
    } else {
        (1 << count) - 1
    }
}

/// Behind the text come spaces: `\s+(?!\S)` does not mind them.
fn padded(rest: &[u8]) -> [u8; BLOCK] {
    let mut block = [b' '; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    block
}

#[inline]
fn punctuation(masks: &Masks) -> u64 {
    let letters = masks.upper | masks.lower;
    !(letters | masks.digit | masks.space | masks.control | masks.high)
}

/// Newlines directly after punctuation: they belong to it.
#[inline]
fn absorbed(masks: &Masks) -> u64 {
    let first = masks.newline & (punctuation(masks) << 1);
    // The sum carries through each run of newlines that has its first bit in `first`.
    masks.newline & !masks.newline.wrapping_add(first)
}

/// Where pieces start in a block that starts with one, and the place from which on that is not
/// known. `last`: the text ends in this block, after `size` bytes.
#[inline(always)]
fn starts(masks: &Masks, rules: Rules, size: usize, last: bool) -> (u64, usize) {
    let letters = masks.upper | masks.lower;
    let white = masks.space | masks.control;
    let blank = white & !masks.newline;
    let punctuation = punctuation(masks);
    // A space belongs to the punctuation after it; any other piece of punctuation starts itself.
    let signs = punctuation & !(punctuation << 1) & !(masks.space << 1);
    // A letter starts a piece unless a blank or a lone sign before it does.
    let words = letters & !(letters << 1) & !(blank << 1) & !(signs << 1);
    let inner = if rules.cased {
        masks.upper & (masks.lower << 1)
    } else {
        0
    };
    let runs = white & !(white << 1) & !absorbed(masks);
    // What follows a blank at the end of a full block is not in it: more text, beyond the limit, or
    // nothing, and then the blank ends the text together with those before it.
    let last_blanks = blank & !(white >> 1) & low(BLOCK - 1);
    let after_newline = blank & (masks.newline << 1);
    let starts = signs
        | words
        | inner
        | digits(masks.digit, rules.digits)
        | runs
        | last_blanks
        | after_newline;
    let limit = limit(masks, blank, after_newline, size, last);
    (starts, limit)
}

/// Digits that start a piece.
#[inline]
fn digits(digit: u64, longest: usize) -> u64 {
    if longest == 1 || digit == 0 {
        return digit;
    }
    let four = digit & (digit << 1) & (digit << 2) & (digit << 3);
    let mut new = digit & !(digit << 1);
    let mut starts = new;
    while new != 0 {
        new = (new << 3) & four;
        starts |= new;
    }
    starts
}

/// The first place of which the block does not tell whether a piece starts there.
#[inline(always)]
fn limit(masks: &Masks, blank: u64, after_newline: u64, size: usize, last: bool) -> usize {
    let top = size.min(masks.high.trailing_zeros() as usize);
    let mut limit = if last { top } else { top.saturating_sub(1) };
    // Blanks between newlines start no piece: `\s*[\r\n]+` goes on to the last newline.
    let between = blank.wrapping_add(after_newline) & !blank & masks.newline;
    if between != 0 {
        let before = after_newline & low(between.trailing_zeros() as usize);
        limit = limit.min(BLOCK - 1 - before.leading_zeros() as usize);
    }
    if !last && top > 0 {
        // So may blanks that reach the end of what is known.
        let run = (blank << (BLOCK - top)).leading_ones() as usize;
        if run > 0 && run <= top && after_newline >> (top - run) & 1 != 0 {
            limit = limit.min(top - run);
        }
    }
    limit
}
