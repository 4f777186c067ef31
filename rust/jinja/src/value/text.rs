//! Strings that know where their bytes came from.

use crate::run::budget::RunArena;
use crate::value::origin::{Origin, Part};
use crate::value::{Mixed, Str, Val};

/// Origins of a string.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Parts<'r> {
    /// All of it from one place.
    One(Origin),
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
    pub(crate) fn new(chars: &'r str, origin: Origin) -> Self {
        Self {
            chars,
            parts: Parts::One(origin),
            safe: false,
        }
    }

    /// Whether all of it has one origin.
    pub(crate) fn is_uniform(self) -> bool {
        matches!(self.parts, Parts::One(_))
    }

    /// The value.
    pub(crate) fn val(self, arena: &'r RunArena<'r>) -> Val<'r> {
        match self.parts {
            Parts::One(origin) => Val::Str(Str {
                chars: self.chars,
                origin,
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
    pub(crate) fn slice(self, start: usize, end: usize, arena: &'r RunArena<'r>) -> Self {
        let chars = &self.chars[start..end];
        let parts = match self.parts {
            Parts::One(origin) => Parts::One(origin),
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
    pub(crate) fn within(self, inner: &'r str, arena: &'r RunArena<'r>) -> Self {
        let start = inner.as_ptr() as usize - self.chars.as_ptr() as usize;
        self.slice(start, start + inner.len(), arena)
    }

    /// Visits the runs of one origin with their context, in order; what has none gets `context`.
    pub(crate) fn each_part(self, context: u32, mut visit: impl FnMut(&'r str, Origin, u32)) {
        let own = |known: u32| if known == 0 { context } else { known };
        match self.parts {
            Parts::One(origin) => visit(self.chars, origin, own(origin.context())),
            Parts::Many(parts) => {
                let mut start = 0;
                for part in parts {
                    let chars = &self.chars[start..part.end as usize];
                    visit(chars, part.origin, own(part.context));
                    start = part.end as usize;
                }
            }
        }
    }

    /// The part that holds the byte at `offset`.
    pub(crate) fn part_at(self, offset: usize) -> (Origin, u32) {
        match self.parts {
            Parts::One(origin) => (origin, 0),
            Parts::Many(parts) => {
                let index = parts.partition_point(|part| part.end as usize <= offset);
                let part = parts[index.min(parts.len() - 1)];
                (part.origin, part.context)
            }
        }
    }
}

/// The byte offset of a code point position.
pub(crate) fn byte_at(text: &str, position: usize) -> usize {
    if text.is_ascii() {
        return position.min(text.len());
    }
    text.char_indices()
        .nth(position)
        .map_or(text.len(), |(at, _)| at)
}

fn slice_parts<'r>(parts: &'r [Part], start: u32, end: u32, arena: &'r RunArena<'r>) -> Parts<'r> {
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
    heap: &'r RunArena<'r>,
    chars: bumpalo::collections::String<'r>,
    parts: bumpalo::collections::Vec<'r, Part>,
}

impl<'r> TextBuilder<'r> {
    /// An empty one.
    pub(crate) fn new(arena: &'r RunArena<'r>) -> Self {
        Self::with_capacity(0, arena)
    }

    /// An empty one with room for `bytes`.
    pub(crate) fn with_capacity(bytes: usize, arena: &'r RunArena<'r>) -> Self {
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
    pub(crate) fn push(&mut self, chars: &str, origin: Origin) {
        self.push_in(chars, origin, 0);
    }

    /// Adds a character of one origin.
    pub(crate) fn push_char(&mut self, character: char, origin: Origin, context: u32) {
        self.push_in(character.encode_utf8(&mut [0; 4]), origin, context);
    }

    /// Adds characters of one origin that were written in a context.
    pub(crate) fn push_in(&mut self, chars: &str, origin: Origin, context: u32) {
        if chars.is_empty() || !self.heap.admits(self.chars.len(), chars.len()) {
            return;
        }
        self.chars.push_str(chars);
        let end = self.chars.len() as u32;
        let (origin, context) = normal(origin, context);
        match self.parts.last_mut() {
            Some(last) if last.origin == origin && last.context == context => last.end = end,
            _ => self.parts.push(Part {
                end,
                origin,
                context,
            }),
        }
    }

    /// Adds a string with its origins.
    pub(crate) fn push_text(&mut self, text: Text<'_>) {
        self.push_text_in(text, 0);
    }

    /// Adds a string with its origins; what has no context gets this one.
    pub(crate) fn push_text_in(&mut self, text: Text<'_>, context: u32) {
        text.each_part(context, |chars, origin, context| {
            self.push_in(chars, origin, context);
        });
    }

    /// The string.
    pub(crate) fn finish(self) -> Text<'r> {
        let chars = self.chars.into_bump_str();
        let parts = match self.parts.as_slice() {
            [] => Parts::One(Origin::TEMPLATE),
            [part] if part.origin.is_template() => Parts::One(Origin::template(part.context)),
            [part] if part.context == 0 => Parts::One(part.origin),
            _ => Parts::Many(self.parts.into_bump_slice()),
        };
        Text {
            chars,
            parts,
            safe: false,
        }
    }
}

/// Template text keeps its context beside its origin, not inside it, once it is part of a list.
pub(crate) fn normal(origin: Origin, context: u32) -> (Origin, u32) {
    if !origin.is_template() {
        return (origin, context);
    }
    let own = origin.context();
    (Origin::TEMPLATE, if context == 0 { own } else { context })
}
