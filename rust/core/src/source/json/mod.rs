//! JSON text → values: the parser and the splitter of files into rows.
//!
//! JSON is read as Python's `json.loads` reads it, so that a row means here what it means to the
//! Python code that turnmill replaces. See [`parse`] for one text and [`Splitter`] for files.

mod array;
mod number;
mod parse;
mod rows;
mod split;
mod string;
mod syntax;
#[cfg(test)]
mod tests;
mod write;

pub use parse::{MAX_DEPTH, Parsed, parse};
pub use rows::{MAX_ROW_BYTES, RawRow, RawRows};
pub use split::{FileLayout, Lines, Splitter};
pub use syntax::SyntaxError;
pub use write::{hash_of, write_json};
