//! `history = expand`: the fewest samples in which every trained turn stands as inference sees it.
//!
//! A sample is the conversation up to one of its turns. A turn stands in it as inference sees it if
//! the sample shows the same text before the turn, and of the turn itself, as the render in which
//! the turn is the last one. What a longer conversation changes a still longer one does not change
//! back, so the samples are found from the end: each takes the earlier turns that still stand in
//! it, and the first that does not ends the next sample.
//!
//! Between a user's message and the next one (a chain of tool calls) an empty think block that the
//! template prints for the last turn alone does not count: the chain stays one sample.

use std::ops::Range;

use super::Refusal;
use super::conversation::{Fit, refused, variables};
use super::desk::Desk;
use super::label::IGNORED;
use super::over_length::{overlong, turns_from};
use super::policy::Policy;
use super::record::Lost;
use crate::chat::Conversation;
use crate::recipe::OverLength;
use crate::recipe::Reasoning;
use crate::rules::{Reject, Rule};
use crate::setup::plan::Plan;
use crate::template::{RenderInput, Rendered, Span};
use crate::value::Arena;

/// Finished samples of one row, in flat vectors.
#[derive(Debug, Default)]
pub(crate) struct Finished {
    pub(crate) ids: Vec<u32>,
    pub(crate) labels: Vec<i32>,
    pub(crate) weights: Vec<f32>,
    /// Where each sample ends in the vectors, and its trained turns.
    ends: Vec<(usize, u32)>,
}

impl Finished {
    pub(crate) fn clear(&mut self) {
        self.ids.clear();
        self.labels.clear();
        self.weights.clear();
        self.ends.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Trained tokens in a range.
    pub(crate) fn trained(&self, range: Range<usize>) -> u32 {
        let labels = self.labels[range].iter();
        labels.filter(|label| **label != IGNORED).count() as u32
    }

    /// Ranges of the samples in the vectors, with the number of their trained turns.
    pub(crate) fn samples(&self) -> impl Iterator<Item = (Range<usize>, u32)> {
        let mut start = 0;
        self.ends.iter().map(move |(end, turns)| {
            let range = start..*end;
            start = *end;
            (range, *turns)
        })
    }
}

impl Desk {
    /// Makes the samples of a conversation, in the order of their ends, into `finished`.
    pub(crate) fn expanded<'a>(
        &mut self,
        plan: &Plan,
        conversation: &Conversation<'a>,
        arena: &'a Arena,
    ) -> Result<(), Refusal> {
        let mut conversation = *conversation;
        conversation.template_kwargs = variables(plan, &conversation, arena)?;
        let parts = self.parts(plan, &conversation, arena)?;
        if parts.len() > 1 {
            self.counts.add(Rule::HistoryRewritten, 1);
        }
        let mut too_long = None;
        for part in parts {
            let start = part.start as u32;
            let sample = until(&conversation, part.end);
            match self.fitted(plan, &sample, start, arena)? {
                Fit::Ready => self.keep(),
                Fit::Long(length) if plan.recipe.over_length == OverLength::Reject => {
                    return Err(overlong(plan, length).into());
                }
                Fit::Long(length) => {
                    too_long = Some(length);
                    self.leave_out(turns_from(&sample, part.start), u64::from(length));
                }
            }
        }
        match (self.finished.is_empty(), too_long) {
            (false, _) => Ok(()),
            (true, Some(length)) => Err(overlong(plan, length).into()),
            (true, None) => Err(nothing_trained().into()),
        }
    }

    /// Adds the sample at hand to the finished ones.
    fn keep(&mut self) {
        let finished = &mut self.finished;
        finished.ids.extend_from_slice(&self.encoding.ids);
        finished.labels.extend_from_slice(&self.labels);
        finished.weights.extend_from_slice(&self.weights);
        let turns = self.turns.len() as u32;
        finished.ends.push((finished.ids.len(), turns));
    }

