//! Syntax tree → program: scopes, slots, and the checks that jinja2 makes when it compiles.
//! Statements are here, expressions in [`expression`].

mod expression;
pub(crate) mod program;
mod scopes;

use std::rc::Rc;

use crate::compile::program::{
    ForLoop, Load, LoopTest, MacroFunction, Parameter, Program, Scope, Slot, Step, StepKind, Target,
};
use crate::compile::scopes::{FirstValue, Slots, Symbols, Variable, reads};
use crate::error::{Error, Result};
use crate::syntax::ast::{Expr, For, Signature, Statement, StatementKind};
use crate::syntax::parser::parse;

type Compiled<T> = Result<T>;

/// Compiles a template.
pub(crate) fn compile(source: &str) -> Compiled<Program> {
    let body = parse(source)?;
    let mut compiler = Compiler::default();
    let function = compiler.enter_function();
    let mut symbols = Symbols::new(None, function, &mut compiler.slots);
    symbols.visit_body(&body, &mut compiler.slots);
    let open = OpenScope::new(symbols);
    let scope = compiler.scope(&body, &open)?;
    compiler.literals.sort();
    compiler.literals.dedup();
    compiler.variables.sort();
    compiler.variables.dedup();
    Ok(Program {
        slots: compiler.slots.used[function as usize],
        scope,
        literals: compiler.literals,
        has_generation: compiler.has_generation,
        variables: compiler.variables,
    })
}

/// A scope during compilation.
#[derive(Clone)]
struct OpenScope {
    symbols: Rc<Symbols>,
    /// Inside an `if`: unknown filters are an error only when they are reached.
    is_soft: bool,
}

impl OpenScope {
    fn new(symbols: Symbols) -> Self {
        Self {
            symbols: Rc::new(symbols),
            is_soft: false,
        }
    }

    fn soft(&self) -> Self {
        Self {
            is_soft: true,
            ..self.clone()
        }
    }
}

#[derive(Default)]
struct Compiler {
    slots: Slots,
    /// Functions from the outermost to the current one.
    functions: Vec<u32>,
    /// Loops open in each of them.
    loops: Vec<u32>,
    literals: Vec<String>,
    variables: Vec<String>,
    has_generation: bool,
}

impl Compiler {
    fn enter_function(&mut self) -> u32 {
        let function = self.slots.function();
        self.functions.push(function);
        self.loops.push(0);
        function
    }

    fn leave_function(&mut self) {
        self.functions.pop();
        self.loops.pop();
    }

    fn current(&self) -> u32 {
        self.functions.last().copied().unwrap_or_default()
    }

    fn inner(&mut self, open: &OpenScope) -> Symbols {
        let function = self.current();
        Symbols::new(Some(open.symbols.clone()), function, &mut self.slots)
    }

    fn slot(&self, place: Variable) -> Slot {
        let at = self.functions.iter().position(|f| *f == place.function);
        Slot {
            depth: (self.functions.len() - 1 - at.unwrap_or_default()) as u32,
            index: place.slot,
        }
    }

    fn variable(&self, name: &str, open: &OpenScope) -> Compiled<Slot> {
        open.symbols
            .find(name)
            .map(|place| self.slot(place))
            .ok_or_else(|| Error::syntax(format!("the name '{name}' was not resolved"), 1))
    }

    fn loads(&mut self, symbols: &Symbols) -> Box<[Load]> {
        let mut loads = Vec::new();
        for (place, first) in &symbols.loads {
            match first {
                FirstValue::Parameter => {}
                FirstValue::Resolve(name) => {
                    self.variables.push(name.clone());
                    loads.push(Load::Resolve(place.slot, name.as_str().into()));
                }
                FirstValue::Alias(outer) => loads.push(Load::Alias(place.slot, self.slot(*outer))),
                FirstValue::Undefined => loads.push(Load::Clear(place.slot)),
            }
        }
        loads.into()
    }

