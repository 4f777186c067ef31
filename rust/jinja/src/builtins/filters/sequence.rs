//! Filters over sequences.

use std::cmp::Ordering;

use super::Filter;
use crate::builtins::methods::{Method, tuples, view};
use crate::builtins::predicates::Test;
use crate::error::{Error, Result};
use crate::run::arguments::{Given, integer, required};
use crate::run::attribute::item as get_item;
use crate::run::budget::RunArena;
use crate::run::interpret::Interpreter;
use crate::run::iterate::{Source, items};
use crate::syntax::ast::BinaryOperator;
use crate::value::operators::{binary, equal, hashable, order};
use crate::value::origin::Origin;
use crate::value::repr::str_of;
use crate::value::text::TextBuilder;
use crate::value::{Absent, SequenceKind, Val};

/// `value | filter(…)`.
pub(crate) fn call<'r>(
    filter: Filter,
    value: Val<'r>,
    given: Given<'r>,
    run: &mut Interpreter<'r>,
) -> Result<Val<'r>> {
    use Filter as F;
    let arena = run.arena;
    match filter {
        F::First => {
            let first = Source::of(value, arena)?.next(arena);
            Ok(first.unwrap_or(Val::Undefined(
                "No first item, sequence was empty.",
                Absent::Hint,
            )))
        }
        F::Last => last(value, arena),
        F::Join => join(value, given, run),
        F::Map => map(value, given, run),
        F::Select | F::Reject | F::SelectAttr | F::RejectAttr => select(filter, value, given, run),
        F::Sort => sort(value, given, arena),
        F::DictSort => dict_sort(value, given, arena),
        F::Unique => unique(value, given, arena),
        F::Min | F::Max => extreme(filter, value, given, arena),
        F::Sum => sum(value, given, run),
        F::Reverse => reverse(value, arena),
        F::Batch | F::Slice => chunks(filter, value, given, arena),
        _ => group_by(value, given, arena),
    }
}

fn list<'r>(items: &[Val<'r>], arena: &'r RunArena<'r>) -> Val<'r> {
    Val::List(arena.alloc_slice_copy(items))
}

fn last<'r>(value: Val<'r>, arena: &'r RunArena<'r>) -> Result<Val<'r>> {
    if matches!(value, Val::Sequence(sequence) if sequence.kind == SequenceKind::Generator) {
        return Err(Error::raised("'generator' object is not reversible"));
    }
    if value.is_str() && value.byte_len() > 0 {
        return crate::run::attribute::slice(value, [Some(Val::Int(-1)), None, None], arena);
    }
    let all = items(value, arena)?;
    Ok(all.last().copied().unwrap_or(Val::Undefined(
        "No last item, sequence was empty.",
        Absent::Hint,
    )))
}

fn reverse<'r>(value: Val<'r>, arena: &'r RunArena<'r>) -> Result<Val<'r>> {
    if value.is_str() {
        return crate::run::attribute::slice(value, [None, None, Some(Val::Int(-1))], arena);
    }
    let mut all = items(value, arena)
        .map_err(|_| Error::raised("argument must be iterable"))?
        .to_vec();
    all.reverse();
    if matches!(value, Val::Sequence(sequence) if sequence.kind == SequenceKind::Generator) {
        return Ok(list(&all, arena));
    }
    Ok(view(
        SequenceKind::Iterator,
        arena.alloc_slice_copy(&all),
        arena,
    ))
}

/// `item.a.b` for a dotted path; integers index.
fn path<'r>(item: Val<'r>, attribute: Val<'r>, arena: &'r RunArena<'r>) -> Result<Val<'r>> {
    let Some(dotted) = attribute.chars(arena) else {
        return get_item(item, attribute, arena);
    };
    let mut value = item;
    for part in dotted.split('.') {
        let is_index = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let key = match part.parse() {
            Ok(index) if is_index => Val::Int(index),
            _ => Val::str(part, Origin::TEMPLATE),
        };
        value = get_item(value, key, arena)?;
    }
    Ok(value)
}

/// What items are compared by.
#[derive(Clone, Copy)]
struct Key<'r> {
    attribute: Option<Val<'r>>,
    case_sensitive: bool,
}

impl<'r> Key<'r> {
    fn new(attribute: Option<Val<'r>>, case_sensitive: Option<Val<'r>>) -> Self {
        Self {
            attribute: attribute.filter(|value| !matches!(value, Val::None)),
            case_sensitive: case_sensitive.is_some_and(Val::truth),
        }
    }

