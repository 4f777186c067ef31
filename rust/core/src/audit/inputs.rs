//! The inputs of an audit: where their rows are numbered, and which of them hold the same rows.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::columns::Columns;
use crate::rules::Evidence;

/// Rows whose ids tell whether two inputs are the same.
const COMPARED_ROWS: usize = 100;

/// The inputs so far.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    /// What rows are numbered in, in order, with the number of its rows.
    sources: Vec<(Arc<str>, u64)>,
    current: Option<Input>,
    /// The name of the first input with rows like these, and the file that holds it.
    known: HashMap<(u64, u64), (Arc<str>, Arc<str>)>,
    /// Inputs that hold the rows of others.
    twins: Vec<String>,
    /// The columns that were read, in the order in which they were met.
    columns: Vec<&'static str>,
}

#[derive(Debug)]
struct Input {
    name: Arc<str>,
    /// What holds its rows: that of two inputs, if they have two answers each.
    file: Arc<str>,
    /// Its place among the sources.
    source: usize,
    rows: u64,
    /// Of the ids of the first rows.
    hash: DefaultHasher,
}

impl Inputs {
    /// Starts the next input; `source` is what its rows are numbered in, `file` what holds them.
    pub(super) fn start(&mut self, source: &str, name: &str, file: &str) {
        self.end();
        let known = self
            .sources
            .iter()
            .position(|(known, _)| **known == *source);
        let source = known.unwrap_or_else(|| {
            self.sources.push((Arc::from(source), 0));
            self.sources.len() - 1
        });
        self.current = Some(Input {
            name: Arc::from(name),
            file: Arc::from(file),
            source,
            rows: 0,
            hash: DefaultHasher::new(),
        });
    }

    /// The input that is being read.
    pub(super) fn name(&self) -> Option<&Arc<str>> {
        self.current.as_ref().map(|input| &input.name)
    }

    /// Adds the rows of a batch of the input that is being read.
    pub(super) fn see(&mut self, columns: &Columns) {
        if let Some(input) = &mut self.current {
            input.see(columns);
            self.sources[input.source].1 += columns.rows as u64;
        }
    }

    /// Adds columns that were read.
    pub(super) fn name_columns(&mut self, names: impl IntoIterator<Item = &'static str>) {
        for name in names {
            if !self.columns.contains(&name) {
                self.columns.push(name);
            }
        }
    }

    /// The columns that were read.
    pub(super) fn columns(&self) -> &[&'static str] {
        &self.columns
    }

    /// Ends the last input, and returns what holds the rows of something else.
    pub(super) fn finish(&mut self) -> Vec<String> {
        self.end();
        std::mem::take(&mut self.twins)
    }

    fn end(&mut self) {
        let Some(input) = self.current.take().filter(|input| input.rows > 0) else {
            return;
        };
        let key = (input.rows, input.hash.finish());
        match self.known.get(&key) {
            // Two answers to one prompt may be equal: they are no inputs of their own.
            Some((other, file)) if *file == input.file && *other != input.name => {}
            Some((other, _)) => {
                let twin = format!("{} holds the rows of {other}", input.name);
                self.twins.push(twin);
            }
            None => {
                self.known.insert(key, (input.name, input.file));
            }
        }
    }

    /// Numbers a row of all data within its source.
    pub(super) fn locate(&self, place: &mut Evidence) {
        let Some(row) = &mut place.row else {
            return;
        };
        for (source, rows) in &self.sources {
            if *row < *rows {
                place.file = Some(Arc::clone(source));
                return;
            }
            *row -= rows;
        }
    }

    /// Whether rows are numbered in several places.
    pub(super) fn are_several(&self) -> bool {
        self.sources.len() > 1
    }
}

impl Input {
    fn see(&mut self, columns: &Columns) {
        let compared = COMPARED_ROWS.saturating_sub(self.rows as usize);
        let mut scratch = Vec::new();
        for row in 0..columns.rows.min(compared) {
            columns.ids.row(row, &mut scratch).hash(&mut self.hash);
        }
        self.rows += columns.rows as u64;
    }
}
