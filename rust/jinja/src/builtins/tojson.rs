//! The `tojson` filter: Python's `json.dumps`.

use std::fmt::Write as _;

use crate::data::Value;
use crate::error::{Error, Result};
use crate::run::budget::RunArena;
use crate::value::Val;
use crate::value::number::float_repr;
use crate::value::origin::Origin;
use crate::value::text::{Origins, Text, TextBuilder};

/// Keyword arguments of `json.dumps`.
#[derive(Clone, Copy)]
pub(crate) struct DumpOptions<'r> {
    pub(crate) ensure_ascii: bool,
    /// What one level is indented by.
    pub(crate) indent: Option<&'r str>,
    pub(crate) item_separator: &'r str,
    pub(crate) key_separator: &'r str,
    pub(crate) sort_keys: bool,
}

/// Values nested deeper are an error, as in Python.
const MAX_DEPTH: usize = 900;

/// `json.dumps(value, …)`.
pub(crate) fn dumps<'r>(
    value: Val<'r>,
    layout: DumpOptions<'r>,
    arena: &'r RunArena<'r>,
) -> Result<Text<'r>> {
    let mut writer = Writer {
        out: TextBuilder::new(arena),
        layout,
        depth: 0,
        arena,
    };
    writer.value(value)?;
    Ok(writer.out.finish())
}

struct Writer<'r> {
    out: TextBuilder<'r>,
    layout: DumpOptions<'r>,
    depth: usize,
    arena: &'r RunArena<'r>,
}

impl<'r> Writer<'r> {
    fn value(&mut self, value: Val<'r>) -> Result<()> {
        let plain = Origin::TEMPLATE;
        match value {
            Val::None => self.out.push("null", plain),
            Val::Bool(flag) => self.out.push(if flag { "true" } else { "false" }, plain),
            Val::Int(number) => self.out.push(&number.to_string(), plain),
            Val::BigInt(digits) => self.out.push(digits, plain),
            Val::Float(number) => self.out.push(&float(number), plain),
            Val::DataList(items, origin) => self.data(Value::List(items), origin)?,
            Val::DataMap(entries, origin) => self.data_map(entries, origin)?,
            Val::List(items) | Val::Tuple(items) => {
                self.group(items.iter(), ["[", "]"], plain, |writer, item| {
                    writer.value(*item)
                })?;
            }
            Val::Map(entries) => {
                let mut entries = entries.to_vec();
                if self.layout.sort_keys {
                    sort(&mut entries, self.arena)?;
                }
                self.group(entries.iter(), ["{", "}"], plain, |writer, (key, item)| {
                    writer.key(*key)?;
                    writer.out.push(writer.layout.key_separator, plain);
                    writer.value(*item)
                })?;
            }
            _ => match value.text(self.arena) {
                Some(text) => self.string(text),
                None => {
                    return Err(Error::raised(format!(
                        "Object of type {} is not JSON serializable",
                        value.type_name()
                    )));
                }
            },
        }
        Ok(())
    }

    fn data(&mut self, value: Value<'r>, origin: Origin) -> Result<()> {
        match value {
            Value::Null => self.out.push("null", origin),
            Value::Bool(flag) => self.out.push(if flag { "true" } else { "false" }, origin),
            Value::Int(number) => self.out.push(&number.to_string(), origin),
            Value::BigInt(digits) => self.out.push(digits, origin),
            Value::Float(number) => self.out.push(&float(number), origin),
            Value::Str(chars) => self.string(Text::new(chars, origin)),
            Value::List(items) => {
                self.group(items.iter(), ["[", "]"], origin, |writer, item| {
                    writer.data(*item, origin)
                })?;
            }
            Value::Map(map) => self.data_map(map.entries, origin)?,
        }
        Ok(())
    }

