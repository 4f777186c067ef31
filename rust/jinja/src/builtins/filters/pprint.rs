//! The filter `pprint`: Python's `pprint.pformat` of what fits in one line.

use crate::data::Value;
use crate::error::{Error, Result};
use crate::run::budget::RunArena;
use crate::value::Val;
use crate::value::origin::Origin;
use crate::value::repr::repr_of;

/// The width at which `pprint` breaks lines.
const WIDTH: usize = 80;

/// The value as Python prints it, the keys of every dict in order.
pub(crate) fn print<'r>(value: Val<'r>, arena: &'r RunArena<'r>) -> Result<Val<'r>> {
    let printed = repr_of(sorted(value, arena)?, arena);
    if printed.chars.chars().count() > WIDTH {
        return Err(Error::raised(
            "the filter 'pprint' is not supported for values that take several lines",
        ));
    }
    Ok(printed.val(arena))
}

/// The value with the keys of its dicts in order; an error where keys are not all strings.
fn sorted<'r>(value: Val<'r>, arena: &'r RunArena<'r>) -> Result<Val<'r>> {
    let each = |items: &[Val<'r>]| -> Result<&'r [Val<'r>]> {
        let sorted: Vec<_> = items
            .iter()
            .map(|item| sorted(*item, arena))
            .collect::<Result<_>>()?;
        Ok(arena.alloc_slice_copy(&sorted))
    };
    arena.check_stack()?;
    Ok(match value {
        Val::List(items) => Val::List(each(items)?),
        Val::Tuple(items) => Val::Tuple(each(items)?),
        Val::DataList(items, origin) => {
            let items: Vec<_> = items.iter().map(|item| Val::data(*item, origin)).collect();
            Val::List(each(&items)?)
        }
        Val::Map(entries) => dict(entries.to_vec(), arena)?,
        Val::DataMap(entries, origin) => {
            let pair = |(key, item): &(&'r str, Value<'r>)| {
                let key = Val::str(key, Origin::TEMPLATE);
                (key, Val::data(*item, origin))
            };
            dict(entries.iter().map(pair).collect(), arena)?
        }
        _ => value,
    })
}

fn dict<'r>(mut entries: Vec<(Val<'r>, Val<'r>)>, arena: &'r RunArena<'r>) -> Result<Val<'r>> {
    if entries.len() > 1 && entries.iter().any(|(key, _)| !key.is_str()) {
        return Err(Error::raised(
            "the filter 'pprint' is not supported for dicts whose keys are not all strings",
        ));
    }
    entries.sort_by_key(|(key, _)| key.chars(arena));
    for (_, item) in &mut entries {
        *item = sorted(*item, arena)?;
    }
    Ok(Val::Map(arena.alloc_slice_copy(&entries)))
}
