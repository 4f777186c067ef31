//! Finds the schema of a file from its first rows.

use super::fields::keys;
use super::flags;
use super::judged_rows::verdict_or_class;
use super::judgement;
use super::schema::Schema;
use crate::error::{Error, ErrorKind, Result};
use crate::value::{Map, Value};

/// The schema that `rows`, the first ones of a file, have.
///
/// A row that fits no schema, or holds an empty list of messages, says nothing. An error where no
/// row says anything, and where rows fit several schemas: the user must choose.
pub fn detect(rows: &[Value<'_>]) -> Result<Schema> {
    let found = fitting(rows);
    match &found[..] {
        [] => Err(nothing_fits(rows)),
        [(Schema::Kto, _)] => kto_or_class(rows),
        [(schema, _)] => Ok(*schema),
        _ => Err(ambiguous(&found, rows.len())),
    }
}

/// The schema `kto`, where the labels are true or false. Numbers may also be the class of a text, so
/// the user must say what they are.
fn kto_or_class(rows: &[Value<'_>]) -> Result<Schema> {
    let mut maps = rows.iter().filter_map(|row| row.as_map());
    let number = maps.find_map(judgement::number_in);
    number.map_or(Ok(Schema::Kto), |name| Err(verdict_or_class(name)))
}

/// The schemas that some row fits, each with how many do.
fn fitting(rows: &[Value<'_>]) -> Vec<(Schema, u64)> {
    let judged = |row: Map<'_>| {
        let mut schemas = Schema::ALL.iter().filter(|schema| schema.judges());
        schemas.any(|schema| schema.fits(row))
    };
    let count = |fits: &dyn Fn(Map<'_>) -> bool| {
        let maps = rows.iter().filter_map(|row| row.as_map());
        maps.filter(|row| fits(*row)).count() as u64
    };
    let found = Schema::ALL.iter().map(|schema| {
        // A row whose answers are judged is of no schema that would train all of them.
        let fitting = count(&|row| schema.fits(row) && (schema.judges() || !judged(row)));
        (*schema, fitting)
    });
    found.filter(|(_, fitting)| *fitting > 0).collect()
}

fn nothing_fits(rows: &[Value<'_>]) -> Error {
    if rows.is_empty() {
        return Error::new(ErrorKind::Data, "no-rows", "the input holds no rows");
    }
    let first = rows.iter().find_map(|row| row.as_map());
    if let Some(error) = first.and_then(no_messages) {
        return error;
    }
    let what = match first {
        None => format!("the first row is {}, not an object", rows[0].kind()),
        Some(map) => {
            format!("the rows fit no schema; keys of the first: {}", keys(map))
        }
    };
    let error = Error::new(ErrorKind::Data, "unknown-schema", what);
    if first.is_none() {
        return error.hint("a row is an object, such as {\"messages\": [...]}");
    }
    if first.is_some_and(|row| row.get("role").is_some() && row.get("content").is_some()) {
        return error.hint(
            "these look like messages: a row is a whole conversation, such as \
             {\"messages\": [...]}",
        );
    }
    error.hint(first.map_or_else(String::new, hint))
}

/// How rows like this one could be read.
fn hint(row: Map<'_>) -> String {
    if let Some(flags) = flags::that_fit(row) {
        return format!("if that is what they are: {flags}");
    }
    match flags::list_in(row) {
        Some((list, keys)) => format!(
            "`{list}` holds objects with the keys {keys}: name those of the role and of the text, \
             --schema messages --fields {list}=messages,ROLE=role,TEXT=content"
        ),
        None => "name it with --schema, and the keys that differ with --fields, such as \
                 --schema messages --fields dialog=messages"
            .to_owned(),
    }
}

/// The error of a row whose messages are something else than a list of objects.
fn no_messages(row: Map<'_>) -> Option<Error> {
    let mut names = ["messages", "conversations", "conversation"].into_iter();
    let (name, value) = names.find_map(|name| Some((name, row.get_some(name)?)))?;
    let (found, hint) = match value {
        Value::List([]) => (
            "an empty list".to_owned(),
            "a row without messages has nothing to train",
        ),
        Value::List([Value::Map(_), ..]) => return None,
        Value::List([Value::List(_), ..]) => (
            "a list of lists".to_owned(),
            "a row is one conversation: give each inner list a row of its own, and each message \
             the keys `role` and `content`",
        ),
        Value::List([item, ..]) => (
            format!("a list that begins with {}", item.kind()),
            "a message is an object, such as {\"role\": \"user\", \"content\": \"...\"}",
        ),
        Value::Str(_) => (
            "text, not a list of messages".to_owned(),
            "the text is not JSON of a list of objects (or wire = keep leaves it): write the \
             messages as a list",
        ),
        _ => (
            format!("{}, not a list of messages", value.kind()),
            "a row is an object, such as {\"messages\": [...]}",
        ),
    };
    let what = format!("the rows fit no schema: `{name}` of the first is {found}");
    Some(Error::new(ErrorKind::Data, "unknown-schema", what).hint(hint))
}

fn ambiguous(found: &[(Schema, u64)], rows: usize) -> Error {
    let evidence: Vec<String> = found
        .iter()
        .map(|(schema, fitting)| format!("{fitting} fit `{schema}`"))
        .collect();
    let choices: Vec<&str> = found.iter().map(|(schema, _)| schema.name()).collect();
    let what = format!(
        "the schema is ambiguous: of {rows} rows {}",
        evidence.join(", ")
    );
    let choose = choices.join(" or --schema ");
    Error::new(ErrorKind::Data, "ambiguous-schema", what).hint(format!(
        "choose: --schema {choose}; `schema` under [[inputs]] of a recipe is for one file alone"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::json;
    use crate::value::Arena;

    fn detected(rows: &[&str]) -> crate::Result<Schema> {
        let arena = Arena::new();
        let rows: Vec<_> = rows
            .iter()
            .map(|row| json::parse(row.as_bytes(), &arena).unwrap().value)
            .collect();
        detect(&rows)
    }

    #[test]
    fn schemas_are_detected_from_rows() {
        for (row, schema) in [
            (
                r#"{"messages": [{"role": "user", "content": "a"}]}"#,
                Schema::Messages,
            ),
            (
                r#"{"conversations": [{"role": "user", "content": "a"}]}"#,
                Schema::Messages,
            ),
            (
                r#"{"conversations": [{"from": "human", "value": "a"}], "id": 1}"#,
                Schema::Sharegpt,
            ),
            (
                r#"{"instruction": "a", "input": "", "output": "b"}"#,
                Schema::Alpaca,
            ),
            (
                r#"{"prompt": "a", "completion": "b"}"#,
                Schema::PromptCompletion,
            ),
            (
                r#"{"prompt": "a", "chosen": "b", "rejected": "c"}"#,
                Schema::Preference,
            ),
            (
                r#"{"prompt": "a", "completion": "b", "label": true}"#,
                Schema::Kto,
            ),
            (r#"{"text": "a", "meta": {}}"#, Schema::Text),
        ] {
            assert_eq!(
                detected(&[r#"{"conversations": []}"#, row]).unwrap(),
                schema,
                "{row}"
            );
        }
    }

    #[test]
    fn ambiguous_and_unknown_files_say_what_to_state() {
        let alpaca = r#"{"instruction": "a", "input": "", "output": "b"}"#;
        let error = detected(&[alpaca, alpaca, r#"{"text": "x"}"#]).unwrap_err();
        assert_eq!(error.code(), "ambiguous-schema");
        assert!(
            error.what().contains("2 fit `alpaca`, 1 fit `text`"),
            "{error}"
        );
        assert!(
            error
                .hint_text()
                .unwrap()
                .contains("--schema alpaca or --schema text")
        );
        let error = detected(&[r#"{"question": "a", "answer": "b"}"#]).unwrap_err();
        assert!(error.what().contains("question, answer"), "{error}");
        assert!(detected(&[]).is_err());
        let segments = detected(&[r#"{"segments": [{"label": true, "text": "a"}]}"#]).unwrap();
        assert_eq!(segments, Schema::Segments);
    }
}
