//! Tests: what follows `is`.

use crate::builtins::filters::Filter;
use crate::error::{Error, Result};
use crate::run::arguments::{Given, integer};
use crate::run::budget::RunArena;
use crate::run::iterate::{Source, length};
use crate::syntax::ast::Comparison;
use crate::value::Val;
use crate::value::operators::{as_float, binary, compare, contains, equal};

/// A test by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    Odd,
    Even,
    DivisibleBy,
    Defined,
    Undefined,
    Filter,
    KnownName,
    None,
    Boolean,
    False,
    True,
    Integer,
    Float,
    Lower,
    Upper,
    String,
    Mapping,
    Number,
    Sequence,
    Iterable,
    Callable,
    SameAs,
    Escaped,
    Compare(Comparison),
}

impl Test {
    /// The test of a name.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "odd" => Self::Odd,
            "even" => Self::Even,
            "divisibleby" => Self::DivisibleBy,
            "defined" => Self::Defined,
            "undefined" => Self::Undefined,
            "filter" => Self::Filter,
            "test" => Self::KnownName,
            "none" => Self::None,
            "boolean" => Self::Boolean,
            "false" => Self::False,
            "true" => Self::True,
            "integer" => Self::Integer,
            "float" => Self::Float,
            "lower" => Self::Lower,
            "upper" => Self::Upper,
            "string" => Self::String,
            "mapping" => Self::Mapping,
            "number" => Self::Number,
            "sequence" => Self::Sequence,
            "iterable" => Self::Iterable,
            "callable" => Self::Callable,
            "sameas" => Self::SameAs,
            "escaped" => Self::Escaped,
            "in" => Self::Compare(Comparison::In),
            "==" | "eq" | "equalto" => Self::Compare(Comparison::Eq),
            "!=" | "ne" => Self::Compare(Comparison::Ne),
            ">" | "gt" | "greaterthan" => Self::Compare(Comparison::Gt),
            "ge" | ">=" => Self::Compare(Comparison::Ge),
            "<" | "lt" | "lessthan" => Self::Compare(Comparison::Lt),
            "<=" | "le" => Self::Compare(Comparison::Le),
            _ => return None,
        })
    }

    /// Whether `value is …`.
    pub(crate) fn holds<'r>(
        self,
        value: Val<'r>,
        given: Given<'r>,
        arena: &'r RunArena<'r>,
    ) -> Result<bool> {
        match self {
            Self::DivisibleBy | Self::SameAs | Self::Compare(_) => {
                let [other] = given.bind("test", [self.parameter()])?;
                let other = crate::run::arguments::required(other, "test")?;
                self.holds_with(value, other, arena)
            }
            _ => {
                let [] = given.bind("test", [])?;
                self.holds_alone(value, arena)
            }
        }
    }

    fn parameter(self) -> &'static str {
        match self {
            Self::DivisibleBy => "num",
            Self::SameAs => "other",
            Self::Compare(Comparison::In) => "seq",
            _ => "",
        }
    }

    fn holds_with<'r>(
        self,
        value: Val<'r>,
        other: Val<'r>,
        arena: &'r RunArena<'r>,
    ) -> Result<bool> {
        match self {
            Self::DivisibleBy => {
                let rest = binary(
                    crate::syntax::ast::BinaryOperator::Mod,
                    value,
                    other,
                    0,
                    arena,
                )?;
                Ok(as_float(rest) == Some(0.0))
            }
            Self::SameAs => Ok(same(value, other, arena)),
            Self::Compare(Comparison::In) => contains(other, value, arena),
            Self::Compare(comparison) => compare(comparison, value, other, arena),
            _ => Ok(false),
        }
    }

    fn holds_alone<'r>(self, value: Val<'r>, arena: &'r RunArena<'r>) -> Result<bool> {
        let shown = || crate::value::repr::str_of(value, arena).chars;
        Ok(match self {
            Self::Odd => leaves(value, 1)?,
            Self::Even => leaves(value, 0)?,
            Self::Defined => !value.is_undefined(),
            Self::Undefined => value.is_undefined(),
            Self::Filter => value
                .chars(arena)
                .is_some_and(|name| Filter::by_name(name).is_some()),
            Self::KnownName => value
                .chars(arena)
                .is_some_and(|name| Self::by_name(name).is_some()),
            Self::None => matches!(value, Val::None),
            Self::Boolean => matches!(value, Val::Bool(_)),
            Self::False => matches!(value, Val::Bool(false)),
            Self::True => matches!(value, Val::Bool(true)),
            Self::Integer => matches!(value, Val::Int(_) | Val::BigInt(_)),
            Self::Float => matches!(value, Val::Float(_)),
            Self::Lower => is_case(shown(), false),
            Self::Upper => is_case(shown(), true),
            Self::String => value.is_str(),
            Self::Mapping => matches!(value, Val::Map(_) | Val::DataMap(..)),
            Self::Number => {
                matches!(
                    value,
                    Val::Int(_) | Val::BigInt(_) | Val::Float(_) | Val::Bool(_)
                )
            }
            Self::Sequence => {
                let is_indexed = !matches!(value, Val::Sequence(_) | Val::Loop(_));
                is_indexed && length(value, arena).is_ok()
            }
            Self::Iterable => Source::of(value, arena).is_ok(),
            Self::Callable => {
                matches!(
                    value,
                    Val::Function(_)
                        | Val::Macro(_)
                        | Val::Method(_)
                        | Val::Cycler(_)
                        | Val::Joiner(_)
                        | Val::Loop(_)
                        | Val::Undefined(..)
                ) && !matches!(value, Val::Cycler(_))
            }
            Self::Escaped => value.is_safe(),
            _ => false,
        })
    }
}

/// Whether a number leaves `wanted` when it is divided by 2.
fn leaves(value: Val<'_>, wanted: i64) -> Result<bool> {
    crate::value::operators::defined(value)?;
    if let Val::Float(number) = value {
        // A number with a fraction is neither odd nor even.
        return Ok(number.fract() == 0.0 && number.rem_euclid(2.0) as i64 == wanted);
    }
    let no_number = |_| Error::raised("not all arguments converted during string formatting");
    Ok(integer(value).map_err(no_number)?.rem_euclid(2) == wanted)
}

fn is_case(text: &str, upper: bool) -> bool {
    if upper {
        text.chars().any(char::is_uppercase)
            && !text.chars().any(crate::value::unicode::is_lower_or_title)
    } else {
        text.chars().any(char::is_lowercase)
            && !text.chars().any(crate::value::unicode::is_upper_or_title)
    }
}

/// `value is other`, for values that Python keeps one copy of.
fn same<'r>(value: Val<'r>, other: Val<'r>, arena: &'r RunArena<'r>) -> bool {
    match (value, other) {
        (Val::None, Val::None) => true,
        (Val::Bool(a), Val::Bool(b)) => a == b,
        (Val::Int(a), Val::Int(b)) => a == b && (-5..=256).contains(&a),
        (Val::DataMap(a, _), Val::DataMap(b, _)) => std::ptr::eq(a, b),
        (Val::DataList(a, _), Val::DataList(b, _)) => std::ptr::eq(a, b),
        (Val::List(a), Val::List(b)) => std::ptr::eq(a, b),
        (Val::Map(a), Val::Map(b)) => std::ptr::eq(a, b),
        _ if value.is_str() && other.is_str() => equal(value, other, arena),
        _ => false,
    }
}
