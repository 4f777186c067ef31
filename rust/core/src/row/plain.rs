//! Rows without a template: documents, and string prompts with string completions.

use super::Refusal;
use super::contract::{self, Allowance, TrainedTurn};
use super::desk::Desk;
use super::label;
use crate::recipe::{Boundary, Eos, SpecialInContent};
use crate::rules::{Reject, Rule};
use crate::setup::ending;
use crate::setup::plan::Plan;

impl Desk {
    /// A document: every token is trained; the post-processor's ids stand around it.
    pub(crate) fn document(&mut self, plan: &Plan, text: &str) -> Result<(), Refusal> {
        self.encode_plain(plan, &[text])?;
        self.frame(plan);
        self.labels.clear();
        let ids = self.encoding.ids.iter();
        self.labels.extend(ids.map(|id| *id as i32));
        self.turns.clear();
        self.fill_weights(1.0);
        Ok(self.require_trained()?)
    }

    /// A completion is trained behind its prompt.
    pub(crate) fn completion(
        &mut self,
        plan: &Plan,
        prompt: &str,
        completion: &str,
    ) -> Result<(), Refusal> {
        let seam = prompt.len() as u32;
        self.marks.clear();
        self.marks.push(seam);
        self.cuts.clear();
        if plan.recipe.boundary == Boundary::Apart {
            self.cuts.push(seam);
        }
        self.encode_text(plan, &[prompt, completion])?;
        let mark = self.mark(seam);
        if mark.straddles {
            self.counts.add(Rule::BoundaryMerge, 1);
        }
        let shift = plan.tokenizer.prefix().len();
        self.frame(plan);
        if !self.ends_in_stop(&plan.stop) {
            let reason =
                "the completion does not end in a stop token, and `eos = template` adds none";
            return Err(Reject::new(Rule::MissingTerminator, reason).into());
        }
        let turn = TrainedTurn {
            message: 0,
            start: mark.token + shift as u32,
            end: self.encoding.ids.len() as u32,
        };
        label::reset(&mut self.labels, self.encoding.ids.len());
        let (start, end) = (turn.start as usize, turn.end as usize);
        label::copy(&self.encoding.ids, &mut self.labels, start, end);
        self.turns.clear();
        self.turns.push(turn);
        self.fill_weights(1.0);
        let allowance = Allowance {
            stops_inside: plan.recipe.special_in_content == SpecialInContent::Parse,
            outside: false,
        };
        contract::check(
            &self.encoding.ids,
            &self.labels,
            &self.turns,
            &plan.stop,
            allowance,
            &mut self.counts,
        )?;
        self.replay_completion(plan, prompt)
    }

    fn encode_plain(&mut self, plan: &Plan, parts: &[&str]) -> Result<(), Refusal> {
        self.marks.clear();
        self.cuts.clear();
        self.encode_text(plan, parts)
    }

    /// Encodes text in which everything is content.
    fn encode_text(&mut self, plan: &Plan, parts: &[&str]) -> Result<(), Refusal> {
        self.rendered.clear();
        for part in parts {
            self.rendered.text.push_str(part);
        }
        self.ranges.clear();
        self.ranges.push((0, self.rendered.text.len() as u32));
        self.guard_content(plan)?;
        self.encode(plan)
    }

    /// The post-processor's ids around the text, and the eos behind it unless one is there.
    fn frame(&mut self, plan: &Plan) {
        let (prefix, suffix) = (plan.tokenizer.prefix(), plan.tokenizer.suffix());
        if !prefix.is_empty() {
            self.encoding.ids.splice(0..0, prefix.iter().copied());
        }
        self.encoding.ids.extend_from_slice(suffix);
        if plan.recipe.eos == Eos::Ensure && !self.ends_in_stop(&plan.stop) {
            let eos = ending::inserted(&plan.tokenizer, &plan.stop);
            self.encoding.ids.push(eos);
            self.counts.add(Rule::EosInserted, 1);
        }
    }

    /// Gives every trained token the same weight.
    fn fill_weights(&mut self, weight: f32) {
        let weights = self.labels.iter().map(|label| {
            if *label == label::IGNORED {
                0.0
            } else {
                weight
            }
        });
        self.weights.clear();
        self.weights.extend(weights);
    }
}
