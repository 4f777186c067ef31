//! Which messages of a sample are trained, and with which weight.

use crate::chat::Conversation;
use crate::recipe::{History, Reasoning, TrainOn};
use crate::setup::ending::TurnEnd;
use crate::setup::plan::Plan;
use crate::template::{Field, Origin, Rendered, Span, Thought};

/// Which messages of the row at hand are trained.
pub(crate) struct Policy<'p, 'a> {
    pub(crate) plan: &'p Plan,
    pub(crate) conversation: &'p Conversation<'a>,
    /// Index of the last assistant message.
    pub(crate) last: Option<u32>,
    /// Messages before this one are context, whatever the recipe and the row say.
    pub(crate) from: u32,
    /// Messages that are not the assistant's are trained too.
    pub(crate) others: bool,
}

impl<'p, 'a> Policy<'p, 'a> {
    pub(crate) fn new(plan: &'p Plan, conversation: &'p Conversation<'a>, from: u32) -> Self {
        let mut policy = Self {
            plan,
            conversation,
            last: last_turn(conversation),
            from,
            others: false,
        };
        policy.others = policy.trains_others();
        policy
    }

    fn trains_others(&self) -> bool {
        if self.plan.recipe.train_on == TrainOn::Everything {
            return false;
        }
        let mut messages = self.conversation.messages.iter().enumerate();
        messages
            .any(|(index, message)| message.role != "assistant" && self.weight(index as u32) > 0.0)
    }

    /// The weight a message is trained with; 0 is not trained.
    pub(crate) fn weight(&self, message: u32) -> f32 {
        if message < self.from {
            return 0.0;
        }
        self.wished(message)
    }

    /// Whether the turn is not trained although the recipe and the row would have it trained; with
    /// `history = expand` another sample trains it.
    pub(crate) fn loses(&self, message: u32) -> bool {
        let elsewhere = self.plan.recipe.history == History::Expand;
        message < self.from && !elsewhere && self.wished(message) > 0.0
    }

    /// The weight before history is looked at.
    fn wished(&self, message: u32) -> f32 {
        let Some(found) = self.conversation.messages.get(message as usize) else {
            return 0.0;
        };
        found.weight.unwrap_or_else(|| {
            f32::from(u8::from(match &self.plan.recipe.train_on {
                TrainOn::Assistant => found.role == "assistant",
                TrainOn::LastTurn => self.last == Some(message),
                TrainOn::Everything => true,
                TrainOn::Roles(roles) => roles.iter().any(|role| role == found.role),
            }))
        })
    }

    /// Whether a terminator is inserted behind the turn of this span.
    pub(crate) fn inserts(&self, span: &Span) -> bool {
        matches!(self.plan.turn_end, TurnEnd::Insert(_)) && self.weight(span.message) > 0.0
    }

    pub(crate) fn leaves_out(&self, thought: &Thought) -> bool {
        match self.plan.recipe.reasoning {
            Reasoning::Train => thought.empty,
            Reasoning::TrainEmpty => false,
            Reasoning::Mask => true,
        }
    }
}

pub(crate) fn last_turn(conversation: &Conversation<'_>) -> Option<u32> {
    let mut messages = conversation.messages.iter();
    let last = messages.rposition(|message| message.role == "assistant")?;
    Some(last as u32)
}

/// Text ranges of trained messages that are not the assistant's, with their weights.
pub(crate) fn other_ranges(rendered: &Rendered, policy: &Policy<'_, '_>) -> Vec<(u32, u32, f32)> {
    let mut ranges: Vec<(u32, u32, u32)> = Vec::new();
    let mut start = 0;
    for piece in &rendered.pieces {
        if let Origin::Message { index, field } = piece.origin
            && field != Field::Role
            && piece.end > start
        {
            match ranges.last_mut() {
                Some(last) if last.2 == index => last.1 = piece.end,
                _ => ranges.push((start, piece.end, index)),
            }
        }
        start = piece.end;
    }
    let messages = policy.conversation.messages;
    ranges
        .into_iter()
        .filter(|range| messages[range.2 as usize].role != "assistant")
        .map(|(start, end, message)| (start, end, policy.weight(message)))
        .filter(|range| range.2 > 0.0)
        .collect()
}
