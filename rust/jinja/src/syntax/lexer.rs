//! Template source → tokens, by the rules of jinja2's lexer with `trim_blocks` and
//! `lstrip_blocks`.

use crate::error::{Error, Result};
use crate::value::unicode::is_space;

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Data(String),
    VariableBegin,
    VariableEnd,
    BlockBegin,
    BlockEnd,
    Name(String),
    Str(String),
    Int(i64),
    BigInt(String),
    Float(f64),
    Operator(&'static str),
    End,
}

/// A token with its line, from 1.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) token: Token,
    pub(crate) line: u32,
}

/// Longest first.
const OPERATORS: [&str; 26] = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}",
    ">", "<", "=", ".", ":", "|", ",", ";",
];

/// Tokenizes a template; the list ends with [`Token::End`].
pub(crate) fn tokenize(source: &str) -> Result<Vec<Placed>> {
    let mut text = normalize_newlines(source);
    // jinja2 drops one newline at the end unless `keep_trailing_newline` is set.
    if text.ends_with('\n') {
        text.pop();
    }
    let mut lexer = Lexer {
        source: &text,
        position: 0,
        line: 1,
        line_starting: true,
        tokens: Vec::new(),
    };
    lexer.root()?;
    lexer.push(Token::End);
    Ok(lexer.tokens)
}

/// `\r\n` and `\r` become `\n`.
pub(crate) fn normalize_newlines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

struct Lexer<'s> {
    source: &'s str,
    position: usize,
    line: u32,
    line_starting: bool,
    tokens: Vec<Placed>,
}

