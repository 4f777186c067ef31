//! Split patterns as hand-written scanners. Each reproduces one published regular expression,
//! alternative by alternative, on UTF-8 bytes.

use super::blocks::{Blocks, Rules};
use super::scan::{Char, Scan};
use super::unicode::{
    HAN, IDEOGRAPH_OR_KANA, LETTER, LOWER, MARK, NEWLINE, NUMBER, OTHER, PUNCTUATION, SPACE,
    SYMBOL, UPPER, WORD, decode,
};
use crate::simd::Vectors;
use unicode_categories::UnicodeCategories;

/// What differs between patterns of the GPT-4 kind:
/// `(?i:'s|…)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    /// Marks count as letters.
    pub(crate) marks: bool,
    /// Longest run of digits in one piece.
    pub(crate) digits: usize,
}

/// What differs between patterns of the GPT-4o kind, whose words end where lowercase ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CasedWords {
    /// `(?i:'s|…)?` after a word.
    pub(crate) contractions: bool,
    /// Longest run of digits in one piece.
    pub(crate) digits: usize,
    /// `/` may follow punctuation, as newlines do.
    pub(crate) slash: bool,
    /// Runs of Han are pieces of their own (Kimi).
    pub(crate) han: bool,
}

/// A known split pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grammar {
    /// GPT-2: `'s|'t|…| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
    Gpt2,
    /// GPT-2's, after each digit was isolated (`StarCoder`, Command-R).
    Gpt2Digits,
    /// GPT-4, Llama-3, Qwen.
    Words(Words),
    /// GPT-4o, gpt-oss, tekken, Kimi.
    CasedWords(CasedWords),
    /// DeepSeek's three splits.
    DeepSeek,
    /// No split: the text is one piece.
    Whole,
    /// Before every space (Metaspace with `split`).
    Spaces,
    /// Words without the white space around them (`WhitespaceSplit`).
    Blanks,
    /// `\w+|[^\w\s]+` (`Whitespace`).
    WordsAndSigns,
    /// Words and single signs of punctuation (`BertPreTokenizer`).
    Bert,
}

impl Grammar {
    /// White space is not part of any piece: each carries what stands before it, and that is left out
    /// later.
    pub(crate) fn drops_white(self) -> bool {
        matches!(self, Self::Blanks | Self::WordsAndSigns | Self::Bert)
    }

    /// Appends the end of every piece of `text`, in order; the pieces cover it.
    #[inline(always)]
    pub(crate) fn split(self, text: &str, vectors: impl Vectors, ends: &mut Vec<u32>) {
        let scan = Scan::new(text);
        match self {
            Self::Gpt2 => scan.all(ends, |at| scan.gpt2(at)),
            Self::Gpt2Digits => scan.apart(ends, NUMBER, 1, |part, mut at, ends| {
                while at < part.end {
                    at = part.gpt2(at);
                    ends.push(at as u32);
                }
            }),
            Self::Words(words) => {
                let rules = Rules {
                    cased: false,
                    contractions: true,
                    digits: words.digits,
                    slash: false,
                };
                scan.blocks(vectors, rules, ends, |at| scan.word(at, words));
            }
            Self::CasedWords(words) => {
                let rules = Rules {
                    cased: true,
                    contractions: words.contractions,
                    digits: words.digits,
                    slash: words.slash,
                };
                scan.blocks(vectors, rules, ends, |at| scan.cased_word(at, words));
            }
            Self::DeepSeek => scan.deepseek(ends),
            Self::Whole => ends.extend((!text.is_empty()).then_some(text.len() as u32)),
            Self::Spaces => scan.spaces(ends),
            Self::Blanks => scan.all(ends, |at| scan.run_outside(scan.blank(at), SPACE)),
            Self::WordsAndSigns => scan.all(ends, |at| scan.word_or_signs(scan.blank(at))),
            Self::Bert => scan.all(ends, |at| scan.bert(scan.blank(at))),
        }
    }
}

