//! Answers that are judged: two to one prompt, or one with a verdict.
//!
//! Each answer becomes a sample of its own: the conversation with this answer, of which the answer
//! alone is trained, up to its terminator. All stages are those of any other sample; what is added
//! here is that both answers of a pair stand after the same prompt, or none does.

use super::conversation::{self, Fit};
use super::draft::Draft;
use super::excerpt::Excerpt;
use super::kept::{self, Kept, Tried};
use super::output::RowOutput;
use super::over_length::{TurnEnds, overlong, shorter, too_long};
use super::render::with_variables;
use super::replay::{self, RowReplay};
use super::samples::Sample;
use super::scratch::Scratch;
use super::{Refusal, completion};
use crate::chat::{Conversation, Record, SIDES};
use crate::recipe::{Column, OverLength};
use crate::rules::{Reject, Rule, is_trained};
use crate::setup::plan::Plan;
use crate::value::Arena;

/// Makes the two samples of a pair, the chosen answer first.
pub(super) fn samples<'a>(
    plan: &Plan,
    sides: &[&Record<'a>; 2],
    arena: &'a Arena,
    scratch: &mut Scratch,
    draft: &mut Draft,
    output: &mut RowOutput,
) -> Result<(), Refusal> {
    if let [Record::Conversation(chosen), Record::Conversation(rejected)] = sides {
        let excerpts = [answer(plan, chosen, arena)?, answer(plan, rejected, arena)?];
        fit(plan, &excerpts, arena, scratch, draft, output)?;
    } else {
        for (side, name) in sides.iter().zip(SIDES) {
            text(plan, side, scratch, draft, output).map_err(|refusal| refusal.of(name))?;
        }
    }
    let mut made = output.samples.iter();
    let (Some(chosen), Some(rejected)) = (made.next(), made.next()) else {
        return Ok(());
    };
    let equal = chosen.ids == rejected.ids;
    for (sample, name) in [chosen, rejected].iter().zip(SIDES) {
        require_whole(plan, sample).map_err(|reject| reject.of(name))?;
    }
    if equal {
        output.findings.counts.add(Rule::EqualAnswers, 1);
    }
    Ok(())
}

/// Makes the sample of one answer. `good`: on which side tokens that are left out are counted.
pub(super) fn judged<'a>(
    plan: &Plan,
    record: &Record<'a>,
    good: bool,
    arena: &'a Arena,
    scratch: &mut Scratch,
    draft: &mut Draft,
    output: &mut RowOutput,
) -> Result<(), Refusal> {
    if let Record::Conversation(conversation) = record {
        let excerpt = answer(plan, conversation, arena)?;
        fit(plan, &[excerpt], arena, scratch, draft, output)?;
    } else {
        text(plan, record, scratch, draft, output)?;
    }
    if !good {
        let lost = &mut output.findings.lost;
        lost.of_rejected = lost.tokens;
    }
    let made = output.samples.iter().next();
    Ok(made.map_or(Ok(()), |sample| require_whole(plan, &sample))?)
}

/// The conversation of an answer; what stands before the answer is context.
fn answer<'a>(
    plan: &Plan,
    conversation: &Conversation<'a>,
    arena: &'a Arena,
) -> Result<Excerpt<'a>, Refusal> {
    let conversation = with_variables(plan, conversation, arena)?;
    let mut turns = conversation.turns();
    let first = turns.find(|turn| conversation.messages[*turn].weight != Some(0.0));
    Ok(Excerpt {
        conversation,
        from: first.unwrap_or(conversation.messages.len()) as u32,
        ends_in_turn: true,
    })
}

/// Makes the sample of an answer without a template.
fn text(
    plan: &Plan,
    record: &Record<'_>,
    scratch: &mut Scratch,
    draft: &mut Draft,
    output: &mut RowOutput,
) -> Result<(), Refusal> {
    let Record::Completion {
        prompt,
        completion,
        weight,
    } = record
    else {
        return Ok(());
    };
    draft.clear();
    completion::sample(plan, (prompt, completion), *weight, scratch, draft, output)
}

