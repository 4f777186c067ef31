//! Strings that know where their bytes came from.

use super::heap::Heap;
use super::tag::{Part, Tag};
use super::value::{Mixed, Str, Val};

/// Origins of a string.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Parts<'r> {
    /// All of it from one place.
    One(Tag),
    /// Runs, the last one ending where the string ends.
    Many(&'r [Part]),
}

/// A string with its origins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'r> {
    /// The characters.
    pub(crate) chars: &'r str,
    /// Where they came from.
    pub(crate) parts: Parts<'r>,
    /// `markupsafe.Markup`.
    pub(crate) safe: bool,
}

impl<'r> Text<'r> {
    /// A string of one origin.
    pub(crate) fn new(chars: &'r str, tag: Tag) -> Self {
        Self {
            chars,
            parts: Parts::One(tag),
            safe: false,
        }
    }

    /// The value.
    pub(crate) fn val(self, arena: &'r Heap<'r>) -> Val<'r> {
        match self.parts {
            Parts::One(tag) => Val::Str(Str {
                chars: self.chars,
                tag,
                safe: self.safe,
            }),
            Parts::Many(_) => Val::Mixed(arena.alloc(Mixed { text: self })),
        }
    }

    /// The text as safe as `model`, of which it was made.
    pub(crate) fn like(self, model: Text<'_>) -> Self {
        Self {
            safe: model.safe,
            ..self
        }
    }

    /// The bytes from `start` to `end`, which are character boundaries.
    pub(crate) fn slice(self, start: usize, end: usize, arena: &'r Heap<'r>) -> Self {
        let chars = &self.chars[start..end];
        let parts = match self.parts {
            Parts::One(tag) => Parts::One(tag),
            Parts::Many(_) if start == 0 && end == self.chars.len() => self.parts,
            Parts::Many(parts) => slice_parts(parts, start as u32, end as u32, arena),
        };
        Self {
            chars,
            parts,
            safe: self.safe,
        }
    }

    /// A sub-string of this one, given by the slice itself.
    pub(crate) fn within(self, inner: &'r str, arena: &'r Heap<'r>) -> Self {
        let start = inner.as_ptr() as usize - self.chars.as_ptr() as usize;
        self.slice(start, start + inner.len(), arena)
    }

    /// Visits the runs of one origin with their context, in order; what has none gets `context`.
    pub(crate) fn each_part(self, context: u32, mut visit: impl FnMut(&'r str, Tag, u32)) {
        let own = |known: u32| if known == 0 { context } else { known };
        match self.parts {
            Parts::One(tag) => visit(self.chars, tag, own(tag.context())),
            Parts::Many(parts) => {
                let mut start = 0;
                for part in parts {
                    let chars = &self.chars[start..part.end as usize];
                    visit(chars, part.tag, own(part.context));
                    start = part.end as usize;
                }
            }
        }
    }

    /// The part that holds the byte at `offset`.
    pub(crate) fn part_at(self, offset: usize) -> (Tag, u32) {
        match self.parts {
            Parts::One(tag) => (tag, 0),
            Parts::Many(parts) => {
                let index = parts.partition_point(|part| part.end as usize <= offset);
                let part = parts[index.min(parts.len() - 1)];
                (part.tag, part.context)
            }
        }
    }
}

fn slice_parts<'r>(parts: &'r [Part], start: u32, end: u32, arena: &'r Heap<'r>) -> Parts<'r> {
    let first = parts.partition_point(|part| part.end <= start);
    let last = parts.partition_point(|part| part.end < end);
    let inside = &parts[first.min(parts.len() - 1)..=last.min(parts.len() - 1)];
    let shifted = arena.alloc_slice_fill_iter(inside.iter().map(|part| Part {
        end: part.end.min(end).saturating_sub(start),
        ..*part
    }));
    Parts::Many(shifted)
}

/// A string under construction; never longer than the budget of the render admits.
pub(crate) struct TextBuilder<'r> {
    heap: &'r Heap<'r>,
    chars: bumpalo::collections::String<'r>,
    parts: bumpalo::collections::Vec<'r, Part>,
}

impl<'r> TextBuilder<'r> {
    /// An empty one.
    pub(crate) fn new(arena: &'r Heap<'r>) -> Self {
        Self::with_capacity(0, arena)
    }

    /// An empty one with room for `bytes`.
    pub(crate) fn with_capacity(bytes: usize, arena: &'r Heap<'r>) -> Self {
        let bytes = if arena.admits(0, bytes) { bytes } else { 0 };
        Self {
            heap: arena,
            chars: bumpalo::collections::String::with_capacity_in(bytes, arena),
            parts: bumpalo::collections::Vec::new_in(arena),
        }
    }

    /// Whether more would go beyond the render's budget. What is added then is left out, and the
    /// render ends with an error at its next step.
    pub(crate) fn is_full(&self) -> bool {
        self.heap.check().is_err()
    }

    /// Adds characters of one origin.
    pub(crate) fn push(&mut self, chars: &str, tag: Tag) {
        self.push_in(chars, tag, 0);
    }

    /// Adds a character of one origin.
    pub(crate) fn push_char(&mut self, character: char, tag: Tag, context: u32) {
        self.push_in(character.encode_utf8(&mut [0; 4]), tag, context);
    }

    /// Adds characters of one origin that were written in a context.
    pub(crate) fn push_in(&mut self, chars: &str, tag: Tag, context: u32) {
        if chars.is_empty() || !self.heap.admits(self.chars.len(), chars.len()) {
            return;
        }
        self.chars.push_str(chars);
        let end = self.chars.len() as u32;
        let (tag, context) = normal(tag, context);
        match self.parts.last_mut() {
            Some(last) if last.tag == tag && last.context == context => last.end = end,
            _ => self.parts.push(Part { end, tag, context }),
        }
    }

    /// Adds a string with its origins.
    pub(crate) fn push_text(&mut self, text: Text<'_>) {
        self.push_text_in(text, 0);
    }

    /// Adds a string with its origins; what has no context gets this one.
    pub(crate) fn push_text_in(&mut self, text: Text<'_>, context: u32) {
        text.each_part(context, |chars, tag, context| {
            self.push_in(chars, tag, context);
        });
    }

    /// The string.
    pub(crate) fn finish(self) -> Text<'r> {
        let chars = self.chars.into_bump_str();
        let parts = match self.parts.as_slice() {
            [] => Parts::One(Tag::TEMPLATE),
            [part] if part.tag.is_template() => Parts::One(Tag::template(part.context)),
            [part] if part.context == 0 => Parts::One(part.tag),
            _ => Parts::Many(self.parts.into_bump_slice()),
        };
        Text {
            chars,
            parts,
            safe: false,
        }
    }
}

/// Template text keeps its context beside its tag, not inside it, once it is part of a list.
pub(crate) fn normal(tag: Tag, context: u32) -> (Tag, u32) {
    if !tag.is_template() {
        return (tag, context);
    }
    let own = tag.context();
    (Tag::TEMPLATE, if context == 0 { own } else { context })
}
