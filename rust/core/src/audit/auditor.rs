//! The rules on one row, whoever made it.

use std::sync::Arc;

use super::options::AuditOptions;
use super::replay::TokenReplayer;
use super::report::Report;
use super::row::{KnownSample, Mismatch, Scratch, TokenRow};
use super::tally::Tally;
use super::token_classes::TokenClasses;
use super::turns::Turns;
use super::{replay, scan};
use crate::rules::{Evidence, IGNORED, Rule};
use crate::tokenizer::Tokenizer;

/// What an audit knows before the first row.
#[derive(Clone, Debug)]
pub struct Auditor {
    pub(super) classes: TokenClasses,
    pub(super) options: AuditOptions,
    /// Replays turns; `None` if prompts cannot be decoded.
    pub(super) tokenizer: Option<Arc<Tokenizer>>,
}

impl Auditor {
    /// An auditor that replays no turns.
    pub fn new(classes: TokenClasses, options: AuditOptions) -> Self {
        Self {
            classes,
            options,
            tokenizer: None,
        }
    }

    /// Turns on the replay of rows whose prompts have to be decoded.
    #[must_use]
    pub fn replaying(mut self, tokenizer: &Arc<Tokenizer>) -> Self {
        self.tokenizer = replay::round_trips(tokenizer).then(|| Arc::clone(tokenizer));
        self
    }

    /// Places kept for each rule.
    pub(crate) fn evidence(&self) -> usize {
        self.options.evidence
    }

    /// The findings of no rows.
    pub(crate) fn tally(&self) -> Tally {
        Tally::new(self.options.max_length, self.options.evidence)
    }

    /// Replays rows, if that is turned on.
    pub(super) fn player(&self) -> Option<TokenReplayer<'_>> {
        let tokenizer = self.tokenizer.as_ref();
        tokenizer.map(|known| TokenReplayer::new(known, &self.classes))
    }

    /// Checks a sample that was just made: its turns are known.
    pub(crate) fn check_sample(
        &self,
        sample: &KnownSample<'_>,
        scratch: &mut Scratch,
        tally: &mut Tally,
    ) {
        let row = TokenRow::of_sample(sample, &self.classes, scratch);
        self.check(&row, tally);
    }

    /// The findings, after the last row. `labelled`: a column says what is trained; `masked`: it is
    /// a mask.
    pub(crate) fn report(&self, mut tally: Tally, labelled: bool, masked: bool) -> Report {
        tally.close();
        Report::of(tally, &self.classes, &self.options, labelled, masked)
    }

    /// Checks a row.
    pub(super) fn check(&self, row: &TokenRow<'_>, tally: &mut Tally) {
        tally.start_row(self.starts_inside(row));
        let trained = scan::count_trained(row.labels);
        tally.documents += row.documents.len() as u64;
        tally.tokens += row.ids.len() as u64;
        tally.trained += trained as u64;
        tally.rows_untrained += u64::from(trained == 0);
        tally.rows_all_trained += u64::from(trained == row.ids.len());
        if let Some(limit) = self
            .options
            .max_length
            .filter(|limit| row.length() > *limit as usize)
        {
            add_at(tally, Rule::OverlongSample, row, limit as usize, "");
        }
        tally.ends.see(row.length() as u32, self.options.evidence);
        let marker = &self.options.response_marker;
        if trained == 0 && !marker.is_empty() && !contains(row.ids, marker) {
            add_at(tally, Rule::ResponseMarkerNotFound, row, 0, "");
        }
        self.check_tokens(row, tally);
        check_seams(row, tally);
        if let Some(at) = row.unattended {
            let note = "the attention mask is 0 at this stop token inside the row: it was made by \
                        comparing ids with the pad id";
            add_at(tally, Rule::PadEqualsTerminator, row, at, note);
        }
        if row.contradicted.is_some() {
            tally.contradicted += 1;
            tally.first_contradicted.get_or_insert(row.number);
        }
        for index in 0..row.documents.len() {
            let known = (&self.classes, self.options.asked);
            Turns::new(known, row, index, tally).check();
        }
        if row.documents.is_empty() {
            add_at(
                tally,
                Rule::AllLabelsMasked,
                row,
                0,
                "the row has no tokens",
            );
        }
    }

    /// Replays a row.
    pub(super) fn replay(
        &self,
        player: &mut TokenReplayer<'_>,
        row: &TokenRow<'_>,
        tally: &mut Tally,
    ) {
        let Some(difference) = player.play(row, &mut tally.replay) else {
            return;
        };
        let server = match (difference.server, &self.tokenizer) {
            (Some(id), Some(tokenizer)) => format!("{:?} {id}", tokenizer.id_to_text(id)),
            _ => "no token".to_owned(),
        };
        let note = format!("the server's prompt has {server} at {}", difference.at);
        let place = || row.evidence(difference.at, &note);
        tally
            .replay
            .add_difference(row.number, self.options.evidence, place);
    }

    /// Whether the row continues the turn that the row before left open.
    fn starts_inside(&self, row: &TokenRow<'_>) -> bool {
        let Some(first) = row.documents.first() else {
            return false;
        };
        let ids = &row.ids[first.clone()];
        let begins = self.classes.begins(ids[0]) || self.classes.header_at(ids).is_some();
        row.packed && row.trains(first.start) && !begins
    }

    /// Finds ids that no token has, and labels that are those of another token or another tool's
    /// mark.
    fn check_tokens(&self, row: &TokenRow<'_>, tally: &mut Tally) {
        let last = self.classes.last_id();
        // As an unsigned number, a negative id is a large one.
        let outside = |id: i32| id as u32 > last as u32;
        if let Some(at) = scan::find(row.ids, outside) {
            add_at(tally, Rule::TokenIdOutOfRange, row, at, "");
        }
        if row.labels.len() == row.ids.len() && std::ptr::eq(row.labels, row.ids) {
            return;
        }
        if scan::labels_differ(row.ids, row.labels) {
            check_labels(row, tally);
        }
        let other = |label: i32| label < 0 && label != IGNORED;
        if let Some(at) = scan::find(row.labels, other) {
            let note = format!("the label {}", row.labels[at]);
            add_at(tally, Rule::OtherIgnoreLabel, row, at, &note);
        }
    }
}

