//! Added tokens: found in the text before the model sees it, by the rules of Hugging Face
//! `tokenizers` (`AddedVocabulary`): leftmost, then longest; `single_word`, `lstrip`, `rstrip`.

pub(crate) mod prescan;

use rustc_hash::FxHashMap;
use serde::Deserialize;

/// A token that is found in the text before the model sees it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the flags of the file format"
)]
pub struct AddedToken {
    /// Its id.
    #[serde(default)]
    pub id: u32,
    /// Its text.
    pub content: String,
    /// It matches only where no word character stands beside it.
    #[serde(default)]
    pub single_word: bool,
    /// It takes the whitespace on its left with it.
    #[serde(default)]
    pub lstrip: bool,
    /// It takes the whitespace on its right with it.
    #[serde(default)]
    pub rstrip: bool,
    /// It is looked for in the normalized text rather than in the text.
    #[serde(default)]
    pub normalized: bool,
    /// Decoding may leave it out.
    #[serde(default)]
    pub special: bool,
}

fn same_properties(one: &AddedToken, other: &AddedToken) -> bool {
    let id = other.id;
    AddedToken { id, ..one.clone() } == *other
}

/// Gives each token the id that Hugging Face gives it: the model's own if the model has the text,
/// else the next free one, whatever the file says. Each list is one call of `add_tokens`; of two
/// entries with one id the later stands.
pub fn assign_ids(
    lists: &[&[AddedToken]],
    model: impl Fn(&str) -> Option<u32>,
    vocab_size: u32,
) -> Vec<AddedToken> {
    let mut by_id: FxHashMap<u32, AddedToken> = FxHashMap::default();
    let mut ids: FxHashMap<String, u32> = FxHashMap::default();
    for list in lists {
        let last = by_id
            .keys()
            .max()
            .filter(|&&id| id >= vocab_size || vocab_size == 0);
        let mut next = last.map_or(vocab_size, |id| id + 1);
        for token in list.iter().filter(|token| !token.content.is_empty()) {
            let known = ids.get(&token.content).copied();
            let same = known.and_then(|id| by_id.get(&id));
            if same.is_some_and(|same| same_properties(same, token)) {
                continue;
            }
            let id = known.or_else(|| model(&token.content)).unwrap_or_else(|| {
                next += 1;
                next - 1
            });
            ids.insert(token.content.clone(), id);
            by_id.insert(
                id,
                AddedToken {
                    id,
                    ..token.clone()
                },
            );
        }
    }
    let mut tokens: Vec<_> = by_id.into_values().collect();
    tokens.sort_unstable_by_key(|token| token.id);
    tokens
}

/// A part of a text: an added token, or text between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// The id, if it is an added token.
    pub id: Option<u32>,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

#[derive(Debug)]
struct Pattern {
    token: AddedToken,
    structural: bool,
}

/// Finds a set of added tokens in texts.
#[derive(Debug)]
pub struct AddedSplitter {
    patterns: Vec<Pattern>,
    by_text: FxHashMap<Box<[u8]>, usize>,
    /// Lengths of the patterns that start with a byte, longest first.
    lengths: Vec<Vec<usize>>,
    /// First bytes.
    needles: Vec<u8>,
    first: [bool; 256],
    /// Second bytes that go with a first byte; all of them if a pattern is that one byte.
    seconds: Vec<[u64; 4]>,
    /// A space is written for a sign that `lstrip` and `rstrip` leave.
    spaces_are_signs: bool,
}

impl AddedSplitter {
    /// Of tokens and the text to search for each; `structural` names ids that are plain text where
    /// the caller says so. `None` if there is nothing to search.
    pub fn new<'a>(
        tokens: impl IntoIterator<Item = (&'a AddedToken, String)>,
        structural: impl Fn(u32) -> bool,
    ) -> Option<Self> {
        let mut splitter = Self {
            patterns: Vec::new(),
            by_text: FxHashMap::default(),
            lengths: vec![Vec::new(); 256],
            needles: Vec::new(),
            first: [false; 256],
            seconds: vec![[0; 4]; 256],
            spaces_are_signs: false,
        };
        for (token, text) in tokens {
            splitter.add(token, text.as_bytes(), structural(token.id));
        }
        for lengths in &mut splitter.lengths {
            lengths.sort_unstable_by(|a, b| b.cmp(a));
            lengths.dedup();
        }
        splitter.needles = (0..=255)
            .filter(|&byte| splitter.first[usize::from(byte)])
            .collect();
        (!splitter.patterns.is_empty()).then_some(splitter)
    }

