//! `'{} {name}'.format(…)`, as far as chat templates go: fields by position or name with
//! conversions and the specification mini-language of strings and numbers.

use crate::builtins::methods::Method;
use crate::builtins::printf_format::{Spec, check_precision, float, pad};
use crate::error::{Error, Result};
use crate::run::arguments::Given;
use crate::run::budget::RunArena;
use crate::value::Val;
use crate::value::operators::as_float;
use crate::value::origin::Origin;
use crate::value::repr::{repr_of, str_of};
use crate::value::text::{Text, TextBuilder};

/// `text.format(…)` or `text.format_map(…)`.
pub(crate) fn format<'r>(
    text: Text<'r>,
    method: Method,
    given: Given<'r>,
    arena: &'r RunArena<'r>,
) -> Result<Val<'r>> {
    let mapping = match method {
        Method::FormatMap => given.positional.first().copied(),
        _ => None,
    };
    let mut out = TextBuilder::new(arena);
    let mut at = 0;
    let mut next = 0;
    while let Some(found) = text.chars[at..].find(['{', '}']) {
        let start = at + found;
        out.push_text(text.slice(at, start, arena));
        let brace = &text.chars[start..=start];
        if text.chars[start + 1..].starts_with(brace) {
            out.push_text(text.slice(start, start + 1, arena));
            at = start + 2;
            continue;
        }
        let end = text.chars[start..].find('}').filter(|_| brace == "{");
        let Some(end) = end.map(|end| start + end) else {
            return Err(Error::raised(format!(
                "Single '{brace}' encountered in format string"
            )));
        };
        let field = &text.chars[start + 1..end];
        let (field, spec) = field.split_once(':').unwrap_or((field, ""));
        let (name, conversion) = field.split_once('!').unwrap_or((field, ""));
        let value = lookup(name, &mut next, given, mapping, arena)?;
        let value = match conversion {
            "" => value,
            "s" => str_of(value, arena).val(arena),
            _ => repr_of(value, arena).val(arena),
        };
        apply(value, spec, &mut out, arena)?;
        at = end + 1;
    }
    out.push_text(text.slice(at, text.chars.len(), arena));
    Ok(out.finish().val(arena))
}

fn lookup<'r>(
    name: &'r str,
    next: &mut usize,
    given: Given<'r>,
    mapping: Option<Val<'r>>,
    arena: &'r RunArena<'r>,
) -> Result<Val<'r>> {
    let end = name.find(['.', '[']).unwrap_or(name.len());
    let (first, path) = name.split_at(end);
    let mut value = if first.is_empty() || first.bytes().all(|b| b.is_ascii_digit()) {
        let index = first.parse().unwrap_or(*next);
        *next += usize::from(first.is_empty());
        let out_of_range =
            || Error::raised("Replacement index out of range for positional args tuple");
        *given.positional.get(index).ok_or_else(out_of_range)?
    } else {
        let found = match mapping {
            Some(mapping) => {
                crate::builtins::methods::get(mapping, Val::str(first, Origin::TEMPLATE), arena)
            }
            None => given
                .keyword
                .iter()
                .find(|(key, _)| *key == first)
                .map(|(_, v)| *v),
        };
        found.ok_or_else(|| Error::raised(format!("KeyError: '{first}'")))?
    };
    for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
        let step = step.trim_end_matches(']');
        let key = match step.parse() {
            Ok(index) => Val::Int(index),
            Err(_) => Val::str(step, Origin::TEMPLATE),
        };
        value = crate::run::attribute::item(value, key, arena)?;
    }
    Ok(value)
}

