//! Where a string came from: one word for a string of one origin, a list of parts otherwise.

use super::super::rendered::{Field, Origin};

/// The origin of a string: a message field, a variable of the row, or the template, with the
/// context (see [`Part`]) it was written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(u32);

const DATA: u32 = 1 << 31;
const FIELD_BITS: u32 = 3;
const VARIABLE: u32 = DATA | (DATA - 1);

/// Which part of a message a value is.
const WHOLE: u32 = 0;
const CONTENT: u32 = 1;
const REASONING: u32 = 2;
const TOOL_CALLS: u32 = 3;
const ROLE: u32 = 4;

impl Tag {
    /// The template, in no context.
    pub(crate) const TEMPLATE: Self = Self(0);
    /// A variable of the row.
    pub(crate) const VARIABLE: Self = Self(VARIABLE);

    /// The template, in a context.
    pub(crate) fn template(context: u32) -> Self {
        Self(context & !DATA)
    }

    /// A whole message.
    pub(crate) fn message(index: usize) -> Self {
        Self(DATA | ((index as u32) << FIELD_BITS & (DATA - 1)) | WHOLE)
    }

    /// The message that this value is, if it is a whole one.
    pub(crate) fn whole_message(self) -> Option<u32> {
        let is_whole = self.0 & DATA != 0 && self.0 & 7 == WHOLE;
        is_whole.then_some((self.0 & !DATA) >> FIELD_BITS)
    }

    /// The tag of the value of `key` in a mapping of this tag.
    pub(crate) fn field(self, key: &str) -> Self {
        if self.whole_message().is_none() {
            return self;
        }
        let field = match key {
            "content" => CONTENT,
            "reasoning_content" | "thinking" | "reasoning" => REASONING,
            "tool_calls" => TOOL_CALLS,
            "role" => ROLE,
            _ => 5,
        };
        Self(self.0 | field)
    }

    /// Whether the template wrote it.
    pub(crate) fn is_template(self) -> bool {
        self.0 & DATA == 0
    }

    /// The context of template text.
    pub(crate) fn context(self) -> u32 {
        if self.is_template() { self.0 } else { 0 }
    }

    /// The public form.
    pub(crate) fn origin(self) -> Origin {
        if self.is_template() {
            return Origin::Template;
        }
        if self.0 == VARIABLE {
            return Origin::Variable;
        }
        let field = match self.0 & 7 {
            CONTENT => Field::Content,
            REASONING => Field::Reasoning,
            TOOL_CALLS => Field::ToolCalls,
            ROLE => Field::Role,
            _ => Field::Other,
        };
        Origin::Message {
            index: (self.0 & !DATA) >> FIELD_BITS,
            field,
        }
    }
}

/// A run of text of one origin that was written in one context; it starts where the part before
/// it ends. A context is a message whose turn it is and a `{% generation %}` block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Byte offset of its end.
    pub(crate) end: u32,
    /// Where it came from; template text carries no context here.
    pub(crate) tag: Tag,
    /// The context it was written in; 0 is none.
    pub(crate) context: u32,
}
