//! Pieces seen before and their ids, by length. Most words have at most 15 bytes, so the table of
//! short pieces decides the speed of the whole.

pub(crate) mod long;
pub(crate) mod medium;
pub(crate) mod short;
