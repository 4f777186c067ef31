//! The fields that schemas read, and the names under which one input keeps them.

use super::options::SchemaOptions;
use super::schemas::Schema;
use crate::error::{Error, ErrorKind, Result};
use crate::rules::{Reject, Rule};
use crate::value::{Map, Value};

/// Where a field stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// A column of the row.
    Row,
    /// A key of a message.
    Message,
}

macro_rules! fields {
    ($($variant:ident $name:literal $level:ident $(or $($alias:literal)+)?;)*) => {
        /// A field that a schema reads.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Field {
            $($variant,)*
        }

        impl Field {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The names under which rows keep fields, of whatever schema.
            pub(super) fn of_rows() -> impl Iterator<Item = &'static str> {
                let fields = Self::ALL.iter();
                let of_rows = fields.filter(|field| field.level() == Level::Row);
                of_rows.flat_map(|field| {
                    let aliases = field.aliases().iter().copied();
                    std::iter::once(field.name()).chain(aliases)
                })
            }

            /// Whether rows keep it under that name.
            pub(super) fn is_named(self, name: &str) -> bool {
                self.name() == name || self.aliases().contains(&name)
            }

            fn level(self) -> Level {
                match self { $(Self::$variant => Level::$level,)* }
            }

            /// The names under which data sets keep it too.
            fn aliases(self) -> &'static [&'static str] {
                match self {
                    $($(Self::$variant => &[$($alias),+],)?)*
                    _ => &[],
                }
            }
        }
    };
}

fields! {
    Messages "messages" Row or "conversations" "conversation";
    Conversations "conversations" Row or "messages" "conversation";
    Pairs "conversation" Row or "conversations";
    Human "human" Message;
    Assistant "assistant" Message;
    Contents "contents" Row;
    SystemInstruction "system_instruction" Row or "systemInstruction";
    Query "query" Row;
    Answers "answers" Row;
    Role "role" Message;
    Content "content" Message;
    From "from" Message;
    Value "value" Message;
    Instruction "instruction" Row or "query" "question" "human";
    Input "input" Row or "context";
    Output "output" Row or "response" "assistant";
    History "history" Row;
    System "system" Row or "system_prompt";
    Prompt "prompt" Row;
    Completion "completion" Row;
    Chosen "chosen" Row or "preferred_output";
    Rejected "rejected" Row or "non_preferred_output";
    Label "label" Row or "kto_tag";
    Text "text" Row;
    Segments "segments" Row;
    Tools "tools" Row;
    Functions "functions" Row;
    Weight "weight" Row;
    Documents "documents" Row;
    TemplateKwargs "chat_template_kwargs" Row;
}

/// The names under which one input keeps its fields.
#[derive(Clone, Debug)]
pub(super) struct Names {
    schema: Schema,
    names: [String; Field::ALL.len()],
}

impl Names {
    pub(super) fn new(options: &SchemaOptions) -> Result<Self> {
        let mut names = std::array::from_fn(|index| Field::ALL[index].name().to_owned());
        for (theirs, ours) in &options.fields {
            let field = field_of(theirs, ours, options.schema)? as usize;
            let is_named_twice =
                |(name, field): &&(String, String)| field == ours && name != theirs;
            if let Some((other, _)) = options.fields.iter().find(is_named_twice) {
                return Err(named_twice(theirs, other, ours));
            }
            names[field].clone_from(theirs);
        }
        // A column that the recipe gives to one field is not another field's.
        let given = |name: &String| options.fields.iter().any(|(theirs, _)| theirs == name);
        for (field, name) in Field::ALL.iter().zip(&mut names) {
            let is_given = options.fields.iter().any(|(_, ours)| ours == field.name());
            if !is_given && given(name) {
                name.clear();
            }
        }
        Ok(Self {
            schema: options.schema,
            names,
        })
    }

    /// The name of `field` in this input.
    pub(super) fn of(&self, field: Field) -> &str {
        &self.names[field as usize]
    }

