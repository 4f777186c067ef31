//! Texts that are hard to tokenize, each of a size to choose.

/// Numbers that look like chance, the same in every run.
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    /// From a seed that is not 0.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number less than `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }

    /// One of several.
    pub fn choose<'a, T>(&mut self, some: &'a [T]) -> &'a T {
        &some[self.below(some.len())]
    }
}

/// A kind of text: its name, and one of about so many bytes.
pub type Kind = (&'static str, Box<dyn Fn(usize) -> String>);

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";

/// Every kind. `tokens` are the texts of the tokenizer's vocabulary.
pub fn kinds(tokens: &[String]) -> Vec<Kind> {
    let mut kinds = one_piece();
    kinds.extend(many_pieces());
    kinds.extend(from_vocabulary(tokens));
    kinds
}

/// Words, runs and clauses without an end.
fn one_piece() -> Vec<Kind> {
    let both = LETTERS.to_owned() + &LETTERS.to_uppercase();
    vec![
        ("random lowercase letters", drawn(LETTERS)),
        ("random letters of both cases", drawn(&both)),
        ("two letters at random", drawn("ab")),
        ("four letters at random", drawn("etao")),
        ("one letter", repeated("a")),
        ("`ab` repeated", repeated("ab")),
        ("spaces", repeated(" ")),
        ("white space at random", drawn(" \t\n\r\u{3000}\u{a0}")),
        ("newlines", repeated("\n")),
        ("digits at random", drawn("0123456789")),
        ("one digit", repeated("0")),
        (
            "ASCII signs at random",
            drawn("!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~"),
        ),
        ("equal signs", repeated("=")),
        ("apostrophes", repeated("'")),
        ("frequent ideographs at random", among(0x4E00..0x5000)),
        ("ideographs at random", among(0x4E00..0xA000)),
        ("rare ideographs at random", among(0x20000..0x2A6D0)),
        ("Hangul at random", among(0xAC00..0xD7A4)),
        ("jamo at random", among(0x1100..0x1176)),
        ("Cyrillic letters at random", among(0x430..0x450)),
        ("Arabic letters at random", among(0x627..0x64B)),
        ("Thai letters at random", among(0xE01..0xE2F)),
        ("accents on one letter", drawn("\u{301}\u{323}\u{345}")),
        ("code points at random", among(1..0x11_0000)),
    ]
}

/// Pieces that no cache has.
fn many_pieces() -> Vec<Kind> {
    vec![
        ("words of 3 random letters", words(3, LETTERS)),
        ("words of 5 random letters", words(5, LETTERS)),
        ("words of 7 random letters", words(7, LETTERS)),
        ("words of 15 random letters", words(15, LETTERS)),
        ("words of 20 random letters", words(20, LETTERS)),
        ("words of 40 random letters", words(40, LETTERS)),
        ("words of 90 random letters", words(90, LETTERS)),
        (
            "words of 10 random Cyrillic letters",
            words(10, "абвгдежзийклмнопрстуфхцчшщъыьэюя"),
        ),
        ("ASCII at random", drawn(&(' '..='~').collect::<String>())),
        ("contractions", repeated("'s")),
        ("nearly control tokens", repeated("<|im_end|")),
        ("starts of control tokens", repeated("<|")),
        ("faces joined", repeated("👩\u{200d}👩\u{200d}👧🏽")),
    ]
}

/// What the merge table makes deep, and what just misses it.
fn from_vocabulary(tokens: &[String]) -> Vec<Kind> {
    let words: Vec<String> = tokens
        .iter()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_lowercase()))
        .cloned()
        .collect();
    let mut longest = words.clone();
    longest.sort_by_key(|text| std::cmp::Reverse(text.len()));
    longest.truncate(2000);
    let ideographs = |text: &&String| text.chars().all(|c| matches!(c, '\u{4e00}'..='\u{9fff}'));
    let clauses: Vec<String> = tokens.iter().filter(ideographs).cloned().collect();
    let cut = |texts: &[String]| -> Vec<String> {
        texts
            .iter()
            .map(|text| text.chars().skip(1).collect())
            .collect()
    };
    vec![
        ("all tokens at random", joined(tokens.to_vec())),
        ("tokens of letters, one piece", joined(words.clone())),
        ("the same without their first letters", joined(cut(&words))),
        ("the longest of them", joined(longest.clone())),
        ("those without their first letters", joined(cut(&longest))),
        ("tokens of ideographs, one piece", joined(clauses)),
    ]
}

fn filled(size: usize, mut next: impl FnMut(&mut Chance, &mut String)) -> String {
    let (mut chance, mut text) = (
        Chance::new(88_172_645_463_325_252),
        String::with_capacity(size + 256),
    );
    while text.len() < size {
        next(&mut chance, &mut text);
    }
    text
}

/// Signs drawn one by one.
fn drawn(signs: &str) -> Box<dyn Fn(usize) -> String> {
    let signs: Vec<char> = signs.chars().collect();
    Box::new(move |size| filled(size, |chance, text| text.push(*chance.choose(&signs))))
}

/// One text again and again.
fn repeated(part: &'static str) -> Box<dyn Fn(usize) -> String> {
    Box::new(move |size| part.repeat(size.div_ceil(part.len())))
}

/// Characters of a range of code points.
fn among(codes: std::ops::Range<u32>) -> Box<dyn Fn(usize) -> String> {
    let chars: Vec<char> = codes.filter_map(char::from_u32).collect();
    Box::new(move |size| filled(size, |chance, text| text.push(*chance.choose(&chars))))
}

/// Words of one length.
fn words(length: usize, letters: &str) -> Box<dyn Fn(usize) -> String> {
    let letters: Vec<char> = letters.chars().collect();
    Box::new(move |size| {
        filled(size, |chance, text| {
            text.push(' ');
            text.extend((0..length).map(|_| *chance.choose(&letters)));
        })
    })
}

/// Texts drawn one by one; `a` where there is none.
fn joined(mut texts: Vec<String>) -> Box<dyn Fn(usize) -> String> {
    texts.retain(|text| !text.is_empty());
    if texts.is_empty() {
        texts.push("a".to_owned());
    }
    Box::new(move |size| {
        filled(size, |chance, text| {
            text.push_str(chance.choose::<String>(&texts));
        })
    })
}
