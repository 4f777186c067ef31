//! Conversations: render, encode, label, check.

use super::Refusal;
use super::contract::{self, Allowance, TrainedTurn};
use super::desk::Desk;
use super::label::{self, Ending, Hole, TokenSpan};
use super::policy::{Policy, other_ranges};
use super::terminator::{insertion, shifted};
use crate::Error;
use crate::chat::{Conversation, Message};
use crate::recipe::{Boundary, SpecialInContent, TrainOn};
use crate::rules::{Reject, Rule};
use crate::setup::ending::TurnEnd;
use crate::setup::plan::Plan;
use crate::source::json;
use crate::template::{Field, Origin, RenderInput, Rendered, Span};
use crate::value::{Arena, Map, Value};

/// Renders a conversation with the recipe's variables and the row's.
pub(crate) fn render<'a>(
    plan: &Plan,
    conversation: &Conversation<'a>,
    arena: &'a Arena,
) -> Result<Rendered, Refusal> {
    let mut conversation = *conversation;
    conversation.template_kwargs = variables(plan, &conversation, arena)?;
    let input = RenderInput::of(&conversation, conversation.messages.len(), arena);
    let mut rendered = Rendered::default();
    let template = plan.template(conversation.tools.is_some())?;
    let result = template.render(arena, &input, &mut rendered);
    result.map_err(refused)?;
    Ok(rendered)
}

/// Whether a sample fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It is ready.
    Ready,
    /// It has this many tokens, more than allowed; nothing was labelled.
    Long(u32),
}

