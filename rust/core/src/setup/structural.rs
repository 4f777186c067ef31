//! Structural tokens: the tokens that frame a conversation. Content must never produce one.

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind, MatchKind};

use super::StopSet;
use crate::template::{Field, FragmentRange, Origin, Rendered, Study};
use crate::tokenizer::{AddedToken, Tokenizer};

/// The structural tokens of a run, with a search for them.
pub(crate) struct Structural {
    ids: Vec<u32>,
    search: StructuralSearch,
}

/// A search for structural texts in content.
struct StructuralSearch {
    matcher: Option<AhoCorasick>,
    signs: Option<Signs>,
}

impl Structural {
    /// Takes the stop set, BOS, EOS, pad, every special added token, and the added tokens that one
    /// of the templates prints around messages. Reasoning markers are left out: the model writes
    /// them itself.
    pub(crate) fn new(tokenizer: &Tokenizer, stop: &StopSet, studies: &[&Study]) -> Self {
        let named: Vec<u32> = ["bos_token", "eos_token", "pad_token"]
            .iter()
            .filter_map(|name| tokenizer.special_id(name))
            .collect();
        let frame: Vec<&str> = studies
            .iter()
            .flat_map(|study| frame_texts(study))
            .collect();
        let is_structural = |token: &AddedToken| {
            token.special
                || stop.contains(token.id)
                || named.contains(&token.id)
                || is_marker(token) && frame.iter().any(|text| text.contains(&token.content))
        };
        let written = |token: &AddedToken| studies.iter().any(|study| is_reasoning(study, token));
        let tokens: Vec<&AddedToken> = tokenizer
            .added_tokens()
            .iter()
            .filter(|token| is_structural(token) && (token.special || !written(token)))
            .collect();
        let texts: Vec<&str> = tokens.iter().map(|token| &token.content[..]).collect();
        Self {
            ids: tokens.iter().map(|token| token.id).collect(),
            search: StructuralSearch::new(&texts),
        }
    }

    /// The ids.
    pub(crate) fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The number of structural texts in `text` that overlap content, and the byte range of the
    /// first.
    pub(crate) fn in_content(
        &self,
        text: &str,
        content: &[(u32, u32)],
    ) -> Option<(u64, (usize, usize))> {
        let signs = self.search.signs.as_ref();
        if signs.is_some_and(|signs| !signs.are_in(text.as_bytes(), content)) {
            return None;
        }
        self.search.find(text, content)
    }
}

/// Bytes of all texts up to which they are searched for by a table of every byte in every state.
const MOST_IN_TABLE: usize = 4096;

impl StructuralSearch {
    fn new(texts: &[&str]) -> Self {
        let mut builder = AhoCorasickBuilder::new();
        builder.match_kind(MatchKind::LeftmostLongest);
        // The table that is fastest to search is made in time that grows with the square of a text
        // that repeats itself.
        if texts.iter().map(|text| text.len()).sum::<usize>() > MOST_IN_TABLE {
            builder.kind(Some(AhoCorasickKind::ContiguousNFA));
        }
        let matcher = builder.build(texts);
        Self {
            matcher: matcher.ok().filter(|_| !texts.is_empty()),
            signs: Signs::of(texts),
        }
    }

    fn find(&self, text: &str, content: &[(u32, u32)]) -> Option<(u64, (usize, usize))> {
        let matcher = self.matcher.as_ref()?;
        let mut count = 0;
        let mut first = (0, 0);
        let mut range = 0;
        for found in matcher.find_iter(text) {
            while range < content.len() && content[range].1 as usize <= found.start() {
                range += 1;
            }
            if range == content.len() {
                break;
            }
            if (content[range].0 as usize) < found.end() {
                if count == 0 {
                    first = (found.start(), found.end());
                }
                count += 1;
            }
        }
        (count > 0).then_some((count, first))
    }
}

/// Cheap signs that a structural text may touch content. Most rows show none and skip the full
/// search, which would stop at every token of the template's own text.
struct Signs {
    /// First bytes of the texts.
    firsts: Vec<u8>,
    /// Their first two bytes.
    starts: Vec<[u8; 2]>,
    /// Bytes of a text other than its last: only these can be followed by more of the same text.
    inner: [bool; 256],
}

impl Signs {
    /// Of texts of two bytes and more that start with at most three different bytes.
    fn of(texts: &[&str]) -> Option<Self> {
        let mut signs = Self {
            firsts: Vec::new(),
            starts: Vec::new(),
            inner: [false; 256],
        };
        for text in texts {
            let [first, second, ..] = *text.as_bytes() else {
                return None;
            };
            signs.firsts.push(first);
            signs.starts.push([first, second]);
            let (_, inner) = text.as_bytes().split_last()?;
            for byte in inner {
                signs.inner[usize::from(*byte)] = true;
            }
        }
        signs.firsts.sort_unstable();
        signs.firsts.dedup();
        signs.starts.sort_unstable();
        signs.starts.dedup();
        (signs.firsts.len() <= 3).then_some(signs)
    }

