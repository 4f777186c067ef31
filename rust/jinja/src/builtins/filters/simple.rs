//! Filters of any value.

use super::{Filter, pprint, text};
use crate::builtins::methods::{Method, tuples, view};
use crate::builtins::tojson::{DumpOptions, dumps};
use crate::error::{Error, Result};
use crate::run::arguments::{Given, integer, required};
use crate::run::budget::RunArena;
use crate::run::interpret::Interpreter;
use crate::run::iterate::items;
use crate::value::origin::Origin;
use crate::value::{Absent, SequenceKind, Val};

/// `value | filter(…)` for the filters of any value.
pub(super) fn call<'r>(
    filter: Filter,
    value: Val<'r>,
    given: Given<'r>,
    run: &mut Interpreter<'r>,
) -> Result<Val<'r>> {
    use Filter as F;
    let arena = run.arena;
    match filter {
        F::Length => {
            let [] = given.bind("length", [])?;
            run.length(value).map(Val::Int)
        }
        F::Default => {
            let [default, boolean] = given.bind("default", ["default_value", "boolean"])?;
            let default = default.unwrap_or(Val::str("", Origin::TEMPLATE));
            let falls_back =
                value.is_undefined() || (boolean.is_some_and(Val::truth) && !value.truth());
            Ok(if falls_back { default } else { value })
        }
        F::List => Ok(Val::List(items(value, arena)?)),
        F::Items => match value {
            Val::Undefined(..) => Ok(view(SequenceKind::Generator, &[], arena)),
            Val::Map(_) | Val::DataMap(..) => {
                Ok(view(SequenceKind::Generator, tuples(value, arena), arena))
            }
            _ => Err(Error::raised("Can only get item pairs from a mapping.")),
        },
        F::ToJson => to_json(value, given, arena),
        F::Attr => {
            let [name] = given.bind("attr", ["name"])?;
            attr(value, required(name, "attr")?, run)
        }
        F::FileSizeFormat => text::file_size(value, given, arena),
        F::PPrint => pprint::print(value, arena),
        _ => Err(Error::raised(
            "the filter 'random' is not supported: renders must not differ",
        )),
    }
}

fn attr<'r>(value: Val<'r>, name: Val<'r>, run: &mut Interpreter<'r>) -> Result<Val<'r>> {
    let Some(name) = name.chars(run.arena) else {
        return Err(Error::raised("attribute name must be string"));
    };
    if matches!(value, Val::Map(_) | Val::DataMap(..)) && Method::by_name(name).is_none() {
        return Ok(Val::Undefined(name, Absent::Attribute("dict")));
    }
    run.attribute(value, name)
}

fn pair_of_texts<'r>(value: Val<'r>, arena: &'r RunArena<'r>) -> Result<(&'r str, &'r str)> {
    let text = |value: Val<'r>| {
        let no_text = || Error::raised("separators must be strings");
        value.chars(arena).ok_or_else(no_text)
    };
    match items(value, arena)? {
        [item, key] => Ok((text(*item)?, text(*key)?)),
        _ => Err(Error::raised("not enough values to unpack (expected 2)")),
    }
}

fn to_json<'r>(value: Val<'r>, given: Given<'r>, arena: &'r RunArena<'r>) -> Result<Val<'r>> {
    let names = ["ensure_ascii", "indent", "separators", "sort_keys"];
    let [ascii, indent, separators, sort] = given.bind("tojson", names)?;
    let indent = match indent {
        None | Some(Val::None) => None,
        Some(value) => match value.chars(arena) {
            Some(text) => Some(text),
            None => Some(&*arena.alloc_str(&arena.repeat(" ", integer(value)?.max(0) as usize))),
        },
    };
    let default_item = if indent.is_some() { "," } else { ", " };
    let (item_separator, key_separator) = match separators {
        None | Some(Val::None) => (default_item, ": "),
        Some(value) => pair_of_texts(value, arena)?,
    };
    let layout = DumpOptions {
        ensure_ascii: ascii.is_some_and(Val::truth),
        indent,
        item_separator,
        key_separator,
        sort_keys: sort.is_some_and(Val::truth),
    };
    Ok(dumps(value, layout, arena)?.val(arena))
}
