//! The work of one thread: a range of rows becomes samples.

use xxhash_rust::xxh3::xxh3_64;

use super::checks::Checks;
use super::kinds::{self, Kinds, NewKinds};
use crate::audit;
use crate::cancel::Cancel;
use crate::chat::{self, Reader, Record};
use crate::row::content_rules::ContentRules;
use crate::row::findings::{InputPosition, Lost};
use crate::row::position::RowPositions;
use crate::row::replay::SampleReplayer;
use crate::row::{self, Draft, Refusal, Scratch};
use crate::rules::{Findings, Named, Reject, Rule, RuleCounts};
use crate::setup::plan::Plan;
use crate::sink::{IndexRow, IndexRows, RejectRows, SampleRow, SampleRows};
use crate::source::arrow::ArrowRows;
use crate::source::json;
use crate::value::{Arena, Map, Value};
use crate::{Error, Result};

/// A row as it arrives.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RowInput<'i> {
    /// Its JSON text.
    Json(json::RawRow<'i>),
    /// A value in memory, or why it could not be read, and its index.
    Value(&'i Result<Value<'i>, Reject>, u64),
    /// A row of an Arrow batch: its position there, and its index.
    Arrow(&'i ArrowRows, usize, u64),
}

/// What is the same for all rows of one input.
pub(crate) struct RunContext<'s> {
    pub(crate) plan: &'s Plan,
    pub(crate) reader: &'s Reader,
    pub(crate) content: &'s ContentRules,
    /// What is done only for a check.
    pub(crate) checks: Option<&'s Checks>,
    /// Which rows are replayed against the inference prompt; for a check, all are.
    pub(crate) replayed: Replayed<'s>,
    /// Rows kept as evidence for each rule.
    pub(crate) evidence: usize,
    /// Conversations whose hash is smaller are set apart.
    pub(crate) apart_below: u128,
    pub(crate) cancel: &'s Cancel,
}

/// The rows that a run replays.
#[derive(Clone, Copy)]
pub(crate) enum Replayed<'s> {
    None,
    /// Those before this one, and others with a kind of turn that is not among these.
    Some(u64, &'s Kinds),
    All,
}

/// The tables of samples and their index.
#[derive(Clone)]
pub(crate) struct Tables {
    pub(crate) samples: SampleRows,
    /// Samples of conversations that are set apart.
    pub(crate) apart: SampleRows,
    pub(crate) index: IndexRows,
}

impl Tables {
    /// The table of samples that are set apart, or of the others.
    fn side(&mut self, apart: bool) -> &mut SampleRows {
        if apart {
            &mut self.apart
        } else {
            &mut self.samples
        }
    }

    /// Clears the tables and keeps their memory.
    pub(crate) fn clear(&mut self) {
        self.samples.clear();
        self.apart.clear();
        self.index.clear();
    }
}

/// The results of rows, in order.
pub(crate) struct ChunkOutput {
    pub(crate) tables: Tables,
    /// Conversations whose hash is smaller are set apart.
    apart_below: u128,
    pub(crate) rejects: RejectRows,
    pub(crate) rows: u64,
    pub(crate) rejected: u64,
    pub(crate) count: u64,
    pub(crate) tokens: u64,
    pub(crate) trained: u64,
    pub(crate) lost: Lost,
    pub(crate) findings: Findings,
    pub(crate) named: Named,
    /// What a check finds in the samples.
    pub(crate) audited: Option<audit::Tally>,
    /// Kinds of turns in the rows, and the rows that were replayed because of them.
    kinds: Kinds,
    pub(super) new_kinds: Vec<NewKinds>,
}

impl ChunkOutput {
    pub(crate) fn new(tables: Tables, context: &RunContext<'_>) -> Self {
        Self {
            tables,
            apart_below: context.apart_below,
            rejects: RejectRows::new(),
            rows: 0,
            rejected: 0,
            count: 0,
            tokens: 0,
            trained: 0,
            lost: Lost::default(),
            findings: Findings::keeping(context.evidence),
            named: Named::default(),
            audited: context.checks.map(|checks| checks.auditor.tally()),
            kinds: Kinds::default(),
            new_kinds: Vec::new(),
        }
    }

