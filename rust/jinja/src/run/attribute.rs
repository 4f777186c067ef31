//! `value.name`, `value[key]` and `value[a:b:c]`, as the sandbox gives them.

use crate::builtins::methods::{Has, Method, get, has};
use crate::compile::program::MacroFunction;
use crate::error::{Error, Result};
use crate::run::arguments::integer;
use crate::run::budget::RunArena;
use crate::run::iterate::{items, range_len};
use crate::value::operators::{BEYOND_64_BITS, defined};
use crate::value::repr::undefined_message;
use crate::value::text::TextBuilder;
use crate::value::{Absent, Val};

/// `value.name` for everything but loops.
pub(crate) fn attribute<'r>(
    value: Val<'r>,
    name: &'r str,
    arena: &'r RunArena<'r>,
) -> Result<Val<'r>> {
    defined(value)?;
    if let Some(method) = Method::by_name(name) {
        match has(value, method) {
            Has::Yes => return Ok(Val::Method(arena.alloc((value, method)))),
            Has::Unsafe => return Ok(Val::Undefined(name, Absent::Unsafe(value.type_name()))),
            Has::No => {}
        }
    }
    if is_internal(name) {
        return Ok(Val::Undefined(name, Absent::Unsafe(value.type_name())));
    }
    arena.spend_on_names(value.names());
    let found = match value {
        Val::DataMap(entries, origin) => entries
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(key, item)| Val::data(*item, origin.field(key, arena))),
        Val::Map(_) => get(
            value,
            Val::str(name, crate::value::origin::Origin::TEMPLATE),
            arena,
        ),
        _ => member(value, name),
    };
    Ok(found.unwrap_or(Val::Undefined(name, Absent::Attribute(object_name(value)))))
}

/// Attributes that are not methods.
fn macro_member<'r>(function: &'r MacroFunction, name: &str) -> Option<Val<'r>> {
    match name {
        "name" => Some(Val::str(
            &function.name,
            crate::value::origin::Origin::TEMPLATE,
        )),
        "catch_kwargs" => Some(Val::Bool(function.kwargs.is_some())),
        "catch_varargs" => Some(Val::Bool(function.varargs.is_some())),
        "caller" => Some(Val::Bool(function.caller.is_some())),
        _ => None,
    }
}

fn member<'r>(value: Val<'r>, name: &str) -> Option<Val<'r>> {
    match value {
        Val::Namespace(namespace) => namespace
            .entries
            .borrow()
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, item)| *item),
        Val::Cycler(cycler) if name == "current" => {
            let length = cycler.items.len().max(1);
            cycler.items.get(cycler.position.get() % length).copied()
        }
        Val::Range(range) => match name {
            "start" => Some(Val::Int(range.0)),
            "stop" => Some(Val::Int(range.1)),
            "step" => Some(Val::Int(range.2)),
            _ => None,
        },
        Val::Macro(inner) => macro_member(inner.function, name),
        Val::Tuple(items) if items.len() == 2 => match name {
            // What `groupby` gives; no other tuple of two is asked for these.
            "grouper" => Some(items[0]),
            "list" => Some(items[1]),
            _ => None,
        },
        Val::Int(_) | Val::Bool(_) if matches!(name, "real" | "numerator") => Some(value),
        _ => None,
    }
}

