//! The meaning of labels.

/// The label of a token that is not trained: the one value that trainers ignore.
pub const IGNORED: i32 = -100;

/// Whether the token with this label is trained. No label that trains is negative: some tools write
/// other negative values for [`IGNORED`].
pub fn is_trained(label: i32) -> bool {
    label >= 0
}

/// Whether no token is trained.
pub fn is_masked(labels: &[i32]) -> bool {
    // Blocks are scanned without an early exit, and truth values are numbers as wide as the labels,
    // so that the compiler can vectorize the loop: two instructions for four labels.
    let differs = |found: i32, label: &i32| found | (*label ^ IGNORED);
    let mut blocks = labels.chunks(64);
    blocks.all(|block| block.iter().fold(0, differs) == 0)
}
