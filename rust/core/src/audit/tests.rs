//! Each rule fires on data broken in its way, and not on a near miss.

mod documents;
mod json;
mod turns;

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, ListArray, RecordBatch};

use super::*;
use crate::rules::{Finding, IGNORED, Token};

const STOP: i32 = 2;
const BOS: i32 = 1;
const PAD: i32 = 0;
const START: i32 = 3;
const USER: i32 = 4;
const MODEL: i32 = 5;
const NEWLINE: i32 = 6;
/// A control token that is not in the stop set, like another model's end of turn.
const OTHER: i32 = 7;
const SIZE: u32 = 100;

fn plain() -> TokenClasses {
    let mut classes = TokenClasses::new(&[STOP as u32]);
    classes.set_bos(BOS as u32, false);
    classes.set_pad(PAD as u32);
    classes.set_size(SIZE);
    classes.mark_space(NEWLINE as u32);
    for control in [PAD, BOS, STOP, START, OTHER] {
        classes.mark_control(control as u32);
    }
    classes
}

fn with_headers() -> TokenClasses {
    let mut classes = plain();
    for (role, assistant) in [(USER, false), (MODEL, true)] {
        classes.add_header(Header {
            assistant,
            system: false,
            ids: vec![START, role],
            tail: vec![NEWLINE],
        });
    }
    classes
}

type Rows = Vec<Vec<i32>>;

fn lists(rows: &Rows) -> ArrayRef {
    let rows = rows.iter().map(|row| Some(row.iter().map(|id| Some(*id))));
    Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(rows))
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

fn audit(classes: TokenClasses, batches: &[RecordBatch], options: AuditOptions) -> Report {
    let mut audit = Audit::new(classes, options);
    for batch in batches {
        audit
            .add(std::slice::from_ref(batch), &Cancel::default())
            .unwrap();
    }
    audit.finish(&Cancel::default()).unwrap()
}

fn labelled(classes: TokenClasses, ids: &Rows, labels: &Rows) -> Report {
    let batch = batch(vec![("input_ids", lists(ids)), ("labels", lists(labels))]);
    audit(classes, &[batch], AuditOptions::default())
}

/// Ids with the labels of `trained`, a string of `.` and `x` of the same length.
fn row(classes: TokenClasses, ids: &[i32], trained: &str) -> Report {
    labelled(classes, &vec![ids.to_vec()], &vec![mask(ids, trained)])
}

fn mask(ids: &[i32], trained: &str) -> Vec<i32> {
    assert_eq!(ids.len(), trained.len());
    let label = |(id, mark): (&i32, char)| if mark == 'x' { *id } else { IGNORED };
    ids.iter().zip(trained.chars()).map(label).collect()
}

fn names(report: &Report) -> Vec<&'static str> {
    report
        .findings
        .iter()
        .map(|(rule, _)| rule.name())
        .collect()
}

/// The finding of the rule at this place of the report.
fn nth(report: &Report, place: usize) -> &Finding {
    report.findings.iter().nth(place).unwrap().1
}

#[track_caller]
fn assert_only(report: &Report, rule: Rule) {
    assert_eq!(names(report), [rule.name()], "{report:#?}");
}

#[track_caller]
fn assert_quiet(report: &Report) {
    assert_eq!(names(report), [""; 0], "{report:#?}");
}

#[test]
fn a_turn_that_ends_in_a_trained_stop_token_is_clean() {
    assert_quiet(&row(plain(), &[10, 11, 20, 21, STOP], "..xxx"));
    assert_quiet(&row(plain(), &[10, 20, STOP, 11, 21, STOP], ".xx.xx"));
    let chat = [
        START, USER, NEWLINE, 10, STOP, NEWLINE, START, MODEL, NEWLINE, 20, STOP, NEWLINE,
    ];
    assert_quiet(&row(with_headers(), &chat, ".........xx."));
}

#[test]
fn a_missing_terminator_is_named_with_row_and_turn() {
    let report = row(plain(), &[10, 20, 21, 11, 22, STOP], ".xx.xx");
    assert_only(&report, Rule::MissingTerminator);
    let place = &nth(&report, 0).evidence[0];
    assert_eq!((place.row, place.turn), (Some(0), Some(0)));
    assert!(place.tokens.contains(&Token {
        position: 2,
        id: 21,
        label: 21
    }));
}

#[test]
fn a_masked_terminator_is_not_a_missing_one() {
    assert_only(
        &row(plain(), &[10, 20, 21, STOP], ".xx."),
        Rule::TerminatorMasked,
    );
    assert_only(
        &row(plain(), &[10, 20, STOP, 11, 21, STOP], ".x..xx"),
        Rule::TerminatorMasked,
    );
}

#[test]
fn a_stop_id_of_zero_is_a_stop_id() {
    let classes = TokenClasses::new(&[0]);
    assert_quiet(&row(classes.clone(), &[10, 20, 0], ".xx"));
    assert_only(&row(classes, &[10, 20, 0], ".x."), Rule::TerminatorMasked);
}

#[test]
fn rows_cut_at_the_limit_are_told_from_rows_that_never_end() {
    let ids = vec![
        vec![10, 20, STOP],
        vec![10, 20, 21, STOP],
        vec![10, 20, 21, 22],
        vec![10, 11, 12, 20],
    ];
    let labels: Rows = ids
        .iter()
        .zip([".xx", ".xxx", ".xxx", "...x"])
        .map(|(ids, x)| mask(ids, x))
        .collect();
    let report = labelled(plain(), &ids, &labels);
    assert_eq!(names(&report), ["truncated-terminator"]);
    assert_eq!((nth(&report, 0).count, report.limit), (2, Some(4)));
    assert_eq!(nth(&report, 0).evidence[0].row, Some(2));
}

