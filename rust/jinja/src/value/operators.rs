//! Arithmetic, comparison and containment.

use std::cmp::Ordering;

use crate::builtins::html_escape::escape;
use crate::error::{Error, Result};
use crate::run::budget::RunArena;
use crate::run::iterate::{Source, items};
use crate::syntax::ast::{BinaryOperator, Comparison};
use crate::value::repr::{str_of, undefined_message};
use crate::value::{Rope, SequenceKind, Val};

/// The error of using an undefined value, if it is one.
pub(crate) fn defined(value: Val<'_>) -> Result<()> {
    match value {
        Val::Undefined(name, why) => Err(Error::raised(undefined_message(name, why))),
        _ => Ok(()),
    }
}

/// `left operator right`, computed in a context.
pub(crate) fn binary<'r>(
    operator: BinaryOperator,
    left: Val<'r>,
    right: Val<'r>,
    context: u32,
    arena: &'r RunArena<'r>,
) -> Result<Val<'r>> {
    defined(left)?;
    if operator == BinaryOperator::Mod && left.is_str() {
        return crate::builtins::printf_format::format(left, right, arena);
    }
    defined(right)?;
    match operator {
        BinaryOperator::Add => return add(left, right, context, arena),
        BinaryOperator::Mul => {
            if let Some(value) = repeat(left, right, arena)? {
                return Ok(value);
            }
        }
        _ => {}
    }
    arithmetic(operator, left, right)
}

/// Python's integers have no end; here arithmetic beyond 64 bits is an error, never a wrong number.
pub(crate) const BEYOND_64_BITS: &str =
    "arithmetic beyond 64 bits is not supported in a chat template";

fn symbol(operator: BinaryOperator) -> &'static str {
    match operator {
        BinaryOperator::Add => "+",
        BinaryOperator::Sub => "-",
        BinaryOperator::Mul => "*",
        BinaryOperator::Div => "/",
        BinaryOperator::FloorDiv => "//",
        BinaryOperator::Mod => "%",
        BinaryOperator::Pow => "** or pow()",
    }
}

fn unsupported(operator: BinaryOperator, left: Val<'_>, right: Val<'_>) -> Error {
    Error::raised(format!(
        "unsupported operand type(s) for {}: '{}' and '{}'",
        symbol(operator),
        left.type_name(),
        right.type_name()
    ))
}

fn add<'r>(
    left: Val<'r>,
    right: Val<'r>,
    context: u32,
    arena: &'r RunArena<'r>,
) -> Result<Val<'r>> {
    if left.is_str() && right.is_str() {
        return concat(left, right, context, arena);
    }
    let is_list = |value: Val<'_>| matches!(value, Val::List(_) | Val::DataList(..));
    if is_list(left) && is_list(right) {
        let (left, right) = (items(left, arena)?, items(right, arena)?);
        return Ok(Val::List(join_slices(left, right, arena)?));
    }
    if let (Val::Tuple(left), Val::Tuple(right)) = (left, right) {
        return Ok(Val::Tuple(join_slices(left, right, arena)?));
    }
    if left.is_str() {
        let kind = right.type_name();
        return Err(Error::raised(format!(
            "can only concatenate str (not \"{kind}\") to str"
        )));
    }
    arithmetic(BinaryOperator::Add, left, right)
}

fn join_slices<'r>(
    left: &[Val<'r>],
    right: &[Val<'r>],
    arena: &'r RunArena<'r>,
) -> Result<&'r [Val<'r>]> {
    arena.check_length((left.len() + right.len()) * size_of::<Val<'r>>())?;
    Ok(arena.alloc_slice_fill_iter(left.iter().chain(right).copied().collect::<Vec<_>>()))
}

/// Two strings one after the other, joined in a context; `Markup` escapes what is not.
pub(crate) fn concat<'r>(
    left: Val<'r>,
    right: Val<'r>,
    context: u32,
    arena: &'r RunArena<'r>,
) -> Result<Val<'r>> {
    if left.is_safe() || right.is_safe() {
        return Ok(safe_concat(left, right, context, arena));
    }
    let len = left.byte_len() + right.byte_len();
    arena.check_length(len)?;
    // What is joined in a turn shall be known to be of it, whatever it is joined with later.
    let is_known = |value: Val<'r>| context == 0 || value.context() != 0;
    if left.byte_len() == 0 && is_known(right) {
        return Ok(right);
    }
    if right.byte_len() == 0 && is_known(left) {
        return Ok(left);
    }
    Ok(Val::Rope(arena.alloc(Rope {
        left,
        right,
        len,
        context,
        flat: std::cell::Cell::new(None),
    })))
}

