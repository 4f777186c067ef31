//! Methods of Python's `str`. Each keeps the origin of the bytes it passes on.

use rustc_hash::FxHashSet;

use crate::builtins::html_escape::escape;
use crate::builtins::methods::Method;
use crate::error::{Error, Result};
use crate::run::arguments::{Given, integer, required};
use crate::run::budget::RunArena;
use crate::run::iterate::items;
use crate::value::Val;
use crate::value::repr::is_printable;
use crate::value::text::{Text, TextBuilder, byte_at};
use crate::value::unicode::is_space;

/// Calls a method of a string.
pub(crate) fn call<'r>(
    text: Text<'r>,
    method: Method,
    given: Given<'r>,
    arena: &'r RunArena<'r>,
) -> Result<Val<'r>> {
    use Method as M;
    match method {
        M::Strip | M::Lstrip | M::Rstrip => {
            let [chars] = given.positional_only(method.name())?;
            let chars = strip_set(chars, arena)?;
            let (left, right) = (method != M::Rstrip, method != M::Lstrip);
            Ok(strip(text, chars, left, right, arena).val(arena))
        }
        M::Split | M::Rsplit => split_call(text, method, given, arena),
        M::SplitLines => {
            let [keep] = given.bind("splitlines", ["keepends"])?;
            let keep = keep.is_some_and(Val::truth);
            let lines = split_lines(text, keep, arena).into_iter();
            Ok(list(
                &lines.map(|line| line.val(arena)).collect::<Vec<_>>(),
                arena,
            ))
        }
        M::StartsWith | M::EndsWith => affix(text, method, given, arena),
        M::Find | M::Rfind | M::Index | M::Rindex | M::Count => search(text, method, given, arena),
        M::Replace => {
            let [old, new, count] = given.positional_only("replace")?;
            let old = text_arg(old, "replace", arena)?;
            let new = text_arg(new, "replace", arena)?;
            let new = if text.safe { escape(new, arena) } else { new };
            let count = count.map_or(Ok(-1), integer)?;
            Ok(replace(text, old.chars, new, count, arena).val(arena))
        }
        M::Join => {
            let [parts] = given.positional_only("join")?;
            join(text, required(parts, "join")?, arena)
        }
        M::RemovePrefix | M::RemoveSuffix => {
            let [affix] = given.positional_only(method.name())?;
            let affix = text_arg(affix, method.name(), arena)?.chars;
            let rest = if method == M::RemovePrefix {
                text.chars.strip_prefix(affix)
            } else {
                text.chars.strip_suffix(affix)
            };
            Ok(text.within(rest.unwrap_or(text.chars), arena).val(arena))
        }
        M::Partition | M::Rpartition => partition(text, method, given, arena),
        M::Center | M::Ljust | M::Rjust | M::Zfill => pad(text, method, given, arena),
        M::Format | M::FormatMap => crate::builtins::str_format::format(text, method, given, arena),
        M::Encode | M::Maketrans | M::Translate => Err(Error::raised(format!(
            "str.{}() is not supported in a chat template",
            method.name()
        ))),
        M::ExpandTabs => {
            let [size] = given.bind("expandtabs", ["tabsize"])?;
            Ok(expand_tabs(text, size.map_or(Ok(8), integer)?, arena))
        }
        M::Upper | M::Lower | M::Casefold | M::Title | M::Capitalize | M::SwapCase => {
            let [] = given.positional_only(method.name())?;
            Ok(crate::value::unicode::change(text, method, arena).val(arena))
        }
        _ => {
            let [] = given.positional_only(method.name())?;
            Ok(Val::Bool(question(text.chars, method)))
        }
    }
}

fn list<'r>(items: &[Val<'r>], arena: &'r RunArena<'r>) -> Val<'r> {
    Val::List(arena.alloc_slice_copy(items))
}

fn text_arg<'r>(value: Option<Val<'r>>, callee: &str, arena: &'r RunArena<'r>) -> Result<Text<'r>> {
    let value = required(value, callee)?;
    value.text(arena).ok_or_else(|| {
        Error::raised(format!(
            "{callee}() argument must be str, not {}",
            value.type_name()
        ))
    })
}

fn strip_set<'r>(chars: Option<Val<'r>>, arena: &'r RunArena<'r>) -> Result<Option<&'r str>> {
    match chars {
        None | Some(Val::None) => Ok(None),
        Some(value) => match value.chars(arena) {
            Some(chars) => Ok(Some(chars)),
            None => Err(Error::raised("strip arg must be None or str")),
        },
    }
}

