//! One JSON text → one [`Value`].

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bumpalo::collections::Vec as ArenaVec;

use super::number::number;
use super::string::Strings;
use super::syntax::{Fault, SyntaxError};
use crate::rules::Rule;
use crate::value::{Arena, Map, Value};

/// Containers may be nested this deep; Python's own limit is of the same order.
pub const MAX_DEPTH: u32 = 1000;

/// Objects with more keys look for duplicates by hash.
const LINEAR_SEARCH_KEYS: usize = 24;

/// A parsed text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parsed<'a> {
    /// The value; strings borrow from the text unless they hold escapes.
    pub value: Value<'a>,
    /// How many keys were duplicates in their object. The last value counts.
    pub duplicate_keys: u32,
}

/// Reads `text` as Python's `json.loads` does.
///
/// That is: UTF-8 with an optional byte order mark; `NaN`, `Infinity` and `-Infinity`; integers of
/// any size up to 4300 digits; of duplicate keys the last value at the first key's place; control
/// characters in strings refused. A lone surrogate, which Python accepts, is an error of its own
/// rule, and so is nesting beyond [`MAX_DEPTH`].
///
/// ```
/// use turnmill_core::source::json::parse;
/// use turnmill_core::{Arena, Value};
///
/// let arena = Arena::new();
/// let parsed = parse(br#"{"role": "user", "n": 1, "n": 2}"#, &arena).unwrap();
/// let row = parsed.value.as_map().unwrap();
/// assert_eq!(row.get("n"), Some(Value::Int(2)));
/// assert_eq!(parsed.duplicate_keys, 1);
/// ```
pub fn parse<'a>(text: &'a [u8], arena: &'a Arena) -> Result<Parsed<'a>, SyntaxError> {
    let invalid = |fault| SyntaxError::new(text, fault, Rule::InvalidJson);
    let skipped = if text.starts_with(b"\xEF\xBB\xBF") {
        3
    } else {
        0
    };
    let Ok(valid) = simdutf8::basic::from_utf8(text) else {
        return Err(not_utf8(text, arena));
    };
    let mut parser = Parser::new(valid, skipped, arena);
    let value = parser.document().map_err(invalid)?;
    if let Some(offset) = parser.strings.lone_surrogate {
        let fault = Fault::new(offset, "Half of a surrogate pair");
        return Err(SyntaxError::new(text, fault, Rule::LoneSurrogate));
    }
    Ok(Parsed {
        value,
        duplicate_keys: parser.duplicate_keys,
    })
}

/// Distinguishes a surrogate written as UTF-8, which Python reads with `surrogatepass`, from other
/// bytes that are not UTF-8.
#[cold]
fn not_utf8(text: &[u8], arena: &Arena) -> SyntaxError {
    let valid_up_to = std::str::from_utf8(text).map_or_else(|error| error.valid_up_to(), str::len);
    let fault = Fault::new(valid_up_to, "Invalid UTF-8");
    let invalid = SyntaxError::new(text, fault, Rule::InvalidJson);
    let mut repaired = text.to_vec();
    let mut rest = valid_up_to;
    while let Some(sequence) = repaired.get_mut(rest..rest + 3) {
        if !matches!(sequence, [0xED, 0xA0..=0xBF, 0x80..=0xBF]) {
            return invalid;
        }
        sequence.copy_from_slice("\u{FFFD}".as_bytes());
        match std::str::from_utf8(&repaired[rest..]) {
            Err(error) => rest += error.valid_up_to(),
            Ok(_) => {
                return match parse(&repaired, arena) {
                    Err(error) if error.rule == Rule::InvalidJson => error,
                    _ => SyntaxError::new(
                        text,
                        Fault::new(valid_up_to, "Half of a surrogate pair"),
                        Rule::LoneSurrogate,
                    ),
                };
            }
        }
    }
    invalid
}

