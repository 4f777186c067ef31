//! Filters over strings.

use std::fmt::Write as _;

use super::Filter;
use crate::builtins::html_escape::escape;
use crate::builtins::methods::Method;
use crate::builtins::printf_format;
use crate::builtins::str_methods::{self, split_lines, strip};
use crate::error::{Error, Result};
use crate::run::arguments::{Given, integer, required};
use crate::run::budget::RunArena;
use crate::run::interpret::Interpreter;
use crate::value::Val;
use crate::value::operators::{as_float, concat, defined, pairs};
use crate::value::origin::Origin;
use crate::value::repr::str_of;
use crate::value::text::{Text, TextBuilder, byte_at};
use crate::value::unicode::is_alphanumeric;
use crate::value::unicode::is_space;

/// `value | filter(…)`.
pub(crate) fn call<'r>(
    filter: Filter,
    value: Val<'r>,
    given: Given<'r>,
    run: &mut Interpreter<'r>,
) -> Result<Val<'r>> {
    use Filter as F;
    let arena = run.arena;
    let text = str_of(value, arena);
    match filter {
        F::String => Ok(text.val(arena)),
        F::Safe => Ok(Text { safe: true, ..text }.val(arena)),
        F::Escape => Ok(escape(text, arena).val(arena)),
        F::ForceEscape => Ok(escape(
            Text {
                safe: false,
                ..text
            },
            arena,
        )
        .val(arena)),
        F::Upper | F::Lower | F::Capitalize => {
            let method = match filter {
                F::Upper => Method::Upper,
                F::Lower => Method::Lower,
                _ => Method::Capitalize,
            };
            str_methods::call(text, method, given, arena)
        }
        F::Trim | F::Replace | F::Center | F::Format => with_arguments(filter, text, given, arena),
        F::Title => Ok(title(text, arena).val(arena)),
        F::Indent => indent(value, text, given, run),
        F::Truncate => truncate(value, text, given, run),
        F::WordCount => Ok(Val::Int(words(text.chars))),
        F::UrlEncode => Ok(url_encode(value, arena)),
        F::StripTags => Ok(strip_tags(text, arena)?.val(arena)),
        F::XmlAttr => xml_attr(value, given, arena),
        _ => Err(Error::raised(format!(
            "the filter '{}' is not supported in a chat template",
            filter.name()
        ))),
    }
}

/// Filters that take their arguments apart.
fn with_arguments<'r>(
    filter: Filter,
    text: Text<'r>,
    given: Given<'r>,
    arena: &'r RunArena<'r>,
) -> Result<Val<'r>> {
    match filter {
        Filter::Trim => trim(text, given, arena),
        Filter::Replace => replace(text, given, arena),
        Filter::Center => {
            let [width] = given.bind("center", ["width"])?;
            let positional = arena.alloc_slice_copy(&[width.unwrap_or(Val::Int(80))]);
            let given = Given {
                positional,
                keyword: &[],
            };
            str_methods::call(text, Method::Center, given, arena)
        }
        _ => printf_format::format(text.val(arena), all_given(given, arena), arena),
    }
}

fn trim<'r>(text: Text<'r>, given: Given<'r>, arena: &'r RunArena<'r>) -> Result<Val<'r>> {
    let [chars] = given.bind("trim", ["chars"])?;
    let set = match chars {
        None | Some(Val::None) => None,
        Some(value) => Some(
            value
                .chars(arena)
                .ok_or_else(|| Error::raised("strip arg must be None or str"))?,
        ),
    };
    Ok(strip(text, set, true, true, arena).val(arena))
}

fn replace<'r>(text: Text<'r>, given: Given<'r>, arena: &'r RunArena<'r>) -> Result<Val<'r>> {
    let [old, new, count] = given.bind("replace", ["old", "new", "count"])?;
    let old = str_of(required(old, "replace")?, arena);
    let new = str_of(required(new, "replace")?, arena);
    let count = match count {
        None | Some(Val::None) => -1,
        Some(count) => integer(count)?,
    };
    let replaced = str_methods::replace(text, old.chars, new, count, arena);
    Ok(Text {
        safe: false,
        ..replaced
    }
    .val(arena))
}