/// `str.strip` and its one-sided kin; no set means whitespace.
pub(crate) fn strip<'r>(
    text: Text<'r>,
    set: Option<&str>,
    left: bool,
    right: bool,
    arena: &'r RunArena<'r>,
) -> Text<'r> {
    let set: Option<FxHashSet<char>> = set.map(|set| set.chars().collect());
    let goes = |c: char| {
        set.as_ref()
            .map_or_else(|| is_space(c), |set| set.contains(&c))
    };
    let mut chars = text.chars;
    if left {
        chars = chars.trim_start_matches(goes);
    }
    if right {
        chars = chars.trim_end_matches(goes);
    }
    text.within(chars, arena)
}

fn split_call<'r>(
    text: Text<'r>,
    method: Method,
    given: Given<'r>,
    arena: &'r RunArena<'r>,
) -> Result<Val<'r>> {
    let [separator, limit] = given.bind(method.name(), ["sep", "maxsplit"])?;
    let limit = limit.map_or(Ok(-1), integer)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let from_end = method == Method::Rsplit;
    // More pieces than fit in the budget are never made.
    let limit = limit.min(arena.room_for(size_of::<Val<'r>>()));
    let pieces = match separator {
        None | Some(Val::None) => split_spaces(text.chars, limit, from_end),
        Some(value) => {
            let Some(separator) = value.chars(arena) else {
                let kind = value.type_name();
                return Err(Error::raised(format!("must be str or None, not {kind}")));
            };
            if separator.is_empty() {
                return Err(Error::raised("empty separator"));
            }
            split_on(text.chars, separator, limit, from_end)
        }
    };
    arena.check_length(pieces.len().saturating_mul(size_of::<Val<'r>>()))?;
    let pieces = pieces
        .into_iter()
        .map(|piece| text.within(piece, arena).val(arena));
    Ok(list(&pieces.collect::<Vec<_>>(), arena))
}

fn split_on<'t>(text: &'t str, separator: &str, limit: usize, from_end: bool) -> Vec<&'t str> {
    let limit = limit.saturating_add(1);
    if from_end {
        let mut pieces: Vec<_> = text.rsplitn(limit, separator).collect();
        pieces.reverse();
        return pieces;
    }
    text.splitn(limit, separator).collect()
}

fn split_spaces(text: &str, limit: usize, from_end: bool) -> Vec<&str> {
    let mut pieces = Vec::new();
    if from_end {
        let mut rest = text.trim_end_matches(is_space);
        while !rest.is_empty() && pieces.len() < limit {
            let start = rest.char_indices().rev().find(|(_, c)| is_space(*c));
            let cut = start.map_or(0, |(at, c)| at + c.len_utf8());
            pieces.push(&rest[cut..]);
            rest = rest[..cut].trim_end_matches(is_space);
        }
        if !rest.is_empty() {
            pieces.push(rest);
        }
        pieces.reverse();
        return pieces;
    }
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() && pieces.len() < limit {
        let cut = rest.find(is_space).unwrap_or(rest.len());
        pieces.push(&rest[..cut]);
        rest = rest[cut..].trim_start_matches(is_space);
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}

/// `str.splitlines`.
pub(crate) fn split_lines<'r>(
    text: Text<'r>,
    keep: bool,
    arena: &'r RunArena<'r>,
) -> Vec<Text<'r>> {
    let mut lines = Vec::new();
    let mut start = 0;
    let mut characters = text.chars.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let is_break = matches!(
            character,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'
                ..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        );
        if !is_break {
            continue;
        }
        let mut end = at + character.len_utf8();
        if character == '\r' && characters.next_if(|(_, c)| *c == '\n').is_some() {
            end += 1;
        }
        lines.push(text.slice(start, if keep { end } else { at }, arena));
        start = end;
        if !arena.admits(0, size_of_val(&*lines)) {
            break;
        }
    }
    if start < text.chars.len() {
        lines.push(text.slice(start, text.chars.len(), arena));
    }
    lines
}

/// The part of the text between two code point positions, as Python's `start` and `end`
/// arguments mean it, with the byte offset where it begins; none where start lies after end.
fn window<'r>(
    text: &'r str,
    start: Option<Val<'_>>,
    end: Option<Val<'_>>,
) -> Result<Option<(usize, &'r str)>> {
    if start.is_none() && end.is_none() {
        return Ok(Some((0, text)));
    }
    let length = text.chars().count() as i64;
    let place = |value: Option<Val<'_>>, default: i64| -> Result<i64> {
        let at = match value {
            None | Some(Val::None) => default,
            Some(value) => integer(value)?,
        };
        Ok(if at < 0 { (at + length).max(0) } else { at })
    };
    let (start, end) = (place(start, 0)?, place(end, length)?.min(length));
    if start > end {
        return Ok(None);
    }
    let (from, to) = (byte_at(text, start as usize), byte_at(text, end as usize));
    Ok(Some((from, &text[from..to])))
}

