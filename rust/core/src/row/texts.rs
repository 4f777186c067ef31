//! Texts without a template: all of them is content.

use super::Refusal;
use super::draft::Draft;
use super::encode::encode;
use super::findings::RowFindings;
use super::locate::{locate_plain, locate_seam};
use super::scratch::Scratch;
use crate::setup::plan::Plan;

/// Encodes a text into the draft.
pub(super) fn encode_text(
    plan: &Plan,
    text: &str,
    scratch: &mut Scratch,
    draft: &mut Draft,
    findings: &mut RowFindings,
) -> Result<(), Refusal> {
    draft.rendered.text.push_str(text);
    locate_plain(plan, &draft.rendered, &mut draft.located, findings)?;
    encode_located(plan, scratch, draft)
}

/// Encodes a prompt and what follows it into the draft. Returns the byte at which they meet.
pub(super) fn encode_texts(
    plan: &Plan,
    (prompt, completion): (&str, &str),
    scratch: &mut Scratch,
    draft: &mut Draft,
    findings: &mut RowFindings,
) -> Result<u32, Refusal> {
    let seam = prompt.len() as u32;
    draft.rendered.text.push_str(prompt);
    draft.rendered.text.push_str(completion);
    locate_seam(plan, &draft.rendered, seam, &mut draft.located, findings)?;
    encode_located(plan, scratch, draft)?;
    Ok(seam)
}

fn encode_located(plan: &Plan, scratch: &mut Scratch, draft: &mut Draft) -> Result<(), Refusal> {
    let backend = &mut *scratch.backend;
    let text = &draft.rendered.text;
    encode(plan, text, &draft.located, backend, &mut draft.encoding)
}