#[test]
fn where_no_row_ends_the_longest_was_not_cut() {
    let ids = vec![vec![10, 20, 21, 22], vec![10, 20, 21], vec![10, 20, 21, 22]];
    let labels: Rows = ids
        .iter()
        .zip([".xxx", ".xx", ".xxx"])
        .map(|(ids, x)| mask(ids, x))
        .collect();
    let report = labelled(plain(), &ids, &labels);
    assert_only(&report, Rule::MissingTerminator);
    assert_eq!((nth(&report, 0).count, nth(&report, 0).rows), (3, 3));
    let order: Vec<_> = nth(&report, 0)
        .evidence
        .iter()
        .map(|place| place.row)
        .collect();
    assert_eq!(order, [Some(0), Some(1), Some(2)]);
}

#[test]
fn one_longest_row_of_an_odd_length_is_not_called_cut() {
    let ids = vec![
        vec![10, 20, STOP],
        vec![10, 20, STOP],
        vec![10, 20, 21, 22, 23],
    ];
    let labels: Rows = ids
        .iter()
        .zip([".xx", ".xx", ".xxxx"])
        .map(|(ids, x)| mask(ids, x))
        .collect();
    assert_only(&labelled(plain(), &ids, &labels), Rule::MissingTerminator);
}

#[test]
fn a_told_limit_decides_and_an_exact_fit_is_no_finding() {
    let run = |ids: Vec<i32>, trained: &str| {
        let labels = vec![mask(&ids, trained)];
        let batch = batch(vec![
            ("input_ids", lists(&vec![ids])),
            ("labels", lists(&labels)),
        ]);
        let options = AuditOptions {
            max_length: Some(4),
            ..AuditOptions::default()
        };
        audit(plain(), &[batch], options)
    };
    assert_only(
        &run(vec![10, 20, 21, 22], ".xxx"),
        Rule::TruncatedTerminator,
    );
    assert_quiet(&run(vec![10, 20, 21, STOP], ".xxx"));
    assert_only(&run(vec![10, 20, 21], ".xx"), Rule::MissingTerminator);
    assert_only(
        &run(vec![10, 20, 21, 22, STOP], ".xxxx"),
        Rule::OverlongSample,
    );
    let filled = run(vec![10, 11, 12, 13], "....");
    assert_eq!(
        names(&filled),
        ["all-labels-masked", "no-generation-markers"]
    );
    assert!(
        nth(&filled, 0).evidence[0]
            .note
            .contains("prompt fills the 4 tokens")
    );
}

#[test]
fn a_wrong_terminator_is_a_control_token_outside_the_stop_set() {
    assert_only(
        &row(plain(), &[10, 20, OTHER], ".xx"),
        Rule::WrongTerminator,
    );
    assert_only(
        &row(plain(), &[10, 20, OTHER, NEWLINE], ".xxx"),
        Rule::WrongTerminator,
    );
    assert_quiet(&row(plain(), &[10, OTHER, 20, STOP], ".xxx"));
}

#[test]
fn doubled_and_early_terminators() {
    assert_only(
        &row(plain(), &[10, 20, STOP, STOP], ".xxx"),
        Rule::DuplicateTerminator,
    );
    assert_only(
        &row(plain(), &[10, 20, STOP, 21, STOP], ".xxxx"),
        Rule::PrematureTerminator,
    );
    let untrained = row(plain(), &[10, 20, STOP, STOP], ".xx.");
    assert_only(&untrained, Rule::TerminatorCut);
}

#[test]
fn tokens_after_the_terminator() {
    assert_only(
        &row(plain(), &[10, 20, STOP, NEWLINE], ".xxx"),
        Rule::TrailingTokensTrained,
    );
    assert_quiet(&row(plain(), &[10, 20, STOP, NEWLINE], ".xx."));
}

#[test]
fn bos_twice_or_not_at_all() {
    assert_only(
        &row(plain(), &[BOS, BOS, 10, 20, STOP], "...xx"),
        Rule::DoubleBos,
    );
    assert_quiet(&row(plain(), &[BOS, 10, 20, STOP], "..xx"));
    let mut expecting = plain();
    expecting.set_bos(BOS as u32, true);
    assert_only(
        &row(expecting.clone(), &[10, 20, STOP], ".xx"),
        Rule::MissingBos,
    );
    assert_quiet(&row(expecting, &[BOS, 10, 20, STOP], "..xx"));
}

#[test]
fn a_bos_that_is_also_the_stop_token_is_no_seam() {
    let mut classes = plain();
    classes.set_bos(STOP as u32, false);
    assert_quiet(&row(classes, &[STOP, 10, 20, STOP], "..xx"));
}

#[test]
fn a_bos_inside_a_document() {
    let seam = [BOS, 10, 20, STOP, BOS, 11, 21, STOP];
    assert_only(&row(plain(), &seam, "..xx..xx"), Rule::PackingBoundary);
    assert_only(
        &row(plain(), &[BOS, 10, BOS, 20, STOP], "...xx"),
        Rule::ControlTokenInContent,
    );
}

#[test]
fn rows_without_a_trained_token() {
    let ids = vec![vec![10, 20, STOP], vec![10, 21, STOP]];
    let one = labelled(plain(), &ids, &vec![vec![IGNORED; 3], mask(&ids[1], ".xx")]);
    assert_only(&one, Rule::AllLabelsMasked);
    assert_eq!(nth(&one, 0).evidence[0].row, Some(0));
    let all = labelled(plain(), &ids, &vec![vec![IGNORED; 3]; 2]);
    assert_eq!(names(&all), ["all-labels-masked", "no-generation-markers"]);
}
