//! Encodes texts with `tokenizer::bpe` and writes their ids, or times it.
//!
//! `tokenize ids TOKENIZER.json TEXTS` writes one line of ids for each text to stdout; texts are a
//! file of little-endian u32 lengths, each followed by that many bytes of UTF-8.
//! `tokenize time TOKENIZER.json TEXTS ROUNDS` encodes the first half once (cold), the second half
//! once (unseen) and again `ROUNDS` times (hot), and prints MB a second of each.

use std::io::Write;
use std::time::Instant;
use turnmill_core::tokenizer::Backend;
use turnmill_core::tokenizer::bpe::Encoder;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

struct Texts {
    text: String,
    offsets: Vec<usize>,
}

fn read(path: &str) -> Result<Texts> {
    let bytes = std::fs::read(path)?;
    let (mut text, mut offsets, mut at) = (Vec::new(), vec![0], 0);
    while at < bytes.len() {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into()?) as usize;
        text.extend_from_slice(&bytes[at + 4..at + 4 + length]);
        offsets.push(text.len());
        at += 4 + length;
    }
    Ok(Texts {
        text: String::from_utf8(text)?,
        offsets,
    })
}

/// Time this thread has had on a processor, which other work on the machine does not lengthen.
fn processor_seconds() -> Result<f64> {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: f64 = statistics.split(' ').next().unwrap_or("").parse()?;
    Ok(nanoseconds / 1e9)
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [verb, tokenizer, texts, rest @ ..] = arguments.as_slice() else {
        return Err("usage: tokenize ids|time TOKENIZER.json TEXTS [ROUNDS]".into());
    };
    let started = Instant::now();
    let encoder = Encoder::new(&std::fs::read(tokenizer)?, &[])?;
    let mut scratch = encoder.scratch();
    let loaded = started.elapsed();
    let texts = read(texts)?;
    let (mut ids, mut ends) = (Vec::new(), Vec::new());
    let mut out = std::io::stdout().lock();
    if verb == "ids" {
        encoder.encode_batch_flat(
            &mut *scratch,
            &texts.text,
            &texts.offsets,
            &mut ids,
            &mut ends,
        )?;
        let mut start = 0;
        let mut out = std::io::BufWriter::new(out);
        for &end in &ends {
            let row: Vec<String> = ids[start..end as usize]
                .iter()
                .map(u32::to_string)
                .collect();
            writeln!(out, "{}", row.join(" "))?;
            start = end as usize;
        }
        return Ok(());
    }
    let rounds: usize = rest.first().map_or(Ok(3), |rounds| rounds.parse())?;
    let half = texts.offsets.len() / 2;
    let mut time = |name: &str, rows: &[usize]| -> Result<()> {
        ids.clear();
        ends.clear();
        let started = processor_seconds()?;
        encoder.encode_batch_flat(&mut *scratch, &texts.text, rows, &mut ids, &mut ends)?;
        let seconds = processor_seconds()? - started;
        let bytes = (rows[rows.len() - 1] - rows[0]) as f64;
        writeln!(
            out,
            "{name} {:.1} MB/s, {} ids",
            bytes / seconds / 1e6,
            ids.len()
        )?;
        Ok(())
    };
    time("cold", &texts.offsets[..=half])?;
    time("unseen", &texts.offsets[half..])?;
    for _ in 0..rounds {
        time("hot", &texts.offsets[half..])?;
    }
    writeln!(out, "load {:.0} ms", loaded.as_secs_f64() * 1e3)?;
    Ok(())
}
