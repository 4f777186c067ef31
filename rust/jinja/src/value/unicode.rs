//! Upper, lower and title case.

use std::sync::LazyLock;

use regex_automata::meta::Regex;

use crate::builtins::methods::Method;
use crate::run::budget::RunArena;
use crate::value::text::{Text, TextBuilder};

static DECIMAL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\p{Nd}$").ok());
static TITLE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\p{Lt}$").ok());

static LETTER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\p{L}$").ok());

fn is_in(class: &LazyLock<Option<Regex>>, character: char) -> bool {
    let mut buffer = [0; 4];
    let text = character.encode_utf8(&mut buffer);
    class
        .as_ref()
        .is_some_and(|regex| regex.is_match(text.as_bytes()))
}

/// `str.isspace` of one character: Unicode's white space and the four separators of ASCII.
///
/// ```
/// assert!(turnmill_jinja::is_space('\u{1c}'));
/// assert!(!'\u{1c}'.is_whitespace());
/// ```
#[inline]
pub fn is_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{1c}'..='\u{1f}')
}

/// `str.isalpha` of one character: a letter, and not what Unicode calls alphabetic beyond them.
pub(crate) fn is_letter(character: char) -> bool {
    character.is_ascii_alphabetic() || (!character.is_ascii() && is_in(&LETTER, character))
}

/// `str.isalnum` of one character.
pub(crate) fn is_alphanumeric(character: char) -> bool {
    is_letter(character) || character.is_numeric()
}

/// `str.isdecimal` of one character.
pub(crate) fn is_decimal(character: char) -> bool {
    character.is_ascii_digit() || (!character.is_ascii() && is_in(&DECIMAL, character))
}

/// What a decimal digit counts: every alphabet has its ten digits in a row.
pub(crate) fn decimal_value(character: char) -> Option<u32> {
    if character.is_ascii() || !is_decimal(character) {
        return character.to_digit(10);
    }
    let before = (0..u32::from(character)).rev();
    let row = before.take_while(|code| char::from_u32(*code).is_some_and(is_decimal));
    Some((row.count() % 10) as u32)
}

/// `str.isdigit` of one character: decimals and superscripts.
pub(crate) fn is_digit(character: char) -> bool {
    is_decimal(character)
        || matches!(character,
            '\u{b2}' | '\u{b3}' | '\u{b9}' | '\u{2070}' | '\u{2074}'..='\u{2079}'
            | '\u{2080}'..='\u{2089}' | '\u{2460}'..='\u{2468}' | '\u{2474}'..='\u{247c}'
            | '\u{2488}'..='\u{2490}' | '\u{24ea}' | '\u{24f5}'..='\u{24fd}' | '\u{24ff}'
            | '\u{2776}'..='\u{277e}' | '\u{2780}'..='\u{2788}' | '\u{278a}'..='\u{2792}'
            | '\u{1369}'..='\u{1371}' | '\u{19da}')
}

fn is_title_case(character: char) -> bool {
    !character.is_ascii() && is_in(&TITLE, character)
}

/// What makes `str.islower` false.
pub(crate) fn is_upper_or_title(character: char) -> bool {
    character.is_uppercase() || is_title_case(character)
}

/// What makes `str.isupper` false.
pub(crate) fn is_lower_or_title(character: char) -> bool {
    character.is_lowercase() || is_title_case(character)
}

fn is_cased(character: char) -> bool {
    character.is_lowercase() || is_upper_or_title(character)
}

/// `str.istitle`.
pub(crate) fn is_title(text: &str) -> bool {
    let mut seen = false;
    let mut after_cased = false;
    for character in text.chars() {
        let is_upper = is_upper_or_title(character);
        if (is_upper && after_cased) || (character.is_lowercase() && !after_cased) {
            return false;
        }
        after_cased = is_cased(character);
        seen |= after_cased;
    }
    seen
}

fn titled(character: char) -> String {
    if is_title_case(character) {
        return character.to_string();
    }
    // Digraphs have a title form of their own.
    match character {
        '\u{1c4}'..='\u{1c6}' => "\u{1c5}".to_owned(),
        '\u{1c7}'..='\u{1c9}' => "\u{1c8}".to_owned(),
        '\u{1ca}'..='\u{1cc}' => "\u{1cb}".to_owned(),
        '\u{1f1}'..='\u{1f3}' => "\u{1f2}".to_owned(),
        'ß' => "Ss".to_owned(),
        '\u{fb00}' => "Ff".to_owned(),
        '\u{fb01}' => "Fi".to_owned(),
        '\u{fb02}' => "Fl".to_owned(),
        '\u{10d0}'..='\u{10ff}' => character.to_string(),
        _ => character.to_uppercase().collect(),
    }
}

/// `upper`, `lower`, `casefold`, `title`, `capitalize` and `swapcase`.
pub(crate) fn change<'r>(text: Text<'r>, method: Method, arena: &'r RunArena<'r>) -> Text<'r> {
    let mut out = TextBuilder::with_capacity(text.chars.len(), arena);
    if text.is_uniform() && matches!(method, Method::Upper | Method::Lower) {
        let (origin, context) = text.fragment_at(0);
        let changed = if method == Method::Upper {
            text.chars.to_uppercase()
        } else {
            text.chars.to_lowercase()
        };
        out.push_in(&changed, origin, context);
        return safe_as(text, out);
    }
    let mut after_cased = false;
    for (at, character) in text.chars.char_indices() {
        let (origin, context) = text.fragment_at(at);
        let lower = || lowered(text.chars, at, character);
        let changed = match method {
            Method::Casefold => folded(character),
            Method::Capitalize if at == 0 => titled(character),
            Method::Title if !after_cased => titled(character),
            Method::SwapCase if character.is_uppercase() => lower(),
            Method::SwapCase | Method::Upper => character.to_uppercase().collect(),
            _ => lower(),
        };
        out.push_in(&changed, origin, context);
        after_cased = is_cased(character);
    }
    safe_as(text, out)
}

fn safe_as<'r>(text: Text<'r>, out: TextBuilder<'r>) -> Text<'r> {
    let mut changed = out.finish();
    changed.safe = text.safe;
    changed
}

fn folded(character: char) -> String {
    match character {
        'ß' | 'ẞ' => "ss".to_owned(),
        'ς' => "σ".to_owned(),
        'ſ' => "s".to_owned(),
        _ => character.to_lowercase().collect(),
    }
}

/// Lower case of one character; a sigma that ends a word has its own.
fn lowered(text: &str, at: usize, character: char) -> String {
    if character != 'Σ' {
        return character.to_lowercase().collect();
    }
    let after_letter = text[..at]
        .chars()
        .next_back()
        .is_some_and(char::is_alphabetic);
    let before_letter = text[at + character.len_utf8()..]
        .chars()
        .next()
        .is_some_and(char::is_alphabetic);
    if after_letter && !before_letter {
        "ς".to_owned()
    } else {
        "σ".to_owned()
    }
}
