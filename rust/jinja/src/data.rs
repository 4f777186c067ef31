//! Plain data: what a JSON text, an Arrow struct or a Python object is read into.
//!
//! Every value is `Copy` and borrows from the input bytes or from an [`Arena`] that one worker
//! resets after each row, so reading a row costs no heap traffic and dropping it costs nothing.

/// Memory of one row: bumped while the row is read and rendered, reset before the next one.
pub type Arena = bumpalo::Bump;

/// A JSON-like value with Python's number model: integers of any size, floats with NaN and
/// infinities.
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
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Map<'a> {
    /// Keys with their values.
    pub entries: &'a [(&'a str, Value<'a>)],
}

impl<'a> Map<'a> {
    /// A map over entries whose keys are already unique.
    pub fn new(entries: &'a [(&'a str, Value<'a>)]) -> Self {
        Self { entries }
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        self.entries
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| *value)
    }

    /// The value of `key` if it is present and not null.
    pub fn get_some(&self, key: &str) -> Option<Value<'a>> {
        self.get(key).filter(|value| !matches!(value, Value::Null))
    }

    /// Keys with their values, in insertion order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> + use<'a> {
        self.entries.iter().copied()
    }
}

impl<'a> Value<'a> {
    /// The string, if it is one.
    pub fn as_str(self) -> Option<&'a str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The list, if it is one.
    pub fn as_list(self) -> Option<&'a [Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The map, if it is one.
    pub fn as_map(self) -> Option<Map<'a>> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// What a reader of JSON calls this kind of value.
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
