//! The template language: jinja2 3.1.6 as transformers sets it up, with strings that know where
//! they came from.
//!
//! Source → tokens ([`lexer`]) → syntax tree ([`parser`], [`expression`]) → program with slots
//! ([`symbols`], [`compile`]) → a run over values in the row's arena ([`interpret`], [`evaluate`],
//! [`call`]) that writes to [`output`].

mod args;
mod ast;
mod attribute;
mod brace;
mod call;
mod case;
mod compile;
mod display;
mod evaluate;
mod expression;
mod filters;
mod globals;
mod heap;
mod interpret;
mod iterate;
mod lexer;
mod markup;
mod methods;
mod number;
mod operators;
mod output;
mod parser;
mod percent;
mod program;
mod raise;
mod string;
mod symbols;
mod syntax;
mod tag;
mod tests;
mod text;
mod time;
mod tojson;
mod value;

pub(super) use compile::compile;
pub(super) use interpret::{Inputs, run};
pub(super) use output::{Context, Output};
pub(super) use program::Program;
pub(super) use syntax::{SyntaxError, is_space};
pub(super) use tag::{Part, Tag};
pub(super) use value::Val;
