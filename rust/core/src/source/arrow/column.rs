//! Columns with children: lists, structs, maps, dictionaries.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int16Type, Int32Type, Int64Type, RunEndIndexType};
use arrow_array::{Array, ArrayRef, MapArray, StructArray, UnionArray};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, UnionFields};

use super::scalar::Scalar;
use crate::rules::Reject;
use crate::source::json;
use crate::value::{Arena, Map, Value};

/// The state of reading one row.
pub(super) struct Reading<'a> {
    pub(super) arena: &'a Arena,
    pub(super) dropped_null: bool,
}

/// The extension type whose text is JSON; `datasets` calls it `Json`.
const JSON: &str = "arrow.json";

/// An Arrow array as a source of values.
#[derive(Debug)]
pub(super) enum Column {
    Scalar(Scalar),
    /// Whether there is something.
    Presence(ArrayRef),
    /// Text that stands for a value: the Arrow type `arrow.json`.
    Json {
        text: Box<Self>,
        name: String,
        /// Text that is not JSON rejects the row; else it stays text.
        strict: bool,
    },
    List {
        ranges: Ranges,
        nulls: Option<NullBuffer>,
        items: Box<Self>,
    },
    Struct {
        fields: Vec<(String, Self)>,
        nulls: Option<NullBuffer>,
    },
    /// A map of string keys.
    Map {
        offsets: OffsetBuffer<i32>,
        nulls: Option<NullBuffer>,
        keys: Box<Self>,
        values: Box<Self>,
    },
    Dictionary {
        array: ArrayRef,
        positions: Vec<usize>,
        values: Box<Self>,
    },
    /// Equal values in a row, kept once.
    Runs {
        positions: Vec<usize>,
        values: Box<Self>,
    },
    /// Values of several types; the children are found by their type id.
    Union {
        array: UnionArray,
        children: Vec<Option<Self>>,
    },
}

/// Where the items of each list lie.
#[derive(Debug)]
pub(super) enum Ranges {
    Small(OffsetBuffer<i32>),
    Large(OffsetBuffer<i64>),
    Fixed(usize),
    SmallView(ScalarBuffer<i32>, ScalarBuffer<i32>),
    LargeView(ScalarBuffer<i64>, ScalarBuffer<i64>),
}

impl Ranges {
    fn get(&self, index: usize) -> Range<usize> {
        match self {
            Self::Small(offsets) => offsets[index] as usize..offsets[index + 1] as usize,
            Self::Large(offsets) => offsets[index] as usize..offsets[index + 1] as usize,
            Self::Fixed(length) => index * length..(index + 1) * length,
            Self::SmallView(offsets, sizes) => {
                let start = offsets[index] as usize;
                start..start + sizes[index] as usize
            }
            Self::LargeView(offsets, sizes) => {
                let start = offsets[index] as usize;
                start..start + sizes[index] as usize
            }
        }
    }
}

/// The position of an array in its row. It decides how a date in it is treated.
#[derive(Clone, Copy)]
enum Nesting<'a> {
    /// A column that is read, or the items of its lists.
    Row { text_fields: &'a [&'a str] },
    /// A field of a message that is not its text.
    MessageField,
    /// Text, or deep inside a column that is read.
    Strict,
    /// A column that is only carried over.
    Carried,
}

impl Nesting<'_> {
    /// The place of a field `name` of a struct that stands at this place.
    fn field(self, name: &str) -> Self {
        match self {
            Self::Row { text_fields } if !text_fields.contains(&name) => Self::MessageField,
            Self::Carried => Self::Carried,
            _ => Self::Strict,
        }
    }

    /// The place of the items of a list, or the values of a map, at this place.
    fn items(self) -> Self {
        match self {
            Self::MessageField => Self::Strict,
            other => other,
        }
    }

    fn is_strict(self) -> bool {
        matches!(self, Self::Row { .. } | Self::Strict)
    }
}

impl Column {
    /// A column that is read; `text_fields` are those of a message.
    pub(super) fn of_row(array: &ArrayRef, field: &Field, text_fields: &[&str]) -> Self {
        Self::of(array, field, field.name(), Nesting::Row { text_fields })
    }

    /// A column that is carried over into the index.
    pub(super) fn carried(array: &ArrayRef, field: &Field) -> Self {
        Self::of(array, field, field.name(), Nesting::Carried)
    }

    /// A column of which only counts whether it holds something.
    pub(super) fn noticed(array: &ArrayRef, field: &Field) -> Self {
        let data_type = array.data_type();
        let is_plain = data_type.is_numeric()
            || matches!(
                data_type,
                DataType::Boolean | DataType::RunEndEncoded(..) | DataType::Union(..)
            )
            || data_type.is_string();
        if is_plain {
            return Self::carried(array, field);
        }
        Self::Presence(array.clone())
    }

