//! Where every byte of a rendered text came from.

use crate::run::output::Context;
use crate::value::origin::Part;

/// Where every byte of a rendered text came from, and what it belonged to when it was written.
#[derive(Debug)]
pub struct Provenance<'r> {
    parts: &'r mut [Part],
    contexts: &'r [Context],
}

impl<'r> Provenance<'r> {
    pub(crate) fn new(parts: &'r mut [Part], contexts: &'r [Context]) -> Self {
        Self { parts, contexts }
    }

    /// A partition of the text, in order: neighbours differ in origin or in context.
    #[inline]
    pub fn parts(&self) -> &[Part] {
        self.parts
    }

    /// What a part belonged to when it was written.
    #[inline]
    pub fn context(&self, part: &Part) -> Context {
        self.contexts[part.context as usize]
    }

    /// Forgets what lies after `end` of the text.
    pub fn truncate(&mut self, end: u32) {
        let parts = std::mem::take(&mut self.parts);
        let before = parts.partition_point(|part| part.end < end);
        let kept = parts.len().min(before + 1);
        self.parts = &mut parts[..kept];
        if let Some(last) = self.parts.last_mut() {
            last.end = last.end.min(end);
        }
    }
}
