//! Which messages of a conversation belong to its sample, and which turns are trained.

use super::conversation::Message;
use super::options::RoleOrder;
use crate::rules::{Reject, Rule, RuleCounts};

/// Leaves out what follows the last assistant turn, and takes assistant messages at the start out
/// of the training (or out of the conversation), because no prompt leads to them.
pub(super) fn select<'a>(
    messages: &'a mut [Message<'a>],
    order: RoleOrder,
    counts: &mut RuleCounts,
) -> Result<&'a [Message<'a>], Reject> {
    let Some(last) = messages.iter().rposition(Message::is_turn) else {
        return Err(no_turn(messages));
    };
    if last + 1 < messages.len() {
        counts.add(Rule::TrailingNonAssistantTurn, 1);
    }
    let kept = &mut messages[..=last];
    let leading = kept.iter().take_while(|message| message.is_turn()).count();
    if leading == 0 {
        return Ok(kept);
    }
    let weighted = kept[..leading]
        .iter()
        .any(|message| message.weight.is_some());
    if leading == kept.len() && !weighted {
        let reason = "the row has assistant messages only, and no prompt that they answer";
        return Err(Reject::new(Rule::NoAssistantTurn, reason));
    }
    counts.add(Rule::TurnWithoutPrompt, 1);
    if order == RoleOrder::Trim && leading < kept.len() {
        return Ok(&kept[leading..]);
    }
    for message in &mut kept[..leading] {
        message.weight.get_or_insert(0.0);
    }
    Ok(kept)
}

/// The messages of a row that is a prompt, an answer at its end included.
pub(super) fn asked<'a>(
    messages: &'a [Message<'a>],
    order: RoleOrder,
) -> Result<&'a [Message<'a>], Reject> {
    let mut asking = messages.iter();
    let Some(first) = asking.position(|message| !message.is_turn()) else {
        let reason = "no message comes before an answer of the assistant";
        return Err(Reject::new(Rule::NoPrompt, reason));
    };
    match order {
        RoleOrder::Trim => Ok(&messages[first..]),
        RoleOrder::Keep => Ok(messages),
    }
}

fn no_turn(messages: &[Message<'_>]) -> Reject {
    if messages.is_empty() {
        return Reject::new(Rule::NoAssistantTurn, "the row has no messages");
    }
    let mut roles: Vec<&str> = Vec::new();
    for message in messages {
        if !roles.contains(&message.role) {
            roles.push(message.role);
        }
    }
    let reason = format!("no message is the assistant's; roles: {}", roles.join(", "));
    Reject::new(Rule::NoAssistantTurn, reason)
}
