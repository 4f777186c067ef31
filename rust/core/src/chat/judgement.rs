//! Columns that judge the answers of a row: good or bad, better or worse, or by a score.
//!
//! The schemas `preference` and `kto` read them. Under any other, trained as if they were not there,
//! bad answers would count as good ones, so such rows are refused unless the recipe ignores the
//! columns.

use crate::rules::{Reject, Rule};
use crate::value::{Map, Value};

/// Every such column, pairs before labels before scores.
pub(super) const COLUMNS: [&str; 12] = [
    "chosen",
    "rejected",
    "label",
    "labels",
    "kto_tag",
    "score",
    "scores",
    "rating",
    "ratings",
    "reward",
    "rewards",
    "helpfulness",
];

/// The columns of `row` that judge it, in the order of the table, without those that `read` names.
pub(super) fn columns_in(row: Map<'_>, read: &[(String, String)]) -> Vec<&'static str> {
    // Most rows have no such column: one look at each key is enough.
    if !row.iter().any(|(key, _)| COLUMNS.contains(&key)) {
        return Vec::new();
    }
    let is_read = |column: &str| read.iter().any(|(theirs, _)| theirs == column);
    let named_text =
        |(theirs, ours): &(String, String)| ours == "text" && row.get_some(theirs).is_some();
    let is_document = row.get_some("text").is_some() || read.iter().any(named_text);
    let judging = COLUMNS
        .iter()
        .filter(|column| judges(row, column, is_document));
    judging.filter(|column| !is_read(column)).copied().collect()
}

fn judges(row: Map<'_>, column: &str, is_document: bool) -> bool {
    let Some(value) = row.get_some(column) else {
        return false;
    };
    match column {
        "chosen" | "rejected" => ["chosen", "rejected"]
            .iter()
            .all(|half| row.get_some(half).is_some()),
        // Numbers and texts may also be the class of a document.
        "label" | "kto_tag" if is_document => matches!(value, Value::Bool(_)),
        "label" | "kto_tag" => verdict(value).is_some(),
        "labels" => has(value, &|item| matches!(item, Value::Bool(_))),
        _ => has(value, &|item| {
            matches!(item, Value::Int(_) | Value::Float(_))
        }),
    }
}

/// What a label says of an answer; CSV files have it as text.
pub(super) fn verdict(label: Value<'_>) -> Option<bool> {
    match label {
        Value::Bool(good) => Some(good),
        Value::Int(good @ 0..=1) => Some(good == 1),
        Value::Float(good) if [0.0, 1.0].contains(&good) => Some(good > 0.5),
        Value::Str("1") => Some(true),
        Value::Str("0") => Some(false),
        Value::Str(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::Str(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// The label of a row that is 0 or 1, with its name: a verdict, or one of two classes.
pub(super) fn number_in(row: Map<'_>) -> Option<&'static str> {
    let is_number = |label: Value<'_>| match label {
        Value::Bool(_) => false,
        Value::Str(text) => matches!(text, "0" | "1"),
        other => verdict(other).is_some(),
    };
    let mut names = ["label", "kto_tag"].into_iter();
    names.find(|name| row.get_some(name).is_some_and(is_number))
}

/// Whether the value, or one inside it, is such.
fn has(value: Value<'_>, is_such: &dyn Fn(Value<'_>) -> bool) -> bool {
    match value {
        Value::List(items) => items.iter().any(|item| has(*item, is_such)),
        Value::Map(map) => map.iter().any(|(_, item)| has(item, is_such)),
        other => is_such(other),
    }
}

/// The reject of a row with these columns.
pub(super) fn reject(judging: &[&str]) -> Reject {
    let reason = format!(
        "{} the row's answer; --ignore {} trains it anyway",
        spoken(judging),
        judging.join(",")
    );
    Reject::new(Rule::JudgedRow, reason)
}

/// Says that the columns judge.
pub(super) fn spoken(columns: &[&str]) -> String {
    let named: Vec<String> = columns.iter().map(|name| format!("`{name}`")).collect();
    match &named[..] {
        [one] => format!("{one} judges"),
        many => format!("{} judge", many.join(", ")),
    }
}
