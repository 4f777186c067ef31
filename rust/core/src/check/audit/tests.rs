//! Each rule fires on data broken in its way, and not on a near miss.

use std::sync::Arc;

use arrow_array::types::{Int8Type, Int32Type, Int64Type};
use arrow_array::{ArrayRef, LargeListArray, ListArray, RecordBatch};

use super::*;

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

fn plain() -> Vocabulary {
    let mut vocabulary = Vocabulary::new(&[STOP as u32]);
    vocabulary.set_bos(BOS as u32, false);
    vocabulary.set_pad(PAD as u32);
    vocabulary.set_size(SIZE);
    vocabulary.mark_space(NEWLINE as u32);
    for control in [PAD, BOS, STOP, START, OTHER] {
        vocabulary.mark_control(control as u32);
    }
    vocabulary
}

fn with_headers() -> Vocabulary {
    let mut vocabulary = plain();
    for (role, assistant) in [(USER, false), (MODEL, true)] {
        vocabulary.add_header(Header {
            assistant,
            ids: vec![START, role],
            spaced: true,
        });
    }
    vocabulary
}

type Rows = Vec<Vec<i32>>;

fn lists(rows: &Rows) -> ArrayRef {
    let rows = rows.iter().map(|row| Some(row.iter().map(|id| Some(*id))));
    Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(rows))
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

fn audit(vocabulary: Vocabulary, batches: &[RecordBatch], options: AuditOptions) -> Report {
    let mut audit = Audit::new(vocabulary, options);
    for batch in batches {
        audit
            .add(std::slice::from_ref(batch), &Cancel::default())
            .unwrap();
    }
    audit.finish()
}

fn labelled(vocabulary: Vocabulary, ids: &Rows, labels: &Rows) -> Report {
    let batch = batch(vec![("input_ids", lists(ids)), ("labels", lists(labels))]);
    audit(vocabulary, &[batch], AuditOptions::default())
}

/// Ids with the labels of `trained`, a string of `.` and `x` of the same length.
fn row(vocabulary: Vocabulary, ids: &[i32], trained: &str) -> Report {
    labelled(vocabulary, &vec![ids.to_vec()], &vec![mask(ids, trained)])
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
        .map(|finding| finding.rule.name())
        .collect()
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
    let place = &report.findings[0].evidence[0];
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
    let vocabulary = Vocabulary::new(&[0]);
    assert_quiet(&row(vocabulary.clone(), &[10, 20, 0], ".xx"));
    assert_only(
        &row(vocabulary, &[10, 20, 0], ".x."),
        Rule::TerminatorMasked,
    );
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
    assert_eq!((report.findings[0].count, report.limit), (2, Some(4)));
    assert_eq!(report.findings[0].evidence[0].row, Some(2));
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
    assert_eq!((report.findings[0].count, report.findings[0].rows), (3, 3));
    let order: Vec<_> = report.findings[0]
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
        filled.findings[0].evidence[0]
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
    let mut vocabulary = plain();
    vocabulary.set_bos(STOP as u32, false);
    assert_quiet(&row(vocabulary, &[STOP, 10, 20, STOP], "..xx"));
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
    assert_eq!(one.findings[0].evidence[0].row, Some(0));
    let all = labelled(plain(), &ids, &vec![vec![IGNORED; 3]; 2]);
    assert_eq!(names(&all), ["all-labels-masked", "no-generation-markers"]);
}

/// A chat of two exchanges in the form `<start>role\n…<stop>\n`.
const CHAT: [i32; 24] = [
    START, USER, NEWLINE, 10, STOP, NEWLINE, START, MODEL, NEWLINE, 20, 21, STOP, NEWLINE, //
    START, USER, NEWLINE, 11, STOP, NEWLINE, START, MODEL, NEWLINE, 22, STOP,
];

#[test]
fn prompts_and_headers_in_the_loss() {
    assert_quiet(&row(with_headers(), &CHAT, ".........xxx..........xx"));
    let prompt = row(with_headers(), &CHAT, ".........xxx....x.....xx");
    assert_only(&prompt, Rule::PromptInLoss);
    assert_eq!(prompt.findings[0].evidence[0].message, Some(2));
    let header = row(with_headers(), &CHAT, "......xxxxxx..........xx");
    assert_only(&header, Rule::HeaderInLoss);
    let unlabelled = audit(
        with_headers(),
        &[batch(vec![("input_ids", lists(&vec![CHAT.to_vec()]))])],
        AuditOptions::default(),
    );
    assert!(
        names(&unlabelled).contains(&"prompt-in-loss"),
        "{unlabelled:#?}"
    );
}

