//! The schema `kto`: an answer, and whether it is a good one.

use super::preference::{any_list, untrain};
use super::{alpaca, messages, preference, prompt_completion};
use crate::chat::conversation::{Conversation, Message, Record};
use crate::chat::fields::{Field, keys};
use crate::chat::judgement::verdict;
use crate::chat::row_reader::RowReader;
use crate::chat::variables::mismatch;
use crate::rules::{Reject, Rule, RuleCounts};
use crate::value::{Arena, Map};

/// Whether the row has an answer with a verdict.
pub(super) fn fits(row: Map<'_>) -> bool {
    let judged = ["label", "kto_tag"]
        .iter()
        .any(|name| row.get_some(name).and_then(verdict).is_some());
    judged && !preference::fits(row) && is_answered(row)
}

fn is_answered(row: Map<'_>) -> bool {
    messages::any_message(row, |message| {
        message
            .get_some("role")
            .or(message.get_some("from"))
            .is_some()
    }) || prompt_completion::fits(row)
        || alpaca::fits(row)
}

/// Reads one row.
pub(super) fn read<'a>(
    reader: &RowReader,
    row: Map<'a>,
    arena: &'a Arena,
    counts: &mut RuleCounts,
) -> Result<Record<'a>, Reject> {
    let good = label(reader, row)?;
    let names = &reader.names;
    let record = if names.get(row, Field::Completion).is_some() {
        prompt_completion::read(reader, row, arena, counts)?
    } else if names.get(row, Field::Messages).is_some() {
        let (list, name) = reader.list(row, Field::Messages)?;
        let messages = any_list(reader, list, name, arena, counts)?;
        only_last(reader.conversation(messages, row, arena, counts)?, arena)
    } else {
        only_last(alpaca::read(reader, row, arena, counts)?, arena)
    };
    Ok(Record::Judged(arena.alloc(record), good))
}

fn label(reader: &RowReader, row: Map<'_>) -> Result<bool, Reject> {
    let names = &reader.names;
    let name = names.name_in(row, Field::Label);
    let Some(label) = row.get_some(name) else {
        let reason = format!("the row has no `{name}`; its keys: {}", keys(row));
        return Err(Reject::new(Rule::SchemaMismatch, reason));
    };
    verdict(label).ok_or_else(|| mismatch(name, "true or false", label))
}

/// The record with its last message alone as the answer that is judged.
fn only_last<'a>(record: Record<'a>, arena: &'a Arena) -> Record<'a> {
    let Record::Conversation(conversation) = record else {
        return record;
    };
    let messages: &'a mut [Message<'a>] = arena.alloc_slice_copy(conversation.messages);
    if let Some((_, before)) = messages.split_last_mut() {
        untrain(before);
    }
    Record::Conversation(Conversation {
        messages,
        ..conversation
    })
}
