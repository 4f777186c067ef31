//! Characters of several bytes from which merging can start directly, instead of from their bytes.
//! For Chinese this saves four of five steps.
//!
//! A character is an *atom* if its bytes alone merge into one token, and every rule that has this
//! token as its left or right half comes after all the rules that make it. A piece may start as
//! atoms (and the bytes of other characters) if no token lies over a border between two of its
//! characters with only a part of one of them.
//!
//! The result is the same. No merge then involves a part of a character and anything outside it,
//! so the bytes of each atom merge among themselves, as they do alone, and what is left are the
//! *other* merges. These go in the same order, atoms or bytes: suppose that merging bytes goes on
//! with another merge than merging atoms does, after the same ones before. The pair that merging
//! atoms takes, the lowest in rank, is then not there yet, so one of its halves is an atom that is
//! not made yet. The next rule that makes it comes before every rule that uses it, so it is lower
//! in rank than the pair that merging bytes takes: a contradiction.

use crate::model::bpe::cut_points::CutPoints;
use crate::model::bpe::merges::{Merges, NONE, Rule};
use crate::pre_tokenizer::unicode::decode;

/// Code points that are looked up; others have four bytes and are rare.
const CODES: usize = 1 << 16;

/// The token of each atom by its code point, else [`NONE`]; empty if there are no atoms.
#[derive(Debug)]
pub(crate) struct Atoms {
    ids: Vec<u32>,
}

impl Atoms {
    /// Of tokens that are text, the merge rules, and the id of each byte.
    pub(crate) fn new<'a>(
        tokens: impl Iterator<Item = &'a str>,
        rules: &[Rule],
        merges: &Merges,
        bytes: &[u32; 256],
    ) -> Self {
        let size = rules.iter().map(|rule| rule.0.max(rule.1) as usize + 1);
        let mut first_use = vec![NONE; size.max().unwrap_or(0)];
        for (rank, &(left, right, _)) in rules.iter().enumerate().rev() {
            first_use[left as usize] = rank as u32;
            first_use[right as usize] = rank as u32;
        }
        let mut ids = vec![NONE; CODES];
        for token in tokens {
            let mut chars = token.chars();
            if let (Some(c), None) = (chars.next(), chars.next())
                && let Some(slot) = ids.get_mut(c as usize)
                && let Some((id, made)) = made(token.as_bytes(), merges, bytes)
                && first_use.get(id as usize).is_none_or(|&used| used > made)
            {
                *slot = id;
            }
        }
        Self { ids }
    }

    /// Where pieces do not start as bytes.
    pub(crate) fn none() -> Self {
        Self { ids: Vec::new() }
    }

    /// Appends atoms, and the bytes of other characters; appends nothing and says `false` if the
    /// piece may not start so, or is ASCII.
    #[inline]
    pub(crate) fn symbols(
        &self,
        piece: &[u8],
        joins: &CutPoints,
        bytes: &[u32; 256],
        symbols: &mut Vec<u32>,
    ) -> bool {
        if self.ids.is_empty() || piece.is_ascii() {
            return false;
        }
        let before = symbols.len();
        let mut at = 0;
        while at < piece.len() {
            if at > 0 && joins.torn_at(piece, at) {
                symbols.truncate(before);
                return false;
            }
            let (code, length) = decode(piece, at);
            match self.ids.get(code as usize) {
                Some(&id) if id != NONE => symbols.push(id),
                _ => symbols.extend(
                    piece[at..at + length]
                        .iter()
                        .map(|&b| bytes[usize::from(b)]),
                ),
            }
            at += length;
        }
        true
    }
}

/// The token that the bytes of a character alone merge into, and the highest rank of the rules that
/// make it.
fn made(piece: &[u8], merges: &Merges, bytes: &[u32; 256]) -> Option<(u32, u32)> {
    let mut symbols: Vec<u32> = piece.iter().map(|&b| bytes[usize::from(b)]).collect();
    let mut highest = 0;
    while symbols.len() > 1 {
        let pairs = symbols.windows(2).enumerate();
        let found = pairs.map(|(at, pair)| (merges.find(pair[0], pair[1]), at));
        let ((rank, product), at) = found.min()?;
        if rank == NONE {
            return None;
        }
        highest = highest.max(rank);
        symbols[at] = product;
        symbols.remove(at + 1);
    }
    (piece.len() > 1).then_some((symbols[0], highest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::bpe::merge_list::MergeList;

    /// Ids of bytes are the bytes; other tokens follow.
    const BYTES: [u32; 256] = {
        let mut ids = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            ids[byte] = byte as u32;
            byte += 1;
        }
        ids
    };

    fn chance(state: &mut u64, most: usize) -> usize {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) as usize % most
    }

    /// Rules that join neighbours in random texts of a few characters: some make characters, some
    /// cross their borders, in any order.
    fn rules(state: &mut u64, letters: &[char], count: usize) -> (Vec<Rule>, Vec<Vec<u8>>) {
        let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
        let mut rules = Vec::new();
        while rules.len() < count {
            let text: String = (0..6)
                .map(|_| letters[chance(state, letters.len())])
                .collect();
            let mut symbols: Vec<u32> = text.bytes().map(u32::from).collect();
            let merges = Merges::new(&rules);
            merges.apply(&[], &mut symbols, &mut MergeList::default());
            // Half of the time a pair within a character, where there is one.
            let at = chance(state, symbols.len() - 1);
            let (left, right) = (symbols[at], symbols[at + 1]);
            let token = [&tokens[left as usize][..], &tokens[right as usize]].concat();
            let inside = token.len() <= 3 && token[1..].iter().all(|&byte| byte & 0xC0 == 0x80);
            if !inside && chance(state, 4) > 0 {
                continue;
            }
            let known = tokens.iter().position(|known| *known == token);
            let product = known.unwrap_or_else(|| {
                tokens.push(token);
                tokens.len() - 1
            });
            rules.push((left, right, product as u32));
        }
        for at in (1..rules.len()).rev() {
            if chance(state, 3) == 0 {
                rules.swap(at, chance(state, at));
            }
        }
        (rules, tokens)
    }

    #[test]
    fn pieces_merge_from_atoms_as_from_bytes() {
        let letters = ['中', '文', '字', '丮', 'é', 'è', 'a', '😀'];
        let state = &mut 3;
        let (mut made_of_atoms, mut not) = (0, 0);
        for round in 0..300 {
            let (rules, tokens) = rules(state, &letters, 4 + round % 60);
            let merges = Merges::new(&rules);
            let joins = CutPoints::new(tokens.iter().map(|token| &token[..]));
            let texts = tokens
                .iter()
                .filter_map(|token| std::str::from_utf8(token).ok());
            let atoms = Atoms::new(texts, &rules, &merges, &BYTES);
            for _ in 0..40 {
                let count = 1 + chance(state, 8);
                let piece: String = (0..count)
                    .map(|_| letters[chance(state, letters.len())])
                    .collect();
                let mut symbols = Vec::new();
                if !atoms.symbols(piece.as_bytes(), &joins, &BYTES, &mut symbols) {
                    assert!(symbols.is_empty());
                    not += 1;
                    continue;
                }
                made_of_atoms += usize::from(symbols.len() < piece.len());
                let mut expected: Vec<u32> = piece.bytes().map(u32::from).collect();
                merges.apply(&[], &mut expected, &mut MergeList::default());
                merges.apply(&[], &mut symbols, &mut MergeList::default());
                assert_eq!(symbols, expected, "{piece:?} {rules:?}");
            }
        }
        assert!(made_of_atoms > 1000 && not > 1000, "{made_of_atoms} {not}");
    }
}
