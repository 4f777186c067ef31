//! The result of a render: the text, the origin of every byte, and the spans of the turns.

use std::ops::Range;

use turnmill_jinja::OriginKind;

/// The part of a message that a fragment of text came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// `content`, or a text part of it.
    Content,
    /// `reasoning_content`, `thinking` or `reasoning`.
    Reasoning,
    /// `tool_calls`, anywhere inside.
    ToolCalls,
    /// `role`.
    Role,
    /// `name`.
    Name,
    /// `tool_call_id`: the call that a tool's message answers.
    CallId,
    /// `refusal`.
    Refusal,
    /// `function_call`, where it was not read as a tool call.
    FunctionCall,
    /// `reasoning_details`.
    ReasoningDetails,
    /// Any other key.
    Other,
}

impl Field {
    /// Every part, in the order of the numbers that the template language uses, from 1.
    const CLASSES: [Self; Self::COUNT] = [
        Self::Content,
        Self::Reasoning,
        Self::ToolCalls,
        Self::Role,
        Self::Name,
        Self::CallId,
        Self::Refusal,
        Self::FunctionCall,
        Self::ReasoningDetails,
        Self::Other,
    ];

    /// How many there are; each is below as a number.
    pub(crate) const COUNT: usize = Self::Other as usize + 1;

    /// The part of a message that is under `key`.
    pub(crate) fn of_key(key: &str) -> Self {
        match key {
            "content" => Self::Content,
            "reasoning_content" | "thinking" | "reasoning" => Self::Reasoning,
            "tool_calls" => Self::ToolCalls,
            "role" => Self::Role,
            "name" => Self::Name,
            "tool_call_id" => Self::CallId,
            "refusal" => Self::Refusal,
            "function_call" => Self::FunctionCall,
            "reasoning_details" => Self::ReasoningDetails,
            _ => Self::Other,
        }
    }

    /// The number by which the template language knows what is under `key`.
    pub(super) fn class_of(key: &str) -> u8 {
        Self::of_key(key) as u8 + 1
    }

    /// The part of that number.
    fn of_class(class: u8) -> Self {
        let index = usize::from(class).wrapping_sub(1);
        Self::CLASSES.get(index).copied().unwrap_or(Self::Other)
    }
}

/// Where a fragment of rendered text came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The template's own text, or something it computed (a date, a number).
    Template,
    /// A message of the conversation.
    Message {
        /// Index of the message, from 0.
        index: u32,
        /// The part of it.
        field: Field,
    },
    /// Tools, documents or another variable of the row.
    Variable,
}

impl Origin {
    /// Where a fragment of a render came from.
    pub(super) fn of(fragment: &turnmill_jinja::Fragment) -> Self {
        match fragment.origin.kind() {
            OriginKind::Template => Self::Template,
            OriginKind::Variable => Self::Variable,
            OriginKind::Record { index, field } => Self::Message {
                index,
                field: Field::of_class(field),
            },
        }
    }

    /// Whether the text was written by the template's author rather than found in the data.
    pub fn is_template(self) -> bool {
        self == Self::Template
    }
}

/// A run of rendered text of one origin; it starts where the fragment before it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Byte offset of its end in the text.
    pub end: u32,
    /// Where it came from.
    pub origin: Origin,
}

/// A fragment with its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentRange {
    /// First byte.
    pub start: u32,
    /// One past the last.
    pub end: u32,
    /// Where it came from.
    pub origin: Origin,
}

/// A half-open byte range of the text that belongs to one assistant turn. One turn may own several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte that the model writes: the generation prompt is not part of it.
    pub start: u32,
    /// End of the last byte inside the span that came from the row (content, reasoning, tool
    /// calls); `start` if there is none. The terminator is looked for from here on.
    pub content_end: u32,
    /// End of the turn's text, its terminator and what follows it in the turn's segment included.
    pub end: u32,
    /// Index of the assistant message, from 0.
    pub message: u32,
}

/// Reasoning inside a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasoningSpan {
    /// First byte: of the text between the markers, or of the whole block when `empty`.
    pub start: u32,
    /// End of it.
    pub end: u32,
    /// The template printed an empty think block, for a message without reasoning.
    pub empty: bool,
    /// Index of the assistant message, from 0.
    pub message: u32,
}

/// A rendered conversation. Buffers are reused from row to row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// The text, byte for byte what transformers renders.
    pub text: String,
    /// A partition of the text by origin, in order.
    pub fragments: Vec<Fragment>,
    /// Every assistant turn, in order of the text, before any policy.
    pub spans: Vec<Span>,
    /// Reasoning inside the spans, in order of the text.
    pub reasoning: Vec<ReasoningSpan>,
    /// Assistant messages whose turn cannot be located in this render; they have no span.
    pub unlocated: Vec<u32>,
}

impl Rendered {
    /// Clears every buffer and keeps its memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.fragments.clear();
        self.spans.clear();
        self.reasoning.clear();
        self.unlocated.clear();
    }

    /// The text in runs of one origin, in order.
    pub fn ranges(&self) -> impl Iterator<Item = FragmentRange> + '_ {
        self.ranges_of(0..self.fragments.len())
    }

    /// Some of the runs, by their index.
    pub(crate) fn ranges_of(
        &self,
        wanted: Range<usize>,
    ) -> impl Iterator<Item = FragmentRange> + '_ {
        let before = wanted.start.checked_sub(1);
        let mut start = before.map_or(0, |before| self.fragments[before].end);
        self.fragments[wanted].iter().map(move |fragment| {
            let run = FragmentRange {
                start,
                end: fragment.end,
                origin: fragment.origin,
            };
            start = fragment.end;
            run
        })
    }
}
