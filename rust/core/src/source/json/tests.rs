//! The parser against `serde_json` and against Python's rules; the splitter against a plain split.

use proptest::prelude::*;

use super::*;
use crate::rules::Rule;
use crate::value::{Arena, Map, Value};

fn value_of<'a>(text: &'a str, arena: &'a Arena) -> Value<'a> {
    parse(text.as_bytes(), arena).unwrap().value
}

fn reason(text: &[u8]) -> (&'static str, usize) {
    let error = parse(text, &Arena::new()).unwrap_err();
    assert_eq!(error.rule, Rule::InvalidJson, "{error}");
    (error.reason, error.offset)
}

fn same(ours: Value<'_>, theirs: &serde_json::Value) -> bool {
    use serde_json::Value as Theirs;
    match (ours, theirs) {
        (Value::Null, Theirs::Null) => true,
        (Value::Bool(ours), Theirs::Bool(theirs)) => ours == *theirs,
        (Value::Int(ours), Theirs::Number(theirs)) => theirs.as_i64() == Some(ours),
        (Value::BigInt(ours), Theirs::Number(theirs)) => theirs.to_string() == ours,
        (Value::Float(ours), Theirs::Number(theirs)) => theirs
            .as_f64()
            .is_some_and(|theirs| theirs.to_bits() == ours.to_bits()),
        (Value::Str(ours), Theirs::String(theirs)) => ours == theirs,
        (Value::List(ours), Theirs::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| same(*a, b))
        }
        (Value::Map(ours), Theirs::Object(theirs)) => {
            ours.entries.len() == theirs.len()
                && ours
                    .iter()
                    .zip(theirs)
                    .all(|(a, b)| a.0 == b.0 && same(a.1, b.1))
        }
        _ => false,
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_map(|float| serde_json::json!(float)),
        ".{0,40}".prop_map(Into::into),
        "[\"\\\\/\u{0}-\u{20}a中😀]{0,80}".prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::vec((".{0,9}", inner), 0..6)
                .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn texts_of_serde_json_are_read_alike(value in json(), pretty in any::<bool>()) {
        let text = if pretty {
            serde_json::to_string_pretty(&value).unwrap()
        } else {
            value.to_string()
        };
        let arena = Arena::new();
        let ours = value_of(&text, &arena);
        prop_assert!(same(ours, &value), "{text}");
    }

    #[test]
    fn no_input_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, &Arena::new());
    }

    #[test]
    fn no_almost_json_panics(text in "[\\[\\]{}\",:\\\\ud8-9a-f0-1eE.+ \u{0}中truefalsnN-]{0,60}") {
        let ours = parse(text.as_bytes(), &Arena::new()).is_ok();
        if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
            prop_assert!(ours, "{text}");
        }
    }

    #[test]
    fn rows_do_not_depend_on_the_cuts(
        lines in prop::collection::vec("[a{}\",\\\\\\[\\] \r\u{2028}]{0,12}", 0..12),
        cuts in prop::collection::vec(1_usize..9, 1..30),
        ends in any::<bool>(),
    ) {
        let mut text = lines.join("\n");
        if ends { text.push('\n'); }
        // A first byte `[` would make it an array.
        text.insert(0, '{');
        let whole: Vec<_> = text.split('\n').enumerate().collect();
        let expected: Vec<(u64, String)> = whole
            .into_iter()
            .filter(|(_, line)| !line.trim_matches([' ', '\r']).is_empty())
            .map(|(index, line)| (index as u64 + 1, line.to_owned()))
            .collect();
        prop_assert_eq!(split(text.as_bytes(), &cuts, Splitter::new()).0, expected);
    }

    #[test]
    fn elements_do_not_depend_on_the_cuts(
        values in prop::collection::vec(json(), 0..8),
        cuts in prop::collection::vec(1_usize..40, 1..30),
        pretty in any::<bool>(),
    ) {
        let array = serde_json::Value::Array(values.clone());
        let text = if pretty {
            serde_json::to_string_pretty(&array).unwrap()
        } else {
            array.to_string()
        };
        let (rows, error) = split(text.as_bytes(), &cuts, Splitter::new());
        prop_assert!(error.is_none(), "{:?}", error);
        let read: Vec<serde_json::Value> =
            rows.iter().map(|(_, row)| serde_json::from_str(row).unwrap()).collect();
        // Through text once, because `serde_json` may lose the last digit of a float.
        let expected: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn long_rows_lose_all_but_their_start(
        lines in prop::collection::vec("[a{}\",\\[\\] \u{2028}]{0,24}", 0..12),
        values in prop::collection::vec(json(), 0..8),
        cuts in prop::collection::vec(1_usize..9, 1..30),
        most in 1_usize..12,
    ) {
        let pretty = serde_json::to_string_pretty(&values).unwrap();
        for text in [format!("{{{}", lines.join("\n")), pretty] {
            let whole = places(text.as_bytes(), &[text.len()], Splitter::new());
            let limited = places(text.as_bytes(), &cuts, Splitter::new().keeping(most));
            prop_assert_eq!(limited.len(), whole.len());
            for (row, short) in whole.iter().zip(&limited) {
                prop_assert_eq!((row.0, row.1, row.2), (short.0, short.1, short.2));
                // What comes with the end of the row is no longer left out.
                let kept = most.min(row.3.len());
                prop_assert_eq!(&short.3[..kept], &row.3[..kept]);
                prop_assert!(row.3.len() > most || short.3 == row.3);
                prop_assert!(short.3.len() <= most + 9 || short.4 == 0);
                prop_assert!(row.3.len() <= short.3.len() + short.4 as usize);
            }
        }
    }

    #[test]
    fn ranges_share_out_every_row_once(
        lines in prop::collection::vec("[a-c ]{0,9}", 0..20),
        length in 1_u64..25,
        cut in 1_usize..12,
    ) {
        let text = format!("{{{}", lines.join("\n"));
        let whole = split(text.as_bytes(), &[cut], Splitter::new()).0;
        let mut parts = Vec::new();
        let (mut line, mut index) = (1, 0);
        for start in (0..text.len() as u64).step_by(length as usize) {
            let mut splitter =
                Splitter::for_range(start, start + length).counting_from(line, index);
            let mut rows = RawRows::default();
            for block in text.as_bytes()[start.saturating_sub(1) as usize..].chunks(cut) {
                splitter.feed(block, &mut rows).unwrap();
                collect(&rows, &mut parts);
            }
            splitter.finish(&mut rows).unwrap();
            collect(&rows, &mut parts);
            (line, index) = splitter.next_place();
        }
        prop_assert_eq!(parts, whole);
    }
}

