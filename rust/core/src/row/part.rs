//! What one sample is made of.

use crate::chat::Conversation;

/// What one sample is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    /// The messages, with the variables of the render.
    pub(crate) conversation: Conversation<'a>,
    /// Messages before this one are context, whatever the recipe and the row say.
    pub(crate) from: u32,
}

impl Part<'_> {
    /// Assistant messages that may be trained.
    pub(crate) fn turns(&self) -> u64 {
        let turns = self.conversation.turns();
        turns.filter(|turn| *turn >= self.from as usize).count() as u64
    }
}
