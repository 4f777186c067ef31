//! Rules on rows as columns: ids, masks, padding, packed documents, and data as a whole.

use arrow_array::LargeListArray;
use arrow_array::types::{Int8Type, Int64Type};

use super::*;

#[test]
fn ids_that_no_token_has() {
    let negative = row(plain(), &[10, -200, 20, STOP], "..xx");
    assert_only(&negative, Rule::TokenIdOutOfRange);
    assert_only(
        &row(plain(), &[10, SIZE as i32, STOP], ".xx"),
        Rule::TokenIdOutOfRange,
    );
    assert_quiet(&row(plain(), &[10, SIZE as i32 - 1, STOP], ".xx"));
}

#[test]
fn columns_of_different_lengths() {
    let report = labelled(plain(), &vec![vec![10, 20, STOP]], &vec![vec![IGNORED, 20]]);
    assert_only(&report, Rule::LengthMismatch);
    let ids = vec![vec![10, 20, STOP, 10, 20, STOP]];
    let stale = |lengths: Vec<i32>| {
        let labels = vec![mask(&ids[0], ".xx.xx")];
        let lengths = lists(&vec![lengths]);
        let columns = vec![
            ("input_ids", lists(&ids)),
            ("labels", lists(&labels)),
            ("seq_lengths", lengths),
        ];
        audit(plain(), &[batch(columns)], AuditOptions::default())
    };
    assert_only(&stale(vec![3, 4]), Rule::LengthMismatch);
    assert_quiet(&stale(vec![3, 3]));
}

#[test]
fn pad_and_stop_token_in_one() {
    let mut classes = plain();
    classes.set_pad(STOP as u32);
    let clean = row(classes.clone(), &[10, 20, STOP, STOP, STOP], ".xx..");
    assert_eq!(names(&clean), ["pad-equals-terminator"]);
    let masked = row(classes, &[10, 20, STOP, STOP, STOP], ".x...");
    assert_eq!(
        names(&masked),
        ["terminator-masked", "pad-equals-terminator"]
    );
    assert!((nth(&masked, 1).rate(1) - 1.0).abs() < f64::EPSILON);
}

/// A vocabulary that names no pad token.
fn without_pad() -> TokenClasses {
    let mut classes = TokenClasses::new(&[STOP as u32]);
    classes.set_bos(BOS as u32, false);
    classes.mark_control(OTHER as u32);
    classes.mark_control(START as u32);
    classes
}

#[test]
fn padding_by_any_special_id_without_an_attention_mask() {
    let clean = ([10, 20, STOP], ".xx");
    for filler in [STOP, OTHER] {
        for size in [2, 5] {
            let padding = vec![filler; size];
            let marks = ".".repeat(size);
            let left = [&padding[..], &clean.0].concat();
            assert_quiet(&row(without_pad(), &left, &format!("{marks}{}", clean.1)));
            let right = [&clean.0[..], &padding].concat();
            assert_quiet(&row(without_pad(), &right, &format!("{}{marks}", clean.1)));
        }
    }
    let masked = row(without_pad(), &[10, 20, STOP, STOP, STOP], ".x...");
    assert_only(&masked, Rule::TerminatorMasked);
}

#[test]
fn special_ids_inside_the_text_are_no_padding() {
    let single = [10, 20, STOP, STOP];
    let inside = [10, 20, STOP, STOP, STOP, 11, 21, STOP];
    for (ids, trained) in [
        (&single[..], ".xx."),
        (&inside[..], ".xx...xx"),
        (&inside[..5], ".xx.x"),
    ] {
        let columns = vec![
            ("input_ids", lists(&vec![ids.to_vec()])),
            ("labels", lists(&vec![mask(ids, trained)])),
            ("attention_mask", lists(&vec![vec![1; ids.len()]])),
        ];
        let attended = audit(without_pad(), &[batch(columns)], AuditOptions::default());
        assert_ne!(names(&attended), [""; 0]);
        assert_eq!(names(&row(without_pad(), ids, trained)), names(&attended));
    }
    let begins = row(without_pad(), &[BOS, BOS, 10, 20, STOP], "...xx");
    assert_only(&begins, Rule::DoubleBos);
}

#[test]
fn padding_of_position_zero_is_no_document() {
    let ids = [10, 20, STOP, 11, 21, STOP, OTHER, OTHER, OTHER];
    for positions in [
        vec![0, 1, 2, 0, 1, 2, 0, 0, 0],
        vec![0, 1, 2, 0, 1, 2, 0, 1, 2],
    ] {
        let report = packed(&ids, ".xx.xx...", vec![("position_ids", positions)]);
        assert_quiet(&report);
        assert_eq!(report.documents, 2);
    }
    // A template that prints a line feed after the stop token, and padding by the stop token.
    let ids = [10, 20, STOP, 11, 21, STOP, NEWLINE, STOP, STOP, STOP];
    let positions = vec![0, 1, 2, 0, 1, 2, 3, 0, 0, 0];
    let report = packed(&ids, ".xx.xx....", vec![("position_ids", positions)]);
    assert!(!names(&report).contains(&"all-labels-masked"));
    assert_eq!(report.documents, 2);
    let text = [10, 20, STOP, 11, 21, STOP, 30, 30, 30];
    let positions = vec![0, 1, 2, 0, 1, 2, 0, 1, 2];
    let report = packed(&text, ".xx.xx...", vec![("position_ids", positions)]);
    assert_only(&report, Rule::AllLabelsMasked);
}

