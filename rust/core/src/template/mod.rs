//! Chat templates: conversation → rendered text and spans.
//!
//! The language is [`turnmill_jinja`]: Jinja as jinja2 3.1.6 compiles it inside transformers
//! 5.24.0. It knows where every byte it prints came from. Messages are its records; this module
//! decides what they mean, and where the turns are.

#[cfg(test)]
mod behaviour;
pub mod builtin;
#[cfg(test)]
mod fuzz;
mod input;
mod options;
mod probe;
mod probe_messages;
mod program;
mod reasoning;
mod rendered;
mod source;
mod spans;
mod study;
#[expect(clippy::module_inception, reason = "the public type of the module")]
mod template;
mod transformers_input;

pub use builtin::Builtin;
pub use input::RenderInput;
pub use options::{SpanSource, TemplateOptions};
pub use rendered::{Field, Fragment, FragmentRange, Origin, ReasoningSpan, Rendered, Span};
pub use source::{Source, find_source};
pub use study::{RoleStudy, Study};
pub use template::Template;
pub use turnmill_jinja::{Limits, LocalTime};
