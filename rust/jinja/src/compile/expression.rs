//! Expressions of the syntax tree → nodes of the program.

use super::{Compiled, Compiler, Frame};
use crate::builtins::filters::Filter;
use crate::builtins::methods::Method;
use crate::builtins::predicates::Test;
use crate::compile::program::{CallArgs, Node};
use crate::error::Error;
use crate::syntax::ast::{Args, Comparison, Expr};

impl Compiler {
    fn nodes(&mut self, items: &[Expr], frame: &Frame) -> Compiled<Box<[Node]>> {
        items.iter().map(|item| self.expr(item, frame)).collect()
    }

    fn boxed(&mut self, item: &Expr, frame: &Frame) -> Compiled<Box<Node>> {
        Ok(Box::new(self.expr(item, frame)?))
    }

    fn pair(&mut self, left: &Expr, right: &Expr, frame: &Frame) -> Compiled<Box<(Node, Node)>> {
        Ok(Box::new((
            self.expr(left, frame)?,
            self.expr(right, frame)?,
        )))
    }

    pub(super) fn optional(
        &mut self,
        item: Option<&Expr>,
        frame: &Frame,
    ) -> Compiled<Option<Node>> {
        item.map(|item| self.expr(item, frame)).transpose()
    }

    pub(super) fn args(&mut self, args: &Args, frame: &Frame) -> Compiled<CallArgs> {
        let mut keyword: Vec<(Box<str>, Node)> = Vec::new();
        for (name, value) in &args.keyword {
            keyword.push((name.as_str().into(), self.expr(value, frame)?));
        }
        Ok(CallArgs {
            positional: self.nodes(&args.positional, frame)?,
            keyword: keyword.into(),
            star: self.optional(args.star.as_ref(), frame)?,
            star_star: self.optional(args.star_star.as_ref(), frame)?,
        })
    }

    pub(super) fn expr(&mut self, expr: &Expr, frame: &Frame) -> Compiled<Node> {
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
                Node::Variable(self.variable(name, frame)?, name.as_str().into())
            }
            Expr::List(items) => Node::List(self.nodes(items, frame)?),
            Expr::Tuple(items) => Node::Tuple(self.nodes(items, frame)?),
            Expr::Dict(items) => {
                let mut entries = Vec::new();
                for (key, value) in items {
                    entries.push((self.expr(key, frame)?, self.expr(value, frame)?));
                }
                Node::Dict(entries.into())
            }
            Expr::Negative(value) => Node::Negative(self.boxed(value, frame)?),
            Expr::Positive(value) => Node::Positive(self.boxed(value, frame)?),
            Expr::Not(value) => Node::Not(self.boxed(value, frame)?),
            Expr::And(left, right) => Node::And(self.pair(left, right, frame)?),
            Expr::Or(left, right) => Node::Or(self.pair(left, right, frame)?),
            Expr::Binary(operator, left, right) => {
                Node::Binary(*operator, self.pair(left, right, frame)?)
            }
            Expr::Compare(first, rest) => self.comparison(first, rest, frame)?,
            Expr::Concat(items) => Node::Concat(self.nodes(items, frame)?),
            Expr::Conditional(both, otherwise, line) => {
                let frame = frame.soft();
                let [test, value] = &**both;
                let parts = (
                    self.expr(test, &frame)?,
                    self.expr(value, &frame)?,
                    self.optional(otherwise.as_deref(), &frame)?,
                );
                Node::Conditional(Box::new(parts), *line)
            }
            Expr::Attribute(value, name) => {
                Node::Attribute(self.boxed(value, frame)?, name.as_str().into())
            }
            Expr::Item(value, item) => self.item(value, item, frame)?,
            Expr::Call(callee, args) => self.call(callee, args, frame)?,
            Expr::Filter(input, name, args, line) => {
                let input = self.optional(input.as_deref(), frame)?.map(Box::new);
                let filter = Filter::by_name(name).ok_or_else(|| name.as_str().into());
                if filter.is_err() && !frame.is_soft {
                    let what = format!("No filter named '{name}'.");
                    return Err(Error::syntax(what, *line));
                }
                Node::Filter(input, filter, Box::new(self.args(args, frame)?))
            }
            Expr::Test(input, name, args, line) => {
                let input = self.boxed(input, frame)?;
                let test = Test::by_name(name).ok_or_else(|| name.as_str().into());
                if test.is_err() && !frame.is_soft {
                    return Err(Error::syntax(format!("No test named '{name}'."), *line));
                }
                Node::Test(input, test, Box::new(self.args(args, frame)?))
            }
        })
    }

    fn comparison(
        &mut self,
        first: &Expr,
        rest: &[(Comparison, Expr)],
        frame: &Frame,
    ) -> Compiled<Node> {
        let first = self.boxed(first, frame)?;
        let mut compiled = Vec::new();
        for (operator, item) in rest {
            compiled.push((*operator, self.expr(item, frame)?));
        }
        Ok(Node::Compare(first, compiled.into()))
    }

    fn item(&mut self, value: &Expr, item: &Expr, frame: &Frame) -> Compiled<Node> {
        let Expr::Slice(parts) = item else {
            return Ok(Node::Item(self.pair(value, item, frame)?));
        };
        let [start, stop, step] = &**parts;
        let parts = [
            self.optional(start.as_ref(), frame)?,
            self.optional(stop.as_ref(), frame)?,
            self.optional(step.as_ref(), frame)?,
        ];
        Ok(Node::Slice(self.boxed(value, frame)?, Box::new(parts)))
    }

    fn call(&mut self, callee: &Expr, args: &Args, frame: &Frame) -> Compiled<Node> {
        if let Expr::Attribute(receiver, name) = callee
            && let Some(method) = Method::by_name(name)
        {
            let call = Box::new((self.expr(receiver, frame)?, self.args(args, frame)?));
            return Ok(Node::MethodCall(call, method, name.as_str().into()));
        }
        let call = (self.expr(callee, frame)?, self.args(args, frame)?);
        Ok(Node::Call(Box::new(call)))
    }
}