    /// For texts in which a space is written for a sign, such as `▁`, that is not white space.
    pub(crate) fn with_signs_for_spaces(mut self, signs: bool) -> Self {
        self.spaces_are_signs = signs;
        self
    }

    fn add(&mut self, token: &AddedToken, text: &[u8], structural: bool) {
        let Some(&first) = text.first() else { return };
        let first = usize::from(first);
        self.first[first] = true;
        match text.get(1) {
            Some(&second) => {
                self.seconds[first][usize::from(second / 64)] |= 1 << (second % 64);
            }
            None => self.seconds[first] = [u64::MAX; 4],
        }
        self.lengths[first].push(text.len());
        self.by_text.insert(text.into(), self.patterns.len());
        self.patterns.push(Pattern {
            token: token.clone(),
            structural,
        });
    }

    /// The bytes that tokens start with.
    pub(crate) fn first_bytes(&self) -> impl Iterator<Item = u8> {
        self.needles.iter().copied()
    }

    /// The bytes that stand second in tokens; all bytes if a token has only one.
    pub(crate) fn second_bytes(&self) -> impl Iterator<Item = u8> {
        let any = |byte: u8| move |seconds: &[u64; 4]| has(seconds, byte);
        (0..=255).filter(move |&byte| self.seconds.iter().any(any(byte)))
    }

    /// Calls `part` for every part of `text`, in order. A structural token is passed over, as if
    /// it did not exist, where `plain` says of its byte range that it is plain text.
    pub fn split<E>(
        &self,
        text: &str,
        plain: impl Fn(usize, usize) -> bool,
        mut section: impl FnMut(Section) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut done, mut from) = (0, 0);
        while let Some((token, mut start, mut end)) = self.find(text.as_bytes(), from, &plain) {
            from = end;
            if token.single_word && !stands_alone(text, start, end) {
                continue;
            }
            let strips = |c: char| c.is_whitespace() && !(self.spaces_are_signs && c == ' ');
            if token.lstrip {
                start = text[..start].trim_end_matches(strips).len().max(done);
            }
            if token.rstrip {
                end = text.len() - text[end..].trim_start_matches(strips).len();
            }
            // The token before has taken all of it.
            if start >= end {
                continue;
            }
            if done < start {
                section(Section {
                    id: None,
                    start: done,
                    end: start,
                })?;
            }
            section(Section {
                id: Some(token.id),
                start,
                end,
            })?;
            done = end;
        }
        if done < text.len() {
            section(Section {
                id: None,
                start: done,
                end: text.len(),
            })?;
        }
        Ok(())
    }

    /// The first match from `from` on, the longest at its place.
    fn find(
        &self,
        text: &[u8],
        mut from: usize,
        plain: &impl Fn(usize, usize) -> bool,
    ) -> Option<(&AddedToken, usize, usize)> {
        while let Some(at) = self.candidate(text, from) {
            from = at + 1;
            let second = text.get(at + 1).copied().unwrap_or(0);
            if !has(&self.seconds[usize::from(text[at])], second) {
                continue;
            }
            if let Some((token, end)) = self.longest(text, at, plain) {
                return Some((token, at, end));
            }
        }
        None
    }

    fn longest(
        &self,
        text: &[u8],
        at: usize,
        plain: &impl Fn(usize, usize) -> bool,
    ) -> Option<(&AddedToken, usize)> {
        self.lengths[usize::from(text[at])]
            .iter()
            .find_map(|&length| {
                let pattern = &self.patterns[*self.by_text.get(text.get(at..at + length)?)?];
                let passed = pattern.structural && plain(at, at + length);
                (!passed).then_some((&pattern.token, at + length))
            })
    }

    /// The first place from `from` on whose byte starts some pattern.
    fn candidate(&self, text: &[u8], from: usize) -> Option<usize> {
        let rest = text.get(from..)?;
        let found = match *self.needles {
            [a] => memchr::memchr(a, rest),
            [a, b] => memchr::memchr2(a, b, rest),
            [a, b, c] => memchr::memchr3(a, b, c, rest),
            _ => rest.iter().position(|&byte| self.first[usize::from(byte)]),
        };
        found.map(|at| from + at)
    }
}

/// A set of bytes has that byte.
fn has(set: &[u64; 4], byte: u8) -> bool {
    set[usize::from(byte / 64)] >> (byte % 64) & 1 != 0
}

