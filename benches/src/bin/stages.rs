//! Each stage alone over all rows of one file, on one core, and the whole path beside their sum.
//!
//! `cargo run --release -p turnmill-bench --bin stages -- FILE TOKENIZER [SCHEMA] [TEMPLATE] [ROUNDS]`
//!
//! FILE is JSON Lines (or a JSON array), also as zstd; TOKENIZER a directory; TEMPLATE a file, or
//! `-` for the tokenizer's own. A stage works on what the stage before it left in memory, so that
//! nothing else is inside its time. MB are 10^6 bytes of message content as the model sees it
//! (instruction, question, answer), the same for every stage; times are processor time of the
//! thread, medians of the rounds.

#![expect(
    clippy::print_stdout,
    reason = "the output of a bench is what it prints"
)]

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{Array, RecordBatch};
use arrow_data::ArrayData;
use cpu_time::ThreadTime;
use turnmill_core::cancel::Cancel;
use turnmill_core::chat::{Conversation, Reader, Record, Schema, SchemaOptions};
use turnmill_core::recipe::{Column, Recipe};
use turnmill_core::row::contract::{self, Allowance, TrainedTurn};
use turnmill_core::row::label::{self, SpanEnd, TokenSpan};
use turnmill_core::rules::RuleCounts;
use turnmill_core::run::{Encoder, ShardOptions};
use turnmill_core::setup::StopSet;
use turnmill_core::sink::{BATCH_ROWS, Batches, SampleRow, SampleRows, TableRows};
use turnmill_core::source::json::{self, FileLayout, RawRows, Splitter};
use turnmill_core::template::{RenderInput, Rendered, Span, Template, TemplateOptions};
use turnmill_core::tokenizer::{Encoding, Input, Mark, Tokenizer};
use turnmill_core::{Arena, Value};

type Failure = Box<dyn std::error::Error>;

const ROUNDS: usize = 5;
const BLOCK: usize = 4 << 20;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, tokenizer, rest @ ..] = &arguments[..] else {
        return Err("usage: stages FILE TOKENIZER [SCHEMA] [TEMPLATE] [ROUNDS]".into());
    };
    let template = rest.get(1).filter(|path| *path != "-");
    let job = Job {
        file: read(Path::new(file))?,
        schema: schema_of(rest.first().map_or("messages", String::as_str))?,
        recipe: recipe(tokenizer, template)?,
        source: template.map(std::fs::read_to_string).transpose()?,
        rounds: rest.get(2).map_or(Ok(ROUNDS), |rounds| rounds.parse())?,
    };
    job.run()
}

/// What is measured.
struct Job {
    file: Vec<u8>,
    schema: Schema,
    recipe: Recipe,
    source: Option<String>,
    rounds: usize,
}

impl Job {
    /// Times every stage and prints the table.
    fn run(&self) -> Result<(), Failure> {
        let tokenizer = Tokenizer::load(Path::new(&self.recipe.tokenizer))?;
        let source = match &self.source {
            Some(source) => source.clone(),
            None => own_template(&tokenizer)?,
        };
        let template = Template::new(&source, &options(&tokenizer))?;
        let stop = StopSet::new(&stop_ids(&tokenizer));
        let rows = split(&self.file)?;
        let arena = Arena::new();
        let values: Vec<Value<'_>> = rows
            .iter()
            .flat_map(RawRows::iter)
            .filter_map(|row| Some(json::parse(row.bytes, &arena).ok()?.value))
            .collect();
        let reader = Reader::new(&SchemaOptions::new(self.schema))?;
        let conversations = conversations(&reader, &values, &arena);
        let texts = render_all(&template, &conversations)?;
        let encoded = encode_all(&tokenizer, &texts)?;
        let labelled = label_all(&encoded, &stop);

        let mut table = Table {
            rounds: self.rounds,
            megabytes: content_bytes(&conversations) as f64 / 1e6,
            rendered: texts.iter().map(|row| row.rendered.len()).sum::<usize>() as f64 / 1e6,
            others: Duration::ZERO,
        };
        table.header(conversations.len(), &encoded);
        table.stage("split", || split_again(&self.file))?;
        table.stage("parse", || {
            parse(&rows);
            Ok(())
        })?;
        table.stage("schema", || {
            schema(&reader, &values);
            Ok(())
        })?;
        table.stage("render", || {
            render(&template, &conversations);
            Ok(())
        })?;
        let tokenize = table.time(|| self::tokenize(&tokenizer, &texts))?;
        table.line("tokenize", tokenize);
        table.stage("label", || {
            label(&encoded, &stop);
            Ok(())
        })?;
        table.stage("contract", || {
            check(&encoded, &labelled, &stop);
            Ok(())
        })?;
        table.stage("batch", || batch_again(&encoded, &labelled))?;
        let mut batches = Vec::new();
        batch(&encoded, &labelled, |batch| {
            batches.push(batch);
            Ok(())
        })?;
        table.stage("write", || write(&batches))?;
        table.line("all but tokenize", table.others);
        table.line("sum", table.others + tokenize);
        let encoder = Arc::new(Encoder::new(self.recipe.clone())?);
        let whole = table.time(|| self.whole(&encoder))?;
        table.line("whole path", whole);
        table.line("  less tokenize", whole.saturating_sub(tokenize));
        Ok(())
    }