    /// The column of a field, which may give its text a meaning; `name` is for messages.
    fn of(array: &ArrayRef, field: &Field, name: &str, place: Nesting<'_>) -> Self {
        if field.extension_type_name() != Some(JSON) {
            return Self::new(array, name, place);
        }
        Self::Json {
            text: Box::new(Self::new(array, name, place)),
            name: name.to_owned(),
            strict: !matches!(place, Nesting::Carried),
        }
    }

    fn new(array: &ArrayRef, name: &str, place: Nesting<'_>) -> Self {
        let list = |ranges, items: &ArrayRef, field: &Field| Self::List {
            ranges,
            nulls: array.nulls().cloned(),
            items: Box::new(Self::of(items, field, name, place.items())),
        };
        match array.data_type() {
            DataType::List(field) => {
                let array = array.as_list::<i32>();
                list(
                    Ranges::Small(array.offsets().clone()),
                    array.values(),
                    field,
                )
            }
            DataType::LargeList(field) => {
                let array = array.as_list::<i64>();
                list(
                    Ranges::Large(array.offsets().clone()),
                    array.values(),
                    field,
                )
            }
            DataType::FixedSizeList(field, length) => {
                let array = array.as_fixed_size_list();
                list(Ranges::Fixed(*length as usize), array.values(), field)
            }
            DataType::ListView(field) => {
                let array = array.as_list_view::<i32>();
                let ranges = Ranges::SmallView(array.offsets().clone(), array.sizes().clone());
                list(ranges, array.values(), field)
            }
            DataType::LargeListView(field) => {
                let array = array.as_list_view::<i64>();
                let ranges = Ranges::LargeView(array.offsets().clone(), array.sizes().clone());
                list(ranges, array.values(), field)
            }
            DataType::Struct(_) => Self::of_struct(array.as_struct(), place),
            DataType::Map(..) => Self::of_map(array.as_map(), name, place),
            DataType::Dictionary(..) => Self::of_dictionary(array, name, place),
            DataType::RunEndEncoded(ends, field) => match ends.data_type() {
                DataType::Int16 => Self::of_runs::<Int16Type>(array, field, name, place),
                DataType::Int32 => Self::of_runs::<Int32Type>(array, field, name, place),
                _ => Self::of_runs::<Int64Type>(array, field, name, place),
            },
            DataType::Union(fields, _) => Self::of_union(array.as_union(), fields, name, place),
            _ => Self::Scalar(Scalar::new(array, name, place.is_strict())),
        }
    }

    fn of_struct(array: &StructArray, place: Nesting<'_>) -> Self {
        let field = |(field, child): (&std::sync::Arc<Field>, &ArrayRef)| {
            let name = field.name();
            (
                name.clone(),
                Self::of(child, field, name, place.field(name)),
            )
        };
        Self::Struct {
            fields: array
                .fields()
                .iter()
                .zip(array.columns())
                .map(field)
                .collect(),
            nulls: array.nulls().cloned(),
        }
    }

    fn of_map(array: &MapArray, name: &str, place: Nesting<'_>) -> Self {
        let (_, values) = array.entries_fields();
        Self::Map {
            offsets: array.offsets().clone(),
            nulls: array.nulls().cloned(),
            keys: Box::new(Self::new(array.keys(), name, Nesting::Strict)),
            values: Box::new(Self::of(array.values(), values, name, place.items())),
        }
    }

    fn of_dictionary(array: &ArrayRef, name: &str, place: Nesting<'_>) -> Self {
        let dictionary = array.as_any_dictionary();
        let values = dictionary.values();
        // Without values all rows are null, and indices into the values would be invalid.
        let positions = if values.is_empty() {
            Vec::new()
        } else {
            dictionary.normalized_keys()
        };
        Self::Dictionary {
            array: array.clone(),
            positions,
            values: Box::new(Self::new(values, name, place)),
        }
    }

    fn of_runs<E: RunEndIndexType>(
        array: &ArrayRef,
        field: &Field,
        name: &str,
        place: Nesting<'_>,
    ) -> Self {
        let array = array.as_run::<E>();
        let positions = (0..array.len()).map(|index| array.get_physical_index(index));
        Self::Runs {
            positions: positions.collect(),
            values: Box::new(Self::of(array.values(), field, name, place)),
        }
    }

    fn of_union(array: &UnionArray, fields: &UnionFields, name: &str, place: Nesting<'_>) -> Self {
        let mut children = Vec::new();
        for (id, field) in fields.iter() {
            // Type ids are not negative.
            let id = id as usize;
            children.resize_with(children.len().max(id + 1), || None);
            children[id] = Some(Self::of(array.child(id as i8), field, name, place));
        }
        Self::Union {
            array: array.clone(),
            children,
        }
    }

