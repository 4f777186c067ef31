//! Plain data: what a JSON text, an Arrow struct or a Python object is read into.
//!
//! Every value is `Copy` and borrows from the input bytes or from an [`Arena`] that one worker
//! resets after each row, so reading a row costs no heap traffic and dropping it costs nothing.

/// Memory of one row: bumped while the row is read and rendered, reset before the next one.
///
/// ```
/// use turnmill_jinja::{Arena, Map, Value};
///
/// let mut arena = Arena::new();
/// for name in ["ada", "bob"] {
///     let text = Value::Str(arena.alloc_str(name));
///     let row = Map::new(arena.alloc_slice_copy(&[("name", text)]));
///     assert_eq!(row.get("name"), Some(text));
///     arena.reset();
/// }
/// ```
pub type Arena = bumpalo::Bump;

/// A JSON-like value with Python's number model: integers of any size, floats with NaN and
/// infinities.
///
/// ```
/// use turnmill_jinja::Value;
///
/// let list = [Value::Int(1), Value::Str("two")];
/// let value = Value::List(&list);
/// assert_eq!(value.as_list().map(<[_]>::len), Some(2));
/// assert_eq!((value.as_str(), value.kind()), (None, "a list"));
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// JSON `null`, Python `None`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer that fits 64 bits.
    Int(i64),
    /// Any other integer: its canonical decimal digits, with a leading `-` if negative.
    BigInt(&'a str),
    /// A number written with a fraction or an exponent, `NaN`, `Infinity` or `-Infinity`.
    Float(f64),
    /// A string; always valid UTF-8, because a lone surrogate rejects its row.
    Str(&'a str),
    /// An array.
    List(&'a [Self]),
    /// An object.
    Map(Map<'a>),
}

// By hand, to be inlined: readers compare nearly every value of a row with a constant such as
// `Value::Null`, which is one look at the kind where the compiler sees it, and a call across
// crates where the comparison is derived, because it is recursive.
impl PartialEq for Value<'_> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b,
            (Self::BigInt(a), Self::BigInt(b)) | (Self::Str(a), Self::Str(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            _ => false,
        }
    }
}

/// An object in insertion order. Keys are unique: of duplicate keys, the last value is kept at the
/// first key's position, as in a Python `dict`.
///
/// ```
/// use turnmill_jinja::{Map, Value};
///
/// let map = Map::new(&[("role", Value::Str("user")), ("name", Value::Null)]);
/// assert_eq!(map.get("name"), Some(Value::Null));
/// assert_eq!(map.get_some("name"), None);
/// assert_eq!(map.iter().next(), Some(("role", Value::Str("user"))));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Map<'a> {
    /// Keys with their values.
    pub entries: &'a [(&'a str, Value<'a>)],
}

impl<'a> Map<'a> {
    /// A map over entries whose keys are already unique.
    #[inline]
    pub fn new(entries: &'a [(&'a str, Value<'a>)]) -> Self {
        Self { entries }
    }

    /// The value of `key`.
    #[inline]
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        self.entries
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| *value)
    }

    /// The value of `key` if it is present and not null.
    #[inline]
    pub fn get_some(&self, key: &str) -> Option<Value<'a>> {
        self.get(key).filter(|value| !matches!(value, Value::Null))
    }

    /// Keys with their values, in insertion order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> + use<'a> {
        self.entries.iter().copied()
    }
}

impl<'a> Value<'a> {
    /// The string, if it is one.
    #[inline]
    pub fn as_str(self) -> Option<&'a str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The list, if it is one.
    #[inline]
    pub fn as_list(self) -> Option<&'a [Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The map, if it is one.
    #[inline]
    pub fn as_map(self) -> Option<Map<'a>> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The name of this kind of value, for readers of JSON.
    #[inline]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::BigInt(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Str(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "an object",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_equal_where_kind_and_content_are() {
        let (one, two) = ([Value::Int(1)], [Value::Int(1), Value::Null]);
        let values = [
            Value::Null,
            Value::Bool(false),
            Value::Bool(true),
            Value::Int(0),
            Value::Int(1),
            Value::BigInt("1"),
            Value::Float(1.0),
            Value::Str("1"),
            Value::Str(""),
            Value::List(&[]),
            Value::List(&one),
            Value::List(&two),
            Value::Map(Map::default()),
            Value::Map(Map::new(&[("a", Value::Int(1))])),
            Value::Map(Map::new(&[("a", Value::Null)])),
        ];
        for (index, left) in values.iter().enumerate() {
            for (other, right) in values.iter().enumerate() {
                assert_eq!(left == right, index == other, "{left:?} {right:?}");
            }
        }
        assert_ne!(Value::Float(f64::NAN), Value::Float(f64::NAN));
    }
}
