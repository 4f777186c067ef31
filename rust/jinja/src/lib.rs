//! Jinja, as chat templates use it, with the origin of every byte it prints.
//!
//! ```
//! use turnmill_jinja::{Arena, Inputs, Map, OriginKind, Template, Value};
//!
//! let template = Template::new("Hello {{ name | trim }}!")?;
//! let arena = Arena::new();
//! let inputs = Inputs {
//!     variables: Map::new(&[("name", Value::Str("  Ada "))]),
//!     ..Inputs::default()
//! };
//! let mut text = String::new();
//! let provenance = template.render(&arena, &inputs, &mut text)?;
//! assert_eq!(text, "Hello Ada!");
//!
//! let origins: Vec<_> = provenance
//!     .fragments()
//!     .iter()
//!     .map(|part| (part.end, part.origin.kind()))
//!     .collect();
//! assert_eq!(
//!     origins,
//!     [
//!         (6, OriginKind::Template), // "Hello "
//!         (9, OriginKind::Variable), // "Ada"
//!         (10, OriginKind::Template), // "!"
//!     ]
//! );
//! # Ok::<(), turnmill_jinja::Error>(())
//! ```
//!
//! # What it supports
//!
//! The language of jinja2 3.1.6 as transformers 5.24.0 sets it up for chat templates: an immutable
//! sandbox without loaders, `trim_blocks`, `lstrip_blocks`, `{% break %}` and `{% continue %}`,
//! `tojson` as `json.dumps`, `raise_exception`, `strftime_now`, and the `{% generation %}` block.
//! Values behave as in Python: `str` methods, slices by code points, integers and floats that print
//! as Python prints them, dicts in insertion order, and exceptions with Python's text. The text of a
//! render is byte for byte that of jinja2, and an error has its words.
//!
//! Not supported: `{% include %}`, `{% import %}` and `{% extends %}` (the sandbox has no loader),
//! the filter `random` (renders must not differ), arithmetic beyond 64 bits.
//!
//! # Provenance
//!
//! Every string knows where its bytes came from and keeps it through every operation: a slice, a
//! `replace`, `~`, `tojson`, a `{% set %}` block. What is printed is therefore a list of [`Fragment`]s,
//! each with its [`Origin`]:
//!
//! - the template: text of its source, and what it computed (a number, a date);
//! - a variable: plain data of the caller;
//! - a record: a mapping that the caller has numbered ([`Input::records`]), with the class of the
//!   key whose value it was ([`Inputs::field_class`]).
//!
//! A part also has a [`Context`], whatever its origin: the record whose turn it was when the part
//! was written, and the `{% generation %}` block around it. The template's own text between two
//! records belongs to one of them only through its context.
//!
//! The crate gives no meaning to records and classes. A chat template is one use: messages are
//! records, and a class is `content`, `role`, or what else the caller wants to tell apart.
//!
//! # Limits
//!
//! A template is untrusted code. A render has a budget of steps, bytes, memory and depth
//! ([`Limits`]), never reads a file, a clock or the environment, and never panics.
//!
//! # Rooms
//!
//! Source → tokens → syntax tree (`syntax`) → program, in which every name is a slot (`compile`) →
//! a run over values in the caller's arena (`run`), with strings and operators (`value`) and what
//! the language brings along (`builtins`).
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
pub use value::origin::{Fragment, Origin, OriginKind};
pub use value::unicode::is_space;
