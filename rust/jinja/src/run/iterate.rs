//! Iteration over values.

use crate::data::Value;
use crate::error::{Error, Result};
use crate::run::budget::RunArena;
use crate::value::origin::Origin;
use crate::value::text::Text;
use crate::value::{Loop, Sequence, SequenceKind, Val};

/// Where the items of an iteration come from.
#[derive(Clone, Copy)]
pub(crate) enum Source<'r> {
    Items(&'r [Val<'r>]),
    Data(&'r [Value<'r>], Origin),
    Keys(&'r [(&'r str, Value<'r>)], Origin),
    MapKeys(&'r [(Val<'r>, Val<'r>)]),
    Characters(Text<'r>, usize),
    Range(i64, i64, i64),
    /// What can be read once.
    Once(&'r Sequence<'r>),
    Loop(&'r Loop<'r>),
}

/// `len(range(start, stop, step))`, at most [`i64::MAX`].
pub(crate) fn range_len((start, stop, step): (i64, i64, i64)) -> i64 {
    let (low, high) = if step > 0 {
        (start, stop)
    } else {
        (stop, start)
    };
    if low >= high {
        return 0;
    }
    let steps = (high.abs_diff(low) - 1) / step.unsigned_abs();
    i64::try_from(steps).map_or(i64::MAX, |steps| steps.saturating_add(1))
}

impl<'r> Source<'r> {
    /// `iter(value)`.
    pub(crate) fn of(value: Val<'r>, arena: &'r RunArena<'r>) -> Result<Self> {
        Ok(match value {
            Val::List(items) | Val::Tuple(items) => Self::Items(items),
            Val::DataList(items, origin) => Self::Data(items, origin),
            Val::Map(entries) => Self::MapKeys(entries),
            Val::DataMap(entries, origin) => Self::Keys(entries, origin),
            Val::Range(range) => Self::Range(range.0, range.1, range.2),
            Val::Undefined(_, crate::value::Absent::Unsafe(_))
            | Val::Undefined(..)
            | Val::Missing => Self::Items(&[]),
            Val::Sequence(sequence) => match sequence.kind {
                SequenceKind::Generator | SequenceKind::Iterator => Self::Once(sequence),
                _ => Self::Items(sequence.items),
            },
            Val::Loop(inner) => Self::Loop(inner),
            other => {
                if let Some(text) = other.text(arena) {
                    Self::Characters(text, 0)
                } else {
                    let kind = other.type_name();
                    return Err(Error::raised(format!("'{kind}' object is not iterable")));
                }
            }
        })
    }

    /// The next item.
    pub(crate) fn next(&mut self, arena: &'r RunArena<'r>) -> Option<Val<'r>> {
        match self {
            Self::Items(items) => {
                let (first, rest) = items.split_first()?;
                *items = rest;
                Some(*first)
            }
            Self::Data(items, origin) => {
                let (first, rest) = items.split_first()?;
                *items = rest;
                Some(Val::data(*first, *origin))
            }
            Self::Keys(entries, origin) => {
                let (first, rest) = entries.split_first()?;
                *entries = rest;
                Some(Val::str(first.0, *origin))
            }
            Self::MapKeys(entries) => {
                let (first, rest) = entries.split_first()?;
                *entries = rest;
                Some(first.0)
            }
            Self::Characters(text, at) => {
                let character = text.chars[*at..].chars().next()?;
                let start = *at;
                *at += character.len_utf8();
                // Characters of a `Markup` are plain strings.
                let plain = Text {
                    safe: false,
                    ..text.slice(start, *at, arena)
                };
                Some(plain.val(arena))
            }
            Self::Range(start, stop, step) => {
                let is_over = if *step > 0 {
                    *start >= *stop
                } else {
                    *start <= *stop
                };
                if is_over {
                    return None;
                }
                let item = *start;
                *start = start.saturating_add(*step);
                Some(Val::Int(item))
            }
            Self::Once(sequence) => {
                let taken = sequence.taken.get();
                sequence.taken.set(taken + 1);
                sequence.items.get(taken).copied()
            }
            Self::Loop(inner) => {
                if let Some(item) = inner.after.take() {
                    return Some(item);
                }
                let item = inner.source.borrow_mut().next(arena)?;
                Some(item)
            }
        }
    }

    /// How many items are left; `None` if Python's `len` refuses.
    pub(crate) fn len(&self) -> Option<usize> {
        match self {
            Self::Items(items) => Some(items.len()),
            Self::Data(items, _) => Some(items.len()),
            Self::Keys(entries, _) => Some(entries.len()),
            Self::MapKeys(entries) => Some(entries.len()),
            Self::Characters(text, at) => Some(text.chars[*at..].chars().count()),
            Self::Range(start, stop, step) => Some(range_len((*start, *stop, *step)) as usize),
            Self::Once(_) | Self::Loop(_) => None,
        }
    }

    /// All items that are left.
    pub(crate) fn collect(mut self, arena: &'r RunArena<'r>) -> &'r [Val<'r>] {
        if let Self::Items(items) = self {
            arena.spend(items.len());
            return items;
        }
        let size = size_of::<Val<'r>>();
        let mut items = bumpalo::collections::Vec::new_in(arena);
        while let Some(item) = self.next(arena) {
            arena.spend(1);
            if !arena.admits(items.len() * size, size) {
                break;
            }
            items.push(item);
        }
        items.into_bump_slice()
    }
}

/// `list(value)` as a slice.
pub(crate) fn items<'r>(value: Val<'r>, arena: &'r RunArena<'r>) -> Result<&'r [Val<'r>]> {
    Ok(Source::of(value, arena)?.collect(arena))
}

/// `len(value)`.
pub(crate) fn length<'r>(value: Val<'r>, arena: &'r RunArena<'r>) -> Result<i64> {
    let no_length = || {
        let kind = value.type_name();
        Err(Error::raised(format!(
            "object of type '{kind}' has no len()"
        )))
    };
    match value {
        Val::Loop(inner) => match inner.length.get() {
            Some(length) => Ok(length),
            None => no_length(),
        },
        Val::Undefined(_, crate::value::Absent::Unsafe(_)) => Ok(0),
        _ => match Source::of(value, arena)
            .ok()
            .and_then(|source| source.len())
        {
            Some(length) => Ok(length as i64),
            None => no_length(),
        },
    }
}