fn apply<'r>(
    value: Val<'r>,
    spec: &str,
    out: &mut TextBuilder<'r>,
    arena: &'r RunArena<'r>,
) -> Result<()> {
    if spec.is_empty() {
        out.push_text(str_of(value, arena));
        return Ok(());
    }
    let mut chars: Vec<char> = spec.chars().collect();
    let mut fill = ' ';
    let mut align = None;
    if chars.len() > 1 && matches!(chars[1], '<' | '>' | '^' | '=') {
        fill = chars[0];
        align = Some(chars[1]);
        chars.drain(..2);
    } else if matches!(chars.first(), Some('<' | '>' | '^' | '=')) {
        align = Some(chars.remove(0));
    }
    let rest: String = chars.into_iter().collect();
    let plus = rest.starts_with('+');
    let rest = rest.trim_start_matches(['+', '-', ' ']);
    let zero = rest.starts_with('0');
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let width = match &rest[..digits] {
        "" => 0,
        width => width.parse().unwrap_or(usize::MAX),
    };
    arena.check_length(width)?;
    let rest = &rest[digits..];
    let comma = rest.starts_with(',');
    let rest = rest.trim_start_matches([',', '_']);
    let (precision, kind) = match rest.strip_prefix('.') {
        Some(after) => {
            let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let precision = after[..digits].parse().unwrap_or(usize::MAX);
            (Some(precision).filter(|_| digits > 0), &after[digits..])
        }
        None => (None, rest),
    };
    let is_number = !value.is_str() && as_float(value).is_some();
    let body = if is_number {
        check_precision(precision)?;
        let digits = number(value, kind, precision, plus, comma)?;
        Text::new(
            arena.alloc_str(&digits),
            str_of(value, arena).fragment_at(0).0,
        )
    } else {
        let text = str_of(value, arena);
        let end = precision.map_or(text.chars.len(), |p| {
            crate::value::text::byte_at(text.chars, p)
        });
        text.slice(0, end, arena)
    };
    if zero && is_number && align.is_none() {
        fill = '0';
    }
    let missing = width.saturating_sub(body.chars.chars().count());
    let left = match align {
        Some('<') => 0,
        Some('^') => missing / 2,
        None if !is_number => 0,
        _ => missing,
    };
    out.push(&fill.to_string().repeat(left), Origin::TEMPLATE);
    out.push_text(body);
    out.push(&fill.to_string().repeat(missing - left), Origin::TEMPLATE);
    Ok(())
}

fn number(
    value: Val<'_>,
    kind: &str,
    precision: Option<usize>,
    plus: bool,
    comma: bool,
) -> Result<String> {
    let number = as_float(value).unwrap_or_default();
    let spec = Spec {
        plus,
        ..Spec::default()
    };
    let digits = match (kind, value) {
        ("" | "d" | "n", Val::Int(whole)) => whole.unsigned_abs().to_string(),
        ("" | "d" | "n", Val::BigInt(digits)) => digits.trim_start_matches('-').to_owned(),
        ("x", Val::Int(whole)) => format!("{:x}", whole.unsigned_abs()),
        ("X", Val::Int(whole)) => format!("{:X}", whole.unsigned_abs()),
        ("o", Val::Int(whole)) => format!("{:o}", whole.unsigned_abs()),
        ("b", Val::Int(whole)) => format!("{:b}", whole.unsigned_abs()),
        ("%", _) => format!("{:.*}%", precision.unwrap_or(6), number.abs() * 100.0),
        ("", _) if precision.is_none() => crate::value::number::float_repr(number.abs()),
        ("", _) => float('g', precision.unwrap_or(6), number.abs()),
        ("f" | "F" | "e" | "E" | "g" | "G", _) => {
            let letter = kind.chars().next().unwrap_or('f');
            float(letter, precision.unwrap_or(6), number.abs())
        }
        _ => {
            return Err(Error::raised(format!(
                "Unknown format code '{kind}' for object of type '{}'",
                value.type_name()
            )));
        }
    };
    let digits = if comma { with_commas(&digits) } else { digits };
    Ok(pad(spec, number < 0.0, &digits))
}

fn with_commas(digits: &str) -> String {
    let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}