/// What stands on the right of `%`: a tuple, or a mapping if the arguments have names.
fn all_given<'r>(given: Given<'r>, arena: &'r RunArena<'r>) -> Val<'r> {
    if given.keyword.is_empty() {
        return Val::Tuple(given.positional);
    }
    let entries = given.keyword.iter();
    let entries: Vec<_> = entries
        .map(|(k, v)| (Val::str(k, Origin::TEMPLATE), *v))
        .collect();
    Val::Map(arena.alloc_slice_copy(&entries))
}

fn title<'r>(text: Text<'r>, arena: &'r RunArena<'r>) -> Text<'r> {
    let mut out = TextBuilder::with_capacity(text.chars.len(), arena);
    let mut starts_word = true;
    for (at, character) in text.chars.char_indices() {
        let (origin, context) = text.fragment_at(at);
        let is_break = is_space(character) || matches!(character, '-' | '(' | '{' | '[' | '<');
        let changed: String = if is_break {
            character.to_string()
        } else if starts_word {
            character.to_uppercase().collect()
        } else {
            character.to_lowercase().collect()
        };
        out.push_in(&changed, origin, context);
        starts_word = is_break;
    }
    out.finish()
}

fn indent<'r>(
    value: Val<'r>,
    text: Text<'r>,
    given: Given<'r>,
    run: &mut Interpreter<'r>,
) -> Result<Val<'r>> {
    let arena = run.arena;
    defined(value)?;
    if !value.is_str() {
        let found = value.type_name();
        return Err(Error::raised(format!(
            "unsupported operand type(s) for +=: '{found}' and 'str'"
        )));
    }
    let [width, first, blank] = given.bind("indent", ["width", "first", "blank"])?;
    let width = width.unwrap_or(Val::Int(4));
    let indention = if let Some(text) = width.text(arena) {
        text
    } else {
        let spaces = arena.repeat(" ", integer(width)?.max(0) as usize);
        Text::new(arena.alloc_str(&spaces), Origin::TEMPLATE)
    };
    let first = first.is_some_and(Val::truth);
    let blank = blank.is_some_and(Val::truth);
    let newline = Val::str("\n", Origin::TEMPLATE);
    let whole = concat(value, newline, 0, arena)?;
    let whole = whole.text(arena).unwrap_or(text);
    let mut out = TextBuilder::new(arena);
    for (index, line) in split_lines(whole, false, arena).into_iter().enumerate() {
        if index > 0 {
            out.push("\n", Origin::TEMPLATE);
        }
        let is_indented = if index == 0 {
            first
        } else {
            blank || !line.chars.is_empty()
        };
        arena.check()?;
        if is_indented {
            out.push_text(indention);
        }
        out.push_text(line);
    }
    Ok(out.finish().like(text).val(arena))
}

fn truncate<'r>(
    value: Val<'r>,
    text: Text<'r>,
    given: Given<'r>,
    run: &mut Interpreter<'r>,
) -> Result<Val<'r>> {
    let arena = run.arena;
    let names = ["length", "killwords", "end", "leeway"];
    let [length, kill, end, leeway] = given.bind("truncate", names)?;
    let length = length.map_or(Ok(255), integer)?;
    let end = end.map_or(Text::new("...", Origin::TEMPLATE), |end| str_of(end, arena));
    let leeway = match leeway {
        None | Some(Val::None) => 5,
        Some(leeway) => integer(leeway)?,
    };
    let end_length = end.chars.chars().count() as i64;
    if length < end_length || leeway < 0 {
        return Err(Error::raised(format!(
            "expected length >= {end_length}, got {length}"
        )));
    }
    let own_length = if value.is_str() {
        text.chars.chars().count() as i64
    } else {
        crate::run::iterate::length(value, arena)?
    };
    if own_length <= length.saturating_add(leeway) {
        return Ok(value);
    }
    if !value.is_str() {
        let found = value.type_name();
        let what = format!("can only concatenate {found} (not \"str\") to {found}");
        return Err(Error::raised(what));
    }
    let cut = byte_at(text.chars, (length - end_length) as usize);
    let mut kept = text.slice(0, cut, arena);
    if !kill.is_some_and(Val::truth)
        && let Some(space) = kept.chars.rfind(' ')
    {
        kept = kept.slice(0, space, arena);
    }
    concat(kept.val(arena), end.val(arena), run.output.context, arena)
}

fn words(text: &str) -> i64 {
    text.split(|c: char| !(c == '_' || is_alphanumeric(c)))
        .filter(|word| !word.is_empty())
        .count() as i64
}

