//! Strings that know where their bytes came from.

use crate::run::budget::RunArena;
use crate::value::origin::{Fragment, Origin};
use crate::value::{Mixed, Str, Val};

/// Origins of a string.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origins<'r> {
    /// All of it from one place.
    One(Origin),
    /// Fragments, the last one ending where the string ends.
    Many(&'r [Fragment]),
}

/// A string with its origins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'r> {
    /// The characters.
    pub(crate) chars: &'r str,
    /// Where they came from.
    pub(crate) origins: Origins<'r>,
    /// `markupsafe.Markup`.
    pub(crate) safe: bool,
}

impl<'r> Text<'r> {
    /// A string of one origin.
    pub(crate) fn new(chars: &'r str, origin: Origin) -> Self {
        Self {
            chars,
            origins: Origins::One(origin),
            safe: false,
        }
    }

    /// Whether all of it has one origin.
    pub(crate) fn is_uniform(self) -> bool {
        matches!(self.origins, Origins::One(_))
    }

    /// The value.
    pub(crate) fn val(self, arena: &'r RunArena<'r>) -> Val<'r> {
        match self.origins {
            Origins::One(origin) => Val::Str(Str {
                chars: self.chars,
                origin,
                safe: self.safe,
            }),
            Origins::Many(_) => Val::Mixed(arena.alloc(Mixed { text: self })),
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
        let origins = match self.origins {
            Origins::One(origin) => Origins::One(origin),
            Origins::Many(_) if start == 0 && end == self.chars.len() => self.origins,
            Origins::Many(fragments) => slice_fragments(fragments, start as u32, end as u32, arena),
        };
        Self {
            chars,
            origins,
            safe: self.safe,
        }
    }

    /// A sub-string of this one, given by the slice itself.
    pub(crate) fn within(self, inner: &'r str, arena: &'r RunArena<'r>) -> Self {
        let start = inner.as_ptr() as usize - self.chars.as_ptr() as usize;
        self.slice(start, start + inner.len(), arena)
    }

    /// Visits the fragments with their context, in order; what has none gets `context`.
    pub(crate) fn each_fragment(self, context: u32, mut visit: impl FnMut(&'r str, Origin, u32)) {
        let own = |known: u32| if known == 0 { context } else { known };
        match self.origins {
            Origins::One(origin) => visit(self.chars, origin, own(origin.context())),
            Origins::Many(fragments) => {
                let mut start = 0;
                for fragment in fragments {
                    let chars = &self.chars[start..fragment.end as usize];
                    visit(chars, fragment.origin, own(fragment.context));
                    start = fragment.end as usize;
                }
            }
        }
    }

    /// The fragment that holds the byte at `offset`.
    pub(crate) fn fragment_at(self, offset: usize) -> (Origin, u32) {
        match self.origins {
            Origins::One(origin) => (origin, 0),
            Origins::Many(fragments) => {
                let index = fragments.partition_point(|fragment| fragment.end as usize <= offset);
                let fragment = fragments[index.min(fragments.len() - 1)];
                (fragment.origin, fragment.context)
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

fn slice_fragments<'r>(
    fragments: &'r [Fragment],
    start: u32,
    end: u32,
    arena: &'r RunArena<'r>,
) -> Origins<'r> {
    let first = fragments.partition_point(|fragment| fragment.end <= start);
    let last = fragments.partition_point(|fragment| fragment.end < end);
    let inside = &fragments[first.min(fragments.len() - 1)..=last.min(fragments.len() - 1)];
    let shifted = arena.alloc_slice_fill_iter(inside.iter().map(|fragment| Fragment {
        end: fragment.end.min(end).saturating_sub(start),
        ..*fragment
    }));
    Origins::Many(shifted)
}

/// A string under construction; never longer than the budget of the render admits.
pub(crate) struct TextBuilder<'r> {
    heap: &'r RunArena<'r>,
    chars: bumpalo::collections::String<'r>,
    fragments: bumpalo::collections::Vec<'r, Fragment>,
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
            fragments: bumpalo::collections::Vec::new_in(arena),
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
        match self.fragments.last_mut() {
            Some(last) if last.origin == origin && last.context == context => last.end = end,
            _ => self.fragments.push(Fragment {
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
        text.each_fragment(context, |chars, origin, context| {
            self.push_in(chars, origin, context);
        });
    }

    /// The string.
    pub(crate) fn finish(self) -> Text<'r> {
        let chars = self.chars.into_bump_str();
        let origins = match self.fragments.as_slice() {
            [] => Origins::One(Origin::TEMPLATE),
            [fragment] if fragment.origin.is_template() => {
                Origins::One(Origin::template(fragment.context))
            }
            [fragment] if fragment.context == 0 => Origins::One(fragment.origin),
            _ => Origins::Many(self.fragments.into_bump_slice()),
        };
        Text {
            chars,
            origins,
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