    fn data_map(&mut self, entries: &'r [(&'r str, Value<'r>)], origin: Origin) -> Result<()> {
        let sorted;
        let entries = if self.layout.sort_keys {
            let mut copy = entries.to_vec();
            copy.sort_by_key(|(key, _)| *key);
            sorted = copy;
            &sorted[..]
        } else {
            entries
        };
        self.group(entries.iter(), ["{", "}"], origin, |writer, (key, item)| {
            let origin = origin.field(key, writer.arena);
            writer.string(Text::new(key, origin));
            writer.out.push(writer.layout.key_separator, origin);
            writer.data(*item, origin)
        })
    }

    fn group<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        [open, close]: [&str; 2],
        origin: Origin,
        mut write: impl FnMut(&mut Self, T) -> Result<()>,
    ) -> Result<()> {
        self.out.push(open, origin);
        if items.len() == 0 {
            self.out.push(close, origin);
            return Ok(());
        }
        self.arena.check_stack()?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::raised("maximum recursion depth exceeded"));
        }
        for (index, item) in items.enumerate() {
            if index > 0 {
                self.out.push(self.layout.item_separator, origin);
            }
            self.line_break(origin);
            write(self, item)?;
        }
        self.depth -= 1;
        self.line_break(origin);
        self.out.push(close, origin);
        Ok(())
    }

    fn line_break(&mut self, origin: Origin) {
        if let Some(indent) = self.layout.indent {
            self.out.push("\n", origin);
            for _ in 0..self.depth {
                self.out.push(indent, origin);
            }
        }
    }

    fn key(&mut self, key: Val<'r>) -> Result<()> {
        let plain = Origin::TEMPLATE;
        let text = match key {
            Val::None => "null".to_owned(),
            Val::Bool(flag) => flag.to_string(),
            Val::Int(number) => number.to_string(),
            Val::Float(number) => float(number),
            _ => match key.text(self.arena) {
                Some(text) => {
                    self.string(text);
                    return Ok(());
                }
                None => {
                    return Err(Error::raised(format!(
                        "keys must be str, int, float, bool or None, not {}",
                        key.type_name()
                    )));
                }
            },
        };
        self.out.push(&format!("\"{text}\""), plain);
        Ok(())
    }

    fn string(&mut self, text: Text<'_>) {
        let (first, context) = text.fragment_at(0);
        self.out.push_in("\"", first, context);
        match text.origins {
            Origins::One(origin) => self.characters(text.chars, origin, 0),
            Origins::Many(fragments) => {
                let mut start = 0;
                for fragment in fragments {
                    let end = fragment.end as usize;
                    self.characters(&text.chars[start..end], fragment.origin, fragment.context);
                    start = end;
                }
            }
        }
        let (last, context) = text.fragment_at(text.chars.len().saturating_sub(1));
        self.out.push_in("\"", last, context);
    }

    fn characters(&mut self, chars: &str, origin: Origin, context: u32) {
        let mut start = 0;
        for (at, byte) in chars.bytes().enumerate() {
            let is_plain = byte >= 0x20 && byte != b'"' && byte != b'\\';
            if is_plain && (byte < 0x7f || !self.layout.ensure_ascii) {
                continue;
            }
            if !chars.is_char_boundary(at) {
                continue;
            }
            let Some(character) = chars[at..].chars().next() else {
                continue;
            };
            self.out.push_in(&chars[start..at], origin, context);
            self.out.push_in(&escaped(character), origin, context);
            start = at + character.len_utf8();
        }
        self.out.push_in(&chars[start..], origin, context);
    }
}

fn escaped(character: char) -> String {
    match character {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\u{8}' => "\\b".to_owned(),
        '\u{c}' => "\\f".to_owned(),
        _ => {
            let mut text = String::new();
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
            text
        }
    }
}

fn float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .to_owned();
    }
    float_repr(number)
}

fn sort<'r>(entries: &mut [(Val<'r>, Val<'r>)], arena: &'r RunArena<'r>) -> Result<()> {
    let mut failure = None;
    entries.sort_by(|a, b| {
        crate::value::operators::order(a.0, b.0, "<", arena)
            .unwrap_or_else(|raise| {
                failure.get_or_insert(raise);
                None
            })
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    failure.map_or(Ok(()), Err)
}
