//! The replay of samples against the inference prompt.
//!
//! For every trained turn, the conversation before it is rendered as a server renders it, with the
//! generation prompt, and encoded. The result must be the ids before the turn in the sample. Also,
//! the first stop id after the turn's start must be its last label. Then a model that emits exactly
//! the labels sees the prompts it was trained on, and the server stops in the right place.

use std::any::Any;

use super::Refusal;
use super::contract::TrainedTurn;
use super::draft::Draft;
use super::position::RowPositions;
use super::render::{RenderMemory, template_for};
use crate::chat::Conversation;
use crate::recipe::SpecialInContent;
use crate::rules::{PositionCounts, REPLAYED_TURNS, Replay, Rule, RuleCounts, is_trained, slot};
use crate::setup::plan::Plan;
use crate::setup::prompt_probe::SWITCHES;
use crate::setup::structural;
use crate::template::{RenderInput, Rendered, Template};
use crate::tokenizer::{Encoding, Input};
use crate::value::{Arena, Map, Value};

/// Prompts of one sample are rendered until their total length is this many times that of the
/// sample. This covers all turns of a conversation of up to about thirty; without a limit the work
/// would grow with the square of the number of turns.
const BUDGET: usize = 16;
/// Rules that explain why a prompt differs. If one fired, the replay only adds to the rate.
const EXPLAINED: [Rule; 3] = [
    Rule::HistoryRewritten,
    Rule::BoundaryMerge,
    Rule::EosInserted,
];

/// The result of replaying the samples of one row.
#[derive(Debug, Default)]
pub(crate) struct RowReplay {
    positions: [PositionCounts; REPLAYED_TURNS],
    trained: u64,
    /// Turns whose prompt is text of the row.
    texts: u64,
    /// The settings of the turns that need one.
    switched: Vec<String>,
    /// The first turn that differs, and why.
    difference: Option<(u32, String)>,
}

impl RowReplay {
    /// The first turn that differs, and why, unless one of the rules that fired explains it.
    pub(crate) fn unexplained(&self, counts: &RuleCounts) -> Option<&(u32, String)> {
        let explained = EXPLAINED.iter().any(|rule| counts.get(*rule) > 0);
        self.difference.as_ref().filter(|_| !explained)
    }

    /// Adds the row to the others. `counts` are the rules that fired in it.
    pub(crate) fn add_to(
        &self,
        replay: &mut Replay,
        keep: usize,
        counts: &RuleCounts,
        positions: &RowPositions<'_>,
    ) {
        replay.add_positions(&self.positions);
        replay.trained += self.trained;
        replay.texts += self.texts;
        for setting in &self.switched {
            *replay.switched.entry(setting.clone()).or_default() += 1;
        }
        if let Some((message, note)) = self.unexplained(counts) {
            let place = || positions.of(Rule::PromptParity, Some(*message), note.clone());
            replay.add_difference(positions.input.row, keep, place);
        }
    }
}

/// Replays a draft made from this conversation, if a check asks for it.
pub(super) fn conversation<'a>(
    plan: &Plan,
    conversation: &Conversation<'a>,
    arena: &'a Arena,
    draft: &Draft,
    player: &mut Option<SampleReplayer>,
    row: &mut RowReplay,
) -> Result<(), Refusal> {
    match player {
        Some(player) => player.play(plan, conversation, arena, draft, row),
        None => Ok(()),
    }
}

/// Replays a completion, whose prompt is a string.
pub(super) fn completion(
    plan: &Plan,
    prompt: &str,
    draft: &Draft,
    player: &mut Option<SampleReplayer>,
    row: &mut RowReplay,
) -> Result<(), Refusal> {
    match player {
        Some(player) => player.play_completion(plan, prompt, draft, row),
        None => Ok(()),
    }
}

/// A worker's memory for replays.
pub(crate) struct SampleReplayer {
    rendered: Rendered,
    encoding: Encoding,
    ranges: Vec<(u32, u32)>,
    memory: RenderMemory,
    scratch: Box<dyn Any + Send>,
}

