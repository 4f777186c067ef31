//! What one sample is made from.

use crate::chat::Conversation;

/// A conversation, or the excerpt of one that becomes a sample.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Excerpt<'a> {
    /// The messages, with the variables of the render.
    pub(crate) conversation: Conversation<'a>,
    /// Messages before this one are context, even if the recipe and the row would train them.
    pub(crate) from: u32,
    /// The sample ends with its last trained turn, as an answer that is judged does: what a template
    /// prints after the terminator is left out.
    pub(crate) ends_in_turn: bool,
}

impl Excerpt<'_> {
    /// Assistant messages that may be trained.
    pub(crate) fn turns(&self) -> u64 {
        let turns = self.conversation.turns();
        turns.filter(|turn| *turn >= self.from as usize).count() as u64
    }
}
