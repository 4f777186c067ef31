//! Fifth stage: which tokens are trained, as what, and with which weight.

mod insert_eos;
mod spans;
mod tokens;

pub use spans::{Hole, SpanEnd, TokenSpan, copy, mask, reset, train};

use super::Refusal;
use super::contract::TrainedTurn;
use super::findings::RowFindings;
use super::locate::LocatedText;
use super::policy::Policy;
use crate::recipe::TrainOn;
use crate::rules::{Reject, Rule, is_masked};
use crate::setup::turn_end_probe::TurnEnd;
use crate::template::Rendered;
use crate::tokenizer::Encoding;
use insert_eos::{insert_eos, shifted};

pub(super) use tokens::Tokens;

/// What is trained of a sample. Labels and weights are aligned with its ids.
#[derive(Debug, Default)]
pub(crate) struct Labelled {
    pub(crate) labels: Vec<i32>,
    /// 0 where nothing is trained.
    pub(crate) weights: Vec<f32>,
    /// Every turn, trained or not.
    pub(crate) spans: Vec<TokenSpan>,
    /// Turns that are trained, in order.
    pub(crate) turns: Vec<TrainedTurn>,
    /// Reasoning that is left out of the training.
    holes: Vec<Hole>,
}

impl Labelled {
    /// Clears the labels and keeps their memory.
    pub(crate) fn clear(&mut self) {
        self.labels.clear();
        self.weights.clear();
        self.spans.clear();
        self.turns.clear();
        self.holes.clear();
    }

    /// Starts the labels of so many tokens: none is trained.
    pub(crate) fn start(&mut self, tokens: usize) {
        reset(&mut self.labels, tokens);
        self.weights.clear();
        self.weights.resize(tokens, 0.0);
    }

    /// Trains every token from `start` to `end`.
    pub(crate) fn train(&mut self, ids: &[u32], start: usize, end: usize, weight: f32) {
        copy(ids, &mut self.labels, start, end);
        self.weights[start..end].fill(weight);
    }

    /// Leaves out what follows the last trained turn.
    pub(crate) fn end_in_turn(&mut self, ids: &mut Vec<u32>) {
        let Some(end) = self.turns.last().map(|turn| turn.end) else {
            return;
        };
        ids.truncate(end as usize);
        self.labels.truncate(end as usize);
        self.weights.truncate(end as usize);
        for span in &mut self.spans {
            span.end = span.end.min(end);
        }
    }

    /// A sample must train something.
    pub(crate) fn require_trained(&self) -> Result<(), Reject> {
        if !is_masked(&self.labels) {
            return Ok(());
        }
        Err(nothing_trained())
    }
}

/// The reject of a row that trains nothing.
pub(super) fn nothing_trained() -> Reject {
    Reject::new(Rule::AllLabelsMasked, "no turn of the row is trained")
}

/// Labels a conversation. Terminators are inserted into the ids if the template prints none;
/// `spare` is working memory.
pub(super) fn label(
    policy: &Policy<'_, '_>,
    text: LocatedText<'_>,
    encoding: &mut Encoding,
    spare: &mut Vec<u32>,
    labelled: &mut Labelled,
    findings: &mut RowFindings,
) -> Result<(), Refusal> {
    let tokens = Tokens::new(policy.plan, text.located, encoding);
    tokens.spans(text.rendered, &mut labelled.spans, findings);
    tokens.holes(text.rendered, policy, &mut labelled.holes);
    let mut others = tokens.of_other_roles(text.rendered, policy);
    let spans = &mut labelled.spans;
    let inserted = insert_eos(policy, text, encoding, spare, spans, findings);
    for hole in &mut labelled.holes {
        hole.start = shifted(hole.start, &inserted);
        hole.end = shifted(hole.end, &inserted);
    }
    for other in &mut others {
        other.start = shifted(other.start, &inserted);
        other.end = shifted(other.end, &inserted);
    }
    let ids = &encoding.ids[..];
    labelled.start(ids.len());
    if policy.plan.recipe.train_on == TrainOn::Everything {
        labelled.train(ids, 0, ids.len(), policy.conversation.weight);
    }
    label_turns(policy, text.rendered, ids, labelled, findings)?;
    for other in others {
        label_other(policy, &other, ids, labelled);
    }
    for hole in &labelled.holes {
        mask(&mut labelled.labels, *hole);
    }
    Ok(labelled.require_trained()?)
}

