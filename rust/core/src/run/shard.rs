//! Rows of one input, in blocks → record batches.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use super::checks::{Checked, Checks};
use super::encoder::Encoder;
use super::kinds::Kinds;
use super::output::Output;
use super::worker::{ChunkOutput, Replayed, RowInput, RunContext, Tables};

use crate::audit;
use crate::cancel::Cancel;
use crate::chat::{Answers, Reader, Schema};
use crate::recipe::{Column, Layout, Recipe, TrainOn};
use crate::rules::{Findings, Named, Reject, Rule, RuleCounts};
use crate::sink::{BATCH_ROWS, Batches, IndexRows, RejectRows, SampleRows, SpareBuffers};
use crate::source::arrow::{ArrowRows, Wanted};
use crate::source::json::{RawRows, Splitter};
use crate::value::Value;
use crate::{Error, ErrorKind, Result, pool};
use arrow_array::RecordBatch;

/// Rows kept as evidence for each rule, unless a check asks for another number.
const EVIDENCE_ROWS: usize = 5;

/// Bytes of JSON text in one work item.
const CHUNK_BYTES: usize = 128 << 10;

/// Parts whose memory is kept for the next block.
const SPARE_PARTS: usize = 64;

/// Rows in one work item if there is no text to measure.
const CHUNK_ROWS: usize = 64;

/// The options of a shard.
#[derive(Clone, Debug)]
pub struct ShardOptions {
    /// The schema of the rows.
    pub schema: Schema,
    /// The input's name, for errors and the column `source`.
    pub path: String,
    /// Whether the bytes are one JSON array, not JSON Lines.
    pub array: bool,
    /// Index of the first row.
    pub first_row: u64,
    /// Line of the first byte, from 1.
    pub first_line: u64,
    /// Threads to work on; 0: all cores.
    pub threads: usize,
    /// Rows in one work item; `None` chooses. The output does not depend on it.
    pub chunk_rows: Option<usize>,
    /// Whether the output also holds rows of other schemas; documents then get every column.
    pub mixed: bool,
    /// The share of conversations whose samples are set apart, from 0 to 1; their hash decides.
    pub validation: f64,
    /// Whether the batches of samples have the form in which they wait to be put in order.
    pub waiting: bool,
    /// What is done for a check.
    pub checks: Option<Checks>,
    /// How many rows from the first are replayed against the inference prompt, if this is not a check:
    /// it costs more than making samples of them. Of the rows after them only those are replayed
    /// that have a turn of a new kind. With 0 none are.
    pub replayed: u64,
}

impl ShardOptions {
    /// A whole input of that schema, read on all cores.
    pub fn new(schema: Schema, path: impl Into<String>) -> Self {
        Self {
            schema,
            path: path.into(),
            array: false,
            first_row: 0,
            first_line: 1,
            threads: 0,
            chunk_rows: None,
            mixed: false,
            validation: 0.0,
            waiting: false,
            checks: None,
            replayed: 0,
        }
    }

    /// Rows kept as evidence for each rule.
    fn evidence(&self) -> usize {
        let checks = self.checks.as_ref();
        checks.map_or(EVIDENCE_ROWS, |checks| checks.auditor.evidence())
    }
}

/// Rows of one input on their way to samples. Give it the rows in order, in blocks of any size.
pub struct Shard {
    encoder: Arc<Encoder>,
    options: ShardOptions,
    reader: Reader,
    splitter: Splitter,
    rows: RawRows,
    next_row: u64,
    samples: Batches<SampleRows>,
    /// Samples of conversations that are set apart, if any can be.
    apart: Option<Batches<SampleRows>>,
    index: Batches<IndexRows>,
    rejects: Batches<RejectRows>,
    findings: Findings,
    named: Named,
    rejected: RuleCounts,
    read: u64,
    refused: u64,
    /// Kinds of turns in the rows, if some of them are replayed.
    kinds: Kinds,
    /// How many samples have each length.
    lengths: BTreeMap<usize, u64>,
    /// What a check found in the samples.
    audited: Option<audit::Tally>,
    empty: Tables,
    written: SpareBuffers,
    /// Parts of the previous block, whose memory is reused.
    spare: Mutex<Vec<Tables>>,
}

