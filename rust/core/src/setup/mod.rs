//! Before the first row: what a recipe and a tokenizer decide once.

pub(crate) mod notes;
pub(crate) mod plan;
pub(crate) mod probe;
pub(crate) mod prompt_probe;
mod served;
mod stop_set;
pub(crate) mod structural;
pub(crate) mod templates;
pub(crate) mod turn_end_probe;
mod turn_tail;

pub use served::Served;
pub use stop_set::{NamedStop, StopSet, named_stop_ids, served_stop_ids};
pub use templates::{compile, template_of};