    /// Counts turns and tokens that are in no sample.
    pub(crate) fn leave_out(&mut self, turns: u64, tokens: u64) {
        self.counts.add(Rule::TurnsLeftOut, turns);
        self.lost.add(Lost { turns, tokens });
    }

    /// For each sample the messages that are trained in it; it shows every message up to their end.
    fn parts<'a>(
        &mut self,
        plan: &Plan,
        conversation: &Conversation<'a>,
        arena: &'a Arena,
    ) -> Result<Vec<Range<usize>>, Refusal> {
        let policy = Policy::new(plan, conversation, 0);
        let is_trained = |message: usize| policy.weight(message as u32) > 0.0;
        let mut end = conversation.messages.len();
        let mut parts = Vec::new();
        let template = plan.template(conversation.tools.is_some())?;
        if template.rewrites_history() {
            let whole = RenderInput::of(conversation, end, arena);
            let rendered = template.render(arena, &whole, &mut self.rendered);
            rendered.map_err(refused)?;
            for turn in (0..end - 1).rev() {
                let is_turn = conversation.messages[turn].role == "assistant";
                let own = RenderInput::of(conversation, turn + 1, arena);
                // A template may refuse to end where it lets a longer conversation pass.
                if !is_turn
                    || !is_trained(turn)
                    || template.render(arena, &own, &mut self.prefix).is_err()
                {
                    continue;
                }
                let mut between = conversation.messages[turn..end].iter();
                let chain = between.all(|message| message.role != "user");
                if !stands(plan, turn as u32, &self.prefix, &self.rendered, chain) {
                    parts.push(turn + 1..end);
                    end = turn + 1;
                    std::mem::swap(&mut self.rendered, &mut self.prefix);
                }
            }
        }
        parts.push(0..end);
        parts.reverse();
        parts.retain(|part| part.clone().any(is_trained));
        Ok(parts)
    }
}

/// The conversation up to message `end`.
fn until<'a>(conversation: &Conversation<'a>, end: usize) -> Conversation<'a> {
    Conversation {
        messages: &conversation.messages[..end],
        ..*conversation
    }
}

fn nothing_trained() -> Reject {
    Reject::new(Rule::AllLabelsMasked, "no turn of the row is trained")
}

/// Whether a turn stands in `longer` as in `own`, the render in which it is the last one. In a
/// `chain` empty think blocks do not count, unless they are trained.
pub(crate) fn stands(
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
    let skips = chain && plan.recipe.reasoning != Reasoning::TrainEmpty;
    mine.len() == theirs.len()
        && own.text[..first.start as usize] == longer.text[..other.start as usize]
        && mine.iter().zip(&theirs).all(|(mine, theirs)| {
            written(own, mine, skips) == written(longer, theirs, skips)
                && ends_alike(plan, after(own, mine), after(longer, theirs))
        })
}

/// The text of a span up to the end of its content; `skips`: without empty think blocks.
fn written(rendered: &Rendered, span: &Span, skips: bool) -> String {
    let mut text = String::new();
    let mut from = span.start;
    let blocks = rendered.thoughts.iter().filter(|thought| {
        let inside = span.start <= thought.start && thought.end <= span.content_end;
        thought.empty && inside && skips
    });
    for block in blocks {
        text.push_str(&rendered.text[from as usize..block.start as usize]);
        from = block.end;
    }
    text.push_str(&rendered.text[from as usize..span.content_end as usize]);
    text
}

/// What the template prints behind the turn's own text.
fn after<'r>(rendered: &'r Rendered, span: &Span) -> &'r str {
    &rendered.text[span.content_end as usize..span.end as usize]
}

/// Whether two endings of a turn train the same: one may go on behind the stop token of both.
fn ends_alike(plan: &Plan, own: &str, longer: &str) -> bool {
    let stops = |text: &str| {
        let mut tokens = plan.stop.ids().iter();
        tokens.any(|id| text.contains(&plan.tokenizer.id_to_text(*id)))
    };
    let alike = own.starts_with(longer) || longer.starts_with(own);
    alike && (!stops(own) || stops(longer))
}
