//! The text that a render writes, with its parts and captures.

use crate::error::{Error, Result};
use crate::run::budget::RunArena;
use crate::value::Val;
use crate::value::origin::{Fragment, Origin};
use crate::value::text::{Origins, Text};

/// What text belongs to while it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The record whose turn it is: the item of the innermost loop over records, or the one that
    /// `{% set %}` last took out of the list inside a loop over something else.
    pub record: Option<u32>,
    /// The `{% generation %}` block, from 1 in the order of the text; 0 is none.
    pub generation: u32,
}

/// The text so far. A capture is its tail, cut off when it ends.
pub(crate) struct Output<'r> {
    pub(crate) text: String,
    pub(crate) fragments: bumpalo::collections::Vec<'r, Fragment>,
    pub(crate) contexts: bumpalo::collections::Vec<'r, Context>,
    /// Index into `contexts`.
    pub(crate) context: u32,
    /// Parts before this one are closed: a capture began after them, and what it writes must not be
    /// merged into them, or it could not be cut off again.
    floor: usize,
    limit: usize,
    arena: &'r RunArena<'r>,
}

/// Where a capture began.
pub(crate) struct Capture {
    bytes: usize,
    floor: usize,
}

impl<'r> Output<'r> {
    /// An empty text in `buffer`, which keeps its memory.
    pub(crate) fn new(mut buffer: String, limit: usize, arena: &'r RunArena<'r>) -> Self {
        buffer.clear();
        Self {
            text: buffer,
            fragments: bumpalo::collections::Vec::with_capacity_in(64, arena),
            contexts: bumpalo::vec![in arena; Context::default()],
            context: 0,
            floor: 0,
            limit,
            arena,
        }
    }

    /// The context that text is written in now.
    pub(crate) fn current(&self) -> Context {
        self.contexts[self.context as usize]
    }

    /// The index of a context.
    pub(crate) fn context_index(&mut self, context: Context) -> u32 {
        let last = self.contexts.len() - 1;
        if self.contexts[last] == context {
            return last as u32;
        }
        self.contexts.push(context);
        last as u32 + 1
    }

    /// Text that was written in the context `own` and is printed now.
    fn combined(&mut self, own: u32) -> u32 {
        let (own_context, current) = (self.contexts[own as usize], self.current());
        let both = Context {
            record: own_context.record.or(current.record),
            generation: if current.generation == 0 {
                own_context.generation
            } else {
                current.generation
            },
        };
        if both == own_context {
            return own;
        }
        if both == current {
            return self.context;
        }
        self.context_index(both)
    }

    /// Adds characters.
    pub(crate) fn write(&mut self, chars: &str, origin: Origin, context: u32) -> Result<()> {
        if chars.is_empty() {
            return Ok(());
        }
        if self.text.len() + chars.len() > self.limit {
            return Err(Error::budget(format!(
                "the template writes more than {} bytes",
                self.limit
            )));
        }
        self.text.push_str(chars);
        let own = if context == 0 {
            origin.context()
        } else {
            context
        };
        let context = if own == 0 || own == self.context {
            self.context
        } else {
            self.combined(own)
        };
        let origin = if origin.is_template() {
            Origin::TEMPLATE
        } else {
            origin
        };
        let end = self.text.len() as u32;
        let open = self.floor < self.fragments.len();
        match self.fragments.last_mut() {
            Some(last) if open && last.origin == origin && last.context == context => {
                last.end = end;
            }
            _ => self.fragments.push(Fragment {
                end,
                origin,
                context,
            }),
        }
        Ok(())
    }

    /// Adds a string that was made in a context; 0 is none.
    pub(crate) fn write_text(&mut self, text: Text<'_>, context: u32) -> Result<()> {
        let mut result = Ok(());
        text.each_fragment(context, |chars, origin, context| {
            if result.is_ok() {
                result = self.write(chars, origin, context);
            }
        });
        result
    }

    /// Begins a capture.
    pub(crate) fn begin(&mut self) -> Capture {
        let capture = Capture {
            bytes: self.text.len(),
            floor: self.floor,
        };
        self.floor = self.fragments.len();
        capture
    }

    /// Ends a capture and takes out what was written since.
    pub(crate) fn end(&mut self, capture: &Capture) -> Val<'r> {
        let chars = self.arena.alloc_str(&self.text[capture.bytes..]);
        let fragments = &self.fragments[self.floor..];
        let shift = capture.bytes as u32;
        let origins = match fragments {
            [] => Origins::One(Origin::TEMPLATE),
            [fragment] if fragment.origin.is_template() => {
                Origins::One(Origin::template(fragment.context))
            }
            [fragment] if fragment.context == 0 => Origins::One(fragment.origin),
            _ => Origins::Many(self.arena.alloc_slice_fill_iter(fragments.iter().map(
                |fragment| Fragment {
                    end: fragment.end - shift,
                    ..*fragment
                },
            ))),
        };
        self.abandon(capture);
        let text = Text {
            chars,
            origins,
            safe: false,
        };
        text.val(self.arena)
    }

    /// Ends a capture whose text stays where it is.
    pub(crate) fn release(&mut self, capture: &Capture) {
        self.floor = capture.floor;
    }

    /// Ends a capture and drops its text.
    pub(crate) fn abandon(&mut self, capture: &Capture) {
        self.text.truncate(capture.bytes);
        self.fragments.truncate(self.floor);
        self.floor = capture.floor;
    }
}