    /// Adds the samples of a row, each with its entry in the index; the two of a pair share one.
    fn push(&mut self, samples: &row::Samples, input: InputPosition, row: &RowFacts<'_>) {
        let apart = row.conversation < self.apart_below;
        let mut samples = samples.iter();
        if let Record::Pair(_) = row.record {
            if let (Some(chosen), Some(rejected)) = (samples.next(), samples.next()) {
                let prompt = chosen.shared_prompt(&rejected) as u32;
                let side = self.tables.side(apart);
                side.push_pair(written(&chosen), written(&rejected), prompt);
                self.enter(0, &[chosen, rejected], input, row);
            }
            return;
        }
        for (number, sample) in (0..).zip(samples) {
            let side = self.tables.side(apart);
            match row.record {
                Record::Judged(_, good) => {
                    side.push_judged(written(&sample), sample.prompt() as u32, good);
                }
                _ => match sample.texts {
                    Some(texts) => {
                        let reference = texts.reference.as_deref();
                        side.push_prompt(written(&sample), &texts.prompt, reference);
                    }
                    None => side.push(written(&sample)),
                },
            }
            self.enter(number, &[sample], input, row);
        }
    }

    /// Adds an entry to the index, for one sample or the two of a pair.
    fn enter(
        &mut self,
        number: u32,
        samples: &[row::Sample<'_>],
        input: InputPosition,
        row: &RowFacts<'_>,
    ) {
        let sum = |count: fn(&row::Sample<'_>) -> u32| samples.iter().map(count).sum();
        let entry = IndexRow {
            row: input.row,
            line: input.line,
            sample: number,
            turns: sum(|sample| sample.turns.len() as u32),
            length: sum(|sample| sample.ids.len() as u32),
            trained: sum(|sample| sample.trained),
            hash: row.hash,
            conversation: row.conversation,
        };
        self.count += 1;
        self.tokens += u64::from(entry.length);
        self.trained += u64::from(entry.trained);
        self.tables.index.push(entry, row.columns);
    }
}

/// A sample as it is written.
fn written<'s>(sample: &row::Sample<'s>) -> SampleRow<'s> {
    SampleRow {
        ids: sample.ids,
        labels: sample.labels,
        weights: sample.weights,
    }
}

/// What the index says of a row.
struct RowFacts<'a> {
    record: Record<'a>,
    columns: Map<'a>,
    hash: u64,
    conversation: u128,
}

/// A thread's memory.
pub(crate) struct Worker {
    arena: Arena,
    scratch: Scratch,
    /// The player, while a row is not replayed.
    player: Option<SampleReplayer>,
    draft: Draft,
    output: row::RowOutput,
    audit: audit::Scratch,
    /// JSON text of rows that come as values.
    text: String,
}

/// How much memory of a row's values is kept for the next row.
const KEPT_ARENA: usize = 8 << 20;

impl Worker {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            arena: Arena::new(),
            scratch: Scratch::new(plan),
            player: None,
            draft: Draft::default(),
            output: row::RowOutput::default(),
            audit: audit::Scratch::default(),
            text: String::new(),
        }
    }

    /// Makes samples from rows. A row that cannot be used becomes a reject; an error stops the run.
    pub(crate) fn run<'i>(
        &mut self,
        context: &RunContext<'_>,
        rows: impl Iterator<Item = RowInput<'i>>,
        chunk: &mut ChunkOutput,
    ) -> Result<()> {
        for row in rows {
            context.cancel.check()?;
            let input = input_position(&row);
            if self.arena.allocated_bytes() > KEPT_ARENA {
                self.arena = Arena::new();
            } else {
                self.arena.reset();
            }
            let task = RowTask {
                context,
                row,
                input,
                arena: &self.arena,
                scratch: &mut self.scratch,
                player: &mut self.player,
                kinds: Vec::new(),
                draft: &mut self.draft,
                output: &mut self.output,
                audit: &mut self.audit,
                text: &mut self.text,
            };
            task.run(chunk)?;
        }
        Ok(())
    }
}

