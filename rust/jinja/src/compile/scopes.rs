//! Which scope a name belongs to, by the rules of jinja2's `idtracking`.
//!
//! The rules are odd and templates depend on them: a name set inside a loop is gone after it, a
//! name set inside `if` is not, and a name that is read before it is set in the same scope is the
//! outer one until then.

use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::syntax::ast::{Args, Expr, For, Statement, StatementKind};

/// A variable: the function it lives in, and its slot there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Variable {
    pub(crate) function: u32,
    pub(crate) slot: u32,
}

/// How a variable gets its first value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FirstValue {
    Parameter,
    Resolve(String),
    Alias(Variable),
    Undefined,
}

/// Hands out slots.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    /// Slots used by each function.
    pub(crate) used: Vec<u32>,
    scopes: u32,
    known: FxHashMap<(u32, u32, String), Variable>,
}

impl Slots {
    /// A new function.
    pub(crate) fn function(&mut self) -> u32 {
        self.used.push(0);
        self.used.len() as u32 - 1
    }

    fn place(&mut self, function: u32, scope: u32, name: &str) -> Variable {
        let used = &mut self.used[function as usize];
        *self
            .known
            .entry((function, scope, name.to_owned()))
            .or_insert_with(|| {
                *used += 1;
                Variable {
                    function,
                    slot: *used - 1,
                }
            })
    }
}

/// The names of one scope.
#[derive(Clone, Debug)]
pub(crate) struct Symbols {
    parent: Option<Rc<Self>>,
    pub(crate) function: u32,
    scope: u32,
    references: FxHashMap<String, Variable>,
    /// In the order of first use.
    pub(crate) loads: Vec<(Variable, FirstValue)>,
    stores: FxHashSet<String>,
}

impl Symbols {
    /// A scope inside `parent`.
    pub(crate) fn new(parent: Option<Rc<Self>>, function: u32, slots: &mut Slots) -> Self {
        slots.scopes += 1;
        Self {
            parent,
            function,
            scope: slots.scopes,
            references: FxHashMap::default(),
            loads: Vec::new(),
            stores: FxHashSet::default(),
        }
    }

    /// Where a name lives, if any scope from here outwards knows it.
    pub(crate) fn find(&self, name: &str) -> Option<Variable> {
        let mut scope = Some(self);
        while let Some(symbols) = scope {
            if let Some(place) = symbols.references.get(name) {
                return Some(*place);
            }
            scope = symbols.parent.as_deref();
        }
        None
    }

    fn set_load(&mut self, place: Variable, first: FirstValue) {
        match self.loads.iter_mut().find(|(known, _)| *known == place) {
            Some((_, known)) => *known = first,
            None => self.loads.push((place, first)),
        }
    }

    fn define(&mut self, name: &str, first: FirstValue, slots: &mut Slots) -> Variable {
        let place = slots.place(self.function, self.scope, name);
        self.references.insert(name.to_owned(), place);
        self.set_load(place, first);
        place
    }

    pub(crate) fn store(&mut self, name: &str, slots: &mut Slots) {
        self.stores.insert(name.to_owned());
        if self.references.contains_key(name) {
            return;
        }
        let outer = self.parent.as_ref().and_then(|parent| parent.find(name));
        let first = outer.map_or(FirstValue::Undefined, FirstValue::Alias);
        self.define(name, first, slots);
    }

    pub(crate) fn parameter(&mut self, name: &str, slots: &mut Slots) -> Variable {
        self.stores.insert(name.to_owned());
        self.define(name, FirstValue::Parameter, slots)
    }

    fn load(&mut self, name: &str, slots: &mut Slots) {
        if self.find(name).is_none() {
            self.define(name, FirstValue::Resolve(name.to_owned()), slots);
        }
    }

    /// Takes over what the branches of an `if` know.
    fn merge_branches(&mut self, branches: Vec<Self>) {
        let mut stores: Vec<String> = Vec::new();
        for branch in &branches {
            for name in &branch.stores {
                if !self.stores.contains(name) && !stores.contains(name) {
                    stores.push(name.clone());
                }
            }
        }
        for branch in branches {
            self.references.extend(branch.references);
            for (place, first) in branch.loads {
                self.set_load(place, first);
            }
            self.stores.extend(branch.stores);
        }
        for name in stores {
            let Some(target) = self.find(&name) else {
                continue;
            };
            let outer = self.parent.as_ref().and_then(|parent| parent.find(&name));
            let first = outer.map_or(FirstValue::Resolve(name), FirstValue::Alias);
            self.set_load(target, first);
        }
    }

