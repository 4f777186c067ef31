//! JSON numbers as Python's `json` reads them.

use super::syntax::Fault;
use crate::value::Value;

/// Python refuses to convert longer integers (`sys.set_int_max_str_digits`).
const MAX_INTEGER_DIGITS: usize = 4300;

/// Reads the number that starts at `start` and returns it with the offset of its end.
pub(super) fn number(text: &str, start: usize) -> Result<(Value<'_>, usize), Fault> {
    let bytes = text.as_bytes();
    let digits_start = start + usize::from(bytes.get(start) == Some(&b'-'));
    let integer_end = match bytes.get(digits_start) {
        Some(b'0') => digits_start + 1,
        Some(b'1'..=b'9') => digits_end(bytes, digits_start),
        _ => return constant(text, start),
    };
    let end = fraction_and_exponent_end(bytes, integer_end);
    if end > integer_end {
        let float = text[start..end]
            .parse()
            .map_err(|_| Fault::new(start, "Expecting value"))?;
        return Ok((Value::Float(float), end));
    }
    if end - digits_start > MAX_INTEGER_DIGITS {
        return Err(Fault::new(
            start,
            "Exceeds the limit (4300 digits) for integers",
        ));
    }
    Ok((integer(&text[start..end]), end))
}

/// `-Infinity` is the only other text that starts with a sign.
fn constant(text: &str, start: usize) -> Result<(Value<'_>, usize), Fault> {
    const NAME: &str = "-Infinity";
    if text[start..].starts_with(NAME) {
        return Ok((Value::Float(f64::NEG_INFINITY), start + NAME.len()));
    }
    Err(Fault::new(start, "Expecting value"))
}

/// JSON allows no leading zeros, so the digits are canonical; `-0` is Python's integer 0.
fn integer(digits: &str) -> Value<'_> {
    digits.parse().map_or(Value::BigInt(digits), Value::Int)
}

fn digits_end(bytes: &[u8], start: usize) -> usize {
    start
        + bytes[start..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count()
}

/// The end of the fraction and exponent, as far as they are complete; an incomplete one is not part
/// of the number.
fn fraction_and_exponent_end(bytes: &[u8], integer_end: usize) -> usize {
    let mut end = integer_end;
    if bytes.get(end) == Some(&b'.') {
        let fraction_end = digits_end(bytes, end + 1);
        if fraction_end > end + 1 {
            end = fraction_end;
        }
    }
    if let Some(b'e' | b'E') = bytes.get(end) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent_start = end + 1 + sign;
        let exponent_end = digits_end(bytes, exponent_start.min(bytes.len()));
        if exponent_end > exponent_start {
            end = exponent_end;
        }
    }
    end
}
