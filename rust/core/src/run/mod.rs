//! The whole path: a recipe becomes a plan, rows become samples.
//!
//! [`Encoder`] holds everything that is decided before the first row: tokenizer, template, stop
//! set, what ends a turn. A [`Shard`] takes the rows of one input, in blocks, and gives finished
//! record batches; they do not depend on where the blocks are cut, on the number of threads or on
//! the size of a work item.

mod check;
mod checks;
mod encoder;
mod head;
mod history_cost;
mod inspect;
mod kinds;
mod output;
mod self_check;
mod shard;
mod worker;

pub use check::Check;
pub use checks::Checks;
pub use encoder::Encoder;
pub use head::JsonHead;
pub use history_cost::{HistoryCost, HistoryCosts};
pub use inspect::{Inspection, look_at_batch};
pub use output::Output;
pub use self_check::SelfCheck;
pub use shard::{Shard, ShardOptions};
