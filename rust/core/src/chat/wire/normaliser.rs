//! What is done to a row, in order.

use super::{
    Correction, blocks, calls, dialogue, functions, parts, reasoning, results, roles, row, texts,
    turns,
};
use crate::chat::conversation::{Conversation, Message};
use crate::chat::fields::Field;
use crate::chat::names::Names;
use crate::chat::options::{SchemaOptions, Wire};
use crate::rules::{Reject, Rule, RuleCounts};
use crate::value::{Arena, Map, Value};

/// Puts rows right for one template.
#[derive(Clone, Debug)]
pub(in crate::chat) struct Normaliser {
    wire: Wire,
    /// The template prints messages of the role `developer`.
    developer: bool,
    /// Roles whose text it prints only from a list of parts.
    part_roles: Vec<String>,
}

impl Normaliser {
    pub(in crate::chat) fn new(options: &SchemaOptions) -> Self {
        Self {
            wire: options.wire,
            developer: options.developer,
            part_roles: options.part_roles.clone(),
        }
    }

    /// The row with messages that were JSON text as a list, and its tools as one.
    pub(in crate::chat) fn row<'a>(
        &self,
        row: Map<'a>,
        names: &Names,
        mapped: &[(String, String)],
        arena: &'a Arena,
        counts: &mut RuleCounts,
    ) -> Map<'a> {
        if self.wire == Wire::Keep {
            return row;
        }
        let row = row::with_tool_list(row, names.name_in(row, Field::Tools), arena, counts);
        let Some(read) = texts::read(row, mapped, arena) else {
            return row;
        };
        counts.add(Rule::MessagesParsed, 1);
        read
    }

    /// The messages of a conversation that is one text; `None` where it stays as it is.
    pub(in crate::chat) fn dialogue<'a>(
        &self,
        text: &'a str,
        arena: &'a Arena,
    ) -> Option<&'a mut [Message<'a>]> {
        match self.wire {
            Wire::Keep => None,
            Wire::Normalise => dialogue::read(text, arena),
        }
    }

    /// The messages that a message of blocks stands for; `None` where it stays as it is.
    pub(in crate::chat) fn blocks<'a>(
        &self,
        item: Value<'a>,
        arena: &'a Arena,
        counts: &mut RuleCounts,
    ) -> Result<Option<&'a [Value<'a>]>, Reject> {
        if self.wire == Wire::Keep {
            return Ok(None);
        }
        let read = blocks::read(item, arena)?;
        if read.is_some() {
            counts.add(Rule::BlocksRead, 1);
        }
        Ok(read)
    }

    /// The messages of a row, with its own system text before them.
    pub(in crate::chat) fn messages<'a>(
        &self,
        messages: &'a mut [Message<'a>],
        row: Map<'a>,
        names: &Names,
        arena: &'a Arena,
        counts: &mut RuleCounts,
    ) -> Result<&'a mut [Message<'a>], Reject> {
        if self.wire == Wire::Keep {
            return Ok(messages);
        }
        let messages = match row::system(names.get(row, Field::System), arena)? {
            Some(system) => row::lead(messages, system, arena, counts),
            None => messages,
        };
        for (index, message) in (0..).zip(messages.iter_mut()) {
            let mut correction = Correction {
                index,
                arena,
                counts,
            };
            roles::read(message, self.developer, &mut correction);
            if message.is_plain() {
                continue;
            }
            results::count_value(message, &mut correction);
            if message.role == "assistant" {
                read_turn(message, &mut correction).map_err(|reject| reject.at_message(index))?;
            }
        }
        Ok(turns::join(messages, arena, counts))
    }

    /// What stands in a row beside its messages, and the form of contents that the template prints.
    pub(in crate::chat) fn conversation<'a>(
        &self,
        conversation: &mut Conversation<'a>,
        row: Map<'a>,
        names: &Names,
        arena: &'a Arena,
        counts: &mut RuleCounts,
    ) -> Result<(), Reject> {
        if self.wire == Wire::Keep {
            return parts::require(conversation.messages, &self.part_roles);
        }
        let messages = conversation.messages;
        conversation.messages = parts::wrap(messages, &self.part_roles, arena, counts);
        if conversation.tools.is_none()
            && let Some(functions) = names.get(row, Field::Functions)
        {
            conversation.tools = row::tools_of_functions(functions, arena, counts)?;
        }
        if let Some(tools) = conversation.tools {
            conversation.tools = Some(row::tools(tools, arena, counts)?);
        }
        conversation.weight = row::weight(names.get(row, Field::Weight))?;
        Ok(())
    }

    /// What a row without messages says beside its text; the result is its weight.
    pub(in crate::chat) fn plain(
        &self,
        row: Map<'_>,
        names: &Names,
        counts: &mut RuleCounts,
    ) -> Result<f32, Reject> {
        if self.wire == Wire::Keep {
            return Ok(1.0);
        }
        let system = names.optional_text(row, Field::System);
        if system.is_ok_and(|text| text.is_some()) {
            counts.add(Rule::SystemLeftOut, 1);
        }
        row::weight(names.get(row, Field::Weight))
    }
}

/// What only the messages of the assistant have.
fn read_turn<'a>(
    message: &mut Message<'a>,
    correction: &mut Correction<'_, 'a>,
) -> Result<(), Reject> {
    reasoning::read(message, correction)?;
    functions::read_call(message, correction)?;
    calls::read(message, correction)
}