impl Scan<'_> {
    #[inline(always)]
    fn blocks(
        self,
        vectors: impl Vectors,
        rules: Rules,
        ends: &mut Vec<u32>,
        next: impl Fn(usize) -> usize,
    ) {
        let contraction = |at| self.contraction(at, true);
        Blocks {
            text: self.text,
            rules,
            vectors,
            next,
            contraction,
        }
        .split(ends);
    }

    /// `'s|'t|'re|'ve|'m|'ll|'d`: the end, if one starts at `at`. Folding case, U+017F is an `s`.
    #[inline]
    fn contraction(&self, at: usize, fold: bool) -> Option<usize> {
        if self.byte(at) != b'\'' {
            return None;
        }
        let letter = |i: usize| match self.byte(at + i) {
            upper @ b'A'..=b'Z' if fold => upper | 0x20,
            other => other,
        };
        match (letter(1), letter(2)) {
            (b's' | b't' | b'm' | b'd', _) => Some(at + 2),
            (b'r' | b'v', b'e') | (b'l', b'l') => Some(at + 3),
            (0xC5, 0xBF) if fold => Some(at + 3),
            _ => None,
        }
    }

    /// `\s*[\r\n]+|\s+(?!\S)|\s+` (the first only with `newlines`); `at` is at white space.
    fn white(&self, at: usize, newlines: bool) -> usize {
        let (mut end, mut last_start, mut after_newline) = (at, at, None);
        while end < self.end {
            let c = self.char(end);
            if c.class & SPACE == 0 {
                break;
            }
            (last_start, end) = (end, c.end);
            if c.class & NEWLINE != 0 {
                after_newline = Some(end);
            }
        }
        match after_newline {
            Some(newline) if newlines => newline,
            _ if end == self.end || last_start == at => end,
            _ => last_start,
        }
    }

    fn gpt2(&self, at: usize) -> usize {
        if let Some(end) = self.contraction(at, false) {
            return end;
        }
        let mut c = self.char(at);
        if c.class & SPACE != 0 {
            let next = self.char(c.end);
            if self.text[at] != b' ' || next.class & SPACE != 0 || c.end == self.end {
                return self.white(at, false);
            }
            c = next;
        }
        match c.class {
            class if class & LETTER != 0 => self.run(c.end, LETTER),
            class if class & NUMBER != 0 => self.run(c.end, NUMBER),
            _ => self.run_outside(c.end, SPACE | LETTER | NUMBER),
        }
    }

    fn word(&self, at: usize, words: Words) -> usize {
        let letters = if words.marks { LETTER | MARK } else { LETTER };
        if let Some(end) = self.contraction(at, true) {
            return end;
        }
        let c = self.char(at);
        if c.class & letters != 0 {
            return self.run(c.end, letters);
        }
        if c.class & NUMBER != 0 {
            return self.run_at_most(c.end, NUMBER, words.digits - 1);
        }
        let next = self.char(c.end);
        if c.class & NEWLINE == 0 && next.class & letters != 0 {
            return self.run(next.end, letters);
        }
        self.punctuation_or_white(at, c, next, letters, false)
    }

    /// ` ?[^\s\p{L}\p{N}]+[\r\n]*`, then white space. `letters` says which marks are letters.
    #[inline]
    fn punctuation_or_white(
        &self,
        at: usize,
        c: Char,
        next: Char,
        letters: u16,
        slash: bool,
    ) -> usize {
        let not = SPACE | letters | NUMBER;
        let start = if c.class & SPACE == 0 {
            c.end
        } else if self.text[at] == b' ' && c.end < self.end && next.class & not == 0 {
            next.end
        } else {
            return self.white(at, true);
        };
        let mut end = self.run_outside(start, not);
        while matches!(self.byte(end), b'\r' | b'\n') || (slash && self.byte(end) == b'/') {
            end += 1;
        }
        end
    }

    fn cased_word(&self, at: usize, words: CasedWords) -> usize {
        let c = self.char(at);
        if words.han && c.class & HAN != 0 {
            return self.run(c.end, HAN);
        }
        if let Some(mut end) = self.cased(at, c, words.han) {
            if words.contractions {
                end = self.contraction(end, true).unwrap_or(end);
            }
            return end;
        }
        if c.class & NUMBER != 0 {
            return self.run_at_most(c.end, NUMBER, words.digits - 1);
        }
        self.punctuation_or_white(at, c, self.char(c.end), LETTER, words.slash)
    }

    /// `P?U*l+|P?U+l*` with P = `[^\r\n\p{L}\p{N}]`, U = upper or uncased, l = lower or uncased.
    fn cased(&self, at: usize, c: Char, han: bool) -> Option<usize> {
        let prefix = c.class & (NEWLINE | LETTER | NUMBER) == 0 && at < self.end;
        let after = prefix.then(|| self.cased_run(c.end, han));
        let whole = || self.cased_run(at, han);
        let (a, b) = (|r: &CasedRun| r.ends_lower, |r: &CasedRun| r.end);
        match after {
            None => whole().best(at),
            Some(after) => a(&after)
                .or_else(|| a(&whole()))
                .or_else(|| (b(&after) > c.end).then_some(after.end)),
        }
    }

    /// `U*l*` from `at`.
    #[inline]
    fn cased_run(&self, at: usize, han: bool) -> CasedRun {
        let (upper, lower) = (UPPER | OTHER | MARK, LOWER | OTHER | MARK);
        let (mut end, mut ends_lower) = (at, None);
        let member = |c: Char, class: u16| c.class & class != 0 && !(han && c.class & HAN != 0);
        let mut c = self.char(end);
        while member(c, upper) {
            end = c.end;
            if c.class & lower != 0 {
                ends_lower = Some(end);
            }
            c = self.char(end);
        }
        while member(c, lower) {
            end = c.end;
            ends_lower = Some(end);
            c = self.char(end);
        }
        CasedRun { end, ends_lower }
    }

    /// Isolates runs of at most `most` characters of a class; `split` cuts what is between.
    fn apart(
        &self,
        ends: &mut Vec<u32>,
        class: u16,
        most: usize,
        split: impl Fn(&Self, usize, &mut Vec<u32>),
    ) {
        let mut at = 0;
        while at < self.end {
            let isolated = self.run_at_most(at, class, most);
            if isolated > at {
                ends.push(isolated as u32);
                at = isolated;
                continue;
            }
            let part = Self {
                end: self.run_outside(at, class),
                ..*self
            };
            split(&part, at, ends);
            at = part.end;
        }
    }

    /// DeepSeek: numbers by three, then ideographs and kana, then the pattern, each within the
    /// pieces of the one before.
    fn deepseek(&self, ends: &mut Vec<u32>) {
        self.apart(ends, NUMBER, 3, |part, mut at, ends| {
            while at < part.end {
                let run = part.run(at, IDEOGRAPH_OR_KANA);
                let end = if run > at {
                    run
                } else {
                    part.run_outside(at, IDEOGRAPH_OR_KANA)
                };
                let piece = Self { end, ..*part };
                while at < end {
                    at = piece.deepseek_piece(at);
                    ends.push(at as u32);
                }
            }
        });
    }

    /// A match at `at`, or the characters up to the next match.
    fn deepseek_piece(&self, at: usize) -> usize {
        if let Some(end) = self.deepseek_match(at) {
            return end;
        }
        let mut end = self.char(at).end;
        while end < self.end && self.deepseek_match(end).is_none() {
            end = self.char(end).end;
        }
        end
    }

    fn deepseek_match(&self, at: usize) -> Option<usize> {
        let c = self.char(at);
        if self.text[at].is_ascii_punctuation() && self.byte(at + 1).is_ascii_alphabetic() {
            let mut end = at + 2;
            while self.byte(end).is_ascii_alphabetic() {
                end += 1;
            }
            return Some(end);
        }
        let letters = LETTER | MARK;
        if c.class & letters != 0 {
            return Some(self.run(c.end, letters));
        }
        let next = self.char(c.end);
        let signs = PUNCTUATION | SYMBOL;
        if c.class & (NEWLINE | signs) == 0 && next.class & letters != 0 {
            return Some(self.run(next.end, letters));
        }
        let start = if c.class & signs != 0 {
            c.end
        } else if self.text[at] == b' ' && next.class & signs != 0 {
            next.end
        } else if c.class & SPACE != 0 {
            return Some(self.white(at, true));
        } else {
            return None;
        };
        let mut end = self.run(start, signs);
        while matches!(self.byte(end), b'\r' | b'\n') {
            end += 1;
        }
        Some(end)
    }

    /// Before every space.
    fn word_or_signs(&self, at: usize) -> usize {
        let end = self.run(at, WORD);
        if end > at {
            return end;
        }
        self.run_outside(at, WORD | SPACE)
    }

    /// The end of the white space at `at`: most often one space before a word.
    #[inline]
    fn blank(&self, at: usize) -> usize {
        let after = at + usize::from(self.byte(at) == b' ');
        if self.byte(after).is_ascii_alphanumeric() {
            after
        } else {
            self.run(at, SPACE)
        }
    }

    /// A word as BERT has them, or one sign of punctuation.
    #[inline]
    fn bert(&self, start: usize) -> usize {
        let mut at = start;
        while at < self.end {
            if self.text[at].is_ascii_alphanumeric() {
                at += 1;
                continue;
            }
            let (code, length) = decode(self.text, at);
            let class = self.classes.of(code);
            if class & SPACE != 0 {
                break;
            }
            if is_bert_punctuation(code, class) {
                return if at == start { at + length } else { at };
            }
            at += length;
        }
        at
    }

    fn spaces(&self, ends: &mut Vec<u32>) {
        let starts = memchr::memchr_iter(b' ', self.text).filter(|&at| at > 0);
        ends.extend(starts.map(|at| at as u32));
        ends.extend((self.end > 0).then_some(self.end as u32));
    }
}

