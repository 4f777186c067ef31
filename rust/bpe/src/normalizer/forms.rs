//! The four normal forms of Unicode, by the tables of the reference.

use unicode_normalization_alignments::char::canonical_combining_class;
use unicode_normalization_alignments::{
    IsNormalized, UnicodeNormalization, is_nfc_quick, is_nfd_quick, is_nfkc_quick, is_nfkd_quick,
};

use super::codes::Codes;
use super::sink::Sink;

/// A normal form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Nfc,
    Nfd,
    Nfkc,
    Nfkd,
}

impl Form {
    /// The character never changes, and nothing that stands before it does because of it: it starts
    /// anew.
    fn is_inert(self, c: char) -> bool {
        let one = std::iter::once(c);
        let quick = match self {
            Self::Nfc => is_nfc_quick(one),
            Self::Nfd => is_nfd_quick(one),
            Self::Nfkc => is_nfkc_quick(one),
            Self::Nfkd => is_nfkd_quick(one),
        };
        quick == IsNormalized::Yes && canonical_combining_class(c) == 0
    }
}

/// A normal form, and which characters it leaves alone.
#[derive(Debug)]
pub(super) struct NormalForm {
    form: Form,
    /// 1 for those.
    inert: Codes,
}

impl NormalForm {
    pub(super) fn new(form: Form) -> Self {
        Self {
            form,
            inert: Codes::new(),
        }
    }

    /// Goes from one character that may change to the next; each is looked at with the inert one
    /// before it, up to the inert one after it.
    pub(super) fn run(&self, text: &str, sink: &mut impl Sink) {
        let mut kept = 0;
        while let Some(found) = self.suspect(text, kept) {
            let before = text[kept..found].char_indices().next_back();
            let start = kept + before.map_or(0, |(at, _)| at);
            let mut after = text[found..].char_indices();
            let end = after.find(|&(_, c)| self.is_inert(c));
            let end = end.map_or(text.len(), |(at, _)| found + at);
            sink.keep(&text[kept..start]);
            self.write(&text[start..end], sink);
            kept = end;
        }
        sink.keep(&text[kept..]);
    }

    fn is_inert(&self, c: char) -> bool {
        let inert = |c| u32::from(self.form.is_inert(c));
        c.is_ascii() || self.inert.get(c, inert) != 0
    }

    /// Where the first character from `start` on stands that may change.
    fn suspect(&self, text: &str, start: usize) -> Option<usize> {
        let mut at = start;
        loop {
            at += text.as_bytes()[at..]
                .iter()
                .position(|&byte| byte >= 0x80)?;
            let c = text[at..].chars().next()?;
            if !self.is_inert(c) {
                return Some(at);
            }
            at += c.len_utf8();
        }
    }

    fn write(&self, text: &str, sink: &mut impl Sink) {
        let mut push = |(c, change)| sink.push(c, change);
        match self.form {
            Form::Nfc => text.nfc().for_each(&mut push),
            Form::Nfd => text.nfd().for_each(&mut push),
            Form::Nfkc => text.nfkc().for_each(&mut push),
            Form::Nfkd => text.nfkd().for_each(&mut push),
        }
    }
}
