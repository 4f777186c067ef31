//! A run of rows on one thread.

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64;

use crate::cancel::Cancel;
use crate::chat::{Reader, Record};
use crate::recipe::History;
use crate::row::Refusal;
use crate::row::content_rules::ContentRules;
use crate::row::desk::Desk;
use crate::row::record::{Findings, Lost, Place};
use crate::row::replay::{Player, Replayed};
use crate::rules::{Reject, Rule, RuleCounts};
use crate::setup::plan::Plan;
use crate::sink::{IndexRow, IndexRows, RejectRows, Sample, Samples};
use crate::source::arrow::Rows as ArrowRows;
use crate::source::json;
use crate::value::{Arena, Map, Value};
use crate::{Error, Result};

/// A row as it comes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Row<'i> {
    /// Its JSON text.
    Json(json::Row<'i>),
    /// A value in memory, or why there is none, and its index.
    Value(&'i Result<Value<'i>, Reject>, u64),
    /// A row of an Arrow batch: its place there, and its index.
    Arrow(&'i ArrowRows, usize, u64),
}

/// What does not change from row to row of one input.
pub(crate) struct Setting<'s> {
    pub(crate) plan: &'s Plan,
    pub(crate) reader: &'s Reader,
    /// Counted too, where a check asks for it.
    pub(crate) content: Option<&'s ContentRules>,
    /// Samples are replayed against the inference prompt.
    pub(crate) replays: bool,
    /// Rows kept as evidence for each rule.
    pub(crate) evidence: usize,
    pub(crate) cancel: &'s Cancel,
}

/// What rows became, in order.
pub(crate) struct Made {
    pub(crate) samples: Samples,
    pub(crate) index: IndexRows,
    pub(crate) rejects: RejectRows,
    pub(crate) rows: u64,
    pub(crate) rejected: u64,
    pub(crate) count: u64,
    pub(crate) tokens: u64,
    pub(crate) trained: u64,
    pub(crate) lost: Lost,
    pub(crate) findings: Findings,
    pub(crate) replayed: Replayed,
}

impl Made {
    pub(crate) fn new(samples: Samples, index: IndexRows, evidence: usize) -> Self {
        Self {
            samples,
            index,
            rejects: RejectRows::new(),
            rows: 0,
            rejected: 0,
            count: 0,
            tokens: 0,
            trained: 0,
            lost: Lost::default(),
            findings: Findings::keeping(evidence),
            replayed: Replayed::keeping(evidence),
        }
    }

    /// Adds a sample with its row of the index.
    fn push(&mut self, entry: IndexRow, columns: Map<'_>, sample: Sample<'_>) {
        let trained = sample.labels.iter();
        let trained = trained.filter(|label| **label != crate::row::label::IGNORED);
        let entry = IndexRow {
            length: sample.ids.len() as u32,
            trained: trained.count() as u32,
            ..entry
        };
        self.samples.push(sample);
        self.count += 1;
        self.tokens += u64::from(entry.length);
        self.trained += u64::from(entry.trained);
        self.index.push(entry, columns);
    }
}

/// A thread's memory.
pub(crate) struct Worker {
    arena: Arena,
    desk: Desk,
    text: String,
}

/// Memory of one row's values that is kept for the next row.
const KEPT_ARENA: usize = 8 << 20;

impl Worker {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            arena: Arena::new(),
            desk: Desk::new(plan),
            text: String::new(),
        }
    }

    /// Makes samples of rows. A row that cannot be used is a reject; an error ends the run.
    pub(crate) fn run<'i>(
        &mut self,
        setting: &Setting<'_>,
        rows: impl Iterator<Item = Row<'i>>,
        made: &mut Made,
    ) -> Result<()> {
        self.desk.player = setting.replays.then(|| Player::new(setting.plan));
        for row in rows {
            setting.cancel.check()?;
            if self.arena.allocated_bytes() > KEPT_ARENA {
                self.arena = Arena::new();
            } else {
                self.arena.reset();
            }
            self.desk.start_row();
            let mut step = Step {
                setting,
                desk: &mut self.desk,
                arena: &self.arena,
                text: &mut self.text,
            };
            step.row(row, made)?;
        }
        Ok(())
    }
}

/// One row on its way.
struct Step<'w, 's> {
    setting: &'w Setting<'s>,
    desk: &'w mut Desk,
    arena: &'w Arena,
    text: &'w mut String,
}