    /// The other names that `field` may have; a name that the recipe states is the only one.
    pub(super) fn aliases(&self, field: Field) -> &'static [&'static str] {
        let stated = self.of(field) != field.name();
        if stated { &[] } else { field.aliases() }
    }

    /// The name under which `row` keeps `field`.
    pub(super) fn name_in(&self, row: Map<'_>, field: Field) -> &str {
        let name = self.of(field);
        if row.get_some(name).is_some() {
            return name;
        }
        let mut aliases = self.aliases(field).iter();
        aliases
            .find(|alias| row.get_some(alias).is_some())
            .map_or(name, |alias| alias)
    }

    /// The value of `field`, if present and not null.
    pub(super) fn get<'a>(&self, row: Map<'a>, field: Field) -> Option<Value<'a>> {
        row.get_some(self.name_in(row, field))
    }

    /// The string under `field`, which must be there.
    pub(super) fn text<'a>(&self, row: Map<'a>, field: Field) -> Result<&'a str, Reject> {
        let name = self.name_in(row, field);
        match row.get(name) {
            Some(Value::Str(text)) => Ok(text),
            Some(Value::Null) => Err(Reject::new(Rule::NullContent, format!("`{name}` is null"))),
            Some(other) => Err(not_text(name, other)),
            None => {
                let reason = format!("the row has no `{name}`; its keys: {}", keys(row));
                Err(Reject::new(Rule::SchemaMismatch, reason))
            }
        }
    }

    /// The string under `field`, if it is there and not empty.
    pub(super) fn optional_text<'a>(
        &self,
        row: Map<'a>,
        field: Field,
    ) -> Result<Option<&'a str>, Reject> {
        match self.get(row, field) {
            None | Some(Value::Str("")) => Ok(None),
            Some(Value::Str(text)) => Ok(Some(text)),
            Some(other) => Err(not_text(self.name_in(row, field), other)),
        }
    }

    /// Columns of `row` that hold a field which the row also has under the name that is read, with
    /// another value.
    pub(super) fn second_names<'a>(
        &self,
        row: Map<'a>,
    ) -> impl Iterator<Item = (&'static str, Value<'a>)> {
        let fields = self.schema.fields().iter();
        let columns = fields.filter(|field| field.level() == Level::Row);
        columns.flat_map(move |field| {
            let read = self.get(row, *field);
            let others = self.aliases(*field).iter();
            others
                .filter_map(move |name| Some((*name, row.get_some(name)?)))
                .filter(move |(_, value)| Some(*value) != read)
        })
    }

    /// The columns of a row that this schema reads.
    pub(super) fn columns(&self) -> Vec<&str> {
        let fields = self.schema.fields().iter();
        let columns = fields.filter(|field| field.level() == Level::Row);
        let named = columns.clone().map(|field| self.of(*field));
        let others = columns.flat_map(|field| self.aliases(*field)).copied();
        named.chain(others).collect()
    }

    /// The fields of a message, of whatever schema.
    pub(super) fn text_fields(&self) -> Vec<&str> {
        let fields = Field::ALL.iter();
        fields
            .filter(|field| field.level() == Level::Message)
            .map(|field| self.of(*field))
            .collect()
    }
}

/// The field that the recipe names `theirs` after; an error if the schema does not read it.
fn field_of(theirs: &str, ours: &str, schema: Schema) -> Result<Field> {
    let named = |name: &str| {
        let mut fields = schema.fields().iter();
        fields.find(|field| field.name() == name).copied()
    };
    let field = named(ours);
    field.ok_or_else(|| unknown_field(theirs, ours, schema, named(theirs).is_some()))
}

fn unknown_field(theirs: &str, ours: &str, schema: Schema, turned: bool) -> Error {
    let what = format!("the schema `{schema}` has no field `{ours}`");
    let error = Error::new(ErrorKind::Recipe, "unknown-field", what);
    if turned {
        return error.hint(format!(
            "`{theirs}` is its field: the data's name comes first, {ours}={theirs}"
        ));
    }
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name()).collect();
    error.hint(format!(
        "its fields: {}; the data's name comes first, such as NAME_IN_THE_FILE={}",
        names.join(", "),
        names[0]
    ))
}

fn named_twice(theirs: &str, other: &str, ours: &str) -> Error {
    let what = format!("`fields` maps both `{theirs}` and `{other}` to `{ours}`");
    Error::new(ErrorKind::Recipe, "unknown-field", what)
        .hint("a field has one name in an input; [[inputs]] of a recipe differ by input")
}

/// The flag that maps the input's names (first of each pair) to the schema's.
pub(super) fn fields_flag(pairs: &[(&str, &str)]) -> String {
    let differ = pairs.iter().filter(|(theirs, ours)| theirs != ours);
    let pairs: Vec<String> = differ
        .map(|(theirs, ours)| format!("{theirs}={ours}"))
        .collect();
    if pairs.is_empty() {
        return String::new();
    }
    format!(" --fields {}", pairs.join(","))
}

/// The keys of an object, for messages.
pub(super) fn keys(map: Map<'_>) -> String {
    let names: Vec<&str> = map.iter().map(|(key, _)| key).take(12).collect();
    names.join(", ")
}

fn not_text(name: &str, value: Value<'_>) -> Reject {
    let reason = format!("`{name}` is {}, not text", value.kind());
    Reject::new(Rule::NonStringContent, reason)
}
