//! Expressions of the syntax tree → nodes of the program.

use super::{Compiled, Compiler, OpenScope};
use crate::builtins::filters::Filter;
use crate::builtins::methods::Method;
use crate::builtins::predicates::Test;
use crate::compile::program::{CallArgs, Node};
use crate::error::Error;
use crate::syntax::ast::{Args, Comparison, Expr};

impl Compiler {
    fn nodes(&mut self, items: &[Expr], open: &OpenScope) -> Compiled<Box<[Node]>> {
        items.iter().map(|item| self.expr(item, open)).collect()
    }

    fn boxed(&mut self, item: &Expr, open: &OpenScope) -> Compiled<Box<Node>> {
        Ok(Box::new(self.expr(item, open)?))
    }

    fn pair(&mut self, left: &Expr, right: &Expr, open: &OpenScope) -> Compiled<Box<(Node, Node)>> {
        Ok(Box::new((self.expr(left, open)?, self.expr(right, open)?)))
    }

    pub(super) fn optional(
        &mut self,
        item: Option<&Expr>,
        open: &OpenScope,
    ) -> Compiled<Option<Node>> {
        item.map(|item| self.expr(item, open)).transpose()
    }

    pub(super) fn args(&mut self, args: &Args, open: &OpenScope) -> Compiled<CallArgs> {
        let mut keyword: Vec<(Box<str>, Node)> = Vec::new();
        for (name, value) in &args.keyword {
            keyword.push((name.as_str().into(), self.expr(value, open)?));
        }
        Ok(CallArgs {
            positional: self.nodes(&args.positional, open)?,
            keyword: keyword.into(),
            star: self.optional(args.star.as_ref(), open)?,
            star_star: self.optional(args.star_star.as_ref(), open)?,
        })
    }

    pub(super) fn expr(&mut self, expr: &Expr, open: &OpenScope) -> Compiled<Node> {
        Ok(match expr {
            Expr::Data(text) | Expr::Str(text) => {
                self.literals.push(text.clone());
                Node::Text(text.as_str().into())
            }
            Expr::None | Expr::Slice(_) => Node::None,
            Expr::Bool(flag) => Node::Bool(*flag),
            Expr::Int(number) => Node::Int(*number),
            Expr::BigInt(digits) => Node::BigInt(digits.as_str().into()),
            Expr::Float(number) => Node::Float(*number),
            Expr::Name(name) | Expr::NamespaceItem(name, _) => {
                Node::Variable(self.variable(name, open)?, name.as_str().into())
            }
            Expr::List(items) => Node::List(self.nodes(items, open)?),
            Expr::Tuple(items) => Node::Tuple(self.nodes(items, open)?),
            Expr::Dict(items) => {
                let mut entries = Vec::new();
                for (key, value) in items {
                    entries.push((self.expr(key, open)?, self.expr(value, open)?));
                }
                Node::Dict(entries.into())
            }
            Expr::Negative(value) => Node::Negative(self.boxed(value, open)?),
            Expr::Positive(value) => Node::Positive(self.boxed(value, open)?),
            Expr::Not(value) => Node::Not(self.boxed(value, open)?),
            Expr::And(left, right) => Node::And(self.pair(left, right, open)?),
            Expr::Or(left, right) => Node::Or(self.pair(left, right, open)?),
            Expr::Binary(operator, left, right) => {
                Node::Binary(*operator, self.pair(left, right, open)?)
            }
            Expr::Compare(first, rest) => self.comparison(first, rest, open)?,
            Expr::Concat(items) => Node::Concat(self.nodes(items, open)?),
            Expr::Conditional(both, otherwise, line) => {
                let open = open.soft();
                let [test, value] = &**both;
                let parts = (
                    self.expr(test, &open)?,
                    self.expr(value, &open)?,
                    self.optional(otherwise.as_deref(), &open)?,
                );
                Node::Conditional(Box::new(parts), *line)
            }
            Expr::Attribute(value, name) => {
                Node::Attribute(self.boxed(value, open)?, name.as_str().into())
            }
            Expr::Item(value, item) => self.item(value, item, open)?,
            Expr::Call(callee, args) => self.call(callee, args, open)?,
            Expr::Filter(input, name, args, line) => {
                let input = self.optional(input.as_deref(), open)?.map(Box::new);
                let filter = Filter::by_name(name).ok_or_else(|| name.as_str().into());
                if filter.is_err() && !open.is_soft {
                    let what = format!("No filter named '{name}'.");
                    return Err(Error::syntax(what, *line));
                }
                Node::Filter(input, filter, Box::new(self.args(args, open)?))
            }
            Expr::Test(input, name, args, line) => {
                let input = self.boxed(input, open)?;
                let test = Test::by_name(name).ok_or_else(|| name.as_str().into());
                if test.is_err() && !open.is_soft {
                    return Err(Error::syntax(format!("No test named '{name}'."), *line));
                }
                Node::Test(input, test, Box::new(self.args(args, open)?))
            }
        })
    }

    fn comparison(
        &mut self,
        first: &Expr,
        rest: &[(Comparison, Expr)],
        open: &OpenScope,
    ) -> Compiled<Node> {
        let first = self.boxed(first, open)?;
        let mut compiled = Vec::new();
        for (operator, item) in rest {
            compiled.push((*operator, self.expr(item, open)?));
        }
        Ok(Node::Compare(first, compiled.into()))
    }

    fn item(&mut self, value: &Expr, item: &Expr, open: &OpenScope) -> Compiled<Node> {
        let Expr::Slice(parts) = item else {
            return Ok(Node::Item(self.pair(value, item, open)?));
        };
        let [start, stop, step] = &**parts;
        let parts = [
            self.optional(start.as_ref(), open)?,
            self.optional(stop.as_ref(), open)?,
            self.optional(step.as_ref(), open)?,
        ];
        Ok(Node::Slice(self.boxed(value, open)?, Box::new(parts)))
    }

    fn call(&mut self, callee: &Expr, args: &Args, open: &OpenScope) -> Compiled<Node> {
        if let Expr::Attribute(receiver, name) = callee
            && let Some(method) = Method::by_name(name)
        {
            let call = Box::new((self.expr(receiver, open)?, self.args(args, open)?));
            return Ok(Node::MethodCall(call, method, name.as_str().into()));
        }
        let call = (self.expr(callee, open)?, self.args(args, open)?);
        Ok(Node::Call(Box::new(call)))
    }
}
