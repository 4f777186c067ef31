//! A conversation becomes one sample: the stages, in order.

use super::account::account;
use super::draft::Draft;
use super::encode::encode;
use super::excerpt::Excerpt;
use super::findings::RowFindings;
use super::judge::judge;
use super::label::label;
use super::locate::{LocatedText, locate};
use super::render::{render, template_for};
use super::scratch::Scratch;
use super::verify::verify;
use super::{Refusal, history};
use crate::setup::plan::Plan;

/// Whether a sample fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// The sample is in the draft.
    Ready,
    /// The sample has this many tokens, more than allowed.
    Long(u32),
}

/// Makes the sample of an excerpt, if it is not too long.
pub(crate) fn draft(
    plan: &Plan,
    excerpt: &Excerpt<'_>,
    scratch: &mut Scratch,
    draft: &mut Draft,
    findings: &mut RowFindings,
) -> Result<Fit, Refusal> {
    draft.clear();
    let Draft {
        rendered,
        located,
        encoding,
        labelled,
    } = draft;
    let Scratch {
        backend,
        memory,
        shorter,
        ids: spare,
        ledger,
        ..
    } = scratch;
    let conversation = &excerpt.conversation;
    let template = template_for(plan, conversation)?;
    let end = conversation.messages.len();
    render(template, conversation, end, memory, rendered)?;
    let policy = judge(plan, excerpt, rendered, (memory, shorter), findings)?;
    account(&policy, rendered, ledger, findings)?;
    locate(&policy, rendered, located, findings)?;
    encode(plan, &rendered.text, located, &mut **backend, encoding)?;
    let known = (!excerpt.ends_in_turn).then_some(encoding.ids.len());
    if let Some(length) = known.and_then(|length| plan.exceeding(length)) {
        return Ok(Fit::Long(length));
    }
    let text = LocatedText { rendered, located };
    label(&policy, text, encoding, spare, labelled, findings)?;
    if excerpt.ends_in_turn {
        labelled.end_in_turn(&mut encoding.ids);
    }
    verify(&policy, &encoding.ids, labelled, findings)?;
    // An inserted terminator may be the one token too many.
    if let Some(length) = plan.exceeding(encoding.ids.len()) {
        return Ok(Fit::Long(length));
    }
    if template.study().reads_reasoning {
        history::count_inline_reasoning(conversation, findings);
    }
    Ok(Fit::Ready)
}
