//! Values, nulls and coerced types of record batches.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, Date32Array, Decimal128Array, DictionaryArray, FixedSizeListArray,
    Float32Array, Int32Array, Int64Array, LargeListArray, LargeStringArray, ListArray,
    ListViewArray, MapArray, NullArray, StringArray, StringViewArray, StructArray,
    TimestampMillisecondArray, UInt64Array,
};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field};

use super::*;
use crate::source::json::write_json;

/// The value of the only column `c` at `row`, as JSON, with the rows counted for dropped nulls.
fn read(array: ArrayRef, row: usize) -> Result<(String, u64), Reject> {
    let batch = RecordBatch::try_from_iter_with_nullable([("c", array, true)]).unwrap();
    let wanted = Wanted {
        columns: &["c"],
        text_fields: &["role", "content"],
        carried: &[],
        noticed: &[],
    };
    let rows = ArrowRows::new(&batch, &wanted);
    let (arena, mut counts) = (Arena::new(), RuleCounts::default());
    let value = rows.row(row, &arena, &mut counts)?;
    let mut text = String::new();
    write_json(value.as_map().unwrap().get("c").unwrap(), &mut text);
    Ok((text, counts.get(Rule::ArrowNullDropped)))
}

fn strings(items: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(items.to_vec()))
}

fn structs(fields: Vec<(&str, ArrayRef)>, valid: Option<Vec<bool>>) -> StructArray {
    let (fields, arrays): (Vec<_>, Vec<_>) = fields
        .into_iter()
        .map(|(name, array)| (Field::new(name, array.data_type().clone(), true), array))
        .unzip();
    StructArray::new(fields.into(), arrays, valid.map(NullBuffer::from))
}

fn offsets(ends: &[i32]) -> OffsetBuffer<i32> {
    OffsetBuffer::new(ScalarBuffer::from(ends.to_vec()))
}

fn item(array: &ArrayRef) -> Arc<Field> {
    Arc::new(Field::new("item", array.data_type().clone(), true))
}

#[test]
fn scalars_become_values() {
    let decimal = |digits, scale| -> ArrayRef {
        Arc::new(
            Decimal128Array::from(vec![digits])
                .with_precision_and_scale(30, scale)
                .unwrap(),
        )
    };
    let cases: Vec<(ArrayRef, &str)> = vec![
        (strings(&[Some("中")]), "\"中\""),
        (Arc::new(LargeStringArray::from(vec!["a"])), "\"a\""),
        (
            Arc::new(StringViewArray::from(vec![
                "a string that is longer than twelve bytes",
            ])),
            "\"a string that is longer than twelve bytes\"",
        ),
        (Arc::new(Int32Array::from(vec![-3])), "-3"),
        (
            Arc::new(UInt64Array::from(vec![u64::MAX])),
            "18446744073709551615",
        ),
        (Arc::new(Float32Array::from(vec![0.5])), "0.5"),
        (decimal(1250, 2), "12.5"),
        (decimal(7, 0), "7"),
        (
            decimal(123_456_789_012_345_678_901, 0),
            "123456789012345678901",
        ),
        (
            Arc::new(arrow_array::BooleanArray::from(vec![true])),
            "true",
        ),
        (Arc::new(NullArray::new(1)), "null"),
        (strings(&[None]), "null"),
        (
            Arc::new(
                ["x", "y", "x"]
                    .into_iter()
                    .collect::<DictionaryArray<Int32Type>>(),
            ),
            "\"x\"",
        ),
        (
            Arc::new(
                [None::<&str>]
                    .into_iter()
                    .collect::<DictionaryArray<Int32Type>>(),
            ),
            "null",
        ),
    ];
    for (array, expected) in cases {
        assert_eq!(read(array, 0).unwrap().0, expected);
    }
}

#[test]
fn every_kind_of_list_is_a_list() {
    let ints: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3, 4]));
    let small = ListArray::new(item(&ints), offsets(&[0, 1, 3]), Arc::clone(&ints), None);
    assert_eq!(read(Arc::new(small.clone()), 1).unwrap().0, "[2,3]");
    assert_eq!(read(Arc::new(small.slice(1, 1)), 0).unwrap().0, "[2,3]");
    let ends = OffsetBuffer::new(ScalarBuffer::from(vec![0_i64, 0, 4]));
    let large = LargeListArray::new(
        item(&ints),
        ends,
        Arc::clone(&ints),
        Some(vec![false, true].into()),
    );
    assert_eq!(read(Arc::new(large.clone()), 0).unwrap().0, "null");
    assert_eq!(read(Arc::new(large), 1).unwrap().0, "[1,2,3,4]");
    let fixed = FixedSizeListArray::new(item(&ints), 2, Arc::clone(&ints), None);
    assert_eq!(read(Arc::new(fixed.slice(1, 1)), 0).unwrap().0, "[3,4]");
    let view = ListViewArray::new(
        item(&ints),
        vec![2, 0].into(),
        vec![1, 2].into(),
        Arc::clone(&ints),
        None,
    );
    assert_eq!(read(Arc::new(view.clone()), 0).unwrap().0, "[3]");
    assert_eq!(read(Arc::new(view), 1).unwrap().0, "[1,2]");
}

