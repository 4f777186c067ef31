//! What the recipe says about reading records, and the names that follow from it.

use super::schema::Schema;
use crate::error::{Error, ErrorKind, Result};
use crate::value::{Map, Value};

/// What to do with the order of roles before the template sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RoleOrder {
    /// Leave it to the template.
    #[default]
    Keep,
    /// Remove assistant messages at the start, for templates that refuse them.
    Trim,
}

/// What becomes of a content that is a list of text parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TextParts {
    /// One string: for templates that print `content` as it is, and would print the list's
    /// Python text, or nothing, into the training data.
    #[default]
    Join,
    /// The list, for templates that walk through parts themselves. Parts in a form that
    /// transformers does not know (`value` for `text`, `reasoning`, `tool_call`) are joined anyway.
    Keep,
}

/// How to read the records of one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaOptions {
    /// The shape of the records.
    pub schema: Schema,
    /// Names that differ in this input: (the schema's name, the input's name), such as
    /// (`prompt`, `question`).
    pub fields: Vec<(String, String)>,
    /// Roles that differ in this input: (the input's role, the schema's), such as
    /// (`client`, `user`).
    pub roles: Vec<(String, String)>,
    /// What to do with a leading assistant message.
    pub role_order: RoleOrder,
    /// What to do with a content of parts; the encoder asks the template.
    pub text_parts: TextParts,
}

impl SchemaOptions {
    /// The plain form of `schema`.
    pub fn new(schema: Schema) -> Self {
        Self {
            schema,
            fields: Vec::new(),
            roles: Vec::new(),
            role_order: RoleOrder::default(),
            text_parts: TextParts::default(),
        }
    }
}

macro_rules! fields {
    ($($variant:ident $name:literal $($schema:ident)+;)*) => {
        /// A field that a schema reads.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Field {
            $($variant,)*
        }

        /// Each field with its name and the schemas that read it.
        const FIELDS: &[(Field, &str, &[Schema])] =
            &[$((Field::$variant, $name, &[$(Schema::$schema),+]),)*];
    };
}

fields! {
    Messages "messages" Messages;
    Conversations "conversations" Sharegpt;
    Role "role" Messages PromptCompletion;
    Content "content" Messages PromptCompletion;
    From "from" Sharegpt;
    Value "value" Sharegpt;
    Instruction "instruction" Alpaca;
    Input "input" Alpaca;
    Output "output" Alpaca;
    History "history" Alpaca;
    System "system" Sharegpt Alpaca;
    Prompt "prompt" PromptCompletion;
    Completion "completion" PromptCompletion;
    Text "text" Text;
    Tools "tools" Messages Sharegpt Alpaca PromptCompletion;
    Documents "documents" Messages Sharegpt Alpaca PromptCompletion;
    TemplateKwargs "chat_template_kwargs" Messages Sharegpt Alpaca PromptCompletion;
}

/// Fields of a message; all others are columns of the row.
const MESSAGE_FIELDS: [Field; 4] = [Field::Role, Field::Content, Field::From, Field::Value];

/// The names under which one input keeps its fields.
#[derive(Clone, Debug)]
pub(super) struct Names {
    schema: Schema,
    names: [String; FIELDS.len()],
}

impl Names {
    pub(super) fn new(options: &SchemaOptions) -> Result<Self> {
        let mut names = std::array::from_fn(|index| FIELDS[index].1.to_owned());
        for (ours, theirs) in &options.fields {
            let index = Self::index_of(ours, options.schema)?;
            names[index].clone_from(theirs);
        }
        Ok(Self {
            schema: options.schema,
            names,
        })
    }

    fn index_of(name: &str, schema: Schema) -> Result<usize> {
        let known = |(_, _, schemas): &(Field, &str, &[Schema])| schemas.contains(&schema);
        FIELDS
            .iter()
            .position(|field| field.1 == name && known(field))
            .ok_or_else(|| {
                let names: Vec<&str> = FIELDS.iter().filter(|f| known(f)).map(|f| f.1).collect();
                let what = format!("the schema `{schema}` has no field `{name}`");
                Error::new(ErrorKind::Recipe, "unknown-field", what).hint(format!(
                    "its fields: {}; write the schema's name first, such as {}=NAME_IN_THE_FILE",
                    names.join(", "),
                    names[0]
                ))
            })
    }

    /// The name of `field` in this input.
    pub(super) fn of(&self, field: Field) -> &str {
        &self.names[field as usize]
    }

    /// The value of `field`, if present and not null.
    pub(super) fn get<'a>(&self, row: Map<'a>, field: Field) -> Option<Value<'a>> {
        row.get_some(self.of(field))
    }

    /// The columns of a row that this schema reads.
    pub(super) fn columns(&self) -> Vec<&str> {
        FIELDS
            .iter()
            .filter(|(field, _, schemas)| {
                schemas.contains(&self.schema) && !MESSAGE_FIELDS.contains(field)
            })
            .map(|(field, ..)| self.of(*field))
            .collect()
    }

    /// The fields of a message that this schema reads.
    pub(super) fn text_fields(&self) -> Vec<&str> {
        MESSAGE_FIELDS.map(|field| self.of(field)).to_vec()
    }
}