fn check_labels(row: &TokenRow<'_>, tally: &mut Tally) {
    let differs = |at: &usize| row.trains(*at) && row.labels[*at] != row.ids[*at];
    let at = (0..row.ids.len()).find(differs).unwrap_or(0);
    let trained = || (0..row.ids.len()).filter(|at| row.trains(*at));
    let label = row.labels[at];
    let one_value = trained()
        .filter(|at| row.labels[*at] != row.ids[*at])
        .all(|at| row.labels[at] == label);
    let shifted = trained().all(|at| row.ids.get(at + 1).is_none_or(|id| *id == row.labels[at]));
    if shifted {
        let note = "every label is already the next token, and the trainer will shift once more";
        add_at(tally, Rule::MaskOffByOne, row, at, note);
    } else if one_value && trained().any(|at| row.labels[at] != label) {
        let note = format!(
            "every label that differs is {label}: if it means untrained, add --ignore-label {label}"
        );
        add_at(tally, Rule::LabelMismatch, row, at, &note);
    } else {
        add_at(tally, Rule::LabelMismatch, row, at, "");
    }
}

/// Finds positions that continue over the seam of two documents.
fn check_seams(row: &TokenRow<'_>, tally: &mut Tally) {
    if row.positions.is_empty() {
        return;
    }
    let goes_on = |at: usize| row.positions[at] == row.positions[at - 1].wrapping_add(1);
    let seams = row.documents.iter().skip(1).map(|document| document.start);
    if let Some(seam) = seams.into_iter().find(|seam| goes_on(*seam)) {
        let note = "the positions do not restart at this document";
        add_at(tally, Rule::PackingBoundary, row, seam, note);
    }
}

fn contains(ids: &[i32], marker: &[i32]) -> bool {
    ids.windows(marker.len()).any(|window| window == marker)
}

fn add_at(tally: &mut Tally, rule: Rule, row: &TokenRow<'_>, at: usize, note: &str) {
    if !row.has_counted(rule) {
        tally
            .findings
            .add(rule, row.number, || row.evidence(at, note));
    }
}

/// Adds a row whose lists differ in length.
pub(super) fn add_mismatch(tally: &mut Tally, number: u64, mismatch: Mismatch) {
    tally.start_row(false);
    let Mismatch { what, ids, found } = mismatch;
    tally
        .findings
        .add(Rule::LengthMismatch, number, || Evidence {
            row: Some(number),
            length: ids as u32,
            note: format!("{ids} ids, but {what} gives {found}"),
            ..Evidence::default()
        });
}
