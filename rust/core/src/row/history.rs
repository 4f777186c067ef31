//! Templates that print an earlier turn differently from how inference saw it.
//!
//! At inference a turn is always the last one. A template may print it differently once more
//! messages follow: without its reasoning, with another end, without an empty think block. This
//! module finds such turns by rendering shorter conversations, and finds lost reasoning by
//! comparing lengths: of the reasoning in the row, and of what the render printed from it. A render
//! per turn is expensive, so it is only done for templates that a probe has seen rewrite, and only
//! for as many turns as a [`Budget`] allows.

use super::Refusal;
use super::excerpt::Excerpt;
use super::findings::RowFindings;
use super::policy::last_turn;
use super::render::{RenderMemory, render, template_for};
use crate::chat::{Conversation, Message, REASONING_KEYS};
use crate::recipe::{History, Reasoning};
use crate::rules::{Reject, Rule};
use crate::setup::plan::Plan;
use crate::template::{Field, Origin, Rendered, Span};
use crate::value::Value;
use crate::{Error, ErrorKind};

/// Judges the render of an excerpt. Returns the first message that may be trained: that of the excerpt, or
/// the last turn if `history` allows only that one.
pub(super) fn judge(
    plan: &Plan,
    excerpt: &Excerpt<'_>,
    rendered: &Rendered,
    spare: (&mut RenderMemory, &mut Rendered),
    findings: &mut RowFindings,
) -> Result<u32, Refusal> {
    let (conversation, from) = (&excerpt.conversation, excerpt.from);
    require_reasoning(plan, excerpt, rendered, findings)?;
    let template = template_for(plan, conversation)?;
    // A sample that `expand` makes holds no rewritten turn: its excerpt was chosen so.
    if plan.recipe.history == History::Expand || !template.rewrites_history() {
        return Ok(from);
    }
    let Some(turn) = rewritten_turn(plan, excerpt, rendered, spare)? else {
        return Ok(from);
    };
    findings.count(Rule::HistoryRewritten, turn);
    match plan.recipe.history {
        History::Error => Err(stopped().into()),
        History::LastTurn => Ok(last_turn(conversation).unwrap_or(from)),
        _ => Ok(from),
    }
}

/// Counts reasoning that the template leaves out. With `history = auto`, a row that loses it only
/// in earlier turns is refused.
fn require_reasoning(
    plan: &Plan,
    excerpt: &Excerpt<'_>,
    rendered: &Rendered,
    findings: &mut RowFindings,
) -> Result<(), Reject> {
    let conversation = &excerpt.conversation;
    // In a sample made by `expand`, turns before `from` are context, and inference does not see
    // their reasoning either.
    let mut lost = lost_turns(conversation, rendered);
    let Some((message, _)) = lost.find(|(turn, _)| *turn >= excerpt.from as usize) else {
        return Ok(());
    };
    let rule = Rule::ReasoningDropped;
    let counts = &mut findings.counts;
    counts.add_at(rule, message as u32, String::new);
    // If the last turn's reasoning is lost too, the template never prints any: no choice of
    // `history` would help.
    if plan.recipe.history == History::Auto && lost_in_history(conversation, rendered) {
        let reason = "the template leaves the reasoning of an earlier turn out";
        return Err(Reject::new(rule, reason).at_message(message as u32));
    }
    Ok(())
}

/// How much text the shorter renders of one row may have together.
///
/// Without a limit the work would grow with the square of the number of turns. With it, all turns of
/// a conversation of about five hundred are compared: on average, a render up to one of the turns is
/// half as long as the whole.
pub(super) struct Budget(usize);

impl Budget {
    /// Times the text of the whole render.
    const RENDERS: usize = 256;

    pub(super) fn of(whole: &Rendered) -> Self {
        Self(whole.text.len().saturating_mul(Self::RENDERS))
    }

