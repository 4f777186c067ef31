//! Schemas: an input record → a conversation.

mod conversation;

pub use conversation::{Conversation, Message, Record};
