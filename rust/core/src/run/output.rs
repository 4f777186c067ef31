//! The result of feeding a shard.

use arrow_array::RecordBatch;

/// Finished record batches and counts of one call.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// Samples with the recipe's columns, cut every 1,000 samples.
    pub samples: Vec<RecordBatch>,
    /// Samples of conversations that are set apart, cut in the same way; nothing if none can be.
    pub apart: Vec<RecordBatch>,
    /// One row for each sample, in the order of the input, cut every 1,000 samples.
    pub index: Vec<RecordBatch>,
    /// Rejected rows.
    pub rejects: Vec<RecordBatch>,
    /// Rows read in this call.
    pub rows: u64,
    /// Of these, rejected rows.
    pub rejected: u64,
    /// Samples made in this call.
    pub made: u64,
    /// Their tokens.
    pub tokens: u64,
    /// Their trained tokens.
    pub trained: u64,
    /// Turns that the over-length policy left out.
    pub lost_turns: u64,
    /// Tokens of these turns.
    pub lost_tokens: u64,
    /// Of these, tokens before rejected answers: in a pair, or with a bad verdict.
    pub lost_rejected_tokens: u64,
}
