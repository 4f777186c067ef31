//! The columns of tokenized data, under the names that different trainers use.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray, RecordBatch};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;

use crate::rules::IGNORED;
use crate::{Error, ErrorKind, Result};

/// Stands for a value that is null or does not fit 32 bits: out of range for ids.
const UNREADABLE: i32 = i32::MIN;

/// How a column describes the documents of a packed row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Boundaries {
    /// Lengths of the documents.
    Lengths,
    /// Their starts; the first is 0.
    Starts,
    /// Their ends, counted from the row's start; a leading 0 is allowed.
    Ends,
}

/// The columns of one batch.
#[derive(Debug)]
pub(super) struct Columns {
    /// Token ids.
    pub(super) ids: Integers,
    /// Labels, not shifted.
    pub(super) labels: Option<Integers>,
    /// Masks of trained tokens; a token is trained if all of them say so.
    pub(super) masks: Vec<Integers>,
    /// The masks are those of the *next* token, as Megatron-Bridge stores them.
    pub(super) shifted: bool,
    /// 0 = padding; above 1 = number of the document.
    pub(super) attention: Option<Integers>,
    /// Positions, which restart at each document.
    pub(super) positions: Option<Integers>,
    /// Boundaries of documents.
    pub(super) documents: Option<(Boundaries, Integers)>,
    /// A label that means untrained, besides negative ones.
    pub(super) ignore: Option<i32>,
    /// Number of rows.
    pub(super) rows: usize,
}

const IDS: &[&str] = &["input_ids", "tokens"];
const MASKS: &[&str] = &[
    "loss_mask",
    "completion_mask",
    "assistant_masks",
    "assistant_mask",
];
const DOCUMENTS: &[(&str, Boundaries)] = &[
    ("seq_lengths", Boundaries::Lengths),
    ("seq_lens", Boundaries::Lengths),
    ("seq_start_id", Boundaries::Starts),
    ("cu_seqlens", Boundaries::Ends),
    ("cu_seq_lens_q", Boundaries::Ends),
];

impl Columns {
    /// Finds the columns of a batch. If `input_ids` is missing, or a column is not a list of
    /// integers or booleans, the error names what was found.
    pub(super) fn of(batch: &RecordBatch, ignore: Option<i32>) -> Result<Self> {
        let find = |name: &str| -> Result<Option<Integers>> {
            batch
                .column_by_name(name)
                .filter(|array| array.data_type() != &DataType::Null)
                .map(|array| Integers::of(name, array))
                .transpose()
        };
        let first = |names: &[&str]| -> Result<Option<Integers>> {
            names
                .iter()
                .find_map(|name| find(name).transpose())
                .transpose()
        };
        let masks: Vec<Integers> = MASKS
            .iter()
            .filter_map(|name| find(name).transpose())
            .collect::<Result<_>>()?;
        let documents = DOCUMENTS
            .iter()
            .find_map(|(name, kind)| {
                let column = find(name).transpose()?;
                Some(column.map(|column| (*kind, column)))
            })
            .transpose()?;
        Ok(Self {
            ids: first(IDS)?.ok_or_else(|| without_ids(batch))?,
            labels: find("labels")?,
            masks,
            shifted: matches!(documents, Some((Boundaries::Starts, _))),
            attention: find("attention_mask")?,
            positions: first(&["position_ids", "input_pos"])?,
            documents,
            ignore,
            rows: batch.num_rows(),
        })
    }

    /// Whether a column says which tokens are trained.
    pub(super) fn has_labels(&self) -> bool {
        self.labels.is_some() || !self.masks.is_empty()
    }
}

fn without_ids(batch: &RecordBatch) -> Error {
    let schema = batch.schema();
    let names: Vec<&str> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    Error::new(
        ErrorKind::Data,
        "schema-mismatch",
        format!("no column `input_ids`: the data has {}", names.join(", ")),
    )
    .hint("tokenized data has a column `input_ids` (or `tokens`) of integer lists")
}

/// A column of integer lists.
#[derive(Debug)]
pub(super) struct Integers {
    offsets: Offsets,
    values: Values,
    nulls: Option<arrow_buffer::NullBuffer>,
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
    fn of(name: &str, array: &ArrayRef) -> Result<Self> {
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
            DataType::Float32 | DataType::Float64 if name != "input_ids" && name != "tokens" => {
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
