//! Times the tokenizer alone.
//!
//! `tokenize time TOKENIZER.json TEXTS [ROUNDS]` encodes the first half of the texts (cold), the
//! second half (unseen) and that again (hot); each round starts with new memory of the thread. It
//! prints medians.
//! `tokenize count TOKENIZER.json TEXTS cold|unseen` encodes one of these inside a function of its own,
//! `measured`, for a profiler that counts what is done in it.
//! `tokenize worst MEGABYTES TEXTS TOKENIZER.json…` times single documents of that size which are
//! hard to tokenize, beside the second half of the texts, and prints a table.
//!
//! TEXTS are JSON strings, one a line. Times are of the processor, one thread.

#![expect(
    clippy::print_stdout,
    reason = "the output of a bench is what it prints"
)]

use std::path::Path;
use std::time::Instant;

use cpu_time::ThreadTime;
use turnmill_bench::hostile;
use turnmill_bpe::{Encoder, IdRows, Scratch};
use turnmill_core::tokenizer::Tokenizer;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["time", tokenizer, texts] => time(tokenizer, texts, 15),
        ["time", tokenizer, texts, rounds] => time(tokenizer, texts, rounds.parse()?),
        ["count", tokenizer, texts, part @ ("cold" | "unseen")] => count(tokenizer, texts, part),
        ["worst", megabytes, texts, ref tokenizers @ ..] => {
            worst(megabytes.parse()?, texts, tokenizers)
        }
        _ => Err("usage: tokenize time|count|worst …, see the head of its source".into()),
    }
}

/// Texts laid end to end.
struct Texts {
    text: String,
    offsets: Vec<usize>,
}

impl Texts {
    fn read(path: &str) -> Result<Self> {
        let mut texts = Self {
            text: String::new(),
            offsets: vec![0],
        };
        for line in std::fs::read_to_string(path)?.lines() {
            texts.text.push_str(&serde_json::from_str::<String>(line)?);
            texts.offsets.push(texts.text.len());
        }
        Ok(texts)
    }

    fn one(text: String) -> Self {
        let offsets = vec![0, text.len()];
        Self { text, offsets }
    }

    /// The offsets of both halves.
    fn halves(&self) -> [&[usize]; 2] {
        let half = self.offsets.len() / 2;
        [&self.offsets[..=half], &self.offsets[half..]]
    }
}

/// One encoder with the memory of one thread.
struct Bench {
    encoder: Encoder,
    scratch: Scratch,
    rows: IdRows,
}

impl Bench {
    fn load(path: &str) -> Result<Self> {
        let encoder = Encoder::new(&std::fs::read(path)?, &[])?;
        Ok(Self {
            scratch: encoder.scratch(),
            encoder,
            rows: IdRows::default(),
        })
    }

    /// Nanoseconds a byte.
    fn encode(&mut self, text: &str, rows: &[usize]) -> Result<f64> {
        self.rows.ids.clear();
        self.rows.ends.clear();
        let scratch = &mut self.scratch;
        let texts: Vec<&str> = rows.windows(2).map(|row| &text[row[0]..row[1]]).collect();
        let started = ThreadTime::now();
        self.encoder
            .encode_rows(scratch, &texts, (&[], &[]), &mut self.rows)?;
        let spent = started.elapsed().as_secs_f64() * 1e9;
        Ok(spent / (rows[rows.len() - 1] - rows[0]).max(1) as f64)
    }
}

fn time(tokenizer: &str, texts: &str, rounds: usize) -> Result<()> {
    let started = Instant::now();
    let mut bench = Bench::load(tokenizer)?;
    println!("load {:.0} ms", started.elapsed().as_secs_f64() * 1e3);
    let texts = Texts::read(texts)?;
    let [first, second] = texts.halves();
    let mut spent = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        bench.scratch = bench.encoder.scratch();
        for (spent, rows) in spent.iter_mut().zip([first, second, second]) {
            spent.push(bench.encode(&texts.text, rows)?);
        }
    }
    for (name, spent) in ["cold", "unseen", "hot"].into_iter().zip(spent) {
        let nanoseconds = median(spent);
        println!(
            "{name} {:.1} MB/s, {nanoseconds:.3} ns a byte",
            1e3 / nanoseconds
        );
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn count(tokenizer: &str, texts: &str, part: &str) -> Result<()> {
    let mut bench = Bench::load(tokenizer)?;
    let texts = Texts::read(texts)?;
    let [first, second] = texts.halves();
    let rows = if part == "cold" {
        first
    } else {
        bench.encode(&texts.text, first)?;
        second
    };
    measured(&mut bench, &texts.text, rows)?;
    println!("{} bytes", rows[rows.len() - 1] - rows[0]);
    Ok(())
}

#[inline(never)]
fn measured(bench: &mut Bench, text: &str, rows: &[usize]) -> Result<f64> {
    bench.encode(text, rows)
}

/// For each tokenizer the time of each kind of text, and how many times normal that is.
fn worst(megabytes: usize, texts: &str, tokenizers: &[&str]) -> Result<()> {
    let texts = Texts::read(texts)?;
    let columns = tokenizers
        .iter()
        .map(|path| column(megabytes * 1_000_000, &texts, path));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    println!(
        "| ns a byte (times normal) | {} |",
        tokenizers
            .iter()
            .map(|path| name(path))
            .collect::<Vec<_>>()
            .join(" | ")
    );
    println!("| --- |{}", " --- |".repeat(tokenizers.len()));
    let Some(first) = columns.first() else {
        return Ok(());
    };
    for (row, (kind, _)) in first.iter().enumerate() {
        let cells = columns.iter().map(|column| {
            let (normal, spent) = (column[0].1, column[row].1);
            format!("{spent:.1} ({:.1})", spent / normal)
        });
        println!("| {kind} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
    Ok(())
}

/// The folder of a `tokenizer.json`.
fn name(path: &str) -> String {
    let folder = Path::new(path).parent().and_then(Path::file_name);
    folder.unwrap_or_default().to_string_lossy().into_owned()
}

fn column(size: usize, texts: &Texts, path: &str) -> Result<Vec<(&'static str, f64)>> {
    let mut bench = Bench::load(path)?;
    let [first, second] = texts.halves();
    bench.encode(&texts.text, first)?;
    let mut column = vec![("normal, unseen", bench.encode(&texts.text, second)?)];
    for (kind, text) in hostile::kinds(&vocabulary(path)?) {
        let text = Texts::one(text(size));
        column.push((kind, bench.encode(&text.text, &text.offsets)?));
    }
    column.push((
        "normal, after all these",
        bench.encode(&texts.text, second)?,
    ));
    Ok(column)
}

/// The texts of all tokens that are text.
fn vocabulary(path: &str) -> Result<Vec<String>> {
    let tokenizer = Tokenizer::load(Path::new(path))?;
    let ids = 0..tokenizer.vocab_size() as u32;
    let texts = ids.filter(|&id| tokenizer.added_token(id).is_none());
    Ok(texts
        .filter_map(|id| String::from_utf8(tokenizer.id_to_bytes(id).to_vec()).ok())
        .collect())
}
