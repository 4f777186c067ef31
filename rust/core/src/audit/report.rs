//! The findings of an audit.

use serde_json::{Value, json};

use super::options::AuditOptions;
use super::tally::Tally;
use super::token_classes::TokenClasses;
use crate::rules::{Evidence, Finding, Findings, PromptSource, Replay, Rule, Severity};
use crate::tokenizer::Tokenizer;

/// The findings of an audit.
#[derive(Clone, Debug)]
pub struct Report {
    /// Rows.
    pub rows: u64,
    /// Documents; more than rows if rows are packed.
    pub documents: u64,
    /// Trained turns.
    pub turns: u64,
    /// Tokens, padding included.
    pub tokens: u64,
    /// Trained tokens.
    pub trained: u64,
    /// Stop ids that end trained turns, with the number of turns, most frequent first.
    pub terminators: Vec<(i32, u64)>,
    /// The columns that were read, if the rows have columns.
    pub columns: Vec<&'static str>,
    /// Whether a column says which tokens are trained.
    pub labelled: bool,
    /// The length at which rows were cut, given or detected.
    pub limit: Option<u32>,
    /// Rows whose labels train other tokens than the masks beside them, and the first of them.
    pub contradicted: (u64, Option<u64>),
    /// Replayed turns.
    pub replay: Replay,
    /// What each rule found.
    pub findings: Findings,
}

impl Report {
    pub(super) fn of(
        mut tally: Tally,
        classes: &TokenClasses,
        options: &AuditOptions,
        labelled: bool,
        masked: bool,
    ) -> Self {
        let keep = options.evidence;
        let missing = tally.findings.get(Rule::MissingTerminator).count;
        let ends = std::mem::take(&mut tally.ends).decide(missing, keep);
        tally
            .findings
            .get_mut(Rule::MissingTerminator)
            .interleave(ends.missing, keep);
        let mut truncated = ends.truncated;
        for evidence in &mut truncated.evidence {
            evidence.note = format!("cut at {} tokens", evidence.length);
        }
        tally
            .findings
            .get_mut(Rule::TruncatedTerminator)
            .interleave(truncated, keep);
        name_filled_windows(tally.findings.get_mut(Rule::AllLabelsMasked), ends.limit);
        add_prompts(&mut tally);
        add_setup(&mut tally, classes, options);
        if labelled {
            add_markers(&mut tally, masked);
        }
        Self {
            rows: tally.rows,
            documents: tally.documents,
            turns: tally.turns,
            tokens: tally.tokens,
            trained: tally.trained,
            terminators: by_count(&tally.terminators),
            columns: Vec::new(),
            labelled,
            limit: ends.limit,
            contradicted: (tally.contradicted, tally.first_contradicted),
            findings: tally.findings,
            replay: tally.replay,
        }
    }

    /// Whether no rule of severity error fired.
    pub fn is_clean(&self) -> bool {
        let mut fired = self.findings.iter();
        fired.all(|(rule, _)| rule.severity() < Severity::Error)
    }

    /// Whether trained turns end in that id.
    pub(super) fn ends_turns(&self, id: u32) -> bool {
        self.terminators.iter().any(|(end, _)| *end == id as i32)
    }

    /// What a rule found, if it fired.
    pub fn get(&self, rule: Rule) -> Option<&Finding> {
        Some(self.findings.get(rule)).filter(|finding| finding.count > 0)
    }

    /// The report as one object; with a tokenizer, tokens have their text.
    pub fn to_json(&self, by: PromptSource, tokenizer: Option<&Tokenizer>) -> Value {
        let text = |id: u32| tokenizer.map(|tokenizer| tokenizer.id_to_text(id));
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
            "replay": self.replay.to_json(by),
            "notes": self.replay.notes(),
            "rules": self.findings.to_json(self.rows, &text),
        })
    }
}

fn by_count(terminators: &[(i32, u64)]) -> Vec<(i32, u64)> {
    let mut sorted = terminators.to_vec();
    sorted.sort_by_key(|(id, turns)| (std::cmp::Reverse(*turns), *id));
    sorted
}

fn name_filled_windows(entry: &mut Finding, limit: Option<u32>) {
    for evidence in &mut entry.evidence {
        if limit.is_some_and(|limit| evidence.length >= limit) {
            evidence.note = format!("the prompt fills the {} tokens of the row", evidence.length);
        }
    }
}

/// Prompts that are not the server's, unless the rule has fired for a plainer reason.
fn add_prompts(tally: &mut Tally) {
    let finding = tally.findings.get_mut(Rule::PromptParity);
    if finding.count == 0 {
        *finding = tally.replay.different.clone();
    }
}

/// Findings on the tokenizer and the stop set, not on a row.
fn add_setup(tally: &mut Tally, classes: &TokenClasses, options: &AuditOptions) {
    let pad = classes
        .pad()
        .filter(|pad| may_end_turns(*pad, tally, classes));
    let several = tally.several;
    let mut add = |rule: Rule, note: String| tally.findings.add_to_all(rule, note);
    for (rule, note) in &options.setup {
        // A rewritten history matters only to conversations that have one, and where the rows were
        // compared with inference, `history-rewritten` counted them.
        let is_history = *rule == Rule::NonPrefixTemplate;
        if !is_history || (several && !options.asked.untrained) {
            add(*rule, note.clone());
        }
    }
    if classes.stop().is_empty() {
        add(
            Rule::UnsetTerminator,
            "no stop token is known: give --stop".to_owned(),
        );
    }
    if let Some(pad) = pad {
        add(
            Rule::PadEqualsTerminator,
            format!("the pad token {pad} ends turns"),
        );
    }
}

/// A stop token that ends turns. If none does, any stop token may be the one that should.
fn may_end_turns(id: u32, tally: &Tally, classes: &TokenClasses) -> bool {
    let mut ends = tally.terminators.iter().map(|(end, _)| *end);
    classes.stop().contains(&id) && (ends.len() == 0 || ends.any(|end| end == id as i32))
}

/// A mask that is the same everywhere comes from a template that marks no turns.
fn add_markers(tally: &mut Tally, masked: bool) {
    let none = tally.rows_untrained == tally.rows;
    let prompts = tally.findings.get(Rule::PromptInLoss).rows == tally.rows;
    let all = tally.rows_all_trained == tally.rows && (masked || prompts);
    if tally.rows == 0 || !(none || all) {
        return;
    }
    let note = if none {
        "no token of any row is trained"
    } else {
        "every token is trained"
    };
    let entry = tally.findings.get_mut(Rule::NoGenerationMarkers);
    entry.count += tally.rows;
    entry.rows += tally.rows;
    entry.evidence.push(Evidence::of_all(note));
}
