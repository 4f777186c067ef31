//! A check of conversations: what encoding them finds, and an audit of the samples.

use std::sync::Arc;

use serde_json::Value as Json;

use super::checks::Checks;
use super::encoder::Encoder;
use super::shard::Shard;
use crate::audit;
use crate::rules::PromptSource;
use crate::setup::Served;

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
        let checks = Checks::new(&encoder.plan, evidence);
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
