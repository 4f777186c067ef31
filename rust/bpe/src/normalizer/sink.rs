//! Where a normalizer writes: only the text, or also where each of its bytes comes from.
//!
//! Hugging Face aligns a normalized text by a *change* for each of its characters: 0 takes the place
//! of the next character of the text before, 1 is put in after the last one taken, and −n takes the
//! place of one and leaves out n more.

use super::Origins;

/// What takes the characters of a normalized text, in order.
pub(super) trait Sink {
    /// The next characters of the text, as they are.
    fn keep(&mut self, text: &str);
    /// A character and its change.
    fn push(&mut self, c: char, change: isize);
    /// The next characters are left out.
    fn skip(&mut self, count: usize);
    /// Takes so many off the change of the last character; if there is none, nothing happens.
    fn lower_change(&mut self, by: isize);
}

impl Sink for String {
    #[inline]
    fn keep(&mut self, text: &str) {
        self.push_str(text);
    }

    #[inline]
    fn push(&mut self, c: char, _: isize) {
        self.push(c);
    }

    #[inline]
    fn skip(&mut self, _: usize) {}

    #[inline]
    fn lower_change(&mut self, _: isize) {}
}

/// A text and where it comes from.
#[derive(Debug)]
pub(super) struct Aligned {
    pub(super) text: String,
    /// One for each byte.
    pub(super) origins: Origins,
}

impl Aligned {
    /// A text as it is: each byte comes from its character.
    pub(super) fn new(text: &str) -> Self {
        let mut origins = Origins::with_capacity(text.len());
        for (at, c) in text.char_indices() {
            let (start, length) = (at as u32, c.len_utf8());
            let origin = (start, start + length as u32);
            origins.extend(std::iter::repeat_n(origin, length));
        }
        Self {
            text: text.to_owned(),
            origins,
        }
    }
}

/// Makes an aligned text of another one.
pub(super) struct Alignment<'a> {
    /// What has not been taken yet.
    rest: &'a str,
    /// Of the whole text before.
    origins: &'a [(u32, u32)],
    /// The last character, whose change may still be lowered.
    last: Option<(char, isize)>,
    made: Aligned,
}

impl<'a> Alignment<'a> {
    pub(super) fn of(before: &'a Aligned) -> Self {
        Self {
            rest: &before.text,
            origins: &before.origins,
            last: None,
            made: Aligned::new(""),
        }
    }

    pub(super) fn finish(mut self) -> Aligned {
        self.settle();
        self.made
    }

    /// Bytes of the text before that are taken.
    fn taken(&self) -> usize {
        self.origins.len() - self.rest.len()
    }

    fn take(&mut self, count: usize) {
        let mut chars = self.rest.chars();
        chars.by_ref().take(count).for_each(drop);
        self.rest = chars.as_str();
    }

    /// Writes the last character.
    fn settle(&mut self) {
        let Some((c, change)) = self.last.take() else {
            return;
        };
        let at = if change > 0 {
            self.taken().checked_sub(1)
        } else {
            Some(self.taken())
        };
        let origin = at.and_then(|at| self.origins.get(at)).copied();
        self.made.text.push(c);
        let origins = std::iter::repeat_n(origin.unwrap_or_default(), c.len_utf8());
        self.made.origins.extend(origins);
        if change <= 0 {
            self.take(1 + change.unsigned_abs());
        }
    }
}

impl Sink for Alignment<'_> {
    fn keep(&mut self, text: &str) {
        let Some((end, last)) = text.char_indices().next_back() else {
            return;
        };
        self.settle();
        if !self.rest.starts_with(text) {
            // A character was left out without a word: all that follow are one too early.
            text.chars().for_each(|c| self.push(c, 0));
            return;
        }
        let (at, text) = (self.taken(), &text[..end]);
        self.made.text.push_str(text);
        let origins = &self.origins[at..at + end];
        self.made.origins.extend_from_slice(origins);
        self.rest = &self.rest[end..];
        self.last = Some((last, 0));
    }

    fn push(&mut self, c: char, change: isize) {
        self.settle();
        self.last = Some((c, change));
    }

    fn skip(&mut self, count: usize) {
        self.settle();
        self.take(count);
    }

    fn lower_change(&mut self, by: isize) {
        if let Some((_, change)) = &mut self.last {
            *change -= by;
        }
    }
}
