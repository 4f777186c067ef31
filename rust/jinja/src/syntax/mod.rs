//! Template source → tokens → syntax tree.

pub(crate) mod ast;
mod expression;
mod lexer;
mod literal;
pub(crate) mod parser;
