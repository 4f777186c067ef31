//! Copies of a message's or call's fields with one of them changed.

use crate::value::{Arena, Map, Value};

/// The fields with `value` under `new` in the place of `old`.
pub(super) fn replaced<'a>(
    fields: Map<'a>,
    old: &str,
    new: &'a str,
    value: Value<'a>,
    arena: &'a Arena,
) -> Map<'a> {
    let entries = fields
        .entries
        .iter()
        .map(|entry| if entry.0 == old { (new, value) } else { *entry });
    Map::new(arena.alloc_slice_fill_iter(entries))
}

/// The fields with one more at `place`.
pub(super) fn inserted<'a>(
    fields: Map<'a>,
    place: usize,
    key: &'a str,
    value: Value<'a>,
    arena: &'a Arena,
) -> Map<'a> {
    let mut entries = bumpalo::collections::Vec::with_capacity_in(fields.entries.len() + 1, arena);
    entries.extend_from_slice(fields.entries);
    entries.insert(place.min(entries.len()), (key, value));
    Map::new(entries.into_bump_slice())
}

/// The fields without `key`.
pub(super) fn without<'a>(fields: Map<'a>, key: &str, arena: &'a Arena) -> Map<'a> {
    let mut entries = bumpalo::collections::Vec::with_capacity_in(fields.entries.len(), arena);
    entries.extend(fields.iter().filter(|(name, _)| *name != key));
    Map::new(entries.into_bump_slice())
}

/// The fields with `value` under `key`: in its place, or at the end.
pub(super) fn with<'a>(
    fields: Map<'a>,
    key: &'a str,
    value: Value<'a>,
    arena: &'a Arena,
) -> Map<'a> {
    let entries = fields.entries;
    let Some(place) = entries.iter().position(|(name, _)| *name == key) else {
        return inserted(fields, entries.len(), key, value, arena);
    };
    let entries = arena.alloc_slice_copy(entries);
    entries[place].1 = value;
    Map::new(entries)
}