impl<'s> Lexer<'s> {
    fn rest(&self) -> &'s str {
        &self.source[self.position..]
    }

    fn push(&mut self, token: Token) {
        let line = self.line;
        self.tokens.push(Placed { token, line });
    }

    fn fail<T>(&self, what: impl Into<String>) -> Result<T> {
        Err(Error::syntax(what, self.line))
    }

    /// Moves over `bytes`, counting lines.
    fn advance(&mut self, bytes: usize) {
        let passed = &self.source[self.position..self.position + bytes];
        self.line += passed.matches('\n').count() as u32;
        self.line_starting = passed.ends_with('\n');
        self.position += bytes;
    }

    fn root(&mut self) -> Result<()> {
        while self.position < self.source.len() {
            let Some((offset, kind)) = next_tag(self.rest()) else {
                let data = self.rest().to_owned();
                self.data(&data, data.len());
                break;
            };
            let sign = self.rest()[offset + 2..].chars().next();
            let sign = sign.filter(|c| matches!(c, '-' | '+'));
            let data = self.strip_before(offset, sign, kind);
            self.data(&data, offset);
            self.tag(kind, sign)?;
        }
        Ok(())
    }

    fn data(&mut self, data: &str, bytes: usize) {
        if !data.is_empty() {
            self.push(Token::Data(data.to_owned()));
        }
        self.advance(bytes);
    }

    /// The text before a tag, after whitespace control.
    fn strip_before(&self, offset: usize, sign: Option<char>, kind: u8) -> String {
        let text = &self.rest()[..offset];
        if sign == Some('-') {
            return text.trim_end_matches(is_space).to_owned();
        }
        if sign != Some('+') && kind != b'{' {
            // `lstrip_blocks`: blanks between the start of a line and a block or comment go. Text
            // that begins in the middle of a line, after another tag, is not at a line's start.
            let line_start = text.rfind('\n').map_or(0, |at| at + 1);
            let tail = &text[line_start..];
            let at_line_start = line_start > 0 || self.line_starting;
            if at_line_start && !tail.is_empty() && tail.chars().all(is_space) {
                return text[..line_start].to_owned();
            }
        }
        text.to_owned()
    }

    fn tag(&mut self, kind: u8, sign: Option<char>) -> Result<()> {
        if kind == b'%'
            && let Some(bytes) = raw_begin(self.rest())
        {
            self.advance(bytes);
            return self.raw();
        }
        self.advance(2 + usize::from(sign.is_some()));
        match kind {
            b'#' => self.comment(),
            b'%' => self.expression(Token::BlockBegin, Token::BlockEnd, block_end),
            _ => self.expression(Token::VariableBegin, Token::VariableEnd, variable_end),
        }
    }

    fn comment(&mut self) -> Result<()> {
        let Some(end) = self.rest().find("#}") else {
            return self.fail("Missing end of comment tag");
        };
        let body = &self.rest()[..end];
        let signed = body.ends_with('-') || body.ends_with('+');
        let start = end - usize::from(signed);
        let bytes = start + tag_end(&self.rest()[start..], "#}", true).unwrap_or(0);
        self.advance(bytes);
        Ok(())
    }

    fn raw(&mut self) -> Result<()> {
        let mut from = 0;
        while let Some(found) = self.rest()[from..].find("{%") {
            let start = from + found;
            let Some((sign, bytes)) = raw_end(&self.rest()[start..]) else {
                from = start + 1;
                continue;
            };
            let data = self.strip_before(start, sign, b'%');
            self.data(&data, start);
            self.advance(bytes);
            return Ok(());
        }
        self.fail("Missing end of raw directive")
    }

    fn expression(
        &mut self,
        begin: Token,
        end: Token,
        find_end: fn(&str) -> Option<usize>,
    ) -> Result<()> {
        self.push(begin);
        let mut open = Vec::new();
        loop {
            if open.is_empty()
                && let Some(bytes) = find_end(self.rest())
            {
                self.push(end);
                self.advance(bytes);
                return Ok(());
            }
            if self.rest().is_empty() {
                return Ok(());
            }
            self.token(&mut open)?;
        }
    }

    fn token(&mut self, open: &mut Vec<char>) -> Result<()> {
        let rest = self.rest();
        let spaces = rest.len() - rest.trim_start_matches(is_space).len();
        if spaces > 0 {
            self.advance(spaces);
            return Ok(());
        }
        if let Some((token, bytes)) = number(rest, self.position, self.source) {
            self.push(token);
            self.advance(bytes);
            return Ok(());
        }
        let name_bytes = rest.len() - rest.trim_start_matches(is_name_char).len();
        if name_bytes > 0 {
            let name = &rest[..name_bytes];
            if name.starts_with(|c: char| c.is_numeric()) {
                return self.fail("Invalid character in identifier");
            }
            self.push(Token::Name(name.to_owned()));
            self.advance(name_bytes);
            return Ok(());
        }
        if rest.starts_with(['\'', '"']) {
            return self.string();
        }
        self.operator(open)
    }

    fn string(&mut self) -> Result<()> {
        let rest = self.rest();
        let quote = rest.as_bytes()[0];
        let mut index = 1;
        let bytes = rest.as_bytes();
        while index < bytes.len() && bytes[index] != quote {
            index += 1 + usize::from(bytes[index] == b'\\');
        }
        if index >= bytes.len() {
            let character = rest.chars().next().unwrap_or(' ');
            return self.fail(format!(
                "unexpected char '{character}' at {}",
                self.position
            ));
        }
        let value = match crate::syntax::literal::unescape(&rest[1..index]) {
            Ok(value) => value,
            Err(what) => return self.fail(what),
        };
        self.push(Token::Str(value));
        self.advance(index + 1);
        Ok(())
    }

    fn operator(&mut self, open: &mut Vec<char>) -> Result<()> {
        let rest = self.rest();
        let Some(operator) = OPERATORS.into_iter().find(|op| rest.starts_with(op)) else {
            let character = rest.chars().next().unwrap_or(' ');
            return self.fail(format!(
                "unexpected char '{character}' at {}",
                self.position
            ));
        };
        match operator {
            "{" => open.push('}'),
            "(" => open.push(')'),
            "[" => open.push(']'),
            "}" | ")" | "]" => {
                let expected = open.pop();
                if expected.is_none_or(|close| !operator.starts_with(close)) {
                    return self.fail(format!("unexpected '{operator}'"));
                }
            }
            _ => {}
        }
        self.push(Token::Operator(operator));
        self.advance(operator.len());
        Ok(())
    }
}

/// Offset and kind (`{`, `%`, `#`) of the next tag.
fn next_tag(text: &str) -> Option<(usize, u8)> {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'{', bytes).find_map(|at| {
        let kind = *bytes.get(at + 1)?;
        matches!(kind, b'{' | b'%' | b'#').then_some((at, kind))
    })
}

