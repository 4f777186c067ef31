//! A document: every token is trained.

use super::Refusal;
use super::draft::Draft;
use super::encode::frame;
use super::output::RowOutput;
use super::samples::Sample;
use super::scratch::Scratch;
use super::texts::encode_text;
use crate::setup::plan::Plan;

/// Makes the samples of a document: one, or several parts of the allowed length. The
/// post-processor's ids are put around the whole document, so only the last part ends in the eos.
pub(super) fn samples(
    plan: &Plan,
    text: &str,
    weight: f32,
    scratch: &mut Scratch,
    draft: &mut Draft,
    output: &mut RowOutput,
) -> Result<(), Refusal> {
    let findings = &mut output.findings;
    encode_text(plan, text, scratch, draft, findings)?;
    let Draft {
        encoding, labelled, ..
    } = draft;
    let ids = &mut encoding.ids;
    frame(plan, ids, findings);
    labelled.start(ids.len());
    labelled.train(ids, 0, ids.len(), weight);
    labelled.require_trained()?;
    let most = plan
        .recipe
        .max_length
        .map_or(ids.len(), |most| most as usize);
    for start in (0..ids.len()).step_by(most) {
        let part = start..ids.len().min(start + most);
        output.samples.push(Sample::new(
            &ids[part.clone()],
            &labelled.labels[part.clone()],
            &labelled.weights[part],
            &[],
        ));
    }
    Ok(())
}
