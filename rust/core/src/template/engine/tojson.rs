//! The `tojson` filter: Python's `json.dumps`.

use std::fmt::Write as _;

use super::heap::Heap;
use super::number::float_repr;
use super::raise::{Raise, Raised};
use super::tag::Tag;
use super::text::{Parts, Text, TextBuilder};
use super::value::Val;
use crate::value::Value;

/// Keyword arguments of `json.dumps`.
#[derive(Clone, Copy)]
pub(crate) struct Layout<'r> {
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
    layout: Layout<'r>,
    arena: &'r Heap<'r>,
) -> Raised<Text<'r>> {
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
    layout: Layout<'r>,
    depth: usize,
    arena: &'r Heap<'r>,
}

impl<'r> Writer<'r> {
    fn value(&mut self, value: Val<'r>) -> Raised<()> {
        let plain = Tag::TEMPLATE;
        match value {
            Val::None => self.out.push("null", plain),
            Val::Bool(flag) => self.out.push(if flag { "true" } else { "false" }, plain),
            Val::Int(number) => self.out.push(&number.to_string(), plain),
            Val::BigInt(digits) => self.out.push(digits, plain),
            Val::Float(number) => self.out.push(&float(number), plain),
            Val::DataList(items, tag) => self.data(Value::List(items), tag)?,
            Val::DataMap(entries, tag) => self.data_map(entries, tag)?,
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
                    return Err(Raise::new(format!(
                        "Object of type {} is not JSON serializable",
                        value.type_name()
                    )));
                }
            },
        }
        Ok(())
    }

    fn data(&mut self, value: Value<'r>, tag: Tag) -> Raised<()> {
        match value {
            Value::Null => self.out.push("null", tag),
            Value::Bool(flag) => self.out.push(if flag { "true" } else { "false" }, tag),
            Value::Int(number) => self.out.push(&number.to_string(), tag),
            Value::BigInt(digits) => self.out.push(digits, tag),
            Value::Float(number) => self.out.push(&float(number), tag),
            Value::Str(chars) => self.string(Text::new(chars, tag)),
            Value::List(items) => {
                self.group(items.iter(), ["[", "]"], tag, |writer, item| {
                    writer.data(*item, tag)
                })?;
            }
            Value::Map(map) => self.data_map(map.entries, tag)?,
        }
        Ok(())
    }

    fn data_map(&mut self, entries: &'r [(&'r str, Value<'r>)], tag: Tag) -> Raised<()> {
        let sorted;
        let entries = if self.layout.sort_keys {
            let mut copy = entries.to_vec();
            copy.sort_by_key(|(key, _)| *key);
            sorted = copy;
            &sorted[..]
        } else {
            entries
        };
        self.group(
            entries.iter(),
            ["{", "}"],
            tag.field(""),
            |writer, (key, item)| {
                let tag = tag.field(key);
                writer.string(Text::new(key, tag));
                writer.out.push(writer.layout.key_separator, tag);
                writer.data(*item, tag)
            },
        )
    }

    fn group<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        [open, close]: [&str; 2],
        tag: Tag,
        mut write: impl FnMut(&mut Self, T) -> Raised<()>,
    ) -> Raised<()> {
        self.out.push(open, tag);
        if items.len() == 0 {
            self.out.push(close, tag);
            return Ok(());
        }
        self.arena.check_stack()?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Raise::new("maximum recursion depth exceeded"));
        }
        for (index, item) in items.enumerate() {
            if index > 0 {
                self.out.push(self.layout.item_separator, tag);
            }
            self.line_break(tag);
            write(self, item)?;
        }
        self.depth -= 1;
        self.line_break(tag);
        self.out.push(close, tag);
        Ok(())
    }

    fn line_break(&mut self, tag: Tag) {
        if let Some(indent) = self.layout.indent {
            self.out.push("\n", tag);
            for _ in 0..self.depth {
                self.out.push(indent, tag);
            }
        }
    }

    fn key(&mut self, key: Val<'r>) -> Raised<()> {
        let plain = Tag::TEMPLATE;
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
                    return Err(Raise::new(format!(
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
        let (first, context) = text.part_at(0);
        self.out.push_in("\"", first, context);
        match text.parts {
            Parts::One(tag) => self.characters(text.chars, tag, 0),
            Parts::Many(parts) => {
                let mut start = 0;
                for part in parts {
                    let end = part.end as usize;
                    self.characters(&text.chars[start..end], part.tag, part.context);
                    start = end;
                }
            }
        }
        let (last, context) = text.part_at(text.chars.len().saturating_sub(1));
        self.out.push_in("\"", last, context);
    }

    fn characters(&mut self, chars: &str, tag: Tag, context: u32) {
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
            self.out.push_in(&chars[start..at], tag, context);
            self.out.push_in(&escaped(character), tag, context);
            start = at + character.len_utf8();
        }
        self.out.push_in(&chars[start..], tag, context);
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

fn sort<'r>(entries: &mut [(Val<'r>, Val<'r>)], arena: &'r Heap<'r>) -> Raised<()> {
    let mut failure = None;
    entries.sort_by(|a, b| {
        super::operators::order(a.0, b.0, "<", arena)
            .unwrap_or_else(|raise| {
                failure.get_or_insert(raise);
                None
            })
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    failure.map_or(Ok(()), Err)
}