struct Parser<'a> {
    text: &'a str,
    arena: &'a Arena,
    strings: Strings<'a>,
    bytes: &'a [u8],
    at: usize,
    depth: u32,
    duplicate_keys: u32,
    /// Items of the lists being read, the innermost last.
    items: ArenaVec<'a, Value<'a>>,
    /// Entries of the objects being read, the innermost last.
    entries: ArenaVec<'a, (&'a str, Value<'a>)>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, at: usize, arena: &'a Arena) -> Self {
        Self {
            strings: Strings::new(text, arena),
            arena,
            text,
            bytes: text.as_bytes(),
            at,
            depth: 0,
            duplicate_keys: 0,
            items: ArenaVec::with_capacity_in(32, arena),
            entries: ArenaVec::with_capacity_in(16, arena),
        }
    }

    fn document(&mut self) -> Result<Value<'a>, Fault> {
        self.skip_whitespace();
        let value = self.value()?;
        self.skip_whitespace();
        if self.at < self.bytes.len() {
            return Err(Fault::new(self.at, "Extra data"));
        }
        Ok(value)
    }

    fn skip_whitespace(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn next_byte(&mut self) -> Option<u8> {
        self.skip_whitespace();
        self.bytes.get(self.at).copied()
    }

    fn value(&mut self) -> Result<Value<'a>, Fault> {
        match self.bytes.get(self.at) {
            Some(b'"') => self.string().map(Value::Str),
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::list),
            Some(b'-' | b'0'..=b'9') => {
                let (value, end) = number(self.text, self.at)?;
                self.at = end;
                Ok(value)
            }
            _ => self.constant(),
        }
    }

    fn string(&mut self) -> Result<&'a str, Fault> {
        let (string, end) = self.strings.read(self.at + 1)?;
        self.at = end;
        Ok(string)
    }

    fn constant(&mut self) -> Result<Value<'a>, Fault> {
        const CONSTANTS: [(&str, Value<'static>); 5] = [
            ("null", Value::Null),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("NaN", Value::Float(f64::NAN)),
            ("Infinity", Value::Float(f64::INFINITY)),
        ];
        let rest = &self.bytes[self.at..];
        for (name, value) in CONSTANTS {
            if rest.starts_with(name.as_bytes()) {
                self.at += name.len();
                return Ok(value);
            }
        }
        Err(Fault::new(self.at, "Expecting value"))
    }

    /// Reads a container, one level deeper.
    fn nested(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<Value<'a>, Fault>,
    ) -> Result<Value<'a>, Fault> {
        if self.depth == MAX_DEPTH {
            return Err(Fault::new(self.at, "More than 1000 levels of nesting"));
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn list(&mut self) -> Result<Value<'a>, Fault> {
        let first = self.items.len();
        if self.next_byte() == Some(b']') {
            self.at += 1;
            return Ok(Value::List(&[]));
        }
        loop {
            let value = self.value()?;
            self.items.push(value);
            match self.next_byte() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(Fault::new(self.at, "Expecting ',' delimiter")),
            }
            self.skip_whitespace();
        }
        self.at += 1;
        let items = self.arena.alloc_slice_copy(&self.items[first..]);
        self.items.truncate(first);
        Ok(Value::List(items))
    }

    fn object(&mut self) -> Result<Value<'a>, Fault> {
        const NO_NAME: &str = "Expecting property name enclosed in double quotes";
        let first = self.entries.len();
        if self.next_byte() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Map(Map::default()));
        }
        loop {
            if self.next_byte() != Some(b'"') {
                return Err(Fault::new(self.at, NO_NAME));
            }
            let key = self.string()?;
            if self.next_byte() != Some(b':') {
                return Err(Fault::new(self.at, "Expecting ':' delimiter"));
            }
            self.at += 1;
            self.skip_whitespace();
            let value = self.value()?;
            self.entries.push((key, value));
            match self.next_byte() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(Fault::new(self.at, "Expecting ',' delimiter")),
            }
        }
        self.at += 1;
        self.merge_duplicates(first);
        let entries = self.arena.alloc_slice_copy(&self.entries[first..]);
        self.entries.truncate(first);
        Ok(Value::Map(Map::new(entries)))
    }

    /// Among the entries from `first` on, merges those with the same key: the first position and
    /// the last value are kept.
    fn merge_duplicates(&mut self, first: usize) {
        let entries = &mut self.entries[first..];
        let kept = if entries.len() <= LINEAR_SEARCH_KEYS {
            merge_few(entries)
        } else {
            merge_many(entries)
        };
        self.duplicate_keys += (entries.len() - kept) as u32;
        self.entries.truncate(first + kept);
    }
}

fn merge_few<'a>(entries: &mut [(&'a str, Value<'a>)]) -> usize {
    let mut kept = 0;
    for next in 0..entries.len() {
        let (key, value) = entries[next];
        if let Some(same) = entries[..kept].iter().position(|(name, _)| *name == key) {
            entries[same].1 = value;
        } else {
            entries[kept] = (key, value);
            kept += 1;
        }
    }
    kept
}

fn merge_many<'a>(entries: &mut [(&'a str, Value<'a>)]) -> usize {
    let mut places: HashMap<&str, usize> = HashMap::with_capacity(entries.len());
    let mut kept = 0;
    for next in 0..entries.len() {
        let (key, value) = entries[next];
        match places.entry(key) {
            Entry::Occupied(place) => entries[*place.get()].1 = value,
            Entry::Vacant(place) => {
                place.insert(kept);
                entries[kept] = (key, value);
                kept += 1;
            }
        }
    }
    kept
}
