//! Pieces met before and their ids, by length: most words have at most 15 bytes, and what is found
//! there decides the speed of all.

pub(crate) mod long;
pub(crate) mod medium;
pub(crate) mod short;