#[test]
fn nulls_of_structs_are_dropped_at_every_depth_and_counted() {
    let arguments: ArrayRef = Arc::new(structs(
        vec![
            ("x", Arc::new(Int64Array::from(vec![Some(1), None]))),
            ("y", strings(&[None, None])),
        ],
        None,
    ));
    let messages: ArrayRef = Arc::new(structs(
        vec![
            ("content", strings(&[None, Some("a")])),
            ("arguments", arguments),
        ],
        None,
    ));
    let lists: ArrayRef = Arc::new(ListArray::new(
        item(&messages),
        offsets(&[0, 2]),
        messages,
        None,
    ));
    let (text, dropped) = read(lists, 0).unwrap();
    assert_eq!(
        text,
        r#"[{"arguments":{"x":1}},{"content":"a","arguments":{}}]"#
    );
    assert_eq!(dropped, 1);
}

#[test]
fn nulls_of_lists_and_maps_stay() {
    let list: ArrayRef = Arc::new(ListArray::new(
        item(&strings(&[])),
        offsets(&[0, 2]),
        strings(&[None, Some("a")]),
        None,
    ));
    assert_eq!(read(list, 0).unwrap(), ("[null,\"a\"]".to_owned(), 0));
    let fields = vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", DataType::Utf8, true),
    ];
    let keys = strings(&[Some("k"), Some("l"), Some("k")]);
    let values = strings(&[None, None, Some("v")]);
    let entries = StructArray::new(fields.into(), vec![keys, values], None);
    let field = Arc::new(Field::new("entries", entries.data_type().clone(), false));
    let map: ArrayRef = Arc::new(MapArray::new(field, offsets(&[0, 3]), entries, None, false));
    assert_eq!(
        read(map, 0).unwrap(),
        (r#"{"k":"v","l":null}"#.to_owned(), 0)
    );
}

#[test]
fn text_that_became_a_date_rejects_its_row() {
    let dates: Vec<ArrayRef> = vec![
        Arc::new(TimestampMillisecondArray::from(vec![Some(0), None])),
        Arc::new(Date32Array::from(vec![Some(0), None])),
        Arc::new(BinaryArray::from_opt_vec(vec![Some(b"a"), None])),
    ];
    for date in dates {
        assert_eq!(
            read(Arc::clone(&date), 0).unwrap_err().rule,
            Rule::TypeCoercedContent
        );
        assert_eq!(read(Arc::clone(&date), 1).unwrap().0, "null");
        let content: ArrayRef = Arc::new(structs(vec![("content", Arc::clone(&date))], None));
        assert_eq!(read(content, 0).unwrap_err().rule, Rule::TypeCoercedContent);
        let calls: ArrayRef = Arc::new(structs(vec![("day", date)], None));
        let calls: ArrayRef = Arc::new(structs(vec![("tool_calls", calls)], None));
        assert_eq!(read(calls, 0).unwrap_err().rule, Rule::TypeCoercedContent);
    }
}

#[test]
fn a_date_beside_the_text_becomes_text() {
    let time: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![1_500]));
    let message: ArrayRef = Arc::new(structs(vec![("timestamp", Arc::clone(&time))], None));
    assert_eq!(
        read(message, 0).unwrap().0,
        r#"{"timestamp":"1970-01-01T00:00:01.500"}"#
    );
    let batch =
        RecordBatch::try_from_iter([("at", time), ("other", strings(&[Some("x")]))]).unwrap();
    let wanted = Wanted {
        columns: &[],
        text_fields: &[],
        carried: &["at".to_owned()],
        noticed: &[],
    };
    let rows = ArrowRows::new(&batch, &wanted);
    let arena = Arena::new();
    let row = rows.row(0, &arena, &mut RuleCounts::default()).unwrap();
    assert_eq!(
        row,
        Value::Map(Map::new(&[("at", Value::Str("1970-01-01T00:00:01.500"))]))
    );
}