    fn scope(&mut self, body: &[Statement], open: &OpenScope) -> Compiled<Scope> {
        let body = self.body(body, open)?;
        let loads = self.loads(&open.symbols);
        Ok(Scope { loads, body })
    }

    /// A scope in the current function around `body`.
    fn inner_scope(
        &mut self,
        body: &[Statement],
        open: &OpenScope,
    ) -> Compiled<(Scope, OpenScope)> {
        let mut symbols = self.inner(open);
        symbols.visit_body(body, &mut self.slots);
        let inner = OpenScope::new(symbols);
        Ok((self.scope(body, &inner)?, inner))
    }

    fn body(&mut self, body: &[Statement], open: &OpenScope) -> Compiled<Box<[Step]>> {
        let mut steps = Vec::new();
        for statement in body {
            self.statement(statement, open, &mut steps)?;
        }
        Ok(steps.into())
    }

    fn statement(
        &mut self,
        statement: &Statement,
        open: &OpenScope,
        steps: &mut Vec<Step>,
    ) -> Compiled<()> {
        let line = statement.line;
        let kind = match &statement.kind {
            StatementKind::Output(items) => return self.output(items, open, steps),
            StatementKind::For(inner) => StepKind::For(Box::new(self.for_loop(inner, open, line)?)),
            StatementKind::If(branches, otherwise) => self.if_chain(branches, otherwise, open)?,
            StatementKind::Macro(name, signature, body) => {
                let function = self.function(name, signature, body, open, line)?;
                StepKind::Macro(self.variable(name, open)?, Box::new(function))
            }
            StatementKind::CallBlock(signature, call, body) => {
                let function = self.function("", signature, body, open, line)?;
                let Expr::Call(callee, args) = call else {
                    return Err(Error::syntax("expected call", line));
                };
                let call = (self.expr(callee, open)?, self.args(args, open)?);
                StepKind::CallBlock(Box::new(call), Box::new(function))
            }
            StatementKind::FilterBlock(filter, body) => self.filter_block(filter, body, open)?,
            StatementKind::Set(target, value) => {
                let value = self.expr(value, open)?;
                StepKind::Set(self.target(target, open)?, value)
            }
            StatementKind::SetBlock(target, filter, body) => {
                let (scope, inner) = self.inner_scope(body, open)?;
                let filter = match filter {
                    Some(filter) => Some(self.expr(filter, &inner)?),
                    None => None,
                };
                StepKind::SetBlock(self.target(target, open)?, filter, scope)
            }
            StatementKind::With(targets, body) => self.with(targets, body, open)?,
            StatementKind::Generation(body) => {
                self.has_generation = true;
                let signature = Signature::default();
                let function = self.function("", &signature, body, open, line)?;
                StepKind::Generation(Box::new(function))
            }
            StatementKind::Scope(body) => StepKind::Scope(self.inner_scope(body, open)?.0),
            StatementKind::Break | StatementKind::Continue => self.jump(statement)?,
        };
        steps.push(Step { line, kind });
        Ok(())
    }

    fn jump(&self, statement: &Statement) -> Compiled<StepKind> {
        let is_break = matches!(statement.kind, StatementKind::Break);
        if self.loops.last().is_none_or(|open| *open == 0) {
            let what = if is_break {
                "'break' outside loop"
            } else {
                "'continue' not properly in loop"
            };
            return Err(Error::syntax(what, statement.line));
        }
        Ok(if is_break {
            StepKind::Break
        } else {
            StepKind::Continue
        })
    }

    fn output(
        &mut self,
        items: &[(u32, Expr)],
        open: &OpenScope,
        steps: &mut Vec<Step>,
    ) -> Compiled<()> {
        for (line, item) in items {
            let line = *line;
            if let Expr::Data(text) | Expr::Str(text) = item {
                self.literals.push(text.clone());
                if let Some(Step {
                    kind: StepKind::Data(before),
                    ..
                }) = steps.last_mut()
                {
                    *before = format!("{before}{text}").into();
                    continue;
                }
                let kind = StepKind::Data(text.as_str().into());
                steps.push(Step { line, kind });
                continue;
            }
            let kind = StepKind::Print(self.expr(item, open)?);
            steps.push(Step { line, kind });
        }
        Ok(())
    }

