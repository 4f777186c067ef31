//! A report as JSON: the shape that `turnmill check --json` prints.

use serde_json::{Map, Value, json};

use super::columns::IGNORED;
use super::replay::Replay;
use super::report::{Finding, Report};
use super::tally::{Evidence, Token};
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
            "labelled": self.labelled,
            "limit": self.limit,
            "replay": replay_json(&self.replay),
            "rules": rules,
        })
    }
}

/// Share of the replayed turns that are right, in all and by position.
fn replay_json(replay: &Replay) -> Value {
    let turns: u64 = replay.positions.iter().map(|position| position.turns).sum();
    let right: u64 = replay.positions.iter().map(|position| position.right).sum();
    let share = |right: u64, turns: u64| (turns > 0).then(|| right as f64 / turns as f64);
    let by_turn: Vec<Value> = replay
        .positions
        .iter()
        .filter(|position| position.turns > 0)
        .map(|position| {
            json!({"turns": position.turns, "rate": share(position.right, position.turns)})
        })
        .collect();
    json!({"turns": turns, "rate": share(right, turns), "by_turn": by_turn})
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
        .map(|token| token_json(*token, tokenizer))
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

fn token_json(token: Token, tokenizer: Option<&Tokenizer>) -> Value {
    let text = tokenizer
        .filter(|_| token.id >= 0)
        .map(|tokenizer| tokenizer.id_to_text(token.id as u32));
    json!({
        "position": token.position,
        "id": token.id,
        "text": text,
        "label": token.label,
        "trained": token.label != IGNORED,
    })
}
