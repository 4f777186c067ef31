//! The template language: jinja2 3.1.6 as transformers sets it up, with strings that know where
//! they came from.
#![forbid(unsafe_code)]

mod builtins;
mod compile;
mod data;
mod error;
mod inputs;
mod provenance;
mod run;
mod syntax;
mod template;
mod value;

pub use builtins::strftime::LocalTime;
pub use data::{Arena, Map, Value};
pub use error::{Error, ErrorKind, Result};
pub use inputs::{Input, Inputs};
pub use provenance::Provenance;
pub use run::budget::Limits;
pub use run::output::Context;
pub use template::Template;
pub use value::origin::{Origin, OriginKind, Part};
pub use value::unicode::is_space;
