//! The inputs of a render: values, variables, constants, the date, limits.

use crate::builtins::strftime::LocalTime;
use crate::data::{Arena, Map, Value};
use crate::run::budget::Limits;
use crate::value::Val;
use crate::value::origin::Origin;

/// The inputs of a render.
///
/// A name that no scope of the template has set is looked up among `values`, then `variables`, then
/// `constants`, then the global functions of the language.
///
/// ```
/// use turnmill_jinja::{Arena, Input, Inputs, LocalTime, Map, Template, Value};
///
/// let inputs = Inputs {
///     values: &[("tools", Input::NONE), ("greet", true.into())],
///     variables: Map::new(&[("name", Value::Str("Ada"))]),
///     now: LocalTime { year: 2026, ..LocalTime::default() },
///     ..Inputs::default()
/// };
/// let source = "{{ tools is none }}{% if greet %}, {{ name }}{% endif %}, {{ strftime_now('%Y') }}";
/// let mut text = String::new();
/// Template::new(source)?.render(&Arena::new(), &inputs, &mut text)?;
/// assert_eq!(text, "True, Ada, 2026");
/// # Ok::<(), turnmill_jinja::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'r> {
    /// Names with their values.
    pub values: &'r [(&'r str, Input<'r>)],
    /// Variables: plain data. What the template prints of them has the origin
    /// [`Variable`](crate::OriginKind::Variable).
    pub variables: Map<'r>,
    /// Names of texts that count as the template's own, such as special tokens.
    pub constants: &'r [(String, String)],
    /// The date that `strftime_now` prints.
    pub now: LocalTime,
    /// Limits of the render.
    pub limits: Limits,
    /// Which class a key of a record is of, from 1 to 7: what
    /// [`OriginKind::Record`](crate::OriginKind::Record) tells apart inside a record.
    pub field_class: fn(&str) -> u8,
}

impl Default for Inputs<'_> {
    /// No names; every key of a record is of class 1.
    fn default() -> Self {
        Self {
            values: &[],
            variables: Map::default(),
            constants: &[],
            now: LocalTime::default(),
            limits: Limits::default(),
            field_class: |_| 1,
        }
    }
}

/// A value given to a render, with the origin of its strings.
#[derive(Clone, Copy)]
pub struct Input<'r>(pub(crate) Val<'r>);

impl<'r> Input<'r> {
    /// Python's `None`.
    pub const NONE: Self = Self(Val::None);

    /// Plain data, of origin [`Variable`](crate::OriginKind::Variable).
    pub fn data(value: Value<'r>) -> Self {
        Self(Val::data(value, Origin::VARIABLE))
    }

    /// A list of records: mappings numbered from 0, as [`OriginKind`](crate::OriginKind) and
    /// [`Context`](crate::Context) name them. There may be 2^28 - 1 of them.
    pub fn records(records: &[Map<'r>], arena: &'r Arena) -> Self {
        let numbered = records
            .iter()
            .enumerate()
            .map(|(index, record)| Val::DataMap(record.entries, Origin::record(index)));
        Self(Val::List(arena.alloc_slice_fill_iter(numbered)))
    }
}

impl From<bool> for Input<'_> {
    fn from(flag: bool) -> Self {
        Self(Val::Bool(flag))
    }
}

impl std::fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Input").field(&self.0.type_name()).finish()
    }
}
