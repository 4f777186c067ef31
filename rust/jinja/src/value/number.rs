//! Python's text of numbers.

use std::borrow::Cow;
use std::num::IntErrorKind;

use crate::error::{Error, Result};
use crate::value::operators::BEYOND_64_BITS;

/// `repr` of a float.
pub(crate) fn float_repr(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let shortest = format!("{number:e}");
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{number}");
        return if plain.contains('.') {
            plain
        } else {
            format!("{plain}.0")
        };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// `float(text)`, by Python's grammar.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let text = with_ascii_digits(text.trim_matches(crate::value::unicode::is_space));
    let plain = without_underscores(&text)?;
    let lower = plain.trim_start_matches(['+', '-']).to_ascii_lowercase();
    let is_name = matches!(lower.as_str(), "inf" | "infinity" | "nan");
    let is_number = lower.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    (is_name || is_number).then(|| plain.parse().ok()).flatten()
}

/// `int(number)` of a finite number; an error beyond 64 bits.
pub(crate) fn whole(number: f64) -> Result<i64> {
    const END: f64 = 9_223_372_036_854_775_808.0;
    if (-END..END).contains(&number) {
        Ok(number.trunc() as i64)
    } else {
        Err(Error::raised(BEYOND_64_BITS))
    }
}

/// `int(text, base)`, by Python's grammar; none if the text is not an integer, an error beyond 64 bits.
pub(crate) fn parse_int(text: &str, base: u32) -> Result<Option<i64>> {
    let text = with_ascii_digits(text.trim_matches(crate::value::unicode::is_space));
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(&text)),
    };
    let prefix = match base {
        2 => "0b",
        8 => "0o",
        16 => "0x",
        _ => "",
    };
    let lower = digits.to_ascii_lowercase();
    let digits = lower.strip_prefix(prefix).unwrap_or(&lower);
    let Some(plain) = without_underscores(digits) else {
        return Ok(None);
    };
    if plain.starts_with(['+', '-']) {
        return Ok(None);
    }
    match i64::from_str_radix(&format!("{sign}{plain}"), base) {
        Ok(value) => Ok(Some(value)),
        Err(error) => match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => {
                Err(Error::raised(BEYOND_64_BITS))
            }
            _ => Ok(None),
        },
    }
}

/// The decimal digits of every alphabet are digits.
fn with_ascii_digits(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let ascii = |character| {
        let digit = crate::value::unicode::decimal_value(character);
        digit
            .and_then(|digit| char::from_digit(digit, 10))
            .unwrap_or(character)
    };
    Cow::Owned(text.chars().map(ascii).collect())
}

/// Underscores may stand between digits.
fn without_underscores(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let is_between = at > 0
            && bytes[at - 1].is_ascii_alphanumeric()
            && bytes.get(at + 1).is_some_and(u8::is_ascii_alphanumeric);
        if *byte == b'_' && !is_between {
            return None;
        }
    }
    Some(text.replace('_', ""))
}
