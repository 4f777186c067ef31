//! A text that is scanned character by character, by classes of characters.

use super::unicode::{CLASSES, Classes, OTHER, decode, ideographs};

/// A text, or the part of it up to `end`; nothing looks beyond.
#[derive(Clone, Copy)]
pub(super) struct Scan<'t> {
    pub(super) text: &'t [u8],
    pub(super) end: usize,
    pub(super) classes: &'static Classes,
}

/// The class bits and the end of one character.
#[derive(Clone, Copy)]
pub(super) struct Char {
    pub(super) class: u16,
    pub(super) end: usize,
}

impl<'t> Scan<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let (text, classes) = (text.as_bytes(), &*CLASSES);
        let end = text.len();
        Self { text, end, classes }
    }

    #[inline]
    pub(super) fn all(self, ends: &mut Vec<u32>, next: impl Fn(usize) -> usize) {
        let mut at = 0;
        while at < self.end {
            at = next(at);
            ends.push(at as u32);
        }
    }

    /// The character at `at`; beyond the end a character of no class.
    #[inline]
    pub(super) fn char(&self, at: usize) -> Char {
        if at >= self.end {
            return Char { class: 0, end: at };
        }
        let (code, length) = decode(self.text, at);
        Char {
            class: self.classes.of(code),
            end: at + length,
        }
    }

    /// The byte at `at`, 0 beyond the end.
    #[inline]
    pub(super) fn byte(&self, at: usize) -> u8 {
        if at < self.end { self.text[at] } else { 0 }
    }

    /// The end of the longest run of characters of a class from `at`.
    #[inline]
    pub(super) fn run(&self, mut at: usize, class: u16) -> usize {
        while at < self.end {
            if class & OTHER != 0 {
                at = ideographs(&self.text[..self.end], at);
            }
            let c = self.char(at);
            if c.class & class == 0 {
                break;
            }
            at = c.end;
        }
        at
    }

    /// The end of the longest run of characters outside a class from `at`.
    #[inline]
    pub(super) fn run_outside(&self, mut at: usize, class: u16) -> usize {
        while at < self.end {
            let c = self.char(at);
            if c.class & class != 0 {
                break;
            }
            at = c.end;
        }
        at
    }

    /// As `run`, of at most `most` characters.
    #[inline]
    pub(super) fn run_at_most(&self, mut at: usize, class: u16, most: usize) -> usize {
        for _ in 0..most {
            let c = self.char(at);
            if c.class & class == 0 {
                break;
            }
            at = c.end;
        }
        at
    }
}
