//! `str` and `repr`.

use std::sync::LazyLock;

use regex_automata::meta::Regex;

use crate::data::Value;
use crate::run::budget::RunArena;
use crate::value::number::float_repr;
use crate::value::origin::Origin;
use crate::value::text::{Origins, Text, TextBuilder};
use crate::value::{Absent, SequenceKind, Val};

/// `str(value)`.
pub(crate) fn str_of<'r>(value: Val<'r>, arena: &'r RunArena<'r>) -> Text<'r> {
    if let Some(text) = value.text(arena) {
        return text;
    }
    match value {
        Val::Undefined(..) | Val::Missing => Text::new("", Origin::TEMPLATE),
        Val::None => Text::new("None", Origin::TEMPLATE),
        Val::Bool(true) => Text::new("True", Origin::TEMPLATE),
        Val::Bool(false) => Text::new("False", Origin::TEMPLATE),
        _ => repr_of(value, arena),
    }
}

/// `repr(value)`.
pub(crate) fn repr_of<'r>(value: Val<'r>, arena: &'r RunArena<'r>) -> Text<'r> {
    let mut out = TextBuilder::new(arena);
    repr(value, &mut out, arena);
    out.finish()
}

fn repr<'r>(value: Val<'r>, out: &mut TextBuilder<'r>, arena: &'r RunArena<'r>) {
    if !arena.descends() {
        return;
    }
    let plain = Origin::TEMPLATE;
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
        Val::DataList(items, origin) => data_repr(Value::List(items), origin, out, arena),
        Val::DataMap(entries, origin) => map_repr(entries, origin, out, arena),
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
    arena: &'r RunArena<'r>,
) {
    out.push(open, Origin::TEMPLATE);
    for (index, item) in items.iter().enumerate() {
        out.push(if index > 0 { ", " } else { "" }, Origin::TEMPLATE);
        repr(*item, out, arena);
    }
    out.push(close, Origin::TEMPLATE);
}

fn map_repr(
    entries: &[(&str, Value<'_>)],
    origin: Origin,
    out: &mut TextBuilder<'_>,
    arena: &RunArena<'_>,
) {
    out.push("{", origin);
    for (index, (key, item)) in entries.iter().enumerate() {
        let field = origin.field(key, arena);
        out.push(if index > 0 { ", " } else { "" }, field);
        str_repr(Text::new(key, field), out);
        out.push(": ", field);
        data_repr(*item, field, out, arena);
    }
    out.push("}", origin);
}

fn data_repr(value: Value<'_>, origin: Origin, out: &mut TextBuilder<'_>, arena: &RunArena<'_>) {
    match value {
        Value::Null => out.push("None", origin),
        Value::Bool(flag) => out.push(if flag { "True" } else { "False" }, origin),
        Value::Int(number) => out.push(&number.to_string(), origin),
        Value::BigInt(digits) => out.push(digits, origin),
        Value::Float(number) => out.push(&float_repr(number), origin),
        Value::Str(chars) => str_repr(Text::new(chars, origin), out),
        Value::List(items) => {
            out.push("[", origin);
            for (index, item) in items.iter().enumerate() {
                out.push(if index > 0 { ", " } else { "" }, origin);
                data_repr(*item, origin, out, arena);
            }
            out.push("]", origin);
        }
        Value::Map(map) => map_repr(map.entries, origin, out, arena),
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
    let (first, context) = text.fragment_at(0);
    let is_one = matches!(text.origins, Origins::One(_));
    out.push_char(quote, first, context);
    for (at, character) in text.chars.char_indices() {
        let (origin, context) = if is_one {
            (first, context)
        } else {
            text.fragment_at(at)
        };
        match character {
            '\n' => out.push_in("\\n", origin, context),
            '\r' => out.push_in("\\r", origin, context),
            '\t' => out.push_in("\\t", origin, context),
            '\\' => out.push_in("\\\\", origin, context),
            _ if character == quote => out.push_in(&format!("\\{quote}"), origin, context),
            _ if is_printable(character) => out.push_char(character, origin, context),
            _ => out.push_in(&escape(character), origin, context),
        }
    }
    let (last, context) = text.fragment_at(text.chars.len().saturating_sub(1));
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
