//! What was found: counts by rule, with a few places as evidence.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Rule, Token};

/// One place where a rule fired.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The input, if there may be several.
    pub file: Option<Arc<str>>,
    /// The row, from 0; `None` if the finding is about the whole data set, or about a line that is
    /// not a row.
    pub row: Option<u64>,
    /// Its line, from 1, if the input has lines.
    pub line: Option<u64>,
    /// The document of a packed row, from 0.
    pub document: u32,
    /// The assistant's turn, from 0. Where messages are not known, the trained turn inside the
    /// document.
    pub turn: Option<u32>,
    /// The message, from 0, if the rule is about one.
    pub message: Option<u32>,
    /// Tokens of the row, without padding; 0 if they are not known.
    pub length: u32,
    /// The tokens around the place.
    pub tokens: Vec<Token>,
    /// What is special about this place, as a sentence without a full stop.
    pub note: String,
}

impl Evidence {
    /// A place that is the whole data set.
    pub fn of_all(note: impl Into<String>) -> Self {
        Self {
            note: note.into(),
            ..Self::default()
        }
    }

    /// The place as a JSON object; `text` gives the text of an id.
    pub fn to_json(&self, text: &dyn Fn(u32) -> Option<String>) -> Value {
        let tokens: Vec<Value> = self
            .tokens
            .iter()
            .map(|token| token.to_json(text))
            .collect();
        let mut place = json!({
            "row": self.row,
            "document": self.document,
            "turn": self.turn,
            "message": self.message,
            "length": self.length,
            "note": self.note,
            "tokens": tokens,
        });
        if let Some(file) = &self.file {
            place["file"] = Value::from(&**file);
        }
        if let Some(line) = self.line {
            place["line"] = line.into();
        }
        place
    }
}

/// Counts and evidence of one rule.
#[derive(Clone, Debug, Default)]
pub struct Finding {
    /// How often the rule fired, in turns, documents or rows, depending on the rule.
    pub count: u64,
    /// Rows in which it fired.
    pub rows: u64,
    last_row: Option<u64>,
    /// The first places.
    pub evidence: Vec<Evidence>,
}

impl Finding {
    /// Adds `count` places of a row; `evidence` is made only while fewer than `keep` are held.
    pub(crate) fn add(
        &mut self,
        row: u64,
        count: u64,
        keep: usize,
        evidence: impl FnOnce() -> Evidence,
    ) {
        self.count += count;
        if self.last_row != Some(row) {
            self.rows += 1;
            self.last_row = Some(row);
        }
        if self.evidence.len() < keep {
            self.evidence.push(evidence());
        }
    }

    /// Adds what later rows found.
    pub(crate) fn append(&mut self, later: Self, keep: usize) {
        self.count += later.count;
        self.rows += later.rows;
        self.last_row = later.last_row.or(self.last_row);
        let room = keep.saturating_sub(self.evidence.len());
        self.evidence.extend(later.evidence.into_iter().take(room));
    }

    /// Adds the findings of other places in the same rows, and sorts the evidence.
    pub(crate) fn interleave(&mut self, other: Self, keep: usize) {
        self.count += other.count;
        self.rows += other.rows;
        self.evidence.extend(other.evidence);
        self.evidence.sort_by_key(|evidence| evidence.row);
        self.evidence.truncate(keep);
    }

    /// Share of rows in which the rule fired; 1 for a finding on the data set as a whole.
    pub fn rate(&self, rows: u64) -> f64 {
        let first = self.evidence.first();
        let whole = first.is_some_and(|place| place.row.is_none() && place.line.is_none());
        if whole || rows == 0 {
            return if self.count > 0 { 1.0 } else { 0.0 };
        }
        // Lines that are not JSON are not rows: there can be more of them.
        (self.rows as f64 / rows as f64).min(1.0)
    }
}

/// Counts and evidence of every rule, of one piece of work. Pieces are merged in the order of their
/// rows.
#[derive(Clone, Debug)]
pub struct Findings {
    found: Vec<Finding>,
    keep: usize,
}

impl Findings {
    /// No findings yet; at most `keep` places are kept for each rule.
    pub fn keeping(keep: usize) -> Self {
        Self {
            found: vec![Finding::default(); Rule::ALL.len()],
            keep,
        }
    }

    /// How many places are kept for each rule.
    pub(crate) fn keep(&self) -> usize {
        self.keep
    }

    /// Whether this rule has all the evidence that is kept.
    pub(crate) fn is_full(&self, rule: Rule) -> bool {
        self.get(rule).evidence.len() >= self.keep
    }

