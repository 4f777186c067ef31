//! Tokens → statements, by the rules of jinja2's parser.

use crate::error::{Error, Result};
use crate::syntax::ast::{Expr, For, Signature, Statement, StatementKind};
use crate::syntax::lexer::{Placed, Token, tokenize};

/// `Result` of parsing.
pub(crate) type Parsed<T> = Result<T>;

/// Maximum depth of statements and expressions inside each other.
const MAX_DEPTH: u32 = 150;

/// Operators, filters and attributes in a row; jinja2 refuses longer rows too, at Python's limit of
/// recursion.
const MAX_LINKS: u32 = 300;

/// Parses a template.
pub(crate) fn parse(source: &str) -> Parsed<Vec<Statement>> {
    let mut parser = Parser {
        tokens: tokenize(source)?,
        position: 0,
        depth: 0,
        links: 0,
    };
    parser.statements(&[])
}

/// A reader of tokens.
pub(crate) struct Parser {
    tokens: Vec<Placed>,
    position: usize,
    depth: u32,
    /// Links of the expressions of the current tag.
    links: u32,
}

impl Parser {
    pub(crate) fn peek(&self) -> &Token {
        &self.tokens[self.position].token
    }

    pub(crate) fn peek_second(&self) -> &Token {
        &self.tokens[(self.position + 1).min(self.tokens.len() - 1)].token
    }

    pub(crate) fn line(&self) -> u32 {
        self.tokens[self.position].line
    }

    pub(crate) fn next(&mut self) -> Token {
        let token = self.tokens[self.position].token.clone();
        if self.position + 1 < self.tokens.len() {
            self.position += 1;
        }
        token
    }

    pub(crate) fn fail<T>(&self, what: impl Into<String>) -> Parsed<T> {
        Err(Error::syntax(what, self.line()))
    }

    pub(crate) fn is_operator(&self, operator: &str) -> bool {
        matches!(self.peek(), Token::Operator(found) if *found == operator)
    }

    pub(crate) fn is_name(&self, name: &str) -> bool {
        matches!(self.peek(), Token::Name(found) if found == name)
    }

    pub(crate) fn skip_operator(&mut self, operator: &str) -> bool {
        let found = self.is_operator(operator);
        if found {
            self.next();
        }
        found
    }

    pub(crate) fn skip_name(&mut self, name: &str) -> bool {
        let found = self.is_name(name);
        if found {
            self.next();
        }
        found
    }

    pub(crate) fn expect_operator(&mut self, operator: &str) -> Parsed<()> {
        if self.skip_operator(operator) {
            return Ok(());
        }
        let found = describe(self.peek());
        self.fail(format!("expected token '{operator}', got '{found}'"))
    }

    pub(crate) fn expect_name(&mut self) -> Parsed<String> {
        match self.next() {
            Token::Name(name) => Ok(name),
            other => self.fail(format!("expected token 'name', got '{}'", describe(&other))),
        }
    }

    fn expect_keyword(&mut self, keyword: &str) -> Parsed<()> {
        if self.skip_name(keyword) {
            return Ok(());
        }
        let found = describe(self.peek());
        self.fail(format!("expected token '{keyword}', got '{found}'"))
    }