#[test]
fn an_unknown_stop_set() {
    let report = row(TokenClasses::default(), &[10, 20, STOP], ".xx");
    assert!(names(&report).contains(&"unset-terminator"));
}

fn packed(ids: &[i32], trained: &str, boundaries: Vec<(&str, Vec<i32>)>) -> Report {
    let mut columns = vec![
        ("input_ids", lists(&vec![ids.to_vec()])),
        ("labels", lists(&vec![mask(ids, trained)])),
    ];
    for (name, values) in boundaries {
        columns.push((name, lists(&vec![values])));
    }
    audit(plain(), &[batch(columns)], AuditOptions::default())
}

#[test]
fn packed_rows_have_a_terminator_in_each_document() {
    let ids = [10, 20, STOP, 11, 21, STOP];
    for boundaries in [
        ("seq_lengths", vec![3, 3]),
        ("seq_start_id", vec![0, 3]),
        ("cu_seqlens", vec![0, 3, 6]),
        ("position_ids", vec![0, 1, 2, 0, 1, 2]),
        ("attention_mask", vec![1, 1, 1, 2, 2, 2]),
    ] {
        let report = packed(&ids, ".xx.xx", vec![boundaries.clone()]);
        assert_quiet(&report);
        assert_eq!(report.documents, 2, "{boundaries:?}");
        let mut broken = ids;
        broken[2] = 22;
        let report = packed(&broken, ".xx.xx", vec![boundaries]);
        assert_only(&report, Rule::MissingTerminator);
        assert_eq!(nth(&report, 0).evidence[0].document, 0);
    }
}

#[test]
fn positions_that_do_not_start_anew() {
    let ids = [10, 20, STOP, 11, 21, STOP];
    let boundaries = |positions| vec![("seq_lengths", vec![3, 3]), ("position_ids", positions)];
    let broken = packed(&ids, ".xx.xx", boundaries(vec![0, 1, 2, 3, 4, 5]));
    assert_only(&broken, Rule::PackingBoundary);
    assert_quiet(&packed(&ids, ".xx.xx", boundaries(vec![0, 1, 2, 0, 1, 2])));
}

#[test]
fn a_label_across_the_seam() {
    let ids = [10, 20, STOP, 11, 21, STOP];
    let boundaries = || vec![("seq_lengths", vec![3, 3])];
    assert_quiet(&packed(&ids, ".xxxxx", boundaries()));
    let ids = [10, 20, STOP, 11, STOP, 12, 21, STOP];
    let report = packed(&ids, ".xxxx.xx", vec![("seq_lengths", vec![3, 5])]);
    assert_only(&report, Rule::PackingBoundary);
}

#[test]
fn a_turn_split_over_two_packed_rows() {
    let ids = vec![
        vec![10, 20, STOP, 11, 21, 22],
        vec![23, STOP, 12, 24, STOP, 13],
    ];
    let labels = vec![mask(&ids[0], ".xx.xx"), mask(&ids[1], "xx.xx.")];
    let run = |labels: &Rows, options: AuditOptions| {
        let lengths = lists(&vec![vec![3, 3], vec![2, 3, 1]]);
        let columns = vec![
            ("input_ids", lists(&ids)),
            ("labels", lists(labels)),
            ("seq_lengths", lengths),
        ];
        audit(plain(), &[batch(columns)], options)
    };
    let split = run(&labels, AuditOptions::default());
    assert_eq!(names(&split), ["all-labels-masked", "packing-split-turn"]);
    let unrelated = vec![labels[0].clone(), mask(&ids[1], "...xx.")];
    let report = run(&unrelated, AuditOptions::default());
    assert!(
        !names(&report).contains(&"packing-split-turn"),
        "{report:#?}"
    );
}

#[test]
fn several_text_documents_without_boundaries() {
    let ids = vec![vec![10, 11, STOP, 12, 13, STOP]];
    let joined = batch(vec![("input_ids", lists(&ids))]);
    let report = audit(plain(), &[joined], AuditOptions::default());
    assert_only(&report, Rule::PackingBoundary);
    let single = batch(vec![("input_ids", lists(&vec![vec![10, 11, STOP]]))]);
    assert_quiet(&audit(plain(), &[single], AuditOptions::default()));
}

