//! What makes ids of a piece.

pub(crate) mod bpe;

/// Marks, among the ends of pieces, a part that is not a whole piece.
pub(crate) const PART: u32 = 1 << 31;