impl Desk {
    /// Makes the sample of a conversation, if it is not too long. Messages before `from` are
    /// context.
    pub(crate) fn sample<'a>(
        &mut self,
        plan: &Plan,
        conversation: &Conversation<'a>,
        from: u32,
        arena: &'a Arena,
    ) -> Result<Fit, Refusal> {
        let template = plan.template(conversation.tools.is_some())?;
        let mut conversation = *conversation;
        conversation.template_kwargs = variables(plan, &conversation, arena)?;
        let input = RenderInput::of(&conversation, conversation.messages.len(), arena);
        template
            .render(arena, &input, &mut self.rendered)
            .map_err(refused)?;
        let from = self.judge_history(plan, template, &conversation, from, arena)?;
        let policy = Policy::new(plan, &conversation, from);
        self.require_spans(&policy)?;
        self.require_tool_calls(&policy)?;
        self.find_content();
        self.guard_content(plan)?;
        self.place_marks(&policy);
        self.encode(plan)?;
        let length = self.encoding.ids.len() as u32;
        if plan.recipe.max_length.is_some_and(|most| length > most) {
            return Ok(Fit::Long(length));
        }
        self.label(&policy)?;
        self.check(&policy)?;
        // An inserted terminator may be the token too much.
        let length = self.encoding.ids.len() as u32;
        if plan.recipe.max_length.is_some_and(|most| length > most) {
            return Ok(Fit::Long(length));
        }
        if template.study().reads_reasoning {
            self.count_inline_reasoning(&conversation);
        }
        Ok(Fit::Ready)
    }

    /// A trained turn that the template does not print is an error of the row.
    fn require_spans(&self, policy: &Policy<'_, '_>) -> Result<(), Reject> {
        let spans = &self.rendered.spans;
        for (index, message) in policy.conversation.messages.iter().enumerate() {
            let index = index as u32;
            if message.role != "assistant" || policy.weight(index) <= 0.0 {
                continue;
            }
            let reason = if self.rendered.unlocated.contains(&index) {
                "the turn cannot be located in the render"
            } else if spans.iter().all(|span| span.message != index) {
                "the template does not print this turn"
            } else {
                continue;
            };
            return Err(Reject::new(Rule::TurnLost, reason).at_message(index));
        }
        Ok(())
    }

    /// A trained turn whose tool calls the template does not print would teach to stop instead of
    /// calling. Where the ids have to be those of transformers, it is counted only.
    fn require_tool_calls(&mut self, policy: &Policy<'_, '_>) -> Result<(), Reject> {
        for (index, message) in policy.conversation.messages.iter().enumerate() {
            let index = index as u32;
            let loses = message.role == "assistant"
                && has_tool_calls(message)
                && policy.weight(index) > 0.0
                && !prints_tool_calls(&self.rendered, index);
            if !loses {
                continue;
            }
            if policy.plan.recipe.special_in_content != SpecialInContent::Parse {
                let reason = "the template does not print the tool calls of this turn";
                return Err(Reject::new(Rule::TurnLost, reason).at_message(index));
            }
            self.counts.add(Rule::TurnLost, 1);
        }
        Ok(())
    }

    /// Byte offsets whose tokens the labels need, and places where the text is cut.
    fn place_marks(&mut self, policy: &Policy<'_, '_>) {
        self.marks.clear();
        self.cuts.clear();
        let rendered = &self.rendered;
        for (index, span) in rendered.spans.iter().enumerate() {
            self.marks.extend([span.start, span.content_end, span.end]);
            let first = index == 0 || rendered.spans[index - 1].message != span.message;
            if first && policy.plan.recipe.boundary == Boundary::Apart {
                self.cuts.push(span.start);
            }
            if policy.inserts(span) && is_last_span(&rendered.spans, index) {
                let offset = insertion(&rendered.text, span);
                self.marks.push(offset);
                self.cuts.push(offset);
            }
        }
        for thought in &rendered.thoughts {
            self.marks.extend([thought.start, thought.end]);
        }
        if policy.others {
            self.ranges_of_other_roles(policy);
        }
        self.mark_contents();
    }

    /// Marks text of trained messages that are not the assistant's.
    fn ranges_of_other_roles(&mut self, policy: &Policy<'_, '_>) {
        let ranges = other_ranges(&self.rendered, policy);
        self.marks
            .extend(ranges.iter().flat_map(|(start, end, _)| [*start, *end]));
    }

    fn label(&mut self, policy: &Policy<'_, '_>) -> Result<(), Refusal> {
        self.token_spans(policy.plan);
        let inserted = self.insert_terminators(policy);
        label::reset(&mut self.labels, self.encoding.ids.len());
        self.weights.clear();
        self.weights.resize(self.encoding.ids.len(), 0.0);
        self.turns.clear();
        if policy.plan.recipe.train_on == TrainOn::Everything {
            let end = self.labels.len();
            label::copy(&self.encoding.ids, &mut self.labels, 0, end);
            self.weights.fill(1.0);
        }
        self.label_turns(policy)?;
        if policy.others {
            self.label_other_roles(policy, &inserted);
        }
        self.mask_thoughts(policy, &inserted);
        Ok(self.require_trained()?)
    }

    /// Spans in tokens.
    fn token_spans(&mut self, plan: &Plan) {
        self.spans.clear();
        for index in 0..self.rendered.spans.len() {
            let span = self.rendered.spans[index];
            let token_span = TokenSpan {
                message: span.message,
                start: self.start_token(plan, span.start),
                content_end: self.mark(span.content_end).token,
                end: self.end_token(span.end),
                last: is_last_span(&self.rendered.spans, index),
            };
            if self.mark(span.start).straddles {
                let rule = Rule::BoundaryMerge;
                self.counts.add_at(rule, span.message, String::new);
            }
            self.spans.push(token_span);
        }
    }

    fn label_turns(&mut self, policy: &Policy<'_, '_>) -> Result<(), Refusal> {
        let mut start = None;
        for index in 0..self.spans.len() {
            let span = self.spans[index];
            let weight = policy.weight(span.message);
            if weight <= 0.0 {
                if span.last && policy.loses(span.message) {
                    let rule = Rule::UntrainedAssistantTurn;
                    self.counts.add_at(rule, span.message, String::new);
                }
                continue;
            }
            let first = *start.get_or_insert(span.start);
            let ending = label::train(
                &self.encoding.ids,
                &span,
                &policy.plan.stop,
                &mut self.labels,
            );
            match ending {
                Ending::Stopped { end, cut } => {
                    self.finish_turn(&span, first, end, cut, weight);
                    start = None;
                }
                Ending::Continued => {}
                Ending::Missing => {
                    self.missing(policy, &span, first)?;
                    start = None;
                }
            }
        }
        Ok(())
    }

    fn finish_turn(&mut self, span: &TokenSpan, start: u32, end: u32, cut: u32, weight: f32) {
        if cut > 0 {
            self.counts.add(Rule::TerminatorCut, u64::from(cut));
            self.note(Rule::TerminatorCut, span.message);
        }
        self.turns.push(TrainedTurn {
            message: span.message,
            start,
            end,
        });
        self.weights[start as usize..end as usize].fill(weight);
    }

    /// A turn without terminator: untrained where the template ends only the last turn, else an
    /// error of the row.
    fn missing(
        &mut self,
        policy: &Policy<'_, '_>,
        span: &TokenSpan,
        start: u32,
    ) -> Result<(), Reject> {
        let earlier = Some(span.message) != policy.last;
        if earlier && policy.plan.turn_end == (TurnEnd::Template { earlier: false }) {
            let hole = Hole {
                start,
                end: span.end,
            };
            label::mask(&mut self.labels, hole);
            let rule = Rule::UntrainedAssistantTurn;
            self.counts.add_at(rule, span.message, String::new);
            return Ok(());
        }
        let text = &self.rendered.text;
        let tail = text[..self
            .rendered
            .spans
            .iter()
            .rfind(|s| s.message == span.message)
            .map_or(0, |s| s.end as usize)]
            .chars()
            .rev()
            .take(24)
            .collect::<Vec<_>>();
        let tail: String = tail.into_iter().rev().collect();
        let reason = format!("the turn does not end in a stop token; it ends in {tail:?}");
        Err(Reject::new(Rule::MissingTerminator, reason).at_message(span.message))
    }

    fn label_other_roles(&mut self, policy: &Policy<'_, '_>, inserted: &[u32]) {
        for (start, end, weight) in other_ranges(&self.rendered, policy) {
            let first = shifted(self.start_token(policy.plan, start), inserted) as usize;
            let mut last = shifted(self.end_token(end), inserted) as usize;
            if self
                .encoding
                .ids
                .get(last)
                .is_some_and(|id| policy.plan.stop.contains(*id))
            {
                last += 1;
            }
            label::copy(&self.encoding.ids, &mut self.labels, first, last);
            self.weights[first..last].fill(weight);
        }
    }

    fn mask_thoughts(&mut self, policy: &Policy<'_, '_>, inserted: &[u32]) {
        for index in 0..self.rendered.thoughts.len() {
            let thought = self.rendered.thoughts[index];
            if policy.leaves_out(&thought) {
                let hole = Hole {
                    start: shifted(self.start_token(policy.plan, thought.start), inserted),
                    end: shifted(self.mark(thought.end).token, inserted),
                };
                label::mask(&mut self.labels, hole);
            }
        }
    }

    fn check(&mut self, policy: &Policy<'_, '_>) -> Result<(), Reject> {
        let plan = policy.plan;
        let parses = plan.recipe.special_in_content == SpecialInContent::Parse;
        if self.has_double_bos(plan.tokenizer.special_id("bos_token")) {
            if !parses {
                let reason = "the text starts with two beginning-of-sequence tokens";
                return Err(Reject::new(Rule::DoubleBos, reason));
            }
            self.counts.add(Rule::DoubleBos, 1);
        }
        let allowance = Allowance {
            stops_inside: parses,
            outside: policy.others || plan.recipe.train_on == TrainOn::Everything,
        };
        contract::check(
            &self.encoding.ids,
            &self.labels,
            &self.turns,
            &plan.stop,
            allowance,
            &mut self.counts,
        )
    }
}

