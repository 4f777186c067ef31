//! One row: a conversation, a completion or a document becomes samples.
//!
//! ```text
//! conversation ─ render ─ judge ─ account ─ locate ─ encode ─ label ─ verify ─ samples
//!                  │        │       │         │        │        │        │
//!               Rendered  Policy  Reject    Located Encoding Labelled  Reject
//!                                or nothing                            or nothing
//! ```
//!
//! Each stage is a function in the module of the same name. It takes the plan and the results of
//! the stages before, and returns a type of its own; [`conversation`] calls them in this order. A
//! [`Draft`] holds the results for the sample in progress, [`Scratch`] only memory to reuse. Every
//! finished sample goes into [`Samples`]: the only one of its row, one of several from [`expand`],
//! a shorter one from [`over_length`], or a part of a document.

mod account;
mod completion;
pub mod content_rules;
pub mod contract;
pub(crate) mod conversation;
mod document;
mod draft;
mod encode;
mod excerpt;
mod expand;
pub(crate) mod findings;
pub(crate) mod history;
mod json_text;
mod judge;
mod kept;
pub mod label;
mod leaves;
mod locate;
mod output;
mod over_length;
mod pair;
mod policy;
pub(crate) mod position;
mod prompt;
mod refusal;
pub(crate) mod render;
pub(crate) mod replay;
mod samples;
mod scratch;
mod search;
mod segments;
#[cfg(test)]
mod tests;
mod texts;
mod verify;

pub(crate) use draft::Draft;
pub(crate) use output::RowOutput;
pub(crate) use refusal::Refusal;
pub(crate) use samples::{Sample, Samples};
pub(crate) use scratch::Scratch;

use crate::chat::Record;
use crate::recipe::{Column, History, TrainOn};
use crate::rules::Rule;
use crate::setup::plan::Plan;
use crate::value::Arena;

/// Makes the samples of one row. If the row is refused, `output` keeps what was found before, and
/// `draft` the unfinished sample.
pub(crate) fn encode<'a>(
    plan: &Plan,
    record: &Record<'a>,
    arena: &'a Arena,
    scratch: &mut Scratch,
    draft: &mut Draft,
    output: &mut RowOutput,
) -> Result<(), Refusal> {
    draft.clear();
    if !plan.recipe.columns.contains(&Column::Weights) && record.has_fraction() {
        output.findings.counts.add(Rule::WeightUnwritten, 1);
    }
    match record {
        Record::Conversation(conversation) => {
            render::count_unread_variables(plan, conversation, &mut output.findings)?;
            let conversation = render::with_variables(plan, conversation, arena)?;
            if plan.recipe.train_on == TrainOn::Nothing {
                prompt::sample(plan, &conversation, arena, scratch, draft, output)
            } else if plan.recipe.history == History::Expand {
                expand::samples(plan, &conversation, arena, scratch, draft, output)
            } else {
                over_length::sample(plan, &conversation, arena, scratch, draft, output)
            }
        }
        Record::Completion {
            prompt, completion, ..
        } if plan.recipe.train_on == TrainOn::Nothing => {
            prompt::text(plan, (prompt, completion), scratch, draft, output)
        }
        Record::Completion {
            prompt,
            completion,
            weight,
        } => completion::sample(plan, (prompt, completion), *weight, scratch, draft, output),
        Record::Segments { segments, weight } => {
            segments::sample(plan, segments, *weight, scratch, draft, output)
        }
        Record::Text { text, weight } => {
            document::samples(plan, text, *weight, scratch, draft, output)
        }
        Record::Pair(sides) => pair::samples(plan, sides, arena, scratch, draft, output),
        Record::Judged(answer, good) => {
            pair::judged(plan, answer, *good, arena, scratch, draft, output)
        }
    }
}