/// Punctuation by the tables of the reference, which are older than those of regular expressions. No
/// letter and no number is punctuation in them.
fn is_bert_punctuation(code: u32, class: u16) -> bool {
    if code < 0x80 {
        return (code as u8).is_ascii_punctuation();
    }
    let never = LETTER | NUMBER;
    class & never == 0 && char::from_u32(code).is_some_and(UnicodeCategories::is_punctuation)
}

/// How far `U*l*` goes, and where a match of `U*l+` would end.
#[derive(Clone, Copy)]
struct CasedRun {
    end: usize,
    ends_lower: Option<usize>,
}

impl CasedRun {
    fn best(self, start: usize) -> Option<usize> {
        self.ends_lower.or((self.end > start).then_some(self.end))
    }
}

#[cfg(test)]
mod tests {
    use super::super::unicode::CLASSES;
    use super::*;

    #[test]
    fn letters_and_numbers_are_no_punctuation_of_bert() {
        for c in '\u{80}'..=char::MAX {
            let (code, class) = (c as u32, CLASSES.of(c as u32));
            assert_eq!(
                is_bert_punctuation(code, class),
                c.is_punctuation(),
                "{c:?}"
            );
        }
    }
    use crate::simd::{Processor, Task};

    /// Texts of bits that the patterns treat differently, drawn by a simple generator.
    fn soup(seed: &mut u64, count: usize) -> String {
        const BITS: [&str; 36] = [
            " ",
            " ",
            "  ",
            "\n",
            "\r\n",
            "\t",
            "\u{b}",
            "a",
            "b",
            "the",
            "ing",
            "A",
            "HTTP",
            "'",
            "'s",
            "'LL",
            "'re",
            "'x",
            "\"",
            ".",
            ",",
            "/",
            "-",
            "//",
            "1",
            "23",
            "4567",
            "é",
            "中文",
            "\u{3000}",
            "\u{17f}",
            "\u{301}",
            "½",
            "\u{1}",
            "don't",
            "some longer words here and there ",
        ];
        (0..count)
            .map(|_| {
                *seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                BITS[(*seed >> 33) as usize % BITS.len()]
            })
            .collect()
    }

