//! Documents and string completions, end to end.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![allow(missing_docs, reason = "not an interface")]

mod support;

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use support::{BOS, Directory, END, directory};
use turnmill_core::cancel::Cancel;
use turnmill_core::chat::Schema;
use turnmill_core::recipe::Recipe;
use turnmill_core::rules::Rule;
use turnmill_core::run::{Encoder, Output, Shard, ShardOptions};

fn encoder(directory: &Directory, more: &str) -> Arc<Encoder> {
    let recipe = format!(r#"{{"tokenizer": {:?}{more}}}"#, directory.text());
    Arc::new(Encoder::new(Recipe::from_json(&recipe).unwrap()).unwrap())
}

fn run(encoder: &Arc<Encoder>, schema: Schema, lines: &str) -> (Output, Shard) {
    let mut shard = encoder
        .open_shard(ShardOptions::new(schema, "x.jsonl"))
        .unwrap();
    let cancel = Cancel::default();
    let mut output = shard.feed_bytes(lines.as_bytes(), &cancel).unwrap();
    let last = shard.finish(&cancel).unwrap();
    output.samples.extend(last.samples);
    output.index.extend(last.index);
    output.rejects.extend(last.rejects);
    output.rows += last.rows;
    output.rejected += last.rejected;
    (output, shard)
}

fn lists(output: &Output, column: &str) -> Vec<Vec<i32>> {
    let mut lists = Vec::new();
    for batch in &output.samples {
        let column = batch.column_by_name(column).unwrap();
        for list in column.as_list::<i32>().iter().flatten() {
            lists.push(list.as_primitive::<Int32Type>().values().to_vec());
        }
    }
    lists
}

#[test]
fn documents_have_bos_and_eos_and_only_ids() {
    let directory = directory();
    let encoder = encoder(&directory, "");
    let (output, shard) = run(
        &encoder,
        Schema::Text,
        "{\"text\": \"ab\"}\n{\"text\": 3}\n",
    );
    let (bos, end) = (BOS as i32, END as i32);
    assert_eq!(lists(&output, "input_ids"), [[bos, 97, 98, end]]);
    assert_eq!(output.samples[0].num_columns(), 1);
    assert_eq!((output.rows, output.rejected), (2, 1));
    assert_eq!(shard.findings().get(Rule::EosInserted).count, 1);
    assert_eq!(output.rejects[0].num_rows(), 1);
}

#[test]
fn long_documents_are_split_and_only_the_end_has_the_eos() {
    let directory = directory();
    let encoder = encoder(&directory, r#", "max_length": 4"#);
    let (output, _) = run(&encoder, Schema::Text, "{\"text\": \"abcdef\"}");
    let ids = lists(&output, "input_ids");
    let (bos, end) = (BOS as i32, END as i32);
    assert_eq!(ids, [[bos, 97, 98, 99], [100, 101, 102, end]]);
    assert_eq!(output.index[0].num_rows(), 2);
}

#[test]
fn a_completion_is_trained_and_ends() {
    let directory = directory();
    let encoder = encoder(&directory, "");
    let rows = "{\"prompt\": \"a\", \"completion\": \"b<|im_end|>\"}\n";
    let (output, shard) = run(&encoder, Schema::PromptCompletion, rows);
    let literal: Vec<i32> = b"b<|im_end|>".iter().map(|byte| i32::from(*byte)).collect();
    let end = END as i32;
    let expected = [&[-100, -100][..], &literal, &[end]].concat();
    assert_eq!(lists(&output, "labels"), [expected]);
    assert_eq!(shard.findings().get(Rule::SpecialTokenInContent).count, 1);
    assert_eq!(
        shard.findings().get(Rule::SpecialTokenInContent).evidence[0].line,
        Some(1)
    );
}

#[test]
fn parse_lets_the_text_end_itself() {
    let directory = directory();
    let more =
        r#", "special_in_content": "parse", "eos": "template", "schema": "prompt-completion""#;
    let encoder = encoder(&directory, more);
    let rows = "{\"prompt\": \"a\", \"completion\": \"b<|im_end|>\"}\n{\"prompt\": \"a\", \"completion\": \"b\"}";
    let (output, shard) = run(&encoder, Schema::PromptCompletion, rows);
    assert_eq!(lists(&output, "labels"), [[-100, -100, 98, END as i32]]);
    assert_eq!(shard.findings().get(Rule::MissingTerminator).count, 1);
    assert_eq!((output.rows, output.rejected), (2, 1));
}

#[test]
fn bytes_out_do_not_depend_on_blocks_threads_or_chunks() {
    let directory = directory();
    let encoder = encoder(&directory, "");
    let row = |n: u32| format!("{{\"prompt\": \"p{n}\", \"completion\": \"c{}\"}}\n", n % 7);
    let rows = (0..2500).map(row).collect::<Vec<_>>().concat();
    let all = |threads: usize, chunk_rows: Option<usize>, block: usize| {
        let options = ShardOptions {
            threads,
            chunk_rows,
            ..ShardOptions::new(Schema::PromptCompletion, "x.jsonl")
        };
        let mut shard = encoder.open_shard(options).unwrap();
        let cancel = Cancel::default();
        let (mut samples, mut index) = (Vec::new(), Vec::new());
        for block in rows.as_bytes().chunks(block) {
            let output = shard.feed_bytes(block, &cancel).unwrap();
            samples.extend(output.samples);
            index.extend(output.index);
        }
        let output = shard.finish(&cancel).unwrap();
        samples.extend(output.samples);
        index.extend(output.index);
        (samples, index)
    };
    let one = all(1, None, 1 << 20);
    assert_eq!(
        one.0.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(),
        [1000, 1000, 500]
    );
    assert_eq!(one, all(2, Some(3), 1000));
    assert_eq!(one, all(7, Some(10_000), 7777));
}

#[test]
fn a_cancelled_run_stops() {
    let directory = directory();
    let encoder = encoder(&directory, "");
    let options = ShardOptions::new(Schema::Text, "x.jsonl");
    let mut shard = encoder.open_shard(options).unwrap();
    let cancel = Cancel::default();
    cancel.cancel();
    let error = shard
        .feed_bytes(b"{\"text\": \"a\"}\n", &cancel)
        .unwrap_err();
    assert_eq!(error.code(), "cancelled");
}

#[test]
fn a_stop_set_that_cannot_be_is_refused_before_the_first_row() {
    let directory = directory();
    let make = |more: &str| {
        let recipe = format!(r#"{{"tokenizer": {:?}{more}}}"#, directory.text());
        Encoder::new(Recipe::from_json(&recipe).unwrap())
    };
    assert_eq!(
        make(r#", "stop": [5000]"#).unwrap_err().code(),
        "unset-terminator"
    );
    let error = make(r#", "stop": ["<|im_ende|>"]"#).unwrap_err();
    assert_eq!(error.code(), "unknown-stop-token");
    assert!(error.hint_text().unwrap().contains("<|im_end|>"));
    directory.write("tokenizer_config.json", "{}");
    assert_eq!(make("").unwrap_err().code(), "unset-terminator");
    assert!(make(r#", "stop": ["<eos>"]"#).is_ok());
}
