//! Samples → Arrow record batches, from flat vectors and without a copy.
//!
//! Workers fill a part ([`SampleRows`], [`IndexRows`], [`RejectRows`]) from their rows. [`Batches`]
//! joins the parts in order and cuts them into batches of fixed size, so that the output does not
//! depend on how the work was divided.

mod cut;
mod gather;
mod index;
mod list;
mod rejects;
mod samples;
mod spare;
#[cfg(test)]
mod tests;
mod waiting;

pub use cut::{BATCH_ROWS, Batches, TableRows};
pub use gather::{Gatherer, Pick};
pub use index::{IndexRow, IndexRows};
pub use rejects::RejectRows;
pub use samples::{SampleRow, SampleRows};
pub use spare::SpareBuffers;
