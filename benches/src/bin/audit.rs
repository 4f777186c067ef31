//! The rules on tokenized rows, on one core.
//!
//! `cargo run --release -p turnmill-bench --bin audit -- FILE TOKENIZER [SCHEMA] [TIMES]`
//!
//! FILE is JSON Lines of conversations, encoded once; its samples are audited TIMES over (40) as one
//! data set. MB are 10^6 bytes of `input_ids` as int32, a second of this thread's processor time.

#![expect(
    clippy::print_stdout,
    reason = "the output of a bench is what it prints"
)]

use std::sync::Arc;

use arrow_array::RecordBatch;
use cpu_time::ThreadTime;
use turnmill_core::audit::{self, Audit, AuditOptions, TokenClasses};
use turnmill_core::cancel::Cancel;
use turnmill_core::chat::Schema;
use turnmill_core::recipe::Recipe;
use turnmill_core::run::{Encoder, ShardOptions};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const ROUNDS: usize = 5;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: audit FILE TOKENIZER [SCHEMA] [TIMES]";
    let file = std::fs::read(arguments.next().ok_or(usage)?)?;
    let tokenizer = arguments.next().ok_or(usage)?;
    let schema = arguments.next().unwrap_or_else(|| "messages".to_owned());
    let times = arguments.next().map_or(Ok(40), |times| times.parse())?;
    let recipe = Recipe {
        tokenizer,
        ..Recipe::default()
    };
    let encoder = Arc::new(Encoder::new(recipe)?);
    let options = ShardOptions {
        threads: 1,
        ..ShardOptions::new(Schema::from_name(&schema)?, "bench")
    };
    let mut shard = encoder.open_shard(options)?;
    let cancel = Cancel::default();
    let mut samples = shard.feed_bytes(&file, &cancel)?.samples;
    samples.extend(shard.finish(&cancel)?.samples);

    let mut seconds = Vec::new();
    let mut tokens = 0;
    for _ in 0..ROUNDS {
        let mut audit = new_audit(&encoder)?;
        let started = ThreadTime::now();
        for _ in 0..times {
            audit.add(&samples, &cancel)?;
        }
        let report = audit.finish(&cancel)?;
        seconds.push(started.elapsed().as_secs_f64());
        tokens = report.tokens;
    }
    seconds.sort_by(f64::total_cmp);
    let megabytes = tokens as f64 * 4.0 / 1e6;
    let rows: usize = samples.iter().map(RecordBatch::num_rows).sum();
    println!(
        "{} rows, {megabytes:.0} MB of ids: {:.0} MB/s (median of {ROUNDS})",
        rows * times,
        megabytes / seconds[ROUNDS / 2]
    );
    Ok(())
}

fn new_audit(encoder: &Encoder) -> Result<Audit> {
    let tokenizer = encoder.tokenizer();
    let mut classes = TokenClasses::of_tokenizer(tokenizer, encoder.stop_ids());
    if let Some(template) = turnmill_core::setup::template_of(tokenizer)? {
        audit::learn(&mut classes, tokenizer, &template)?;
    }
    let audit = Audit::new(classes, AuditOptions::default());
    Ok(audit.replaying(tokenizer))
}
