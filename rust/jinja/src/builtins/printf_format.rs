//! `'%s' % values`.

use crate::error::{Error, Result};
use crate::run::budget::RunArena;
use crate::value::Val;
use crate::value::operators::as_float;
use crate::value::origin::Origin;
use crate::value::repr::{repr_of, str_of};
use crate::value::text::{Text, TextBuilder};

/// One conversion, as `%-8.3f`.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one for each flag character")]
pub(crate) struct Spec {
    pub(crate) left: bool,
    pub(crate) zero: bool,
    pub(crate) plus: bool,
    pub(crate) space: bool,
    pub(crate) alternate: bool,
    pub(crate) width: usize,
    pub(crate) precision: Option<usize>,
}

impl Spec {
    /// Takes a flag; false if it is none.
    fn takes_flag(&mut self, character: char) -> bool {
        match character {
            '-' => self.left = true,
            '0' => self.zero = true,
            '+' => self.plus = true,
            ' ' => self.space = true,
            '#' => self.alternate = true,
            _ => return false,
        }
        true
    }
}

/// Digits of a number beyond this are an error.
const MAX_PRECISION: usize = 1 << 14;

/// Refuses a number of digits that no template needs.
pub(crate) fn check_precision(precision: Option<usize>) -> Result<()> {
    match precision {
        Some(precision) if precision > MAX_PRECISION => Err(Error::raised("precision too big")),
        _ => Ok(()),
    }
}

/// `format % values`.
pub(crate) fn format<'r>(
    format: Val<'r>,
    values: Val<'r>,
    arena: &'r RunArena<'r>,
) -> Result<Val<'r>> {
    let text = str_of(format, arena);
    let one = [values];
    let (arguments, is_tuple): (&[Val<'r>], bool) = match values {
        Val::Tuple(items) => (items, true),
        _ => (&one, false),
    };
    let mut formatter = Formatter {
        text,
        at: 0,
        arguments,
        used: 0,
        values,
        by_name: false,
        out: TextBuilder::new(arena),
        arena,
    };
    formatter.run()?;
    let leftover = formatter.used < arguments.len() && !formatter.by_name;
    if leftover && (is_tuple || !has_items(values)) {
        return Err(Error::raised(
            "not all arguments converted during string formatting",
        ));
    }
    let made = Text {
        safe: text.safe,
        ..formatter.out.finish()
    };
    Ok(made.val(arena))
}

/// Whether Python sees a mapping in it, of which nothing need be used: what has `[]`.
fn has_items(values: Val<'_>) -> bool {
    values.is_undefined()
        || matches!(
            values,
            Val::Map(_) | Val::DataMap(..) | Val::List(_) | Val::DataList(..) | Val::Range(_)
        )
}

struct Formatter<'r, 'v> {
    text: Text<'r>,
    at: usize,
    arguments: &'v [Val<'r>],
    used: usize,
    values: Val<'r>,
    by_name: bool,
    out: TextBuilder<'r>,
    arena: &'r RunArena<'r>,
}

impl<'r> Formatter<'r, '_> {
    fn run(&mut self) -> Result<()> {
        while let Some(found) = self.text.chars[self.at..].find('%') {
            let start = self.at + found;
            self.out
                .push_text(self.text.slice(self.at, start, self.arena));
            self.at = start + 1;
            self.conversion()?;
        }
        let rest = self.text.slice(self.at, self.text.chars.len(), self.arena);
        self.out.push_text(rest);
        Ok(())
    }

    fn next_char(&mut self) -> Result<char> {
        let character = self.text.chars[self.at..]
            .chars()
            .next()
            .ok_or_else(|| Error::raised("incomplete format"))?;
        self.at += character.len_utf8();
        Ok(character)
    }

    fn argument(&mut self) -> Result<Val<'r>> {
        let value = self
            .arguments
            .get(self.used)
            .ok_or_else(|| Error::raised("not enough arguments for format string"))?;
        self.used += 1;
        Ok(*value)
    }

    fn conversion(&mut self) -> Result<()> {
        let mut named = None;
        let mut character = self.next_char()?;
        if character == '(' {
            named = Some(self.named()?);
            character = self.next_char()?;
        }
        let mut spec = Spec::default();
        while spec.takes_flag(character) {
            character = self.next_char()?;
        }
        (spec.width, character) = self.count(character)?;
        if character == '.' {
            let next = self.next_char()?;
            let (precision, after) = self.count(next)?;
            spec.precision = Some(precision);
            character = after;
        }
        if character == '%' {
            self.out.push("%", Origin::TEMPLATE);
            return Ok(());
        }
        let value = match named {
            Some(value) => value,
            None => self.argument()?,
        };
        self.convert(character, spec, value)
    }

    fn named(&mut self) -> Result<Val<'r>> {
        let rest = &self.text.chars[self.at..];
        let end = rest
            .find(')')
            .ok_or_else(|| Error::raised("incomplete format key"))?;
        let key = Val::str(&rest[..end], Origin::TEMPLATE);
        self.at += end + 1;
        self.by_name = true;
        if !matches!(self.values, Val::Map(_) | Val::DataMap(..)) {
            return Err(Error::raised("format requires a mapping"));
        }
        crate::builtins::methods::get(self.values, key, self.arena)
            .ok_or_else(|| Error::raised(format!("KeyError: '{}'", &rest[..end])))
    }

    fn count(&mut self, first: char) -> Result<(usize, char)> {
        let mut character = first;
        let mut count = 0;
        if character == '*' {
            count = crate::run::arguments::integer(self.argument()?)?.max(0) as usize;
            return Ok((count, self.next_char()?));
        }
        while let Some(digit) = character.to_digit(10) {
            count = count.saturating_mul(10).saturating_add(digit as usize);
            character = self.next_char()?;
        }
        Ok((count, character))
    }

    fn write_text(&mut self, text: Text<'r>, spec: Spec) {
        let text = if self.text.safe {
            crate::builtins::html_escape::escape(text, self.arena)
        } else {
            text
        };
        let end = spec.precision.map_or(text.chars.len(), |precision| {
            crate::value::text::byte_at(text.chars, precision)
        });
        let text = text.slice(0, end, self.arena);
        let missing = spec.width.saturating_sub(text.chars.chars().count());
        let spaces = " ".repeat(missing);
        if !spec.left {
            self.out.push(&spaces, Origin::TEMPLATE);
        }
        self.out.push_text(text);
        if spec.left {
            self.out.push(&spaces, Origin::TEMPLATE);
        }
    }

    fn convert(&mut self, kind: char, spec: Spec, value: Val<'r>) -> Result<()> {
        self.arena.check_length(spec.width)?;
        match kind {
            's' => {
                self.write_text(str_of(value, self.arena), spec);
                Ok(())
            }
            'r' | 'a' => {
                self.write_text(repr_of(value, self.arena), spec);
                Ok(())
            }
            'c' => {
                let character = match value {
                    Val::Int(code) => u32::try_from(code).ok().and_then(char::from_u32),
                    _ => value.chars(self.arena).and_then(|text| text.chars().next()),
                };
                let character =
                    character.ok_or_else(|| Error::raised("%c requires int or char"))?;
                self.out.push_char(character, Origin::TEMPLATE, 0);
                Ok(())
            }
            _ => {
                let text = number(kind, spec, value)?;
                self.out.push(&text, Origin::TEMPLATE);
                Ok(())
            }
        }
    }
}