impl SampleReplayer {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            rendered: Rendered::default(),
            encoding: Encoding::default(),
            ranges: Vec::new(),
            memory: RenderMemory::default(),
            scratch: plan.backend.scratch(),
        }
    }

    fn play<'a>(
        &mut self,
        plan: &Plan,
        conversation: &Conversation<'a>,
        arena: &'a Arena,
        draft: &Draft,
        row: &mut RowReplay,
    ) -> Result<(), Refusal> {
        let template = template_for(plan, conversation)?;
        let turns = &draft.labelled.turns;
        let mut budget = BUDGET * draft.rendered.text.len();
        row.trained += turns.len() as u64;
        for (index, turn) in turns.iter().enumerate() {
            if budget == 0 && index + 1 < turns.len() {
                continue;
            }
            let sample = Turn::of(draft, plan, *turn);
            let verdict = self.verdict(plan, template, conversation, arena, &sample)?;
            budget = budget.saturating_sub(self.rendered.text.len());
            let position = conversation.turn_of(turn.message).unwrap_or_default();
            slot(&mut row.positions, position as usize).add(verdict.is_ok());
            match verdict {
                Ok(setting) => row.switched.extend(setting),
                Err(note) => {
                    row.difference.get_or_insert((turn.message, note));
                }
            }
        }
        Ok(())
    }

    fn play_completion(
        &mut self,
        plan: &Plan,
        prompt: &str,
        draft: &Draft,
        row: &mut RowReplay,
    ) -> Result<(), Refusal> {
        let Some(turn) = draft.labelled.turns.first() else {
            return Ok(());
        };
        let turn = Turn::of(draft, plan, *turn);
        self.rendered.clear();
        self.rendered.text.push_str(prompt);
        self.ranges.clear();
        if plan.recipe.special_in_content != SpecialInContent::Parse {
            self.ranges.push((0, prompt.len() as u32));
        }
        self.encode(plan)?;
        let ids = &mut self.encoding.ids;
        ids.splice(0..0, plan.tokenizer.prefix().iter().copied());
        let note = match turn.stops_elsewhere() {
            None if ids == turn.before => None,
            None => Some(turn.difference(ids, plan)),
            found => found,
        };
        row.trained += 1;
        row.texts += 1;
        slot(&mut row.positions, 0).add(note.is_none());
        row.difference = note.map(|note| (turn.message, note));
        Ok(())
    }

    /// `Ok`: the turn is right, with the setting that the server needs, if any. `Err`: why it is
    /// not.
    fn verdict<'a>(
        &mut self,
        plan: &Plan,
        template: &Template,
        conversation: &Conversation<'a>,
        arena: &'a Arena,
        turn: &Turn<'_>,
    ) -> Result<Result<Option<String>, String>, Refusal> {
        if let Some(note) = turn.stops_elsewhere() {
            return Ok(Err(note));
        }
        let own = conversation.template_kwargs;
        let note = match self.prompt(plan, template, conversation, own, turn.message)? {
            Some(ids) if ids == turn.before => return Ok(Ok(None)),
            Some(ids) => turn.difference(ids, plan),
            None => "the template refuses the conversation before this turn".to_owned(),
        };
        let readable = SWITCHES.iter().filter(|name| template.reads(name));
        for name in readable.filter(|name| own.get(name).is_none()) {
            for on in [false, true] {
                let switch = [(*name, Value::Bool(on))];
                let variables: Vec<_> = own.iter().chain(switch).collect();
                let variables = Map::new(arena.alloc_slice_copy(&variables));
                let prompt = self.prompt(plan, template, conversation, variables, turn.message)?;
                if prompt == Some(turn.before) {
                    return Ok(Ok(Some(format!("{name}={on}"))));
                }
            }
        }
        Ok(Err(note))
    }

    /// The ids that a server sends to get this message; `None` if the template refuses.
    fn prompt(
        &mut self,
        plan: &Plan,
        template: &Template,
        conversation: &Conversation<'_>,
        variables: Map<'_>,
        message: u32,
    ) -> Result<Option<&[u32]>, Refusal> {
        let arena = self.memory.cleared();
        let input = RenderInput {
            add_generation_prompt: true,
            variables,
            ..RenderInput::of(conversation, message as usize, arena)
        };
        if template.render(arena, &input, &mut self.rendered).is_err() {
            return Ok(None);
        }
        self.ranges.clear();
        if plan.recipe.special_in_content != SpecialInContent::Parse {
            structural::content_ranges(&self.rendered, &mut self.ranges);
        }
        self.encode(plan)?;
        Ok(Some(&self.encoding.ids))
    }

    /// Encodes the prompt that was rendered last.
    fn encode(&mut self, plan: &Plan) -> Result<(), Refusal> {
        let text = Input {
            text: &self.rendered.text,
            content: &self.ranges,
            cuts: &[],
            marks: &[],
        };
        plan.backend
            .encode(&mut *self.scratch, &text, &mut self.encoding)?;
        Ok(())
    }
}

/// A trained turn as it is in the sample.
struct Turn<'d> {
    message: u32,
    /// Ids before its first trained token.
    before: &'d [u32],
    /// Positions of its last label, and of the first stop id.
    end: usize,
    stop: Option<usize>,
}

impl<'d> Turn<'d> {
    fn of(draft: &'d Draft, plan: &Plan, turn: TrainedTurn) -> Self {
        let (start, end) = (turn.start as usize, turn.end as usize);
        let (ids, labels) = (&draft.encoding.ids, &draft.labelled.labels[start..end]);
        // What the template writes first, such as an empty think block, belongs to the prompt.
        let skipped = labels.iter().position(|label| is_trained(*label));
        let first = start + skipped.unwrap_or(0);
        let stop = plan.stop.find(&ids[first..]);
        Self {
            message: turn.message,
            before: &ids[..first],
            end: end.saturating_sub(1),
            stop: stop.map(|offset| first + offset),
        }
    }

    fn stops_elsewhere(&self) -> Option<String> {
        match self.stop {
            Some(stop) if stop == self.end => None,
            Some(stop) => Some(format!(
                "the server stops at token {stop}, the turn's last label is token {}",
                self.end
            )),
            None => Some("the server does not stop in this turn".to_owned()),
        }
    }

    fn difference(&self, server: &[u32], plan: &Plan) -> String {
        let same = self.before.iter().zip(server).take_while(|(a, b)| a == b);
        let at = same.count();
        let shown = |ids: &[u32]| match ids.get(at) {
            Some(id) => format!("{:?} {id}", plan.tokenizer.id_to_text(*id)),
            None => "no token".to_owned(),
        };
        format!(
            "the row has {} at {at}, the server's prompt {}",
            shown(self.before),
            shown(server)
        )
    }
}
