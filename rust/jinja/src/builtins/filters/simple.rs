//! Filters of one value, and the way to the others.

use super::{Filter, pprint, sequence, text};
use crate::builtins::methods::{Method, tuples, view};
use crate::builtins::tojson::{Layout, dumps};
use crate::error::{Error, Result};
use crate::run::arguments::{Given, integer, required};
use crate::run::budget::RunArena;
use crate::run::interpret::Interpreter;
use crate::run::iterate::items;
use crate::syntax::ast::BinaryOperator;
use crate::value::number::{parse_float, parse_int, whole};
use crate::value::operators::{BEYOND_64_BITS, as_float, defined, signed};
use crate::value::repr::str_of;
use crate::value::{SequenceKind, Val};

/// `value | filter(…)`.
pub(crate) fn call<'r>(
    filter: Filter,
    value: Val<'r>,
    given: Given<'r>,
    run: &mut Interpreter<'r>,
) -> Result<Val<'r>> {
    use Filter as F;
    let arena = run.arena;
    match filter {
        F::Length => {
            let [] = given.bind("length", [])?;
            run.length(value).map(Val::Int)
        }
        F::Default => {
            let [default, boolean] = given.bind("default", ["default_value", "boolean"])?;
            let default = default.unwrap_or(Val::str("", crate::value::origin::Origin::TEMPLATE));
            let falls_back =
                value.is_undefined() || (boolean.is_some_and(Val::truth) && !value.truth());
            Ok(if falls_back { default } else { value })
        }
        F::List => Ok(Val::List(items(value, arena)?)),
        F::Items => match value {
            Val::Undefined(..) => Ok(view(SequenceKind::Generator, &[], arena)),
            Val::Map(_) | Val::DataMap(..) => {
                Ok(view(SequenceKind::Generator, tuples(value, arena), arena))
            }
            _ => Err(Error::raised("Can only get item pairs from a mapping.")),
        },
        F::ToJson => to_json(value, given, arena),
        F::Int => int(value, given, arena),
        F::Float => {
            let [default] = given.bind("float", ["default"])?;
            defined(value)?;
            let parsed = match value.chars(arena) {
                Some(text) => parse_float(text),
                None => as_float(value),
            };
            Ok(parsed.map_or(default.unwrap_or(Val::Float(0.0)), Val::Float))
        }
        F::Abs => {
            defined(value)?;
            match value {
                Val::Float(number) => Ok(Val::Float(number.abs())),
                Val::BigInt(_) => Err(Error::raised(BEYOND_64_BITS)),
                _ if integer(value).is_ok_and(|number| number < 0) => signed(value, true),
                _ if integer(value).is_ok() => signed(value, false),
                _ => Err(Error::raised(format!(
                    "bad operand type for abs(): '{}'",
                    value.type_name()
                ))),
            }
        }
        F::Round => round(value, given, arena),
        F::Attr => {
            let [name] = given.bind("attr", ["name"])?;
            attr(value, required(name, "attr")?, run)
        }
        F::Random => Err(Error::raised(
            "the filter 'random' is not supported: renders must not differ",
        )),
        F::FileSizeFormat => text::file_size(value, given, arena),
        F::PPrint => pprint::print(value, arena),
        F::DictSort
        | F::First
        | F::Last
        | F::Map
        | F::Select
        | F::Reject
        | F::SelectAttr
        | F::RejectAttr
        | F::Sort
        | F::Unique
        | F::Min
        | F::Max
        | F::Sum
        | F::Reverse
        | F::Batch
        | F::Slice
        | F::GroupBy
        | F::Join => sequence::call(filter, value, given, run),
        _ => text::call(filter, value, given, run),
    }
}

fn attr<'r>(value: Val<'r>, name: Val<'r>, run: &mut Interpreter<'r>) -> Result<Val<'r>> {
    let Some(name) = name.chars(run.arena) else {
        return Err(Error::raised("attribute name must be string"));
    };
    if matches!(value, Val::Map(_) | Val::DataMap(..)) && Method::by_name(name).is_none() {
        return Ok(Val::Undefined(
            name,
            crate::value::Absent::Attribute("dict"),
        ));
    }
    run.attribute(value, name)
}

fn to_json<'r>(value: Val<'r>, given: Given<'r>, arena: &'r RunArena<'r>) -> Result<Val<'r>> {
    let names = ["ensure_ascii", "indent", "separators", "sort_keys"];
    let [ascii, indent, separators, sort] = given.bind("tojson", names)?;
    let indent = match indent {
        None | Some(Val::None) => None,
        Some(value) => match value.chars(arena) {
            Some(text) => Some(text),
            None => Some(&*arena.alloc_str(&arena.repeat(" ", integer(value)?.max(0) as usize))),
        },
    };
    let default_item = if indent.is_some() { "," } else { ", " };
    let (item_separator, key_separator) = match separators {
        None | Some(Val::None) => (default_item, ": "),
        Some(value) => match items(value, arena)? {
            [item, key] => (
                item.chars(arena)
                    .ok_or_else(|| Error::raised("separators must be strings"))?,
                key.chars(arena)
                    .ok_or_else(|| Error::raised("separators must be strings"))?,
            ),
            _ => return Err(Error::raised("not enough values to unpack (expected 2)")),
        },
    };
    let layout = Layout {
        ensure_ascii: ascii.is_some_and(Val::truth),
        indent,
        item_separator,
        key_separator,
        sort_keys: sort.is_some_and(Val::truth),
    };
    Ok(dumps(value, layout, arena)?.val(arena))
}

