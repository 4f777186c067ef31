//! What the recipe says about reading records.

use super::schema::Schema;

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

/// What becomes of the wire formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wire {
    /// They are read as serving engines read them.
    #[default]
    Normalise,
    /// Rows stay as transformers would take them.
    Keep,
}

/// How to read the records of one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaOptions {
    /// The shape of the records.
    pub schema: Schema,
    /// Fields that differ in this input: (the input's name, the schema's), such as
    /// (`question`, `prompt`).
    pub fields: Vec<(String, String)>,
    /// Roles that differ in this input: (the input's role, the schema's), such as
    /// (`client`, `user`).
    pub roles: Vec<(String, String)>,
    /// Columns of a row that are read as if they were not there.
    pub ignore: Vec<String>,
    /// Columns of a row that the index keeps.
    pub carry: Vec<String>,
    /// What to do with a leading assistant message.
    pub role_order: RoleOrder,
    /// Whether rows are prompts: whatever follows the last assistant turn stays, and a row needs
    /// none.
    pub prompts: bool,
    /// What to do with a content of parts; the encoder asks the template.
    pub text_parts: TextParts,
    /// The system text of conversations that have none.
    pub system: Option<String>,
    /// What becomes of the wire formats.
    pub wire: Wire,
    /// Whether the template prints messages of the role `developer`; the encoder asks it.
    pub developer: bool,
    /// Roles whose text the template prints only from a list of parts; the encoder asks it.
    pub part_roles: Vec<String>,
}

impl SchemaOptions {
    /// The plain form of `schema`.
    pub fn new(schema: Schema) -> Self {
        Self {
            schema,
            fields: Vec::new(),
            roles: Vec::new(),
            ignore: Vec::new(),
            carry: Vec::new(),
            role_order: RoleOrder::default(),
            prompts: false,
            text_parts: TextParts::default(),
            system: None,
            wire: Wire::default(),
            developer: true,
            part_roles: Vec::new(),
        }
    }
}