impl Encoder {
    /// Opens a shard: rows of one input of a known schema.
    pub fn open_shard(self: &Arc<Self>, options: ShardOptions) -> Result<Shard> {
        Shard::new(Arc::clone(self), options)
    }
}

impl Shard {
    fn new(encoder: Arc<Encoder>, mut options: ShardOptions) -> Result<Self> {
        if options.threads == 0 {
            options.threads = pool::default_threads();
        }
        let reader = encoder.plan.reader(options.schema)?;
        let splitter = if options.array {
            Splitter::new()
        } else {
            Splitter::for_range(0, u64::MAX)
        };
        let columns = columns(&options, &encoder.plan.recipe)?;
        let samples = SampleRows::new(&columns, &options.path).waiting(options.waiting);
        let index = IndexRows::new(&encoder.plan.recipe.carry);
        Ok(Self {
            splitter: splitter.counting_from(options.first_line, options.first_row),
            rows: RawRows::default(),
            next_row: options.first_row,
            written: samples.spare(),
            samples: Batches::new(samples.clone(), BATCH_ROWS),
            apart: (options.validation > 0.0).then(|| Batches::new(samples.clone(), BATCH_ROWS)),
            index: Batches::new(index.clone(), BATCH_ROWS),
            rejects: Batches::new(RejectRows::new(), BATCH_ROWS),
            findings: Findings::keeping(options.evidence()),
            named: Named::default(),
            rejected: RuleCounts::default(),
            read: 0,
            refused: 0,
            kinds: Kinds::default(),
            lengths: BTreeMap::new(),
            audited: options.checks.as_ref().map(|checks| checks.auditor.tally()),
            empty: Tables {
                apart: samples.clone(),
                samples,
                index,
            },
            spare: Mutex::default(),
            reader,
            encoder,
            options,
        })
    }

    /// The top-level columns of a row that are read, and the fields of a message that are text.
    pub fn reads(&self) -> (Vec<&str>, Vec<&str>) {
        let judging = self.reader.judging_columns();
        let mut columns = self.reader.columns();
        columns.extend(judging.map(|column| -> &str { column }));
        (columns, self.reader.text_fields())
    }

    /// The top-level columns of which only counts whether they say something.
    pub fn notices(&self) -> &[&'static str] {
        self.reader.unread_columns()
    }

    /// The top-level columns that the index carries.
    pub fn carries(&self) -> &[String] {
        &self.encoder.plan.recipe.carry
    }

    /// Takes the next bytes of the input; rows may straddle blocks.
    pub fn feed_bytes(&mut self, block: &[u8], cancel: &Cancel) -> Result<Output> {
        let mut rows = std::mem::take(&mut self.rows);
        let split = self.splitter.feed(block, &mut rows);
        let output = self.split_rows(split, &rows, cancel);
        self.rows = rows;
        output
    }

    /// Takes the next rows of a columnar input.
    pub fn feed_batch(&mut self, batch: &RecordBatch, cancel: &Cancel) -> Result<Output> {
        let wanted = Wanted {
            columns: &self.reader.columns(),
            text_fields: &self.reader.text_fields(),
            carried: &self.carried(),
            noticed: self.reader.unread_columns(),
        };
        let rows = ArrowRows::new(batch, &wanted);
        let first = self.next_row;
        self.next_row += rows.len() as u64;
        let size = self.options.chunk_rows.unwrap_or(CHUNK_ROWS).max(1);
        let jobs = even(rows.len(), size);
        let row = |index: usize| RowInput::Arrow(&rows, index, first + index as u64);
        self.work(&jobs, row, cancel)
    }

    /// Columns that are looked at besides those that are read.
    fn carried(&self) -> Vec<String> {
        let judging = self.reader.judging_columns().map(str::to_owned);
        self.carries().iter().cloned().chain(judging).collect()
    }

