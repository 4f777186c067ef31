//! The tables that are written: where batches are cut, and their types.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field};
use proptest::prelude::*;

use super::*;
use crate::recipe::{Column, Layout};
use crate::rules::{Reject, Rule};
use crate::value::{Map, Value};

fn all_columns() -> Vec<Column> {
    columns_of(Layout::Samples)
}

fn columns_of(layout: Layout) -> Vec<Column> {
    let columns = Column::ALL.iter().copied();
    columns.filter(|column| column.fits(layout)).collect()
}

/// Samples of these lengths, whose ids and labels tell which sample and token they are.
fn samples(lengths: &[usize], first: usize) -> SampleRows {
    let mut samples = SampleRows::new(&all_columns(), "a.jsonl");
    for (row, length) in lengths.iter().enumerate() {
        let ids: Vec<u32> = (0..*length)
            .map(|token| ((first + row) * 100 + token) as u32)
            .collect();
        let labels: Vec<i32> = ids
            .iter()
            .map(|id| if id % 2 == 0 { -100 } else { *id as i32 })
            .collect();
        samples.push(SampleRow {
            ids: &ids,
            labels: &labels,
            weights: &[],
        });
    }
    samples
}

proptest! {
    #[test]
    fn batches_do_not_depend_on_the_parts(
        lengths in prop::collection::vec(0_usize..9, 0..40),
        cuts in prop::collection::vec(1_usize..12, 1..9),
        rows in 1_usize..15,
    ) {
        let mut whole = Vec::new();
        let mut batches = Batches::new(SampleRows::new(&all_columns(), "a.jsonl"), rows);
        batches.append(&samples(&lengths, 0), &mut whole).unwrap();
        batches.finish(&mut whole).unwrap();
        let (mut parts, mut first) = (Vec::new(), 0);
        let mut batches = Batches::new(SampleRows::new(&all_columns(), "a.jsonl"), rows);
        for cut in cuts.iter().cycle() {
            if first == lengths.len() { break; }
            let last = lengths.len().min(first + cut);
            batches.append(&samples(&lengths[first..last], first), &mut parts).unwrap();
            first = last;
        }
        batches.finish(&mut parts).unwrap();
        prop_assert_eq!(&parts, &whole);
        prop_assert!(whole[..whole.len() - 1].iter().all(|batch| batch.num_rows() == rows));
    }
}

/// A table of samples, pairs or judged answers, in the form that is written or that waits.
fn table(layout: Layout, lengths: &[usize], waiting: bool) -> SampleRows {
    let columns = columns_of(layout);
    let mut table = SampleRows::new(&columns, "a.jsonl").waiting(waiting);
    let mut next = 0;
    for length in lengths {
        let ids: Vec<u32> = (next..next + *length as u32).collect();
        let labels: Vec<i32> = ids
            .iter()
            .map(|id| if id % 3 == 0 { -100 } else { *id as i32 })
            .collect();
        let weights: Vec<f32> = ids.iter().map(|id| *id as f32 / 2.0).collect();
        let sample = |from: usize| SampleRow {
            ids: &ids[from..],
            labels: &labels[from..],
            weights: &weights[from..],
        };
        let prompt = (length / 3) as u32;
        match layout {
            Layout::Samples => table.push(sample(0)),
            Layout::Pairs => table.push_pair(sample(0), sample(length / 2), prompt / 2),
            Layout::Judged => table.push_judged(sample(0), prompt, length % 2 == 0),
            Layout::Prompts => {
                let text = next.to_string();
                table.push_prompt(sample(0), &text, (length % 2 == 0).then_some(&text));
            }
        }
        next += *length as u32;
    }
    table
}

proptest! {
    #[test]
    fn samples_that_waited_have_every_column_again(
        layout in prop::sample::select(vec![
            Layout::Samples,
            Layout::Pairs,
            Layout::Judged,
            Layout::Prompts,
        ]),
        lengths in prop::collection::vec(0_usize..9, 1..30),
        cut in any::<prop::sample::Index>(),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let columns = columns_of(layout);
        let written = table(layout, &lengths, false).take_batch().unwrap();
        let waiting = table(layout, &lengths, true).take_batch().unwrap();
        let cut = cut.index(lengths.len());
        let parts = [(0, cut), (cut, lengths.len() - cut)];
        let parts = |batch: &RecordBatch| parts.map(|(from, rows)| batch.slice(from, rows)).to_vec();
        let picks = places.iter().map(|place| place.index(lengths.len()));
        let picks: Vec<_> = picks
            .map(|row| if row < cut { (0, row as u32) } else { (1, (row - cut) as u32) })
            .collect();
        let expected = Gatherer::new(parts(&written), &[]).unwrap().rows(&picks).unwrap();
        let mut gatherer = Gatherer::new(parts(&waiting), &columns).unwrap();
        prop_assert_eq!(gatherer.samples(&picks).unwrap(), expected.clone());
        let moved = gatherer.rows(&picks).unwrap();
        let again: Vec<_> = (0..picks.len() as u32).map(|row| (0, row)).collect();
        let mut gatherer = Gatherer::new(vec![moved], &columns).unwrap();
        // Twice: the memory of the first batch is used again.
        prop_assert_eq!(gatherer.samples(&again).unwrap(), expected.clone());
        prop_assert_eq!(gatherer.samples(&again).unwrap(), expected);
    }
}