    fn if_chain(
        &mut self,
        branches: &[(Expr, Vec<Statement>)],
        otherwise: &[Statement],
        open: &OpenScope,
    ) -> Compiled<StepKind> {
        let open = open.soft();
        let mut compiled = Vec::new();
        for (test, body) in branches {
            compiled.push((self.expr(test, &open)?, self.body(body, &open)?));
        }
        Ok(StepKind::If(compiled.into(), self.body(otherwise, &open)?))
    }

    fn filter_block(
        &mut self,
        filter: &Expr,
        body: &[Statement],
        open: &OpenScope,
    ) -> Compiled<StepKind> {
        let mut symbols = self.inner(open);
        symbols.visit_body(body, &mut self.slots);
        symbols.visit(filter, &mut self.slots);
        let inner = OpenScope::new(symbols);
        let filter = self.expr(filter, &inner)?;
        Ok(StepKind::FilterBlock(filter, self.scope(body, &inner)?))
    }

    fn with(
        &mut self,
        targets: &[(Expr, Expr)],
        body: &[Statement],
        open: &OpenScope,
    ) -> Compiled<StepKind> {
        let mut symbols = self.inner(open);
        for (target, _) in targets {
            symbols.visit_parameters(target, &mut self.slots);
        }
        symbols.visit_body(body, &mut self.slots);
        let inner = OpenScope::new(symbols);
        let mut compiled = Vec::new();
        for (target, value) in targets {
            compiled.push((self.target(target, &inner)?, self.expr(value, open)?));
        }
        let scope = self.scope(body, &inner)?;
        Ok(StepKind::With(compiled.into(), scope))
    }

    fn for_loop(&mut self, statement: &For, open: &OpenScope, line: u32) -> Compiled<ForLoop> {
        let iter = self.expr(&statement.iter, open)?;
        if binds(&statement.target, "loop") || sets(&statement.body, "loop") {
            let what = "Can't assign to special loop variable in for-loop target";
            return Err(Error::syntax(what, line));
        }
        let function = statement.recursive.then(|| self.enter_function());
        let mut symbols = self.inner(open);
        let is_extended = statement.recursive || reads(&statement.body, "loop");
        let loop_slot = is_extended.then(|| symbols.parameter("loop", &mut self.slots).slot);
        symbols.visit_parameters(&statement.target, &mut self.slots);
        symbols.visit_body(&statement.body, &mut self.slots);
        let inner = OpenScope::new(symbols);
        let test = self.loop_test(statement, open)?;
        let target = self.target(&statement.target, &inner)?;
        if let Some(open) = self.loops.last_mut() {
            *open += 1;
        }
        let body = self.scope(&statement.body, &inner)?;
        if let Some(open) = self.loops.last_mut() {
            *open -= 1;
        }
        let otherwise = if statement.otherwise.is_empty() {
            None
        } else {
            Some(self.inner_scope(&statement.otherwise, open)?.0)
        };
        if function.is_some() {
            self.leave_function();
        }
        Ok(ForLoop {
            iter,
            target,
            test,
            loop_slot,
            body,
            otherwise,
            recursive: function.map(|function| self.slots.used[function as usize]),
        })
    }

    fn loop_test(&mut self, statement: &For, open: &OpenScope) -> Compiled<Option<LoopTest>> {
        let Some(test) = &statement.test else {
            return Ok(None);
        };
        let mut symbols = self.inner(open);
        symbols.visit_parameters(&statement.target, &mut self.slots);
        symbols.visit(test, &mut self.slots);
        let inner = OpenScope::new(symbols);
        let target = self.target(&statement.target, &inner)?;
        let test = self.expr(test, &inner)?;
        Ok(Some((self.loads(&inner.symbols), target, test)))
    }

