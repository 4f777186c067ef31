//! Evaluates expressions, and prints them.

use crate::builtins::methods::{Has, has, map_of};
use crate::compile::program::{CallArgs, Node};
use crate::error::{Error, Result};
use crate::run::arguments::Given;
use crate::run::interpret::Interpreter;
use crate::syntax::ast::BinaryOperator;
use crate::value::operators::{binary, compare, concat, signed};
use crate::value::origin::Origin;
use crate::value::repr::str_of;
use crate::value::text::Text;
use crate::value::{Absent, Frame, Val};

impl<'r> Interpreter<'r> {
    /// Writes `str(value)`.
    pub(crate) fn write_value(&mut self, value: Val<'r>) -> Result<()> {
        match value {
            Val::Str(str) => self.output.write(str.chars, str.origin, 0),
            Val::Rope(rope) => {
                let output = &mut self.output;
                let mut result = Ok(());
                rope.walk(&mut |text, context| {
                    if result.is_ok() {
                        result = output.write_text(text, context);
                    }
                });
                result
            }
            _ => self.output.write_text(str_of(value, self.arena), 0),
        }
    }

    /// Evaluates and writes, without joining what is written anyway.
    pub(crate) fn print(&mut self, node: &'r Node, frame: &'r Frame<'r>) -> Result<()> {
        match node {
            Node::Binary(BinaryOperator::Add, _) => self.print_sum(node, frame),
            Node::Concat(items) => {
                for item in items {
                    let value = self.eval(item, frame)?;
                    self.write_value(value)?;
                }
                Ok(())
            }
            Node::Conditional(parts, _) if parts.2.is_some() => {
                let (test, value, otherwise) = &**parts;
                match otherwise {
                    Some(otherwise) if !self.eval(test, frame)?.truth() => {
                        self.print(otherwise, frame)
                    }
                    _ => self.print(value, frame),
                }
            }
            _ => {
                let value = self.eval(node, frame)?;
                self.write_value(value)
            }
        }
    }

    /// Writes `a + b + …`: strings one after the other, anything else as its sum.
    ///
    /// `+` binds to the left, so the tree is deep where the expression is long: the operands are
    /// collected first and then written in order. Strings go straight to the output as long as
    /// only strings came; the first `Markup` or number makes a value again of what is written.
    fn print_sum(&mut self, node: &'r Node, frame: &'r Frame<'r>) -> Result<()> {
        // On the stack: longer sums are rare, and are evaluated like any other expression.
        let mut operands = [None; 24];
        let mut count = 0;
        let mut first = node;
        while let Node::Binary(BinaryOperator::Add, both) = first {
            if count == operands.len() {
                let value = self.eval(node, frame)?;
                return self.write_value(value);
            }
            operands[count] = Some(&both.1);
            count += 1;
            first = &both.0;
        }
        let mut sum = self.eval(first, frame)?;
        let mut is_written = false;
        let capture = self.output.begin();
        for operand in operands[..count].iter().rev().flatten() {
            let value = self.eval(operand, frame)?;
            if sum.is_str() && value.is_str() && !sum.is_safe() && !value.is_safe() {
                if !is_written {
                    self.write_value(sum)?;
                    is_written = true;
                }
                self.write_value(value)?;
                continue;
            }
            if is_written {
                let context = std::mem::take(&mut self.output.context);
                let so_far = self.output.end(&capture);
                self.output.context = context;
                let sum = self.add(so_far, value)?;
                return self.print_rest(sum, &operands, operand, frame);
            }
            sum = self.add(sum, value)?;
        }
        self.output.release(&capture);
        if is_written {
            return Ok(());
        }
        self.write_value(sum)
    }

    /// The slow end of [`Self::print_sum`]: `Markup` came late.
    fn print_rest(
        &mut self,
        mut sum: Val<'r>,
        operands: &[Option<&'r Node>],
        done: &'r Node,
        frame: &'r Frame<'r>,
    ) -> Result<()> {
        let is_done = |operand: &&'r Node| std::ptr::eq(*operand, done);
        let rest = operands
            .iter()
            .flatten()
            .take_while(|operand| !is_done(operand));
        let rest: Vec<&'r Node> = rest.copied().collect();
        for operand in rest.into_iter().rev() {
            let value = self.eval(operand, frame)?;
            sum = self.add(sum, value)?;
        }
        self.write_value(sum)
    }

    fn add(&self, left: Val<'r>, right: Val<'r>) -> Result<Val<'r>> {
        binary(
            BinaryOperator::Add,
            left,
            right,
            self.output.context,
            self.arena,
        )
    }

