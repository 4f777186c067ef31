//! Each stage alone over all rows of one file, on one core.
//!
//! `cargo run --release -p turnmill-bench --bin stages -- FILE TOKENIZER [SCHEMA] [TEMPLATE]`
//!
//! FILE is JSON Lines (or a JSON array), also as zstd; TOKENIZER a directory. A stage works on what
//! the stage before it left in memory, so that nothing else is inside its time. MB are 10^6 bytes of
//! message content as the model sees it (instruction, question, answer), the same for every stage.

#![expect(
    clippy::print_stdout,
    reason = "the output of a bench is what it prints"
)]

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use turnmill_core::batch::{BATCH_ROWS, Batches, Part, Sample, Samples};
use turnmill_core::chat::{Conversation, Reader, Record, Schema, SchemaOptions};
use turnmill_core::check::RuleCounts;
use turnmill_core::jsonl::{self, Rows, Splitter};
use turnmill_core::label::{self, StopSet, TokenSpan};
use turnmill_core::recipe::Column;
use turnmill_core::template::{Options, RenderInput, Rendered, Span, Template};
use turnmill_core::tokenizer::{Encoding, Input, Mark, Tokenizer};
use turnmill_core::{Arena, Value};

type Failure = Box<dyn std::error::Error>;

const ROUNDS: usize = 5;
const BLOCK: usize = 1 << 20;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: stages FILE TOKENIZER [SCHEMA] [TEMPLATE]";
    let file = read(Path::new(&arguments.next().ok_or(usage)?))?;
    let tokenizer = Tokenizer::load(Path::new(&arguments.next().ok_or(usage)?))?;
    let schema = schema_of(arguments.next().as_deref().unwrap_or("messages"))?;
    let source = match arguments.next() {
        Some(path) => std::fs::read_to_string(path)?,
        None => own_template(&tokenizer)?,
    };
    let template = Template::new(&source, &options(&tokenizer))?;
    let stop = StopSet::new(&stop_ids(&tokenizer));
    run(&file, &tokenizer, schema, &template, &stop)
}

/// Times every stage and prints the table.
fn run(
    file: &[u8],
    tokenizer: &Tokenizer,
    schema: Schema,
    template: &Template,
    stop: &StopSet,
) -> Result<(), Failure> {
    let rows = split(file)?;
    let arena = Arena::new();
    let values: Vec<Value<'_>> = rows
        .iter()
        .filter_map(|row| Some(jsonl::parse(row.bytes, &arena).ok()?.value))
        .collect();
    let reader = Reader::new(&SchemaOptions::new(schema))?;
    let conversations = conversations(&reader, &values, &arena);
    let rendered = render_all(template, &conversations)?;
    let encoded = encode_all(tokenizer, &rendered)?;
    let labels = label_all(&encoded, stop);

    let table = Table {
        megabytes: content_bytes(&conversations) as f64 / 1e6,
        rendered: rendered.iter().map(|row| row.rendered.len()).sum::<usize>() as f64 / 1e6,
    };
    table.header(conversations.len(), &encoded);
    table.line("split", || split(file).map(drop))?;
    table.line("parse", || {
        parse(&rows);
        Ok(())
    })?;
    table.line("schema", || {
        let arena = Arena::new();
        black_box(self::conversations(&reader, &values, &arena).len());
        Ok(())
    })?;
    table.line("render", || {
        render(template, &conversations);
        Ok(())
    })?;
    table.line("tokenize", || tokenize(tokenizer, &rendered))?;
    table.line("label", || {
        black_box(label_all(&encoded, stop).len());
        Ok(())
    })?;
    table.line("batch", || batch(&encoded, &labels))
}

/// One line a stage: MB/s of message content, median of the rounds.
struct Table {
    megabytes: f64,
    rendered: f64,
}

impl Table {
    fn header(&self, rows: usize, encoded: &[Encoded]) {
        let tokens: usize = encoded.iter().map(|row| row.ids.len()).sum();
        println!(
            "{rows} rows, {:.1} MB of message content, {:.1} MB rendered, {tokens} tokens",
            self.megabytes, self.rendered
        );
        println!(
            "{:<10} {:>10} {:>14} {:>9}",
            "stage", "MB/s", "rendered MB/s", "ms"
        );
    }

