//! Chat templates: conversation → rendered text and spans.
//!
//! The engine is Jinja as jinja2 3.1.6 compiles it inside transformers 5.23.0: a sandbox without
//! loaders, trimmed blocks, loop controls and the `{% generation %}` tag. Unlike any other it
//! knows for every byte it prints which message and field it came from, because strings carry
//! their origin through every operation.

#[cfg(test)]
mod behaviour;
pub mod builtin;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod hostile;
mod input;
mod options;
mod prepare;
mod probe;
mod rendered;
mod sample;
mod source;
mod spans;
mod study;
#[expect(clippy::module_inception, reason = "the public type of the module")]
mod template;
mod thoughts;

pub use builtin::Builtin;
pub use input::RenderInput;
pub use options::{Options, SpanSource};
pub use rendered::{Field, Origin, Piece, Rendered, Span, Thought};
pub use source::{Source, find_source};
pub use study::{RoleStudy, Study};
pub use template::Template;
pub use turnmill_jinja::{Limits, LocalTime};