fn safe_concat<'r>(
    left: Val<'r>,
    right: Val<'r>,
    context: u32,
    arena: &'r RunArena<'r>,
) -> Val<'r> {
    let mut out = crate::value::text::TextBuilder::new(arena);
    for side in [left, right] {
        let text = str_of(side, arena);
        if text.safe {
            out.push_text_in(text, context);
        } else {
            out.push_text_in(escape(text, arena), context);
        }
    }
    let mut text = out.finish();
    text.safe = true;
    text.val(arena)
}

fn as_index(value: Val<'_>) -> Option<i64> {
    match value {
        Val::Int(number) => Some(number),
        Val::Bool(flag) => Some(i64::from(flag)),
        _ => None,
    }
}

/// Python's `divmod` of floats: the rest has the sign of the divisor, a zero too.
fn divmod(a: f64, b: f64) -> (f64, f64) {
    let mut rest = a % b;
    let mut whole = (a - rest) / b;
    if rest == 0.0 {
        rest = 0.0_f64.copysign(b);
    } else if (rest < 0.0) != (b < 0.0) {
        rest += b;
        whole -= 1.0;
    }
    let floor = whole.floor();
    let whole = match whole {
        0.0 => 0.0_f64.copysign(a / b),
        _ if whole - floor > 0.5 => floor + 1.0,
        _ => floor,
    };
    (whole, rest)
}

/// `sequence * number`, either way round; none if that is not what it is.
fn repeat<'r>(left: Val<'r>, right: Val<'r>, arena: &'r RunArena<'r>) -> Result<Option<Val<'r>>> {
    let (value, count) = match (as_index(left), as_index(right)) {
        (None, Some(count)) => (left, count.max(0) as usize),
        (Some(count), None) => (right, count.max(0) as usize),
        _ => return Ok(None),
    };
    if let Some(text) = value.text(arena) {
        arena.check_length(text.chars.len().saturating_mul(count))?;
        let mut out =
            crate::value::text::TextBuilder::with_capacity(text.chars.len() * count, arena);
        if !text.chars.is_empty() {
            for _ in 0..count {
                out.push_text(text);
            }
        }
        return Ok(Some(out.finish().like(text).val(arena)));
    }
    let (Val::List(_) | Val::DataList(..) | Val::Tuple(_)) = value else {
        return Ok(None);
    };
    let once = items(value, arena)?;
    let bytes = size_of_val(once).saturating_mul(count);
    arena.check_length(bytes)?;
    let all: Vec<_> = once
        .iter()
        .copied()
        .cycle()
        .take(once.len() * count)
        .collect();
    let all = arena.alloc_slice_copy(&all);
    Ok(Some(if matches!(value, Val::Tuple(_)) {
        Val::Tuple(all)
    } else {
        Val::List(all)
    }))
}

/// A number as a float.
pub(crate) fn as_float(value: Val<'_>) -> Option<f64> {
    match value {
        Val::Float(number) => Some(number),
        Val::BigInt(digits) => digits.parse().ok(),
        _ => as_index(value).map(|number| number as f64),
    }
}

fn arithmetic<'r>(operator: BinaryOperator, left: Val<'r>, right: Val<'r>) -> Result<Val<'r>> {
    if let (Some(a), Some(b)) = (as_index(left), as_index(right)) {
        return integers(operator, a, b);
    }
    let (Some(a), Some(b)) = (as_float(left), as_float(right)) else {
        return Err(unsupported(operator, left, right));
    };
    if !matches!(left, Val::Float(_)) && !matches!(right, Val::Float(_)) {
        return Err(Error::raised(BEYOND_64_BITS));
    }
    floats(operator, a, b)
}