    /// Takes the next rows of an input in memory. A row that could not be read comes as a reject.
    pub fn feed_values(
        &mut self,
        rows: &[Result<Value<'_>, Reject>],
        cancel: &Cancel,
    ) -> Result<Output> {
        let first = self.next_row;
        self.next_row += rows.len() as u64;
        let size = self.options.chunk_rows.unwrap_or(CHUNK_ROWS).max(1);
        let jobs = even(rows.len(), size);
        let row = |index: usize| RowInput::Value(&rows[index], first + index as u64);
        self.work(&jobs, row, cancel)
    }

    /// Ends the input. Returns the last row, and the batches that are not full.
    pub fn finish(&mut self, cancel: &Cancel) -> Result<Output> {
        let mut rows = std::mem::take(&mut self.rows);
        let split = self.splitter.finish(&mut rows);
        let mut output = self.split_rows(split, &rows, cancel)?;
        self.samples.finish(&mut output.samples)?;
        if let Some(apart) = &mut self.apart {
            apart.finish(&mut output.apart)?;
        }
        self.index.finish(&mut output.index)?;
        self.rejects.finish(&mut output.rejects)?;
        Ok(output)
    }

    /// Takes back written batches of samples, so that their memory is reused.
    pub fn written(&self) -> SpareBuffers {
        self.written.clone()
    }

    /// What was found in the rows so far.
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// What was counted by name in the rows so far.
    pub fn named(&self) -> &Named {
        &self.named
    }

    /// Rejected rows so far, by rule.
    pub fn rejected(&self) -> &RuleCounts {
        &self.rejected
    }

    /// How many samples have each length in tokens, so far.
    pub fn lengths(&self) -> &BTreeMap<usize, u64> {
        &self.lengths
    }

    /// Takes what the rows gave to a check, with the name of the input.
    pub(super) fn take_checked(&mut self) -> Checked {
        let mut findings = self.findings.take();
        let audited = self.audited.take();
        let mut tally = audited.unwrap_or_else(|| audit::Tally::new(None, self.options.evidence()));
        findings.interleave(tally.findings.take());
        tally.findings = findings;
        tally.name_input(&Arc::from(&self.options.path[..]));
        Checked {
            rows: self.read,
            rejected: self.refused,
            tally,
        }
    }

    fn split_rows(&mut self, split: Result<()>, rows: &RawRows, cancel: &Cancel) -> Result<Output> {
        let jobs = match self.options.chunk_rows {
            Some(size) => even(rows.len(), size.max(1)),
            None => by_bytes(rows),
        };
        // Rows before a broken place come first, because one of them may hold an earlier error.
        let row = |index: usize| rows.get(index).map(RowInput::Json);
        let output = self.work(&jobs, |index| row(index).unwrap_or(NO_ROW), cancel)?;
        split.map_err(|error| error.at_path(&self.options.path))?;
        Ok(output)
    }

    fn work<'r>(
        &mut self,
        jobs: &[Range<usize>],
        row: impl Fn(usize) -> RowInput<'r> + Sync,
        cancel: &Cancel,
    ) -> Result<Output> {
        cancel.check()?;
        let context = RunContext {
            plan: &self.encoder.plan,
            reader: &self.reader,
            content: &self.encoder.content,
            checks: self.options.checks.as_ref(),
            replayed: self.replayed(),
            evidence: self.options.evidence(),
            apart_below: apart_below(self.options.validation),
            cancel,
        };
        let parts = pool::map(self.options.threads, jobs, |job| {
            let mut output = ChunkOutput::new(self.spare_part(), &context);
            let mut worker = self.encoder.worker();
            let result = worker.run(&context, job.clone().map(&row), &mut output);
            self.encoder.rest(worker);
            result.map(|()| output)
        })
        .map_err(|error| error.at_path(&self.options.path))?;
        let mut output = Output::default();
        for mut part in parts {
            self.join(&mut part, &mut output)?;
            self.recycle(part);
        }
        Ok(output)
    }