    /// The value of an expression.
    pub(crate) fn eval(&mut self, node: &'r Node, frame: &'r Frame<'r>) -> Result<Val<'r>> {
        Ok(match node {
            Node::Text(text) => Val::str(text, Origin::template(self.output.context)),
            Node::None => Val::None,
            Node::Bool(flag) => Val::Bool(*flag),
            Node::Int(number) => Val::Int(*number),
            Node::BigInt(digits) => Val::BigInt(digits),
            Node::Float(number) => Val::Float(*number),
            Node::Variable(slot, name) => match Self::slot(frame, *slot).get() {
                Val::Missing => Val::Undefined(name, Absent::Name),
                value => value,
            },
            Node::Attribute(value, name) => {
                let value = self.eval(value, frame)?;
                self.attribute(value, name)?
            }
            Node::Item(both) => {
                let value = self.eval(&both.0, frame)?;
                let key = self.eval(&both.1, frame)?;
                self.arena.spend(value.byte_len() / 64);
                self.item(value, key)?
            }
            Node::Compare(first, rest) => {
                let mut left = self.eval(first, frame)?;
                for (operator, node) in rest {
                    let right = self.eval(node, frame)?;
                    if !compare(*operator, left, right, self.arena)? {
                        return Ok(Val::Bool(false));
                    }
                    left = right;
                }
                Val::Bool(true)
            }
            Node::Not(value) => Val::Bool(!self.eval(value, frame)?.truth()),
            Node::And(both) => {
                let left = self.eval(&both.0, frame)?;
                if left.truth() {
                    self.eval(&both.1, frame)?
                } else {
                    left
                }
            }
            Node::Or(both) => {
                let left = self.eval(&both.0, frame)?;
                if left.truth() {
                    left
                } else {
                    self.eval(&both.1, frame)?
                }
            }
            Node::Test(value, test, args) => return self.test(value, test, args, frame),
            Node::MethodCall(call, method, name) => {
                return self.method_call(call, *method, name, frame);
            }
            Node::Binary(operator, both) => {
                let left = self.eval(&both.0, frame)?;
                let right = self.eval(&both.1, frame)?;
                {
                    self.arena.step_over(left.byte_len() + right.byte_len())?;
                    binary(*operator, left, right, self.output.context, self.arena)?
                }
            }
            Node::Conditional(parts, line) => return self.conditional(parts, *line, frame),
            Node::Filter(input, filter, args) => {
                let value = match input {
                    Some(input) => self.eval(input, frame)?,
                    None => Val::str("", Origin::TEMPLATE),
                };
                return self.filter(filter, value, args, frame);
            }
            Node::Call(call) => {
                let callee = self.eval(&call.0, frame)?;
                let given = self.args(&call.1, frame)?;
                return self.call(callee, given);
            }
            _ => return self.eval_rare(node, frame),
        })
    }

    fn test(
        &mut self,
        value: &'r Node,
        test: &Result<crate::builtins::predicates::Test, Box<str>>,
        args: &'r CallArgs,
        frame: &'r Frame<'r>,
    ) -> Result<Val<'r>> {
        let value = self.eval(value, frame)?;
        let given = self.args(args, frame)?;
        self.arena.spend(value.byte_len() / 64);
        match test {
            Ok(test) => Ok(Val::Bool(test.holds(value, given, self.arena)?)),
            Err(name) => Err(Error::raised(format!("No test named '{name}' found."))),
        }
    }