/// No word character (`\w`) touches the range.
fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    let word = |c: Option<char>| {
        c.is_some_and(|c| regex_syntax::try_is_word_character(c).unwrap_or(false))
    };
    !word(text[..start].chars().next_back()) && !word(text[end..].chars().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(id: u32, content: &str) -> AddedToken {
        AddedToken {
            id,
            content: content.into(),
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
            special: true,
        }
    }

    fn split(
        tokens: &[AddedToken],
        text: &str,
        plain: &[(usize, usize)],
    ) -> Vec<(Option<u32>, String)> {
        let pairs = tokens.iter().map(|t| (t, t.content.clone()));
        let splitter = AddedSplitter::new(pairs, |_| true).unwrap();
        let mut parts = Vec::new();
        let is_plain = |start, end| plain.iter().any(|&(a, b)| start < b && a < end);
        let result: Result<(), ()> = splitter.split(text, is_plain, |section| {
            parts.push((section.id, text[section.start..section.end].to_owned()));
            Ok(())
        });
        result.unwrap();
        parts
    }

    fn section(id: u32, text: &str) -> (Option<u32>, String) {
        (Some(id), text.into())
    }

    fn text(text: &str) -> (Option<u32>, String) {
        (None, text.into())
    }

    #[test]
    fn the_longest_at_the_leftmost_place_wins() {
        let tokens = [token(1, "<s>"), token(2, "<s><s>"), token(3, "s><")];
        assert_eq!(
            split(&tokens, "a<s><s><s>b", &[]),
            [
                text("a"),
                section(2, "<s><s>"),
                section(1, "<s>"),
                text("b")
            ]
        );
    }

    #[test]
    fn strips_take_white_space_that_no_token_has_taken() {
        let mut left = token(1, "<l>");
        left.lstrip = true;
        let mut right = token(2, "<r>");
        right.rstrip = true;
        assert_eq!(
            split(&[left, right], "a \u{3000}<l><r> \n <l> b", &[]),
            [
                text("a"),
                section(1, " \u{3000}<l>"),
                section(2, "<r> \n "),
                section(1, "<l>"),
                text(" b")
            ]
        );
    }

    #[test]
    fn a_token_of_white_space_that_another_has_taken_is_none() {
        let mut both = token(1, "\t");
        (both.lstrip, both.rstrip) = (true, true);
        assert_eq!(
            split(&[both], "a \t \t b", &[]),
            [text("a"), section(1, " \t \t "), text("b")]
        );
    }

    #[test]
    fn a_space_that_is_a_sign_stays() {
        let mut both = token(1, "<s>");
        (both.lstrip, both.rstrip) = (true, true);
        let splitter = AddedSplitter::new([(&both, both.content.clone())], |_| false).unwrap();
        let mut ends = Vec::new();
        let result: Result<(), ()> = splitter.with_signs_for_spaces(true).split(
            "a \n<s>\t b",
            |_, _| false,
            |section| {
                ends.push((section.id, section.end));
                Ok(())
            },
        );
        assert_eq!(result, Ok(()));
        assert_eq!(ends, [(None, 2), (Some(1), 7), (None, 9)]);
    }

    #[test]
    fn a_single_word_is_not_found_inside_words() {
        let mut word = token(1, "ab");
        word.single_word = true;
        assert_eq!(
            split(&[word], "ab abc_ab é-ab", &[]),
            [section(1, "ab"), text(" abc_ab é-"), section(1, "ab")]
        );
    }

    #[test]
    fn a_structural_token_is_text_in_content() {
        let tokens = [token(1, "<s>"), token(2, "<s>x")];
        assert_eq!(
            split(&tokens, "<s>x<s>x", &[(3, 5)]),
            [section(1, "<s>"), text("x<s>x")],
        );
    }

    #[test]
    fn ids_are_those_of_the_model_or_the_next() {
        let mut lists = [token(9, "a"), token(9, "b"), token(7, "c")];
        lists[2].special = false;
        let tokens = assign_ids(
            &[&lists, &[token(0, "d"), token(0, "a")]],
            |t| (t == "b").then_some(2),
            5,
        );
        let ids: Vec<_> = tokens.iter().map(|t| (t.id, &*t.content)).collect();
        assert_eq!(ids, [(2, "b"), (5, "a"), (6, "c"), (7, "d")]);
    }
}