/// `urllib.parse.quote`.
fn quote(text: &str, for_query: bool) -> String {
    let mut quoted = String::new();
    for byte in text.bytes() {
        let is_plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'_' | b'.' | b'-' | b'~')
            || (byte == b'/' && !for_query);
        if is_plain {
            quoted.push(char::from(byte));
        } else if byte == b' ' && for_query {
            quoted.push('+');
        } else {
            let _ = write!(quoted, "%{byte:02X}");
        }
    }
    quoted
}

fn url_encode<'r>(value: Val<'r>, arena: &'r RunArena<'r>) -> Val<'r> {
    let text = str_of(value, arena);
    let quoted = if matches!(value, Val::Map(_) | Val::DataMap(..)) {
        let pairs: Vec<_> = pairs(value, arena)
            .iter()
            .map(|(key, item)| {
                let (key, item) = (str_of(*key, arena).chars, str_of(*item, arena).chars);
                format!("{}={}", quote(key, true), quote(item, true))
            })
            .collect();
        pairs.join("&")
    } else {
        quote(text.chars, false)
    };
    let mut out = TextBuilder::new(arena);
    out.push(&quoted, text.fragment_at(0).0);
    out.finish().val(arena)
}

fn strip_tags<'r>(text: Text<'r>, arena: &'r RunArena<'r>) -> Result<Text<'r>> {
    let mut plain = text.chars.to_owned();
    for (open, close) in [("<!--", "-->"), ("<", ">")] {
        while let Some(start) = plain.find(open) {
            arena.step_over(plain.len())?;
            let Some(end) = plain[start..].find(close) else {
                break;
            };
            plain.replace_range(start..start + end + close.len(), "");
        }
    }
    let is_entity = |(at, _): (usize, &str)| {
        plain[at + 1..].starts_with(|c: char| c == '#' || c.is_ascii_alphanumeric())
    };
    if plain.match_indices('&').any(is_entity) {
        return Err(Error::raised(
            "the filter 'striptags' is not supported for text with HTML entities",
        ));
    }
    let joined: Vec<_> = plain
        .split(is_space)
        .filter(|word| !word.is_empty())
        .collect();
    let mut out = TextBuilder::new(arena);
    out.push(&joined.join(" "), text.fragment_at(0).0);
    Ok(out.finish())
}

fn xml_attr<'r>(value: Val<'r>, given: Given<'r>, arena: &'r RunArena<'r>) -> Result<Val<'r>> {
    let [autospace] = given.bind("xmlattr", ["autospace"])?;
    let mut out = TextBuilder::new(arena);
    let mut is_first = !autospace.is_none_or(Val::truth);
    for (key, item) in pairs(value, arena) {
        if matches!(item, Val::None) || item.is_undefined() {
            continue;
        }
        if !is_first {
            out.push(" ", Origin::TEMPLATE);
        }
        is_first = false;
        out.push_text(escape(str_of(*key, arena), arena));
        out.push("=\"", Origin::TEMPLATE);
        out.push_text(escape(str_of(*item, arena), arena));
        out.push("\"", Origin::TEMPLATE);
    }
    Ok(out.finish().val(arena))
}

/// `filesizeformat`.
pub(crate) fn file_size<'r>(
    value: Val<'r>,
    given: Given<'r>,
    arena: &'r RunArena<'r>,
) -> Result<Val<'r>> {
    let [binary] = given.bind("filesizeformat", ["binary"])?;
    let binary = binary.is_some_and(Val::truth);
    let bytes = match value.chars(arena) {
        Some(text) => crate::value::number::parse_float(text),
        None => as_float(value),
    };
    let bytes = bytes.ok_or_else(|| Error::raised("could not convert to float"))?;
    let base: f64 = if binary { 1024.0 } else { 1000.0 };
    let text = if (bytes - 1.0).abs() < f64::EPSILON {
        "1 Byte".to_owned()
    } else if bytes < base {
        format!("{} Bytes", crate::value::number::whole(bytes)?)
    } else {
        let power = (1..8)
            .find(|power| bytes < base.powi(power + 1))
            .unwrap_or(8);
        let letter = ["k", "M", "G", "T", "P", "E", "Z", "Y"][power as usize - 1];
        let unit = if binary {
            format!("{}iB", letter.to_uppercase())
        } else {
            format!("{letter}B")
        };
        format!("{:.1} {unit}", bytes / base.powi(power))
    };
    Ok(Val::str(arena.alloc_str(&text), Origin::TEMPLATE))
}