    fn method_call(
        &mut self,
        (receiver, args): &'r (Node, CallArgs),
        method: crate::builtins::methods::Method,
        name: &'r str,
        frame: &'r Frame<'r>,
    ) -> Result<Val<'r>> {
        let receiver = self.eval(receiver, frame)?;
        let is_stateful = matches!(receiver, Val::Loop(_) | Val::Cycler(_));
        if is_stateful || has(receiver, method) != Has::Yes {
            let callee = self.attribute(receiver, name)?;
            let given = self.args(args, frame)?;
            return self.call(callee, given);
        }
        let given = self.args(args, frame)?;
        self.arena.step_over(receiver.byte_len())?;
        crate::builtins::methods::call(receiver, method, given, self.arena)
    }

    fn eval_rare(&mut self, node: &'r Node, frame: &'r Frame<'r>) -> Result<Val<'r>> {
        Ok(match node {
            Node::List(items) => Val::List(self.eval_all(items, frame)?),
            Node::Tuple(items) => Val::Tuple(self.eval_all(items, frame)?),
            Node::Dict(items) => {
                let mut entries = Vec::with_capacity(items.len());
                for (key, value) in items {
                    entries.push((self.eval(key, frame)?, self.eval(value, frame)?));
                }
                map_of(&entries, self.arena)?
            }
            Node::Negative(value) => signed(self.eval(value, frame)?, true)?,
            Node::Positive(value) => signed(self.eval(value, frame)?, false)?,
            Node::Slice(value, bounds) => {
                let value = self.eval(value, frame)?;
                let mut given = [None; 3];
                for (slot, bound) in given.iter_mut().zip(bounds.iter()) {
                    if let Some(bound) = bound {
                        *slot = Some(self.eval(bound, frame)?);
                    }
                }
                self.arena.step_over(value.byte_len())?;
                crate::run::attribute::slice(value, given, self.arena)?
            }
            Node::Concat(items) => {
                let mut joined = Val::str("", Origin::TEMPLATE);
                for item in items {
                    let value = self.eval(item, frame)?;
                    // A long string that grows piece by piece is not copied for each piece.
                    let is_plain = value.is_str() && !value.is_safe();
                    let value = if is_plain {
                        value
                    } else {
                        let text = str_of(value, self.arena);
                        Text::val(
                            Text {
                                safe: false,
                                ..text
                            },
                            self.arena,
                        )
                    };
                    joined = concat(joined, value, self.output.context, self.arena)?;
                }
                joined
            }
            _ => Val::None,
        })
    }

    fn eval_all(&mut self, items: &'r [Node], frame: &'r Frame<'r>) -> Result<&'r [Val<'r>]> {
        let values = self.arena.alloc_slice_fill_copy(items.len(), Val::Missing);
        for (slot, item) in values.iter_mut().zip(items) {
            *slot = self.eval(item, frame)?;
        }
        Ok(values)
    }

    fn conditional(
        &mut self,
        (test, value, otherwise): &'r (Node, Node, Option<Node>),
        line: u32,
        frame: &'r Frame<'r>,
    ) -> Result<Val<'r>> {
        if self.eval(test, frame)?.truth() {
            return self.eval(value, frame);
        }
        if let Some(otherwise) = otherwise {
            self.eval(otherwise, frame)
        } else {
            let hint = format!(
                "the inline if-expression on line {line} evaluated to false and no else \
                 section was defined."
            );
            Ok(Val::Undefined(self.arena.alloc_str(&hint), Absent::Hint))
        }
    }

    fn filter(
        &mut self,
        filter: &'r Result<crate::builtins::filters::Filter, Box<str>>,
        value: Val<'r>,
        args: &'r CallArgs,
        frame: &'r Frame<'r>,
    ) -> Result<Val<'r>> {
        let given = self.args(args, frame)?;
        self.arena.step_over(value.byte_len())?;
        match filter {
            Ok(filter) => crate::builtins::filters::call(*filter, value, given, self),
            Err(name) => Err(Error::raised(format!("No filter named '{name}' found."))),
        }
    }

    /// Applies the filters of a filter block to its text.
    pub(crate) fn filter_text(
        &mut self,
        node: &'r Node,
        text: Val<'r>,
        frame: &'r Frame<'r>,
    ) -> Result<Val<'r>> {
        let Node::Filter(input, filter, args) = node else {
            return self.eval(node, frame);
        };
        let value = match input {
            Some(input) => self.filter_text(input, text, frame)?,
            None => text,
        };
        self.filter(filter, value, args, frame)
    }

    /// Evaluates arguments.
    pub(crate) fn args(&mut self, args: &'r CallArgs, frame: &'r Frame<'r>) -> Result<Given<'r>> {
        let mut given = Given::default();
        if !args.positional.is_empty() {
            given.positional = self.eval_all(&args.positional, frame)?;
        }
        if !args.keyword.is_empty() {
            let mut keyword = Vec::with_capacity(args.keyword.len());
            for (name, value) in &args.keyword {
                keyword.push((&**name, self.eval(value, frame)?));
            }
            given.keyword = self.arena.alloc_slice_copy(&keyword);
        }
        if let Some(star) = &args.star {
            let more = self.eval(star, frame)?;
            let mut all = given.positional.to_vec();
            all.extend_from_slice(crate::run::iterate::items(more, self.arena)?);
            given.positional = self.arena.alloc_slice_copy(&all);
        }
        if let Some(star) = &args.star_star {
            let more = self.eval(star, frame)?;
            let mut all = given.keyword.to_vec();
            self.add_named(more, &mut all)?;
            given.keyword = self.arena.alloc_slice_copy(&all);
        }
        Ok(given)
    }

    /// Adds the entries of the mapping after `**`.
    fn add_named(&self, more: Val<'r>, all: &mut Vec<(&'r str, Val<'r>)>) -> Result<()> {
        if !matches!(more, Val::Map(_) | Val::DataMap(..)) {
            let kind = more.type_name();
            return Err(Error::raised(format!(
                "argument after ** must be a mapping, not {kind}"
            )));
        }
        for (key, value) in crate::value::operators::pairs(more, self.arena) {
            let Some(key) = key.chars(self.arena) else {
                return Err(Error::raised("keywords must be strings"));
            };
            all.push((key, *value));
        }
        Ok(())
    }
}
