//! Rows whose last turn has no stop token: were they cut at a limit, or did they never end?
//!
//! A row that is exactly as long as the limit lost its terminator to truncation. If the limit is
//! not given, it is the length of the longest row, provided that other turns do end and the length
//! looks like a limit: several rows have it, or it is a round number. A row that fits exactly and
//! ends in a stop token is fine.

use crate::rules::{Evidence, Finding};

/// Open ends of rows, counted separately for rows as long as the longest one.
#[derive(Clone, Debug, Default)]
pub(super) struct Ends {
    limit: Option<u32>,
    longest: u32,
    rows_at_longest: u64,
    /// Turns that end in a stop token, trained or not.
    ended: u64,
    at_longest: Finding,
    shorter: Finding,
}

/// The verdict on the open ends.
#[derive(Debug)]
pub(super) struct OpenEnds {
    /// Rows that lost their terminator at the limit.
    pub(super) truncated: Finding,
    /// Rows whose turn never ended.
    pub(super) missing: Finding,
    /// The limit, if rows were cut at it or it was given.
    pub(super) limit: Option<u32>,
}

impl Ends {
    /// With the limit that the rows were made with, if it is known.
    pub(super) fn new(limit: Option<u32>) -> Self {
        Self {
            limit,
            longest: limit.unwrap_or(0),
            ..Self::default()
        }
    }

    /// Adds a row of this length. Call it before [`Self::add_open`] for the same row.
    pub(super) fn see(&mut self, length: u32, keep: usize) {
        if length > self.longest && self.limit.is_none() {
            self.raise(length, keep);
        }
        self.rows_at_longest += u64::from(length == self.longest);
    }

    fn raise(&mut self, length: u32, keep: usize) {
        let former = std::mem::take(&mut self.at_longest);
        self.shorter.interleave(former, keep);
        self.longest = length;
        self.rows_at_longest = 0;
    }

    /// Adds a turn that ends in a stop token.
    pub(super) fn add_ended(&mut self) {
        self.ended += 1;
    }

    /// Adds a row whose last turn has no stop token.
    pub(super) fn add_open(&mut self, evidence: Evidence, length: u32, keep: usize) {
        let entry = if length >= self.longest {
            &mut self.at_longest
        } else {
            &mut self.shorter
        };
        entry.add(evidence.row.unwrap_or(0), 1, keep, || evidence);
    }

    /// Adds the findings of later rows.
    pub(super) fn append(&mut self, mut later: Self, keep: usize) {
        if later.longest > self.longest {
            self.raise(later.longest, keep);
        } else if later.longest < self.longest {
            later.raise(self.longest, keep);
        }
        self.ended += later.ended;
        self.rows_at_longest += later.rows_at_longest;
        self.at_longest.append(later.at_longest, keep);
        self.shorter.append(later.shorter, keep);
    }

    /// Decides between truncation and a missing terminator; `missing` turns elsewhere have no stop
    /// token either.
    pub(super) fn decide(self, missing: u64, keep: usize) -> OpenEnds {
        let others = self.shorter.count + missing;
        let round = self.longest.is_multiple_of(32) || self.longest.is_multiple_of(50);
        let looks_cut = self.ended > others && (self.rows_at_longest > 1 || round);
        if self.limit.is_some() || looks_cut {
            let cut = self.at_longest.count > 0 || self.limit.is_some();
            return OpenEnds {
                limit: cut.then_some(self.longest),
                truncated: self.at_longest,
                missing: self.shorter,
            };
        }
        let mut missing = self.shorter;
        missing.interleave(self.at_longest, keep);
        OpenEnds {
            truncated: Finding::default(),
            missing,
            limit: None,
        }
    }
}