fn integers<'r>(operator: BinaryOperator, a: i64, b: i64) -> Result<Val<'r>> {
    let by_zero = || Error::raised("division by zero");
    let value = match operator {
        BinaryOperator::Add => a.checked_add(b),
        BinaryOperator::Sub => a.checked_sub(b),
        BinaryOperator::Mul => a.checked_mul(b),
        BinaryOperator::Div | BinaryOperator::FloorDiv | BinaryOperator::Mod if b == 0 => {
            return Err(by_zero());
        }
        BinaryOperator::Div => return Ok(Val::Float(a as f64 / b as f64)),
        BinaryOperator::FloorDiv => a.checked_div_euclid(b).map(|_| floor_div(a, b)),
        BinaryOperator::Mod => {
            let rest = a.wrapping_rem(b);
            let is_other_side = rest != 0 && (rest < 0) != (b < 0);
            Some(if is_other_side { rest + b } else { rest })
        }
        BinaryOperator::Pow if b < 0 => return floats(operator, a as f64, b as f64),
        BinaryOperator::Pow => {
            // Of 0, 1 and -1 any power but the zeroth depends on whether it is odd alone.
            let is_unit = b > 0 && (-1..=1).contains(&a);
            let exponent = if is_unit { 2 - b % 2 } else { b };
            let exponent = u32::try_from(exponent).ok();
            exponent.and_then(|exponent| a.checked_pow(exponent))
        }
    };
    value
        .map(Val::Int)
        .ok_or_else(|| Error::raised(BEYOND_64_BITS))
}

fn floor_div(a: i64, b: i64) -> i64 {
    let quotient = a / b;
    if a % b != 0 && (a < 0) != (b < 0) {
        quotient - 1
    } else {
        quotient
    }
}

fn floats<'r>(operator: BinaryOperator, a: f64, b: f64) -> Result<Val<'r>> {
    let is_division = matches!(
        operator,
        BinaryOperator::Div | BinaryOperator::FloorDiv | BinaryOperator::Mod
    );
    if is_division && b == 0.0 {
        return Err(Error::raised("float division by zero"));
    }
    Ok(Val::Float(match operator {
        BinaryOperator::Add => a + b,
        BinaryOperator::Sub => a - b,
        BinaryOperator::Mul => a * b,
        BinaryOperator::Div => a / b,
        BinaryOperator::FloorDiv => divmod(a, b).0,
        BinaryOperator::Mod => divmod(a, b).1,
        BinaryOperator::Pow if a == 0.0 && b < 0.0 => {
            return Err(Error::raised("0.0 cannot be raised to a negative power"));
        }
        BinaryOperator::Pow => return power(a, b),
    }))
}

/// `a ** b` of floats, without the complex numbers.
fn power<'r>(a: f64, b: f64) -> Result<Val<'r>> {
    let value = a.powf(b);
    if a.is_finite() && b.is_finite() && !value.is_finite() {
        return Err(Error::raised(if value.is_nan() {
            "complex numbers are not supported in a chat template"
        } else {
            "(34, 'Numerical result out of range')"
        }));
    }
    Ok(Val::Float(value))
}