    /// Reads the statements of this scope; scopes inside it stay closed.
    pub(crate) fn visit_body(&mut self, body: &[Statement], slots: &mut Slots) {
        for statement in body {
            self.visit_statement(statement, slots);
        }
    }

    fn visit_statement(&mut self, statement: &Statement, slots: &mut Slots) {
        match &statement.kind {
            StatementKind::Output(items) => {
                for (_, item) in items {
                    self.visit(item, slots);
                }
            }
            StatementKind::If(branches, otherwise) => self.visit_if(branches, otherwise, slots),
            StatementKind::For(statement) => self.visit(&statement.iter, slots),
            StatementKind::Macro(name, ..) => self.store(name, slots),
            StatementKind::CallBlock(_, call, _) => self.visit(call, slots),
            StatementKind::FilterBlock(filter, _) => self.visit(filter, slots),
            StatementKind::With(targets, _) => {
                for (_, value) in targets {
                    self.visit(value, slots);
                }
            }
            StatementKind::Set(target, value) => {
                self.visit(value, slots);
                self.visit_target(target, slots);
            }
            StatementKind::SetBlock(target, ..) => self.visit_target(target, slots),
            StatementKind::Generation(_)
            | StatementKind::Scope(_)
            | StatementKind::Break
            | StatementKind::Continue => {}
        }
    }

    fn visit_if(
        &mut self,
        branches: &[(Expr, Vec<Statement>)],
        otherwise: &[Statement],
        slots: &mut Slots,
    ) {
        // jinja2 nests: the elif chain is read in a copy that has not seen the first body.
        let Some(((test, body), rest)) = branches.split_first() else {
            return;
        };
        self.visit(test, slots);
        let mut first = self.clone();
        first.visit_body(body, slots);
        let mut chain = self.clone();
        for (test, body) in rest {
            chain.visit(test, slots);
            let mut inner = chain.clone();
            inner.visit_body(body, slots);
            let (empty, none) = (chain.clone(), chain.clone());
            chain.merge_branches(vec![inner, empty, none]);
        }
        let mut last = self.clone();
        last.visit_body(otherwise, slots);
        self.merge_branches(vec![first, chain, last]);
    }

    /// Reads what is assigned to.
    pub(crate) fn visit_target(&mut self, target: &Expr, slots: &mut Slots) {
        match target {
            Expr::Name(name) => self.store(name, slots),
            Expr::NamespaceItem(name, _) => self.load(name, slots),
            Expr::Tuple(items) => items.iter().for_each(|item| self.visit_target(item, slots)),
            _ => {}
        }
    }

    /// Reads what a loop or `with` binds.
    pub(crate) fn visit_parameters(&mut self, target: &Expr, slots: &mut Slots) {
        match target {
            Expr::Name(name) => {
                self.parameter(name, slots);
            }
            Expr::Tuple(items) => {
                for item in items {
                    self.visit_parameters(item, slots);
                }
            }
            other => self.visit_target(other, slots),
        }
    }

    /// Reads an expression.
    pub(crate) fn visit(&mut self, expr: &Expr, slots: &mut Slots) {
        walk(expr, &mut |name| self.load(name, slots));
    }
}