    fn folded(self, value: Val<'r>, arena: &'r RunArena<'r>) -> Val<'r> {
        match value.text(arena) {
            Some(text) if !self.case_sensitive => {
                crate::value::unicode::change(text, Method::Lower, arena).val(arena)
            }
            _ => value,
        }
    }

    fn of(self, item: Val<'r>, arena: &'r RunArena<'r>) -> Result<Val<'r>> {
        let value = match self.attribute {
            Some(attribute) => path(item, attribute, arena)?,
            None => item,
        };
        Ok(self.folded(value, arena))
    }

    /// Of several attributes between commas, for `sort`.
    fn list_of(self, item: Val<'r>, arena: &'r RunArena<'r>) -> Result<Val<'r>> {
        let Some(attributes) = self.attribute.and_then(|value| value.chars(arena)) else {
            return self.of(item, arena);
        };
        let mut keys = Vec::new();
        for attribute in attributes.split(',') {
            let value = path(item, Val::str(attribute, Origin::TEMPLATE), arena)?;
            keys.push(self.folded(value, arena));
        }
        Ok(list(&keys, arena))
    }
}

/// A stable sort by keys that may refuse to be compared.
fn sort_by_key<'r>(
    keyed: &mut [(Val<'r>, Val<'r>)],
    reverse: bool,
    arena: &'r RunArena<'r>,
) -> Result<()> {
    let mut failure = None;
    keyed.sort_by(|a, b| {
        let ordering = order(a.0, b.0, "<", arena).unwrap_or_else(|raise| {
            failure.get_or_insert(raise);
            None
        });
        let ordering = ordering.unwrap_or(Ordering::Equal);
        if reverse {
            ordering.reverse()
        } else {
            ordering
        }
    });
    failure.map_or(Ok(()), Err)
}

fn sort<'r>(value: Val<'r>, given: Given<'r>, arena: &'r RunArena<'r>) -> Result<Val<'r>> {
    let [reverse, case, attribute] =
        given.bind("sort", ["reverse", "case_sensitive", "attribute"])?;
    let key = Key::new(attribute, case);
    let mut keyed = Vec::new();
    for item in items(value, arena)? {
        keyed.push((key.list_of(*item, arena)?, *item));
    }
    sort_by_key(&mut keyed, reverse.is_some_and(Val::truth), arena)?;
    let sorted: Vec<_> = keyed.into_iter().map(|(_, item)| item).collect();
    Ok(list(&sorted, arena))
}

fn dict_sort<'r>(value: Val<'r>, given: Given<'r>, arena: &'r RunArena<'r>) -> Result<Val<'r>> {
    let [case, by, reverse] = given.bind("dictsort", ["case_sensitive", "by", "reverse"])?;
    let position = match by.map_or(Some("key"), |by| by.chars(arena)) {
        Some("key") => 0,
        Some("value") => 1,
        _ => {
            return Err(Error::raised(
                "You can only sort by either \"key\" or \"value\"",
            ));
        }
    };
    crate::value::operators::defined(value)?;
    if !matches!(value, Val::Map(_) | Val::DataMap(..)) {
        let kind = value.type_name();
        return Err(Error::raised(format!(
            "'{kind}' object has no attribute 'items'"
        )));
    }
    let key = Key::new(None, case);
    let mut keyed = Vec::new();
    for pair in tuples(value, arena) {
        if let Val::Tuple(parts) = pair {
            keyed.push((key.folded(parts[position], arena), *pair));
        }
    }
    sort_by_key(&mut keyed, reverse.is_some_and(Val::truth), arena)?;
    let sorted: Vec<_> = keyed.into_iter().map(|(_, item)| item).collect();
    Ok(list(&sorted, arena))
}

fn unique<'r>(value: Val<'r>, given: Given<'r>, arena: &'r RunArena<'r>) -> Result<Val<'r>> {
    let [case, attribute] = given.bind("unique", ["case_sensitive", "attribute"])?;
    let key = Key::new(attribute, case);
    let mut seen: Vec<Val<'r>> = Vec::new();
    let mut kept = Vec::new();
    for item in items(value, arena)? {
        let found = key.of(*item, arena)?;
        hashable(found, arena)?;
        arena.spend(seen.len());
        arena.check()?;
        if !seen.iter().any(|known| equal(*known, found, arena)) {
            seen.push(found);
            kept.push(*item);
        }
    }
    Ok(view(
        SequenceKind::Generator,
        arena.alloc_slice_copy(&kept),
        arena,
    ))
}

fn extreme<'r>(
    filter: Filter,
    value: Val<'r>,
    given: Given<'r>,
    arena: &'r RunArena<'r>,
) -> Result<Val<'r>> {
    let [case, attribute] = given.bind(filter.name(), ["case_sensitive", "attribute"])?;
    let key = Key::new(attribute, case);
    let wanted = if filter == Filter::Min {
        Ordering::Less
    } else {
        Ordering::Greater
    };
    let mut best: Option<(Val<'r>, Val<'r>)> = None;
    for item in items(value, arena)? {
        let found = key.of(*item, arena)?;
        let wins = match best {
            None => true,
            Some((known, _)) => order(found, known, "<", arena)? == Some(wanted),
        };
        if wins {
            best = Some((found, *item));
        }
    }
    let empty = Val::Undefined("No aggregated item, sequence was empty.", Absent::Hint);
    Ok(best.map_or(empty, |(_, item)| item))
}

