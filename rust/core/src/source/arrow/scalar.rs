//! Columns without children.

use arrow_array::cast::AsArray;
use arrow_array::temporal_conversions::as_datetime;
use arrow_array::types::{
    ArrowPrimitiveType, ArrowTimestampType, Date32Type, Date64Type, Decimal32Type, Decimal64Type,
    Decimal128Type, Decimal256Type, DecimalType, Float16Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use arrow_schema::{DataType, TimeUnit};

use crate::rules::{Reject, Rule};
use crate::value::{Arena, Value};

/// A scalar array with what its type needs to be read.
#[derive(Debug)]
pub(super) struct Scalar {
    array: ArrayRef,
    name: String,
    /// Whether values that a program made from text reject their row.
    strict: bool,
}

impl Scalar {
    pub(super) fn new(array: &ArrayRef, name: &str, strict: bool) -> Self {
        Self {
            array: array.clone(),
            name: name.to_owned(),
            strict,
        }
    }

    /// The value at `index`.
    pub(super) fn value<'a>(&'a self, index: usize, arena: &'a Arena) -> Result<Value<'a>, Reject> {
        let array = &self.array;
        if !array.is_valid(index) {
            return Ok(Value::Null);
        }
        Ok(match array.data_type() {
            DataType::Null => Value::Null,
            DataType::Utf8 => Value::Str(array.as_string::<i32>().value(index)),
            DataType::LargeUtf8 => Value::Str(array.as_string::<i64>().value(index)),
            DataType::Utf8View => Value::Str(array.as_string_view().value(index)),
            DataType::Boolean => Value::Bool(array.as_boolean().value(index)),
            DataType::Int8 => integer::<Int8Type>(array, index),
            DataType::Int16 => integer::<Int16Type>(array, index),
            DataType::Int32 => integer::<Int32Type>(array, index),
            DataType::Int64 => integer::<Int64Type>(array, index),
            DataType::UInt8 => integer::<UInt8Type>(array, index),
            DataType::UInt16 => integer::<UInt16Type>(array, index),
            DataType::UInt32 => integer::<UInt32Type>(array, index),
            DataType::UInt64 => unsigned(primitive::<UInt64Type>(array).value(index), arena),
            DataType::Float16 => {
                Value::Float(primitive::<Float16Type>(array).value(index).to_f64())
            }
            DataType::Float32 => {
                Value::Float(f64::from(primitive::<Float32Type>(array).value(index)))
            }
            DataType::Float64 => Value::Float(primitive::<Float64Type>(array).value(index)),
            DataType::Decimal32(..) => decimal::<Decimal32Type>(array, index, arena),
            DataType::Decimal64(..) => decimal::<Decimal64Type>(array, index, arena),
            DataType::Decimal128(..) => decimal::<Decimal128Type>(array, index, arena),
            DataType::Decimal256(..) => decimal::<Decimal256Type>(array, index, arena),
            _ if self.strict => return Err(self.coerced()),
            _ => self.lenient(index, arena),
        })
    }

    #[cold]
    fn coerced(&self) -> Reject {
        let reason = format!(
            "`{}` is {} in the file: the program that wrote it changed the text",
            self.name,
            kind(self.array.data_type())
        );
        Reject::new(Rule::TypeCoercedContent, reason)
    }

    /// The text for the index: dates and times in ISO form, null for types without a text.
    fn lenient<'a>(&self, index: usize, arena: &'a Arena) -> Value<'a> {
        let array = &self.array;
        let text = match array.data_type() {
            DataType::Date32 => {
                let days = primitive::<Date32Type>(array).value(index);
                as_datetime::<Date32Type>(i64::from(days)).map(|time| time.date().to_string())
            }
            DataType::Date64 => time::<Date64Type>(array, index),
            DataType::Timestamp(TimeUnit::Second, _) => stamp::<TimestampSecondType>(array, index),
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                stamp::<TimestampMillisecondType>(array, index)
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                stamp::<TimestampMicrosecondType>(array, index)
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                stamp::<TimestampNanosecondType>(array, index)
            }
            _ => None,
        };
        text.map_or(Value::Null, |text| Value::Str(arena.alloc_str(&text)))
    }
}

fn primitive<T: ArrowPrimitiveType>(array: &ArrayRef) -> &PrimitiveArray<T> {
    array.as_primitive::<T>()
}

fn integer<'a, T>(array: &ArrayRef, index: usize) -> Value<'a>
where
    T: ArrowPrimitiveType,
    T::Native: Into<i64>,
{
    Value::Int(primitive::<T>(array).value(index).into())
}

fn unsigned(value: u64, arena: &Arena) -> Value<'_> {
    i64::try_from(value).map_or_else(
        |_| Value::BigInt(arena.alloc_str(&value.to_string())),
        Value::Int,
    )
}

/// A decimal without a fraction becomes an integer, any other the nearest float.
fn decimal<'a, T: DecimalType>(array: &ArrayRef, index: usize, arena: &'a Arena) -> Value<'a> {
    let text = primitive::<T>(array).value_as_string(index);
    if text.contains('.') {
        return text.parse().map_or(Value::Null, Value::Float);
    }
    text.parse()
        .map_or_else(|_| Value::BigInt(arena.alloc_str(&text)), Value::Int)
}

fn stamp<T: ArrowTimestampType>(array: &ArrayRef, index: usize) -> Option<String> {
    time::<T>(array, index)
}

fn time<T: ArrowPrimitiveType<Native = i64>>(array: &ArrayRef, index: usize) -> Option<String> {
    let time = as_datetime::<T>(primitive::<T>(array).value(index))?;
    Some(time.to_string().replace(' ', "T"))
}

/// The name of the type in messages.
fn kind(data_type: &DataType) -> String {
    match data_type {
        DataType::Timestamp(..) => "a timestamp".to_owned(),
        DataType::Date32 | DataType::Date64 => "a date".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "a time".to_owned(),
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => "bytes".to_owned(),
        other => format!("of the type {other}"),
    }
}
