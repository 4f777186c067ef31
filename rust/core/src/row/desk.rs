//! The desk of one worker: buffers that are reused from row to row, and what all kinds of rows
//! share.

use std::any::Any;

use super::contract::TrainedTurn;
use super::expand::Finished;
use super::label::{self, IGNORED, TokenSpan};
use super::replay::Player;
use super::{Refusal, record};
use crate::recipe::SpecialInContent;
use crate::rules::{Reject, Rule, RuleCounts};
use crate::setup::StopSet;
use crate::setup::plan::Plan;
use crate::setup::structural;
use crate::template::{Origin, Rendered};
use crate::tokenizer::{Encoding, Input, MAX_TEXT_BYTES, Mark};

/// Buffers of one worker. After a row, `encoding.ids`, `labels`, `weights` and `turns` hold its
/// sample.
pub(crate) struct Desk {
    pub(crate) rendered: Rendered,
    /// A second render, to compare with.
    pub(crate) prefix: Rendered,
    pub(crate) encoding: Encoding,
    scratch: Box<dyn Any + Send>,
    /// Ids while others are inserted.
    pub(crate) spare: Vec<u32>,
    pub(crate) labels: Vec<i32>,
    pub(crate) weights: Vec<f32>,
    pub(crate) ranges: Vec<(u32, u32)>,
    pub(crate) marks: Vec<u32>,
    pub(crate) cuts: Vec<u32>,
    pub(crate) spans: Vec<TokenSpan>,
    pub(crate) turns: Vec<TrainedTurn>,
    /// Replays samples, where a check asks for it.
    pub(crate) player: Option<Player>,
    /// Which turn each message of the row is, where a check asks for it.
    pub(crate) turn_numbers: Vec<Option<u32>>,
    /// Samples of the row at hand, where it may give several.
    pub(crate) finished: Finished,
    /// What the row at hand showed.
    pub(crate) counts: RuleCounts,
    /// Turns and tokens that left the row at hand.
    pub(crate) lost: record::Lost,
}

impl Desk {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            rendered: Rendered::default(),
            prefix: Rendered::default(),
            encoding: Encoding::default(),
            scratch: plan.backend.scratch(),
            spare: Vec::new(),
            labels: Vec::new(),
            weights: Vec::new(),
            ranges: Vec::new(),
            marks: Vec::new(),
            cuts: Vec::new(),
            spans: Vec::new(),
            turns: Vec::new(),
            player: None,
            turn_numbers: Vec::new(),
            finished: Finished::default(),
            counts: RuleCounts::default(),
            lost: record::Lost::default(),
        }
    }

    /// Forgets the row before.
    pub(crate) fn start_row(&mut self) {
        self.counts = RuleCounts::default();
        self.lost = record::Lost::default();
        self.finished.clear();
        self.encoding.ids.clear();
        self.labels.clear();
        self.spans.clear();
        self.turns.clear();
        self.turn_numbers.clear();
        if let Some(player) = &mut self.player {
            player.start_row();
        }
    }

    /// Looks for structural text in `ranges`, which are emptied where nothing has to be kept from
    /// the encoder.
    pub(crate) fn guard_content(&mut self, plan: &Plan) -> Result<(), Refusal> {
        let text = &self.rendered.text;
        let Some((count, (start, end))) = plan.structural.in_content(text, &self.ranges) else {
            self.ranges.clear();
            return Ok(());
        };
        match plan.recipe.special_in_content {
            SpecialInContent::Text => {}
            SpecialInContent::Parse => self.ranges.clear(),
            SpecialInContent::Reject => {
                let reason = format!("content holds the control token {:?}", &text[start..end]);
                let reject = Reject::new(Rule::SpecialTokenInContent, reason);
                return Err(reject.at_message(message_at(&self.rendered, start)).into());
            }
        }
        let message = message_at(&self.rendered, start);
        let note = || format!("{:?}", &text[start..end]);
        self.counts
            .add_at(Rule::SpecialTokenInContent, message, note);
        self.counts.add(Rule::SpecialTokenInContent, count - 1);
        Ok(())
    }

    /// Content ranges of the render.
    pub(crate) fn find_content(&mut self) {
        structural::content_ranges(&self.rendered, &mut self.ranges);
    }

    /// Encodes the rendered text with the ranges, cuts and marks at hand.
    pub(crate) fn encode(&mut self, plan: &Plan) -> Result<(), Refusal> {
        self.marks.sort_unstable();
        self.marks.dedup();
        self.cuts.sort_unstable();
        self.cuts.dedup();
        let length = self.rendered.text.len();
        if length > MAX_TEXT_BYTES {
            let reason = format!("the text has {length} bytes");
            return Err(Reject::new(Rule::OverlongSample, reason).into());
        }
        let input = Input {
            text: &self.rendered.text,
            content: &self.ranges,
            cuts: &self.cuts,
            marks: &self.marks,
        };
        plan.backend
            .encode(&mut *self.scratch, &input, &mut self.encoding)?;
        Ok(())
    }

    /// Where a marked offset lies among the tokens.
    pub(crate) fn mark(&self, offset: u32) -> Mark {
        let index = self.marks.partition_point(|mark| *mark < offset);
        self.encoding.marks[index]
    }

    /// The first token of the text from `offset` on. An added token before it that swallowed its
    /// leading whitespace (`rstrip`, as all of Phi-3) belongs to what stands before.
    pub(crate) fn start_token(&self, plan: &Plan, offset: u32) -> u32 {
        let mark = self.mark(offset);
        let id = self.encoding.ids.get(mark.token as usize);
        let added = id.and_then(|id| plan.tokenizer.added_token(*id));
        mark.token + u32::from(mark.straddles && added.is_some_and(|token| token.rstrip))
    }

    /// One past the last token that overlaps the text before `offset`.
    pub(crate) fn end_token(&self, offset: u32) -> u32 {
        let mark = self.mark(offset);
        mark.token + u32::from(mark.straddles)
    }

    /// Trained tokens of the sample at hand.
    pub(crate) fn trained(&self) -> u32 {
        let trained = self.labels.iter().filter(|label| **label != IGNORED);
        trained.count() as u32
    }

    /// A sample must train something.
    pub(crate) fn require_trained(&self) -> Result<(), Reject> {
        if !label::is_masked(&self.labels) {
            return Ok(());
        }
        let reason = "no turn of the row is trained";
        Err(Reject::new(Rule::AllLabelsMasked, reason))
    }

    /// Whether a second BOS stands behind the first.
    pub(crate) fn has_double_bos(&self, bos: Option<u32>) -> bool {
        matches!((bos, &self.encoding.ids[..]), (Some(bos), [one, two, ..])
            if *one == bos && *two == bos)
    }

    /// Whether the last id stops.
    pub(crate) fn ends_in_stop(&self, stop: &StopSet) -> bool {
        let last = self.encoding.ids.last();
        last.is_some_and(|id| stop.contains(*id))
    }
}

/// The message that a byte of the render came from; 0 where the template wrote it.
fn message_at(rendered: &Rendered, byte: usize) -> u32 {
    let pieces = &rendered.pieces;
    let index = pieces.partition_point(|piece| piece.end as usize <= byte);
    match pieces.get(index).map(|piece| piece.origin) {
        Some(Origin::Message { index, .. }) => index,
        _ => 0,
    }
}