fn collect(rows: &RawRows, into: &mut Vec<(u64, String)>) {
    for row in rows.iter() {
        into.push((row.line, String::from_utf8(row.bytes.to_vec()).unwrap()));
    }
}

/// Index, line, offset, text and omitted bytes of a row.
type RowPlace = (u64, u64, u64, Vec<u8>, u64);

/// Splits a sound text that is fed in blocks of these lengths.
fn places(text: &[u8], cuts: &[usize], mut splitter: Splitter) -> Vec<RowPlace> {
    let (mut rows, mut found, mut rest) = (RawRows::default(), Vec::new(), text);
    let mut add = |rows: &RawRows| {
        let places = rows.iter().map(|row| {
            let bytes = row.bytes.to_vec();
            (row.index, row.line, row.offset, bytes, row.omitted)
        });
        found.extend(places);
    };
    for cut in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (block, after) = rest.split_at((*cut).min(rest.len()));
        rest = after;
        splitter.feed(block, &mut rows).unwrap();
        add(&rows);
    }
    splitter.finish(&mut rows).unwrap();
    add(&rows);
    found
}

/// Feeds `text` in blocks of the lengths in `cuts`, over and over.
fn split(
    text: &[u8],
    cuts: &[usize],
    mut splitter: Splitter,
) -> (Vec<(u64, String)>, Option<crate::Error>) {
    let (mut rows, mut found, mut rest) = (RawRows::default(), Vec::new(), text);
    for cut in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (block, after) = rest.split_at((*cut).min(rest.len()));
        rest = after;
        let fed = splitter.feed(block, &mut rows);
        collect(&rows, &mut found);
        if let Err(error) = fed {
            return (found, Some(error));
        }
    }
    let finished = splitter.finish(&mut rows);
    collect(&rows, &mut found);
    (found, finished.err())
}

#[test]
fn constants_of_python_are_numbers() {
    let arena = Arena::new();
    let Value::List([nan, infinity, negative]) = value_of("[NaN, Infinity, -Infinity]", &arena)
    else {
        panic!("not a list of three");
    };
    assert!(matches!(nan, Value::Float(float) if float.is_nan()));
    assert_eq!(*infinity, Value::Float(f64::INFINITY));
    assert_eq!(*negative, Value::Float(f64::NEG_INFINITY));
}

#[test]
fn integers_keep_every_digit() {
    let arena = Arena::new();
    assert_eq!(value_of("-0", &arena), Value::Int(0));
    assert_eq!(
        value_of("9223372036854775807", &arena),
        Value::Int(i64::MAX)
    );
    assert_eq!(
        value_of("-9223372036854775809", &arena),
        Value::BigInt("-9223372036854775809")
    );
    let longest = "9".repeat(4300);
    assert_eq!(value_of(&longest, &arena), Value::BigInt(&longest));
    assert_eq!(reason(format!("{longest}9").as_bytes()).1, 0);
}

