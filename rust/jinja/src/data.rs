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
#[derive(Clone, Copy, Debug, PartialEq)]
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

/// An object in insertion order. Keys are unique: of duplicate keys the last value stands at the
/// first key's place, as in a Python `dict`.
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

    /// What a reader of JSON calls this kind of value.
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
