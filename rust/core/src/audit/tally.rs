//! Counts and evidence by rule, of one piece of work; merged in the order of the rows.

use super::row::Row;
use crate::rules::{Rule, Token, around};

/// One place where a rule fired.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The row, from 0; `None` if the finding is about the whole data set.
    pub row: Option<u64>,
    /// The document of a packed row, from 0.
    pub document: u32,
    /// The trained turn inside the document, from 0.
    pub turn: Option<u32>,
    /// The message inside the document, from 0, if role headers are known.
    pub message: Option<u32>,
    /// Tokens of the row, without padding.
    pub length: u32,
    /// The tokens around the place.
    pub tokens: Vec<Token>,
    /// What is special about this place, as a sentence without a full stop.
    pub note: String,
}

impl Evidence {
    /// The place `at` in a row, without a turn.
    pub(super) fn of_row(row: &Row<'_>, at: usize, note: &str) -> Self {
        let token = |position: usize| Token {
            position: position as u32,
            id: row.ids[position],
            label: row.labels[position],
        };
        Self {
            row: Some(row.number),
            length: row.length() as u32,
            note: note.to_owned(),
            tokens: around(at, row.ids.len()).map(token).collect(),
            ..Self::default()
        }
    }
}

/// Counts and evidence of one rule.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// How often it fired.
    pub count: u64,
    /// In how many rows.
    pub rows: u64,
    last_row: Option<u64>,
    /// The first places.
    pub evidence: Vec<Evidence>,
}

impl Entry {
    /// Adds one place; `evidence` is made only while fewer than `keep` are held.
    pub(super) fn add(&mut self, row: u64, keep: usize, evidence: impl FnOnce() -> Evidence) {
        self.count += 1;
        if self.last_row != Some(row) {
            self.rows += 1;
            self.last_row = Some(row);
        }
        if self.evidence.len() < keep {
            self.evidence.push(evidence());
        }
    }

    /// Adds what later rows found.
    pub(super) fn append(&mut self, later: Self, keep: usize) {
        self.count += later.count;
        self.rows += later.rows;
        self.last_row = later.last_row.or(self.last_row);
        let room = keep.saturating_sub(self.evidence.len());
        self.evidence.extend(later.evidence.into_iter().take(room));
    }

    /// Adds the findings of other places in the same rows, and sorts the evidence.
    pub(super) fn interleave(&mut self, other: Self, keep: usize) {
        self.count += other.count;
        self.rows += other.rows;
        self.evidence.extend(other.evidence);
        self.evidence.sort_by_key(|evidence| evidence.row);
        self.evidence.truncate(keep);
    }
}

/// Counts and evidence of every rule.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    entries: Vec<Entry>,
    keep: usize,
}

impl Tally {
    /// No findings yet; at most `keep` places are kept for each rule.
    pub(super) fn new(keep: usize) -> Self {
        Self {
            entries: vec![Entry::default(); Rule::ALL.len()],
            keep,
        }
    }

    /// How many places are kept for each rule.
    pub(super) fn keep(&self) -> usize {
        self.keep
    }

    /// Whether this rule has all the evidence that is kept.
    pub(super) fn is_full(&self, rule: Rule) -> bool {
        self.get(rule).evidence.len() >= self.keep
    }

    /// Counts and evidence of a rule.
    pub(super) fn get(&self, rule: Rule) -> &Entry {
        &self.entries[rule as usize]
    }

    /// Counts and evidence of a rule, to be changed.
    pub(super) fn get_mut(&mut self, rule: Rule) -> &mut Entry {
        &mut self.entries[rule as usize]
    }

    /// Adds one place.
    pub(super) fn add(&mut self, rule: Rule, row: u64, evidence: impl FnOnce() -> Evidence) {
        let keep = self.keep;
        self.get_mut(rule).add(row, keep, evidence);
    }

    /// Adds what later rows found.
    pub(super) fn append(&mut self, later: Self) {
        for (mine, theirs) in self.entries.iter_mut().zip(later.entries) {
            mine.append(theirs, self.keep);
        }
    }
}