    /// Runs `read` one level deeper.
    pub(crate) fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fail("the template is nested too deeply");
        }
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// Counts one more operator, filter or attribute: each makes the tree one level deeper.
    pub(crate) fn link(&mut self) -> Parsed<()> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return self.fail("the expression is too long");
        }
        Ok(())
    }

    /// Statements up to one of the tags in `ends`, whose name is the next token; up to the end of
    /// the template if there are none.
    fn statements(&mut self, ends: &[&str]) -> Parsed<Vec<Statement>> {
        let mut body = Vec::new();
        let mut output = Vec::new();
        loop {
            let line = self.line();
            match self.next() {
                Token::Data(text) => output.push((line, Expr::Data(text))),
                Token::VariableBegin => {
                    self.links = 0;
                    let line = self.line();
                    output.push((line, self.tuple(true, &[], false)?));
                    self.expect_end(&Token::VariableEnd, "end of print statement")?;
                }
                Token::BlockBegin => {
                    self.links = 0;
                    flush(&mut output, &mut body);
                    let at_end = ends.iter().any(|end| self.is_name(end));
                    if at_end {
                        return Ok(body);
                    }
                    body.push(self.deeper(Self::statement)?);
                    self.expect_end(&Token::BlockEnd, "end of statement block")?;
                }
                Token::End if ends.is_empty() => {
                    flush(&mut output, &mut body);
                    return Ok(body);
                }
                Token::End => {
                    let wanted = ends.join("' or '");
                    return self.fail(format!(
                        "Unexpected end of template. Jinja was looking for the following tags: '{wanted}'."
                    ));
                }
                _ => return self.fail("internal parsing error"),
            }
        }
    }

    fn expect_end(&mut self, end: &Token, name: &str) -> Parsed<()> {
        if self.peek() == end {
            self.next();
            return Ok(());
        }
        let found = describe(self.peek());
        self.fail(format!("expected token '{name}', got '{found}'"))
    }

    /// The body of a tag: what follows the tag up to one of `ends`, which is consumed.
    fn body(&mut self, ends: &[&str]) -> Parsed<(Vec<Statement>, String)> {
        self.skip_operator(":");
        self.expect_end(&Token::BlockEnd, "end of statement block")?;
        let body = self.statements(ends)?;
        let end = self.expect_name()?;
        Ok((body, end))
    }

    fn statement(&mut self) -> Parsed<Statement> {
        let line = self.line();
        let Token::Name(tag) = self.next() else {
            return self.fail("tag name expected");
        };
        let kind = match tag.as_str() {
            "for" => self.for_loop()?,
            "if" => self.if_chain()?,
            "set" => self.set()?,
            "with" => self.with()?,
            "macro" => self.macro_definition()?,
            "call" => self.call_block()?,
            "filter" => {
                let filter = self.filter(None, true)?;
                StatementKind::FilterBlock(filter, self.body(&["endfilter"])?.0)
            }
            "generation" => StatementKind::Generation(self.body(&["endgeneration"])?.0),
            "print" => self.print()?,
            "autoescape" => self.autoescape()?,
            "block" => self.block()?,
            "break" => StatementKind::Break,
            "continue" => StatementKind::Continue,
            "include" | "import" | "from" | "extends" => {
                return Err(Error::syntax(
                    format!("'{tag}': no loader for this environment specified"),
                    line,
                ));
            }
            _ => {
                return Err(Error::syntax(
                    format!("Encountered unknown tag '{tag}'."),
                    line,
                ));
            }
        };
        Ok(Statement { line, kind })
    }

    fn for_loop(&mut self) -> Parsed<StatementKind> {
        let target = self.target(&["in"], false)?;
        self.expect_keyword("in")?;
        let iter = self.tuple(false, &["recursive"], false)?;
        let test = if self.skip_name("if") {
            Some(self.expression()?)
        } else {
            None
        };
        let recursive = self.skip_name("recursive");
        let (body, end) = self.body(&["endfor", "else"])?;
        let otherwise = if end == "else" {
            self.body(&["endfor"])?.0
        } else {
            Vec::new()
        };
        Ok(StatementKind::For(Box::new(For {
            target,
            iter,
            test,
            recursive,
            body,
            otherwise,
        })))
    }

    fn if_chain(&mut self) -> Parsed<StatementKind> {
        let mut branches = Vec::new();
        let mut otherwise = Vec::new();
        loop {
            let test = self.tuple(false, &[], false)?;
            let (body, end) = self.body(&["elif", "else", "endif"])?;
            branches.push((test, body));
            match end.as_str() {
                "elif" => {}
                "else" => {
                    otherwise = self.body(&["endif"])?.0;
                    break;
                }
                _ => break,
            }
        }
        Ok(StatementKind::If(branches, otherwise))
    }

    fn set(&mut self) -> Parsed<StatementKind> {
        let target = self.target(&[], true)?;
        if self.skip_operator("=") {
            let value = self.tuple(true, &[], false)?;
            return Ok(StatementKind::Set(target, value));
        }
        let filter = if self.is_operator("|") {
            Some(self.filter(None, false)?)
        } else {
            None
        };
        let body = self.body(&["endset"])?.0;
        Ok(StatementKind::SetBlock(target, filter, body))
    }

    fn with(&mut self) -> Parsed<StatementKind> {
        let mut targets = Vec::new();
        while *self.peek() != Token::BlockEnd {
            if !targets.is_empty() {
                self.expect_operator(",")?;
            }
            let target = self.target(&[], false)?;
            self.expect_operator("=")?;
            targets.push((target, self.expression()?));
        }
        Ok(StatementKind::With(targets, self.body(&["endwith"])?.0))
    }

    fn signature(&mut self) -> Parsed<Signature> {
        let mut signature = Signature::default();
        self.expect_operator("(")?;
        while !self.is_operator(")") {
            if !signature.names.is_empty() {
                self.expect_operator(",")?;
            }
            signature.names.push(self.expect_name()?);
            if self.skip_operator("=") {
                signature.defaults.push(self.expression()?);
            } else if !signature.defaults.is_empty() {
                return self.fail("non-default argument follows default argument");
            }
        }
        self.expect_operator(")")?;
        Ok(signature)
    }

    fn macro_definition(&mut self) -> Parsed<StatementKind> {
        let name = self.expect_name()?;
        let signature = self.signature()?;
        let body = self.body(&["endmacro"])?.0;
        Ok(StatementKind::Macro(name, signature, body))
    }

    fn call_block(&mut self) -> Parsed<StatementKind> {
        let signature = if self.is_operator("(") {
            self.signature()?
        } else {
            Signature::default()
        };
        let call = self.expression()?;
        if !matches!(call, Expr::Call(..)) {
            return self.fail("expected call");
        }
        let body = self.body(&["endcall"])?.0;
        Ok(StatementKind::CallBlock(signature, call, body))
    }

    fn print(&mut self) -> Parsed<StatementKind> {
        let mut output = Vec::new();
        while *self.peek() != Token::BlockEnd {
            if !output.is_empty() {
                self.expect_operator(",")?;
            }
            output.push((self.line(), self.expression()?));
        }
        Ok(StatementKind::Output(output))
    }

    fn autoescape(&mut self) -> Parsed<StatementKind> {
        let flag = self.expression()?;
        if !matches!(flag, Expr::Bool(false)) {
            return self.fail("autoescape is not supported");
        }
        Ok(StatementKind::Scope(self.body(&["endautoescape"])?.0))
    }

    fn block(&mut self) -> Parsed<StatementKind> {
        let name = self.expect_name()?;
        self.skip_name("scoped");
        self.skip_name("required");
        let body = self.body(&["endblock"])?.0;
        self.skip_name(&name);
        Ok(StatementKind::Scope(body))
    }

    /// What is assigned to.
    fn target(&mut self, ends: &[&str], with_namespace: bool) -> Parsed<Expr> {
        let target = self.simple_tuple(ends, with_namespace)?;
        if can_assign(&target) {
            Ok(target)
        } else {
            self.fail("can't assign to this expression")
        }
    }
}

fn flush(output: &mut Vec<(u32, Expr)>, body: &mut Vec<Statement>) {
    if let Some((line, _)) = output.first() {
        body.push(Statement {
            line: *line,
            kind: StatementKind::Output(std::mem::take(output)),
        });
    }
}

fn can_assign(target: &Expr) -> bool {
    match target {
        Expr::Name(_) | Expr::NamespaceItem(..) => true,
        Expr::Tuple(items) => items.iter().all(can_assign),
        _ => false,
    }
}

/// What a message calls a token.
pub(crate) fn describe(token: &Token) -> String {
    match token {
        Token::Data(_) => "template data / text".to_owned(),
        Token::VariableBegin => "begin of print statement".to_owned(),
        Token::VariableEnd => "end of print statement".to_owned(),
        Token::BlockBegin => "begin of statement block".to_owned(),
        Token::BlockEnd => "end of statement block".to_owned(),
        Token::Name(name) => name.clone(),
        Token::Str(_) => "string".to_owned(),
        Token::Int(_) | Token::BigInt(_) => "integer".to_owned(),
        Token::Float(_) => "float".to_owned(),
        Token::Operator(operator) => (*operator).to_owned(),
        Token::End => "end of template".to_owned(),
    }
}
