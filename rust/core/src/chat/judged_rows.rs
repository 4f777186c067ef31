//! Refuses inputs whose rows judge their answers, and says how these are read.

use super::flags;
use super::judgement::{columns_in, number_in, spoken};
use super::options::SchemaOptions;
use super::reader::Reader;
use super::schema::Schema;
use crate::error::{Error, ErrorKind, Result};
use crate::rules::{Rule, RuleCounts};
use crate::value::{Arena, Map, Value};

/// Refuses the first rows of an input if one of them is judged.
///
/// `read`: the fields that the recipe maps, names of the input first.
pub fn refuse_judged(rows: &[Value<'_>], read: &[(String, String)]) -> Result<()> {
    let maps = rows.iter().filter_map(|row| row.as_map());
    let judged: Vec<Map<'_>> = maps
        .filter(|row| !columns_in(*row, read).is_empty())
        .collect();
    let Some(first) = judged.first() else {
        return Ok(());
    };
    let columns = columns_in(*first, read);
    if let Some(name) = number_in(*first)
        && Schema::Kto.fits(*first)
    {
        return Err(verdict_or_class(name));
    }
    let what = format!(
        "{} the answers ({} of the first {} rows): good and bad ones would be trained alike",
        spoken(&columns),
        judged.len(),
        rows.len()
    );
    let error = Error::new(ErrorKind::Data, "judged-rows", what);
    Err(error.hint(hint(&judged, &columns)))
}

/// The error of rows with an answer and a label that is 0 or 1.
pub(super) fn verdict_or_class(name: &str) -> Error {
    let what = format!("`{name}` is 0 or 1: a verdict on the answer, or the class of a text?");
    let error = Error::new(ErrorKind::Data, "judged-rows", what);
    error.hint(format!(
        "--schema kto if 1 is a good answer; --ignore {name} if it is something else"
    ))
}

fn hint(rows: &[Map<'_>], columns: &[&str]) -> String {
    let mut judging = Schema::ALL.iter().filter(|schema| schema.judges());
    let made_for = judging.find(|schema| rows.iter().all(|row| schema.fits(*row)));
    let read = made_for.map_or_else(String::new, |schema| {
        format!("--schema {schema} is made for such rows; ")
    });
    read + &other_ways(rows, columns)
}

/// How such rows are trained as if nothing judged them.
fn other_ways(rows: &[Map<'_>], columns: &[&str]) -> String {
    let ignored = format!("--ignore {}", columns.join(","));
    match columns.first() {
        Some(&"chosen") => match flags_for_chosen(rows, columns) {
            Some(flags) => format!("to train the chosen answers alone: {flags}"),
            None => "no flags read the chosen answers of such rows: put each at the end of its \
                     conversation, and leave these columns out"
                .to_owned(),
        },
        Some(name @ (&"label" | &"labels" | &"kto_tag")) => format!(
            "leave out the rows whose `{name}` is false, then add {ignored}; the flag alone trains \
             the bad answers too"
        ),
        _ => format!("leave out the rows that are not good enough, then add {ignored}"),
    }
}

/// Flags under which every row is read, and its chosen answer is the one that is trained.
fn flags_for_chosen(rows: &[Map<'_>], columns: &[&str]) -> Option<String> {
    let first = *rows.first()?;
    let ignore = columns.iter().filter(|name| **name != "chosen");
    let ignore: Vec<String> = ignore.map(|name| (*name).to_owned()).collect();
    let mut ways = vec![
        (Schema::Messages, vec![("chosen", "messages")]),
        (Schema::Sharegpt, vec![("chosen", "conversations")]),
        (Schema::PromptCompletion, vec![("chosen", "completion")]),
    ];
    if let Some(prompt) = flags::prompt_in(first) {
        let fields = vec![(prompt, "instruction"), ("chosen", "output")];
        ways.insert(0, (Schema::Alpaca, fields));
    }
    let (schema, fields) = ways
        .into_iter()
        .find(|(schema, fields)| all_read(rows, *schema, fields, &ignore))?;
    let fields = super::fields::fields_flag(&fields);
    let ignore = ignore.join(",");
    Some(format!("--schema {schema}{fields} --ignore {ignore}"))
}

/// The error of rows that fit no schema, with the flags that read their chosen answers, if the
/// recipe ignores those.
pub fn with_chosen(error: Error, rows: &[Value<'_>], ignored: &[String]) -> Error {
    let hides = ignored.iter().any(|column| column == "chosen");
    let maps: Vec<Map<'_>> = rows.iter().filter_map(|row| row.as_map()).collect();
    let columns = maps
        .first()
        .map_or_else(Vec::new, |row| columns_in(*row, &[]));
    match flags_for_chosen(&maps, &columns).filter(|_| hides) {
        None => error,
        Some(flags) => error.hint(format!(
            "--ignore leaves out `chosen`, which holds the answers: {flags}"
        )),
    }
}

fn all_read(rows: &[Map<'_>], schema: Schema, fields: &[(&str, &str)], ignore: &[String]) -> bool {
    let owned = |(theirs, ours): &(&str, &str)| ((*theirs).to_owned(), (*ours).to_owned());
    let options = SchemaOptions {
        fields: fields.iter().map(owned).collect(),
        ignore: ignore.to_vec(),
        ..SchemaOptions::new(schema)
    };
    let Ok(reader) = Reader::new(&options) else {
        return false;
    };
    let arena = Arena::new();
    let mut counts = RuleCounts::default();
    let mut rows = rows.iter();
    rows.all(|row| {
        let read = reader.read(Value::Map(*row), &arena, &mut counts);
        // Text without a template around it is no way to train a chat model.
        read.is_ok() && counts.get(Rule::WithoutTemplate) == 0
    })
}
