//! Methods of Python's strings, dicts, lists and of jinja2's loop: which type has which.

use crate::error::{Error, Result};
use crate::run::arguments::{Given, integer, required};
use crate::run::budget::RunArena;
use crate::run::iterate::items;
use crate::value::operators::{equal, hashable, pairs};
use crate::value::{Sequence, SequenceKind, Val};

macro_rules! methods {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// A method by its name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Method { $($variant),* }

        impl Method {
            /// The method of a name that any type has.
            pub(crate) fn by_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// Its name.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

methods! {
    Capitalize "capitalize", Casefold "casefold", Center "center", Count "count",
    Encode "encode", EndsWith "endswith", ExpandTabs "expandtabs", Find "find",
    Format "format", FormatMap "format_map", Index "index", IsAlnum "isalnum",
    IsAlpha "isalpha", IsAscii "isascii", IsDecimal "isdecimal", IsDigit "isdigit",
    IsIdentifier "isidentifier", IsLower "islower", IsNumeric "isnumeric",
    IsPrintable "isprintable", IsSpace "isspace", IsTitle "istitle", IsUpper "isupper",
    Join "join", Ljust "ljust", Lower "lower", Lstrip "lstrip", Maketrans "maketrans",
    Partition "partition", RemovePrefix "removeprefix", RemoveSuffix "removesuffix",
    Replace "replace", Rfind "rfind", Rindex "rindex", Rjust "rjust",
    Rpartition "rpartition", Rsplit "rsplit", Rstrip "rstrip", Split "split",
    SplitLines "splitlines", StartsWith "startswith", Strip "strip", SwapCase "swapcase",
    Title "title", Translate "translate", Upper "upper", Zfill "zfill",
    Get "get", Keys "keys", Values "values", Items "items", Copy "copy",
    FromKeys "fromkeys", Clear "clear", Pop "pop", PopItem "popitem",
    SetDefault "setdefault", Update "update",
    Append "append", Extend "extend", Insert "insert", Remove "remove",
    Reverse "reverse", Sort "sort",
    Cycle "cycle", Changed "changed", Next "next", Reset "reset",
    IsInteger "is_integer", BitLength "bit_length",
}

/// Whether a value has a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Has {
    No,
    Yes,
    /// The sandbox hides it, because it changes the value.
    Unsafe,
}

/// Whether `value` has `method`.
pub(crate) fn has(value: Val<'_>, method: Method) -> Has {
    use Method as M;
    let yes = |is: bool| if is { Has::Yes } else { Has::No };
    match value {
        Val::Str(_) | Val::Mixed(_) | Val::Rope(_) => yes((method as u8) <= M::Zfill as u8),
        Val::Map(_) | Val::DataMap(..) => match method {
            M::Get | M::Keys | M::Values | M::Items | M::Copy | M::FromKeys => Has::Yes,
            M::Clear | M::Pop | M::PopItem | M::SetDefault | M::Update => Has::Unsafe,
            _ => Has::No,
        },
        Val::List(_) | Val::DataList(..) => match method {
            M::Index | M::Count | M::Copy => Has::Yes,
            M::Append
            | M::Clear
            | M::Extend
            | M::Insert
            | M::Pop
            | M::Remove
            | M::Reverse
            | M::Sort => Has::Unsafe,
            _ => Has::No,
        },
        Val::Tuple(_) | Val::Range(_) => yes(matches!(method, M::Index | M::Count)),
        Val::Loop(_) => yes(matches!(method, M::Cycle | M::Changed)),
        Val::Cycler(_) => yes(matches!(method, M::Next | M::Reset)),
        Val::Float(_) => yes(method == M::IsInteger),
        Val::Int(_) | Val::Bool(_) => yes(method == M::BitLength),
        Val::Function(crate::builtins::functions::Function::Dict) => yes(method == M::FromKeys),
        _ => Has::No,
    }
}

/// Calls a method that `value` has. Methods of strings are in `string`, of loops in the
/// interpreter.
pub(crate) fn call<'r>(
    value: Val<'r>,
    method: Method,
    given: Given<'r>,
    arena: &'r RunArena<'r>,
) -> Result<Val<'r>> {
    if let Some(text) = value.text(arena) {
        return crate::builtins::str_methods::call(text, method, given, arena);
    }
    match value {
        Val::Map(_) | Val::DataMap(..) => mapping(value, method, given, arena),
        Val::List(_) | Val::DataList(..) | Val::Tuple(_) | Val::Range(_) => {
            list(value, method, given, arena)
        }
        Val::Float(number) => Ok(Val::Bool(number.fract() == 0.0)),
        Val::Int(number) => Ok(Val::Int(i64::from(
            64 - number.unsigned_abs().leading_zeros(),
        ))),
        Val::Bool(flag) => Ok(Val::Int(i64::from(flag))),
        Val::Function(_) => from_keys(given, arena),
        _ => Err(Error::raised(format!(
            "'{}' object has no attribute '{}'",
            value.type_name(),
            method.name()
        ))),
    }
}

