//! Unigram: cuts a piece into the tokens whose scores have the greatest sum.

use std::ops::Range;

use super::trie::Trie;
use crate::Unsupported;
use crate::definition;

/// What a character that no token covers alone costs, below the lowest score.
const PENALTY: f64 = 10.0;

/// The model.
#[derive(Debug)]
pub(crate) struct Unigram {
    trie: Trie,
    scores: Vec<f64>,
    unknown: u32,
    unknown_score: f64,
    /// The tokens of bytes, for what is unknown.
    bytes: Option<Box<[Option<u32>; 256]>>,
    /// A space is written for the sign of one.
    signs: bool,
}

/// The best way to a place of a piece: its last token, and where that starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Best {
    score: f64,
    id: u32,
    start: u32,
}

/// A place that no way leads to.
const UNREACHED: Best = Best {
    score: 0.0,
    id: 0,
    start: u32::MAX,
};

impl Unigram {
    /// `signs`: texts have spaces for the sign of one.
    pub(crate) fn new(model: &definition::Model<'_>, signs: bool) -> Result<Self, Unsupported> {
        let vocab = &model.vocab.tokens;
        let scores = model.vocab.scores.clone().unwrap_or_default();
        let unknown = model.unk_id.filter(|&id| id < scores.len());
        let unknown = unknown.ok_or_else(|| Unsupported::new("the model has no unknown token"))?;
        let spelled: Vec<_> = vocab.iter().map(|(text, _)| spelled(text, signs)).collect();
        let tokens = spelled.iter().zip(0..);
        let trie = Trie::new(tokens.filter_map(|(text, id)| Some((text.as_deref()?, id))));
        let lowest = scores.iter().fold(
            f64::INFINITY,
            |lowest, &score| {
                if score < lowest { score } else { lowest }
            },
        );
        let byte = |byte: usize| trie.get(format!("<0x{byte:02X}>").as_bytes());
        Ok(Self {
            bytes: model
                .byte_fallback
                .then(|| Box::new(std::array::from_fn(byte))),
            trie,
            scores,
            unknown: unknown as u32,
            unknown_score: lowest - PENALTY,
            signs,
        })
    }

    /// Tells the id and the byte range of every token of a piece. Tokens of bytes all have the range
    /// of what they stand for.
    pub(super) fn tokens(
        &self,
        piece: &str,
        best: &mut Vec<Best>,
        mut found: impl FnMut(u32, Range<usize>),
    ) {
        self.find_best(piece, best);
        let mut end = piece.len();
        // Backwards, so that the links lead from token to token; then forwards over what is linked.
        let mut next = u32::MAX;
        while end > 0 {
            let start = best[end].start;
            best[end].start = next;
            next = end as u32;
            end = start as usize;
        }
        let (mut start, mut unknown_from) = (0, None);
        while next != u32::MAX {
            let end = next as usize;
            let Best {
                id, start: after, ..
            } = best[end];
            next = after;
            if id == self.unknown {
                unknown_from = unknown_from.or(Some(start));
            } else {
                if let Some(from) = unknown_from.take() {
                    self.unknown(piece, from..start, &mut found);
                }
                found(id, start..end);
            }
            start = end;
        }
        if let Some(from) = unknown_from {
            self.unknown(piece, from..start, &mut found);
        }
    }

    /// Fills in the best way to every place between characters.
    fn find_best(&self, piece: &str, best: &mut Vec<Best>) {
        best.clear();
        best.resize(piece.len() + 1, UNREACHED);
        for (at, c) in piece.char_indices() {
            let (here, length) = (best[at].score, c.len_utf8());
            let mut alone = false;
            let mut offer = |end: usize, score: f64, id| {
                let known = &mut best[end];
                let score = score + here;
                if known.start == u32::MAX || score > known.score {
                    let start = at as u32;
                    *known = Best { score, id, start };
                }
            };
            for (count, id) in self.trie.prefixes(&piece.as_bytes()[at..]) {
                offer(at + count, self.scores[id as usize], id);
                alone |= count == length;
            }
            if !alone {
                offer(at + length, self.unknown_score, self.unknown);
            }
        }
    }

    /// A run of unknown characters: the token of that text, its bytes, or the unknown token.
    fn unknown(&self, piece: &str, range: Range<usize>, found: &mut impl FnMut(u32, Range<usize>)) {
        let text = &piece[range.clone()];
        if let Some(id) = self.trie.get(text.as_bytes()) {
            return found(id, range);
        }
        if let Some(bytes) = &self.bytes {
            let sign = text.contains(' ') && self.signs;
            let text = if sign {
                &text.replace(' ', "▁")
            } else {
                text
            };
            let ids: Option<Vec<u32>> = text.bytes().map(|byte| bytes[usize::from(byte)]).collect();
            if let Some(ids) = ids {
                return ids.into_iter().for_each(|id| found(id, range.clone()));
            }
        }
        found(self.unknown, range);
    }
}

/// The bytes that a text has for a token; none if no text can have it.
fn spelled(token: &str, signs: bool) -> Option<Vec<u8>> {
    if !signs {
        return Some(token.into());
    }
    let known = !token.contains(' ');
    known.then(|| token.replace('▁', " ").into_bytes())
}
