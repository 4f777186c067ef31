//! Conversations that are longer than `max_length`.

use super::Refusal;
use super::conversation::{self, Fit};
use super::draft::Draft;
use super::excerpt::Excerpt;
use super::kept::{self, Kept};
use super::label::Tokens;
use super::output::RowOutput;
use super::replay;
use super::scratch::Scratch;
use crate::chat::Conversation;
use crate::recipe::OverLength;
use crate::rules::{Reject, Rule};
use crate::setup::plan::Plan;
use crate::template::Span;
use crate::value::Arena;
use crate::{Error, ErrorKind};

/// Makes the one sample of a conversation. If it is too long, the recipe's policy decides.
pub(super) fn sample<'a>(
    plan: &Plan,
    conversation: &Conversation<'a>,
    arena: &'a Arena,
    scratch: &mut Scratch,
    draft: &mut Draft,
    output: &mut RowOutput,
) -> Result<(), Refusal> {
    let whole = Excerpt {
        conversation: *conversation,
        from: 0,
        ends_in_turn: false,
    };
    match fit(plan, &whole, arena, scratch, draft, output)? {
        Fit::Ready => Ok(()),
        Fit::Long(length) => Err(nothing_fits(plan, length).into()),
    }
}

/// Makes the sample of an excerpt. If it is too long, makes that of a shorter one, by the recipe's
/// policy. Returns the length of the whole excerpt if nothing fits.
pub(super) fn fit<'a>(
    plan: &Plan,
    excerpt: &Excerpt<'a>,
    arena: &'a Arena,
    scratch: &mut Scratch,
    draft: &mut Draft,
    output: &mut RowOutput,
) -> Result<Fit, Refusal> {
    let before = output.findings.counts.clone();
    let findings = &mut output.findings;
    let fit = conversation::draft(plan, excerpt, scratch, draft, findings)?;
    let Fit::Long(length) = fit else {
        finish(plan, excerpt, arena, scratch, draft, output)?;
        return Ok(Fit::Ready);
    };
    if plan.recipe.over_length == OverLength::Error {
        return Err(too_long(plan, length).into());
    }
    let mut attempt = |shorter: &Excerpt<'a>, draft: &mut Draft| {
        let findings = &mut output.findings;
        findings.counts.clone_from(&before);
        conversation::draft(plan, shorter, scratch, draft, findings)
    };
    let Some(shorter) = longest(plan, excerpt, length, arena, draft, &mut attempt)? else {
        return Ok(Fit::Long(length));
    };
    let turns = excerpt.turns() - shorter.turns();
    let tokens = u64::from(length).saturating_sub(draft.len() as u64);
    output.findings.leave_out(turns, tokens);
    finish(plan, &shorter, arena, scratch, draft, output)?;
    Ok(Fit::Ready)
}

/// Replays a sample if a check asks for it, and adds it to the output.
fn finish<'a>(
    plan: &Plan,
    excerpt: &Excerpt<'a>,
    arena: &'a Arena,
    scratch: &mut Scratch,
    draft: &Draft,
    output: &mut RowOutput,
) -> Result<(), Refusal> {
    let (player, row) = (&mut scratch.player, &mut output.replay);
    replay::conversation(plan, &excerpt.conversation, arena, draft, player, row)?;
    output.push(draft);
    Ok(())
}