/// Makes the samples of the excerpts. If one is too long, both lose the same messages of their prompt,
/// by the recipe's policy.
fn fit<'a, const N: usize>(
    plan: &Plan,
    excerpts: &[Excerpt<'a>; N],
    arena: &'a Arena,
    scratch: &mut Scratch,
    draft: &mut Draft,
    output: &mut RowOutput,
) -> Result<(), Refusal> {
    let before = output.findings.counts.clone();
    let mut attempt = |excerpts: &[Excerpt<'a>; N], draft: &mut Draft, output: &mut RowOutput| {
        output.findings.counts.clone_from(&before);
        all(plan, excerpts, arena, scratch, draft, output)
    };
    let long = match attempt(excerpts, draft, output)? {
        Lengths::Fit(_) => return Ok(()),
        Lengths::Long(lengths) => lengths,
    };
    let longest = greatest(&long);
    if plan.recipe.over_length == OverLength::Error {
        return Err(too_long(plan, longest).into());
    }
    let ends = TurnEnds::of(plan, draft);
    let kept = shorter_prompts(plan, excerpts);
    let cut = |step: usize| -> [Excerpt<'a>; N] {
        std::array::from_fn(|index| shorter(&excerpts[index], &kept[step][index], arena))
    };
    // A template may print the answer before its prompt, and the sample ends with the answer.
    let estimate = |step: usize| {
        (longest as usize).saturating_sub(ends.before(kept[step][N - 1].messages.start))
    };
    let fits = |step| match attempt(&cut(step), draft, output) {
        Ok(Lengths::Fit(_)) => Ok(Tried::Fits),
        Ok(Lengths::Long(lengths)) => Ok(Tried::Long(greatest(&lengths))),
        // The template or the contract may refuse a shorter conversation; then another one is tried.
        Err(Refusal::Row(_)) => Ok(Tried::Refused),
        Err(run) => Err(run),
    };
    let most = plan.recipe.max_length.unwrap_or(u32::MAX) as usize;
    if let Some(step) = kept::first(kept.len(), most, estimate, fits)? {
        let cut = cut(step);
        // What was tried last need not be what was found.
        if let Lengths::Fit(kept) = attempt(&cut, draft, output)? {
            leave_out(excerpts, &cut, long, kept, output);
            return Ok(());
        }
    }
    output.findings.counts.clone_from(&before);
    let tried = match plan.recipe.over_length {
        OverLength::OldestTurns => ", and no shorter prompt fits",
        _ => "; over_length = oldest-turns would leave out the start of the prompt",
    };
    Err(overlong(plan, longest, tried).into())
}

/// The tokens of each sample.
enum Lengths<const N: usize> {
    /// All are made.
    Fit([u32; N]),
    /// One is longer than allowed, and none is made.
    Long([u32; N]),
}

fn greatest(lengths: &[u32]) -> u32 {
    lengths.iter().copied().max().unwrap_or_default()
}

/// Makes the samples of all excerpts, or none.
fn all<'a, const N: usize>(
    plan: &Plan,
    excerpts: &[Excerpt<'a>; N],
    arena: &'a Arena,
    scratch: &mut Scratch,
    draft: &mut Draft,
    output: &mut RowOutput,
) -> Result<Lengths<N>, Refusal> {
    output.samples.clear();
    output.replay = RowReplay::default();
    let mut lengths = [0; N];
    let mut fits = true;
    for (index, excerpt) in excerpts.iter().enumerate() {
        let made = conversation::draft(plan, excerpt, scratch, draft, &mut output.findings);
        let named = |refusal: Refusal| {
            if N == 1 {
                refusal
            } else {
                refusal.of(SIDES[index])
            }
        };
        match made.map_err(named)? {
            Fit::Ready => {
                let (player, row) = (&mut scratch.player, &mut output.replay);
                replay::conversation(plan, &excerpt.conversation, arena, draft, player, row)?;
                lengths[index] = draft.len() as u32;
                output.push(draft);
            }
            Fit::Long(length) => {
                fits = false;
                lengths[index] = length;
            }
        }
    }
    if fits {
        return Ok(Lengths::Fit(lengths));
    }
    output.samples.clear();
    output.replay = RowReplay::default();
    Ok(Lengths::Long(lengths))
}

/// What is kept of each excerpt, with less and less of the prompt: it is the same in all.
fn shorter_prompts<const N: usize>(plan: &Plan, excerpts: &[Excerpt<'_>; N]) -> Vec<[Kept; N]> {
    // The answer is the last turn: `whole-turns`, which keeps the first ones, would lose it.
    let policy = match plan.recipe.over_length {
        OverLength::OldestTurns => OverLength::OldestTurns,
        _ => OverLength::Reject,
    };
    let of = |excerpt: &Excerpt<'_>| {
        let mut kept = kept::candidates(policy, excerpt.conversation.messages);
        kept.retain(|kept| kept.messages.start < excerpt.from as usize);
        kept
    };
    let kept: [Vec<Kept>; N] = std::array::from_fn(|index| of(&excerpts[index]));
    let steps = kept.iter().map(Vec::len).min().unwrap_or_default();
    let step = |step: usize| std::array::from_fn(|index| kept[index][step].clone());
    (0..steps).map(step).collect()
}

/// Counts what the samples have lost.
fn leave_out<const N: usize>(
    whole: &[Excerpt<'_>; N],
    cut: &[Excerpt<'_>; N],
    before: [u32; N],
    after: [u32; N],
    output: &mut RowOutput,
) {
    let turns = |excerpt: &Excerpt<'_>| excerpt.conversation.turns().count() as u64;
    let lost = before
        .iter()
        .zip(after)
        .map(|(before, after)| u64::from(before.saturating_sub(after)));
    let lost: Vec<u64> = lost.collect();
    let left = turns(&whole[0]) - turns(&cut[0]);
    output.findings.leave_out(left, lost.iter().sum());
    output.findings.lost.of_rejected = lost.get(1).copied().unwrap_or_default();
}

/// Refuses an answer of which only some is trained, if the columns cannot say so.
fn require_whole(plan: &Plan, sample: &Sample<'_>) -> Result<(), Reject> {
    if Column::tell_parts(&plan.recipe.columns) {
        return Ok(());
    }
    let answer = &sample.labels[sample.prompt()..];
    if answer.iter().all(|label| is_trained(*label)) {
        return Ok(());
    }
    let reason = "text inside the answer is not the assistant's, or not trained, and columns without \
                  labels would train it";
    Err(Reject::new(Rule::AnswerInParts, reason))
}