#[test]
fn a_label_that_is_another_id_cannot_wait() {
    let mut table = SampleRows::new(&[Column::InputIds, Column::Labels], "").waiting(true);
    table.push(SampleRow {
        ids: &[1, 2],
        labels: &[-100, 3],
        weights: &[],
    });
    assert_eq!(table.take_batch().unwrap_err().code(), "label-without-id");
}

#[test]
fn the_table_of_samples_has_the_types_that_trainers_load() {
    let mut out = Vec::new();
    let mut batches = Batches::new(SampleRows::new(&all_columns(), "a.jsonl"), 10);
    batches.append(&samples(&[3, 1], 0), &mut out).unwrap();
    batches.finish(&mut out).unwrap();
    let list = |item| DataType::List(Arc::new(Field::new("item", item, true)));
    let schema = out[0].schema();
    let types: Vec<_> = schema
        .fields()
        .iter()
        .map(|f| (f.name().as_str(), f.data_type().clone()))
        .collect();
    assert_eq!(
        types,
        [
            ("input_ids", list(DataType::Int32)),
            ("labels", list(DataType::Int32)),
            ("attention_mask", list(DataType::Int8)),
            ("length", DataType::Int32),
            ("position_ids", list(DataType::Int32)),
            ("weights", list(DataType::Float32)),
            ("source", DataType::Utf8),
        ]
    );
    let lists = |name: &str| {
        out[0]
            .column_by_name(name)
            .unwrap()
            .as_list::<i32>()
            .clone()
    };
    let ints = |name: &str, row| {
        lists(name)
            .value(row)
            .as_primitive::<Int32Type>()
            .values()
            .to_vec()
    };
    assert_eq!(ints("input_ids", 0), [0, 1, 2]);
    assert_eq!(ints("labels", 0), [-100, 1, -100]);
    assert_eq!(ints("position_ids", 0), [0, 1, 2]);
    assert_eq!(ints("input_ids", 1), [100]);
    assert_eq!(
        lists("attention_mask")
            .value(0)
            .as_primitive::<Int8Type>()
            .values()
            .to_vec(),
        [1, 1, 1]
    );
    let weights = lists("weights").value(0);
    assert_eq!(
        weights
            .as_primitive::<arrow_array::types::Float32Type>()
            .values()
            .to_vec(),
        [0.0, 1.0, 0.0]
    );
    assert_eq!(out[0]["source"].as_string::<i32>().value(1), "a.jsonl");
}

/// A column of lists of integers.
fn lists_of(batch: &RecordBatch, column: &str) -> Vec<Vec<i32>> {
    let lists = batch[column].as_list::<i32>().iter().flatten();
    lists
        .map(|list| list.as_primitive::<Int32Type>().values().to_vec())
        .collect()
}

#[test]
fn pairs_and_judged_answers_are_cut_behind_their_prompts() {
    fn sample<'s>(ids: &'s [u32], labels: &'s [i32]) -> SampleRow<'s> {
        SampleRow {
            ids,
            labels,
            weights: &[],
        }
    }
    let mut pairs = SampleRows::new(&columns_of(Layout::Pairs), "");
    let mut judged = SampleRows::new(&columns_of(Layout::Judged), "");
    for first in [0, 10] {
        let chosen = [first, first + 1, first + 2];
        let labels = [-100, -100, first as i32 + 2];
        let rejected = [first, first + 1];
        pairs.push_pair(
            sample(&chosen, &labels),
            sample(&rejected, &[-100, first as i32 + 1]),
            1,
        );
        judged.push_judged(sample(&chosen, &labels), 2, first == 0);
    }
    let batch_of = |part: &SampleRows| {
        let (mut out, mut batches) = (Vec::new(), Batches::new(part.clone(), 10));
        batches.finish(&mut out).unwrap();
        out.remove(0)
    };
    let batch = batch_of(&pairs);
    assert_eq!(lists_of(&batch, "prompt_ids"), [[0], [10]]);
    assert_eq!(lists_of(&batch, "chosen_ids"), [[1, 2], [11, 12]]);
    assert_eq!(lists_of(&batch, "rejected_ids"), [[1], [11]]);
    assert_eq!(
        lists_of(&batch, "chosen_input_ids"),
        [[0, 1, 2], [10, 11, 12]]
    );
    assert_eq!(lists_of(&batch, "rejected_labels"), [[-100, 1], [-100, 11]]);
    let batch = batch_of(&judged);
    assert_eq!(lists_of(&batch, "prompt_ids"), [[0, 1], [10, 11]]);
    assert_eq!(lists_of(&batch, "completion_ids"), [[2], [12]]);
    let labels = batch["label"].as_boolean();
    assert!(labels.value(0) && !labels.value(1));
    // Parts that are joined give the same.
    let mut joined = SampleRows::new(&columns_of(Layout::Pairs), "");
    joined.extend(&pairs, 1..2);
    assert_eq!(lists_of(&batch_of(&joined), "rejected_ids"), [[11]]);
}

