//! Conversations that are longer than `max_length`.

use super::Refusal;
use super::conversation::Fit;
use super::plan::Plan;
use super::record::Lost;
use super::row::Desk;
use crate::chat::Conversation;
use crate::check::{Reject, Rule};
use crate::length::{self, Kept, OverLength};
use crate::value::Arena;
use crate::{Error, ErrorKind};

impl Desk {
    /// Makes the sample of a conversation; where it is too long, by the recipe's policy.
    pub(super) fn conversation<'a>(
        &mut self,
        plan: &Plan,
        conversation: &Conversation<'a>,
        arena: &'a Arena,
    ) -> Result<(), Refusal> {
        let before = self.counts.clone();
        let Fit::Long(length) = self.sample(plan, conversation, 0, arena)? else {
            return Ok(());
        };
        let most = plan.recipe.max_length.unwrap_or(u32::MAX);
        let policy = plan.recipe.over_length;
        if policy == OverLength::Error {
            return Err(too_long(length, most).into());
        }
        let roles: Vec<&str> = conversation.messages.iter().map(|m| m.role).collect();
        let candidates = length::candidates(policy, &roles);
        let ends = self.turn_ends();
        let estimate = |kept: &Kept| estimate(policy, kept, &ends, length);
        let fits = |kept: &Kept| {
            self.counts.clone_from(&before);
            let part = self::part(conversation, kept, arena);
            match self.sample(plan, &part, 0, arena) {
                Ok(fit) => Ok(fit == Fit::Ready),
                // A shorter conversation may be one that the template or the contract refuses.
                Err(Refusal::Row(_)) => Ok(false),
                Err(run) => Err(run),
            }
        };
        let found = length::longest(&candidates, most as usize, estimate, fits)?;
        let Some(kept) = found.map(|index| &candidates[index]) else {
            let tried = match policy {
                OverLength::Reject => "",
                _ => ", and no shorter part fits",
            };
            let reason = format!("{length} tokens, {most} allowed{tried}");
            return Err(Reject::new(Rule::OverlongSample, reason).into());
        };
        self.take(plan, conversation, kept, &before, length, arena)
    }

    /// Makes the sample of the part that stays and counts what leaves.
    fn take<'a>(
        &mut self,
        plan: &Plan,
        conversation: &Conversation<'a>,
        kept: &Kept,
        before: &crate::check::RuleCounts,
        length: u32,
        arena: &'a Arena,
    ) -> Result<(), Refusal> {
        self.counts.clone_from(before);
        let part = self::part(conversation, kept, arena);
        self.sample(plan, &part, 0, arena)?;
        let turns = turns(conversation) - turns(&part);
        let tokens = u64::from(length).saturating_sub(self.encoding.ids.len() as u64);
        self.counts.add(Rule::TurnsLeftOut, turns);
        self.lost = Lost { turns, tokens };
        Ok(())
    }

    /// Message index and last token of every span.
    fn turn_ends(&self) -> Vec<(usize, u32)> {
        let spans = self.rendered.spans.iter();
        spans
            .map(|span| (span.message as usize, self.end_token(span.end)))
            .collect()
    }
}

/// Tokens of a part, as far as the render of the whole tells.
fn estimate(policy: OverLength, kept: &Kept, ends: &[(usize, u32)], length: u32) -> Option<usize> {
    let end_before = |message: usize| {
        let end = ends.iter().rfind(|(turn, _)| *turn < message);
        end.map_or(0, |(_, token)| *token as usize)
    };
    match policy {
        OverLength::WholeTurns => Some(end_before(kept.messages.end)),
        OverLength::OldestTurns => Some(length as usize - end_before(kept.messages.start)),
        OverLength::Reject | OverLength::Error => None,
    }
}

fn part<'a>(conversation: &Conversation<'a>, kept: &Kept, arena: &'a Arena) -> Conversation<'a> {
    let messages: Vec<_> = kept
        .indices()
        .map(|index| conversation.messages[index])
        .collect();
    Conversation {
        messages: arena.alloc_slice_copy(&messages),
        ..*conversation
    }
}

fn turns(conversation: &Conversation<'_>) -> u64 {
    let messages = conversation.messages.iter();
    messages
        .filter(|message| message.role == "assistant")
        .count() as u64
}

fn too_long(length: u32, most: u32) -> Error {
    Error::new(
        ErrorKind::Data,
        "overlong-sample",
        format!("a sample has {length} tokens, {most} are allowed, and `over_length = error`"),
    )
    .hint("raise --max-length, or choose --over-length whole-turns, oldest-turns or reject")
}
