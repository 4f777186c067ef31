//! Runs statements.

use std::cell::{Cell, RefCell};

use crate::Inputs;
use crate::builtins::functions::Function;
use crate::compile::program::{
    ForLoop, Load, MacroFunction, Node, Program, Scope, Slot, Step, StepKind, Target,
};
use crate::data::Arena;
use crate::error::{Error, Result};
use crate::run::arguments::Given;
use crate::run::budget::Limits;
use crate::run::budget::RunArena;
use crate::run::iterate::Source;
use crate::run::output::{Context, Output};
use crate::value::origin::Origin;
use crate::value::{Absent, Frame, Loop, Macro, Val};

/// How statements end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Normal,
    Break,
    Continue,
}

/// What the innermost loop iterates over. It decides whose turn it is when `{% set %}` takes a
/// record out of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// No loop is open.
    Nothing,
    Records,
    /// Whole numbers, by which a record may be looked up.
    Indices,
    Others,
}

impl Over {
    fn item(item: Val<'_>) -> Self {
        match item {
            Val::Int(_) => Self::Indices,
            _ if item.whole_record().is_some() => Self::Records,
            _ => Self::Others,
        }
    }
}

/// One render in progress.
pub(crate) struct Interpreter<'r> {
    pub(crate) arena: &'r RunArena<'r>,
    pub(crate) limits: Limits,
    pub(crate) inputs: Inputs<'r>,
    pub(crate) output: Output<'r>,
    depth: u32,
    innermost: Over,
    generations: u32,
}

/// Runs a program. The output is complete unless an error ends the run.
pub(crate) fn run<'r>(
    program: &'r Program,
    inputs: Inputs<'r>,
    buffer: String,
    arena: &'r Arena,
) -> (Output<'r>, Result<()>) {
    let limits = inputs.limits;
    let arena = arena.alloc(RunArena::new(arena, limits, inputs.field_class));
    let mut interpreter = Interpreter {
        arena,
        limits,
        inputs,
        output: Output::new(buffer, limits.output, arena),
        depth: 0,
        innermost: Over::Nothing,
        generations: 0,
    };
    let frame = interpreter.frame(program.slots, None);
    let result = interpreter.run_scope(&program.scope, frame);
    let result = result.and_then(|_| arena.check());
    (interpreter.output, result)
}

impl<'r> Interpreter<'r> {
    pub(crate) fn frame(&self, slots: u32, outer: Option<&'r Frame<'r>>) -> &'r Frame<'r> {
        let slots = self
            .arena
            .alloc_slice_fill_with(slots as usize, |_| Cell::new(Val::Missing));
        self.arena.alloc(Frame { slots, outer })
    }

    /// Runs `call` one level deeper.
    pub(crate) fn deeper<T>(&mut self, call: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.arena.check_stack()?;
        self.depth += 1;
        if self.depth > self.limits.depth {
            return Err(Error::budget("the template's calls are nested too deeply"));
        }
        let result = call(self);
        self.depth -= 1;
        result
    }

