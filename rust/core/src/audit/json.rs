//! A report as JSON: the shape that `turnmill check --json` prints.

use serde_json::{Map, Value, json};

use super::report::{Finding, Report};
use super::tally::Evidence;
use crate::tokenizer::Tokenizer;

impl Report {
    /// The report as one object; with a tokenizer, tokens have their text.
    pub fn to_json(&self, tokenizer: Option<&Tokenizer>) -> Value {
        let rules: Map<String, Value> = self
            .findings
            .iter()
            .map(|finding| {
                let value = finding_json(finding, self.rows, tokenizer);
                (finding.rule.name().to_owned(), value)
            })
            .collect();
        json!({
            "rows": self.rows,
            "ok": self.is_clean(),
            "documents": self.documents,
            "turns": self.turns,
            "tokens": self.tokens,
            "trained": self.trained,
            "terminators": self.terminators,
            "labelled": self.labelled,
            "limit": self.limit,
            "contradicted": self.contradicted,
            "replay": self.replay.to_json(),
            "rules": rules,
        })
    }
}

fn finding_json(finding: &Finding, rows: u64, tokenizer: Option<&Tokenizer>) -> Value {
    let evidence: Vec<Value> = finding
        .evidence
        .iter()
        .map(|place| evidence_json(place, tokenizer))
        .collect();
    json!({
        "severity": finding.rule.severity().name(),
        "count": finding.count,
        "rows": finding.rows,
        "rate": finding.rate(rows),
        "evidence": evidence,
    })
}

fn evidence_json(place: &Evidence, tokenizer: Option<&Tokenizer>) -> Value {
    let tokens: Vec<Value> = place
        .tokens
        .iter()
        .map(|token| token.to_json(tokenizer))
        .collect();
    json!({
        "row": place.row,
        "document": place.document,
        "turn": place.turn,
        "message": place.message,
        "length": place.length,
        "note": place.note,
        "tokens": tokens,
    })
}
