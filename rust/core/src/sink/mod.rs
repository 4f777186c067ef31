//! Arrow: record batches in, as values, and record batches out, from flat vectors.
//!
//! Out: workers fill a part ([`Samples`], [`IndexRows`], [`RejectRows`]) of the rows they work on;
//! [`Batches`] joins the parts in order and cuts them every so many rows, so that the output does
//! not depend on how the work was shared out. In: see [`rows::Rows`].

mod cut;
mod index;
mod list;
mod rejects;
mod samples;
mod spare;
#[cfg(test)]
mod tests;

pub use cut::{BATCH_ROWS, Batches, Part};
pub use index::{IndexRow, IndexRows};
pub use rejects::RejectRows;
pub use samples::{Sample, Samples};
pub use spare::SpareBuffers;
