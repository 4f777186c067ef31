//! `history = expand`: the fewest samples that show every trained turn as inference sees it.
//!
//! A sample is the conversation up to one of its turns. It shows a turn as inference sees it if the
//! text before the turn, and the turn itself, are the same as in the render in which the turn is
//! the last one. If a longer conversation changes a turn, a still longer one does not change it
//! back. So the samples are found from the end: each takes the earlier turns that it shows
//! unchanged, and the first turn that it changes becomes the end of the next sample.
//!
//! Between a user's message and the next one (a chain of tool calls) an empty think block that the
//! template prints only for the last turn does not count: the chain stays one sample.

use std::ops::Range;

use super::Refusal;
use super::conversation::Fit;
use super::draft::Draft;
use super::excerpt::Excerpt;
use super::history::{Budget, stands};
use super::label::nothing_trained;
use super::output::RowOutput;
use super::over_length::{self, nothing_fits};
use super::policy::Policy;
use super::render::{RenderMemory, render, template_for};
use super::scratch::Scratch;
use crate::chat::Conversation;
use crate::recipe::OverLength;
use crate::rules::{Reject, Rule};
use crate::setup::plan::Plan;
use crate::template::Rendered;
use crate::value::Arena;

/// Makes the samples of a conversation, in the order of their ends.
pub(super) fn samples<'a>(
    plan: &Plan,
    conversation: &Conversation<'a>,
    arena: &'a Arena,
    scratch: &mut Scratch,
    draft: &mut Draft,
    output: &mut RowOutput,
) -> Result<(), Refusal> {
    let renders = [&mut draft.rendered, &mut scratch.shorter];
    let excerpts = excerpts(plan, conversation, &mut scratch.memory, renders)?;
    if excerpts.len() > 1 {
        output.findings.counts.add(Rule::HistoryRewritten, 1);
    }
    let mut too_long = None;
    for trained in excerpts {
        let excerpt = Excerpt {
            conversation: until(conversation, trained.end),
            from: trained.start as u32,
            ends_in_turn: false,
        };
        match over_length::fit(plan, &excerpt, arena, scratch, draft, output)? {
            Fit::Ready => {}
            Fit::Long(length) if plan.recipe.over_length == OverLength::Reject => {
                return Err(nothing_fits(plan, length).into());
            }
            Fit::Long(length) => {
                too_long = Some(length);
                output
                    .findings
                    .leave_out(excerpt.turns(), u64::from(length));
            }
        }
    }
    match too_long {
        _ if !output.samples.is_empty() => Ok(()),
        Some(length) => Err(nothing_fits(plan, length).into()),
        None => Err(nothing_trained().into()),
    }
}

/// For each sample, the messages that are trained in it; the sample shows every message up to their
/// end. The renders are working memory.
fn excerpts(
    plan: &Plan,
    conversation: &Conversation<'_>,
    memory: &mut RenderMemory,
    [longer, shorter]: [&mut Rendered; 2],
) -> Result<Vec<Range<usize>>, Refusal> {
    let policy = Policy::new(plan, conversation, 0);
    let is_trained = |message: usize| policy.weight(message as u32) > 0.0;
    let mut end = conversation.messages.len();
    let mut excerpts = Vec::new();
    let template = template_for(plan, conversation)?;
    if template.rewrites_history() {
        render(template, conversation, end, memory, longer)?;
        let mut budget = Budget::of(longer);
        let turns = conversation.turns().rev();
        for turn in turns.filter(|turn| turn + 1 < conversation.messages.len()) {
            // A template may refuse a conversation that ends here and accept a longer one.
            if !is_trained(turn)
                || render(template, conversation, turn + 1, memory, shorter).is_err()
            {
                continue;
            }
            if !budget.take(shorter) {
                return Err(too_many_turns().into());
            }
            let mut between = conversation.messages[turn..end].iter();
            let chain = between.all(|message| message.role != "user");
            if !stands(plan, turn as u32, shorter, longer, chain) {
                excerpts.push(turn + 1..end);
                end = turn + 1;
                std::mem::swap(longer, shorter);
            }
        }
    }
    excerpts.push(0..end);
    excerpts.reverse();
    excerpts.retain(|excerpt| excerpt.clone().any(is_trained));
    Ok(excerpts)
}

/// The reject of a row with so many turns that its samples would repeat its text hundreds of times.
fn too_many_turns() -> Reject {
    let reason = "the row has too many turns to be expanded: its samples would repeat the text \
                  hundreds of times; choose another `history`, or split the row";
    Reject::new(Rule::OverlongSample, reason)
}

/// The conversation up to message `end`.
fn until<'a>(conversation: &Conversation<'a>, end: usize) -> Conversation<'a> {
    Conversation {
        messages: &conversation.messages[..end],
        ..*conversation
    }
}
