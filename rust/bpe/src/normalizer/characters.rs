//! Normalizers that make something of each character, whatever stands beside it.

use unicode_categories::UnicodeCategories;
use unicode_normalization_alignments::char::is_combining_mark;

use super::codes::Codes;
use super::sink::Sink;

/// What becomes of a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Lowercase,
    /// `StripAccents`: marks are left out.
    WithoutMarks,
    /// `BertNormalizer` leaves out other marks.
    WithoutNonspacingMarks,
    Nmt,
    /// `clean_text` of `BertNormalizer`.
    Clean,
    /// `handle_chinese_chars` of `BertNormalizer`: spaces around ideographs.
    SpaceIdeographs,
}

impl Rule {
    fn apply(self, c: char, mut found: impl FnMut(char)) {
        match self {
            Self::Lowercase => c.to_lowercase().for_each(found),
            Self::WithoutMarks => _ = (!is_combining_mark(c)).then(|| found(c)),
            Self::WithoutNonspacingMarks => _ = (!c.is_mark_nonspacing()).then(|| found(c)),
            Self::Nmt => _ = nmt(c).map(found),
            Self::Clean => _ = clean(c).map(found),
            Self::SpaceIdeographs if is_ideograph(c) => [' ', c, ' '].into_iter().for_each(found),
            Self::SpaceIdeographs => found(c),
        }
    }
}

fn nmt(c: char) -> Option<char> {
    match c {
        '\u{1}'..='\u{8}' | '\u{b}' | '\u{e}'..='\u{1f}' | '\u{7f}' | '\u{8f}' | '\u{9f}' => None,
        '\t'
        | '\n'
        | '\u{c}'
        | '\r'
        | '\u{1680}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'
        | '\u{2029}'
        | '▁'
        | '\u{feff}'
        | '\u{fffd}' => Some(' '),
        _ => Some(c),
    }
}

fn clean(c: char) -> Option<char> {
    match c {
        '\t' | '\n' | '\r' => Some(' '),
        '\0' | '\u{fffd}' => None,
        _ if c.is_other() => None,
        _ => Some(if c.is_whitespace() { ' ' } else { c }),
    }
}

/// As `BertNormalizer` has it.
fn is_ideograph(c: char) -> bool {
    matches!(c,
        '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{2a6df}' | '\u{2a700}'..='\u{2b73f}' | '\u{2b740}'..='\u{2b81f}'
        | '\u{2b920}'..='\u{2ceaf}' | '\u{2f800}'..='\u{2fa1f}')
}

/// The character is left out.
const GONE: u32 = 1 << 31;
/// The character has a space on each side.
const SPACED: u32 = 1 << 30;
/// Anything else than one character, perhaps spaced, or none.
const LONGER: u32 = 1 << 29;

/// Rules, one after the other.
#[derive(Debug)]
pub(super) struct Characters {
    rules: Vec<Rule>,
    ascii: Box<[u32; 128]>,
    /// What becomes of each character: another one, or what a flag says.
    codes: Codes,
}

impl Characters {
    pub(super) fn new(rules: Vec<Rule>) -> Self {
        let ascii = |byte: usize| code(&rules, char::from(byte as u8));
        Self {
            ascii: Box::new(std::array::from_fn(ascii)),
            codes: Codes::new(),
            rules,
        }
    }

    /// These rules, then those.
    pub(super) fn then(&self, next: &Self) -> Self {
        Self::new([&*self.rules, &*next.rules].concat())
    }

    pub(super) fn run(&self, text: &str, sink: &mut impl Sink) {
        let mut kept = 0;
        for (at, c) in text.char_indices() {
            let code = match self.ascii.get(c as usize) {
                Some(&code) => code,
                None => self.codes.get(c, |c| code(&self.rules, c)),
            };
            if code != c as u32 {
                sink.keep(&text[kept..at]);
                kept = at + c.len_utf8();
                self.change(c, code, sink);
            }
        }
        sink.keep(&text[kept..]);
    }

    fn change(&self, c: char, code: u32, sink: &mut impl Sink) {
        match code {
            GONE => sink.skip(1),
            LONGER => {
                let changes = std::iter::once(0).chain(std::iter::repeat(1));
                let made = made(&self.rules, c);
                made.chars().zip(changes).for_each(|(c, n)| sink.push(c, n));
            }
            _ => {
                let own = char::from_u32(code & !SPACED).unwrap_or(c);
                if code & SPACED == 0 {
                    sink.push(own, 0);
                } else {
                    sink.push(' ', 0);
                    sink.push(own, 1);
                    sink.push(' ', 1);
                }
            }
        }
    }
}

/// What the rules make of a character.
fn made(rules: &[Rule], c: char) -> String {
    let mut text = String::from(c);
    for rule in rules {
        let before = std::mem::take(&mut text);
        before.chars().for_each(|c| rule.apply(c, |c| text.push(c)));
    }
    text
}

/// The same as a number.
fn code(rules: &[Rule], c: char) -> u32 {
    let mut made = made(rules, c);
    let chars = (made.pop(), made.pop(), made.pop(), made.is_empty());
    match chars {
        (None, ..) => GONE,
        (Some(c), None, ..) => c as u32,
        (Some(' '), Some(c), Some(' '), true) => c as u32 | SPACED,
        _ => LONGER,
    }
}
