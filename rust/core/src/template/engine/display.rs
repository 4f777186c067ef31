//! `str` and `repr`.

use std::sync::LazyLock;

use regex_automata::meta::Regex;

use super::heap::Heap;
use super::number::float_repr;
use super::tag::Tag;
use super::text::{Parts, Text, TextBuilder};
use super::value::{Absent, SequenceKind, Val};
use crate::value::Value;

/// `str(value)`.
pub(crate) fn str_of<'r>(value: Val<'r>, arena: &'r Heap<'r>) -> Text<'r> {
    if let Some(text) = value.text(arena) {
        return text;
    }
    match value {
        Val::Undefined(..) | Val::Missing => Text::new("", Tag::TEMPLATE),
        Val::None => Text::new("None", Tag::TEMPLATE),
        Val::Bool(true) => Text::new("True", Tag::TEMPLATE),
        Val::Bool(false) => Text::new("False", Tag::TEMPLATE),
        _ => repr_of(value, arena),
    }
}

/// `repr(value)`.
pub(crate) fn repr_of<'r>(value: Val<'r>, arena: &'r Heap<'r>) -> Text<'r> {
    let mut out = TextBuilder::new(arena);
    repr(value, &mut out, arena);
    out.finish()
}

fn repr<'r>(value: Val<'r>, out: &mut TextBuilder<'r>, arena: &'r Heap<'r>) {
    if !arena.descends() {
        return;
    }
    let plain = Tag::TEMPLATE;
    match value {
        Val::Undefined(..) | Val::Missing => out.push("Undefined", plain),
        Val::None => out.push("None", plain),
        Val::Bool(flag) => out.push(if flag { "True" } else { "False" }, plain),
        Val::Int(number) => out.push(&number.to_string(), plain),
        Val::BigInt(digits) => out.push(digits, plain),
        Val::Float(number) => out.push(&float_repr(number), plain),
        Val::List(items) => sequence(items, "[", "]", out, arena),
        Val::Tuple([only]) => {
            out.push("(", plain);
            repr(*only, out, arena);
            out.push(",)", plain);
        }
        Val::Tuple(items) => sequence(items, "(", ")", out, arena),
        Val::DataList(items, tag) => data_repr(Value::List(items), tag, out),
        Val::DataMap(entries, tag) => map_repr(entries, tag, out),
        Val::Map(entries) => {
            out.push("{", plain);
            for (index, (key, item)) in entries.iter().enumerate() {
                out.push(if index > 0 { ", " } else { "" }, plain);
                repr(*key, out, arena);
                out.push(": ", plain);
                repr(*item, out, arena);
            }
            out.push("}", plain);
        }
        Val::Range((start, stop, 1)) => out.push(&format!("range({start}, {stop})"), plain),
        Val::Range((start, stop, step)) => {
            out.push(&format!("range({start}, {stop}, {step})"), plain);
        }
        Val::Sequence(view) => match view.kind {
            SequenceKind::Keys => sequence(view.items, "dict_keys([", "])", out, arena),
            SequenceKind::Values => sequence(view.items, "dict_values([", "])", out, arena),
            SequenceKind::Items => sequence(view.items, "dict_items([", "])", out, arena),
            _ => out.push("<generator object>", plain),
        },
        Val::Namespace(namespace) => {
            out.push("<Namespace {", plain);
            for (index, (key, item)) in namespace.entries.borrow().iter().enumerate() {
                out.push(if index > 0 { ", " } else { "" }, plain);
                str_repr(Text::new(key, plain), out);
                out.push(": ", plain);
                repr(*item, out, arena);
            }
            out.push("}>", plain);
        }
        Val::Macro(inner) => {
            let name = &inner.function.name;
            let name = if name.is_empty() {
                "anonymous".to_owned()
            } else {
                format!("'{name}'")
            };
            out.push(&format!("<Macro {name}>"), plain);
        }
        Val::Loop(inner) => {
            let length = inner.length.get().unwrap_or_default();
            let index = inner.index0.get() + 1;
            out.push(&format!("<LoopContext {index}/{length}>"), plain);
        }
        Val::Str(_) | Val::Mixed(_) | Val::Rope(_) => {
            if let Some(text) = value.text(arena) {
                if text.safe {
                    out.push("Markup(", plain);
                }
                str_repr(text, out);
                if text.safe {
                    out.push(")", plain);
                }
            }
        }
        _ => out.push(&format!("<{}>", value.type_name()), plain),
    }
}

