//! Loops over the numbers of a row. They do not exit inside a chunk, so that the compiler can
//! vectorize them.

use crate::rules::is_trained;

const CHUNK: usize = 64;

/// The number of trained labels.
pub(super) fn count_trained(labels: &[i32]) -> usize {
    labels.iter().filter(|label| is_trained(**label)).count()
}

/// Whether `test` holds for some value.
pub(super) fn any(values: &[i32], test: impl Fn(i32) -> bool) -> bool {
    values.chunks(CHUNK).any(|chunk| passes(chunk, &test))
}

/// The index of the first value for which `test` holds.
pub(super) fn find(values: &[i32], test: impl Fn(i32) -> bool) -> Option<usize> {
    for (number, chunk) in values.chunks(CHUNK).enumerate() {
        if passes(chunk, &test) {
            let inside = chunk.iter().position(|value| test(*value))?;
            return Some(number * CHUNK + inside);
        }
    }
    None
}

/// Whether some trained label is not the id at its place.
pub(super) fn labels_differ(ids: &[i32], labels: &[i32]) -> bool {
    let pairs = ids.chunks(CHUNK).zip(labels.chunks(CHUNK));
    pairs.into_iter().any(|(ids, labels)| {
        let differs = |found: u32, (id, label): (&i32, &i32)| {
            found | (u32::from(id != label) & u32::from(is_trained(*label)))
        };
        ids.iter().zip(labels).fold(0, differs) != 0
    })
}

fn passes(chunk: &[i32], test: impl Fn(i32) -> bool) -> bool {
    let found = chunk.iter();
    found.fold(0, |found, value| found | u32::from(test(*value))) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_that_passes_is_found_at_every_place() {
        for length in [0, 1, 63, 64, 65, 200] {
            let mut values = vec![-100; length];
            assert_eq!(find(&values, is_trained), None);
            assert!(!any(&values, is_trained));
            for at in (0..length).rev() {
                values[at] = 7;
                assert_eq!(find(&values, is_trained), Some(at));
                assert!(any(&values, is_trained));
            }
            assert_eq!(count_trained(&values), length);
        }
    }

    #[test]
    fn a_label_of_another_token_is_seen() {
        let ids: Vec<i32> = (0..150).collect();
        let mut labels = ids.clone();
        labels[3] = -100;
        assert!(!labels_differ(&ids, &labels));
        labels[149] = 1;
        assert!(labels_differ(&ids, &labels));
    }
}