/// One row in progress.
struct RowTask<'w, 's> {
    context: &'w RunContext<'s>,
    row: RowInput<'w>,
    input: InputPosition,
    arena: &'w Arena,
    scratch: &'w mut Scratch,
    player: &'w mut Option<SampleReplayer>,
    /// The kinds of the row's turns, if one of them is new.
    kinds: Vec<u64>,
    draft: &'w mut Draft,
    output: &'w mut row::RowOutput,
    audit: &'w mut audit::Scratch,
    text: &'w mut String,
}

/// A row that could be read: its value, and the record that its schema makes of it.
type Read<'w> = (Value<'w>, Record<'w>);

impl<'w> RowTask<'w, '_> {
    fn run(mut self, chunk: &mut ChunkOutput) -> Result<()> {
        chunk.rows += 1;
        self.draft.clear();
        self.output.clear(self.context.checks.is_some());
        let read = self.read();
        let record = read.as_ref().ok().map(|(_, record)| *record);
        let encoded = read.map_err(Refusal::Row).and_then(|(value, record)| {
            let replayed = self.is_replayed(&record, &chunk.kinds);
            self.set_player(replayed);
            self.encode(&record)?;
            Ok(self.facts(value, &record))
        });
        match encoded {
            Ok(facts) => {
                chunk.push(&self.output.samples, self.input, &facts);
                self.report(record.as_ref(), chunk);
                Ok(())
            }
            Err(Refusal::Row(reject)) => {
                self.refuse(record.as_ref(), reject, chunk);
                Ok(())
            }
            Err(Refusal::Run(error)) => Err(located(error, self.input)),
        }
    }

    fn read(&mut self) -> Result<Read<'w>, Reject> {
        let counts = &mut self.output.findings.counts;
        let value = value(self.row, self.arena, counts)?;
        let record = self.context.reader.read(value, self.arena, counts)?;
        self.context.content.count(&record, counts);
        Ok((value, record))
    }

    /// Whether the row is replayed. Keeps its kinds if one of them is new.
    fn is_replayed(&mut self, record: &Record<'_>, chunk: &Kinds) -> bool {
        let (before, shard) = match self.context.replayed {
            Replayed::None => return false,
            Replayed::All => return true,
            Replayed::Some(before, shard) => (before, shard),
        };
        let mut is_new = false;
        kinds::of(record, |kind| {
            is_new |= !shard.have(kind) && !chunk.have(kind);
        });
        if is_new {
            kinds::of(record, |kind| self.kinds.push(kind));
        }
        is_new || self.input.row < before
    }

    fn set_player(&mut self, replayed: bool) {
        let active = &mut self.scratch.player;
        if active.is_some() != replayed {
            std::mem::swap(active, self.player);
        }
        if replayed {
            active.get_or_insert_with(|| SampleReplayer::new(self.context.plan));
        }
    }

    fn encode(&mut self, record: &Record<'w>) -> Result<(), Refusal> {
        let plan = self.context.plan;
        let (scratch, draft) = (&mut *self.scratch, &mut *self.draft);
        row::encode(plan, record, self.arena, scratch, draft, self.output)
    }

    /// Adds the findings of the row.
    fn report(&mut self, record: Option<&Record<'_>>, chunk: &mut ChunkOutput) {
        if let Replayed::Some(before, _) = self.context.replayed
            && self.input.row < before
        {
            self.count_prompts();
        }
        self.note_kinds(record, chunk);
        let findings = &self.output.findings;
        let positions = self.positions(record);
        for (rule, count) in findings.counts.iter() {
            let place = || positions.of_counted(rule);
            chunk.findings.add_many(rule, self.input.row, count, place);
        }
        chunk.named.append(findings.counts.named());
        chunk.lost.add(findings.lost);
        if let (Some(checks), Some(record)) = (self.context.checks, record) {
            self.check(checks, record, chunk);
        }
    }

    /// Counts a row in which the prompt of a turn is not the server's, if it was replayed.
    fn count_prompts(&mut self) {
        let row::RowOutput {
            findings, replay, ..
        } = &mut *self.output;
        if let Some((message, note)) = replay.unexplained(&findings.counts) {
            let note = || note.clone();
            findings.counts.add_at(Rule::PromptParity, *message, note);
        }
    }

    /// Notes the kinds that are new, and whether a prompt differs. It is counted once it is known
    /// that no row before this one, in another chunk, has the same kinds.
    fn note_kinds(&mut self, record: Option<&Record<'_>>, chunk: &mut ChunkOutput) {
        if self.kinds.is_empty() {
            return;
        }
        let row::RowOutput {
            findings, replay, ..
        } = &*self.output;
        chunk.kinds.add(&self.kinds);
        let counted = findings.counts.get(Rule::PromptParity) > 0;
        let found = replay.unexplained(&findings.counts).filter(|_| !counted);
        let place = |(message, note): &(u32, String)| {
            let positions = self.positions(record);
            positions.of(Rule::PromptParity, Some(*message), note.clone())
        };
        chunk.new_kinds.push(NewKinds {
            row: self.input.row,
            difference: found.map(place),
            kinds: std::mem::take(&mut self.kinds),
        });
    }

    /// Checks the samples of the row.
    fn check(&mut self, checks: &Checks, record: &Record<'_>, chunk: &mut ChunkOutput) {
        let Some(part) = &mut chunk.audited else {
            return;
        };
        let counted = &self.output.findings.counts;
        let positions = self.positions(Some(record));
        let replay = &mut part.replay;
        let keep = self.context.evidence;
        self.output.replay.add_to(replay, keep, counted, &positions);
        for (number, sample) in self.output.samples.iter().enumerate() {
            let sample = audit::KnownSample {
                row: self.input.row,
                line: self.input.line,
                record: record.of_sample(number),
                counted,
                ids: sample.ids,
                labels: sample.labels,
                turns: sample.turns,
            };
            checks.auditor.check_sample(&sample, self.audit, part);
        }
    }

    /// Rejects the row.
    fn refuse(&self, record: Option<&Record<'_>>, reject: Reject, chunk: &mut ChunkOutput) {
        chunk.rejected += 1;
        let place = || self.positions(record).of_reject(&reject);
        chunk.findings.add(reject.rule, self.input.row, place);
        chunk.rejects.push(self.input.row, self.input.line, reject);
    }

    fn positions<'r>(&'r self, record: Option<&'r Record<'r>>) -> RowPositions<'r> {
        RowPositions {
            plan: self.context.plan,
            input: self.input,
            record,
            draft: self.draft,
            findings: &self.output.findings,
        }
    }

    fn facts(&mut self, value: Value<'w>, record: &Record<'w>) -> RowFacts<'w> {
        RowFacts {
            record: *record,
            columns: value.as_map().unwrap_or_default(),
            hash: match self.row {
                RowInput::Json(row) => xxh3_64(row.bytes),
                _ => json::hash_of(value, self.text),
            },
            conversation: chat::identity(record, self.arena),
        }
    }
}

fn value<'w>(
    row: RowInput<'w>,
    arena: &'w Arena,
    counts: &mut RuleCounts,
) -> Result<Value<'w>, Reject> {
    match row {
        RowInput::Json(row) => {
            row.require_length()?;
            let parsed = json::parse(row.bytes, arena).map_err(|error| error.reject())?;
            if parsed.duplicate_keys > 0 {
                counts.add(Rule::DuplicateKey, u64::from(parsed.duplicate_keys));
            }
            Ok(parsed.value)
        }
        RowInput::Value(value, _) => value.clone(),
        RowInput::Arrow(rows, index, _) => rows.row(index, arena, counts),
    }
}

fn input_position(row: &RowInput<'_>) -> InputPosition {
    match row {
        RowInput::Json(row) => InputPosition {
            row: row.index,
            line: Some(row.line),
        },
        RowInput::Value(_, index) | RowInput::Arrow(_, _, index) => InputPosition {
            row: *index,
            line: None,
        },
    }
}

fn located(error: Error, input: InputPosition) -> Error {
    let error = error.at_row(input.row);
    match input.line {
        Some(line) => error.at_line(line),
        None => error,
    }
}
