//! Reads input records as conversations.
//!
//! [`detect`] finds the schema of a file from its first rows. A [`Reader`] for that schema turns
//! each row into a [`Record`] or a [`Reject`](crate::rules::Reject). It rejects only what no
//! template could render sensibly; an odd order of roles is the template's business.

mod already_rendered;
mod content;
mod conversation;
mod detect;
mod fields;
mod flags;
#[cfg(test)]
mod fuzz;
mod identity;
mod judged_rows;
mod judgement;
mod names;
mod options;
mod reader;
mod roles;
mod row_reader;
mod schema;
mod schemas;
#[cfg(test)]
mod tests;
mod turns;
mod unread;
mod variables;
mod weight;
mod wire;

pub(crate) use conversation::REASONING_KEYS;
pub use conversation::{Conversation, Message, Record, SIDES, Segment};
pub use detect::detect;
pub use identity::identity;
pub use judged_rows::{refuse_judged, with_chosen};
pub use options::{RoleOrder, SchemaOptions, TextParts, Wire};
pub use reader::{Reader, seen};
pub use roles::KNOWN_ROLES;
pub use schema::{Answers, Schema};
pub use variables::{GIVEN, is_given};
pub(crate) use wire::{in_parts, unfinished};