/// `-value` or `+value`.
pub(crate) fn signed(value: Val<'_>, negative: bool) -> Result<Val<'_>> {
    defined(value)?;
    match value {
        Val::Float(number) => Ok(Val::Float(if negative { -number } else { number })),
        Val::BigInt(_) => Err(Error::raised(BEYOND_64_BITS)),
        _ => match as_index(value) {
            Some(number) if negative => match number.checked_neg() {
                Some(number) => Ok(Val::Int(number)),
                None => Err(Error::raised(BEYOND_64_BITS)),
            },
            Some(number) => Ok(Val::Int(number)),
            None => Err(Error::raised(format!(
                "bad operand type for unary {}: '{}'",
                if negative { '-' } else { '+' },
                value.type_name()
            ))),
        },
    }
}

/// `left == right`.
#[expect(clippy::float_cmp, reason = "Python compares floats exactly")]
pub(crate) fn equal<'r>(left: Val<'r>, right: Val<'r>, arena: &'r RunArena<'r>) -> bool {
    match (left, right) {
        (Val::Str(a), Val::Str(b)) => {
            a.chars.len() == b.chars.len() && {
                arena.spend(a.chars.len() / 64);
                a.chars == b.chars
            }
        }
        (Val::Int(a), Val::Int(b)) => a == b,
        (Val::BigInt(a), Val::BigInt(b)) => a == b,
        (Val::None, Val::None)
        | (Val::Undefined(..) | Val::Missing, Val::Undefined(..) | Val::Missing) => true,
        (Val::Tuple(a), Val::Tuple(b)) => same_items(a, b, arena),
        (Val::Range(a), Val::Range(b)) => a == b,
        (Val::Namespace(a), Val::Namespace(b)) => std::ptr::eq(a, b),
        (Val::Macro(a), Val::Macro(b)) => std::ptr::eq(a, b),
        (Val::Loop(a), Val::Loop(b)) => std::ptr::eq(a, b),
        (Val::List(_) | Val::DataList(..), Val::List(_) | Val::DataList(..)) => {
            match (items(left, arena), items(right, arena)) {
                (Ok(a), Ok(b)) => same_items(a, b, arena),
                _ => false,
            }
        }
        (Val::Map(_) | Val::DataMap(..), Val::Map(_) | Val::DataMap(..)) => {
            same_maps(left, right, arena)
        }
        (Val::Sequence(a), Val::Sequence(b))
            if a.kind == SequenceKind::Keys && b.kind == a.kind =>
        {
            arena.spend(a.items.len().saturating_mul(b.items.len()));
            arena.descends()
                && a.items.len() == b.items.len()
                && a.items
                    .iter()
                    .all(|x| b.items.iter().any(|y| equal(*x, *y, arena)))
        }
        _ if left.is_str() && right.is_str() => left.chars(arena) == right.chars(arena),
        _ => match (as_float(left), as_float(right)) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        },
    }
}

fn same_items<'r>(a: &[Val<'r>], b: &[Val<'r>], arena: &'r RunArena<'r>) -> bool {
    arena.descends() && a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(*a, *b, arena))
}

fn same_maps<'r>(left: Val<'r>, right: Val<'r>, arena: &'r RunArena<'r>) -> bool {
    let (a, b) = (pairs(left, arena), pairs(right, arena));
    arena.spend(a.len().saturating_mul(b.len()));
    arena.descends()
        && a.len() == b.len()
        && a.iter().all(|(key, value)| {
            b.iter()
                .any(|(other, item)| equal(*key, *other, arena) && equal(*value, *item, arena))
        })
}

/// Keys and values of a mapping; empty for anything else.
pub(crate) fn pairs<'r>(value: Val<'r>, arena: &'r RunArena<'r>) -> &'r [(Val<'r>, Val<'r>)] {
    match value {
        Val::Map(entries) => entries,
        Val::DataMap(entries, origin) => {
            arena.alloc_slice_fill_iter(entries.iter().map(|(key, item)| {
                let origin = origin.field(key, arena);
                (Val::str(key, origin), Val::data(*item, origin))
            }))
        }
        _ => &[],
    }
}

/// How two values stand to each other; an error where Python refuses to compare them.
pub(crate) fn order<'r>(
    left: Val<'r>,
    right: Val<'r>,
    symbol: &str,
    arena: &'r RunArena<'r>,
) -> Result<Option<Ordering>> {
    defined(left)?;
    defined(right)?;
    if let (Some(a), Some(b)) = (left.chars(arena), right.chars(arena)) {
        return Ok(Some(a.cmp(b)));
    }
    if let (Some(a), Some(b)) = (as_index(left), as_index(right)) {
        return Ok(Some(a.cmp(&b)));
    }
    if let (Some(a), Some(b)) = (as_float(left), as_float(right)) {
        return Ok(a.partial_cmp(&b));
    }
    let is_list = |value: Val<'_>| matches!(value, Val::List(_) | Val::DataList(..));
    let is_tuple = |value: Val<'_>| matches!(value, Val::Tuple(_));
    if (is_list(left) && is_list(right)) || (is_tuple(left) && is_tuple(right)) {
        arena.check_stack()?;
        let (a, b) = (items(left, arena)?, items(right, arena)?);
        for (x, y) in a.iter().zip(b) {
            if !equal(*x, *y, arena) {
                return order(*x, *y, symbol, arena);
            }
        }
        return Ok(Some(a.len().cmp(&b.len())));
    }
    Err(Error::raised(format!(
        "'{symbol}' not supported between instances of '{}' and '{}'",
        left.type_name(),
        right.type_name()
    )))
}

