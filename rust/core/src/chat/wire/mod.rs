//! The wire formats of chat APIs, read as their authors meant them, before a template sees them.
//!
//! API logs contain JSON inside text, old names and empty fields. The engines that serve a model
//! correct these before they render a prompt, and training must see what they render. A rule counts
//! every change. Messages that need no change are not copied.

mod blocks;
mod calls;
mod dialogue;
mod fields;
mod functions;
mod normaliser;
mod parts;
mod reasoning;
mod results;
mod roles;
mod row;
#[cfg(test)]
mod tests;
pub(super) mod texts;
mod turns;

pub(super) use functions::{wrapped, wrapped_tools};
pub(super) use normaliser::Normaliser;
pub(crate) use parts::in_parts;
pub(crate) use turns::unfinished;

use crate::rules::{Rule, RuleCounts};
use crate::value::{Arena, Value};

/// The message being corrected, and where its changes are counted.
struct Correction<'c, 'a> {
    index: u32,
    arena: &'a Arena,
    counts: &'c mut RuleCounts,
}

impl Correction<'_, '_> {
    fn count(&mut self, rule: Rule) {
        self.counts.add_at(rule, self.index, String::new);
    }
}

/// Whether a text says nothing.
fn is_blank(value: Value<'_>) -> bool {
    value.as_str().is_some_and(|text| text.trim().is_empty())
}
