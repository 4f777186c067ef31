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
        apply(converted(value, conversion, arena), spec, &mut out, arena)?;
        at = end + 1;
    }
    out.push_text(text.slice(at, text.chars.len(), arena));
    Ok(out.finish().val(arena))
}

fn named<'r>(
    name: &'r str,
    given: Given<'r>,
    mapping: Option<Val<'r>>,
    arena: &'r RunArena<'r>,
) -> Option<Val<'r>> {
    if let Some(mapping) = mapping {
        return crate::builtins::methods::get(mapping, Val::str(name, Origin::TEMPLATE), arena);
    }
    let mut keyword = given.keyword.iter();
    keyword.find(|(key, _)| *key == name).map(|(_, v)| *v)
}

/// The value after `!s` or `!r`.
fn converted<'r>(value: Val<'r>, conversion: &str, arena: &'r RunArena<'r>) -> Val<'r> {
    match conversion {
        "" => value,
        "s" => str_of(value, arena).val(arena),
        _ => repr_of(value, arena).val(arena),
    }
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
        let found = named(first, given, mapping, arena);
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

/// What stands behind the colon of a replacement field.
struct FormatSpec<'s> {
    fill: char,
    align: Option<char>,
    plus: bool,
    /// A number is filled up with zeros.
    zero: bool,
    width: usize,
    comma: bool,
    precision: Option<usize>,
    kind: &'s str,
}

impl<'s> FormatSpec<'s> {
    fn parse(spec: &'s str) -> Self {
        let is_align = |c: &char| matches!(c, '<' | '>' | '^' | '=');
        let mut chars = spec.chars();
        let (first, second) = (chars.next(), chars.next());
        let (fill, align, rest) = if let Some(align) = second.filter(is_align) {
            (first.unwrap_or(' '), Some(align), chars.as_str())
        } else if let Some(align) = first.filter(is_align) {
            (' ', Some(align), &spec[1..])
        } else {
            (' ', None, spec)
        };
        let plus = rest.starts_with('+');
        let rest = rest.trim_start_matches(['+', '-', ' ']);
        let (width, after) = count(rest);
        let comma = after.starts_with(',');
        let after = after.trim_start_matches([',', '_']);
        let (precision, kind) = after.strip_prefix('.').map_or((None, after), count);
        Self {
            fill,
            align,
            plus,
            zero: rest.starts_with('0'),
            width: width.unwrap_or(0),
            comma,
            precision,
            kind,
        }
    }
}

/// The number that a text starts with, and the rest.
fn count(text: &str) -> (Option<usize>, &str) {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = text.split_at(digits);
    let number = (digits > 0).then(|| number.parse().unwrap_or(usize::MAX));
    (number, rest)
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
    let spec = FormatSpec::parse(spec);
    arena.check_length(spec.width)?;
    let is_number = !value.is_str() && as_float(value).is_some();
    let body = body(value, &spec, is_number, arena)?;
    let zeros = spec.zero && is_number && spec.align.is_none();
    let fill = if zeros { '0' } else { spec.fill }.to_string();
    let missing = spec.width.saturating_sub(body.chars.chars().count());
    let left = match spec.align {
        Some('<') => 0,
        Some('^') => missing / 2,
        None if !is_number => 0,
        _ => missing,
    };
    out.push(&fill.repeat(left), Origin::TEMPLATE);
    out.push_text(body);
    out.push(&fill.repeat(missing - left), Origin::TEMPLATE);
    Ok(())
}

/// The value without what fills it up.
fn body<'r>(
    value: Val<'r>,
    spec: &FormatSpec<'_>,
    is_number: bool,
    arena: &'r RunArena<'r>,
) -> Result<Text<'r>> {
    let text = str_of(value, arena);
    if is_number {
        check_precision(spec.precision)?;
        let digits = number(value, spec.kind, spec.precision, spec.plus, spec.comma)?;
        return Ok(Text::new(arena.alloc_str(&digits), text.fragment_at(0).0));
    }
    let end = spec.precision.map_or(text.chars.len(), |precision| {
        crate::value::text::byte_at(text.chars, precision)
    });
    Ok(text.slice(0, end, arena))
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