fn sum<'r>(value: Val<'r>, given: Given<'r>, run: &mut Interpreter<'r>) -> Result<Val<'r>> {
    let [attribute, start] = given.bind("sum", ["attribute", "start"])?;
    let key = Key {
        case_sensitive: true,
        ..Key::new(attribute, None)
    };
    let mut total = start.unwrap_or(Val::Int(0));
    if total.is_str() {
        return Err(Error::raised(
            "sum() can't sum strings [use ''.join(seq) instead]",
        ));
    }
    for item in items(value, run.arena)? {
        total = plus(total, key.of(*item, run.arena)?, run)?;
    }
    Ok(total)
}

fn join<'r>(value: Val<'r>, given: Given<'r>, run: &mut Interpreter<'r>) -> Result<Val<'r>> {
    let arena = run.arena;
    let [separator, attribute] = given.bind("join", ["d", "attribute"])?;
    let separator = separator.map(|value| str_of(value, arena));
    let mut out = TextBuilder::new(arena);
    for (index, item) in items(value, arena)?.iter().enumerate() {
        let item = match attribute {
            Some(attribute) if !matches!(attribute, Val::None) => path(*item, attribute, arena)?,
            _ => *item,
        };
        if let Some(separator) = separator.filter(|_| index > 0) {
            out.push_text(separator);
        }
        out.push_text(str_of(item, arena));
        arena.check()?;
    }
    Ok(out.finish().val(arena))
}

fn generator<'r>(items: &[Val<'r>], arena: &'r RunArena<'r>) -> Val<'r> {
    view(
        SequenceKind::Generator,
        arena.alloc_slice_copy(items),
        arena,
    )
}

fn map<'r>(value: Val<'r>, given: Given<'r>, run: &mut Interpreter<'r>) -> Result<Val<'r>> {
    let arena = run.arena;
    if !value.truth() {
        return Ok(generator(&[], arena));
    }
    let keyword = |name: &str| {
        given
            .keyword
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, v)| *v)
    };
    let mut mapped = Vec::new();
    if let (Some(attribute), true) = (keyword("attribute"), given.positional.is_empty()) {
        let default = keyword("default").filter(|value| !matches!(value, Val::None));
        for item in items(value, arena)? {
            let found = path(*item, attribute, arena)?;
            mapped.push(default.filter(|_| found.is_undefined()).unwrap_or(found));
        }
        return Ok(generator(&mapped, arena));
    }
    let Some((name, rest)) = given.positional.split_first() else {
        return Err(Error::raised("map requires a filter argument"));
    };
    let name = name.chars(arena).unwrap_or_default();
    let Some(filter) = Filter::by_name(name) else {
        return Err(Error::raised(format!("No filter named '{name}'.")));
    };
    let given = Given {
        positional: rest,
        keyword: given.keyword,
    };
    for item in items(value, arena)? {
        run.arena.step()?;
        mapped.push(super::call(filter, *item, given, run)?);
    }
    Ok(generator(&mapped, arena))
}

fn select<'r>(
    filter: Filter,
    value: Val<'r>,
    given: Given<'r>,
    run: &mut Interpreter<'r>,
) -> Result<Val<'r>> {
    let arena = run.arena;
    if !value.truth() {
        return Ok(generator(&[], arena));
    }
    let keeps = matches!(filter, Filter::Select | Filter::SelectAttr);
    let mut rest = given.positional;
    let mut attribute = None;
    if matches!(filter, Filter::SelectAttr | Filter::RejectAttr) {
        let Some((first, others)) = rest.split_first() else {
            return Err(Error::raised("Missing parameter for attribute name"));
        };
        attribute = Some(*first);
        rest = others;
    }
    let mut test = None;
    if let Some((name, others)) = rest.split_first() {
        let name = name.chars(arena).unwrap_or_default();
        let known = Test::by_name(name);
        test = Some(known.ok_or_else(|| Error::raised(format!("No test named '{name}'.")))?);
        rest = others;
    }
    let given = Given {
        positional: rest,
        keyword: given.keyword,
    };
    let mut kept = Vec::new();
    for item in items(value, arena)? {
        run.arena.step()?;
        let found = match attribute {
            Some(attribute) => path(*item, attribute, arena)?,
            None => *item,
        };
        let holds = match test {
            Some(test) => test.holds(found, given, arena)?,
            None => found.truth(),
        };
        if holds == keeps {
            kept.push(*item);
        }
    }
    Ok(generator(&kept, arena))
}

