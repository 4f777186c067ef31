//! Which schema a file has, from its first rows.

use super::schema::{Schema, not_available};
use crate::error::{Error, ErrorKind, Result};
use crate::value::{Map, Value};

/// Shapes that can be told apart; the last ones have no reader yet.
const SHAPES: [(&str, Option<Schema>); 8] = [
    ("messages", Some(Schema::Messages)),
    ("sharegpt", Some(Schema::Sharegpt)),
    ("alpaca", Some(Schema::Alpaca)),
    ("prompt-completion", Some(Schema::PromptCompletion)),
    ("text", Some(Schema::Text)),
    ("preference", None),
    ("kto", None),
    ("segments", None),
];

/// The schema that `rows`, the first ones of a file, have.
///
/// A row that fits no schema, or holds an empty list of messages, says nothing. An error where no
/// row says anything, and where rows fit several schemas: the user must choose.
pub fn detect(rows: &[Value<'_>]) -> Result<Schema> {
    let mut fitting = [0_u64; SHAPES.len()];
    for row in rows {
        if let Some(row) = row.as_map() {
            let fits = fits(row);
            for (count, fits) in fitting.iter_mut().zip(fits) {
                *count += u64::from(fits);
            }
        }
    }
    let found: Vec<usize> = (0..SHAPES.len())
        .filter(|shape| fitting[*shape] > 0)
        .collect();
    match found[..] {
        [] => Err(nothing_fits(rows)),
        [shape] => SHAPES[shape].1.ok_or_else(|| no_reader(SHAPES[shape].0)),
        _ => Err(ambiguous(&found, &fitting, rows.len())),
    }
}

/// Which shapes a row fits, in the order of [`SHAPES`].
fn fits(row: Map<'_>) -> [bool; SHAPES.len()] {
    let has = |name| row.get_some(name).is_some();
    let is = |name, kind: fn(Value<'_>) -> bool| row.get(name).is_some_and(kind);
    let preference = has("chosen") && has("rejected");
    let kto = is("label", |label| matches!(label, Value::Bool(_)))
        && (has("messages") || has("completion"));
    [
        list_has(row, "role", "content") && !preference && !kto,
        list_has(row, "from", "value") && !preference && !kto,
        has("instruction") && row.get("output").is_some() && !preference,
        has("prompt") && has("completion") && !kto,
        is("text", |text| text.as_str().is_some()),
        preference,
        kto,
        is("segments", |segments| segments.as_list().is_some()),
    ]
}

/// Whether the list of messages holds objects with the two keys.
fn list_has(row: Map<'_>, role: &str, content: &str) -> bool {
    ["messages", "conversations"].into_iter().any(|name| {
        let items = row.get(name).and_then(Value::as_list).unwrap_or_default();
        items
            .iter()
            .take(4)
            .filter_map(|item| item.as_map())
            .any(|item| {
                item.get_some(role).is_some() && (item.get(content).is_some() || role == "role")
            })
    })
}

fn nothing_fits(rows: &[Value<'_>]) -> Error {
    if rows.is_empty() {
        return Error::new(ErrorKind::Data, "no-rows", "the input holds no rows");
    }
    let keys = rows.iter().find_map(|row| row.as_map());
    if let Some(error) = keys.and_then(no_list) {
        return error;
    }
    let what = match keys {
        None => format!("the first row is {}, not an object", rows[0].kind()),
        Some(map) => {
            let keys = super::messages::keys(map);
            format!("the rows fit no schema; keys of the first: {keys}")
        }
    };
    let error = Error::new(ErrorKind::Data, "unknown-schema", what);
    if keys.is_none() {
        return error.hint("a row is an object, such as {\"messages\": [...]}");
    }
    if keys.is_some_and(|row| row.get("role").is_some() && row.get("content").is_some()) {
        return error.hint(
            "these look like messages: a row is a whole conversation, such as \
             {\"messages\": [...]}",
        );
    }
    error.hint(
        "name it with --schema, and the keys that differ with --fields, such as \
         --schema prompt-completion --fields prompt=question,completion=answer",
    )
}

/// The error of a row whose messages are something else than a list.
fn no_list(row: Map<'_>) -> Option<Error> {
    let mut names = ["messages", "conversations"].into_iter();
    let (name, value) = names.find_map(|name| Some((name, row.get_some(name)?)))?;
    if value.as_list().is_some() {
        return None;
    }
    let what = format!(
        "the rows fit no schema: `{name}` of the first is {}, not a list of messages",
        value.kind()
    );
    let error = Error::new(ErrorKind::Data, "unknown-schema", what);
    Some(error.hint(match value {
        Value::Str(_) => "JSON inside a text is not read: parse it first, as json.loads does",
        _ => "a row is an object, such as {\"messages\": [...]}",
    }))
}

fn no_reader(shape: &str) -> Error {
    not_available(shape).hint("to read the rows as another schema, name it: --schema NAME")
}

fn ambiguous(found: &[usize], fitting: &[u64], rows: usize) -> Error {
    let evidence: Vec<String> = found
        .iter()
        .map(|shape| format!("{} fit `{}`", fitting[*shape], SHAPES[*shape].0))
        .collect();
    let choices: Vec<&str> = found
        .iter()
        .filter(|shape| SHAPES[**shape].1.is_some())
        .map(|shape| SHAPES[*shape].0)
        .collect();
    if choices.is_empty() {
        return no_reader(SHAPES[found[0]].0);
    }
    let what = format!(
        "the schema is ambiguous: of {rows} rows {}",
        evidence.join(", ")
    );
    let choose = choices.join(" or --schema ");
    Error::new(ErrorKind::Data, "ambiguous-schema", what).hint(format!(
        "choose: --schema {choose}; `schema` under [[inputs]] of a recipe is for one file alone"
    ))
}
