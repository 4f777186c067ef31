//! What the files of the schemas read a row with.

use super::conversation::{Message, Record, led};
use super::fields::{Field, keys};
use super::names::Names;
use super::options::{RoleOrder, SchemaOptions, TextParts};
use super::roles::{KNOWN_ROLES, unknown_role};
use super::wire::Normaliser;
use super::{already_rendered, turns, variables};
use crate::error::Result;
use crate::rules::{Reject, Rule, RuleCounts};
use crate::value::{Arena, Map, Value};

/// Reads the parts of rows under the names and roles of one input.
#[derive(Clone, Debug)]
pub(super) struct RowReader {
    pub(super) names: Names,
    roles: Vec<(String, String)>,
    role_order: RoleOrder,
    /// Whether rows are prompts, which need no answer.
    pub(super) prompts: bool,
    system: Option<String>,
    pub(super) text_parts: TextParts,
    pub(super) wire: Normaliser,
}

/// Messages of a row, and tools found inside them.
pub(super) struct Messages<'a> {
    pub(super) list: &'a mut [Message<'a>],
    pub(super) tools: Option<Value<'a>>,
}

impl RowReader {
    /// An error if the options name a field that the schema does not have.
    pub(super) fn new(options: &SchemaOptions) -> Result<Self> {
        Ok(Self {
            names: Names::new(options)?,
            roles: options.roles.clone(),
            role_order: options.role_order,
            prompts: options.prompts,
            system: options.system.clone(),
            text_parts: options.text_parts,
            wire: Normaliser::new(options),
        })
    }

    /// The record of a conversation: what every schema of messages ends with.
    pub(super) fn conversation<'a>(
        &self,
        read: Messages<'a>,
        row: Map<'a>,
        arena: &'a Arena,
        counts: &mut RuleCounts,
    ) -> Result<Record<'a>, Reject> {
        let Messages { list, tools } = read;
        let list = self.wire.messages(list, row, &self.names, arena, counts)?;
        let list = self.with_default_system(list, arena, counts);
        let messages = if self.prompts {
            turns::asked(list, self.role_order)?
        } else {
            turns::select(list, self.role_order, counts)?
        };
        already_rendered::check_messages(messages)?;
        let mut conversation = variables::conversation(messages, row, &self.names, arena)?;
        conversation.tools = conversation.tools.or(tools);
        self.wire
            .conversation(&mut conversation, row, &self.names, arena, counts)?;
        Ok(Record::Conversation(conversation))
    }

    /// The messages, led by the recipe's system text if none of them is a system message.
    fn with_default_system<'a>(
        &self,
        list: &'a mut [Message<'a>],
        arena: &'a Arena,
        counts: &mut RuleCounts,
    ) -> &'a mut [Message<'a>] {
        let is_system = |message: &Message<'_>| matches!(message.role, "system" | "developer");
        match &self.system {
            Some(text) if !text.is_empty() && !list.iter().any(is_system) => {
                counts.add(Rule::DefaultSystemAdded, 1);
                led(list, arena.alloc_str(text), arena)
            }
            _ => list,
        }
    }

    /// The record of a conversation before which the schema puts a system text.
    pub(super) fn led_by<'a>(
        &self,
        system: Option<&'a str>,
        read: Messages<'a>,
        row: Map<'a>,
        arena: &'a Arena,
        counts: &mut RuleCounts,
    ) -> Result<Record<'a>, Reject> {
        let starts_with_one = read
            .list
            .first()
            .is_some_and(|first| first.role == "system");
        let Some(system) = system.filter(|text| !text.is_empty() && !starts_with_one) else {
            return self.conversation(read, row, arena, counts);
        };
        let read = Messages {
            list: led(read.list, system, arena),
            tools: read.tools,
        };
        self.conversation(read, row, arena, counts)
    }

    /// The list of messages of `row` with the name it stands under.
    pub(super) fn list<'a>(&self, row: Map<'a>, field: Field) -> Result<(Value<'a>, &str), Reject> {
        let name = self.names.name_in(row, field);
        let list = row.get_some(name).ok_or_else(|| {
            let reason = format!("the row has no `{name}`; its keys: {}", keys(row));
            Reject::new(Rule::SchemaMismatch, reason)
        })?;
        Ok((list, name))
    }

    /// The role that the recipe maps `role` to.
    pub(super) fn mapping(&self, role: &str) -> Option<&str> {
        let mapped = self.roles.iter().find(|(theirs, _)| theirs == role);
        mapped.map(|(_, ours)| ours.as_str())
    }

    /// The role of a message as it stands there.
    pub(super) fn role_in<'a>(&self, message: Map<'a>) -> Result<&'a str, Reject> {
        let name = self.names.of(Field::Role);
        match message.get_some(name) {
            Some(Value::Str(role)) => Ok(role),
            Some(other) => Err(variables::mismatch(name, "a string", other)),
            None => {
                let reason = format!("a message has no `{name}`; its keys: {}", keys(message));
                Err(Reject::new(Rule::SchemaMismatch, reason))
            }
        }
    }

    /// The role as the template sees it.
    pub(super) fn mapped_role<'a>(
        &self,
        role: &'a str,
        arena: &'a Arena,
    ) -> Result<&'a str, Reject> {
        if let Some(ours) = self.mapping(role) {
            return Ok(arena.alloc_str(ours));
        }
        if KNOWN_ROLES.contains(&role) {
            return Ok(role);
        }
        Err(unknown_role(role))
    }

    /// A reject of the message after those that were read, with its number and turn.
    pub(super) fn placed<'a>(
        &self,
        reject: Reject,
        item: Value<'a>,
        before: &[Message<'a>],
        arena: &'a Arena,
    ) -> Reject {
        let named = item.as_map().and_then(|map| self.role_in(map).ok());
        let role = named.and_then(|named| self.mapped_role(named, arena).ok());
        let turns = before.iter().filter(|message| message.role == "assistant");
        let turn = (role == Some("assistant")).then(|| turns.count() as u32);
        Reject {
            turn: reject.turn.or(turn),
            ..reject.at_message(before.len() as u32)
        }
    }
}
