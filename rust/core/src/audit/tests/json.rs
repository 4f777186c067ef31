//! Rows in JSON give the findings that the same rows give as record batches.

use super::*;

/// Rows of `ids`, all trained; the last one has no terminator.
fn rows() -> (Rows, String) {
    let mut rows: Rows = (0..9000).map(|row| vec![10 + row % 50, STOP]).collect();
    rows.push(vec![10, 11]);
    let line = |row: &Vec<i32>| format!("{{\"input_ids\": {row:?}, \"labels\": {row:?}}}\n");
    let text = rows.iter().map(line).collect();
    (rows, text)
}

fn of_json(text: &str, block: usize, threads: usize) -> Report {
    let options = AuditOptions {
        threads,
        ..AuditOptions::default()
    };
    let mut audit = Audit::new(plain(), options);
    let cancel = Cancel::default();
    audit.start("data", "data", "data", &cancel).unwrap();
    for block in text.as_bytes().chunks(block) {
        audit.add_json(block, FileLayout::Lines, &cancel).unwrap();
    }
    audit.finish(&cancel).unwrap()
}

#[test]
fn json_is_checked_as_batches_are_wherever_blocks_end() {
    let (rows, text) = rows();
    let expected = labelled(plain(), &rows, &rows);
    for (block, threads) in [(text.len(), 1), (100_001, 2), (77, 1)] {
        let found = of_json(&text, block, threads);
        assert_eq!((found.rows, found.tokens), (expected.rows, expected.tokens));
        assert_eq!(names(&found), names(&expected));
        let [found, expected] = [&found, &expected].map(|report| nth(report, 0));
        assert_eq!(
            (found.count, &found.evidence),
            (expected.count, &expected.evidence)
        );
    }
}

#[test]
fn what_is_not_a_row_is_a_finding_at_its_line() {
    let text = "{\"input_ids\": [10, 2]}\n\nnul\n[1]\n{\"input_ids\": [true, 2]}\n{\"input_ids\": [10, 2]}";
    let found = of_json(text, 5, 1);
    let places = |rule| {
        let evidence = found.get(rule).unwrap().evidence.iter();
        let places = evidence.map(|place| (place.row, place.line));
        places.collect::<Vec<_>>()
    };
    assert_eq!(found.rows, 4);
    assert_eq!(places(Rule::InvalidJson), [(None, Some(3))]);
    let odd = [(Some(1), Some(4)), (Some(2), Some(5))];
    assert_eq!(places(Rule::SchemaMismatch), odd);
    assert!((found.get(Rule::InvalidJson).unwrap().rate(found.rows) - 0.25).abs() < 1e-9);
}

#[test]
fn a_batch_has_the_columns_of_all_its_rows() {
    let text = "{\"input_ids\": [10, 2]}\n{\"input_ids\": [10, 2], \"labels\": [10, 2]}\n";
    let found = of_json(text, text.len(), 1);
    let finding = found.get(Rule::LengthMismatch).unwrap();
    assert_eq!((finding.count, finding.evidence[0].row), (1, Some(0)));
    assert_eq!(found.columns, ["input_ids", "labels"]);
}
