//! Memory of batches that are written → the next batches.

use std::sync::{Arc, Mutex};

use arrow_array::{Array, ArrayRef, Int32Array, ListArray, RecordBatch};
use arrow_buffer::Buffer;

/// Vectors that are kept: ids and labels of two batches.
const KEPT: usize = 4;

/// Ids and labels of batches that nobody holds any more. Filled anew they spare the page faults of
/// fresh memory, one for every 4 kB.
#[derive(Clone, Debug, Default)]
pub struct SpareBuffers(Arc<Mutex<Vec<Vec<i32>>>>);

impl SpareBuffers {
    /// Keeps the lists of int32 of a batch, as far as nobody else holds them.
    pub fn give(&self, batch: RecordBatch) {
        let buffers: Vec<Buffer> = batch.columns().iter().filter_map(list_values).collect();
        drop(batch);
        // Never waits: in a process that was forked while another thread held the lock, it stays
        // locked.
        let Ok(mut kept) = self.0.try_lock() else {
            return;
        };
        let free = buffers.into_iter().filter_map(|b| b.into_vec().ok());
        kept.extend(free);
        kept.truncate(KEPT);
    }

    /// An empty vector, with the room of a batch before if there is one.
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
