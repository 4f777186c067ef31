//! Rows as they come: JSON text and Arrow batches become values.

pub mod arrow;
pub mod json;
