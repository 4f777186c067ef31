//! One row: a conversation, a completion or a document becomes samples.
//!
//! rendered → judged → located → encoded → labelled → verified.

pub mod content_rules;
pub mod contract;
pub(crate) mod conversation;
pub(crate) mod desk;
pub(crate) mod expand;
pub(crate) mod history;
pub(crate) mod inside;
pub mod label;
pub mod length;
pub(crate) mod over_length;
mod plain;
pub(crate) mod policy;
pub(crate) mod record;
mod refusal;
pub(crate) mod replay;
mod terminator;

pub use record::{Evidence, Inside};
pub(crate) use refusal::Refusal;
pub use replay::Replayed;