    /// Takes what a render has used. Returns whether there was enough.
    pub(super) fn take(&mut self, shorter: &Rendered) -> bool {
        let left = self.0.checked_sub(shorter.text.len());
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

/// The first turn of the excerpt whose render as the last turn is not the start of the full render. What the
/// template prints after a turn's stop token does not matter, because it is not trained. A turn for
/// which the budget does not last counts as rewritten, which is the safe answer.
fn rewritten_turn(
    plan: &Plan,
    excerpt: &Excerpt<'_>,
    rendered: &Rendered,
    (memory, shorter): (&mut RenderMemory, &mut Rendered),
) -> Result<Option<u32>, Refusal> {
    let mut budget = Budget::of(rendered);
    let (conversation, from) = (&excerpt.conversation, excerpt.from as usize);
    let template = template_for(plan, conversation)?;
    let last = conversation.messages.len() - 1;
    for turn in conversation
        .turns()
        .filter(|turn| (from..last).contains(turn))
    {
        // A template may refuse a conversation that ends here and accept a longer one.
        if render(template, conversation, turn + 1, memory, shorter).is_err() {
            continue;
        }
        // The cheap comparison of texts comes first; `stands` allocates.
        let same = rendered.text.starts_with(&shorter.text)
            || stands(plan, turn as u32, shorter, rendered, false);
        if !same || !budget.take(shorter) {
            return Ok(Some(turn as u32));
        }
    }
    Ok(None)
}

/// Counts a row if the content of a turn holds its reasoning between think markers, where templates
/// also look for it.
pub(super) fn count_inline_reasoning(conversation: &Conversation<'_>, findings: &mut RowFindings) {
    let rule = Rule::ReasoningInline;
    if findings.counts.get(rule) > 0 {
        return;
    }
    let is_inline = |turn: &usize| {
        let found = reasoning_bytes(&conversation.messages[*turn]);
        matches!(found, Some((_, Some(_))))
    };
    if let Some(turn) = conversation.turns().find(is_inline) {
        findings.counts.add_at(rule, turn as u32, String::new);
    }
}

fn stopped() -> Error {
    Error::new(
        ErrorKind::Recipe,
        "history-rewritten",
        "the template renders earlier turns differently from inference, and `history = error`",
    )
    .hint("choose --history expand, --history as-rendered or --history last-turn")
}

/// Whether an earlier turn loses reasoning that the last turn would keep.
pub(crate) fn lost_in_history(conversation: &Conversation<'_>, rendered: &Rendered) -> bool {
    let last = conversation.turns().next_back();
    let mut earlier = false;
    for (turn, _) in lost_turns(conversation, rendered) {
        if Some(turn) == last {
            return false;
        }
        earlier = true;
    }
    earlier
}

/// Turns that lost reasoning, with the number of bytes lost. Bytes are counted and not compared,
/// because templates may strip what they print.
pub(crate) fn lost_turns<'r>(
    conversation: &'r Conversation<'_>,
    rendered: &'r Rendered,
) -> impl Iterator<Item = (usize, usize)> + 'r {
    let mut counted = None;
    conversation.turns().filter_map(move |turn| {
        let message = &conversation.messages[turn];
        let (expected, inline) = reasoning_bytes(message)?;
        let messages = conversation.messages.len();
        let printed = counted.get_or_insert_with(|| printed_bytes(rendered, messages))[turn];
        let lost = match inline {
            // The template may move inline reasoning to its own block or print the content as it
            // is, so both fields count together.
            Some(rest) => (expected + rest).saturating_sub(printed.0 + printed.1),
            None => expected.saturating_sub(printed.1),
        };
        (lost > 0).then_some((turn, lost))
    })
}