impl<'w> Step<'w, '_> {
    fn row(&mut self, row: Row<'w>, made: &mut Made) -> Result<()> {
        made.rows += 1;
        let place = place(&row);
        match self.samples(row, place, made) {
            Ok(()) => {
                let (desk, plan) = (&*self.desk, self.setting.plan);
                let inside = |rule, message| desk.inside(plan, rule, message);
                made.findings.add(&desk.counts, place, inside);
                made.lost.add(desk.lost);
                if let Some(player) = &desk.player {
                    let inside = |message| desk.inside(plan, Rule::PromptParity, message);
                    made.replayed.add_row(player, &desk.counts, place, inside);
                }
            }
            Err(Refusal::Row(reject)) => {
                made.rejected += 1;
                let (desk, plan) = (&*self.desk, self.setting.plan);
                let inside = || desk.inside_rejected(plan, &reject);
                made.findings.add_reject(&reject, place, inside);
                made.rejects.push(place.row, place.line, reject);
            }
            Err(Refusal::Run(error)) => return Err(located(error, place)),
        }
        Ok(())
    }

    fn samples(&mut self, row: Row<'w>, place: Place, made: &mut Made) -> Result<(), Refusal> {
        let mut counts = RuleCounts::default();
        let value = self.value(row, &mut counts)?;
        let record = self.setting.reader.read(value, self.arena, &mut counts)?;
        if let Some(rules) = self.setting.content {
            rules.count(&record, &mut counts);
        }
        self.desk.counts = counts;
        let plan = self.setting.plan;
        match record {
            Record::Conversation(conversation) => {
                self.desk.name_turns(&conversation);
                self.desk.conversation(plan, &conversation, self.arena)?;
            }
            Record::Completion { prompt, completion } => {
                self.desk.completion(plan, prompt, completion)?;
                self.require_length()?;
            }
            Record::Text(text) => self.desk.document(plan, text)?,
        }
        let entry = IndexRow {
            row: place.row,
            line: place.line,
            sample: 0,
            turns: self.desk.turns.len() as u32,
            length: self.desk.encoding.ids.len() as u32,
            trained: 0,
            hash: self.hash(row, value),
        };
        let columns = value.as_map().unwrap_or_default();
        match (record, plan.recipe.max_length) {
            (Record::Text(_), Some(most)) => self.push_parts(entry, columns, most, made),
            (Record::Conversation(_), _) if plan.recipe.history == History::Expand => {
                self.push_expanded(entry, columns, made);
            }
            _ => made.push(entry, columns, self.at_hand(0..entry.length as usize)),
        }
        Ok(())
    }

    fn value(&mut self, row: Row<'w>, counts: &mut RuleCounts) -> Result<Value<'w>, Reject> {
        match row {
            Row::Json(row) => {
                let parsed = json::parse(row.bytes, self.arena).map_err(|error| error.reject())?;
                if parsed.duplicate_keys > 0 {
                    counts.add(Rule::DuplicateKey, u64::from(parsed.duplicate_keys));
                }
                Ok(parsed.value)
            }
            Row::Value(value, _) => value.clone(),
            Row::Arrow(rows, index, _) => rows.row(index, self.arena, counts),
        }
    }

    fn hash(&mut self, row: Row<'_>, value: Value<'_>) -> u64 {
        match row {
            Row::Json(row) => xxh3_64(row.bytes),
            _ => json::hash_of(value, self.text),
        }
    }

    /// A completion has no turns that could leave.
    fn require_length(&self) -> Result<(), Reject> {
        let length = self.desk.encoding.ids.len();
        match self.setting.plan.recipe.max_length {
            Some(most) if length > most as usize => {
                let reason = format!("{length} tokens, {most} allowed");
                Err(Reject::new(Rule::OverlongSample, reason))
            }
            _ => Ok(()),
        }
    }

    /// A document is split; only its last part ends in the eos.
    fn push_parts(&self, entry: IndexRow, columns: Map<'_>, most: u32, made: &mut Made) {
        let length = entry.length as usize;
        let most = most as usize;
        for (sample, start) in (0..length).step_by(most).enumerate() {
            let part = start..length.min(start + most);
            let entry = IndexRow {
                sample: sample as u32,
                ..entry
            };
            made.push(entry, columns, self.at_hand(part));
        }
    }

    /// The samples of an expanded conversation.
    fn push_expanded(&self, entry: IndexRow, columns: Map<'_>, made: &mut Made) {
        let finished = &self.desk.finished;
        for (sample, (part, turns)) in finished.samples().enumerate() {
            let entry = IndexRow {
                sample: sample as u32,
                turns,
                ..entry
            };
            let sample = Sample {
                ids: &finished.ids[part.clone()],
                labels: &finished.labels[part.clone()],
                weights: &finished.weights[part],
            };
            made.push(entry, columns, sample);
        }
    }

    /// A part of the sample at hand.
    fn at_hand(&self, part: Range<usize>) -> Sample<'_> {
        Sample {
            ids: &self.desk.encoding.ids[part.clone()],
            labels: &self.desk.labels[part.clone()],
            weights: &self.desk.weights[part],
        }
    }
}

fn place(row: &Row<'_>) -> Place {
    match row {
        Row::Json(row) => Place {
            row: row.index,
            line: Some(row.line),
        },
        Row::Value(_, index) | Row::Arrow(_, _, index) => Place {
            row: *index,
            line: None,
        },
    }
}

fn located(error: Error, place: Place) -> Error {
    let error = error.at_row(place.row);
    match place.line {
        Some(line) => error.at_line(line),
        None => error,
    }
}
