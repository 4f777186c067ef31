//! All behaviour of turnmill, without Python: conversations become training tensors.
//!
//! The rooms, in the order in which a row walks through them; none imports a later one:
//!
//! - [`rules`]: what can be wrong, by name, with its explanation
//! - [`source`]: JSON text and Arrow batches become values
//! - [`chat`]: a value becomes a conversation
//! - [`template`], [`tokenizer`]: a conversation becomes text, text becomes ids
//! - [`recipe`], [`setup`]: what is decided before the first row
//! - [`row`]: one row becomes samples
//! - [`sink`]: samples become Arrow batches
//! - [`run`]: many rows, in shards, on all cores
//! - [`pack`]: which samples share a row of fixed capacity
//! - [`audit`]: tokenized data, whoever made it, is checked
//!
//! The crate prints nothing, reads no environment variable and knows no Python.

#![forbid(unsafe_code)]

pub mod audit;
pub mod cancel;
pub mod chat;
pub mod error;
pub mod pack;
pub mod pool;
pub mod recipe;
pub mod row;
pub mod rules;
pub mod run;
pub mod setup;
pub mod sink;
pub mod source;
pub mod suggest;
pub mod template;
pub mod tokenizer;
pub mod value;

pub use error::{Error, ErrorKind, Result};
pub use value::{Arena, Map, Value};