    fn grammars() -> Vec<Grammar> {
        let mut grammars = Vec::new();
        for digits in [1, 3] {
            for flag in [false, true] {
                grammars.push(Grammar::Words(Words {
                    marks: flag,
                    digits,
                }));
                for slash in [false, true] {
                    grammars.push(Grammar::CasedWords(CasedWords {
                        contractions: flag,
                        digits,
                        slash,
                        han: false,
                    }));
                }
            }
        }
        grammars
    }

    /// Piece by piece, without blocks.
    fn scanned(grammar: Grammar, text: &str) -> Vec<u32> {
        let scan = Scan::new(text);
        let mut ends = Vec::new();
        match grammar {
            Grammar::Words(words) => scan.all(&mut ends, |at| scan.word(at, words)),
            Grammar::CasedWords(words) => scan.all(&mut ends, |at| scan.cased_word(at, words)),
            _ => unreachable!("only patterns that are split by blocks"),
        }
        ends
    }

    struct Splitting<'a>(Grammar, &'a str);

    impl Task for Splitting<'_> {
        type Output = Vec<u32>;

        #[inline(always)]
        fn run(self, vectors: impl Vectors) -> Vec<u32> {
            let mut ends = Vec::new();
            self.0.split(self.1, vectors, &mut ends);
            ends
        }
    }

    #[test]
    fn blocks_split_as_the_scanners_do() {
        let mut seed = 1;
        for round in 0..4_000 {
            let text = soup(&mut seed, round % 90);
            for grammar in grammars() {
                let expected = scanned(grammar, &text);
                for processor in Processor::known() {
                    let ends = processor.run(Splitting(grammar, &text));
                    assert_eq!(ends, expected, "{processor:?} {grammar:?} {text:?}");
                }
            }
        }
    }

    #[test]
    fn white_space_at_the_end_of_a_full_block_is_not_the_end_of_a_word() {
        for length in 1..200 {
            for tail in ["\n      ", "      ", "\n \n  ", " ", "\n"] {
                let text = "a".repeat(length) + tail;
                for grammar in grammars() {
                    let expected = scanned(grammar, &text);
                    for processor in Processor::known() {
                        let ends = processor.run(Splitting(grammar, &text));
                        assert_eq!(ends, expected, "{processor:?} {grammar:?} {text:?}");
                    }
                }
            }
        }
    }
}