    fn function(
        &mut self,
        name: &str,
        signature: &Signature,
        body: &[Statement],
        open: &OpenScope,
        line: u32,
    ) -> Compiled<MacroFunction> {
        let function = self.enter_function();
        let mut symbols = self.inner(open);
        let mut slots = Vec::new();
        for parameter in &signature.names {
            slots.push(symbols.parameter(parameter, &mut self.slots).slot);
        }
        for default in &signature.defaults {
            symbols.visit(default, &mut self.slots);
        }
        let named = |special: &str| signature.names.iter().any(|name| name == special);
        let explicit_caller = named("caller");
        let mut special = |special: &str, explicit: bool| {
            (!explicit && reads(body, special))
                .then(|| symbols.parameter(special, &mut self.slots).slot)
        };
        let caller = special("caller", explicit_caller);
        let kwargs = special("kwargs", named("kwargs"));
        let varargs = special("varargs", named("varargs"));
        symbols.visit_body(body, &mut self.slots);
        let inner = OpenScope::new(symbols);
        let parameters = self.parameters(signature, &slots, &inner, line)?;
        let scope = self.scope(body, &inner)?;
        self.leave_function();
        Ok(MacroFunction {
            name: name.into(),
            slots: self.slots.used[function as usize],
            parameters,
            caller,
            explicit_caller,
            kwargs,
            varargs,
            scope,
        })
    }

    fn parameters(
        &mut self,
        signature: &Signature,
        slots: &[u32],
        open: &OpenScope,
        line: u32,
    ) -> Compiled<Box<[Parameter]>> {
        let required = signature.names.len() - signature.defaults.len();
        let mut parameters = Vec::new();
        for (index, name) in signature.names.iter().enumerate() {
            let default = match index.checked_sub(required) {
                Some(at) => Some(self.expr(&signature.defaults[at], open)?),
                None if name == "caller" => {
                    let what = "When defining macros or call blocks the special \"caller\" \
                                argument must be omitted or be given a default.";
                    return Err(Error::syntax(what, line));
                }
                None => None,
            };
            parameters.push((name.as_str().into(), slots[index], default));
        }
        Ok(parameters.into())
    }

    fn target(&mut self, target: &Expr, open: &OpenScope) -> Compiled<Target> {
        Ok(match target {
            Expr::Name(name) => Target::Variable(self.variable(name, open)?),
            Expr::NamespaceItem(name, attribute) => {
                Target::NamespaceItem(self.variable(name, open)?, attribute.as_str().into())
            }
            Expr::Tuple(items) => {
                let items: Compiled<Vec<_>> =
                    items.iter().map(|item| self.target(item, open)).collect();
                Target::Tuple(items?.into())
            }
            _ => return Err(Error::syntax("can't assign to this expression", 1)),
        })
    }
}

fn binds(target: &Expr, name: &str) -> bool {
    match target {
        Expr::Name(bound) => bound == name,
        Expr::Tuple(items) => items.iter().any(|item| binds(item, name)),
        _ => false,
    }
}

/// Whether statements, at any depth, set `name`.
fn sets(body: &[Statement], name: &str) -> bool {
    body.iter().any(|statement| match &statement.kind {
        StatementKind::Set(target, _) => binds(target, name),
        StatementKind::SetBlock(target, _, body) => binds(target, name) || sets(body, name),
        StatementKind::For(inner) => {
            binds(&inner.target, name) || sets(&inner.body, name) || sets(&inner.otherwise, name)
        }
        StatementKind::If(branches, otherwise) => {
            branches.iter().any(|(_, body)| sets(body, name)) || sets(otherwise, name)
        }
        StatementKind::Macro(_, _, body)
        | StatementKind::CallBlock(_, _, body)
        | StatementKind::FilterBlock(_, body)
        | StatementKind::With(_, body)
        | StatementKind::Generation(body)
        | StatementKind::Scope(body) => sets(body, name),
        _ => false,
    })
}