/// Bytes of a message's reasoning. If the reasoning is inside the content, also the bytes of the
/// rest.
fn reasoning_bytes(message: &Message<'_>) -> Option<(usize, Option<usize>)> {
    let field = |key: &str| message.fields.get_some(key).and_then(Value::as_str);
    if let Some(text) = REASONING_KEYS.iter().find_map(|key| field(key)) {
        let length = text.trim().len();
        return (length > 0).then_some((length, None));
    }
    let content = field("content")?;
    let close = closing_marker(content)?;
    let (before, after) = content.split_at(close);
    let inside = before.rsplit("<think>").next().unwrap_or_default().trim();
    let rest = after["</think>".len()..].trim();
    (!inside.is_empty()).then_some((inside.len(), Some(rest.len())))
}

/// Where the first closing think marker of a text starts. Few texts have a `<` at all, and a search
/// for the whole marker costs more to set up than most texts cost to read.
fn closing_marker(text: &str) -> Option<usize> {
    let mut starts = memchr::memchr_iter(b'<', text.as_bytes());
    starts.find(|at| text.as_bytes()[*at..].starts_with(b"</think>"))
}

/// Bytes of the render that came from the content and from the reasoning of each message.
fn printed_bytes(rendered: &Rendered, messages: usize) -> Vec<(usize, usize)> {
    let mut printed = vec![(0, 0); messages];
    for run in rendered.ranges() {
        let Origin::Message { index, field } = run.origin else {
            continue;
        };
        let length = (run.end - run.start) as usize;
        let Some((content, reasoning)) = printed.get_mut(index as usize) else {
            continue;
        };
        match field {
            Field::Content => *content += length,
            Field::Reasoning => *reasoning += length,
            _ => {}
        }
    }
    printed
}

/// Whether `longer` shows a turn as `own` does, the render in which it is the last one: the same
/// text before it, the same own text, and an end that trains the same. In a `chain` of tool calls,
/// empty think blocks do not count unless they are trained.
pub(super) fn stands(
    plan: &Plan,
    turn: u32,
    own: &Rendered,
    longer: &Rendered,
    chain: bool,
) -> bool {
    let spans = |rendered: &Rendered| -> Vec<Span> {
        let of_turn = rendered.spans.iter().filter(|span| span.message == turn);
        of_turn.copied().collect()
    };
    let (mine, theirs) = (spans(own), spans(longer));
    let (Some(first), Some(other)) = (mine.first(), theirs.first()) else {
        return false;
    };
    // The text before the turn is compared too: it is the prompt, and must be the one that inference
    // sees.
    let skips = chain && plan.recipe.reasoning != Reasoning::TrainEmpty;
    mine.len() == theirs.len()
        && own.text[..first.start as usize] == longer.text[..other.start as usize]
        && mine.iter().zip(&theirs).all(|(mine, theirs)| {
            written(own, mine, skips) == written(longer, theirs, skips)
                && ends_alike(plan, after(own, mine), after(longer, theirs))
        })
}

/// The text of a span up to the end of its content; without empty think blocks if `skips`.
fn written(rendered: &Rendered, span: &Span, skips: bool) -> String {
    let mut text = String::new();
    let mut from = span.start;
    let blocks = rendered.reasoning.iter().filter(|block| {
        let inside = span.start <= block.start && block.end <= span.content_end;
        block.empty && inside && skips
    });
    for block in blocks {
        text.push_str(&rendered.text[from as usize..block.start as usize]);
        from = block.end;
    }
    text.push_str(&rendered.text[from as usize..span.content_end as usize]);
    text
}

/// What the template prints after the turn's own text.
fn after<'r>(rendered: &'r Rendered, span: &Span) -> &'r str {
    &rendered.text[span.content_end as usize..span.end as usize]
}

/// Whether two endings of a turn train the same. One may be longer than the other, but only after
/// the stop token: labels end there.
fn ends_alike(plan: &Plan, own: &str, longer: &str) -> bool {
    let stops = |text: &str| {
        let mut tokens = plan.stop.ids().iter();
        tokens.any(|id| text.contains(&plan.tokenizer.id_to_text(*id)))
    };
    let alike = own.starts_with(longer) || longer.starts_with(own);
    alike && (!stops(own) || stops(longer))
}
