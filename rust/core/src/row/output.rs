//! What one row gives.

use super::draft::Draft;
use super::findings::RowFindings;
use super::replay::RowReplay;
use super::samples::{Sample, Samples};

/// What one row gives: samples, and what it showed on the way.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) samples: Samples,
    pub(crate) findings: RowFindings,
    /// What the replay of the samples found, where a check asks for it.
    pub(crate) replay: RowReplay,
}

impl Output {
    /// Forgets the row before. `positions`: a check asks where in the row rules fire.
    pub(crate) fn clear(&mut self, positions: bool) {
        self.samples.clear();
        self.findings = RowFindings::new(positions);
        self.replay = RowReplay::default();
    }

    /// Adds a draft that is done.
    pub(crate) fn push(&mut self, draft: &Draft) {
        let labelled = &draft.labelled;
        let (labels, weights) = (&labelled.labels, &labelled.weights);
        let sample = Sample::new(&draft.encoding.ids, labels, weights, &labelled.turns);
        self.samples.push(sample);
    }
}
