//! The names under which one input keeps the fields of its schema.

use super::fields::{Field, Level, keys};
use super::options::SchemaOptions;
use super::schema::Schema;
use crate::error::{Error, ErrorKind, Result};
use crate::rules::{Reject, Rule};
use crate::value::{Map, Value};

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

fn not_text(name: &str, value: Value<'_>) -> Reject {
    let reason = format!("`{name}` is {}, not text", value.kind());
    Reject::new(Rule::NonStringContent, reason)
}
