//! Which messages of a sample are trained, and with which weight.

use crate::chat::Conversation;
use crate::recipe::{History, Reasoning, TrainOn};
use crate::setup::plan::Plan;
use crate::setup::turn_end_probe::TurnEnd;
use crate::template::{Field, Origin, ReasoningSpan, Rendered, Span};

/// Which messages of a sample are trained.
#[derive(Clone, Copy)]
pub(crate) struct Policy<'p, 'a> {
    pub(crate) plan: &'p Plan,
    pub(crate) conversation: &'p Conversation<'a>,
    /// Index of the last assistant message.
    pub(crate) last: Option<u32>,
    /// Messages before this one are context, even if the recipe and the row would train them.
    from: u32,
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
        messages.any(|(index, message)| !message.is_turn() && self.weight(index as u32) > 0.0)
    }

    /// The weight a message is trained with; 0 is not trained.
    pub(crate) fn weight(&self, message: u32) -> f32 {
        if message < self.from {
            return 0.0;
        }
        self.wished(message)
    }

    /// Whether the recipe and the row would train this turn, but history does not. With `history =
    /// expand`, another sample trains it.
    pub(crate) fn loses(&self, message: u32) -> bool {
        let elsewhere = self.plan.recipe.history == History::Expand;
        message < self.from && !elsewhere && self.wished(message) > 0.0
    }

    /// The weight that the recipe and the row give, whatever history makes of it.
    fn wished(&self, message: u32) -> f32 {
        if self.plan.recipe.train_on == TrainOn::Nothing {
            return 0.0;
        }
        let Some(found) = self.conversation.messages.get(message as usize) else {
            return 0.0;
        };
        let weight = found.weight.unwrap_or_else(|| {
            f32::from(u8::from(match &self.plan.recipe.train_on {
                TrainOn::Assistant => found.is_turn(),
                TrainOn::LastTurn => self.last == Some(message),
                TrainOn::Everything => true,
                TrainOn::Nothing => false,
                TrainOn::Roles(roles) => roles.iter().any(|role| role == found.role),
            }))
        });
        weight * self.conversation.weight
    }

    /// Whether a terminator is inserted after the turn of this span.
    pub(crate) fn inserts(&self, span: &Span) -> bool {
        matches!(self.plan.turn_end, TurnEnd::Insert(_)) && self.weight(span.message) > 0.0
    }

    /// Whether reasoning inside a trained turn is not trained.
    pub(crate) fn leaves_out(&self, block: &ReasoningSpan) -> bool {
        match self.plan.recipe.reasoning {
            Reasoning::Train => block.empty,
            Reasoning::TrainEmpty => false,
            Reasoning::Mask => true,
        }
    }

    /// Text ranges of trained messages that are not the assistant's, with their weights.
    pub(crate) fn other_ranges(&self, rendered: &Rendered) -> Vec<(u32, u32, f32)> {
        let mut ranges: Vec<(u32, u32, u32)> = Vec::new();
        for run in rendered.ranges().filter(|run| run.end > run.start) {
            let Origin::Message { index, field } = run.origin else {
                continue;
            };
            if field == Field::Role {
                continue;
            }
            match ranges.last_mut() {
                Some(last) if last.2 == index => last.1 = run.end,
                _ => ranges.push((run.start, run.end, index)),
            }
        }
        let messages = self.conversation.messages;
        ranges
            .into_iter()
            .filter(|range| !messages[range.2 as usize].is_turn())
            .map(|(start, end, message)| (start, end, self.weight(message)))
            .filter(|range| range.2 > 0.0)
            .collect()
    }
}

/// Index of the last assistant message.
pub(super) fn last_turn(conversation: &Conversation<'_>) -> Option<u32> {
    conversation.turns().next_back().map(|turn| turn as u32)
}