fn chunks<'r>(
    filter: Filter,
    value: Val<'r>,
    given: Given<'r>,
    arena: &'r RunArena<'r>,
) -> Result<Val<'r>> {
    let names = if filter == Filter::Batch {
        "linecount"
    } else {
        "slices"
    };
    let [count, fill] = given.bind(filter.name(), [names, "fill_with"])?;
    let count = integer(required(count, filter.name())?)?;
    let fill = fill.filter(|value| !matches!(value, Val::None));
    let all = items(value, arena)?;
    let made = if filter == Filter::Batch {
        lines(all, count, fill, arena)?
    } else {
        columns(all, count, fill, arena)?
    };
    Ok(generator(&made, arena))
}

/// Lines of `count` items; the last one is filled up.
fn lines<'r>(
    all: &'r [Val<'r>],
    count: i64,
    fill: Option<Val<'r>>,
    arena: &'r RunArena<'r>,
) -> Result<Vec<Val<'r>>> {
    if count <= 0 {
        // jinja2 asks before each item whether the line is full: the empty one is, a fuller never.
        let empty: &[_] = if count == 0 { &[&[], all] } else { &[all] };
        let lines = empty.iter().filter(|_| !all.is_empty());
        return Ok(lines.map(|line| list(line, arena)).collect());
    }
    let count = count as usize;
    let mut made = Vec::new();
    for line in all.chunks(count) {
        let mut line = line.to_vec();
        if let Some(fill) = fill {
            arena.check_length(count.saturating_mul(size_of::<Val<'r>>()))?;
            arena.step()?;
            line.resize(count.max(line.len()), fill);
        }
        made.push(list(&line, arena));
    }
    Ok(made)
}

/// `count` columns of about the same length; the shorter ones get one more item.
fn columns<'r>(
    all: &'r [Val<'r>],
    count: i64,
    fill: Option<Val<'r>>,
    arena: &'r RunArena<'r>,
) -> Result<Vec<Val<'r>>> {
    if count == 0 {
        return Err(Error::raised("integer division or modulo by zero"));
    }
    let count = count.max(0) as usize;
    arena.check_length(count.saturating_mul(size_of::<Val<'r>>()))?;
    let (each, extra) = (all.len() / count.max(1), all.len() % count.max(1));
    let mut made = Vec::new();
    let mut start = 0;
    for number in 0..count {
        let end = start + each + usize::from(number < extra);
        let mut column = all[start..end].to_vec();
        if let Some(fill) = fill.filter(|_| number >= extra) {
            column.push(fill);
        }
        made.push(list(&column, arena));
        start = end;
    }
    Ok(made)
}

fn group_by<'r>(value: Val<'r>, given: Given<'r>, arena: &'r RunArena<'r>) -> Result<Val<'r>> {
    let names = ["attribute", "default", "case_sensitive"];
    let [attribute, default, case] = given.bind("groupby", names)?;
    let attribute = required(attribute, "groupby")?;
    let key = Key::new(Some(attribute), case);
    let real = |item: Val<'r>| -> Result<Val<'r>> {
        let found = path(item, attribute, arena)?;
        let default = default.filter(|value| !matches!(value, Val::None));
        Ok(default.filter(|_| found.is_undefined()).unwrap_or(found))
    };
    let mut keyed = Vec::new();
    for item in items(value, arena)? {
        keyed.push((key.folded(real(*item)?, arena), *item));
    }
    sort_by_key(&mut keyed, false, arena)?;
    let mut groups = Vec::new();
    let mut start = 0;
    for at in 1..=keyed.len() {
        if at < keyed.len() && equal(keyed[at].0, keyed[start].0, arena) {
            continue;
        }
        let members: Vec<_> = keyed[start..at].iter().map(|(_, item)| *item).collect();
        let pair = [real(members[0])?, list(&members, arena)];
        groups.push(Val::Tuple(arena.alloc_slice_copy(&pair)));
        start = at;
    }
    Ok(list(&groups, arena))
}

/// `sum(values, start)` of two values.
fn plus<'r>(a: Val<'r>, b: Val<'r>, run: &Interpreter<'r>) -> Result<Val<'r>> {
    binary(BinaryOperator::Add, a, b, run.output.context, run.arena)
}