/// The value of `key` in a mapping.
pub(crate) fn get<'r>(value: Val<'r>, key: Val<'r>, arena: &'r RunArena<'r>) -> Option<Val<'r>> {
    match value {
        Val::DataMap(entries, origin) => {
            let name = key.chars(arena)?;
            arena.spend_on_names(entries.len());
            let (key, item) = entries.iter().find(|(key, _)| *key == name)?;
            Some(Val::data(*item, origin.field(key, arena)))
        }
        Val::Map(entries) => {
            arena.spend(entries.len() / 8);
            entries
                .iter()
                .find(|(known, _)| equal(*known, key, arena))
                .map(|(_, item)| *item)
        }
        _ => None,
    }
}

fn mapping<'r>(
    value: Val<'r>,
    method: Method,
    given: Given<'r>,
    arena: &'r RunArena<'r>,
) -> Result<Val<'r>> {
    if method == Method::Get {
        let [key, default] = given.positional_only("get")?;
        let key = required(key, "get")?;
        hashable(key, arena)?;
        return Ok(get(value, key, arena).or(default).unwrap_or(Val::None));
    }
    if method == Method::FromKeys {
        return from_keys(given, arena);
    }
    let [] = given.positional_only(method.name())?;
    Ok(match method {
        Method::Copy => value,
        Method::Keys => view(SequenceKind::Keys, items(value, arena)?, arena),
        Method::Values => {
            let pairs = pairs(value, arena);
            let values = arena.alloc_slice_fill_iter(pairs.iter().map(|(_, item)| *item));
            view(SequenceKind::Values, values, arena)
        }
        _ => view(SequenceKind::Items, tuples(value, arena), arena),
    })
}

/// `list(mapping.items())`.
pub(crate) fn tuples<'r>(value: Val<'r>, arena: &'r RunArena<'r>) -> &'r [Val<'r>] {
    let pairs = pairs(value, arena);
    arena.alloc_slice_fill_iter(
        pairs
            .iter()
            .map(|(key, item)| Val::Tuple(arena.alloc_slice_copy(&[*key, *item]))),
    )
}

/// A view or iterator over `items`.
pub(crate) fn view<'r>(
    kind: SequenceKind,
    items: &'r [Val<'r>],
    arena: &'r RunArena<'r>,
) -> Val<'r> {
    Val::Sequence(arena.alloc(Sequence {
        kind,
        items,
        taken: std::cell::Cell::new(0),
    }))
}

fn from_keys<'r>(given: Given<'r>, arena: &'r RunArena<'r>) -> Result<Val<'r>> {
    let [keys, value] = given.positional_only("fromkeys")?;
    let value = value.unwrap_or(Val::None);
    let keys = items(required(keys, "fromkeys")?, arena)?;
    let entries: Vec<_> = keys.iter().map(|key| (*key, value)).collect();
    map_of(&entries, arena)
}

/// A dict of entries: of equal keys the last value stands at the first key's place.
pub(crate) fn map_of<'r>(
    entries: &[(Val<'r>, Val<'r>)],
    arena: &'r RunArena<'r>,
) -> Result<Val<'r>> {
    let mut unique =
        bumpalo::collections::Vec::<(Val<'r>, Val<'r>)>::with_capacity_in(entries.len(), arena);
    for (key, value) in entries {
        hashable(*key, arena)?;
        arena.spend(unique.len());
        arena.check()?;
        match unique
            .iter_mut()
            .find(|(known, _)| equal(*known, *key, arena))
        {
            Some((_, slot)) => *slot = *value,
            None => unique.push((*key, *value)),
        }
    }
    Ok(Val::Map(unique.into_bump_slice()))
}

fn list<'r>(
    value: Val<'r>,
    method: Method,
    given: Given<'r>,
    arena: &'r RunArena<'r>,
) -> Result<Val<'r>> {
    let all = items(value, arena)?;
    match method {
        Method::Copy => Ok(value),
        Method::Count => {
            let [item] = given.positional_only("count")?;
            let item = required(item, "count")?;
            let count = all
                .iter()
                .filter(|found| equal(**found, item, arena))
                .count();
            Ok(Val::Int(count as i64))
        }
        _ => {
            let found = index(all, given, arena)?;
            found
                .map(|at| Val::Int(at as i64))
                .ok_or_else(|| Error::raised(format!("item is not in {}", value.type_name())))
        }
    }
}

fn index<'r>(all: &[Val<'r>], given: Given<'r>, arena: &'r RunArena<'r>) -> Result<Option<usize>> {
    let [item, start, stop] = given.positional_only("index")?;
    let item = required(item, "index")?;
    let bound = |value: Option<Val<'r>>, default: i64| -> Result<usize> {
        let at = value.map_or(Ok(default), integer)?;
        let length = all.len() as i64;
        Ok(if at < 0 {
            (at + length).max(0)
        } else {
            at.min(length)
        } as usize)
    };
    let (start, stop) = (bound(start, 0)?, bound(stop, i64::MAX)?);
    Ok((start..stop).find(|at| equal(all[*at], item, arena)))
}