fn spaces(text: &str) -> usize {
    text.len() - text.trim_start_matches(is_space).len()
}

/// Bytes of a closing tag at the start of `text`: with `-` it takes the whitespace after it, with
/// `+` nothing, otherwise one newline if `trims`.
fn tag_end(text: &str, close: &str, trims: bool) -> Option<usize> {
    if let Some(after) = text.strip_prefix('-').and_then(|t| t.strip_prefix(close)) {
        return Some(1 + close.len() + spaces(after));
    }
    if trims && text.strip_prefix('+').is_some_and(|t| t.starts_with(close)) {
        return Some(1 + close.len());
    }
    let after = text.strip_prefix(close)?;
    Some(close.len() + usize::from(trims && after.starts_with('\n')))
}

fn block_end(text: &str) -> Option<usize> {
    tag_end(text, "%}", true)
}

fn variable_end(text: &str) -> Option<usize> {
    tag_end(text, "}}", false)
}

/// Bytes of `{% raw %}` at the start of `text`.
fn raw_begin(text: &str) -> Option<usize> {
    let (_, inner) = signed_keyword(text, "raw")?;
    Some(inner + tag_end(&text[inner..], "%}", false)?)
}

/// Sign and bytes of `{% endraw %}` at the start of `text`.
fn raw_end(text: &str) -> Option<(Option<char>, usize)> {
    let (sign, inner) = signed_keyword(text, "endraw")?;
    Some((sign, inner + tag_end(&text[inner..], "%}", true)?))
}

fn signed_keyword(text: &str, keyword: &str) -> Option<(Option<char>, usize)> {
    let mut at = 2;
    let sign = text[at..].chars().next().filter(|c| matches!(c, '-' | '+'));
    at += usize::from(sign.is_some());
    at += spaces(&text[at..]);
    if !text[at..].starts_with(keyword) {
        return None;
    }
    at += keyword.len();
    at += spaces(&text[at..]);
    Some((sign, at))
}

fn is_name_char(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

/// A number at the start of `rest`.
fn number(rest: &str, position: usize, source: &str) -> Option<(Token, usize)> {
    if !rest.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let after_dot = source[..position].ends_with('.');
    if let Some(bytes) = float_bytes(rest).filter(|_| !after_dot) {
        let value = rest[..bytes].replace('_', "").parse().ok()?;
        return Some((Token::Float(value), bytes));
    }
    integer(rest)
}

/// Bytes of digits that may be separated by single underscores.
fn digits(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len()
        && (bytes[at].is_ascii_digit()
            || (bytes[at] == b'_' && at > 0 && bytes.get(at + 1).is_some_and(u8::is_ascii_digit)))
    {
        at += 1;
    }
    at
}

fn float_bytes(rest: &str) -> Option<usize> {
    let mut at = digits(rest);
    let mut is_float = false;
    if rest[at..].starts_with('.') {
        let fraction = digits(&rest[at + 1..]);
        if fraction > 0 {
            at += 1 + fraction;
            is_float = true;
        }
    }
    if rest[at..].starts_with(['e', 'E']) {
        let sign = usize::from(rest[at + 1..].starts_with(['+', '-']));
        let exponent = digits(&rest[at + 1 + sign..]);
        if exponent > 0 {
            at += 1 + sign + exponent;
            is_float = true;
        }
    }
    is_float.then_some(at)
}

fn integer(rest: &str) -> Option<(Token, usize)> {
    for (prefix, radix) in [("0b", 2), ("0o", 8), ("0x", 16)] {
        if rest.len() > 2 && rest[..2].eq_ignore_ascii_case(prefix) {
            let body = &rest[2..];
            let bytes = body.len()
                - body
                    .trim_start_matches(|c: char| c == '_' || c.is_digit(radix))
                    .len();
            let value = i64::from_str_radix(&body[..bytes].replace('_', ""), radix).ok()?;
            return Some((Token::Int(value), 2 + bytes));
        }
    }
    let bytes = if rest.starts_with('0') {
        rest.len() - rest.trim_start_matches(['0', '_']).len()
    } else {
        digits(rest)
    };
    let text = rest[..bytes].replace('_', "");
    let token = text
        .parse()
        .map_or_else(|_| Token::BigInt(text), Token::Int);
    Some((token, bytes))
}