/// Visits every name that an expression reads.
pub(crate) fn walk(expr: &Expr, visit: &mut impl FnMut(&str)) {
    match expr {
        Expr::Name(name) | Expr::NamespaceItem(name, _) => visit(name),
        Expr::List(items) | Expr::Tuple(items) | Expr::Concat(items) => {
            for item in items {
                walk(item, visit);
            }
        }
        Expr::Dict(items) => {
            for (key, value) in items {
                walk(key, visit);
                walk(value, visit);
            }
        }
        Expr::Negative(value)
        | Expr::Positive(value)
        | Expr::Not(value)
        | Expr::Attribute(value, _) => walk(value, visit),
        Expr::And(left, right)
        | Expr::Or(left, right)
        | Expr::Binary(_, left, right)
        | Expr::Item(left, right) => {
            walk(left, visit);
            walk(right, visit);
        }
        Expr::Compare(first, rest) => {
            walk(first, visit);
            for (_, item) in rest {
                walk(item, visit);
            }
        }
        Expr::Conditional(both, otherwise, _) => {
            for item in both.iter().chain(otherwise.as_deref()) {
                walk(item, visit);
            }
        }
        Expr::Slice(parts) => parts.iter().flatten().for_each(|part| walk(part, visit)),
        Expr::Call(callee, args) => {
            walk(callee, visit);
            walk_args(args, visit);
        }
        Expr::Filter(input, _, args, _) => {
            if let Some(input) = input {
                walk(input, visit);
            }
            walk_args(args, visit);
        }
        Expr::Test(input, _, args, _) => {
            walk(input, visit);
            walk_args(args, visit);
        }
        _ => {}
    }
}

fn walk_args(args: &Args, visit: &mut impl FnMut(&str)) {
    args.positional.iter().for_each(|arg| walk(arg, visit));
    args.keyword.iter().for_each(|(_, arg)| walk(arg, visit));
    args.star.iter().for_each(|arg| walk(arg, visit));
    args.star_star.iter().for_each(|arg| walk(arg, visit));
}

/// Whether statements read `name` before they set it, in the order of the source. Unlike the
/// scopes above this looks inside loops and macros.
pub(crate) fn reads(body: &[Statement], name: &str) -> bool {
    let mut finder = Finder {
        name,
        found: false,
        declared: false,
    };
    finder.body(body);
    finder.found
}

struct Finder<'n> {
    name: &'n str,
    found: bool,
    declared: bool,
}

impl Finder<'_> {
    fn expr(&mut self, expr: &Expr) {
        let (name, declared) = (self.name, self.declared);
        let mut found = false;
        walk(expr, &mut |seen| found |= seen == name);
        self.found |= found && !declared;
    }

    fn target(&mut self, target: &Expr) {
        match target {
            Expr::Name(name) => self.declared |= name == self.name,
            Expr::Tuple(items) => items.iter().for_each(|item| self.target(item)),
            _ => {}
        }
    }

    fn body(&mut self, body: &[Statement]) {
        for statement in body {
            self.statement(&statement.kind);
        }
    }

    fn signature(&mut self, signature: &crate::syntax::ast::Signature) {
        self.declared |= signature.names.iter().any(|name| name == self.name);
        signature.defaults.iter().for_each(|value| self.expr(value));
    }

    fn for_loop(&mut self, statement: &For) {
        self.target(&statement.target);
        self.expr(&statement.iter);
        self.body(&statement.body);
        self.body(&statement.otherwise);
        if let Some(test) = &statement.test {
            self.expr(test);
        }
    }

    fn statement(&mut self, kind: &StatementKind) {
        match kind {
            StatementKind::Output(items) => items.iter().for_each(|(_, item)| self.expr(item)),
            StatementKind::For(statement) => self.for_loop(statement),
            StatementKind::If(branches, otherwise) => {
                for (test, body) in branches {
                    self.expr(test);
                    self.body(body);
                }
                self.body(otherwise);
            }
            StatementKind::Macro(_, signature, body) => {
                self.signature(signature);
                self.body(body);
            }
            StatementKind::CallBlock(signature, call, body) => {
                self.expr(call);
                self.signature(signature);
                self.body(body);
            }
            StatementKind::FilterBlock(filter, body) => {
                self.body(body);
                self.expr(filter);
            }
            StatementKind::Set(target, value) => {
                self.target(target);
                self.expr(value);
            }
            StatementKind::SetBlock(target, filter, body) => {
                self.target(target);
                if let Some(filter) = filter {
                    self.expr(filter);
                }
                self.body(body);
            }
            StatementKind::With(targets, body) => {
                for (target, value) in targets {
                    self.target(target);
                    self.expr(value);
                }
                self.body(body);
            }
            StatementKind::Generation(body) | StatementKind::Scope(body) => self.body(body),
            StatementKind::Break | StatementKind::Continue => {}
        }
    }
}