/// The longest shorter excerpt that fits, by the recipe's policy. On entry the draft holds the sample
/// of `whole`, of `length` tokens; on return it holds the sample of the excerpt that was found.
fn longest<'a>(
    plan: &Plan,
    whole: &Excerpt<'a>,
    length: u32,
    arena: &'a Arena,
    draft: &mut Draft,
    attempt: &mut impl FnMut(&Excerpt<'a>, &mut Draft) -> Result<Fit, Refusal>,
) -> Result<Option<Excerpt<'a>>, Refusal> {
    let (policy, most) = (plan.recipe.over_length, plan.recipe.max_length);
    let mut candidates = kept::candidates(policy, whole.conversation.messages);
    candidates.retain(|kept| kept.messages.end > whole.from as usize);
    let ends = TurnEnds::of(plan, draft);
    let estimate = |kept: &Kept| estimate(policy, kept, &ends, length);
    let mut tried = None;
    let fits = |kept: &Kept| {
        tried = Some(kept.clone());
        match attempt(&shorter(whole, kept, arena), draft) {
            Ok(fit) => Ok(fit == Fit::Ready),
            // The template or the contract may refuse a shorter conversation; then another one is
            // tried.
            Err(Refusal::Row(_)) => Ok(false),
            Err(run) => Err(run),
        }
    };
    let most = most.unwrap_or(u32::MAX) as usize;
    let found = kept::longest(&candidates, most, estimate, fits)?;
    let Some(kept) = found.map(|index| &candidates[index]) else {
        return Ok(None);
    };
    let excerpt = shorter(whole, kept, arena);
    // The draft holds the last candidate that was tried, which may be a longer one that did not
    // fit.
    if tried.as_ref() != Some(kept) {
        attempt(&excerpt, draft)?;
    }
    Ok(Some(excerpt))
}

/// Where the turns of an encoded draft end: the message of each span, and the token after it.
pub(super) struct TurnEnds(Vec<(usize, u32)>);

impl TurnEnds {
    pub(super) fn of(plan: &Plan, draft: &Draft) -> Self {
        let tokens = Tokens::new(plan, &draft.located, &draft.encoding);
        let spans = draft.rendered.spans.iter();
        let end = |span: &Span| (span.message as usize, tokens.end(span.end));
        let mut ends: Vec<_> = spans.map(end).collect();
        // A template may print the turns in another order.
        ends.sort_by_key(|(message, _)| *message);
        Self(ends)
    }

    /// The tokens up to the end of the last turn before a message.
    pub(super) fn before(&self, message: usize) -> usize {
        let earlier = self.0.partition_point(|(turn, _)| *turn < message);
        let last = earlier.checked_sub(1).map(|index| self.0[index].1);
        last.unwrap_or_default() as usize
    }
}

/// Number of tokens of what is kept, estimated from the render of the whole.
fn estimate(policy: OverLength, kept: &Kept, ends: &TurnEnds, length: u32) -> Option<usize> {
    match policy {
        OverLength::WholeTurns => Some(ends.before(kept.messages.end)),
        OverLength::OldestTurns => {
            // A template may print the last turn first, and a sample may end with it.
            let before = ends.before(kept.messages.start);
            Some((length as usize).saturating_sub(before))
        }
        OverLength::Reject | OverLength::Error => None,
    }
}

/// The messages of an excerpt that are kept.
pub(super) fn shorter<'a>(whole: &Excerpt<'a>, kept: &Kept, arena: &'a Arena) -> Excerpt<'a> {
    let messages = kept
        .indices()
        .map(|index| whole.conversation.messages[index]);
    let messages: Vec<_> = messages.collect();
    let context = kept.indices().filter(|index| *index < whole.from as usize);
    Excerpt {
        conversation: Conversation {
            messages: arena.alloc_slice_copy(&messages),
            ..whole.conversation
        },
        from: context.count() as u32,
        ends_in_turn: whole.ends_in_turn,
    }
}

/// The reject of a row of which nothing fits.
pub(super) fn nothing_fits(plan: &Plan, length: u32) -> Reject {
    let tried = match plan.recipe.over_length {
        OverLength::Reject => "",
        _ => ", and no shorter part fits",
    };
    overlong(plan, length, tried)
}

/// The reject of a row that is too long; `tried` adds to the reason what was tried.
pub(super) fn overlong(plan: &Plan, length: u32, tried: &str) -> Reject {
    let most = plan.recipe.max_length.unwrap_or(u32::MAX);
    let reason = format!("{length} tokens, {most} allowed{tried}");
    Reject::new(Rule::OverlongSample, reason)
}

/// The error of a run that takes no sample of this length.
pub(super) fn too_long(plan: &Plan, length: u32) -> Error {
    let most = plan.recipe.max_length.unwrap_or(u32::MAX);
    Error::new(
        ErrorKind::Data,
        "overlong-sample",
        format!("a sample has {length} tokens, {most} are allowed, and `over_length = error`"),
    )
    .hint("raise --max-length, or choose --over-length whole-turns, oldest-turns or reject")
}