#[test]
fn a_trained_run_over_several_messages_is_a_prompt_in_the_loss_without_headers_too() {
    let report = row(plain(), &CHAT, ".........xxxxxxxxxxxxxxx");
    assert_only(&report, Rule::PromptInLoss);
}

#[test]
fn labels_shifted_by_one() {
    for trained in [".........xxx...........x", ".........xxx.........xx."] {
        let report = row(with_headers(), &CHAT, trained);
        assert_eq!(report.findings.len(), 1, "{report:#?}");
    }
    let late = row(with_headers(), &CHAT, "..........xxx.........xx");
    assert_only(&late, Rule::MaskOffByOne);
    assert_eq!(late.findings[0].evidence[0].message, Some(1));
    let early = row(with_headers(), &CHAT, "........xxx...........xx");
    assert_only(&early, Rule::MaskOffByOne);
    let first_lost = row(with_headers(), &CHAT, "..........xx..........xx");
    assert_only(&first_lost, Rule::MaskOffByOne);
    assert_quiet(&row(with_headers(), &CHAT, ".........xxx..........xx"));
}

#[test]
fn labels_that_are_other_tokens() {
    let ids = vec![vec![10, 20, 21, STOP]];
    let shifted = labelled(plain(), &ids, &vec![vec![20, 21, STOP, IGNORED]]);
    assert!(names(&shifted).contains(&"mask-off-by-one"), "{shifted:#?}");
    let foreign = labelled(plain(), &ids, &vec![vec![IGNORED, 20, 30, STOP]]);
    assert_only(&foreign, Rule::LabelMismatch);
}

#[test]
fn a_space_that_the_template_does_not_print() {
    let mut vocabulary = with_headers();
    vocabulary.mark_leading(20);
    let trained = ".........xxx..........xx";
    assert_only(
        &row(vocabulary.clone(), &CHAT, trained),
        Rule::PrefixSpaceDrift,
    );
    vocabulary.set_spaces_answers();
    assert_quiet(&row(vocabulary, &CHAT, trained));
}

#[test]
fn an_assistant_turn_without_labels() {
    let report = row(with_headers(), &CHAT, "......................xx");
    assert_only(&report, Rule::UntrainedAssistantTurn);
    assert_eq!(report.findings[0].evidence[0].message, Some(1));
}

#[test]
fn a_generation_prompt_at_the_end() {
    let mut ids = CHAT[..12].to_vec();
    ids.extend([START, MODEL, NEWLINE]);
    let report = row(with_headers(), &ids, ".........xxx...");
    assert_only(&report, Rule::GenerationPromptInSample);
    ids.extend([22, STOP]);
    assert_quiet(&row(with_headers(), &ids, ".........xxx...xx"));
}

#[test]
fn a_stop_token_inside_a_user_message() {
    let ids = [
        START, USER, NEWLINE, 10, STOP, 11, STOP, START, MODEL, NEWLINE, 20, STOP,
    ];
    assert_only(
        &row(with_headers(), &ids, "..........xx"),
        Rule::ControlTokenInContent,
    );
}

#[test]
fn where_the_next_marker_is_the_stop_token_it_may_be_trained() {
    let (user, model) = (8, 9);
    let mut vocabulary = Vocabulary::new(&[user as u32]);
    vocabulary.add_header(Header {
        assistant: false,
        ids: vec![user],
        spaced: false,
    });
    vocabulary.add_header(Header {
        assistant: true,
        ids: vec![model],
        spaced: false,
    });
    let ids = [user, 10, model, 20, user, 11, model, 21, user];
    assert_quiet(&row(vocabulary.clone(), &ids, "...xx..xx"));
    assert_only(&row(vocabulary, &ids, "...x...xx"), Rule::TerminatorMasked);
}

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
    let mut vocabulary = plain();
    vocabulary.set_pad(STOP as u32);
    let clean = row(vocabulary.clone(), &[10, 20, STOP, STOP, STOP], ".xx..");
    assert_eq!(names(&clean), ["pad-equals-terminator"]);
    let masked = row(vocabulary, &[10, 20, STOP, STOP, STOP], ".x...");
    assert_eq!(
        names(&masked),
        ["terminator-masked", "pad-equals-terminator"]
    );
    assert!((masked.findings[1].rate(1) - 1.0).abs() < f64::EPSILON);
}

#[test]
fn an_unknown_stop_set() {
    let report = row(Vocabulary::default(), &[10, 20, STOP], ".xx");
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
        assert_eq!(report.findings[0].evidence[0].document, 0);
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
