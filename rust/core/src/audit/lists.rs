//! Rows of tokenized data that come one by one, from JSON or from Python, as flat columns.

use super::integers::{Integers, UNREADABLE};
use super::meanings::{COLUMNS, Meaning};
use crate::value::Value;

/// The lists of consecutive rows, for each of the known columns.
#[derive(Debug)]
pub(super) struct Lists {
    columns: [List; COLUMNS.len()],
    rows: usize,
}

/// One column.
#[derive(Clone, Debug)]
struct List {
    /// Whether some row has the column.
    is_present: bool,
    /// Where the list of each row starts: one more than rows.
    starts: Vec<i64>,
    values: Vec<i32>,
}

impl Default for List {
    fn default() -> Self {
        Self {
            is_present: false,
            starts: vec![0],
            values: Vec::new(),
        }
    }
}

impl Default for Lists {
    fn default() -> Self {
        Self {
            columns: std::array::from_fn(|_| List::default()),
            rows: 0,
        }
    }
}

impl Lists {
    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Number of integers in all columns.
    pub(super) fn len(&self) -> usize {
        self.columns.iter().map(|list| list.values.len()).sum()
    }

    /// The columns that some row has, in the order of the table.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        let named = COLUMNS.iter().zip(&self.columns);
        named.filter_map(|((name, _), list)| list.is_present.then_some(*name))
    }

    /// Adds a row. If it is not one of tokenized data, the reason is returned, and what cannot be
    /// read of it is empty.
    pub(super) fn push(&mut self, row: Value<'_>) -> Option<String> {
        let fields = row.as_map();
        let mut odd = fields
            .is_none()
            .then(|| "the row is not an object".to_owned());
        for ((name, meaning), list) in COLUMNS.iter().zip(&mut self.columns) {
            let value = fields.and_then(|fields| fields.get(name));
            if !list.push(value, *meaning) {
                odd.get_or_insert_with(|| format!("`{name}` is not a list of integers"));
            }
        }
        self.rows += 1;
        odd
    }

    /// Adds rows of others.
    pub(super) fn append(&mut self, later: &Self) {
        for (list, others) in self.columns.iter_mut().zip(&later.columns) {
            list.append(others);
        }
        self.rows += later.rows;
    }

    /// Takes a column, if some row has it.
    pub(super) fn take(&mut self, name: &str) -> Option<Integers> {
        let at = COLUMNS.iter().position(|(known, _)| *known == name)?;
        let list = std::mem::take(&mut self.columns[at]);
        list.is_present
            .then(|| Integers::flat(list.starts, list.values))
    }
}

impl List {
    /// Adds what a row holds, and says whether it could be read.
    fn push(&mut self, value: Option<Value<'_>>, meaning: Meaning) -> bool {
        self.is_present |= value.is_some();
        let was_read = match value {
            None | Some(Value::Null) => true,
            Some(Value::List(items)) if Kinds::of(items).are_integers(meaning) => {
                self.values.extend(items.iter().map(|item| integer(*item)));
                true
            }
            Some(_) => false,
        };
        self.starts.push(self.values.len() as i64);
        was_read
    }

    fn append(&mut self, later: &Self) {
        self.is_present |= later.is_present;
        let moved = self.values.len() as i64;
        self.values.extend_from_slice(&later.values);
        let starts = later.starts.iter().skip(1);
        self.starts.extend(starts.map(|start| start + moved));
    }
}

/// The kinds of value in a list.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one kind of value")]
struct Kinds {
    nulls: bool,
    truths: bool,
    integers: bool,
    floats: bool,
    others: bool,
}

impl Kinds {
    fn of(items: &[Value<'_>]) -> Self {
        let mut kinds = Self::default();
        for item in items {
            match item {
                Value::Int(_) | Value::BigInt(_) => kinds.integers = true,
                Value::Null => kinds.nulls = true,
                Value::Bool(_) => kinds.truths = true,
                Value::Float(_) => kinds.floats = true,
                Value::Str(_) | Value::List(_) | Value::Map(_) => kinds.others = true,
            }
        }
        kinds
    }

    /// Whether the list can be read as integers: integers or truth values, and for anything but ids
    /// also floats and mixtures, as a mask of weights has them.
    fn are_integers(self, meaning: Meaning) -> bool {
        let is_mixed = self.floats || (self.truths && self.integers);
        let may_mix = meaning != Meaning::Ids && !self.nulls;
        !self.others && (!is_mixed || may_mix)
    }
}

/// A number as one of 32 bits; a token with any weight is trained.
fn integer(value: Value<'_>) -> i32 {
    match value {
        Value::Int(number) => i32::try_from(number).unwrap_or(UNREADABLE),
        Value::Bool(truth) => i32::from(truth),
        Value::Float(number) if number.abs() < 2f64.powi(31) => {
            i32::try_from(number.ceil() as i64).unwrap_or(UNREADABLE)
        }
        _ => UNREADABLE,
    }
}
