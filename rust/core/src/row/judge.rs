//! Second stage: which messages are trained, given what the template printed.

use super::excerpt::Excerpt;
use super::findings::RowFindings;
use super::policy::Policy;
use super::render::RenderMemory;
use super::{Refusal, history};
use crate::chat::{self, Message, Wire};
use crate::rules::{Reject, Rule};
use crate::setup::plan::Plan;
use crate::template::Rendered;
use crate::value::Value;

/// Judges a render: may earlier turns be trained, and is every trained turn printed?
pub(super) fn judge<'p, 'a>(
    plan: &'p Plan,
    excerpt: &'p Excerpt<'a>,
    rendered: &Rendered,
    spare: (&mut RenderMemory, &mut Rendered),
    findings: &mut RowFindings,
) -> Result<Policy<'p, 'a>, Refusal> {
    let from = history::judge(plan, excerpt, rendered, spare, findings)?;
    let policy = Policy::new(plan, &excerpt.conversation, from);
    require_spans(&policy, rendered)?;
    if plan.wire() == Wire::Normalise {
        require_whole(&policy)?;
    }
    Ok(policy)
}

/// Rejects the row if the template does not print a trained turn.
fn require_spans(policy: &Policy<'_, '_>, rendered: &Rendered) -> Result<(), Reject> {
    let mut printed = vec![false; policy.conversation.messages.len()];
    let mut mark = |message: u32, is_printed| {
        if let Some(printed) = printed.get_mut(message as usize) {
            *printed = is_printed;
        }
    };
    rendered
        .spans
        .iter()
        .for_each(|span| mark(span.message, true));
    rendered
        .unlocated
        .iter()
        .for_each(|message| mark(*message, false));
    let mut turns = policy.conversation.turns();
    let lost = turns.find(|turn| !printed[*turn] && policy.weight(*turn as u32) > 0.0);
    let Some(lost) = lost.map(|turn| turn as u32) else {
        return Ok(());
    };
    let reason = if rendered.unlocated.contains(&lost) {
        "the turn cannot be located in the render"
    } else {
        "the template does not print this turn"
    };
    Err(Reject::new(Rule::TurnLost, reason).at_message(lost))
}

/// Rejects the row if a trained turn is only begun: its end would be trained in the middle.
fn require_whole(policy: &Policy<'_, '_>) -> Result<(), Reject> {
    let messages = policy.conversation.messages;
    let mut turns = policy.conversation.turns();
    let found = turns.find_map(|index| {
        let mark = chat::unfinished(&messages[index])?;
        (policy.weight(index as u32) > 0.0).then_some((index as u32, mark))
    });
    let Some((index, mark)) = found else {
        return Ok(());
    };
    let reason = format!("the answer is not whole ({mark})");
    Err(Reject::new(Rule::UnfinishedTurn, reason).at_message(index))
}

/// Whether the message calls tools.
pub(super) fn has_tool_calls(message: &Message<'_>) -> bool {
    match message.fields.get_some("tool_calls") {
        Some(Value::List(calls)) => !calls.is_empty(),
        Some(calls) => calls != Value::Null,
        None => false,
    }
}