fn object_name(value: Val<'_>) -> &'static str {
    if matches!(value, Val::None) {
        "None"
    } else {
        value.type_name()
    }
}

/// Names that every Python object has and the sandbox hides.
fn is_internal(name: &str) -> bool {
    name.len() > 4 && name.starts_with("__") && name.ends_with("__")
}

/// `value[key]`.
pub(crate) fn item<'r>(value: Val<'r>, key: Val<'r>, arena: &'r RunArena<'r>) -> Result<Val<'r>> {
    defined(value)?;
    if let Some(found) = subscript(value, key, arena) {
        return Ok(found);
    }
    let Some(name) = key.chars(arena) else {
        let shown = crate::value::repr::repr_of(key, arena).chars;
        let what = undefined_message(shown, Absent::Attribute(object_name(value)));
        let what = what.replacen("attribute '", "element ", 1);
        let what = arena.alloc_str(what.trim_end_matches('\''));
        return Ok(Val::Undefined(what, Absent::Hint));
    };
    match value {
        Val::DataMap(..) | Val::Map(_) => {
            if let Some(method) = Method::by_name(name) {
                match has(value, method) {
                    Has::Yes => return Ok(Val::Method(arena.alloc((value, method)))),
                    Has::Unsafe => {
                        return Ok(Val::Undefined(name, Absent::Unsafe(value.type_name())));
                    }
                    Has::No => {}
                }
            }
            Ok(Val::Undefined(name, Absent::Attribute("dict")))
        }
        _ => attribute(value, name, arena),
    }
}

/// The result of Python's subscript; `None` if it raises what the environment catches.
fn subscript<'r>(value: Val<'r>, key: Val<'r>, arena: &'r RunArena<'r>) -> Option<Val<'r>> {
    match value {
        Val::DataMap(..) | Val::Map(_) => get(value, key, arena),
        Val::List(items) | Val::Tuple(items) => {
            let at = position(key, items.len())?;
            Some(items[at])
        }
        Val::DataList(items, origin) => {
            let at = position(key, items.len())?;
            Some(Val::data(items[at], origin))
        }
        Val::Range(range) => {
            let at = position(key, range_len(*range) as usize)?;
            Some(Val::Int(nth(*range, at as i64)?))
        }
        _ => {
            let text = value.text(arena)?;
            let length = if text.chars.is_ascii() {
                text.chars.len()
            } else {
                text.chars.chars().count()
            };
            let at = position(key, length)?;
            let from = crate::value::text::byte_at(text.chars, at);
            let to = from + text.chars[from..].chars().next()?.len_utf8();
            Some(text.slice(from, to, arena).val(arena))
        }
    }
}

fn position(key: Val<'_>, length: usize) -> Option<usize> {
    let at = match key {
        Val::Int(at) => at,
        Val::Bool(flag) => i64::from(flag),
        _ => return None,
    };
    let at = if at < 0 { at + length as i64 } else { at };
    usize::try_from(at).ok().filter(|at| *at < length)
}

/// `value[start:stop:step]`.
pub(crate) fn slice<'r>(
    value: Val<'r>,
    bounds: [Option<Val<'r>>; 3],
    arena: &'r RunArena<'r>,
) -> Result<Val<'r>> {
    defined(value)?;
    let mut parts = [None; 3];
    for (part, bound) in parts.iter_mut().zip(bounds) {
        *part = match bound {
            None | Some(Val::None) => None,
            Some(bound) => Some(integer(bound).map_err(|_| {
                Error::raised("slice indices must be integers or None or have an __index__ method")
            })?),
        };
    }
    if parts[2] == Some(0) {
        return Err(Error::raised("slice step cannot be zero"));
    }
    match value {
        Val::List(all) => Ok(Val::List(pick(all, parts, arena))),
        Val::Tuple(all) => Ok(Val::Tuple(pick(all, parts, arena))),
        Val::DataList(all, origin) => {
            let (start, stop, step) = resolve(parts, all.len());
            if step == 1 {
                return Ok(Val::DataList(
                    &all[start as usize..stop.max(start) as usize],
                    origin,
                ));
            }
            Ok(Val::List(pick(items(value, arena)?, parts, arena)))
        }
        Val::Range(range) => {
            let (start, stop, step) = resolve(parts, range_len(*range) as usize);
            let part = || {
                let step = range.2.checked_mul(step)?;
                Some((nth(*range, start)?, nth(*range, stop)?, step))
            };
            let part = part().ok_or_else(|| Error::raised(BEYOND_64_BITS))?;
            Ok(Val::Range(arena.alloc(part)))
        }
        _ => match value.text(arena) {
            Some(text) => Ok(slice_text(text, parts, arena).val(arena)),
            None => Err(Error::raised(match value {
                Val::DataMap(..) | Val::Map(_) => "unhashable type: 'slice'".to_owned(),
                _ => format!("'{}' object is not subscriptable", value.type_name()),
            })),
        },
    }
}

/// Item `index` of a range, which may be the one before its first or after its last; none beyond
/// 64 bits.
fn nth((start, _, step): (i64, i64, i64), index: i64) -> Option<i64> {
    let item = i128::from(start) + i128::from(index) * i128::from(step);
    i64::try_from(item).ok()
}

/// Start, stop and step as Python's `slice.indices` gives them.
fn resolve([start, stop, step]: [Option<i64>; 3], length: usize) -> (i64, i64, i64) {
    let length = length as i64;
    let step = step.unwrap_or(1);
    let (low, high) = if step > 0 {
        (0, length)
    } else {
        (-1, length - 1)
    };
    let clamp = |value: Option<i64>, default: i64| match value {
        None => default,
        Some(at) if at < 0 => (at.saturating_add(length)).max(low),
        Some(at) => at.min(high),
    };
    let (first, last) = if step > 0 { (low, high) } else { (high, low) };
    let (start, stop) = (clamp(start, first), clamp(stop, last));
    (start, if step > 0 { stop.max(start) } else { stop }, step)
}

fn indices(parts: [Option<i64>; 3], length: usize) -> Vec<usize> {
    let (start, stop, step) = resolve(parts, length);
    let mut at = start;
    let mut found = Vec::new();
    while if step > 0 { at < stop } else { at > stop } {
        found.push(at as usize);
        at = at.saturating_add(step);
    }
    found
}

fn pick<'r>(all: &'r [Val<'r>], parts: [Option<i64>; 3], arena: &'r RunArena<'r>) -> &'r [Val<'r>] {
    let (start, stop, step) = resolve(parts, all.len());
    if step == 1 {
        return &all[start as usize..stop as usize];
    }
    let picked: Vec<_> = indices(parts, all.len())
        .into_iter()
        .map(|at| all[at])
        .collect();
    arena.alloc_slice_copy(&picked)
}

fn slice_text<'r>(
    text: crate::value::text::Text<'r>,
    parts: [Option<i64>; 3],
    arena: &'r RunArena<'r>,
) -> crate::value::text::Text<'r> {
    let length = text.chars.chars().count();
    let (start, stop, step) = resolve(parts, length);
    if step == 1 {
        let offset = |at: i64| crate::value::text::byte_at(text.chars, at as usize);
        return text.slice(offset(start), offset(stop), arena);
    }
    if !arena.admits(0, length.saturating_mul(size_of::<usize>())) {
        return text.slice(0, 0, arena);
    }
    let offsets: Vec<usize> = text
        .chars
        .char_indices()
        .map(|(at, _)| at)
        .chain([text.chars.len()])
        .collect();
    let mut out = TextBuilder::new(arena);
    for at in indices(parts, length) {
        out.push_text(text.slice(offsets[at], offsets[at + 1], arena));
    }
    out.finish().like(text)
}