    fn replayed(&self) -> Replayed<'_> {
        let ShardOptions {
            checks,
            first_row,
            replayed,
            ..
        } = &self.options;
        match (checks, replayed) {
            (Some(_), _) => Replayed::All,
            (None, 0) => Replayed::None,
            (None, count) => Replayed::Some(first_row + count, &self.kinds),
        }
    }

    /// An empty part to fill.
    fn spare_part(&self) -> Tables {
        let spare = self.spare.lock().ok().and_then(|mut spare| spare.pop());
        spare.unwrap_or_else(|| self.empty.clone())
    }

    /// Keeps the memory of a part, unless it is unusually much.
    fn recycle(&mut self, part: ChunkOutput) {
        let mut tables = part.tables;
        let is_usual = tables.samples.tokens() <= CHUNK_BYTES;
        let kept = self.spare.get_mut().map_or(0, |spare| spare.len());
        if !is_usual || kept >= SPARE_PARTS {
            return;
        }
        tables.clear();
        if let Ok(spare) = self.spare.get_mut() {
            spare.push(tables);
        }
    }

    fn join(&mut self, part: &mut ChunkOutput, output: &mut Output) -> Result<()> {
        let tables = &part.tables;
        for length in tables.samples.lengths().chain(tables.apart.lengths()) {
            *self.lengths.entry(length).or_default() += 1;
        }
        self.samples.append(&tables.samples, &mut output.samples)?;
        if let Some(apart) = &mut self.apart {
            apart.append(&tables.apart, &mut output.apart)?;
        }
        self.index.append(&tables.index, &mut output.index)?;
        self.rejects.append(&part.rejects, &mut output.rejects)?;
        for reject in part.rejects.iter() {
            self.rejected.add(reject.rule, 1);
        }
        self.findings.append(part.findings.take());
        for new in part.new_kinds.drain(..) {
            if self.kinds.add(&new.kinds)
                && let Some(place) = new.difference
            {
                self.findings.add(Rule::PromptParity, new.row, || place);
            }
        }
        self.named.append(&part.named);
        if let (Some(mine), Some(theirs)) = (&mut self.audited, part.audited.take()) {
            mine.append(theirs);
        }
        self.read += part.rows;
        self.refused += part.rejected;
        output.rows += part.rows;
        output.rejected += part.rejected;
        output.made += part.count;
        output.tokens += part.tokens;
        output.trained += part.trained;
        output.lost_turns += part.lost.turns;
        output.lost_tokens += part.lost.tokens;
        output.lost_rejected_tokens += part.lost.of_rejected;
        Ok(())
    }
}

/// A row for which the index needs no text.
const NO_ROW: RowInput<'static> = RowInput::Json(crate::source::json::RawRow {
    bytes: b"null",
    index: 0,
    line: 0,
    offset: 0,
    omitted: 0,
});

/// Documents are trained as a whole, so ids alone are enough. The exceptions are recipes that ask
/// for more, and outputs with rows of other schemas, because all files of an output have the same
/// columns.
fn columns(options: &ShardOptions, recipe: &Recipe) -> Result<Vec<Column>> {
    let wanted = &recipe.columns[..];
    let layout = layout(options.schema, &recipe.train_on)?;
    if options.schema == Schema::Text && !options.mixed && wanted == Column::DEFAULT {
        return Ok(vec![Column::InputIds]);
    }
    Column::written(layout, wanted)
}

/// What a row of the output holds.
fn layout(schema: Schema, train_on: &TrainOn) -> Result<Layout> {
    let layout = match schema.answers() {
        Answers::Paired => Layout::Pairs,
        Answers::Judged => Layout::Judged,
        Answers::Trained => Layout::Samples,
    };
    if *train_on != TrainOn::Nothing {
        return Ok(layout);
    }
    let without = matches!(schema, Schema::Text | Schema::Segments);
    if layout == Layout::Samples && !without {
        return Ok(Layout::Prompts);
    }
    let what = format!(
        "rows of the schema {} do not become prompts, as `train_on = none` wants",
        schema.name()
    );
    Err(Error::new(ErrorKind::Recipe, "no-prompts", what)
        .hint("leave --train-on none out, or give conversations, or prompts with completions"))
}

/// The smallest hash of a conversation that is not set apart: what comes before it are the hashes
/// whose upper half is below the share of all.
fn apart_below(share: f64) -> u128 {
    let upper = share * 2f64.powi(64);
    u128::from(upper as u64) << 64
}

fn even(rows: usize, size: usize) -> Vec<Range<usize>> {
    (0..rows)
        .step_by(size)
        .map(|start| start..rows.min(start + size))
        .collect()
}

/// Ranges of rows of about the same number of bytes.
fn by_bytes(rows: &RawRows) -> Vec<Range<usize>> {
    let mut jobs = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, row) in rows.iter().enumerate() {
        bytes += row.bytes.len();
        if bytes >= CHUNK_BYTES {
            jobs.push(start..index + 1);
            (start, bytes) = (index + 1, 0);
        }
    }
    if start < rows.len() {
        jobs.push(start..rows.len());
    }
    jobs
}
