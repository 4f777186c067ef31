//! `WordPiece`: takes the longest token that a word starts with, then the longest that continues it,
//! and so on. A word that cannot be covered this way becomes the unknown token.

use std::ops::Range;

use super::trie::Trie;
use crate::Unsupported;
use crate::definition;

/// The model.
#[derive(Debug)]
pub(crate) struct WordPiece {
    /// Tokens that a word may start with.
    starting: Trie,
    /// Tokens that go on with a word, without the prefix that says so.
    continuing: Trie,
    unknown: u32,
    /// Longer words are unknown.
    most_chars: usize,
}

impl WordPiece {
    pub(crate) fn new(model: &definition::Model<'_>) -> Result<Self, Unsupported> {
        let prefix = model.continuing_subword_prefix.as_deref().unwrap_or("##");
        let unknown = model.unk_token.as_deref().unwrap_or("[UNK]");
        let tokens = || model.vocab.tokens.iter().map(|(text, id)| (&**text, *id));
        let known = tokens().rfind(|(text, _)| *text == unknown);
        let (_, unknown) =
            known.ok_or_else(|| Unsupported::new("the vocabulary lacks the unknown token"))?;
        let continuing = tokens().filter_map(|(text, id)| Some((text.strip_prefix(prefix)?, id)));
        let most_chars = model.max_input_chars_per_word.unwrap_or(100);
        Ok(Self {
            starting: Trie::new(tokens().map(|(text, id)| (text.as_bytes(), id))),
            continuing: Trie::new(continuing.map(|(text, id)| (text.as_bytes(), id))),
            unknown,
            most_chars: usize::try_from(most_chars).unwrap_or(usize::MAX),
        })
    }

    /// Tells the id and the byte range of every token of a word.
    pub(super) fn tokens(
        &self,
        word: &str,
        parts: &mut Vec<(u32, usize)>,
        mut found: impl FnMut(u32, Range<usize>),
    ) {
        let long = word.len() > self.most_chars && word.chars().count() > self.most_chars;
        if long || !self.parts(word.as_bytes(), parts) {
            found(self.unknown, 0..word.len());
            return;
        }
        let mut start = 0;
        for &(id, end) in &*parts {
            found(id, start..end);
            start = end;
        }
    }

    /// The ids of a word and where each ends; `false` if it is unknown.
    fn parts(&self, word: &[u8], parts: &mut Vec<(u32, usize)>) -> bool {
        parts.clear();
        let (mut at, mut trie) = (0, &self.starting);
        while at < word.len() {
            let Some((length, id)) = trie.prefixes(&word[at..]).last() else {
                return false;
            };
            at += length;
            parts.push((id, at));
            trie = &self.continuing;
        }
        true
    }
}