    fn are_in(&self, text: &[u8], content: &[(u32, u32)]) -> bool {
        content.iter().any(|(start, end)| {
            let (start, end) = (*start as usize, *end as usize);
            let enters = start > 0 && self.inner[usize::from(text[start - 1])];
            enters || self.start_in(text, start, end)
        })
    }

    fn start_in(&self, text: &[u8], start: usize, end: usize) -> bool {
        let starts = |at: usize| {
            let pair = text.get(start + at..start + at + 2);
            pair.is_some_and(|pair| self.starts.iter().any(|known| known == pair))
        };
        let inside = &text[start..end];
        match self.firsts[..] {
            [] => false,
            [one] => memchr::memchr_iter(one, inside).any(starts),
            [one, two] => memchr::memchr2_iter(one, two, inside).any(starts),
            [one, two, three] => memchr::memchr3_iter(one, two, three, inside).any(starts),
            _ => true,
        }
    }
}

/// Texts that a template prints around the messages of a conversation without tools.
fn frame_texts(study: &Study) -> Vec<&str> {
    let roles = study
        .roles
        .iter()
        .filter(|role| matches!(&role.role[..], "system" | "user" | "assistant"))
        .flat_map(|role| [&role.header[..], &role.footer[..]]);
    let prompts = study.generation_prompts.iter().map(|(_, text)| &text[..]);
    let markers = study.role_markers.iter().map(|(_, text)| &text[..]);
    roles
        .chain(prompts)
        .chain(markers)
        .chain([&study.terminator[..], &study.final_terminator[..]])
        .collect()
}

/// Whether the token is more than whitespace. Some vocabularies have added tokens for runs of
/// whitespace, which are ordinary text.
fn is_marker(token: &AddedToken) -> bool {
    !token.content.trim().is_empty()
}

/// Whether the token is one of the markers around reasoning, which the model writes itself.
fn is_reasoning(study: &Study, token: &AddedToken) -> bool {
    study
        .reasoning_markers
        .as_ref()
        .is_some_and(|(open, close)| {
            open.contains(&token.content) || close.contains(&token.content)
        })
        || matches!(&token.content[..], "<think>" | "</think>")
}

/// Byte ranges in which structural tokens are ordinary text: everything that came from the row,
/// except role names, because templates build markers from them.
pub(crate) fn content_ranges(rendered: &Rendered, ranges: &mut Vec<(u32, u32)>) {
    ranges.clear();
    for FragmentRange { start, end, origin } in rendered.ranges() {
        let text = || &rendered.text[start as usize..end as usize];
        if end > start && is_content(origin, text) {
            match ranges.last_mut() {
                Some(last) if last.1 == start => last.1 = end,
                _ => ranges.push((start, end)),
            }
        }
    }
}

fn is_content<'t>(origin: Origin, text: impl Fn() -> &'t str) -> bool {
    match origin {
        Origin::Template => false,
        Origin::Message {
            field: Field::Role, ..
        } => !is_plain_name(text()),
        _ => true,
    }
}

fn is_plain_name(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Fragment;

    /// Every text of seven characters over a few, with content from the third to the fifth.
    #[test]
    fn a_search_is_left_out_only_where_it_finds_nothing() {
        const CHARACTERS: &[char] = &['<', '[', 'a', '>', ' '];
        let search = StructuralSearch::new(&["<a>", "<a", "[<a", ">>"]);
        let signs = search.signs.as_ref().unwrap();
        let (mut found, mut left_out) = (0, 0);
        for number in 0..CHARACTERS.len().pow(7) {
            let digit = |place| number / CHARACTERS.len().pow(place) % CHARACTERS.len();
            let text: String = (0..7).map(|place| CHARACTERS[digit(place)]).collect();
            let content = [(2, 5)];
            if search.find(&text, &content).is_some() {
                assert!(signs.are_in(text.as_bytes(), &content), "{text}");
                found += 1;
            } else {
                left_out += usize::from(!signs.are_in(text.as_bytes(), &content));
            }
        }
        assert!(found > 10_000 && left_out > 10_000);
    }

    #[test]
    fn role_names_are_frame_and_other_text_of_the_row_is_content() {
        let role = |field| Origin::Message { index: 0, field };
        let rendered = Rendered {
            text: "<|user|>hi<x>".to_owned(),
            fragments: vec![
                Fragment {
                    end: 2,
                    origin: Origin::Template,
                },
                Fragment {
                    end: 6,
                    origin: role(Field::Role),
                },
                Fragment {
                    end: 8,
                    origin: Origin::Template,
                },
                Fragment {
                    end: 10,
                    origin: role(Field::Content),
                },
                Fragment {
                    end: 13,
                    origin: role(Field::Role),
                },
            ],
            ..Rendered::default()
        };
        let mut ranges = Vec::new();
        content_ranges(&rendered, &mut ranges);
        assert_eq!(ranges, [(8, 13)]);
    }
}
