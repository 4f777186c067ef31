//! What a shard does for a check, and what it gives to it.

use std::sync::Arc;

use crate::audit::{self, Asked, AuditOptions, Auditor, TokenClasses};
use crate::setup::plan::Plan;
use crate::setup::templates::ChatTemplates;

/// What a shard does only for a check: a replay of the samples against the inference prompt, which
/// costs more than making them, and an audit of their ids.
#[derive(Clone, Debug)]
pub struct Checks {
    pub(crate) auditor: Arc<Auditor>,
}

impl Checks {
    /// Keeps `evidence` places of each rule.
    pub(super) fn new(plan: &Plan, evidence: usize) -> Self {
        Self {
            auditor: Arc::new(auditor(plan, evidence)),
        }
    }
}

fn auditor(plan: &Plan, evidence: usize) -> Auditor {
    let (tokenizer, stop) = (&plan.tokenizer, plan.stop.ids());
    let mut classes = TokenClasses::of_tokenizer(tokenizer, stop);
    let template = plan.templates().ok().map(ChatTemplates::plain);
    if let Some(template) = template {
        // Headers are needed only where turns have to be found.
        let _ = audit::learn(&mut classes, tokenizer, template);
    }
    let options = AuditOptions {
        evidence,
        max_length: plan.recipe.max_length,
        asked: Asked {
            untrained: true,
            outside: true,
        },
        setup: audit::setup_findings(tokenizer, stop, template),
        ..AuditOptions::default()
    };
    Auditor::new(classes, options)
}

/// What the rows of a shard gave to a check.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) rows: u64,
    pub(super) rejected: u64,
    pub(super) tally: audit::Tally,
}
