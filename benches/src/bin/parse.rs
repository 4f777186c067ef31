//! MB/s of each stage from bytes to conversations, on one core.
//!
//! Usage: `parse FILE [SCHEMA] [ROUNDS]`, where FILE is JSON Lines or a JSON array, plain or
//! `.zst`. Speeds are medians over rounds, in MB of file per second of CPU time.
#![expect(clippy::print_stdout, reason = "a bench talks to its user")]

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;

use turnmill_core::chat::{self, Reader, Schema, SchemaOptions};
use turnmill_core::rules::RuleCounts;
use turnmill_core::source::json::{self, RawRows, Splitter};
use turnmill_core::value::Arena;

/// Bytes fed to the splitter at a time, as in a run.
const BLOCK: usize = 4 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments
        .next()
        .ok_or("usage: parse FILE [SCHEMA] [ROUNDS]")?;
    let schema = arguments.next();
    let rounds = arguments.next().map_or(Ok(7), |rounds| rounds.parse())?;
    let file = std::fs::read(&path)?;
    let file = if Path::new(&path).extension() == Some("zst".as_ref()) {
        zstd::decode_all(&file[..])?
    } else {
        file
    };
    let rows = whole(&file)?;
    let reader = reader(&rows, schema.as_deref())?;
    println!(
        "{path}: {} rows, {:.1} MB, {}",
        rows.len(),
        megabytes(&file),
        reader.schema()
    );
    report(&rows, &reader);
    let stages: [(&str, &dyn Fn()); 5] = [
        ("copy", &|| drop(std::hint::black_box(file.clone()))),
        ("utf-8 check", &|| check_utf8(&rows)),
        ("split", &|| split(&file)),
        ("split + parse", &|| split_and_parse(&file, &mut |_, _| {})),
        ("split + parse + schema", &|| read(&file, &reader)),
    ];
    for (name, stage) in stages {
        let mut times: Vec<Duration> = (0..rounds).map(|_| cpu_time(stage)).collect();
        times.sort_unstable();
        let median = times[times.len() / 2].as_secs_f64();
        println!("{name:>24} {:8.0} MB/s", megabytes(&file) / median);
    }
    Ok(())
}

fn megabytes(file: &[u8]) -> f64 {
    file.len() as f64 / 1e6
}

/// All rows of the file at once.
fn whole(file: &[u8]) -> turnmill_core::Result<RawRows> {
    let (mut rows, mut last) = (RawRows::default(), RawRows::default());
    // A last line without its end would need a second buffer; the files of the benches have one.
    let mut splitter = Splitter::new();
    splitter.feed(file, &mut rows)?;
    splitter.finish(&mut last)?;
    Ok(rows)
}

fn reader(rows: &RawRows, schema: Option<&str>) -> turnmill_core::Result<Reader> {
    let arena = Arena::new();
    let schema = if let Some(name) = schema {
        Schema::from_name(name)?
    } else {
        let head: Vec<_> = rows
            .iter()
            .take(100)
            .filter_map(|row| json::parse(row.bytes, &arena).ok())
            .map(|parsed| parsed.value)
            .collect();
        chat::detect(&head)?
    };
    let mut options = SchemaOptions::new(schema);
    let roles = [("client", "user"), ("counselor", "assistant")];
    options.roles = roles
        .map(|(theirs, ours)| (theirs.to_owned(), ours.to_owned()))
        .to_vec();
    Reader::new(&options)
}

/// Prints what the rows come to: rejects and counts by rule.
fn report(rows: &RawRows, reader: &Reader) {
    let (mut counts, mut rejects) = (RuleCounts::default(), RuleCounts::default());
    for row in rows.iter() {
        let arena = Arena::new();
        let read = json::parse(row.bytes, &arena)
            .map_err(|error| error.reject())
            .and_then(|parsed| reader.read(parsed.value, &arena, &mut counts).map(|_| ()));
        if let Err(reject) = read {
            rejects.add(reject.rule, 1);
        }
    }
    let list = |counts: &RuleCounts| {
        let texts: Vec<String> = counts
            .iter()
            .map(|(rule, n)| format!("{rule} {n}"))
            .collect();
        texts.join(", ")
    };
    println!("  rejected: {}; counted: {}", list(&rejects), list(&counts));
}

fn check_utf8(rows: &RawRows) {
    for row in rows.iter() {
        std::hint::black_box(std::str::from_utf8(row.bytes).is_ok());
    }
}

fn split(file: &[u8]) {
    let (mut splitter, mut rows) = (Splitter::new(), RawRows::default());
    for block in file.chunks(BLOCK) {
        let fed = splitter.feed(block, &mut rows);
        std::hint::black_box((fed.is_ok(), rows.len()));
    }
}

fn split_and_parse(file: &[u8], use_value: &mut dyn FnMut(turnmill_core::Value<'_>, &Arena)) {
    let (mut splitter, mut rows, mut arena) = (Splitter::new(), RawRows::default(), Arena::new());
    for block in file.chunks(BLOCK) {
        if splitter.feed(block, &mut rows).is_err() {
            return;
        }
        for row in rows.iter() {
            if let Ok(parsed) = json::parse(row.bytes, &arena) {
                use_value(std::hint::black_box(parsed.value), &arena);
            }
            arena.reset();
        }
    }
}

fn read(file: &[u8], reader: &Reader) {
    let mut counts = RuleCounts::default();
    split_and_parse(file, &mut |value, arena| {
        std::hint::black_box(reader.read(value, arena, &mut counts).is_ok());
    });
}

/// A stage is repeated for so long, that its first runs do not decide.
const LONG_ENOUGH: Duration = Duration::from_millis(300);

/// CPU time of this thread for one run of `stage`.
fn cpu_time(stage: &dyn Fn()) -> Duration {
    let (spent, started) = (ThreadTime::now(), Instant::now());
    for runs in 1.. {
        stage();
        if started.elapsed() >= LONG_ENOUGH {
            return spent.elapsed() / runs;
        }
    }
    Duration::ZERO
}
