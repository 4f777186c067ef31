//! A prompt alone: a conversation up to the place where the model is to answer.
//!
//! It is rendered as a server renders it, with the generation prompt. Nothing of it is trained. An
//! answer at the end of the row is no excerpt of it and is kept beside it, as the reference.

use super::Refusal;
use super::account::account;
use super::conversation::Fit;
use super::draft::Draft;
use super::encode::encode;
use super::excerpt::Excerpt;
use super::kept::{self, Tried};
use super::locate::locate;
use super::output::RowOutput;
use super::over_length::{TurnEnds, overlong, shorter, too_long};
use super::policy::Policy;
use super::render::{self, template_for};
use super::scratch::Scratch;
use super::texts::encode_text;
use super::verify::verify;
use crate::chat::{Conversation, Message};
use crate::recipe::OverLength;
use crate::setup::plan::Plan;
use crate::source::json::write_json;
use crate::value::{Arena, Value};

/// Makes the prompt of a conversation. If it is too long, `over_length = oldest-turns` leaves out
/// exchanges at its start.
pub(super) fn sample<'a>(
    plan: &Plan,
    conversation: &Conversation<'a>,
    arena: &'a Arena,
    scratch: &mut Scratch,
    draft: &mut Draft,
    output: &mut RowOutput,
) -> Result<(), Refusal> {
    let (whole, reference) = split(conversation);
    let before = output.findings.counts.clone();
    let mut attempt = |excerpt: &Excerpt<'a>, output: &mut RowOutput, draft: &mut Draft| {
        output.findings.counts.clone_from(&before);
        make(plan, excerpt, scratch, draft, output)
    };
    let Fit::Long(length) = attempt(&whole, output, draft)? else {
        output.push_prompt(draft, reference);
        return Ok(());
    };
    if plan.recipe.over_length == OverLength::Error {
        return Err(too_long(plan, length).into());
    }
    if plan.recipe.over_length != OverLength::OldestTurns {
        let tried = "; over_length = oldest-turns would leave out the start of the prompt";
        return Err(overlong(plan, length, tried).into());
    }
    let ends = TurnEnds::of(plan, draft);
    let kept = kept::of_prompt(whole.conversation.messages);
    let estimate =
        |step: usize| (length as usize).saturating_sub(ends.before(kept[step].messages.start));
    let fits = |step: usize| match attempt(&shorter(&whole, &kept[step], arena), output, draft) {
        Ok(Fit::Ready) => Ok(Tried::Fits),
        Ok(Fit::Long(length)) => Ok(Tried::Long(length)),
        // The template may refuse a shorter conversation; then another one is tried.
        Err(Refusal::Row(_)) => Ok(Tried::Refused),
        Err(run) => Err(run),
    };
    let most = plan.recipe.max_length.unwrap_or(u32::MAX) as usize;
    if let Some(step) = kept::first(kept.len(), most, estimate, fits)? {
        let excerpt = shorter(&whole, &kept[step], arena);
        // What was tried last need not be what was found.
        attempt(&excerpt, output, draft)?;
        let turns = whole.conversation.turns().count() - excerpt.conversation.turns().count();
        let tokens = u64::from(length).saturating_sub(draft.len() as u64);
        output.findings.leave_out(turns as u64, tokens);
        output.push_prompt(draft, reference);
        return Ok(());
    }
    output.findings.counts.clone_from(&before);
    Err(overlong(plan, length, ", and no shorter prompt fits").into())
}

/// Makes a prompt that is a string; what answers it is the reference.
pub(super) fn text(
    plan: &Plan,
    (prompt, completion): (&str, &str),
    scratch: &mut Scratch,
    draft: &mut Draft,
    output: &mut RowOutput,
) -> Result<(), Refusal> {
    encode_text(plan, prompt, scratch, draft, &mut output.findings)?;
    let prefix = plan.tokenizer.prefix().iter().copied();
    draft.encoding.ids.splice(0..0, prefix);
    draft.labelled.start(draft.len());
    if let Some(length) = plan.exceeding(draft.len()) {
        return Err(overlong(plan, length, "").into());
    }
    let reference = (!completion.is_empty()).then(|| completion.to_owned());
    output.push_prompt(draft, reference);
    Ok(())
}

/// The prompt of a conversation, and the answer at its end, if there is one.
fn split<'a>(conversation: &Conversation<'a>) -> (Excerpt<'a>, Option<String>) {
    let (asked, reference) = match conversation.messages.split_last() {
        Some((last, asked)) if last.is_turn() => (asked, Some(reference(last))),
        _ => (conversation.messages, None),
    };
    let excerpt = Excerpt {
        conversation: Conversation {
            messages: asked,
            ..*conversation
        },
        from: asked.len() as u32,
        ends_in_turn: false,
    };
    (excerpt, reference)
}

/// The text of a message; if it says more than that, all of it as JSON.
fn reference(message: &Message<'_>) -> String {
    let content = message.fields.get_some("content");
    let says = |value: Value<'_>| match value {
        Value::List(items) => !items.is_empty(),
        Value::Str(text) => !text.is_empty(),
        value => value != Value::Null,
    };
    let mut others = message.fields.iter();
    let more = others.any(|(key, value)| !matches!(key, "role" | "content") && says(value));
    if let (Some(Value::Str(text)), false) = (content, more) {
        return text.to_owned();
    }
    let mut text = String::new();
    write_json(Value::Map(message.fields), &mut text);
    text
}

/// Renders and encodes a prompt, if it is not too long.
fn make(
    plan: &Plan,
    excerpt: &Excerpt<'_>,
    scratch: &mut Scratch,
    draft: &mut Draft,
    output: &mut RowOutput,
) -> Result<Fit, Refusal> {
    draft.clear();
    let Draft {
        rendered,
        located,
        encoding,
        labelled,
    } = draft;
    let (findings, conversation) = (&mut output.findings, &excerpt.conversation);
    let template = template_for(plan, conversation)?;
    render::prompt(template, conversation, &mut scratch.memory, rendered)?;
    let policy = Policy::new(plan, conversation, excerpt.from);
    account(&policy, rendered, &mut scratch.ledger, findings)?;
    locate(&policy, rendered, located, findings)?;
    let backend = &mut *scratch.backend;
    encode(plan, &rendered.text, located, backend, encoding)?;
    if let Some(length) = plan.exceeding(encoding.ids.len()) {
        return Ok(Fit::Long(length));
    }
    labelled.start(encoding.ids.len());
    verify(&policy, &encoding.ids, labelled, findings)?;
    Ok(Fit::Ready)
}