fn label_turns(
    policy: &Policy<'_, '_>,
    rendered: &Rendered,
    ids: &[u32],
    labelled: &mut Labelled,
    findings: &mut RowFindings,
) -> Result<(), Reject> {
    let mut start = None;
    for index in 0..labelled.spans.len() {
        let span = labelled.spans[index];
        let weight = policy.weight(span.message);
        if weight <= 0.0 {
            if span.last && policy.loses(span.message) {
                count_untrained(span.message, findings);
            }
            continue;
        }
        let first = *start.get_or_insert(span.start);
        match train(ids, &span, &policy.plan.stop, &mut labelled.labels) {
            SpanEnd::Continued => continue,
            SpanEnd::Stopped { end, cut } => {
                if cut > 0 {
                    findings.counts.add(Rule::TerminatorCut, u64::from(cut));
                    findings.note(Rule::TerminatorCut, span.message);
                }
                labelled.weights[first as usize..end as usize].fill(weight);
                labelled.turns.push(TrainedTurn {
                    message: span.message,
                    start: first,
                    end,
                });
            }
            SpanEnd::Missing => {
                require_earlier(policy, &span, rendered)?;
                let (start, end) = (first, span.end);
                mask(&mut labelled.labels, Hole { start, end });
                count_untrained(span.message, findings);
            }
        }
        start = None;
    }
    Ok(())
}

fn count_untrained(message: u32, findings: &mut RowFindings) {
    let rule = Rule::UntrainedAssistantTurn;
    findings.counts.add_at(rule, message, String::new);
}

/// A turn without a terminator rejects the row. The exception are earlier turns of a template that
/// ends only the last one: they are not trained.
fn require_earlier(
    policy: &Policy<'_, '_>,
    span: &TokenSpan,
    rendered: &Rendered,
) -> Result<(), Reject> {
    let earlier = Some(span.message) != policy.last;
    if earlier && policy.plan.turn_end == (TurnEnd::Template { earlier: false }) {
        return Ok(());
    }
    let mut spans = rendered.spans.iter();
    let printed = spans.rfind(|printed| printed.message == span.message);
    let end = printed.map_or(0, |printed| printed.end as usize);
    let tail = tail(&rendered.text[..end]);
    let reason = format!("the turn does not end in a stop token; it ends in {tail:?}");
    Err(Reject::new(Rule::MissingTerminator, reason).at_message(span.message))
}

/// The last characters of a text.
fn tail(text: &str) -> &str {
    const SHOWN: usize = 24;
    let start = text.char_indices().rev().take(SHOWN).last();
    &text[start.map_or(0, |(at, _)| at)..]
}

/// Text of a message that is not the assistant's; a stop token after it is trained too.
fn label_other(
    policy: &Policy<'_, '_>,
    other: &tokens::Other,
    ids: &[u32],
    labelled: &mut Labelled,
) {
    let (start, mut end) = (other.start as usize, other.end as usize);
    end += usize::from(
        ids.get(end)
            .is_some_and(|id| policy.plan.stop.contains(*id)),
    );
    labelled.train(ids, start, end, other.weight);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_text_is_shown_by_characters() {
        assert_eq!(tail(""), "");
        assert_eq!(tail("短"), "短");
        assert_eq!(tail(&"语".repeat(30)), "语".repeat(24));
    }

    #[test]
    fn what_is_trained_has_a_weight() {
        let mut labelled = Labelled::default();
        labelled.start(3);
        assert!(labelled.require_trained().is_err());
        labelled.train(&[5, 0, 7], 1, 2, 0.5);
        assert_eq!(labelled.labels, [-100, 0, -100]);
        assert_eq!(labelled.weights, [0.0, 0.5, 0.0]);
        assert!(labelled.require_trained().is_ok());
    }
}
