//! Benches live beside this file as binaries.