/// Where the values of a column of lists lie.
fn address(batch: &RecordBatch, column: &str) -> *const i32 {
    let lists = batch[column].as_list::<i32>();
    lists.values().as_primitive::<Int32Type>().values().as_ptr()
}

#[test]
fn memory_of_batches_serves_again_once_nobody_holds_them() {
    let empty = SampleRows::new(Column::DEFAULT, "a.jsonl");
    let spare = empty.spare();
    let mut batches = Batches::new(empty, 2);
    let mut cut = |first: usize| {
        let mut out = Vec::new();
        batches
            .append(&samples(&[30, 40], first), &mut out)
            .unwrap();
        out.remove(0)
    };
    let held = cut(0);
    let expected = held.clone();
    spare.give(held);
    let (second, free) = (cut(2), cut(4));
    let addresses = [&expected, &second, &free].map(|batch| address(batch, "input_ids"));
    spare.give(free);
    let (fifth, sixth) = (cut(6), cut(8));
    // The one that stands ready was made before the memory came back.
    assert!(!addresses.contains(&address(&fifth, "input_ids")));
    let labels = |batch: &RecordBatch| batch["labels"].as_list::<i32>().values().len();
    assert_eq!((labels(&fifth), labels(&sixth)), (70, 70));
    let again = ["input_ids", "labels"].map(|column| address(&sixth, column));
    assert!(again.contains(&addresses[2]));
    // What somebody holds keeps its values.
    let mut out = Vec::new();
    let mut fresh = Batches::new(SampleRows::new(Column::DEFAULT, "a.jsonl"), 2);
    fresh.append(&samples(&[30, 40], 0), &mut out).unwrap();
    assert_eq!(out[0], expected);
}

#[test]
fn a_table_without_rows_gives_one_empty_batch() {
    let mut out = Vec::new();
    let mut batches = Batches::new(SampleRows::new(&[Column::InputIds], ""), 10);
    batches.finish(&mut out).unwrap();
    batches.finish(&mut out).unwrap();
    assert_eq!(out.len(), 1);
    assert_eq!((out[0].num_rows(), out[0].num_columns()), (0, 1));
}

#[test]
fn the_index_carries_columns_as_text() {
    let entry = IndexRow {
        row: 7,
        line: Some(9),
        sample: 1,
        turns: 2,
        length: 30,
        trained: 10,
        hash: u64::MAX,
        conversation: 1,
    };
    let mut part = IndexRows::new(&["id".to_owned(), "tags".to_owned()]);
    let tags = [Value::Str("a\"\u{1}"), Value::Float(0.5), Value::Null];
    part.push(
        entry,
        Map::new(&[("tags", Value::List(&tags)), ("id", Value::Int(3))]),
    );
    part.push(
        IndexRow {
            line: None,
            ..entry
        },
        Map::new(&[("id", Value::Str("x"))]),
    );
    let mut out = Vec::new();
    let mut batches = Batches::new(IndexRows::new(&["id".to_owned(), "tags".to_owned()]), 10);
    batches.append(&part, &mut out).unwrap();
    batches.finish(&mut out).unwrap();
    let ids = out[0]["id"].as_string::<i32>();
    assert_eq!((ids.value(0), ids.value(1)), ("3", "x"));
    let tags = out[0]["tags"].as_string::<i32>();
    assert_eq!(tags.value(0), "[\"a\\\"\\u0001\",0.5,null]");
    assert!(tags.is_null(1) && out[0]["line"].is_null(1));
    assert_eq!(
        out[0]["hash"]
            .as_primitive::<arrow_array::types::UInt64Type>()
            .value(0),
        u64::MAX
    );
    let conversations = out[0]["conversation"].as_fixed_size_binary();
    assert_eq!(conversations.value(0), 1_u128.to_be_bytes());
}

#[test]
fn rejects_keep_place_rule_and_reason() {
    let mut part = RejectRows::new();
    part.push(
        4,
        Some(5),
        Reject::new(Rule::NullContent, "no content").at_message(2),
    );
    part.push(6, None, Reject::new(Rule::InvalidJson, "not JSON"));
    let mut out = Vec::new();
    let mut batches = Batches::new(RejectRows::new(), 10);
    batches.append(&part, &mut out).unwrap();
    batches.finish(&mut out).unwrap();
    assert_eq!(out[0]["code"].as_string::<i32>().value(0), "null-content");
    assert_eq!(out[0]["message"].as_primitive::<Int32Type>().value(0), 2);
    assert!(out[0]["message"].is_null(1) && out[0]["line"].is_null(1));
}
