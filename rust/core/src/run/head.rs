//! The first rows of JSON bytes, split once for everything that inspects them.

use crate::source::json::{self, RawRows, Splitter};
use crate::value::{Arena, Value};
use crate::{Error, ErrorKind, Result};

/// Number of rows that are inspected.
pub(super) const SAMPLE_ROWS: usize = 200;

/// The start of a JSON Lines or JSON array input. Give it blocks until it holds a whole row.
#[derive(Debug)]
pub struct JsonHead {
    splitter: Splitter,
    rows: RawRows,
    /// The error where the text is broken; it is returned to whoever asks for the rows.
    broken: Option<Error>,
    is_blank: bool,
}

impl JsonHead {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            splitter: Splitter::new(),
            rows: RawRows::default(),
            broken: None,
            is_blank: true,
        }
    }

    /// Takes the next block, and says whether that was the last one needed: a row is complete, or
    /// the text is broken.
    pub fn feed(&mut self, block: &[u8]) -> bool {
        self.is_blank &= block.iter().all(u8::is_ascii_whitespace);
        if self.broken.is_none() && self.rows.is_empty() {
            self.broken = self.splitter.feed(block, &mut self.rows).err();
        }
        self.broken.is_some() || !self.rows.is_empty()
    }

    /// Whether it holds nothing but whitespace.
    pub fn is_blank(&self) -> bool {
        self.is_blank
    }

    /// The keys of the first row that is JSON, even where the text is broken after it; none if there
    /// is no such row, or it is not an object.
    pub fn keys(&mut self) -> Vec<String> {
        if self.rows.is_empty() && self.broken.is_none() {
            self.broken = self.splitter.finish(&mut self.rows).err();
        }
        let arena = Arena::new();
        let mut read = self.rows.iter().map(|row| json::parse(row.bytes, &arena));
        let first = read.find_map(|row| Some(row.ok()?.value));
        let fields = first.and_then(Value::as_map).unwrap_or_default();
        fields.iter().map(|(key, _)| key.to_owned()).collect()
    }

    /// The first rows that are JSON; the last row of the blocks may be cut.
    pub fn look<T>(&mut self, look: impl FnOnce(&[Value<'_>]) -> Result<T>) -> Result<T> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        if self.rows.is_empty() {
            // One row without a line end, or nothing. A row that is cut gives an error of its own.
            self.splitter.finish(&mut self.rows)?;
        }
        let arena = Arena::new();
        let rows = self.rows.iter().take(SAMPLE_ROWS);
        let values: Vec<Value<'_>> = rows
            .filter_map(|row| Some(json::parse(row.bytes, &arena).ok()?.value))
            .collect();
        if values.is_empty() && !self.rows.is_empty() {
            return Err(not_json(&self.rows));
        }
        look(&values)
    }
}

impl Default for JsonHead {
    fn default() -> Self {
        Self::new()
    }
}

/// The error of a file none of whose first rows is JSON.
fn not_json(rows: &RawRows) -> Error {
    let arena = Arena::new();
    let first = rows
        .get(0)
        .map(|row| (row.line, json::parse(row.bytes, &arena)));
    let (line, why) = match first {
        Some((line, Err(error))) => (line, error.to_string()),
        _ => (1, String::new()),
    };
    let none = match rows.len() {
        1 => "the first row is not JSON".to_owned(),
        many => format!("none of the first {many} rows is JSON"),
    };
    let hint = if why.contains("UTF-8") {
        "save the file as UTF-8"
    } else {
        "inputs are JSON Lines (one object a line), a JSON array, Parquet or Arrow; a single \
         object that holds the rows is none of these: take the list out of it"
    };
    Error::new(ErrorKind::Data, "invalid-json", format!("{none}: {why}"))
        .at_line(line)
        .hint(hint)
}