    /// From bytes to record batches, as a run does it.
    #[inline(never)]
    fn whole(&self, encoder: &Arc<Encoder>) -> Result<(), Failure> {
        let mut shard = encoder.open_shard(ShardOptions {
            array: FileLayout::detect(&self.file) == Some(FileLayout::Array),
            threads: 1,
            ..ShardOptions::new(self.schema, "bench")
        })?;
        let cancel = Cancel::default();
        for block in self.file.chunks(BLOCK) {
            black_box(shard.feed_bytes(block, &cancel)?.samples.len());
        }
        black_box(shard.finish(&cancel)?.samples.len());
        Ok(())
    }
}

/// One line a stage: MB/s of message content, median of the rounds.
struct Table {
    rounds: usize,
    megabytes: f64,
    rendered: f64,
    /// Sum of the stages without the tokenizer.
    others: Duration,
}

impl Table {
    fn header(&self, rows: usize, encoded: &[Encoded]) {
        let tokens: usize = encoded.iter().map(|row| row.ids.len()).sum();
        println!(
            "{rows} rows, {:.1} MB of message content, {:.1} MB rendered, {tokens} tokens",
            self.megabytes, self.rendered
        );
        println!(
            "{:<16} {:>10} {:>14} {:>9}",
            "stage", "MB/s", "rendered MB/s", "ms"
        );
    }

    fn time(&self, mut work: impl FnMut() -> Result<(), Failure>) -> Result<Duration, Failure> {
        let mut times = Vec::with_capacity(self.rounds);
        for _ in 0..self.rounds {
            let start = ThreadTime::now();
            work()?;
            times.push(start.elapsed());
        }
        times.sort_unstable();
        Ok(times[self.rounds / 2])
    }

    /// Times and prints a stage that is not the tokenizer's.
    fn stage(
        &mut self,
        stage: &str,
        work: impl FnMut() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let median = self.time(work)?;
        self.others += median;
        self.line(stage, median);
        Ok(())
    }