fn int<'r>(value: Val<'r>, given: Given<'r>, arena: &'r RunArena<'r>) -> Result<Val<'r>> {
    let [default, base] = given.bind("int", ["default", "base"])?;
    let default = default.unwrap_or(Val::Int(0));
    let base = base.map_or(Ok(10), integer)? as u32;
    defined(value)?;
    Ok(match value {
        Val::Int(_) | Val::BigInt(_) => value,
        Val::Bool(flag) => Val::Int(i64::from(flag)),
        Val::Float(number) if number.is_finite() => Val::Int(whole(number)?),
        _ => match value.chars(arena) {
            Some(text) => match parse_int(text, base.clamp(2, 36))? {
                Some(number) => Val::Int(number),
                None => match parse_float(text).filter(|number| number.is_finite()) {
                    Some(number) => Val::Int(whole(number)?),
                    None => default,
                },
            },
            None => default,
        },
    })
}

fn round<'r>(value: Val<'r>, given: Given<'r>, arena: &'r RunArena<'r>) -> Result<Val<'r>> {
    let [precision, method] = given.bind("round", ["precision", "method"])?;
    let precision = precision.map_or(Ok(0), integer)?;
    let method = method.map_or("common", |value| str_of(value, arena).chars);
    defined(value)?;
    let number = as_float(value).ok_or_else(|| {
        Error::raised(format!(
            "type {} doesn't define __round__ method",
            value.type_name()
        ))
    })?;
    // Beyond 400 decimals the power is infinite or zero all the same.
    let power = 10_f64.powi(precision.clamp(-400, 400) as i32);
    match method {
        "common" => Ok(match value {
            Val::Int(_) | Val::BigInt(_) if precision >= 0 => value,
            Val::BigInt(_) => return Err(Error::raised(BEYOND_64_BITS)),
            Val::Bool(flag) if precision >= 0 => Val::Int(i64::from(flag)),
            Val::Int(_) | Val::Bool(_) => Val::Int(round_tens(integer(value)?, precision)?),
            _ if precision == 0 => Val::Float(number.round_ties_even()),
            _ if precision > 0 => Val::Float(round_digits(number, precision as usize)),
            _ if power == 0.0 && number.is_finite() => Val::Float(0.0_f64.copysign(number)),
            _ => Val::Float((number * power).round_ties_even() / power),
        }),
        "ceil" | "floor" if power == 0.0 => Err(Error::raised("division by zero")),
        "ceil" | "floor" if !(number * power).is_finite() => {
            Err(Error::raised("cannot convert the number to an integer"))
        }
        "ceil" => Ok(Val::Float((number * power).ceil() / power)),
        "floor" => Ok(Val::Float((number * power).floor() / power)),
        _ => Err(Error::raised("method must be common, ceil or floor")),
    }
}

/// Rounds to tens, hundreds and so on, a half to the even one.
fn round_tens(number: i64, precision: i64) -> Result<i64> {
    let digits = u32::try_from(precision.unsigned_abs()).unwrap_or(u32::MAX);
    let Some(unit) = 10_i64.checked_pow(digits) else {
        // Half of 10^19 is within 64 bits.
        let is_zero = digits > 19 || number.unsigned_abs() <= 5 * 10_u64.pow(18);
        return is_zero
            .then_some(0)
            .ok_or_else(|| Error::raised(BEYOND_64_BITS));
    };
    let (whole, rest) = (number.div_euclid(unit), number.rem_euclid(unit));
    let up = rest * 2 > unit || (rest * 2 == unit && whole % 2 != 0);
    let rounded = (whole + i64::from(up)).checked_mul(unit);
    rounded.ok_or_else(|| Error::raised(BEYOND_64_BITS))
}

/// Python rounds the exact binary value to decimal digits, as printing does.
fn round_digits(number: f64, precision: usize) -> f64 {
    format!("{number:.*}", precision.min(300))
        .parse()
        .unwrap_or(number)
}

/// `sum(values, start)` of two values.
pub(crate) fn plus<'r>(a: Val<'r>, b: Val<'r>, run: &Interpreter<'r>) -> Result<Val<'r>> {
    crate::value::operators::binary(BinaryOperator::Add, a, b, run.output.context, run.arena)
}
