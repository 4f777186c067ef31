//! Reuses the memory of written batches for the next ones.

use std::sync::{Arc, Mutex};

use arrow_array::{Array, ArrayRef, Int32Array, ListArray, RecordBatch};
use arrow_buffer::Buffer;

/// Number of vectors to keep: ids and labels of two batches.
const KEPT: usize = 4;

/// Memory for ids and labels, from batches that nobody uses any more. Reusing it avoids the page
/// faults of fresh memory, one for every 4 kB.
#[derive(Clone, Debug, Default)]
pub struct SpareBuffers(Arc<Mutex<Vec<Vec<i32>>>>);

impl SpareBuffers {
    /// Keeps the int32 lists of a batch, unless somebody else still holds them.
    pub fn give(&self, batch: RecordBatch) {
        let buffers: Vec<Buffer> = batch.columns().iter().filter_map(list_values).collect();
        drop(batch);
        // Never waits: if the process was forked while another thread held the lock, it stays
        // locked.
        let Ok(mut kept) = self.0.try_lock() else {
            return;
        };
        let free = buffers.into_iter().filter_map(|b| b.into_vec().ok());
        kept.extend(free);
        kept.truncate(KEPT);
    }

    /// An empty vector, with the memory of an earlier batch if there is one.
    pub(super) fn take(&self) -> Vec<i32> {
        let kept = self.0.try_lock().ok().and_then(|mut kept| kept.pop());
        let mut values = kept.unwrap_or_default();
        values.clear();
        values
    }
}

fn list_values(column: &ArrayRef) -> Option<Buffer> {
    let list = column.as_any().downcast_ref::<ListArray>()?;
    let values = list.values().as_any().downcast_ref::<Int32Array>()?;
    Some(values.values().inner().clone())
}