/// Whether a number is negative, and the digits of its whole part.
fn decimal(value: Val<'_>, wrong: impl Fn() -> Error) -> Result<(bool, String)> {
    if let Val::BigInt(digits) = value {
        let magnitude = digits.trim_start_matches('-').to_owned();
        return Ok((digits.starts_with('-'), magnitude));
    }
    let number = as_float(value).ok_or_else(wrong)?;
    let whole = match value {
        Val::Int(number) => number,
        _ => crate::value::number::whole(number)?,
    };
    Ok((whole < 0, whole.unsigned_abs().to_string()))
}

/// Hexadecimal or octal digits, with their prefix if `alternate`.
fn in_base(kind: char, magnitude: u64, alternate: bool) -> String {
    let digits = match kind {
        'x' => format!("{magnitude:x}"),
        'X' => format!("{magnitude:X}"),
        _ => format!("{magnitude:o}"),
    };
    if alternate {
        format!("0{kind}{digits}")
    } else {
        digits
    }
}

fn number(kind: char, spec: Spec, value: Val<'_>) -> Result<String> {
    let wrong = || {
        Error::raised(format!(
            "%{kind} format: a real number is required, not {}",
            value.type_name()
        ))
    };
    let (negative, digits) = match kind {
        'd' | 'i' | 'u' => decimal(value, wrong)?,
        'x' | 'X' | 'o' => {
            let whole = crate::run::arguments::integer(value).map_err(|_| wrong())?;
            (
                whole < 0,
                in_base(kind, whole.unsigned_abs(), spec.alternate),
            )
        }
        'f' | 'F' | 'e' | 'E' | 'g' | 'G' => {
            let number = as_float(value).ok_or_else(wrong)?;
            check_precision(spec.precision)?;
            let text = float(kind, spec.precision.unwrap_or(6), number.abs());
            (number.is_sign_negative(), text)
        }
        _ => {
            return Err(Error::raised(format!(
                "unsupported format character '{kind}'"
            )));
        }
    };
    Ok(pad(spec, negative, &digits))
}

/// Sign, zeros and spaces around digits.
pub(crate) fn pad(spec: Spec, negative: bool, digits: &str) -> String {
    let sign = match (negative, spec.plus, spec.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    };
    let missing = spec.width.saturating_sub(digits.len() + sign.len());
    if spec.left {
        format!("{sign}{digits}{}", " ".repeat(missing))
    } else if spec.zero {
        format!("{sign}{}{digits}", "0".repeat(missing))
    } else {
        format!("{}{sign}{digits}", " ".repeat(missing))
    }
}

/// `f`, `e` and `g` text of a number that is not negative.
pub(crate) fn float(kind: char, precision: usize, number: f64) -> String {
    if !number.is_finite() {
        return if number.is_nan() { "nan" } else { "inf" }.to_owned();
    }
    match kind.to_ascii_lowercase() {
        'f' => format!("{number:.precision$}"),
        'e' => exponent(&format!("{number:.precision$e}"), kind),
        _ => {
            let precision = precision.max(1);
            let scientific = format!("{number:.*e}", precision - 1);
            let power: i32 = scientific
                .split_once('e')
                .and_then(|(_, power)| power.parse().ok())
                .unwrap_or(0);

            if power < -4 || power >= precision as i32 {
                let (digits, power) = scientific.split_once('e').unwrap_or((&scientific, "0"));
                exponent(&format!("{}e{power}", trim_zeros(digits)), kind)
            } else {
                let places = (precision as i32 - 1 - power).max(0) as usize;
                trim_zeros(&format!("{number:.places$}")).to_owned()
            }
        }
    }
}

fn trim_zeros(digits: &str) -> &str {
    if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    }
}

fn exponent(scientific: &str, kind: char) -> String {
    let (digits, power) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    let sign = if power < 0 { '-' } else { '+' };
    let letter = if kind.is_uppercase() { 'E' } else { 'e' };
    format!("{digits}{letter}{sign}{:02}", power.abs())
}
