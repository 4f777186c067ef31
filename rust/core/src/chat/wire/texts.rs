//! Lists of messages that are JSON text, as tables hold them whose columns are strings.

use crate::chat::variables::json;
use crate::value::{Arena, Map, Value};

/// Columns that hold messages.
const COLUMNS: [&str; 4] = ["messages", "conversations", "conversation", "contents"];

/// The row with its messages as a list, where one of these columns, or of those that `mapped` names,
/// is the JSON text of a list of objects, or a list of such texts; `None` where nothing changes.
pub(in crate::chat) fn read<'a>(
    row: Map<'a>,
    mapped: &[(String, String)],
    arena: &'a Arena,
) -> Option<Map<'a>> {
    let is_list = |key: &str| {
        let is_mapped =
            |(theirs, ours): &(String, String)| theirs == key && COLUMNS.contains(&ours.as_str());
        COLUMNS.contains(&key) || mapped.iter().any(is_mapped)
    };
    let parsed = |key: &str, value: Value<'a>| is_list(key).then(|| list(value, arena))?;
    if !row.iter().any(|(key, value)| parsed(key, value).is_some()) {
        return None;
    }
    let entries = row.entries.iter();
    let read = entries.map(|(key, value)| (*key, parsed(key, *value).unwrap_or(*value)));
    Some(Map::new(arena.alloc_slice_fill_iter(read)))
}

/// The list of objects that a text, or the texts of a list, stand for.
fn list<'a>(value: Value<'a>, arena: &'a Arena) -> Option<Value<'a>> {
    match value {
        Value::Str(text) if text.trim_start().starts_with('[') => {
            let list = json(text, "messages", arena).ok()?;
            let items = list.as_list()?;
            let holds = !items.is_empty() && items.iter().all(|item| item.as_map().is_some());
            holds.then_some(list)
        }
        Value::List(texts) if !texts.is_empty() => {
            let mut items = bumpalo::collections::Vec::with_capacity_in(texts.len(), arena);
            for text in texts {
                let text = text
                    .as_str()
                    .filter(|text| text.trim_start().starts_with('{'))?;
                items.push(json(text, "messages", arena).ok()?);
            }
            Some(Value::List(items.into_bump_slice()))
        }
        _ => None,
    }
}
