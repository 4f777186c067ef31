//! A reader of rows of one schema.

use super::conversation::Record;
use super::messages::{MessageReader, Read, keys};
use super::options::{Field, Names, RoleOrder, SchemaOptions};
use super::schema::Schema;
use super::{alpaca, already_rendered, completion, turns, variables};
use crate::error::Result;
use crate::rules::{Reject, Rule, RuleCounts};
use crate::value::{Arena, Map, Value};

/// Turns rows of one input into records. Shared between threads.
#[derive(Clone, Debug)]
pub struct Reader {
    schema: Schema,
    role_order: RoleOrder,
    messages: MessageReader,
}

impl Reader {
    /// A reader; an error if the options name a field that the schema does not have.
    pub fn new(options: &SchemaOptions) -> Result<Self> {
        Ok(Self {
            schema: options.schema,
            role_order: options.role_order,
            messages: MessageReader {
                names: Names::new(options)?,
                roles: options.roles.clone(),
                text_parts: options.text_parts,
            },
        })
    }

    /// The schema that it reads.
    pub fn schema(&self) -> Schema {
        self.schema
    }

    /// The top-level columns that it reads, for sources that can leave out the others.
    pub fn columns(&self) -> Vec<&str> {
        let mut columns = self.messages.names.columns();
        columns.extend(self.other_list_name());
        columns
    }

    /// The fields of a message that are text under this schema.
    pub fn text_fields(&self) -> Vec<&str> {
        self.messages.names.text_fields()
    }

    /// Reads one row. What is remarkable about it but no reason to leave it out is added to
    /// `counts`.
    pub fn read<'a>(
        &self,
        row: Value<'a>,
        arena: &'a Arena,
        counts: &mut RuleCounts,
    ) -> Result<Record<'a>, Reject> {
        let row = row
            .as_map()
            .ok_or_else(|| variables::mismatch("row", "an object", row))?;
        let names = &self.messages.names;
        let read = match self.schema {
            Schema::Text => return completion::read_text(row, &self.messages, counts),
            Schema::PromptCompletion => {
                if !completion::is_conversational(row, &self.messages)? {
                    return completion::read_strings(row, &self.messages, counts);
                }
                completion::read_messages(row, &self.messages, arena)?
            }
            Schema::Alpaca => Read {
                messages: alpaca::read(row, names, arena, counts)?,
                tools: None,
            },
            Schema::Messages => {
                let (list, name) = self.list(row, Field::Messages)?;
                self.messages.read(list, name, arena)?
            }
            Schema::Sharegpt => {
                let (list, name) = self.list(row, Field::Conversations)?;
                let system = alpaca::optional_text(row, names, Field::System)?;
                self.messages.read_sharegpt(list, name, system, arena)?
            }
        };
        self.conversation(read, row, arena, counts)
    }

    fn conversation<'a>(
        &self,
        read: Read<'a>,
        row: Map<'a>,
        arena: &'a Arena,
        counts: &mut RuleCounts,
    ) -> Result<Record<'a>, Reject> {
        let Read { messages, tools } = read;
        let messages = turns::select(messages, self.role_order, counts)?;
        already_rendered::check_messages(messages)?;
        let mut conversation = variables::conversation(messages, row, &self.messages.names, arena)?;
        conversation.tools = conversation.tools.or(tools);
        Ok(Record::Conversation(conversation))
    }

    /// The list of messages of `row` with the name it stands under.
    fn list<'a>(&self, row: Map<'a>, field: Field) -> Result<(Value<'a>, &str), Reject> {
        let name = self.messages.names.of(field);
        std::iter::once(name)
            .chain(self.other_list_name())
            .find_map(|name| Some((row.get_some(name)?, name)))
            .ok_or_else(|| {
                let reason = format!("the row has no `{name}`; its keys: {}", keys(row));
                Reject::new(Rule::SchemaMismatch, reason)
            })
    }

    /// Data sets use either name with either form of message; a name that the recipe states is the
    /// only one.
    fn other_list_name(&self) -> Option<&str> {
        let names = &self.messages.names;
        match self.schema {
            Schema::Messages if names.of(Field::Messages) == "messages" => Some("conversations"),
            Schema::Sharegpt if names.of(Field::Conversations) == "conversations" => {
                Some("messages")
            }
            _ => None,
        }
    }
}
