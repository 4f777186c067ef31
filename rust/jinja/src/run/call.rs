//! Calls of functions, macros, methods and loops, and the attributes of loops.

use std::cell::{Cell, RefCell};

use crate::builtins::functions::{Function, MAX_RANGE};
use crate::builtins::methods::{Method, map_of};
use crate::compile::program::MacroFunction;
use crate::error::{Error, Result};
use crate::run::arguments::{Given, integer, required};
use crate::run::interpret::Interpreter;
use crate::run::iterate::{Source, range_len};
use crate::value::operators::{defined, equal};
use crate::value::origin::Origin;
use crate::value::repr::str_of;
use crate::value::{Absent, Cycler, Loop, Macro, Namespace, Val};

/// Refuses names that transformers refuses on a namespace.
pub(crate) fn check_namespace_name(name: &str) -> Result<()> {
    if name.starts_with('_') {
        return Err(Error::raised(format!(
            "Chat templates cannot store underscore-prefixed attributes on a namespace, but got \
             '{name}'. Please rename the attribute."
        )));
    }
    Ok(())
}

impl<'r> Interpreter<'r> {
    /// `value.name`.
    pub(crate) fn attribute(&mut self, value: Val<'r>, name: &'r str) -> Result<Val<'r>> {
        match value {
            Val::DataMap(entries, origin) if Method::by_name(name).is_none() => {
                // The common case: a key of the row's data.
                match entries.iter().find(|(key, _)| *key == name) {
                    Some((key, item)) => Ok(Val::data(*item, origin.field(key, self.arena))),
                    None => crate::run::attribute::attribute(value, name, self.arena),
                }
            }
            Val::Loop(looping) => self.loop_attribute(looping, name),
            _ => crate::run::attribute::attribute(value, name, self.arena),
        }
    }

    /// `value[key]`.
    pub(crate) fn item(&mut self, value: Val<'r>, key: Val<'r>) -> Result<Val<'r>> {
        match (value, key.chars(self.arena)) {
            (Val::Loop(looping), Some(name)) => self.loop_attribute(looping, name),
            _ => crate::run::attribute::item(value, key, self.arena),
        }
    }

    /// `len(value)`.
    pub(crate) fn length(&mut self, value: Val<'r>) -> Result<i64> {
        match value {
            Val::Loop(looping) => self.loop_length(looping),
            _ => crate::run::iterate::length(value, self.arena),
        }
    }

    fn peek(&mut self, looping: &'r Loop<'r>) -> Result<Option<Val<'r>>> {
        if let Some(item) = looping.after.get() {
            return Ok(Some(item));
        }
        let item = self.pull(looping)?;
        looping.after.set(item);
        Ok(item)
    }

    /// The length of a loop with a condition is known once every item was tested; they are kept, as
    /// jinja2 keeps them, because a test is not run twice.
    fn loop_length(&mut self, looping: &'r Loop<'r>) -> Result<i64> {
        if let Some(length) = looping.length.get() {
            return Ok(length);
        }
        let mut rest = bumpalo::collections::Vec::new_in(self.arena);
        while let Some(item) = self.pull(looping)? {
            rest.push(item);
        }
        let rest: &'r [Val<'r>] = rest.into_bump_slice();
        looping.is_tested.set(true);
        *looping.source.borrow_mut() = Source::Items(rest);
        let seen = looping.index0.get() + 1 + i64::from(looping.after.get().is_some());
        looping.length.set(Some(rest.len() as i64 + seen));
        Ok(rest.len() as i64 + seen)
    }

    fn loop_attribute(&mut self, looping: &'r Loop<'r>, name: &'r str) -> Result<Val<'r>> {
        let index0 = looping.index0.get();
        Ok(match name {
            "index" => Val::Int(index0 + 1),
            "index0" => Val::Int(index0),
            "first" => Val::Bool(index0 == 0),
            "last" => Val::Bool(self.peek(looping)?.is_none()),
            "length" => Val::Int(self.loop_length(looping)?),
            "revindex" => Val::Int(self.loop_length(looping)? - index0),
            "revindex0" => Val::Int(self.loop_length(looping)? - index0 - 1),
            "depth" => Val::Int(looping.depth0 + 1),
            "depth0" => Val::Int(looping.depth0),
            "previtem" if index0 == 0 => Val::Undefined("there is no previous item", Absent::Hint),
            "previtem" => looping.before.get(),
            "nextitem" => self
                .peek(looping)?
                .unwrap_or(Val::Undefined("there is no next item", Absent::Hint)),
            "cycle" => Val::Method(self.arena.alloc((Val::Loop(looping), Method::Cycle))),
            "changed" => Val::Method(self.arena.alloc((Val::Loop(looping), Method::Changed))),
            _ => Val::Undefined(name, Absent::Attribute("LoopContext")),
        })
    }

    /// `callee(…)`.
    pub(crate) fn call(&mut self, callee: Val<'r>, given: Given<'r>) -> Result<Val<'r>> {
        defined(callee)?;
        match callee {
            Val::Macro(inner) => self.deeper(|run| run.call_macro(inner, given)),
            Val::Function(function) => self.call_function(function, given),
            Val::Method((Val::Loop(looping), method)) => loop_method(self, looping, *method, given),
            Val::Method((Val::Cycler(cycler), method)) => {
                let [] = given.positional_only(method.name())?;
                Ok(turn(cycler, *method))
            }
            Val::Method((receiver, method)) => {
                crate::builtins::methods::call(*receiver, *method, given, self.arena)
            }
            Val::Loop(looping) => {
                let [value] = given.bind("loop", ["iterable"])?;
                let value = required(value, "loop")?;
                if looping.statement.recursive.is_none() {
                    return Err(Error::raised(
                        "The loop must have the 'recursive' marker to be called recursively.",
                    ));
                }
                let depth = looping.depth0 + 1;
                self.recursive_loop(looping.statement, looping.outer, value, depth)
            }
            Val::Joiner(joiner) => {
                let [] = given.positional_only("joiner")?;
                let is_first = joiner.position.replace(1) == 0;
                Ok(if is_first {
                    Val::str("", Origin::TEMPLATE)
                } else {
                    joiner.separator
                })
            }
            _ => Err(Error::raised(format!(
                "'{}' object is not callable",
                callee.type_name()
            ))),
        }
    }

    fn call_macro(&mut self, inner: &'r Macro<'r>, given: Given<'r>) -> Result<Val<'r>> {
        let function = inner.function;
        let frame = self.frame(function.slots, Some(inner.outer));
        let wanted = function.parameters.len();
        let mut keyword: Vec<(&'r str, Val<'r>)> = given.keyword.to_vec();
        let mut take = |name: &str| {
            let at = keyword.iter().position(|(known, _)| *known == name)?;
            Some(keyword.remove(at).1)
        };
        let mut found_caller = function.explicit_caller && given.positional.len() >= wanted;
        let mut values = Vec::with_capacity(wanted);
        for (index, (name, ..)) in function.parameters.iter().enumerate() {
            values.push(if let Some(value) = given.positional.get(index) {
                Some(*value)
            } else {
                found_caller |= &**name == "caller";
                take(name)
            });
        }
        let mut caller = None;
        if function.caller.is_some() && !found_caller {
            let none = Val::Undefined("No caller defined", Absent::Hint);
            let given = take("caller").filter(|v| !matches!(v, Val::None));
            caller = Some(given.unwrap_or(none));
        }
        refuse_surplus(function, given.positional.len(), &keyword)?;
        let set = |slot: Option<u32>, value: Val<'r>| {
            if let Some(slot) = slot {
                frame.slots[slot as usize].set(value);
            }
        };
        let rest = given.positional.get(wanted..).unwrap_or_default();
        set(function.varargs, Val::Tuple(rest));
        let rest: Vec<_> = keyword
            .iter()
            .map(|(k, v)| (Val::str(k, Origin::TEMPLATE), *v))
            .collect();
        set(
            function.kwargs,
            Val::Map(self.arena.alloc_slice_copy(&rest)),
        );
        if let Some(caller) = caller {
            set(function.caller, caller);
        }
        self.run_macro(inner, frame, &values)
    }

    fn run_macro(
        &mut self,
        inner: &'r Macro<'r>,
        frame: &'r crate::value::Frame<'r>,
        values: &[Option<Val<'r>>],
    ) -> Result<Val<'r>> {
        let function = inner.function;
        let (_, text) = self.capture(|run| {
            run.enter(&function.scope.loads, frame);
            for (value, (name, slot, default)) in values.iter().zip(&function.parameters) {
                let value = match (value, default) {
                    (Some(value), _) => *value,
                    (None, Some(default)) => run.eval(default, frame)?,
                    (None, None) => {
                        let hint = format!("parameter '{name}' was not provided");
                        Val::Undefined(run.arena.alloc_str(&hint), Absent::Hint)
                    }
                };
                frame.slots[*slot as usize].set(value);
            }
            run.run_body(&function.scope.body, frame)
        })?;
        Ok(text)
    }

    fn call_function(&mut self, function: Function, given: Given<'r>) -> Result<Val<'r>> {
        let arena = self.arena;
        match function {
            Function::Range => range(given, self),
            Function::Dict => map_of(&dict_entries(given, self)?, arena),
            Function::Namespace => namespace(given, self),
            Function::RaiseException => {
                let [message] = given.bind("raise_exception", ["message"])?;
                let message = required(message, "raise_exception")?;
                Err(Error::raised(str_of(message, arena).chars))
            }
            Function::StrftimeNow => strftime_now(given, self),
            Function::Cycler if given.positional.is_empty() => {
                Err(Error::raised("at least one item has to be provided"))
            }
            Function::Cycler => Ok(Val::Cycler(arena.alloc(Cycler {
                items: given.positional,
                position: Cell::new(0),
                separator: Val::None,
            }))),
            Function::Joiner => {
                let [separator] = given.bind("joiner", ["sep"])?;
                Ok(Val::Joiner(arena.alloc(Cycler {
                    items: &[],
                    position: Cell::new(0),
                    separator: separator.unwrap_or(Val::str(", ", Origin::TEMPLATE)),
                })))
            }
            Function::Lipsum => Err(Error::raised(
                "lipsum() is not supported: renders of the same row must not differ",
            )),
        }
    }
}