    /// The finding of a rule; it may be empty.
    pub fn get(&self, rule: Rule) -> &Finding {
        &self.found[rule as usize]
    }

    /// The finding of a rule, to be changed.
    pub(crate) fn get_mut(&mut self, rule: Rule) -> &mut Finding {
        &mut self.found[rule as usize]
    }

    /// Rules that fired, in the order of the rule list.
    pub fn iter(&self) -> impl Iterator<Item = (Rule, &Finding)> {
        let all = Rule::ALL.iter().map(|rule| (*rule, self.get(*rule)));
        all.filter(|(_, finding)| finding.count > 0)
    }

    /// Adds one place.
    pub(crate) fn add(&mut self, rule: Rule, row: u64, evidence: impl FnOnce() -> Evidence) {
        let keep = self.keep;
        self.get_mut(rule).add(row, 1, keep, evidence);
    }

    /// Adds `count` places of a row at once.
    pub(crate) fn add_many(
        &mut self,
        rule: Rule,
        row: u64,
        count: u64,
        evidence: impl FnOnce() -> Evidence,
    ) {
        let keep = self.keep;
        self.get_mut(rule).add(row, count, keep, evidence);
    }

    /// Adds a finding on the data set as a whole; it comes first.
    pub(crate) fn add_to_all(&mut self, rule: Rule, note: impl Into<String>) {
        let finding = self.get_mut(rule);
        finding.count += 1;
        finding.evidence.insert(0, Evidence::of_all(note));
    }

    /// Takes what was found, and leaves nothing.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::keeping(self.keep))
    }

    /// Adds what later rows found.
    pub(crate) fn append(&mut self, later: Self) {
        for (mine, theirs) in self.found.iter_mut().zip(later.found) {
            mine.append(theirs, self.keep);
        }
    }

    /// Adds what else was found in the same rows.
    pub(crate) fn interleave(&mut self, other: Self) {
        for (mine, theirs) in self.found.iter_mut().zip(other.found) {
            mine.interleave(theirs, self.keep);
        }
    }

    /// Every place.
    pub(crate) fn places(&mut self) -> impl Iterator<Item = &mut Evidence> {
        self.found.iter_mut().flat_map(|found| &mut found.evidence)
    }

    /// Names the input of every place.
    pub(crate) fn name_input(&mut self, file: &Arc<str>) {
        self.places()
            .for_each(|place| place.file = Some(Arc::clone(file)));
    }

    /// The rules that fired, as an object by name; `rows` is the number of rows, `text` gives the
    /// text of an id.
    pub fn to_json(&self, rows: u64, text: &dyn Fn(u32) -> Option<String>) -> Value {
        let rules: Map<String, Value> = self
            .iter()
            .map(|(rule, finding)| {
                let places = finding.evidence.iter().map(|place| place.to_json(text));
                let value = json!({
                    "severity": rule.severity().name(),
                    "count": finding.count,
                    "rows": finding.rows,
                    "rate": finding.rate(rows),
                    "evidence": places.collect::<Vec<_>>(),
                });
                (rule.name().to_owned(), value)
            })
            .collect();
        Value::Object(rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_does_not_depend_on_how_rows_are_grouped() {
        let place = |row| Evidence {
            row: Some(row),
            ..Evidence::default()
        };
        let found = |rows: std::ops::Range<u64>| {
            let mut findings = Findings::keeping(5);
            rows.for_each(|row| findings.add_many(Rule::Crlf, row, 3, || place(row)));
            findings
        };
        let all = found(0..20);
        let mut merged = Findings::keeping(5);
        for chunk in [0..2, 2..9, 9..20] {
            merged.append(found(chunk));
        }
        for findings in [&all, &merged] {
            let finding = findings.get(Rule::Crlf);
            assert_eq!((finding.count, finding.rows), (60, 20));
            assert_eq!(finding.evidence, (0..5).map(place).collect::<Vec<_>>());
            assert!((finding.rate(40) - 0.5).abs() < 1e-9);
        }
    }

    #[test]
    fn other_findings_in_the_same_rows_are_sorted_in() {
        let place = |row| Evidence {
            row: Some(row),
            ..Evidence::default()
        };
        let [mut one, mut two] = [Findings::keeping(2), Findings::keeping(2)];
        for row in [0, 4] {
            one.add(Rule::Crlf, row, || place(row));
        }
        two.add(Rule::Crlf, 2, || place(2));
        one.interleave(two);
        assert_eq!(one.get(Rule::Crlf).evidence, [place(0), place(2)]);
        assert_eq!(one.get(Rule::Crlf).count, 3);
    }
}
