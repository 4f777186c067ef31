//! Filters over numbers.

use super::Filter;
use crate::error::{Error, Result};
use crate::run::arguments::{Given, integer};
use crate::run::budget::RunArena;
use crate::value::Val;
use crate::value::number::{parse_float, parse_int, whole};
use crate::value::operators::{BEYOND_64_BITS, as_float, defined, signed};
use crate::value::repr::str_of;

/// `value | filter(…)` for the filters over numbers.
pub(super) fn call<'r>(
    filter: Filter,
    value: Val<'r>,
    given: Given<'r>,
    arena: &'r RunArena<'r>,
) -> Result<Val<'r>> {
    match filter {
        Filter::Int => int(value, given, arena),
        Filter::Float => float(value, given, arena),
        Filter::Abs => abs(value),
        _ => round(value, given, arena),
    }
}

fn float<'r>(value: Val<'r>, given: Given<'r>, arena: &'r RunArena<'r>) -> Result<Val<'r>> {
    let [default] = given.bind("float", ["default"])?;
    defined(value)?;
    let parsed = match value.chars(arena) {
        Some(text) => parse_float(text),
        None => as_float(value),
    };
    Ok(parsed.map_or(default.unwrap_or(Val::Float(0.0)), Val::Float))
}

fn abs(value: Val<'_>) -> Result<Val<'_>> {
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