#[test]
fn floats_are_pythons() {
    let arena = Arena::new();
    let Value::Float(zero) = value_of("-0.0", &arena) else {
        panic!("not a float")
    };
    assert!(zero == 0.0 && zero.is_sign_negative());
    assert_eq!(value_of("1E400", &arena), Value::Float(f64::INFINITY));
    assert_eq!(value_of("1e5", &arena), Value::Float(100_000.0));
    assert_eq!(value_of("0.1", &arena), Value::Float(0.1));
}

#[test]
fn incomplete_numbers_end_where_pythons_do() {
    assert_eq!(reason(b"01"), ("Extra data", 1));
    assert_eq!(reason(b"1."), ("Extra data", 1));
    assert_eq!(reason(b"1e+"), ("Extra data", 1));
    assert_eq!(reason(b"-"), ("Expecting value", 0));
    assert_eq!(reason(b"[-a]"), ("Expecting value", 1));
    assert_eq!(reason(b"+1"), ("Expecting value", 0));
}

#[test]
fn of_duplicate_keys_the_last_value_stands_first() {
    let arena = Arena::new();
    let parsed = parse(br#"{"a": 1, "b": 2, "a": 3, "a": 4}"#, &arena).unwrap();
    assert_eq!(parsed.duplicate_keys, 2);
    assert_eq!(
        parsed.value,
        Value::Map(Map::new(&[("a", Value::Int(4)), ("b", Value::Int(2))]))
    );
}

#[test]
fn many_keys_are_merged_as_few_are() {
    let arena = Arena::new();
    let keys: Vec<String> = (0..300).map(|n| format!("\"{}\": {n}", n % 100)).collect();
    let text = format!("{{{}}}", keys.join(","));
    let parsed = parse(text.as_bytes(), &arena).unwrap();
    assert_eq!(parsed.duplicate_keys, 200);
    let map = parsed.value.as_map().unwrap();
    assert_eq!(map.entries[7], ("7", Value::Int(207)));
}

#[test]
fn plain_strings_are_borrowed() {
    let arena = Arena::new();
    let text = r#"["中文 plain", "line\n\u00e9\ud83d\ude00\/"]"#;
    let Value::List([plain, escaped]) = value_of(text, &arena) else {
        panic!("not two")
    };
    let plain = plain.as_str().unwrap();
    assert!(text.as_bytes().as_ptr_range().contains(&plain.as_ptr()));
    assert_eq!(escaped.as_str(), Some("line\né😀/"));
}

#[test]
fn half_a_surrogate_pair_has_its_own_rule() {
    for text in [
        &br#"{"a": "x\ud800y"}"#[..],
        br#"["\udc00"]"#,
        br#"["\ud800\ud800"]"#,
        br#"["\ud83d\n"]"#,
        b"[\"x\xED\xA0\x80y\"]",
        b"[\"\xED\xA0\xBD\xED\xB8\x80\"]",
    ] {
        let error = parse(text, &Arena::new()).unwrap_err();
        assert_eq!(error.rule, Rule::LoneSurrogate, "{error}");
    }
    assert_eq!(reason(br#"["\ud800", x]"#), ("Expecting value", 11));
    assert_eq!(reason(b"[\"\xED\xA0\x80\", x]"), ("Expecting value", 8));
    assert_eq!(reason(b"[\"\xED\xA0\x80\xFF\"]"), ("Invalid UTF-8", 2));
}

#[test]
fn bytes_that_are_not_utf8_are_not_json() {
    for text in [
        &b"\"\xFF\""[..],
        b"\"\xED\xC0\x80\"",
        b"\"\xC0\x80\"",
        b"\"\xF5\x80\x80\x80\"",
        b"\"\xE4\xB8",
    ] {
        assert_eq!(reason(text), ("Invalid UTF-8", 1));
    }
}

#[test]
fn pythons_refusals_are_ours() {
    assert_eq!(reason(b""), ("Expecting value", 0));
    assert_eq!(reason(b"\"a\x01\""), ("Invalid control character", 2));
    assert_eq!(reason(b"\"a"), ("Unterminated string starting", 0));
    assert_eq!(reason(b"\"a\\"), ("Unterminated string starting", 0));
    assert_eq!(reason(b"\"\\x\""), ("Invalid \\escape", 1));
    assert_eq!(reason(b"\"\\u12g4\""), ("Invalid \\uXXXX escape", 2));
    assert_eq!(reason(b"[1,]"), ("Expecting value", 3));
    assert_eq!(reason(b"{\"a\":1,}").1, 7);
    assert_eq!(reason(b"{1:2}").1, 1);
    assert_eq!(reason(b"[1 2]"), ("Expecting ',' delimiter", 3));
    assert_eq!(reason(b"\x0c1"), ("Expecting value", 0));
    assert_eq!(reason(b"nul"), ("Expecting value", 0));
}

#[test]
fn a_byte_order_mark_is_skipped_once() {
    let arena = Arena::new();
    assert_eq!(
        parse(b"\xEF\xBB\xBF1", &arena).unwrap().value,
        Value::Int(1)
    );
    assert_eq!(reason(b"\xEF\xBB\xBF\xEF\xBB\xBF1").1, 3);
}

#[test]
fn depth_is_limited_clearly() {
    let arena = Arena::new();
    let depth = MAX_DEPTH as usize;
    let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(deep.as_bytes(), &arena).is_ok());
    assert_eq!(
        reason("[".repeat(100_000).as_bytes()),
        ("More than 1000 levels of nesting", depth)
    );
}

#[test]
fn an_error_says_line_and_column() {
    let error = parse("{\n \"中\": x}".as_bytes(), &Arena::new()).unwrap_err();
    assert_eq!((error.line, error.column, error.offset), (2, 7, 10));
    assert_eq!(
        error.to_string(),
        "Expecting value at line 2 of the row, column 7"
    );
}

#[test]
fn a_row_knows_its_place() {
    let mut rows = RawRows::default();
    let mut splitter = Splitter::new();
    splitter
        .feed("\u{feff}{}\r\n\n [1]\n".as_bytes(), &mut rows)
        .unwrap();
    let places: Vec<_> = rows
        .iter()
        .map(|row| (row.bytes, row.index, row.line, row.offset))
        .collect();
    assert_eq!(places, [(&b"{}\r"[..], 0, 1, 3), (&b" [1]"[..], 1, 3, 8)]);
}

#[test]
fn an_element_knows_its_place() {
    let text = b"[\n  {\"a\": \"]\\\"\"},\n\n  2 ,[3,{}]\n]\n";
    let mut rows = RawRows::default();
    Splitter::new().feed(text, &mut rows).unwrap();
    let places: Vec<_> = rows
        .iter()
        .map(|row| (row.bytes, row.line, row.offset))
        .collect();
    assert_eq!(
        places,
        [
            (&b"{\"a\": \"]\\\"\"}"[..], 2, 4),
            (&b"2"[..], 4, 21),
            (&b"[3,{}]"[..], 4, 24)
        ]
    );
}

#[test]
fn a_broken_array_gives_its_rows_and_the_place() {
    for (text, row, line) in [
        ("[{},\n{}\n,{\"a\": \"", 2, 3),
        ("[{}\n,{}", 1, 2),
        ("[{}\n,{}\n] {}", 2, 3),
        ("[{},\n}]", 1, 2),
        ("[{},\n]", 1, 2),
        ("[{},,{}]", 1, 1),
        ("[", 0, 1),
    ] {
        for cut in [1, 2, 3, 100] {
            let (rows, error) = split(text.as_bytes(), &[cut], Splitter::new());
            let error = error.unwrap();
            assert_eq!(rows.len(), row, "{text} {error}");
            assert_eq!(error.location().line, Some(line), "{text} {error}");
        }
    }
}

#[test]
fn utf16_is_named() {
    let error = Splitter::new()
        .feed(b"\xFF\xFE{\0", &mut RawRows::default())
        .unwrap_err();
    assert!(error.what().contains("UTF-16"));
}

proptest! {
    /// Lines that are not blank are the rows that the splitter finds, wherever blocks are cut.
    #[test]
    fn lines_are_counted_as_they_are_split(
        text in "([ \\t\\r\\n]|1\\n|[0-9]{1,3}){0,40}",
        block in 1_usize..9,
    ) {
        let (mut lines, mut found) = (Lines::default(), 0);
        let mut splitter = Splitter::for_range(0, u64::MAX);
        let mut rows = RawRows::default();
        for block in text.as_bytes().chunks(block) {
            lines.add(block);
            splitter.feed(block, &mut rows).unwrap();
            found += rows.len();
        }
        prop_assert_eq!(lines.ended, text.matches('\n').count() as u64);
        prop_assert_eq!(lines.ended - lines.blank, found as u64);
        splitter.finish(&mut rows).unwrap();
        prop_assert_eq!(lines.begun, !rows.is_empty());
    }
}

#[test]
fn equal_values_have_equal_hashes() {
    let mut buffer = String::new();
    let one = hash_of(Value::Map(Map::new(&[("a", Value::Int(1))])), &mut buffer);
    let other = hash_of(Value::Map(Map::new(&[("a", Value::Str("1"))])), &mut buffer);
    assert_ne!(one, other);
    assert_eq!(
        one,
        hash_of(Value::Map(Map::new(&[("a", Value::Int(1))])), &mut buffer)
    );
}