    /// The value of a name that no scope of the template has set.
    fn resolve(&self, name: &'r str) -> Val<'r> {
        let Inputs {
            values,
            variables,
            constants,
            ..
        } = self.inputs;
        self.arena.spend_on_names(values.len());
        if let Some((_, value)) = values.iter().find(|(known, _)| *known == name) {
            return value.0;
        }
        self.arena.spend_on_names(variables.entries.len());
        if let Some(value) = variables.get(name) {
            return Val::data(value, Origin::VARIABLE);
        }
        if let Some((_, text)) = constants.iter().find(|(known, _)| known == name) {
            return Val::str(text, Origin::TEMPLATE);
        }
        Function::by_name(name).map_or(Val::Missing, Val::Function)
    }

    pub(crate) fn slot(frame: &'r Frame<'r>, slot: Slot) -> &'r Cell<Val<'r>> {
        let mut frame = frame;
        for _ in 0..slot.depth {
            if let Some(outer) = frame.outer {
                frame = outer;
            }
        }
        &frame.slots[slot.index as usize]
    }

    pub(crate) fn enter(&self, loads: &'r [Load], frame: &'r Frame<'r>) {
        for load in loads {
            match load {
                Load::Resolve(slot, name) => {
                    frame.slots[*slot as usize].set(self.resolve(name));
                }
                Load::Alias(slot, outer) => {
                    frame.slots[*slot as usize].set(Self::slot(frame, *outer).get());
                }
                Load::Clear(slot) => frame.slots[*slot as usize].set(Val::Missing),
            }
        }
    }

    pub(crate) fn run_scope(&mut self, scope: &'r Scope, frame: &'r Frame<'r>) -> Result<Flow> {
        self.enter(&scope.loads, frame);
        self.run_body(&scope.body, frame)
    }

    pub(crate) fn run_body(&mut self, body: &'r [Step], frame: &'r Frame<'r>) -> Result<Flow> {
        for step in body {
            self.arena.step()?;
            match self.run_step(step, frame) {
                Ok(Flow::Normal) => {}
                Ok(flow) => return Ok(flow),
                Err(raise) => return Err(raise.at(step.line, self.output.current().record)),
            }
        }
        Ok(Flow::Normal)
    }

    fn run_step(&mut self, step: &'r Step, frame: &'r Frame<'r>) -> Result<Flow> {
        match &step.kind {
            StepKind::Data(text) => self.output.write(text, Origin::TEMPLATE, 0)?,
            StepKind::Print(node) => self.print(node, frame)?,
            StepKind::Set(target, value) => {
                let value = self.eval(value, frame)?;
                if let Some(record) = value.whole_record() {
                    self.record_set(record);
                }
                self.assign(target, value, frame)?;
            }
            StepKind::SetBlock(target, filter, scope) => {
                return self.set_block(target, filter.as_ref(), scope, frame);
            }
            StepKind::If(branches, otherwise) => {
                for (test, body) in branches {
                    if self.eval(test, frame)?.truth() {
                        return self.run_body(body, frame);
                    }
                }
                return self.run_body(otherwise, frame);
            }
            StepKind::For(statement) => return self.run_for(statement, frame),
            StepKind::With(targets, scope) => {
                self.enter(&scope.loads, frame);
                for (target, value) in targets {
                    let value = self.eval(value, frame)?;
                    self.assign(target, value, frame)?;
                }
                return self.run_body(&scope.body, frame);
            }
            StepKind::Scope(scope) => return self.run_scope(scope, frame),
            StepKind::Macro(slot, function) => {
                Self::slot(frame, *slot).set(self.make_macro(function, frame));
            }
            StepKind::CallBlock(call, function) => {
                let caller = self.make_macro(function, frame);
                let value = self.call_block(call, caller, frame)?;
                self.write_value(value)?;
            }
            StepKind::FilterBlock(filter, scope) => {
                return self.filter_block(filter, scope, frame);
            }
            StepKind::Generation(function) => self.generation(function, frame)?,
            StepKind::Break => return Ok(Flow::Break),
            StepKind::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Normal)
    }

    fn make_macro(&self, function: &'r MacroFunction, outer: &'r Frame<'r>) -> Val<'r> {
        Val::Macro(self.arena.alloc(Macro { function, outer }))
    }

    fn call_block(
        &mut self,
        (callee, args): &'r (Node, crate::compile::program::CallArgs),
        caller: Val<'r>,
        frame: &'r Frame<'r>,
    ) -> Result<Val<'r>> {
        let callee = self.eval(callee, frame)?;
        let given = self.args(args, frame)?;
        let mut keyword = given.keyword.to_vec();
        keyword.push(("caller", caller));
        let given = Given {
            positional: given.positional,
            keyword: self.arena.alloc_slice_copy(&keyword),
        };
        self.call(callee, given)
    }

    /// `{% set message = messages[i] %}` inside a loop that has no record of its own. The first
    /// one counts; inside the turn of another record only in a loop over indices, as where a
    /// template prints, inside a message that calls tools, the messages with their results.
    fn record_set(&mut self, record: u32) {
        let current = self.output.current();
        let is_own = match self.innermost {
            Over::Nothing | Over::Records => false,
            Over::Indices => true,
            Over::Others => current.record.is_none(),
        };
        if is_own {
            self.innermost = Over::Records;
            self.output.context = self.output.context_index(Context {
                record: Some(record),
                ..current
            });
        }
    }

    pub(crate) fn assign(
        &mut self,
        target: &'r Target,
        value: Val<'r>,
        frame: &'r Frame<'r>,
    ) -> Result<()> {
        match target {
            Target::Variable(slot) => {
                Self::slot(frame, *slot).set(value);
                Ok(())
            }
            Target::NamespaceItem(slot, name) => {
                let Val::Namespace(namespace) = Self::slot(frame, *slot).get() else {
                    return Err(Error::raised(
                        "cannot assign attribute on non-namespace object",
                    ));
                };
                crate::run::call::check_namespace_name(name)?;
                let mut entries = namespace.entries.borrow_mut();
                self.arena.spend_on_names(entries.len());
                match entries.iter_mut().find(|(known, _)| **known == **name) {
                    Some((_, known)) => *known = value,
                    None => entries.push((name, value)),
                }
                Ok(())
            }
            Target::Tuple(targets) => {
                crate::value::operators::defined(value)?;
                let items = crate::run::iterate::items(value, self.arena).map_err(|_| {
                    let kind = value.type_name();
                    Error::raised(format!("cannot unpack non-iterable {kind} object"))
                })?;
                if items.len() != targets.len() {
                    let (wanted, got) = (targets.len(), items.len());
                    return Err(Error::raised(if got < wanted {
                        format!("not enough values to unpack (expected {wanted}, got {got})")
                    } else {
                        format!("too many values to unpack (expected {wanted})")
                    }));
                }
                for (target, item) in targets.iter().zip(items) {
                    self.assign(target, *item, frame)?;
                }
                Ok(())
            }
        }
    }

    fn set_block(
        &mut self,
        target: &'r Target,
        filter: Option<&'r Node>,
        scope: &'r Scope,
        frame: &'r Frame<'r>,
    ) -> Result<Flow> {
        let (flow, text) = self.capture(|run| run.run_scope(scope, frame))?;
        if flow != Flow::Normal {
            return Ok(flow);
        }
        let value = match filter {
            Some(filter) => self.filter_text(filter, text, frame)?,
            None => text,
        };
        self.assign(target, value, frame)?;
        Ok(Flow::Normal)
    }

    fn filter_block(
        &mut self,
        filter: &'r Node,
        scope: &'r Scope,
        frame: &'r Frame<'r>,
    ) -> Result<Flow> {
        let (flow, text) = self.capture(|run| run.run_scope(scope, frame))?;
        if flow == Flow::Normal {
            let value = self.filter_text(filter, text, frame)?;
            // jinja2 joins what blocks give, and joins strings only.
            if !value.is_str() {
                let found = value.type_name();
                let what = format!("sequence item: expected str instance, {found} found");
                return Err(Error::raised(what));
            }
            self.write_value(value)?;
        }
        Ok(flow)
    }

    /// Runs `write` and takes what it wrote out of the output.
    pub(crate) fn capture<T>(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<(T, Val<'r>)> {
        let capture = self.output.begin();
        let context = self.output.context;
        match write(self) {
            Ok(result) => {
                self.output.context = context;
                Ok((result, self.output.end(&capture)))
            }
            Err(raise) => {
                self.output.abandon(&capture);
                Err(raise)
            }
        }
    }

    fn generation(&mut self, function: &'r MacroFunction, outer: &'r Frame<'r>) -> Result<()> {
        let before = self.output.context;
        let current = self.output.current();
        if current.generation == 0 {
            self.generations += 1;
            let generation = self.generations;
            self.output.context = self.output.context_index(Context {
                generation,
                ..current
            });
        }
        let frame = self.frame(function.slots, Some(outer));
        // In transformers the block is a call block: what it reads of a macro is its own.
        let own = [
            (function.varargs, Val::Tuple(&[])),
            (function.kwargs, Val::Map(&[])),
            (
                function.caller,
                Val::Undefined("No caller defined", Absent::Hint),
            ),
        ];
        for (slot, value) in own {
            if let Some(slot) = slot {
                frame.slots[slot as usize].set(value);
            }
        }
        let innermost = std::mem::replace(&mut self.innermost, Over::Nothing);
        self.run_scope(&function.scope, frame)?;
        self.innermost = innermost;
        self.output.context = before;
        Ok(())
    }

    fn run_for(&mut self, statement: &'r ForLoop, frame: &'r Frame<'r>) -> Result<Flow> {
        let value = self.eval(&statement.iter, frame)?;
        if statement.recursive.is_some() {
            let text = self.recursive_loop(statement, frame, value, 0)?;
            self.write_value(text)?;
            return Ok(Flow::Normal);
        }
        self.loop_over(statement, frame, frame, value, 0)
    }

    /// One call of a recursive loop: its text.
    pub(crate) fn recursive_loop(
        &mut self,
        statement: &'r ForLoop,
        outer: &'r Frame<'r>,
        value: Val<'r>,
        depth: i64,
    ) -> Result<Val<'r>> {
        let frame = self.frame(statement.recursive.unwrap_or_default(), Some(outer));
        let (_, text) = self.capture(|run| {
            run.deeper(|run| run.loop_over(statement, outer, frame, value, depth))
        })?;
        Ok(text)
    }

    fn loop_over(
        &mut self,
        statement: &'r ForLoop,
        outer: &'r Frame<'r>,
        frame: &'r Frame<'r>,
        value: Val<'r>,
        depth0: i64,
    ) -> Result<Flow> {
        let mut source = Source::of(value, self.arena)?;
        let needs_loop = statement.loop_slot.is_some() || statement.test.is_some();
        let looping = needs_loop.then(|| self.make_loop(statement, outer, frame, source, depth0));
        let context = self.output.context;
        let mut completed = false;
        let outside = self.innermost;
        loop {
            let item = match looping {
                Some(looping) => self.advance(looping)?,
                None => source.next(self.arena),
            };
            let Some(item) = item else { break };
            self.arena.step()?;
            self.assign(&statement.target, item, frame)?;
            if let (Some(slot), Some(looping)) = (statement.loop_slot, looping) {
                frame.slots[slot as usize].set(Val::Loop(looping));
            }
            self.enter(&statement.body.loads, frame);
            self.innermost = Over::item(item);
            if let Some(record) = item.whole_record() {
                let generation = self.output.current().generation;
                self.output.context = self.output.context_index(Context {
                    record: Some(record),
                    generation,
                });
            }
            let flow = self.run_body(&statement.body.body, frame)?;
            self.output.context = context;
            match flow {
                Flow::Normal => completed = true,
                Flow::Break => break,
                Flow::Continue => {}
            }
        }
        self.innermost = outside;
        match &statement.otherwise {
            // A pass that ended in `continue` does not count, as in jinja2.
            Some(scope) if !completed => self.run_scope(scope, frame),
            _ => Ok(Flow::Normal),
        }
    }

    fn make_loop(
        &self,
        statement: &'r ForLoop,
        outer: &'r Frame<'r>,
        frame: &'r Frame<'r>,
        source: Source<'r>,
        depth0: i64,
    ) -> &'r Loop<'r> {
        let length = if statement.test.is_some() {
            None
        } else {
            source.len().map(|length| length as i64)
        };
        self.arena.alloc(Loop {
            source: RefCell::new(source),
            index0: Cell::new(-1),
            length: Cell::new(length),
            before: Cell::new(Val::Missing),
            current: Cell::new(Val::Missing),
            after: Cell::new(None),
            changed: Cell::new(Val::Missing),
            is_tested: Cell::new(false),
            depth0,
            statement,
            outer,
            frame,
        })
    }

    /// The next item that passes the loop's condition.
    pub(crate) fn pull(&mut self, looping: &'r Loop<'r>) -> Result<Option<Val<'r>>> {
        loop {
            let item = looping.source.borrow_mut().next(self.arena);
            let (Some(item), Some((loads, target, test))) = (item, &looping.statement.test) else {
                return Ok(item);
            };
            if looping.is_tested.get() {
                return Ok(Some(item));
            }
            self.arena.step()?;
            self.enter(loads, looping.frame);
            self.assign(target, item, looping.frame)?;
            if self.eval(test, looping.frame)?.truth() {
                return Ok(Some(item));
            }
        }
    }

    fn advance(&mut self, looping: &'r Loop<'r>) -> Result<Option<Val<'r>>> {
        let item = match looping.after.take() {
            Some(item) => Some(item),
            None => self.pull(looping)?,
        };
        if let Some(item) = item {
            looping.index0.set(looping.index0.get() + 1);
            looping.before.set(looping.current.get());
            looping.current.set(item);
        }
        Ok(item)
    }
}