fn affix<'r>(
    text: Text<'r>,
    method: Method,
    given: Given<'r>,
    arena: &'r RunArena<'r>,
) -> Result<Val<'r>> {
    let [wanted, start, end] = given.positional_only(method.name())?;
    let wanted = required(wanted, method.name())?;
    let wrong = |value: Val<'_>| {
        Error::raised(format!(
            "{} first arg must be str or a tuple of str, not {}",
            method.name(),
            value.type_name()
        ))
    };
    let options: &[Val<'r>] = match wanted {
        Val::Tuple(options) => options,
        _ if wanted.is_str() => &[wanted],
        _ => return Err(wrong(wanted)),
    };
    let window = window(text.chars, start, end)?;
    for option in options {
        let option = option.chars(arena).ok_or_else(|| wrong(*option))?;
        let found = window.is_some_and(|(_, inside)| {
            if method == Method::StartsWith {
                inside.starts_with(option)
            } else {
                inside.ends_with(option)
            }
        });
        if found {
            return Ok(Val::Bool(true));
        }
    }
    Ok(Val::Bool(false))
}

fn search<'r>(
    text: Text<'r>,
    method: Method,
    given: Given<'r>,
    arena: &'r RunArena<'r>,
) -> Result<Val<'r>> {
    let [wanted, start, end] = given.positional_only(method.name())?;
    let wanted = text_arg(wanted, method.name(), arena)?.chars;
    let window = window(text.chars, start, end)?;
    if method == Method::Count {
        let count = window.map_or(0, |(_, inside)| match wanted {
            "" => inside.chars().count() + 1,
            _ => inside.matches(wanted).count(),
        });
        return Ok(Val::Int(count as i64));
    }
    let found = window.and_then(|(from, inside)| {
        let at = match method {
            Method::Find | Method::Index => inside.find(wanted),
            _ => inside.rfind(wanted),
        };
        at.map(|at| text.chars[..from + at].chars().count() as i64)
    });
    match found {
        Some(at) => Ok(Val::Int(at)),
        None if matches!(method, Method::Find | Method::Rfind) => Ok(Val::Int(-1)),
        None => Err(Error::raised("substring not found")),
    }
}

/// `str.replace`; a negative count means all.
pub(crate) fn replace<'r>(
    text: Text<'r>,
    old: &str,
    new: Text<'r>,
    count: i64,
    arena: &'r RunArena<'r>,
) -> Text<'r> {
    let limit = usize::try_from(count).unwrap_or(usize::MAX);
    if limit == 0
        || (!old.is_empty()
            && memchr::memmem::find(text.chars.as_bytes(), old.as_bytes()).is_none())
    {
        return text;
    }
    let mut out = TextBuilder::with_capacity(text.chars.len(), arena);
    let mut start = 0;
    for (at, matched) in text.chars.match_indices(old).take(limit) {
        out.push_text(text.slice(start, at, arena));
        out.push_text(new);
        start = at + matched.len();
        if out.is_full() {
            break;
        }
    }
    out.push_text(text.slice(start, text.chars.len(), arena));
    let mut replaced = out.finish();
    replaced.safe = text.safe;
    replaced
}

/// `separator.join(parts)`, which must all be strings.
fn join<'r>(separator: Text<'r>, parts: Val<'r>, arena: &'r RunArena<'r>) -> Result<Val<'r>> {
    let mut out = TextBuilder::new(arena);
    for (index, part) in items(parts, arena)?.iter().enumerate() {
        let Some(part) = part.text(arena) else {
            let kind = part.type_name();
            return Err(Error::raised(format!(
                "sequence item {index}: expected str instance, {kind} found"
            )));
        };
        arena.check()?;
        if index > 0 {
            out.push_text(separator);
        }
        out.push_text(if separator.safe {
            escape(part, arena)
        } else {
            part
        });
    }
    Ok(safe_like(separator, out).val(arena))
}

/// The string, `Markup` where `model` is.
fn safe_like<'r>(model: Text<'_>, out: TextBuilder<'r>) -> Text<'r> {
    out.finish().like(model)
}