/// What `dict(*args, **kwargs)` holds.
/// An error if a macro has no place for an argument; `keyword` holds those that no parameter took.
fn refuse_surplus(
    function: &MacroFunction,
    positional: usize,
    keyword: &[(&str, Val<'_>)],
) -> Result<()> {
    let (name, wanted) = (&function.name, function.parameters.len());
    if function.kwargs.is_none()
        && let Some((unknown, _)) = keyword.first()
    {
        return Err(Error::raised(format!(
            "macro '{name}' takes no keyword argument '{unknown}'"
        )));
    }
    if function.varargs.is_none() && positional > wanted {
        return Err(Error::raised(format!(
            "macro '{name}' takes not more than {wanted} argument(s)"
        )));
    }
    Ok(())
}

fn namespace<'r>(given: Given<'r>, run: &Interpreter<'r>) -> Result<Val<'r>> {
    let arena = run.arena;
    let mut entries = bumpalo::collections::Vec::new_in(arena);
    let Val::Map(pairs) = map_of(&dict_entries(given, run)?, arena)? else {
        return Err(Error::raised("namespace() takes a mapping"));
    };
    for (key, value) in pairs {
        let name = str_of(*key, arena).chars;
        check_namespace_name(name)?;
        entries.push((name, *value));
    }
    let entries = RefCell::new(entries);
    Ok(Val::Namespace(arena.alloc(Namespace { entries })))
}

fn strftime_now<'r>(given: Given<'r>, run: &Interpreter<'r>) -> Result<Val<'r>> {
    let arena = run.arena;
    let [format] = given.bind("strftime_now", ["format"])?;
    let format = required(format, "strftime_now")?;
    let Some(format) = format.chars(arena) else {
        return Err(Error::raised("strftime() argument 1 must be str"));
    };
    arena.check_length(format.len().saturating_mul(16))?;
    let text = crate::builtins::strftime::strftime(run.inputs.now, format);
    let origin = Origin::template(run.output.context);
    Ok(Val::str(arena.alloc_str(&text), origin))
}

fn dict_entries<'r>(given: Given<'r>, run: &Interpreter<'r>) -> Result<Vec<(Val<'r>, Val<'r>)>> {
    let arena = run.arena;
    let mut entries = Vec::new();
    match given.positional {
        [] => {}
        [Val::Namespace(_)] => {
            return Err(Error::raised("'TemplateNamespace' object is not iterable"));
        }
        [value @ (Val::Map(_) | Val::DataMap(..))] => {
            entries.extend_from_slice(crate::value::operators::pairs(*value, arena));
        }
        [value] => {
            for pair in crate::run::iterate::items(*value, arena)? {
                match crate::run::iterate::items(*pair, arena)? {
                    [key, value] => entries.push((*key, *value)),
                    other => {
                        return Err(Error::raised(format!(
                            "dictionary update sequence element has length {}; 2 is required",
                            other.len()
                        )));
                    }
                }
            }
        }
        more => {
            let count = more.len();
            return Err(Error::raised(format!(
                "dict expected at most 1 argument, got {count}"
            )));
        }
    }
    for (key, value) in given.keyword {
        entries.push((Val::str(key, Origin::template(run.output.context)), *value));
    }
    Ok(entries)
}

fn range<'r>(given: Given<'r>, run: &Interpreter<'r>) -> Result<Val<'r>> {
    let [first, second, third] = given.positional_only("range")?;
    let first = required(first, "range")?;
    [Some(first), second, third]
        .into_iter()
        .flatten()
        .try_for_each(defined)?;
    let (start, stop) = match second {
        Some(stop) => (integer(first)?, integer(stop)?),
        None => (0, integer(first)?),
    };
    let step = third.map_or(Ok(1), integer)?;
    if step == 0 {
        return Err(Error::raised("range() arg 3 must not be zero"));
    }
    let range = (start, stop, step);
    if range_len(range) > MAX_RANGE {
        return Err(Error::raised(format!(
            "Range too big. The sandbox blocks ranges larger than MAX_RANGE ({MAX_RANGE})."
        )));
    }
    Ok(Val::Range(run.arena.alloc(range)))
}

fn turn<'r>(cycler: &Cycler<'r>, method: Method) -> Val<'r> {
    if method == Method::Reset {
        cycler.position.set(0);
        return Val::None;
    }
    let at = cycler.position.get();
    cycler.position.set((at + 1) % cycler.items.len().max(1));
    cycler.items.get(at).copied().unwrap_or(Val::None)
}

fn loop_method<'r>(
    run: &Interpreter<'r>,
    looping: &'r Loop<'r>,
    method: Method,
    given: Given<'r>,
) -> Result<Val<'r>> {
    if method == Method::Changed {
        let value = Val::Tuple(given.positional);
        let before = looping.changed.get();
        let is_changed = matches!(before, Val::Missing) || !equal(before, value, run.arena);
        looping.changed.set(value);
        return Ok(Val::Bool(is_changed));
    }
    if given.positional.is_empty() {
        return Err(Error::raised("no items for cycling given"));
    }
    let at = looping.index0.get().max(0) as usize % given.positional.len();
    Ok(given.positional[at])
}
