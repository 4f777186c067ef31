//! Templates that render earlier turns otherwise than at inference.

use super::Refusal;
use super::desk::Desk;
use super::expand::stands;
use super::policy::last_turn;
use crate::chat::{Conversation, Message};
use crate::recipe::History;
use crate::rules::{Reject, Rule};
use crate::setup::plan::Plan;
use crate::template::{Field, Origin, RenderInput, Rendered, Template};
use crate::value::{Arena, Value};
use crate::{Error, ErrorKind};

/// Keys under which messages hold reasoning, as transformers knows them.
const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

impl Desk {
    /// Judges the render at hand, in which messages from `from` on are trained. The result is that
    /// message, or the last turn where only that may be trained.
    pub(crate) fn judge_history<'a>(
        &mut self,
        plan: &Plan,
        template: &Template,
        conversation: &Conversation<'a>,
        from: u32,
        arena: &'a Arena,
    ) -> Result<u32, Refusal> {
        let policy = plan.recipe.history;
        // Of a sample that `expand` made, earlier turns are what inference sees of them.
        let lost =
            lost_turns(conversation, &self.rendered).find(|(turn, _)| *turn >= from as usize);
        if let Some((message, _)) = lost {
            self.counts
                .add_at(Rule::ReasoningDropped, message as u32, String::new);
            // Where the last turn's reasoning goes too, the template reads none at all.
            let rewritten = lost_in_history(conversation, &self.rendered);
            if rewritten && policy == History::Auto {
                self.counts = crate::rules::RuleCounts::default();
                let reason = "the template leaves the reasoning of an earlier turn out";
                return Err(Reject::new(Rule::ReasoningDropped, reason)
                    .at_message(message as u32)
                    .into());
            }
        }
        if policy == History::Expand || !template.rewrites_history() {
            return Ok(from);
        }
        let Some(turn) = self.rewritten_turn(plan, template, conversation, arena) else {
            return Ok(from);
        };
        self.counts.add(Rule::HistoryRewritten, 1);
        self.note(Rule::HistoryRewritten, turn);
        match policy {
            History::Stop => Err(stopped().into()),
            History::LastTurn => Ok(last_turn(conversation).unwrap_or(from)),
            _ => Ok(from),
        }
    }

    /// Counts a row with a turn whose content holds the reasoning that the template reads there as
    /// it reads the field.
    pub(crate) fn count_inline_reasoning(&mut self, conversation: &Conversation<'_>) {
        let rule = Rule::ReasoningInline;
        if self.counts.get(rule) > 0 {
            return;
        }
        let is_inline = |turn: &usize| {
            let found = reasoning_bytes(&conversation.messages[*turn]);
            matches!(found, Some((_, Some(_))))
        };
        if let Some(turn) = assistant_turns(conversation).find(is_inline) {
            self.counts.add_at(rule, turn as u32, String::new);
        }
    }

    /// The first turn that, rendered as the last one, does not start the full render; what the
    /// template prints behind a turn's stop token apart.
    fn rewritten_turn<'a>(
        &mut self,
        plan: &Plan,
        template: &Template,
        conversation: &Conversation<'a>,
        arena: &'a Arena,
    ) -> Option<u32> {
        let last = conversation.messages.len() - 1;
        for turn in assistant_turns(conversation).filter(|turn| *turn < last) {
            let input = RenderInput::of(conversation, turn + 1, arena);
            let rendered = template.render(arena, &input, &mut self.prefix);
            if rendered.is_ok()
                && !self.rendered.text.starts_with(&self.prefix.text)
                && !stands(plan, turn as u32, &self.prefix, &self.rendered, false)
            {
                return Some(turn as u32);
            }
        }
        None
    }
}

fn stopped() -> Error {
    Error::new(
        ErrorKind::Recipe,
        "history-rewritten",
        "the template renders earlier turns otherwise than at inference, and `history = stop`",
    )
    .hint("choose --history expand, --history as-rendered or --history last-turn")
}

fn assistant_turns(conversation: &Conversation<'_>) -> impl Iterator<Item = usize> {
    let messages = conversation.messages.iter().enumerate();
    messages
        .filter(|(_, message)| message.role == "assistant")
        .map(|(index, _)| index)
}

/// Whether an earlier turn loses reasoning that the last turn would keep.
pub(crate) fn lost_in_history(conversation: &Conversation<'_>, rendered: &Rendered) -> bool {
    let last = assistant_turns(conversation).last();
    let mut earlier = false;
    for (turn, _) in lost_turns(conversation, rendered) {
        if Some(turn) == last {
            return false;
        }
        earlier = true;
    }
    earlier
}

/// Turns with the bytes of their reasoning that are not in the render.
pub(crate) fn lost_turns<'r>(
    conversation: &'r Conversation<'_>,
    rendered: &'r Rendered,
) -> impl Iterator<Item = (usize, usize)> + 'r {
    assistant_turns(conversation).filter_map(|turn| {
        let message = &conversation.messages[turn];
        let (expected, inline) = reasoning_bytes(message)?;
        let printed = printed_bytes(rendered, turn as u32);
        let lost = match inline {
            // Reasoning inside the content may come out as either field.
            Some(rest) => (expected + rest).saturating_sub(printed.0 + printed.1),
            None => expected.saturating_sub(printed.1),
        };
        (lost > 0).then_some((turn, lost))
    })
}

/// Bytes of a message's reasoning; for reasoning inside the content also the bytes of the rest.
fn reasoning_bytes(message: &Message<'_>) -> Option<(usize, Option<usize>)> {
    let field = |key: &str| message.fields.get_some(key).and_then(Value::as_str);
    if let Some(text) = REASONING.iter().find_map(|key| field(key)) {
        let length = text.trim().len();
        return (length > 0).then_some((length, None));
    }
    let content = field("content")?;
    let close = memchr::memmem::find(content.as_bytes(), b"</think>")?;
    let (before, after) = content.split_at(close);
    let inside = before.rsplit("<think>").next().unwrap_or_default().trim();
    let rest = after["</think>".len()..].trim();
    (!inside.is_empty()).then_some((inside.len(), Some(rest.len())))
}

/// Bytes of the render that came from the content and from the reasoning of a message.
fn printed_bytes(rendered: &Rendered, message: u32) -> (usize, usize) {
    let (mut content, mut reasoning, mut start) = (0, 0, 0);
    for piece in &rendered.pieces {
        let length = (piece.end - start) as usize;
        start = piece.end;
        match piece.origin {
            Origin::Message { index, field } if index == message => match field {
                Field::Content => content += length,
                Field::Reasoning => reasoning += length,
                _ => {}
            },
            _ => {}
        }
    }
    (content, reasoning)
}