    /// The value at `index`.
    pub(super) fn value<'a>(
        &'a self,
        index: usize,
        reading: &mut Reading<'a>,
    ) -> Result<Value<'a>, Reject> {
        match self {
            Self::Scalar(scalar) => scalar.value(index, reading.arena),
            Self::Presence(array) if holds_something(array, index) => Ok(Value::Bool(true)),
            Self::Presence(_) => Ok(Value::Null),
            Self::Json { text, name, strict } => match text.value(index, reading)? {
                Value::Str(text) => json(text, name, *strict, reading.arena),
                other => Ok(other),
            },
            Self::List { nulls, .. } | Self::Struct { nulls, .. } | Self::Map { nulls, .. }
                if nulls.as_ref().is_some_and(|nulls| nulls.is_null(index)) =>
            {
                Ok(Value::Null)
            }
            Self::List { ranges, items, .. } => list(ranges.get(index), items, reading),
            Self::Struct { fields, .. } => object(fields, index, reading),
            Self::Map {
                offsets,
                keys,
                values,
                ..
            } => {
                let range = offsets[index] as usize..offsets[index + 1] as usize;
                map(range, keys, values, reading)
            }
            Self::Dictionary {
                array,
                positions,
                values,
            } => match positions.get(index) {
                Some(position) if array.is_valid(index) => values.value(*position, reading),
                _ => Ok(Value::Null),
            },
            Self::Runs { positions, values } => values.value(positions[index], reading),
            Self::Union { array, children } => {
                let child = children.get(array.type_id(index) as usize);
                match child.and_then(Option::as_ref) {
                    Some(child) => child.value(array.value_offset(index), reading),
                    None => Ok(Value::Null),
                }
            }
        }
    }
}

/// Whether a list has items, a struct has a field that is not null, anything else is not null.
fn holds_something(array: &ArrayRef, index: usize) -> bool {
    if !array.is_valid(index) {
        return false;
    }
    match array.data_type() {
        DataType::List(_) => !array.as_list::<i32>().value(index).is_empty(),
        DataType::LargeList(_) => !array.as_list::<i64>().value(index).is_empty(),
        DataType::Struct(_) => {
            let mut fields = array.as_struct().columns().iter();
            fields.any(|field| holds_something(field, index))
        }
        _ => true,
    }
}

/// The value of a text of the type `arrow.json`.
fn json<'a>(
    text: &'a str,
    name: &str,
    strict: bool,
    arena: &'a Arena,
) -> Result<Value<'a>, Reject> {
    match json::parse(text.as_bytes(), arena) {
        Ok(parsed) => Ok(parsed.value),
        Err(_) if !strict => Ok(Value::Str(text)),
        Err(error) => {
            let reason = format!("`{name}` is of the type JSON, and its text is none: {error}");
            Err(Reject::new(error.rule, reason))
        }
    }
}

fn list<'a>(
    range: Range<usize>,
    items: &'a Column,
    reading: &mut Reading<'a>,
) -> Result<Value<'a>, Reject> {
    let mut values = bumpalo::collections::Vec::with_capacity_in(range.len(), reading.arena);
    for index in range {
        values.push(items.value(index, reading)?);
    }
    Ok(Value::List(values.into_bump_slice()))
}

fn object<'a>(
    fields: &'a [(String, Column)],
    index: usize,
    reading: &mut Reading<'a>,
) -> Result<Value<'a>, Reject> {
    let mut entries = bumpalo::collections::Vec::with_capacity_in(fields.len(), reading.arena);
    for (name, column) in fields {
        match column.value(index, reading)? {
            Value::Null => reading.dropped_null = true,
            value => entries.push((name.as_str(), value)),
        }
    }
    Ok(Value::Map(Map::new(entries.into_bump_slice())))
}

/// Of equal keys, the first position and the last value are kept, as in a Python dict.
fn map<'a>(
    range: Range<usize>,
    keys: &'a Column,
    values: &'a Column,
    reading: &mut Reading<'a>,
) -> Result<Value<'a>, Reject> {
    let mut entries: bumpalo::collections::Vec<'a, (&'a str, Value<'a>)> =
        bumpalo::collections::Vec::with_capacity_in(range.len(), reading.arena);
    for index in range {
        let key = match keys.value(index, reading)? {
            Value::Str(key) => key,
            other => {
                let mut text = String::new();
                crate::source::json::write_json(other, &mut text);
                reading.arena.alloc_str(&text)
            }
        };
        let value = values.value(index, reading)?;
        match entries.iter_mut().find(|(name, _)| *name == key) {
            Some(entry) => entry.1 = value,
            None => entries.push((key, value)),
        }
    }
    Ok(Value::Map(Map::new(entries.into_bump_slice())))
}