    fn line(
        &self,
        stage: &str,
        mut work: impl FnMut() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut times = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let start = Instant::now();
            work()?;
            times.push(start.elapsed());
        }
        times.sort_unstable();
        let median: Duration = times[ROUNDS / 2];
        println!(
            "{stage:<10} {:>10.1} {:>14.1} {:>9.1}",
            self.megabytes / median.as_secs_f64(),
            self.rendered / median.as_secs_f64(),
            median.as_secs_f64() * 1e3
        );
        Ok(())
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

fn own_template(tokenizer: &Tokenizer) -> Result<String, Failure> {
    let chosen = tokenizer.templates().choose(false);
    Ok(chosen
        .ok_or("the tokenizer has no chat template: name one")?
        .to_owned())
}

fn options(tokenizer: &Tokenizer) -> Options {
    Options {
        special_tokens: tokenizer
            .special_tokens()
            .iter()
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .collect(),
        ..Options::default()
    }
}

fn stop_ids(tokenizer: &Tokenizer) -> Vec<u32> {
    match tokenizer.generation_eos() {
        [] => tokenizer.special_id("eos_token").into_iter().collect(),
        ids => ids.to_vec(),
    }
}

fn split(file: &[u8]) -> Result<Rows, Failure> {
    let mut splitter = Splitter::new();
    let mut all = Rows::default();
    for block in file.chunks(BLOCK) {
        splitter.feed(block, &mut all)?;
    }
    splitter.finish(&mut all)?;
    Ok(all)
}

fn parse(rows: &Rows) {
    let mut arena = Arena::new();
    for row in rows.iter() {
        black_box(jsonl::parse(row.bytes, &arena).is_ok());
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
    content: Vec<(u32, u32)>,
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
        let mut content = Vec::new();
        out.content_ranges(&mut content);
        texts.push(Text {
            rendered: out.text.clone(),
            content,
            spans: out.spans.clone(),
        });
    }
    if texts.is_empty() {
        return Err("the template renders no row of this file".into());
    }
    Ok(texts)
}

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
        let marks = marks(&text.spans);
        backend.encode(scratch.as_mut(), &input(text, &marks), &mut encoding)?;
        rows.push(Encoded {
            ids: encoding.ids.clone(),
            spans: token_spans(&text.spans, &encoding.marks),
        });
    }
    Ok(rows)
}

fn tokenize(tokenizer: &Tokenizer, texts: &[Text]) -> Result<(), Failure> {
    let backend = tokenizer.backend();
    let mut scratch = backend.scratch();
    let mut encoding = Encoding::default();
    for text in texts {
        let marks = marks(&text.spans);
        backend.encode(scratch.as_mut(), &input(text, &marks), &mut encoding)?;
        black_box(encoding.ids.len());
    }
    Ok(())
}

fn input<'a>(text: &'a Text, marks: &'a [u32]) -> Input<'a> {
    Input {
        text: &text.rendered,
        content: &text.content,
        cuts: &[],
        marks,
    }
}

fn marks(spans: &[Span]) -> Vec<u32> {
    spans
        .iter()
        .flat_map(|span| [span.start, span.content_end, span.end])
        .collect()
}

fn token_spans(spans: &[Span], marks: &[Mark]) -> Vec<TokenSpan> {
    spans
        .iter()
        .zip(marks.chunks_exact(3))
        .map(|(span, at)| TokenSpan {
            message: span.message,
            start: at[0].token,
            content_end: at[1].token,
            end: at[2].token,
            last: true,
        })
        .collect()
}

fn label_all(rows: &[Encoded], stop: &StopSet) -> Vec<Vec<i32>> {
    rows.iter()
        .map(|row| {
            let mut labels = Vec::new();
            label::reset(&mut labels, row.ids.len());
            for span in &row.spans {
                label::train(&row.ids, span, stop, &mut labels);
            }
            labels
        })
        .collect()
}

/// Samples of every row, cut into Arrow batches.
fn batch(rows: &[Encoded], labels: &[Vec<i32>]) -> Result<(), Failure> {
    let empty = Samples::new(Column::DEFAULT, "bench");
    let (mut batches, mut part, mut out) =
        (Batches::new(empty.clone(), BATCH_ROWS), empty, Vec::new());
    for (row, labels) in rows.iter().zip(labels) {
        part.push(Sample {
            ids: &row.ids,
            labels,
            weights: &[],
        });
        if part.len() == BATCH_ROWS {
            batches.append(&part, &mut out)?;
            part.clear();
        }
    }
    batches.append(&part, &mut out)?;
    batches.finish(&mut out)?;
    black_box(out.len());
    Ok(())
}