fn bytes(rows: &[Vec<i8>]) -> ArrayRef {
    let rows = rows
        .iter()
        .map(|row| Some(row.iter().map(|value| Some(*value))));
    Arc::new(LargeListArray::from_iter_primitive::<Int8Type, _, _>(rows))
}

#[test]
fn masks_stand_for_labels() {
    let ids: ArrayRef = Arc::new(LargeListArray::from_iter_primitive::<Int64Type, _, _>([
        Some([10, 20, 21, i64::from(STOP)].map(Some)),
    ]));
    for name in ["loss_mask", "completion_mask", "assistant_masks"] {
        let good = batch(vec![
            ("input_ids", ids.clone()),
            (name, bytes(&[vec![0, 1, 1, 1]])),
        ]);
        assert_quiet(&audit(plain(), &[good], AuditOptions::default()));
        let bad = batch(vec![
            ("input_ids", ids.clone()),
            (name, bytes(&[vec![0, 1, 1, 0]])),
        ]);
        let report = audit(plain(), &[bad], AuditOptions::default());
        assert_only(&report, Rule::TerminatorMasked);
        let ones = batch(vec![
            ("input_ids", ids.clone()),
            (name, bytes(&[vec![1; 4]])),
        ]);
        let report = audit(plain(), &[ones], AuditOptions::default());
        assert_only(&report, Rule::NoGenerationMarkers);
    }
}

#[test]
fn a_mask_of_the_next_token_is_read_as_such() {
    let ids = lists(&vec![vec![10, 20, 21, STOP]]);
    let columns = vec![
        ("input_ids", ids),
        ("loss_mask", bytes(&[vec![1, 1, 1, 0]])),
        ("seq_start_id", lists(&vec![vec![0]])),
    ];
    assert_quiet(&audit(plain(), &[batch(columns)], AuditOptions::default()));
}

#[test]
fn padding_is_no_part_of_a_row() {
    let ids = [10, 20, STOP, PAD, PAD];
    assert_quiet(&packed(
        &ids,
        ".xx..",
        vec![("attention_mask", vec![1, 1, 1, 0, 0])],
    ));
    assert_quiet(&row(plain(), &ids, ".xx.."));
    let left = [PAD, PAD, 10, 20, STOP];
    assert_quiet(&packed(
        &left,
        "...xx",
        vec![("attention_mask", vec![0, 0, 1, 1, 1])],
    ));
    let open = packed(
        &[10, 20, 21, PAD],
        ".xx.",
        vec![("attention_mask", vec![1, 1, 1, 0])],
    );
    assert_only(&open, Rule::MissingTerminator);
}

#[test]
fn the_number_of_threads_and_batches_changes_nothing() {
    let rows: Vec<(Vec<i32>, &str)> = (0..9000)
        .map(|n| match n % 7 {
            0 => (vec![10, 20, 21], ".xx"),
            3 => (vec![10, 20, 21, 22], ".xxx"),
            _ => (vec![10, 20, STOP], ".xx"),
        })
        .collect();
    let ids: Rows = rows.iter().map(|(ids, _)| ids.clone()).collect();
    let labels: Rows = rows
        .iter()
        .map(|(ids, trained)| mask(ids, trained))
        .collect();
    let whole = batch(vec![("input_ids", lists(&ids)), ("labels", lists(&labels))]);
    let cuts = [0, 1, 5000, 9000];
    let pieces: Vec<RecordBatch> = cuts
        .windows(2)
        .map(|cut| whole.slice(cut[0], cut[1] - cut[0]))
        .collect();
    let one = audit(plain(), &[whole], AuditOptions::default());
    let many = audit(
        plain(),
        &pieces,
        AuditOptions {
            threads: 3,
            ..AuditOptions::default()
        },
    );
    assert_eq!(format!("{one:?}"), format!("{many:?}"));
    assert_eq!(names(&one), ["missing-terminator", "truncated-terminator"]);
}

#[test]
fn a_response_marker_that_does_not_occur() {
    let run = |ids: [i32; 4]| {
        let columns = vec![
            (
                "input_ids",
                lists(&vec![ids.to_vec(), vec![10, 20, STOP, STOP]]),
            ),
            (
                "labels",
                lists(&vec![vec![IGNORED; 4], mask(&[10, 20, STOP, PAD], ".xx.")]),
            ),
        ];
        let options = AuditOptions {
            response_marker: vec![8, 9],
            ..AuditOptions::default()
        };
        audit(plain(), &[batch(columns)], options)
    };
    assert!(names(&run([10, 8, 11, 9])).contains(&"response-marker-not-found"));
    assert!(!names(&run([10, 8, 9, 11])).contains(&"response-marker-not-found"));
}

#[test]
fn data_without_ids_is_an_error_that_names_its_columns() {
    let text = batch(vec![("labels", lists(&vec![vec![1]]))]);
    let error = Audit::new(plain(), AuditOptions::default())
        .add(&[text], &Cancel::default())
        .unwrap_err();
    assert!(error.what().contains("labels"), "{error}");
}
