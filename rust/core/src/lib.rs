//! All behaviour of turnmill, without Python: conversations become training tensors.
//!
//! The data flow is the list of modules:
//!
//! `source` ([`jsonl`], [`batch`]) → conversation ([`chat`]) → rendered text and spans
//! ([`template`]) → ids ([`tokenizer`]) → labels and verdict ([`label`], [`check`]) → sample
//! ([`encode`]) → Arrow ([`batch`]).
//!
//! The crate prints nothing, reads no environment variable and knows no Python.

pub mod batch;
pub mod cancel;
pub mod chat;
pub mod check;
pub mod encode;
pub mod error;
pub mod jsonl;
pub mod label;
pub mod length;
pub mod pool;
pub mod recipe;
pub mod template;
pub mod tokenizer;
pub mod value;

pub use error::{Error, ErrorKind, Result};
pub use value::{Arena, Map, Value};
