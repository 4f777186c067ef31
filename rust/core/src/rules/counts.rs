//! Counts by rule.

use std::collections::BTreeMap;

use super::Rule;

/// Where a rule fired first in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// The rule.
    pub rule: Rule,
    /// The message, from 0.
    pub message: u32,
    /// What was found there, such as a piece of text; may be empty.
    pub note: String,
}

/// Counts by rule of one piece of work; merged in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCounts {
    counts: [u64; Rule::ALL.len()],
    /// First places in the current row; merging leaves them out.
    noted: Vec<Noted>,
    named: Named,
}

impl Default for RuleCounts {
    fn default() -> Self {
        Self {
            counts: [0; Rule::ALL.len()],
            noted: Vec::new(),
            named: Named::default(),
        }
    }
}

impl RuleCounts {
    /// Adds `n` to `rule`.
    pub fn add(&mut self, rule: Rule, n: u64) {
        self.counts[rule as usize] += n;
    }

    /// Counts `rule` once, for the thing of that name.
    pub fn add_named(&mut self, rule: Rule, name: &'static str) {
        self.add(rule, 1);
        *self.named.0.entry((rule.name(), name)).or_default() += 1;
    }

    /// What was counted by name.
    pub fn named(&self) -> &Named {
        &self.named
    }

    /// Counts `rule` once, at a message; the first place in a row is kept with its note.
    pub fn add_at(&mut self, rule: Rule, message: u32, note: impl FnOnce() -> String) {
        self.add(rule, 1);
        self.note(rule, message, note);
    }

    /// Keeps the message as the first place of `rule` in the current row, if there is none yet.
    pub fn note(&mut self, rule: Rule, message: u32, note: impl FnOnce() -> String) {
        if self.first(rule).is_none() {
            let note = note();
            self.noted.push(Noted {
                rule,
                message,
                note,
            });
        }
    }

    /// Where `rule` fired first in the current row, if that was kept.
    pub fn first(&self, rule: Rule) -> Option<&Noted> {
        self.noted.iter().find(|noted| noted.rule == rule)
    }

    /// The count of `rule`.
    pub fn get(&self, rule: Rule) -> u64 {
        self.counts[rule as usize]
    }

    /// Adds every count of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine += theirs;
        }
        self.named.append(&other.named);
    }

    /// Rules with a count, in the order of the rule list.
    pub fn iter(&self) -> impl Iterator<Item = (Rule, u64)> + '_ {
        Rule::ALL
            .iter()
            .map(|rule| (*rule, self.get(*rule)))
            .filter(|(_, count)| *count > 0)
    }
}

/// Counts by name, of rules that are about something with a name, such as a column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named(BTreeMap<(&'static str, &'static str), u64>);

impl Named {
    /// The rule's name, the name of the thing, how often; in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        let named = self.0.iter();
        named.map(|((rule, name), count)| (*rule, *name, *count))
    }

    /// Adds every count of `other`.
    pub(crate) fn append(&mut self, other: &Self) {
        for (key, count) in &other.0 {
            *self.0.entry(*key).or_default() += count;
        }
    }
}
