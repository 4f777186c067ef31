//! The expression half of the parser.

use crate::syntax::ast::{Args, BinaryOperator, Comparison, Expr};
use crate::syntax::lexer::Token;
use crate::syntax::parser::{Parsed, Parser, describe};

impl Parser {
    /// A full expression.
    pub(crate) fn expression(&mut self) -> Parsed<Expr> {
        self.deeper(Self::conditional)
    }

    fn conditional(&mut self) -> Parsed<Expr> {
        let mut line = self.line();
        let mut value = self.or()?;
        while self.skip_name("if") {
            self.link()?;
            let test = self.or()?;
            let otherwise = if self.skip_name("else") {
                Some(Box::new(self.expression()?))
            } else {
                None
            };
            value = Expr::Conditional(Box::new([test, value]), otherwise, line);
            line = self.line();
        }
        Ok(value)
    }

    fn or(&mut self) -> Parsed<Expr> {
        let mut left = self.and()?;
        while self.skip_name("or") {
            self.link()?;
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed<Expr> {
        let mut left = self.not()?;
        while self.skip_name("and") {
            self.link()?;
            left = Expr::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Parsed<Expr> {
        if self.skip_name("not") {
            return Ok(Expr::Not(Box::new(self.deeper(Self::not)?)));
        }
        self.compare()
    }

    fn compare(&mut self) -> Parsed<Expr> {
        let first = self.sum()?;
        let mut rest = Vec::new();
        while let Some(operator) = self.comparison() {
            rest.push((operator, self.sum()?));
        }
        Ok(if rest.is_empty() {
            first
        } else {
            Expr::Compare(Box::new(first), rest)
        })
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let (comparison, tokens) = match self.peek() {
            Token::Operator("==") => (Comparison::Eq, 1),
            Token::Operator("!=") => (Comparison::Ne, 1),
            Token::Operator("<") => (Comparison::Lt, 1),
            Token::Operator("<=") => (Comparison::Le, 1),
            Token::Operator(">") => (Comparison::Gt, 1),
            Token::Operator(">=") => (Comparison::Ge, 1),
            Token::Name(name) if name == "in" => (Comparison::In, 1),
            Token::Name(name) if name == "not" && is_in(self.peek_second()) => {
                (Comparison::NotIn, 2)
            }
            _ => return None,
        };
        for _ in 0..tokens {
            self.next();
        }
        Some(comparison)
    }

    fn sum(&mut self) -> Parsed<Expr> {
        let mut left = self.concat()?;
        loop {
            let operator = match self.peek() {
                Token::Operator("+") => BinaryOperator::Add,
                Token::Operator("-") => BinaryOperator::Sub,
                _ => return Ok(left),
            };
            self.next();
            self.link()?;
            left = Expr::Binary(operator, Box::new(left), Box::new(self.concat()?));
        }
    }

    fn concat(&mut self) -> Parsed<Expr> {
        let first = self.product()?;
        if !self.is_operator("~") {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.skip_operator("~") {
            items.push(self.product()?);
        }
        Ok(Expr::Concat(items))
    }

    fn product(&mut self) -> Parsed<Expr> {
        let mut left = self.power()?;
        loop {
            let operator = match self.peek() {
                Token::Operator("*") => BinaryOperator::Mul,
                Token::Operator("/") => BinaryOperator::Div,
                Token::Operator("//") => BinaryOperator::FloorDiv,
                Token::Operator("%") => BinaryOperator::Mod,
                _ => return Ok(left),
            };
            self.next();
            self.link()?;
            left = Expr::Binary(operator, Box::new(left), Box::new(self.power()?));
        }
    }

    fn power(&mut self) -> Parsed<Expr> {
        let mut left = self.unary(true)?;
        while self.skip_operator("**") {
            self.link()?;
            let right = self.unary(true)?;
            left = Expr::Binary(BinaryOperator::Pow, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self, with_filter: bool) -> Parsed<Expr> {
        let value = if self.skip_operator("-") {
            Expr::Negative(Box::new(self.deeper(|parser| parser.unary(false))?))
        } else if self.skip_operator("+") {
            Expr::Positive(Box::new(self.deeper(|parser| parser.unary(false))?))
        } else {
            self.primary(false)?
        };
        let value = self.postfix(value)?;
        if with_filter {
            self.filters(value)
        } else {
            Ok(value)
        }
    }

    /// A name or literal.
    pub(crate) fn primary(&mut self, with_namespace: bool) -> Parsed<Expr> {
        let line_token = self.peek().clone();
        match line_token {
            Token::Name(name) => {
                self.next();
                self.name(name, with_namespace)
            }
            Token::Str(mut text) => {
                self.next();
                while let Token::Str(more) = self.peek() {
                    text.push_str(more);
                    self.next();
                }
                Ok(Expr::Str(text))
            }
            Token::Int(number) => {
                self.next();
                Ok(Expr::Int(number))
            }
            Token::BigInt(digits) => {
                self.next();
                Ok(Expr::BigInt(digits))
            }
            Token::Float(number) => {
                self.next();
                Ok(Expr::Float(number))
            }
            Token::Operator("(") => {
                self.next();
                let value = self.tuple(true, &[], true)?;
                self.expect_operator(")")?;
                Ok(value)
            }
            Token::Operator("[") => self.list(),
            Token::Operator("{") => self.dict(),
            other => self.fail(format!("unexpected '{}'", describe(&other))),
        }
    }

    fn name(&mut self, name: String, with_namespace: bool) -> Parsed<Expr> {
        Ok(match name.as_str() {
            "true" | "True" => Expr::Bool(true),
            "false" | "False" => Expr::Bool(false),
            "none" | "None" => Expr::None,
            _ if with_namespace && self.skip_operator(".") => {
                Expr::NamespaceItem(name, self.expect_name()?)
            }
            _ => Expr::Name(name),
        })
    }

    fn is_tuple_end(&self, ends: &[&str]) -> bool {
        matches!(
            self.peek(),
            Token::VariableEnd | Token::BlockEnd | Token::Operator(")")
        ) || ends.iter().any(|end| self.is_name(end))
    }

    /// An expression, or several between commas. In parentheses it may be empty.
    pub(crate) fn tuple(
        &mut self,
        with_conditional: bool,
        ends: &[&str],
        in_parentheses: bool,
    ) -> Parsed<Expr> {
        self.tuple_of(ends, in_parentheses, |parser| {
            if with_conditional {
                parser.expression()
            } else {
                parser.deeper(Self::or)
            }
        })
    }

    /// Names and literals between commas: what is assigned to.
    pub(crate) fn simple_tuple(&mut self, ends: &[&str], with_namespace: bool) -> Parsed<Expr> {
        self.tuple_of(ends, false, |parser| {
            parser.deeper(|parser| parser.primary(with_namespace))
        })
    }

    fn tuple_of(
        &mut self,
        ends: &[&str],
        in_parentheses: bool,
        mut read: impl FnMut(&mut Self) -> Parsed<Expr>,
    ) -> Parsed<Expr> {
        let mut items = Vec::new();
        let mut is_tuple = false;
        loop {
            if !items.is_empty() {
                self.expect_operator(",")?;
            }
            if self.is_tuple_end(ends) {
                break;
            }
            items.push(read(self)?);
            if !self.is_operator(",") {
                break;
            }
            is_tuple = true;
        }
        match items.pop() {
            Some(only) if !is_tuple => Ok(only),
            Some(last) => {
                items.push(last);
                Ok(Expr::Tuple(items))
            }
            None if in_parentheses => Ok(Expr::Tuple(items)),
            None => {
                let found = describe(self.peek());
                self.fail(format!("Expected an expression, got '{found}'"))
            }
        }
    }

    fn list(&mut self) -> Parsed<Expr> {
        self.expect_operator("[")?;
        let mut items = Vec::new();
        while !self.is_operator("]") {
            if !items.is_empty() {
                self.expect_operator(",")?;
            }
            if self.is_operator("]") {
                break;
            }
            items.push(self.expression()?);
        }
        self.expect_operator("]")?;
        Ok(Expr::List(items))
    }

    fn dict(&mut self) -> Parsed<Expr> {
        self.expect_operator("{")?;
        let mut items = Vec::new();
        while !self.is_operator("}") {
            if !items.is_empty() {
                self.expect_operator(",")?;
            }
            if self.is_operator("}") {
                break;
            }
            let key = self.expression()?;
            self.expect_operator(":")?;
            items.push((key, self.expression()?));
        }
        self.expect_operator("}")?;
        Ok(Expr::Dict(items))
    }

    fn postfix(&mut self, mut value: Expr) -> Parsed<Expr> {
        loop {
            value = match self.peek() {
                Token::Operator(".") => self.attribute(value)?,
                Token::Operator("[") => self.subscript(value)?,
                Token::Operator("(") => Expr::Call(Box::new(value), Box::new(self.args()?)),
                _ => return Ok(value),
            };
            self.link()?;
        }
    }

    fn filters(&mut self, mut value: Expr) -> Parsed<Expr> {
        loop {
            value = match self.peek() {
                Token::Operator("|") => self.filter(Some(value), false)?,
                Token::Name(name) if name == "is" => self.test(value)?,
                Token::Operator("(") => Expr::Call(Box::new(value), Box::new(self.args()?)),
                _ => return Ok(value),
            };
            self.link()?;
        }
    }

    fn attribute(&mut self, value: Expr) -> Parsed<Expr> {
        self.next();
        match self.next() {
            Token::Name(name) => Ok(Expr::Attribute(Box::new(value), name)),
            Token::Int(index) => Ok(Expr::Item(Box::new(value), Box::new(Expr::Int(index)))),
            _ => self.fail("expected name or number"),
        }
    }

    fn subscript(&mut self, value: Expr) -> Parsed<Expr> {
        self.next();
        let mut items = Vec::new();
        while !self.is_operator("]") {
            if !items.is_empty() {
                self.expect_operator(",")?;
            }
            items.push(self.subscribed()?);
        }
        self.expect_operator("]")?;
        let item = match items.pop() {
            Some(only) if items.is_empty() => only,
            last => Expr::Tuple(items.into_iter().chain(last).collect()),
        };
        Ok(Expr::Item(Box::new(value), Box::new(item)))
    }

    fn subscribed(&mut self) -> Parsed<Expr> {
        let start = if self.is_operator(":") {
            None
        } else {
            let value = self.expression()?;
            if !self.is_operator(":") {
                return Ok(value);
            }
            Some(value)
        };
        self.expect_operator(":")?;
        let stop = self.slice_part()?;
        let step = if self.skip_operator(":") {
            self.slice_part()?
        } else {
            None
        };
        Ok(Expr::Slice(Box::new([start, stop, step])))
    }

    fn slice_part(&mut self) -> Parsed<Option<Expr>> {
        if matches!(self.peek(), Token::Operator(":" | "]" | ",")) {
            return Ok(None);
        }
        self.expression().map(Some)
    }

    fn args(&mut self) -> Parsed<Args> {
        self.expect_operator("(")?;
        let mut args = Args::default();
        let mut first = true;
        while !self.is_operator(")") {
            if !first {
                self.expect_operator(",")?;
                if self.is_operator(")") {
                    break;
                }
            }
            first = false;
            self.arg(&mut args)?;
        }
        self.expect_operator(")")?;
        Ok(args)
    }

    fn arg(&mut self, args: &mut Args) -> Parsed<()> {
        let is_valid;
        if self.skip_operator("*") {
            is_valid = args.star.is_none() && args.star_star.is_none();
            args.star = Some(self.expression()?);
        } else if self.skip_operator("**") {
            is_valid = args.star_star.is_none();
            args.star_star = Some(self.expression()?);
        } else if let (Token::Name(name), Token::Operator("=")) = (self.peek(), self.peek_second())
        {
            let name = name.clone();
            is_valid = args.star_star.is_none();
            self.next();
            self.next();
            args.keyword.push((name, self.expression()?));
        } else {
            is_valid = args.star.is_none() && args.star_star.is_none() && args.keyword.is_empty();
            args.positional.push(self.expression()?);
        }
        if is_valid {
            Ok(())
        } else {
            self.fail("invalid syntax for function call expression")
        }
    }

    fn dotted_name(&mut self) -> Parsed<String> {
        let mut name = self.expect_name()?;
        while self.skip_operator(".") {
            name = format!("{name}.{}", self.expect_name()?);
        }
        Ok(name)
    }

    /// Filters after a value; `inline` if the first one has no `|`.
    pub(crate) fn filter(&mut self, value: Option<Expr>, inline: bool) -> Parsed<Expr> {
        let mut value = value;
        let mut inline = inline;
        while inline || self.skip_operator("|") {
            inline = false;
            self.link()?;
            let line = self.line();
            let name = self.dotted_name()?;
            let args = if self.is_operator("(") {
                self.args()?
            } else {
                Args::default()
            };
            value = Some(Expr::Filter(
                value.map(Box::new),
                name,
                Box::new(args),
                line,
            ));
        }
        match value {
            Some(value) => Ok(value),
            None => self.fail("expected a filter"),
        }
    }

    fn test(&mut self, value: Expr) -> Parsed<Expr> {
        self.next();
        let line = self.line();
        let is_negated = self.skip_name("not");
        let name = self.dotted_name()?;
        let args = if self.is_operator("(") {
            self.args()?
        } else if self.starts_test_argument() {
            if self.is_name("is") {
                return self.fail("You cannot chain multiple tests with is");
            }
            let value = self.primary(false)?;
            Args {
                positional: vec![self.postfix(value)?],
                ..Args::default()
            }
        } else {
            Args::default()
        };
        let test = Expr::Test(Box::new(value), name, Box::new(args), line);
        Ok(if is_negated {
            Expr::Not(Box::new(test))
        } else {
            test
        })
    }

    fn starts_test_argument(&self) -> bool {
        match self.peek() {
            Token::Name(name) => !matches!(name.as_str(), "else" | "or" | "and"),
            Token::Str(_) | Token::Int(_) | Token::BigInt(_) | Token::Float(_) => true,
            Token::Operator(operator) => matches!(*operator, "[" | "{"),
            _ => false,
        }
    }
}

fn is_in(token: &Token) -> bool {
    matches!(token, Token::Name(name) if name == "in")
}
