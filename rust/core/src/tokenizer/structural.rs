//! Added tokens in a text whose content must not make structural tokens.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, Anchored, Input, MatchKind, StartKind};
use regex_automata::meta::Regex;

use super::AddedToken;

/// A run of a text: an added token, or text between added tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Id of the added token.
    pub(super) id: Option<u32>,
}

/// Finds added tokens by the rules of the tokenizers library: leftmost, longest, with the flags
/// `single_word`, `lstrip` and `rstrip`.
pub(super) struct Matcher {
    tokens: Vec<AddedToken>,
    structural: Vec<bool>,
    all: Option<AhoCorasick>,
}

impl Matcher {
    /// For tokens given with the text they are looked for by (the normalized one, where they are
    /// looked for in normalized text).
    pub(super) fn new(tokens: Vec<(AddedToken, String)>, structural: &[u32]) -> Self {
        let patterns: Vec<&str> = tokens.iter().map(|(_, text)| &text[..]).collect();
        let all = (!patterns.is_empty())
            .then(|| {
                AhoCorasickBuilder::new()
                    .match_kind(MatchKind::LeftmostLongest)
                    .start_kind(StartKind::Both)
                    .build(&patterns)
                    .ok()
            })
            .flatten();
        let structural = tokens
            .iter()
            .map(|(token, _)| structural.contains(&token.id))
            .collect();
        let tokens = tokens.into_iter().map(|(token, _)| token).collect();
        Self {
            tokens,
            structural,
            all,
        }
    }

    /// Runs of `text` in order. `in_content` tells whether a byte range overlaps content.
    pub(super) fn runs(&self, text: &str, in_content: impl Fn(usize, usize) -> bool) -> Vec<Run> {
        let mut runs = Vec::new();
        let mut done = 0;
        let mut from = 0;
        while let Some((token, start, end)) = self.next(text, from, &in_content) {
            from = end.max(start + 1);
            let token = &self.tokens[token];
            if token.single_word && !is_single_word(text, start, end) {
                continue;
            }
            let (start, end) = widened(token, text, start, end, done);
            push_text(&mut runs, done, start);
            runs.push(Run {
                start,
                end,
                id: Some(token.id),
            });
            done = end;
        }
        push_text(&mut runs, done, text.len());
        runs
    }

    /// The leftmost longest match from `from` on that may be a token.
    fn next(
        &self,
        text: &str,
        mut from: usize,
        in_content: &impl Fn(usize, usize) -> bool,
    ) -> Option<(usize, usize, usize)> {
        let all = self.all.as_ref()?;
        loop {
            let found = all.find(Input::new(text).range(from..))?;
            let (start, end) = (found.start(), found.end());
            if !(self.structural[found.pattern().as_usize()] && in_content(start, end)) {
                return Some((found.pattern().as_usize(), start, end));
            }
            if let Some((token, end)) = self.ordinary_at(text, start, in_content) {
                return Some((token, start, end));
            }
            from = start + text[start..].chars().next().map_or(1, char::len_utf8);
        }
    }

    /// The longest token at `start` that is allowed there.
    fn ordinary_at(
        &self,
        text: &str,
        start: usize,
        in_content: &impl Fn(usize, usize) -> bool,
    ) -> Option<(usize, usize)> {
        let all = self.all.as_ref()?;
        let mut longest = text.len();
        // A shorter window makes a shorter token the longest one.
        while longest > start {
            let window = Input::new(text)
                .range(start..longest)
                .anchored(Anchored::Yes);
            let found = all.try_find(window).ok().flatten()?;
            let token = found.pattern().as_usize();
            if !(self.structural[token] && in_content(start, found.end())) {
                return Some((token, found.end()));
            }
            longest = found.end() - 1;
        }
        None
    }
}

fn push_text(runs: &mut Vec<Run>, start: usize, end: usize) {
    if start < end {
        runs.push(Run {
            start,
            end,
            id: None,
        });
    }
}

fn is_single_word(text: &str, start: usize, end: usize) -> bool {
    let before = text[..start].chars().next_back();
    let after = text[end..].chars().next();
    !before.is_some_and(is_word) && !after.is_some_and(is_word)
}

/// Whether a regex `\w` matches.
fn is_word(character: char) -> bool {
    static WORD: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\w").ok());
    let mut buffer = [0; 4];
    let text: &str = character.encode_utf8(&mut buffer);
    WORD.as_ref().is_some_and(|word| word.is_match(text))
}

/// The token's range with the whitespace that its flags take along.
fn widened(
    token: &AddedToken,
    text: &str,
    start: usize,
    end: usize,
    done: usize,
) -> (usize, usize) {
    let left = if token.lstrip {
        text[..start].trim_end().len().max(done)
    } else {
        start
    };
    let right = if token.rstrip {
        text.len() - text[end..].trim_start().len()
    } else {
        end
    };
    (left, right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(id: u32, content: &str) -> AddedToken {
        AddedToken {
            id,
            content: content.to_owned(),
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
            special: false,
        }
    }

    fn matcher(tokens: Vec<AddedToken>, structural: &[u32]) -> Matcher {
        let tokens = tokens
            .into_iter()
            .map(|token| (token.clone(), token.content))
            .collect();
        Matcher::new(tokens, structural)
    }

    fn found(matcher: &Matcher, text: &str, content: std::ops::Range<usize>) -> Vec<(u32, String)> {
        let overlaps = |start, end| start < content.end && end > content.start;
        matcher
            .runs(text, overlaps)
            .into_iter()
            .filter_map(|run| Some((run.id?, text[run.start..run.end].to_owned())))
            .collect()
    }

    #[test]
    fn structural_tokens_exist_outside_content_only() {
        let matcher = matcher(vec![token(1, "<e>"), token(2, "<t>")], &[1]);
        let text = "<e>a<e><t>b<e>";
        let all = found(&matcher, text, 0..0);
        assert_eq!(all.iter().map(|f| f.0).collect::<Vec<_>>(), [1, 1, 2, 1]);
        let some = found(&matcher, text, 3..11);
        assert_eq!(some.iter().map(|f| f.0).collect::<Vec<_>>(), [1, 2, 1]);
    }

    #[test]
    fn one_byte_of_content_is_enough() {
        let matcher = matcher(vec![token(1, "<e>")], &[1]);
        assert!(found(&matcher, "x<e>", 1..2).is_empty());
        assert!(found(&matcher, "<e>x", 2..4).is_empty());
        assert_eq!(found(&matcher, "<e>x", 3..4).len(), 1);
    }

    #[test]
    fn an_ordinary_token_inside_a_structural_one_is_found() {
        let matcher = matcher(
            vec![token(1, "<<a>>"), token(2, "<<a"), token(3, "a>")],
            &[1],
        );
        assert_eq!(found(&matcher, "<<a>>", 0..5), [(2, "<<a".to_owned())]);
        assert_eq!(found(&matcher, "<<a>>", 0..0), [(1, "<<a>>".to_owned())]);
    }

    #[test]
    fn flags() {
        let mut strip = token(1, "<s>");
        strip.lstrip = true;
        strip.rstrip = true;
        let mut word = token(2, "no");
        word.single_word = true;
        let matcher = matcher(vec![strip, word], &[]);
        assert_eq!(
            found(&matcher, "a <s>\n no not", 0..0),
            [(1, " <s>\n ".to_owned()), (2, "no".to_owned())]
        );
    }
}
