//! A check of conversations: what encoding them finds, and an audit of the samples.

use std::sync::Arc;

use serde_json::Value as Json;

use super::{Encoder, Shard};
use crate::audit::{self, Asked, AuditOptions, Auditor, TokenClasses};
use crate::rules::PromptSource;
use crate::setup::Served;
use crate::setup::templates::ChatTemplates;

/// What a shard does only for a check: a replay of the samples against the inference prompt, which
/// costs more than making them, and an audit of their ids.
#[derive(Clone, Debug)]
pub struct Checks {
    pub(crate) auditor: Arc<Auditor>,
}

impl Checks {
    /// Keeps `evidence` places of each rule.
    pub fn new(encoder: &Encoder, evidence: usize) -> Self {
        Self {
            auditor: Arc::new(auditor(encoder, evidence)),
        }
    }
}

fn auditor(encoder: &Encoder, evidence: usize) -> Auditor {
    let plan = &encoder.plan;
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

/// A check of several inputs, as one data set.
pub struct Check {
    encoder: Arc<Encoder>,
    checks: Checks,
    /// The model that will be served, with which the findings are compared.
    served: Option<Served>,
    tally: audit::Tally,
    rows: u64,
    rejected: u64,
}

impl Check {
    /// A check that has seen nothing. `evidence`: places kept for each rule; `served`: the model
    /// that will be served.
    pub fn new(encoder: Arc<Encoder>, evidence: usize, served: Option<Served>) -> Self {
        let checks = Checks::new(&encoder, evidence);
        Self {
            tally: checks.auditor.tally(),
            encoder,
            checks,
            served,
            rows: 0,
            rejected: 0,
        }
    }

    /// What the shards of this check have to do.
    pub fn checks(&self) -> &Checks {
        &self.checks
    }

    /// Adds the findings of a shard that is finished, and of which nothing was added before.
    pub fn add(&mut self, shard: &mut Shard) {
        let checked = shard.take_checked();
        self.rows += checked.rows;
        self.rejected += checked.rejected;
        self.tally.append(checked.tally);
    }

    /// The findings as JSON: the report of an audit, in rows of the inputs, with the number of
    /// `samples` and of `rejected` rows.
    pub fn finish(self) -> Json {
        let samples = self.tally.rows;
        let mut report = self.checks.auditor.report(self.tally, samples > 0, false);
        report.rows = self.rows;
        let tokenizer = self.encoder.tokenizer();
        if let Some(server) = &self.served {
            let templates = self.encoder.plan.templates().ok();
            let template = templates.map(|templates| templates.plain().source());
            audit::served::compare(&mut report, tokenizer, server, template);
        }
        let mut found = report.to_json(PromptSource::Rendered, Some(tokenizer));
        if let Some(server) = self.served {
            found["serving_stop"] = server.stop.into();
        }
        found["samples"] = samples.into();
        found["rejected"] = self.rejected.into();
        found
    }
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Check")
            .field("encoder", &self.encoder)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

/// What the rows of a shard gave to a check.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) rows: u64,
    pub(super) rejected: u64,
    pub(super) tally: audit::Tally,
}