fn partition<'r>(
    text: Text<'r>,
    method: Method,
    given: Given<'r>,
    arena: &'r RunArena<'r>,
) -> Result<Val<'r>> {
    let [separator] = given.positional_only(method.name())?;
    let separator = text_arg(separator, method.name(), arena)?.chars;
    if separator.is_empty() {
        return Err(Error::raised("empty separator"));
    }
    let is_last = method == Method::Rpartition;
    let found = if is_last {
        text.chars.rfind(separator)
    } else {
        text.chars.find(separator)
    };
    let end = text.chars.len();
    let cuts = match found {
        Some(at) => [
            (0, at),
            (at, at + separator.len()),
            (at + separator.len(), end),
        ],
        None if is_last => [(0, 0), (0, 0), (0, end)],
        None => [(0, end), (end, end), (end, end)],
    };
    let parts = cuts.map(|(from, to)| text.slice(from, to, arena).val(arena));
    Ok(Val::Tuple(arena.alloc_slice_copy(&parts)))
}

fn one_character<'r>(value: Val<'r>, arena: &'r RunArena<'r>) -> Result<&'r str> {
    let fill = value.chars(arena);
    fill.filter(|fill| fill.chars().count() == 1)
        .ok_or_else(|| Error::raised("The fill character must be exactly one character long"))
}

fn pad<'r>(
    text: Text<'r>,
    method: Method,
    given: Given<'r>,
    arena: &'r RunArena<'r>,
) -> Result<Val<'r>> {
    let [width, fill] = given.positional_only(method.name())?;
    let width = integer(required(width, method.name())?)?;
    let fill = fill.map_or(Ok(" "), |fill| one_character(fill, arena))?;
    let length = text.chars.chars().count() as i64;
    let missing = width.saturating_sub(length).max(0) as usize;
    arena.check_length(missing)?;
    let (left, right, fill, signed) = match method {
        Method::Ljust => (0, missing, fill, 0),
        Method::Rjust => (missing, 0, fill, 0),
        Method::Zfill => {
            let signed = usize::from(text.chars.starts_with(['-', '+']));
            (missing, 0, "0", signed)
        }
        _ => {
            let left = missing / 2 + (missing & width as usize & 1);
            (left, missing - left, fill, 0)
        }
    };
    let plain = crate::value::origin::Origin::TEMPLATE;
    let mut out = TextBuilder::new(arena);
    out.push_text(text.slice(0, signed, arena));
    out.push(&fill.repeat(left), plain);
    out.push_text(text.slice(signed, text.chars.len(), arena));
    out.push(&fill.repeat(right), plain);
    Ok(out.finish().like(text).val(arena))
}

fn expand_tabs<'r>(text: Text<'r>, size: i64, arena: &'r RunArena<'r>) -> Val<'r> {
    let size = size.max(0) as usize;
    let mut out = TextBuilder::new(arena);
    let mut column = 0;
    for (at, character) in text.chars.char_indices() {
        let (origin, context) = text.fragment_at(at);
        if character == '\t' {
            let spaces = if size == 0 { 0 } else { size - column % size };
            out.push_in(&arena.repeat(" ", spaces), origin, context);
            if out.is_full() {
                break;
            }
            column += spaces;
            continue;
        }
        out.push_char(character, origin, context);
        column = if matches!(character, '\n' | '\r') {
            0
        } else {
            column + 1
        };
    }
    out.finish().val(arena)
}

fn question(text: &str, method: Method) -> bool {
    use Method as M;
    let all = |is: fn(char) -> bool| !text.is_empty() && text.chars().all(is);
    let cased = |is: fn(char) -> bool, not: fn(char) -> bool| {
        text.chars().any(is) && !text.chars().any(not)
    };
    match method {
        M::IsAlnum => all(crate::value::unicode::is_alphanumeric),
        M::IsAlpha => all(crate::value::unicode::is_letter),
        M::IsAscii => text.is_ascii(),
        M::IsDecimal => all(crate::value::unicode::is_decimal),
        M::IsDigit => all(crate::value::unicode::is_digit),
        M::IsNumeric => all(char::is_numeric),
        M::IsIdentifier => {
            !text.starts_with(char::is_numeric) && all(|c| c == '_' || c.is_alphanumeric())
        }
        M::IsLower => cased(char::is_lowercase, crate::value::unicode::is_upper_or_title),
        M::IsUpper => cased(char::is_uppercase, crate::value::unicode::is_lower_or_title),
        M::IsPrintable => text.chars().all(is_printable),
        M::IsSpace => all(is_space),
        M::IsTitle => crate::value::unicode::is_title(text),
        _ => false,
    }
}
