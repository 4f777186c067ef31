//! Benches live beside this file as binaries.

pub mod hostile;