fn sequence<'r>(
    items: &[Val<'r>],
    open: &str,
    close: &str,
    out: &mut TextBuilder<'r>,
    arena: &'r Heap<'r>,
) {
    out.push(open, Tag::TEMPLATE);
    for (index, item) in items.iter().enumerate() {
        out.push(if index > 0 { ", " } else { "" }, Tag::TEMPLATE);
        repr(*item, out, arena);
    }
    out.push(close, Tag::TEMPLATE);
}

fn map_repr(entries: &[(&str, Value<'_>)], tag: Tag, out: &mut TextBuilder<'_>) {
    out.push("{", tag.field(""));
    for (index, (key, item)) in entries.iter().enumerate() {
        let tag = tag.field(key);
        out.push(if index > 0 { ", " } else { "" }, tag);
        str_repr(Text::new(key, tag), out);
        out.push(": ", tag);
        data_repr(*item, tag, out);
    }
    out.push("}", tag.field(""));
}

fn data_repr(value: Value<'_>, tag: Tag, out: &mut TextBuilder<'_>) {
    match value {
        Value::Null => out.push("None", tag),
        Value::Bool(flag) => out.push(if flag { "True" } else { "False" }, tag),
        Value::Int(number) => out.push(&number.to_string(), tag),
        Value::BigInt(digits) => out.push(digits, tag),
        Value::Float(number) => out.push(&float_repr(number), tag),
        Value::Str(chars) => str_repr(Text::new(chars, tag), out),
        Value::List(items) => {
            out.push("[", tag);
            for (index, item) in items.iter().enumerate() {
                out.push(if index > 0 { ", " } else { "" }, tag);
                data_repr(*item, tag, out);
            }
            out.push("]", tag);
        }
        Value::Map(map) => map_repr(map.entries, tag, out),
    }
}

/// Characters that `repr` escapes beyond ASCII controls: `not str.isprintable`.
static UNPRINTABLE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[\p{C}\p{Zl}\p{Zp}\p{Zs}]").ok());

/// `str.isprintable` of one character.
pub(crate) fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return (' '..='~').contains(&character);
    }
    let mut buffer = [0; 4];
    let text = character.encode_utf8(&mut buffer);
    UNPRINTABLE
        .as_ref()
        .is_none_or(|regex| !regex.is_match(text.as_bytes()))
}

fn str_repr(text: Text<'_>, out: &mut TextBuilder<'_>) {
    let quote = if text.chars.contains('\'') && !text.chars.contains('"') {
        '"'
    } else {
        '\''
    };
    let (first, context) = text.part_at(0);
    let is_one = matches!(text.parts, Parts::One(_));
    out.push_char(quote, first, context);
    for (at, character) in text.chars.char_indices() {
        let (tag, context) = if is_one {
            (first, context)
        } else {
            text.part_at(at)
        };
        match character {
            '\n' => out.push_in("\\n", tag, context),
            '\r' => out.push_in("\\r", tag, context),
            '\t' => out.push_in("\\t", tag, context),
            '\\' => out.push_in("\\\\", tag, context),
            _ if character == quote => out.push_in(&format!("\\{quote}"), tag, context),
            _ if is_printable(character) => out.push_char(character, tag, context),
            _ => out.push_in(&escape(character), tag, context),
        }
    }
    let (last, context) = text.part_at(text.chars.len().saturating_sub(1));
    out.push_char(quote, last, context);
}

fn escape(character: char) -> String {
    let code = character as u32;
    match code {
        0..=0xff => format!("\\x{code:02x}"),
        0x100..=0xffff => format!("\\u{code:04x}"),
        _ => format!("\\U{code:08x}"),
    }
}

/// What an undefined value says when it is used.
pub(crate) fn undefined_message(name: &str, why: Absent) -> String {
    match why {
        Absent::Name => format!("'{name}' is undefined"),
        Absent::Attribute("None") => format!("None has no attribute '{name}'"),
        Absent::Attribute(kind) => format!("'{kind} object' has no attribute '{name}'"),
        Absent::Hint => name.to_owned(),
        Absent::Unsafe(kind) => {
            format!("access to attribute '{name}' of '{kind}' object is unsafe.")
        }
    }
}
