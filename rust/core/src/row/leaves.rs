//! Looks in a text for what a value holds: its strings and whole numbers.

use memchr::memmem;

use super::json_text;
use crate::value::Value;

/// Looks for the leaves of values. A number that a template writes by itself is text of the
/// template's own, so it is looked for in the whole render.
pub(super) struct Leaves<'t> {
    own: LeafSearch<'t>,
    whole: LeafSearch<'t>,
}

impl<'t> Leaves<'t> {
    /// `own` is what came from the value's field, `start` is where its message begins in the `whole`
    /// render.
    pub(super) fn new(own: &'t str, whole: &'t str, start: usize) -> Self {
        let whole = LeafSearch {
            text: whole,
            from: start,
        };
        Self {
            own: LeafSearch::new(own),
            whole,
        }
    }

    /// The first string or whole number inside a value that the text does not hold.
    pub(super) fn first_lost(&mut self, value: Value<'_>) -> Option<String> {
        if self.own.goes_on_with(value) {
            return None;
        }
        self.first_lost_leaf(value)
    }

    fn first_lost_leaf(&mut self, value: Value<'_>) -> Option<String> {
        match value {
            Value::Str(leaf) => (!self.own.holds(leaf)).then(|| leaf.to_owned()),
            Value::Int(digits) => self.lost_number(&digits.to_string()),
            Value::BigInt(digits) => self.lost_number(digits),
            Value::List(items) => items.iter().find_map(|item| self.first_lost_leaf(*item)),
            Value::Map(map) => map.iter().find_map(|(_, item)| self.first_lost_leaf(item)),
            // Templates write these in different ways: `None`, `1e3`.
            Value::Null | Value::Bool(_) | Value::Float(_) => None,
        }
    }

    fn lost_number(&mut self, digits: &str) -> Option<String> {
        (!self.whole.holds(digits)).then(|| digits.to_owned())
    }
}

/// A text in which many short ones are looked for. Most stand in it in the order in which they are
/// looked for, so a search begins where the one before it ended, and the whole takes time in
/// proportion to the text.
pub(super) struct LeafSearch<'t> {
    text: &'t str,
    /// Where the last one was found; after it, where it was a whole value.
    from: usize,
}

impl<'t> LeafSearch<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, from: 0 }
    }

    /// Whether the next list or object in the text is this one, whole and as JSON.
    fn goes_on_with(&mut self, value: Value<'_>) -> bool {
        let open = match value {
            Value::List(_) => b'[',
            Value::Map(_) => b'{',
            _ => return false,
        };
        let rest = &self.text.as_bytes()[self.from..];
        let found = memchr::memchr(open, rest);
        let end = found.and_then(|at| Some(at + json_text::end_of(value, &rest[at..])?));
        self.from += end.unwrap_or(0);
        end.is_some()
    }

    /// Whether the text holds a leaf as it is, or as JSON or Python would write it. There, runs of
    /// ASCII letters and digits between escapes are unchanged, and other letters may be `\u` escapes.
    pub(super) fn holds(&mut self, leaf: &str) -> bool {
        let leaf = leaf.trim();
        if self.has(leaf) {
            return true;
        }
        let mut runs = leaf.split(|sign: char| !sign.is_ascii_alphanumeric());
        let may_be_escaped = leaf.contains(|sign: char| !sign.is_ascii_alphanumeric());
        may_be_escaped && runs.all(|run| self.has(run)) && (leaf.is_ascii() || self.has("\\u"))
    }

    fn has(&mut self, part: &str) -> bool {
        let (text, part) = (self.text.as_bytes(), part.as_bytes());
        if text[self.from..].starts_with(part) {
            return true;
        }
        let after = || find(&text[self.from..], part).map(|at| self.from + at);
        let Some(at) = after().or_else(|| find(text, part)) else {
            return false;
        };
        self.from = at;
        true
    }
}

/// Where `text` contains `part` first. Leaves stand near the start of a short text, so the first
/// places where `part` may begin are tried before a search is set up, which for a long part costs as
/// much as hundreds of them.
fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    const TRIED: usize = 64;
    let Some(&first) = part.first() else {
        return Some(0);
    };
    let mut starts = memchr::memchr_iter(first, text).take(TRIED);
    let near = starts.find(|at| text[*at..].starts_with(part));
    near.or_else(|| memmem::find(text, part))
}

#[cfg(test)]
mod tests {
    use super::LeafSearch;

    #[test]
    fn order_does_not_matter() {
        let mut text = LeafSearch::new("one two three two");
        for part in ["two", "three", "two", "one", "two", ""] {
            assert!(text.holds(part), "{part}");
        }
        assert!(!text.holds("four"));
        assert!(text.holds("one"));
    }

    #[test]
    fn leaves_may_be_escaped() {
        assert!(LeafSearch::new(r"a\nb \u00e9").holds("a\nb é"));
        assert!(!LeafSearch::new("a b").holds("a\nb é"));
    }
}
