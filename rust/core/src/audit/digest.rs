//! Samples by a hash, to see whether two files hold the same ones.

use arrow_array::RecordBatch;
use xxhash_rust::xxh3::Xxh3;

use super::integers::Integers;
use crate::Result;

/// A hash (xxh3, 64 bits) of the integer lists of each row. Columns that the batch lacks are left
/// out; the width of the integers makes no difference.
pub fn digests(batch: &RecordBatch, columns: &[String]) -> Result<Vec<i64>> {
    let found = columns
        .iter()
        .filter_map(|name| Some((name, batch.column_by_name(name)?)));
    let lists = found
        .map(|(name, array)| Integers::of(name, array))
        .collect::<Result<Vec<_>>>()?;
    let mut scratch = Vec::new();
    let rows = 0..batch.num_rows();
    Ok(rows.map(|row| digest(&lists, row, &mut scratch)).collect())
}

fn digest(lists: &[Integers], row: usize, scratch: &mut Vec<i32>) -> i64 {
    let mut hasher = Xxh3::new();
    for list in lists {
        let values = list.row(row, scratch);
        hasher.update(&(values.len() as u64).to_le_bytes());
        for value in values {
            hasher.update(&value.to_le_bytes());
        }
    }
    hasher.digest().cast_signed()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::{Int32Type, Int64Type};
    use arrow_array::{ArrayRef, ListArray};

    use super::*;

    fn batch(ids: [&[i32]; 2], labels: [&[i64]; 2]) -> RecordBatch {
        let ids = ids.map(|row| Some(row.iter().map(|id| Some(*id))));
        let labels = labels.map(|row| Some(row.iter().map(|label| Some(*label))));
        let ids = ListArray::from_iter_primitive::<Int32Type, _, _>(ids);
        let labels = ListArray::from_iter_primitive::<Int64Type, _, _>(labels);
        let columns: [(&str, ArrayRef); 2] = [("ids", Arc::new(ids)), ("labels", Arc::new(labels))];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn hashes(batch: &RecordBatch, columns: &[&str]) -> Vec<i64> {
        let columns: Vec<_> = columns.iter().map(|name| (*name).to_owned()).collect();
        digests(batch, &columns).unwrap()
    }

    #[test]
    fn equal_samples_have_equal_hashes() {
        let pair = batch([&[1, 2], &[1, 2]], [&[-100, 2], &[-100, 2]]);
        let both = hashes(&pair, &["ids", "labels", "absent"]);
        assert_eq!(both[0], both[1]);
        assert_eq!(hashes(&pair.slice(1, 1), &["ids", "labels"]), both[1..]);
    }

    #[test]
    fn ids_and_labels_count_and_where_one_ends() {
        let pair = batch([&[1, 2], &[1]], [&[3], &[2, 3]]);
        let both = hashes(&pair, &["ids", "labels"]);
        assert_ne!(both[0], both[1]);
        assert_ne!(hashes(&pair, &["ids"])[0], both[0]);
    }
}
