//! The name a user probably meant.

/// The known name nearest to `name` by edit distance, if it is near enough to be a typo: at most a
/// third of its length away, but two edits are always allowed.
pub fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let folded = fold(name);
    let (distance, best) = known
        .into_iter()
        .map(|candidate| (distance(&folded, &fold(candidate)), candidate))
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= (name.len() / 3).max(2)).then_some(best)
}

fn fold(name: &str) -> Vec<u8> {
    name.bytes()
        .map(|byte| match byte {
            b'-' | b' ' => b'_',
            other => other.to_ascii_lowercase(),
        })
        .collect()
}

/// Levenshtein distance.
fn distance(left: &[u8], right: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let above = row[j + 1];
            let substituted = diagonal + usize::from(a != b);
            row[j + 1] = substituted.min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance(b"kitten", b"sitting"), 3);
        assert_eq!(distance(b"", b"abc"), 3);
    }

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["max_length", "max_rejects", "template"];
        assert_eq!(nearest("max-lenght", known), Some("max_length"));
        assert_eq!(nearest("Templat", known), Some("template"));
        assert_eq!(nearest("learning_rate", known), None);
    }
}
