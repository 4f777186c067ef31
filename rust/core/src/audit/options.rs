//! What an audit is told before the first row.

use crate::rules::Rule;

/// What the makers of the data asked for, if they are known: then it is not a finding.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// Turns may be left untrained, and the rows were compared with inference when they were made.
    pub untrained: bool,
    /// Text outside the assistant's turns is trained.
    pub outside: bool,
}

/// The options of an audit.
#[derive(Clone, Debug)]
pub struct AuditOptions {
    /// Threads to use.
    pub threads: usize,
    /// Places kept as evidence for each rule.
    pub evidence: usize,
    /// The length at which rows were cut; `None`: that of the longest row, if it looks like a
    /// limit.
    pub max_length: Option<u32>,
    /// A label that means untrained, besides -100.
    pub ignore_label: Option<i32>,
    /// Ids that mark where a response starts, if the trainer searches for them.
    pub response_marker: Vec<i32>,
    /// What the makers of the data asked for.
    pub asked: Asked,
    /// Findings on tokenizer and template, for the report.
    pub setup: Vec<(Rule, String)>,
}

impl Default for AuditOptions {
    fn default() -> Self {
        Self {
            threads: 1,
            evidence: 5,
            max_length: None,
            ignore_label: None,
            response_marker: Vec::new(),
            asked: Asked::default(),
            setup: Vec::new(),
        }
    }
}