/// `left operator right` of a comparison.
pub(crate) fn compare<'r>(
    operator: Comparison,
    left: Val<'r>,
    right: Val<'r>,
    arena: &'r RunArena<'r>,
) -> Result<bool> {
    Ok(match operator {
        Comparison::Eq => equal(left, right, arena),
        Comparison::Ne => !equal(left, right, arena),
        Comparison::Lt => order(left, right, "<", arena)?.is_some_and(Ordering::is_lt),
        Comparison::Le => order(left, right, "<=", arena)?.is_some_and(Ordering::is_le),
        Comparison::Gt => order(left, right, ">", arena)?.is_some_and(Ordering::is_gt),
        Comparison::Ge => order(left, right, ">=", arena)?.is_some_and(Ordering::is_ge),
        Comparison::In => contains(right, left, arena)?,
        Comparison::NotIn => !contains(right, left, arena)?,
    })
}

fn in_range((start, stop, step): (i64, i64, i64), number: f64) -> bool {
    let inside = if step > 0 {
        number >= start as f64 && number < stop as f64
    } else {
        number <= start as f64 && number > stop as f64
    };
    inside && ((number - start as f64) % step as f64).abs() < f64::EPSILON
}

/// `item in container`.
pub(crate) fn contains<'r>(
    container: Val<'r>,
    item: Val<'r>,
    arena: &'r RunArena<'r>,
) -> Result<bool> {
    arena.step_over(container.byte_len())?;
    if let Some(text) = container.chars(arena) {
        let Some(part) = item.chars(arena) else {
            let kind = item.type_name();
            return Err(Error::raised(format!(
                "'in <string>' requires string as left operand, not {kind}"
            )));
        };
        return Ok(
            part.is_empty() || memchr::memmem::find(text.as_bytes(), part.as_bytes()).is_some()
        );
    }
    match container {
        Val::DataMap(entries, _) => {
            hashable(item, arena)?;
            Ok(item
                .chars(arena)
                .is_some_and(|key| entries.iter().any(|(name, _)| *name == key)))
        }
        Val::Map(entries) => {
            hashable(item, arena)?;
            arena.spend(entries.len());
            Ok(entries.iter().any(|(key, _)| equal(*key, item, arena)))
        }
        Val::Range(range) => Ok(as_float(item).is_some_and(|number| in_range(*range, number))),
        Val::Namespace(_)
        | Val::Function(_)
        | Val::Macro(_)
        | Val::Method(_)
        | Val::None
        | Val::Bool(_)
        | Val::Int(_)
        | Val::Float(_)
        | Val::BigInt(_) => Err(Error::raised(format!(
            "argument of type '{}' is not iterable",
            container.type_name()
        ))),
        _ => {
            let mut source = Source::of(container, arena)?;
            while let Some(found) = source.next(arena) {
                arena.spend(1);
                if equal(found, item, arena) {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

/// An error if the value cannot be a key of a dict.
pub(crate) fn hashable<'r>(value: Val<'r>, arena: &'r RunArena<'r>) -> Result<()> {
    match value {
        Val::List(_) | Val::DataList(..) | Val::Map(_) | Val::DataMap(..) => Err(Error::raised(
            format!("unhashable type: '{}'", value.type_name()),
        )),
        Val::Tuple(items) => {
            arena.check_stack()?;
            items.iter().try_for_each(|item| hashable(*item, arena))
        }
        _ => Ok(()),
    }
}
