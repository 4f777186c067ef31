//! Conversations that are longer than `max_length`.

use super::Refusal;
use super::conversation::Fit;
use super::desk::Desk;
use super::length::{self, Kept};
use crate::chat::Conversation;
use crate::recipe::{History, OverLength};
use crate::rules::{Reject, Rule};
use crate::setup::plan::Plan;
use crate::value::Arena;
use crate::{Error, ErrorKind};

impl Desk {
    /// Makes the sample of a conversation; where it is too long, by the recipe's policy. With
    /// `history = expand` the samples, into `finished`.
    pub(crate) fn conversation<'a>(
        &mut self,
        plan: &Plan,
        conversation: &Conversation<'a>,
        arena: &'a Arena,
    ) -> Result<(), Refusal> {
        if plan.recipe.history == History::Expand {
            return self.expanded(plan, conversation, arena);
        }
        match self.fitted(plan, conversation, 0, arena)? {
            Fit::Ready => Ok(()),
            Fit::Long(length) => Err(overlong(plan, length).into()),
        }
    }

    /// Makes a sample in which the messages from `from` on are trained. Where it is too long, by
    /// the recipe's policy; its length where no part of it fits.
    pub(crate) fn fitted<'a>(
        &mut self,
        plan: &Plan,
        conversation: &Conversation<'a>,
        from: u32,
        arena: &'a Arena,
    ) -> Result<Fit, Refusal> {
        let before = self.counts.clone();
        let Fit::Long(length) = self.sample(plan, conversation, from, arena)? else {
            self.replay(plan, conversation, arena)?;
            return Ok(Fit::Ready);
        };
        let most = plan.recipe.max_length.unwrap_or(u32::MAX);
        let policy = plan.recipe.over_length;
        if policy == OverLength::Error {
            return Err(too_long(length, most).into());
        }
        let roles: Vec<&str> = conversation.messages.iter().map(|m| m.role).collect();
        let mut candidates = length::candidates(policy, &roles);
        candidates.retain(|kept| kept.messages.end > from as usize);
        let ends = self.turn_ends();
        let estimate = |kept: &Kept| estimate(policy, kept, &ends, length);
        let fits = |kept: &Kept| {
            self.counts.clone_from(&before);
            let part = self::part(conversation, kept, arena);
            match self.sample(plan, &part, trained_from(kept, from), arena) {
                Ok(fit) => Ok(fit == Fit::Ready),
                // A shorter conversation may be one that the template or the contract refuses.
                Err(Refusal::Row(_)) => Ok(false),
                Err(run) => Err(run),
            }
        };
        let found = length::longest(&candidates, most as usize, estimate, fits)?;
        let Some(kept) = found.map(|index| &candidates[index]) else {
            return Ok(Fit::Long(length));
        };
        self.counts.clone_from(&before);
        let part = self::part(conversation, kept, arena);
        let part_from = trained_from(kept, from);
        self.sample(plan, &part, part_from, arena)?;
        let turns = turns_from(conversation, from as usize) - turns_from(&part, part_from as usize);
        let tokens = u64::from(length).saturating_sub(self.encoding.ids.len() as u64);
        self.leave_out(turns, tokens);
        self.replay(plan, &part, arena)?;
        Ok(Fit::Ready)
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

/// Where the messages from `from` on begin in a part.
fn trained_from(kept: &Kept, from: u32) -> u32 {
    let before = kept.indices().filter(|index| *index < from as usize);
    before.count() as u32
}

/// Assistant messages from `from` on.
pub(crate) fn turns_from(conversation: &Conversation<'_>, from: usize) -> u64 {
    let messages = conversation.messages[from..].iter();
    messages
        .filter(|message| message.role == "assistant")
        .count() as u64
}

/// Why a row of which nothing fits is left out.
pub(crate) fn overlong(plan: &Plan, length: u32) -> Reject {
    let most = plan.recipe.max_length.unwrap_or(u32::MAX);
    let tried = match plan.recipe.over_length {
        OverLength::Reject => "",
        _ => ", and no shorter part fits",
    };
    let reason = format!("{length} tokens, {most} allowed{tried}");
    Reject::new(Rule::OverlongSample, reason)
}

fn too_long(length: u32, most: u32) -> Error {
    Error::new(
        ErrorKind::Data,
        "overlong-sample",
        format!("a sample has {length} tokens, {most} are allowed, and `over_length = error`"),
    )
    .hint("raise --max-length, or choose --over-length whole-turns, oldest-turns or reject")
}
