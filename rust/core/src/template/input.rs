//! What is rendered.

use crate::chat::Conversation;
use crate::value::{Arena, Map, Value};

/// The arguments of one `apply_chat_template`.
#[derive(Clone, Copy, Debug, Default)]
pub struct RenderInput<'a> {
    /// The messages, in order, with every key.
    pub messages: &'a [Map<'a>],
    /// Tool definitions; the template sees `none` if there are none.
    pub tools: Option<Value<'a>>,
    /// Documents; the template sees `none` if there are none.
    pub documents: Option<Value<'a>>,
    /// Whether to add the start of an answer, for the assistant to continue.
    pub add_generation_prompt: bool,
    /// The field of the last message (`content`) at whose end the text stops, for the assistant to
    /// continue it.
    pub continue_final_message: Option<&'a str>,
    /// Any other variable; wins over a special token of the same name.
    pub variables: Map<'a>,
}

impl<'a> RenderInput<'a> {
    /// The first `turns` messages of a conversation.
    pub fn of(conversation: &Conversation<'a>, turns: usize, arena: &'a Arena) -> Self {
        let messages = &conversation.messages[..turns.min(conversation.messages.len())];
        Self {
            messages: arena.alloc_slice_fill_iter(messages.iter().map(|message| message.fields)),
            tools: conversation.tools,
            documents: conversation.documents,
            variables: conversation.template_kwargs,
            ..Self::default()
        }
    }
}