    fn line(&self, stage: &str, time: Duration) {
        println!(
            "{stage:<16} {:>10.1} {:>14.1} {:>9.1}",
            self.megabytes / time.as_secs_f64(),
            self.rendered / time.as_secs_f64(),
            time.as_secs_f64() * 1e3
        );
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = std::fs::read(path)?;
    if path.extension().is_some_and(|extension| extension == "zst") {
        return Ok(zstd::decode_all(bytes.as_slice())?);
    }
    Ok(bytes)
}

fn schema_of(name: &str) -> Result<Schema, Failure> {
    Ok(match name {
        "messages" => Schema::Messages,
        "sharegpt" => Schema::Sharegpt,
        "alpaca" => Schema::Alpaca,
        _ => return Err(format!("no schema `{name}`: messages, sharegpt, alpaca").into()),
    })
}

fn recipe(tokenizer: &str, template: Option<&String>) -> Result<Recipe, Failure> {
    Ok(Recipe {
        tokenizer: tokenizer.to_owned(),
        template: template.cloned(),
        ..Recipe::from_json("{}")?
    })
}

fn own_template(tokenizer: &Tokenizer) -> Result<String, Failure> {
    let chosen = tokenizer.templates().choose(false);
    Ok(chosen
        .ok_or("the tokenizer has no chat template: name one")?
        .to_owned())
}

fn options(tokenizer: &Tokenizer) -> TemplateOptions {
    TemplateOptions {
        special_tokens: tokenizer
            .special_tokens()
            .iter()
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .collect(),
        ..TemplateOptions::default()
    }
}

fn stop_ids(tokenizer: &Tokenizer) -> Vec<u32> {
    match tokenizer.generation_eos() {
        [] => tokenizer.special_id("eos_token").into_iter().collect(),
        ids => ids.to_vec(),
    }
}

/// The rows of every block.
fn split(file: &[u8]) -> Result<Vec<RawRows>, Failure> {
    let mut splitter = Splitter::new();
    let mut all = Vec::new();
    let mut rows = RawRows::default();
    for block in file.chunks(BLOCK) {
        splitter.feed(block, &mut rows)?;
        all.push(std::mem::take(&mut rows));
    }
    splitter.finish(&mut rows)?;
    all.push(rows);
    Ok(all)
}

/// Stages are functions of their own, never inlined, so that `instructions.py` finds them by name.
#[inline(never)]
fn split_again(file: &[u8]) -> Result<(), Failure> {
    split(file).map(drop)
}

#[inline(never)]
fn parse(blocks: &[RawRows]) {
    let mut arena = Arena::new();
    for row in blocks.iter().flat_map(RawRows::iter) {
        black_box(json::parse(row.bytes, &arena).is_ok());
        arena.reset();
    }
}

#[inline(never)]
fn schema(reader: &Reader, values: &[Value<'_>]) {
    let mut arena = Arena::new();
    let mut counts = RuleCounts::default();
    for value in values {
        black_box(reader.read(*value, &arena, &mut counts).is_ok());
        arena.reset();
    }
}

/// The conversations that can be read; the others leave.
fn conversations<'a>(
    reader: &Reader,
    values: &[Value<'a>],
    arena: &'a Arena,
) -> Vec<Conversation<'a>> {
    let mut counts = RuleCounts::default();
    values
        .iter()
        .filter_map(|value| match reader.read(*value, arena, &mut counts) {
            Ok(Record::Conversation(conversation)) => Some(conversation),
            _ => None,
        })
        .collect()
}

fn content_bytes(conversations: &[Conversation<'_>]) -> usize {
    conversations
        .iter()
        .flat_map(|conversation| conversation.messages)
        .filter_map(|message| message.fields.get("content")?.as_str())
        .map(str::len)
        .sum()
}

/// What the tokenizer needs of a render.
struct Text {
    rendered: String,
    marks: Vec<u32>,
    spans: Vec<Span>,
}

fn render_all(
    template: &Template,
    conversations: &[Conversation<'_>],
) -> Result<Vec<Text>, Failure> {
    let mut out = Rendered::default();
    let mut texts = Vec::with_capacity(conversations.len());
    for conversation in conversations {
        let arena = Arena::new();
        let input = RenderInput::of(conversation, conversation.messages.len(), &arena);
        if template.render(&arena, &input, &mut out).is_err() {
            continue;
        }
        let spans = out.spans.iter();
        texts.push(Text {
            rendered: out.text.clone(),
            marks: spans
                .flat_map(|span| [span.start, span.content_end, span.end])
                .collect(),
            spans: out.spans.clone(),
        });
    }
    if texts.is_empty() {
        return Err("the template renders no row of this file".into());
    }
    Ok(texts)
}

#[inline(never)]
fn render(template: &Template, conversations: &[Conversation<'_>]) {
    let (mut arena, mut out) = (Arena::new(), Rendered::default());
    for conversation in conversations {
        let input = RenderInput::of(conversation, conversation.messages.len(), &arena);
        black_box(template.render(&arena, &input, &mut out).is_ok());
        arena.reset();
    }
}

/// Ids of a row and the spans of its turns in tokens.
struct Encoded {
    ids: Vec<u32>,
    spans: Vec<TokenSpan>,
}

fn encode_all(tokenizer: &Tokenizer, texts: &[Text]) -> Result<Vec<Encoded>, Failure> {
    let backend = tokenizer.backend();
    let mut scratch = backend.scratch();
    let mut encoding = Encoding::default();
    let mut rows = Vec::with_capacity(texts.len());
    for text in texts {
        backend.encode(scratch.as_mut(), &input(text), &mut encoding)?;
        rows.push(Encoded {
            ids: encoding.ids.clone(),
            spans: token_spans(&text.spans, &encoding.marks),
        });
    }
    Ok(rows)
}

/// With a new cache, as a run has it.
#[inline(never)]
fn tokenize(tokenizer: &Tokenizer, texts: &[Text]) -> Result<(), Failure> {
    let backend = tokenizer.backend();
    let mut scratch = backend.scratch();
    let mut encoding = Encoding::default();
    for text in texts {
        backend.encode(scratch.as_mut(), &input(text), &mut encoding)?;
        black_box(encoding.ids.len());
    }
    Ok(())
}

fn input(text: &Text) -> Input<'_> {
    Input {
        text: &text.rendered,
        content: &[],
        cuts: &[],
        marks: &text.marks,
    }
}

fn token_spans(spans: &[Span], marks: &[Mark]) -> Vec<TokenSpan> {
    let last = |index: usize| {
        let next = spans.get(index + 1);
        next.is_none_or(|next| next.message != spans[index].message)
    };
    spans
        .iter()
        .zip(marks.chunks_exact(3))
        .enumerate()
        .map(|(index, (span, at))| TokenSpan {
            message: span.message,
            start: at[0].token,
            content_end: at[1].token,
            end: at[2].token,
            last: last(index),
        })
        .collect()
}

/// Labels of a row and its trained turns.
struct Labelled {
    labels: Vec<i32>,
    turns: Vec<TrainedTurn>,
}

fn label_all(rows: &[Encoded], stop: &StopSet) -> Vec<Labelled> {
    rows.iter()
        .map(|row| {
            let (mut labels, mut turns) = (Vec::new(), Vec::new());
            label_row(row, stop, &mut labels, &mut turns);
            Labelled { labels, turns }
        })
        .collect()
}

#[inline(never)]
fn label(rows: &[Encoded], stop: &StopSet) {
    let (mut labels, mut turns) = (Vec::new(), Vec::new());
    for row in rows {
        label_row(row, stop, &mut labels, &mut turns);
        black_box(labels.len());
    }
}

fn label_row(row: &Encoded, stop: &StopSet, labels: &mut Vec<i32>, turns: &mut Vec<TrainedTurn>) {
    label::reset(labels, row.ids.len());
    turns.clear();
    let mut start = None;
    for span in &row.spans {
        let first = *start.get_or_insert(span.start);
        if let SpanEnd::Stopped { end, .. } = label::train(&row.ids, span, stop, labels) {
            turns.push(TrainedTurn {
                message: span.message,
                start: first,
                end,
            });
            start = None;
        }
    }
}

#[inline(never)]
fn check(rows: &[Encoded], labelled: &[Labelled], stop: &StopSet) {
    let mut counts = RuleCounts::default();
    for (row, Labelled { labels, turns }) in rows.iter().zip(labelled) {
        let allowance = Allowance::default();
        // Contents are not kept from becoming control tokens here: some rows break the contract.
        let verdict = contract::check(&row.ids, labels, turns, stop, allowance, &mut counts);
        black_box(verdict.is_ok());
    }
    black_box(counts);
}

/// Samples of every row, cut into Arrow batches.
fn batch(
    rows: &[Encoded],
    labelled: &[Labelled],
    mut take: impl FnMut(RecordBatch) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let empty = SampleRows::new(Column::DEFAULT, "bench");
    let (mut batches, mut part, mut out) =
        (Batches::new(empty.clone(), BATCH_ROWS), empty, Vec::new());
    for (row, Labelled { labels, .. }) in rows.iter().zip(labelled) {
        part.push(SampleRow {
            ids: &row.ids,
            labels,
            weights: &[],
        });
        if part.len() == BATCH_ROWS {
            batches.append(&part, &mut out)?;
            part.clear();
            out.drain(..).try_for_each(&mut take)?;
        }
    }
    batches.append(&part, &mut out)?;
    batches.finish(&mut out)?;
    out.drain(..).try_for_each(&mut take)
}

#[inline(never)]
fn batch_again(rows: &[Encoded], labelled: &[Labelled]) -> Result<(), Failure> {
    batch(rows, labelled, |batch| {
        black_box(batch.num_rows());
        Ok(())
    })
}

/// Writes the buffers of batches to a file that is gone afterwards.
#[inline(never)]
fn write(batches: &[RecordBatch]) -> Result<(), Failure> {
    let path = std::env::temp_dir().join(format!("turnmill-stages-{}", std::process::id()));
    let mut file = File::create(&path)?;
    std::fs::remove_file(&path)?;
    for column in batches.iter().flat_map(RecordBatch::columns) {
        write_buffers(&column.to_data(), &mut file)?;
    }
    Ok(())
}

fn write_buffers(array: &ArrayData, file: &mut File) -> std::io::Result<()> {
    for buffer in array.buffers() {
        file.write_all(buffer)?;
    }
    let mut children = array.child_data().iter();
    children.try_for_each(|child| write_buffers(child, file))
}
