//! Running a program: statements, expressions, calls, and the text they write.

pub(crate) mod arguments;
pub(crate) mod attribute;
pub(crate) mod budget;
mod call;
mod evaluate;
pub(crate) mod interpret;
pub(crate) mod iterate;
pub(crate) mod output;
