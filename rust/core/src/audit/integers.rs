//! A column of integer lists.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;

use super::meanings::{COLUMNS, Meaning};
use crate::rules::IGNORED;
use crate::{Error, ErrorKind, Result};

/// Stands for a value that is null or does not fit 32 bits: out of range for ids.
pub(super) const UNREADABLE: i32 = i32::MIN;

/// A column of integer lists.
#[derive(Debug)]
pub(super) struct Integers {
    offsets: Offsets,
    values: Values,
    nulls: Option<NullBuffer>,
}

#[derive(Debug)]
enum Offsets {
    Small(OffsetBuffer<i32>),
    Large(OffsetBuffer<i64>),
    Fixed(usize),
}

#[derive(Debug)]
enum Values {
    /// 32-bit integers, read in place.
    Int32(ScalarBuffer<i32>),
    /// Any other type, converted row by row.
    Other(ArrayRef),
}

impl Integers {
    pub(super) fn of(name: &str, array: &ArrayRef) -> Result<Self> {
        let (offsets, values) = match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                (Offsets::Small(list.offsets().clone()), list.values())
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                (Offsets::Large(list.offsets().clone()), list.values())
            }
            DataType::FixedSizeList(_, size) => {
                let list = array.as_fixed_size_list();
                (Offsets::Fixed(*size as usize), list.values())
            }
            other => return Err(not_integers(name, other)),
        };
        Ok(Self {
            offsets,
            values: Values::of(name, values)?,
            nulls: array.nulls().cloned(),
        })
    }

    /// Flat values, and where the list of each row starts: one more than rows.
    pub(super) fn flat(offsets: Vec<i64>, values: Vec<i32>) -> Self {
        Self {
            offsets: Offsets::Large(OffsetBuffer::new(ScalarBuffer::from(offsets))),
            values: Values::Int32(ScalarBuffer::from(values)),
            nulls: None,
        }
    }

    /// An empty list for each row.
    pub(super) fn empty(rows: usize) -> Self {
        Self::flat(vec![0; rows + 1], Vec::new())
    }

    fn range(&self, row: usize) -> Range<usize> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return 0..0;
        }
        match &self.offsets {
            Offsets::Small(offsets) => offsets[row] as usize..offsets[row + 1] as usize,
            Offsets::Large(offsets) => offsets[row] as usize..offsets[row + 1] as usize,
            Offsets::Fixed(size) => row * size..(row + 1) * size,
        }
    }

    /// Whether every value of the row is 1. Looks only at bytes and booleans, because such columns
    /// have these types.
    pub(super) fn is_all_one(&self, row: usize) -> bool {
        let range = self.range(row);
        match &self.values {
            Values::Other(array) if array.null_count() == 0 => match array.data_type() {
                DataType::Int8 => {
                    let values = array.as_primitive::<Int8Type>().values();
                    values[range].iter().all(|value| *value == 1)
                }
                DataType::Boolean => {
                    let length = range.len();
                    array.as_boolean().slice(range.start, length).true_count() == length
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// The values of a row with -100 in place of `ignored`.
    pub(super) fn row_without<'a>(
        &'a self,
        row: usize,
        ignored: i32,
        scratch: &'a mut Vec<i32>,
    ) -> &'a [i32] {
        if let Values::Int32(values) = &self.values {
            scratch.clear();
            scratch.extend_from_slice(&values[self.range(row)]);
        } else {
            self.row(row, scratch);
        }
        for value in scratch.iter_mut().filter(|value| **value == ignored) {
            *value = IGNORED;
        }
        scratch
    }

    /// Number of values of a row.
    pub(super) fn length(&self, row: usize) -> usize {
        self.range(row).len()
    }

    /// The values of a row: the column's own memory if they are 32-bit, else `scratch`.
    pub(super) fn row<'a>(&'a self, row: usize, scratch: &'a mut Vec<i32>) -> &'a [i32] {
        let range = self.range(row);
        match &self.values {
            Values::Int32(values) => &values[range],
            Values::Other(array) => {
                scratch.clear();
                convert(array, range, scratch);
                scratch
            }
        }
    }
}

impl Values {
    fn of(name: &str, array: &ArrayRef) -> Result<Self> {
        match array.data_type() {
            DataType::Int32 if array.null_count() == 0 => Ok(Self::Int32(
                array.as_primitive::<Int32Type>().values().clone(),
            )),
            DataType::Boolean => Ok(Self::Other(array.clone())),
            kind if kind.is_integer() => Ok(Self::Other(array.clone())),
            DataType::Float32 | DataType::Float64 if !COLUMNS.contains(&(name, Meaning::Ids)) => {
                Ok(Self::Other(array.clone()))
            }
            other => Err(not_integers(name, other)),
        }
    }
}

fn not_integers(name: &str, found: &DataType) -> Error {
    Error::new(
        ErrorKind::Data,
        "schema-mismatch",
        format!("column `{name}` is {found}, not a list of integers"),
    )
}

fn convert(array: &ArrayRef, range: Range<usize>, out: &mut Vec<i32>) {
    match array.data_type() {
        DataType::Int8 => append(array.as_primitive::<Int8Type>(), range, out),
        DataType::Int16 => append(array.as_primitive::<Int16Type>(), range, out),
        DataType::Int32 => append(array.as_primitive::<Int32Type>(), range, out),
        DataType::Int64 => append(array.as_primitive::<Int64Type>(), range, out),
        DataType::UInt8 => append(array.as_primitive::<UInt8Type>(), range, out),
        DataType::UInt16 => append(array.as_primitive::<UInt16Type>(), range, out),
        DataType::UInt32 => append(array.as_primitive::<UInt32Type>(), range, out),
        DataType::UInt64 => append(array.as_primitive::<UInt64Type>(), range, out),
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>().values();
            out.extend(values[range].iter().map(|value| whole(f64::from(*value))));
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>().values();
            out.extend(values[range].iter().map(|value| whole(*value)));
        }
        _ => append_booleans(array.as_boolean(), range, out),
    }
}

fn append<T>(array: &PrimitiveArray<T>, range: Range<usize>, out: &mut Vec<i32>)
where
    T: ArrowPrimitiveType,
    i32: TryFrom<T::Native>,
{
    let values = &array.values()[range.clone()];
    out.extend(
        values
            .iter()
            .map(|value| i32::try_from(*value).unwrap_or(UNREADABLE)),
    );
    if array.null_count() > 0 {
        let first = out.len() - range.len();
        for (slot, index) in out[first..].iter_mut().zip(range) {
            if array.is_null(index) {
                *slot = UNREADABLE;
            }
        }
    }
}

/// A mask of floats trains whatever has any weight.
fn whole(value: f64) -> i32 {
    value.ceil() as i32
}

fn append_booleans(array: &BooleanArray, range: Range<usize>, out: &mut Vec<i32>) {
    out.extend(range.map(|index| i32::from(array.is_valid(index) && array.value(index))));
}