pub(crate) fn has_tool_calls(message: &Message<'_>) -> bool {
    match message.fields.get_some("tool_calls") {
        Some(Value::List(calls)) => !calls.is_empty(),
        Some(calls) => calls != Value::Null,
        None => false,
    }
}

/// Whether any text of the message's tool calls is in the render.
fn prints_tool_calls(rendered: &Rendered, message: u32) -> bool {
    let calls = Origin::Message {
        index: message,
        field: Field::ToolCalls,
    };
    rendered.pieces.iter().any(|piece| piece.origin == calls)
}

fn is_last_span(spans: &[Span], index: usize) -> bool {
    spans
        .get(index + 1)
        .is_none_or(|next| next.message != spans[index].message)
}

/// The recipe's variables and the row's, which win.
pub(crate) fn variables<'a>(
    plan: &Plan,
    conversation: &Conversation<'a>,
    arena: &'a Arena,
) -> Result<Map<'a>, Refusal> {
    let row = conversation.template_kwargs;
    if plan.template_kwargs.is_empty() {
        return Ok(row);
    }
    let text = arena.alloc_str(&plan.template_kwargs);
    let parsed = json::parse(text.as_bytes(), arena).map_err(|error| error.reject())?;
    let recipe = parsed.value.as_map().unwrap_or_default();
    let own = recipe.iter().filter(|(key, _)| row.get(key).is_none());
    let merged: Vec<(&'a str, Value<'a>)> = own.chain(row.iter()).collect();
    Ok(Map::new(arena.alloc_slice_copy(&merged)))
}

/// A template's refusal of a row; defects of other kinds end the run.
pub(crate) fn refused(error: Error) -> Refusal {
    if error.kind() != crate::ErrorKind::Template {
        return error.into();
    }
    let place = match error.location().line {
        Some(line) => format!(" (template line {line})"),
        None => String::new(),
    };
    let mut reject = Reject::new(Rule::TemplateError, format!("{}{place}", error.what()));
    reject.message = error.location().message;
    reject.into()
}
