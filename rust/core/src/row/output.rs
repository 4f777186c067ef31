//! The result of one row.

use super::draft::Draft;
use super::findings::RowFindings;
use super::replay::RowReplay;
use super::samples::{Sample, Samples, Texts};

/// The result of one row: its samples and findings.
#[derive(Debug, Default)]
pub(crate) struct RowOutput {
    pub(crate) samples: Samples,
    pub(crate) findings: RowFindings,
    /// The replay of the samples, if a check asks for it.
    pub(crate) replay: RowReplay,
}

impl RowOutput {
    /// Clears the result of the previous row. `positions`: a check asks where in the row rules
    /// fire.
    pub(crate) fn clear(&mut self, positions: bool) {
        self.samples.clear();
        self.findings = RowFindings::new(positions);
        self.replay = RowReplay::default();
    }

    /// Adds the finished sample of a draft.
    pub(crate) fn push(&mut self, draft: &Draft) {
        self.samples.push(sample_of(draft));
    }

    /// Adds a draft that is a prompt.
    pub(crate) fn push_prompt(&mut self, draft: &Draft, reference: Option<String>) {
        let prompt = draft.rendered.text.clone();
        let texts = Texts { prompt, reference };
        self.samples.push_prompt(sample_of(draft), texts);
    }
}

fn sample_of(draft: &Draft) -> Sample<'_> {
    let labelled = &draft.labelled;
    let (labels, weights) = (&labelled.labels, &labelled.weights);
    Sample::new(&draft.encoding.ids, labels, weights, &labelled.turns)
}
