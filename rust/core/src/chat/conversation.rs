//! The conversation: what every schema is read into.

use crate::value::{Arena, Map, Value};

/// Keys of a message that hold reasoning, the first that is set before the others.
pub(crate) const REASONING_KEYS: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

/// One message.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The role as the template sees it.
    pub role: &'a str,
    /// Every key as the template sees it, `role` included. Keys that are null at the top level
    /// have been dropped, as transformers does.
    pub fields: Map<'a>,
    /// What the data says about training on it: 0 = no, 1 = yes, other = weight of its tokens.
    pub weight: Option<f32>,
}

impl<'a> Message<'a> {
    /// A message of role and text alone.
    pub(super) fn plain(role: &'static str, content: &'a str, arena: &'a Arena) -> Self {
        let entries = [("role", Value::Str(role)), ("content", Value::Str(content))];
        Self {
            role,
            fields: Map::new(arena.alloc_slice_copy(&entries)),
            weight: None,
        }
    }

    /// Whether the message is a turn: one that the model writes.
    pub fn is_turn(&self) -> bool {
        self.role == "assistant"
    }

    /// Whether the message has nothing but a role and a text, as most have.
    pub(crate) fn is_plain(&self) -> bool {
        let is_plain = |(key, value): &(&str, Value<'_>)| match *key {
            "role" => true,
            "content" => matches!(value, Value::Str(_)),
            _ => false,
        };
        self.fields.iter().all(|entry| is_plain(&entry))
    }
}

/// The messages after one of the role `system`.
pub(super) fn led<'a>(
    messages: &[Message<'a>],
    system: &'a str,
    arena: &'a Arena,
) -> &'a mut [Message<'a>] {
    let mut all = bumpalo::collections::Vec::with_capacity_in(messages.len() + 1, arena);
    all.push(Message::plain("system", system, arena));
    all.extend_from_slice(messages);
    all.into_bump_slice_mut()
}

/// A row after its schema is read.
#[derive(Clone, Copy, Debug)]
pub struct Conversation<'a> {
    /// The messages, in order.
    pub messages: &'a [Message<'a>],
    /// Tool definitions, as the template sees them.
    pub tools: Option<Value<'a>>,
    /// Documents for retrieval templates.
    pub documents: Option<Value<'a>>,
    /// The row's `chat_template_kwargs`.
    pub template_kwargs: Map<'a>,
    /// The row's own weight, a factor of every weight in it; 1 where it says nothing.
    pub weight: f32,
}

impl Conversation<'_> {
    /// Which of the assistant's turns a message is, from 0; none where it is another's message.
    pub fn turn_of(&self, message: u32) -> Option<u32> {
        let index = message as usize;
        self.messages
            .get(index)
            .filter(|message| message.is_turn())?;
        Some(self.turns().take_while(|turn| *turn < index).count() as u32)
    }

    /// Indices of the assistant's messages, in order.
    pub fn turns(&self) -> impl DoubleEndedIterator<Item = usize> {
        let messages = self.messages.iter().enumerate();
        messages
            .filter(|(_, message)| message.is_turn())
            .map(|(index, _)| index)
    }
}

/// A stretch of text that is trained or not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment<'a> {
    /// The text, control tokens included.
    pub text: &'a str,
    /// 0 = not trained, 1 = trained, other = weight of its tokens.
    pub weight: f32,
}

/// What a row asks to be made of it.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// Messages, to be rendered by the chat template.
    Conversation(Conversation<'a>),
    /// A string prompt and a string completion, joined without a template; the completion is
    /// trained. The post-processor's BOS applies.
    Completion {
        /// Untrained text.
        prompt: &'a str,
        /// Trained text.
        completion: &'a str,
        /// The row's own weight.
        weight: f32,
    },
    /// Stretches of text as the model reads them, each trained or not.
    Segments {
        /// In order.
        segments: &'a [Segment<'a>],
        /// The row's own weight.
        weight: f32,
    },
    /// A document, all trained. The post-processor's BOS applies.
    Text {
        /// The document.
        text: &'a str,
        /// The row's own weight.
        weight: f32,
    },
    /// The chosen and the rejected answer to one prompt: conversations, or completions.
    Pair([&'a Self; 2]),
    /// One answer to a prompt, and whether it is a good one.
    Judged(&'a Self, bool),
}

/// What is called what in a pair, in the order of [`Record::Pair`].
pub const SIDES: [&str; 2] = ["chosen", "rejected"];

impl<'a> Record<'a> {
    /// What one of the samples is made from: of a pair, one of the two.
    pub fn of_sample(&self, sample: usize) -> &Self {
        match self {
            Self::Pair(sides) => sides[sample.min(1)],
            Self::Judged(answer, _) => answer,
            record => record,
        }
    }

    /// The conversation, if it is one; of a pair, that of the chosen answer.
    pub fn conversation(&self) -> Option<&Conversation<'a>> {
        match self {
            Self::Conversation(conversation) => Some(conversation),
            Self::Pair([chosen, _]) => chosen.conversation(),
            Self::Judged(answer, _) => answer.conversation(),
            Self::Completion { .. } | Self::Segments { .. } | Self::Text { .. } => None,
        }
    }

    /// Whether something in it has a weight that is neither 0 nor 1.
    pub fn has_fraction(&self) -> bool {
        let is_fraction = |weight: f32| weight != 0.0 && (weight - 1.0).abs() > f32::EPSILON;
        match self {
            Self::Conversation(conversation) => {
                let mut messages = conversation.messages.iter();
                is_fraction(conversation.weight)
                    || messages.any(|message| message.weight.is_some_and(is_fraction))
            }
            Self::Segments { segments, weight } => {
                let mut segments = segments.iter();
                is_fraction(*weight) || segments.any(|segment| is_fraction(segment.weight))
            }
            Self::Completion { weight, .. } | Self::Text { weight, .. } => is_fraction(*weight),
            Self::Pair(sides) => sides.iter().any(|side| side.has_fraction()),
            Self::Judged(answer, _) => answer.has_fraction(),
        }
    }
}
