//! Finds the tokens that contain marked bytes of the input, or the bytes of every token.

use crate::Mark;
use crate::normalizer::Origins;

/// Where a text comes from in the input.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    /// The range of the input.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The input range of every byte of the text; none if the text is that range as it is.
    origins: Option<Vec<(usize, usize)>>,
}

impl Trace {
    pub(crate) fn new(start: usize, end: usize, origins: Option<Vec<(usize, usize)>>) -> Self {
        Self {
            start,
            end,
            origins,
        }
    }

    /// Start and end in the input.
    pub(crate) fn range(&self) -> (usize, usize) {
        (self.start, self.end)
    }

    /// Where the first byte of the text comes from.
    pub(crate) fn first(&self) -> usize {
        let first = self.origins.as_ref().and_then(|origins| origins.first());
        first.map_or(self.start, |origin| origin.0)
    }

    /// Of a text that was made from this one; `origins` are ranges of this text.
    pub(crate) fn rewritten(&self, origins: Origins) -> Self {
        let origin = |(start, end): (u32, u32)| self.origin(start as usize, end as usize);
        Self {
            origins: Some(origins.into_iter().map(origin).collect()),
            ..*self
        }
    }

    /// Of a part of this text.
    pub(crate) fn slice(&self, start: usize, end: usize) -> Self {
        let Some(origins) = &self.origins else {
            return Self::new(self.start + start, self.start + end, None);
        };
        let part = &origins[start..end];
        let from = part.first().map_or(self.start, |origin| origin.0);
        let to = part.last().map_or(from, |origin| origin.1);
        Self::new(from, to, Some(part.to_vec()))
    }

    /// The input range of a range of the text.
    pub(crate) fn origin(&self, start: usize, end: usize) -> (usize, usize) {
        match &self.origins {
            None => (self.start + start, self.start + end),
            Some(origins) if start < end => (origins[start].0, origins[end - 1].1),
            Some(_) => (self.start, self.start),
        }
    }
}

/// The marks of an input and the places found so far; or the range of each token, if those are
/// asked for.
pub(crate) struct MarkFinder<'a> {
    marks: &'a [u32],
    found: Option<&'a mut Vec<Mark>>,
    ranges: Option<&'a mut Vec<(u32, u32)>>,
}

impl<'a> MarkFinder<'a> {
    pub(crate) fn new(marks: &'a [u32], found: &'a mut Vec<Mark>) -> Self {
        Self {
            marks,
            found: Some(found),
            ranges: None,
        }
    }

    /// Without marks: every token's range of the input is found.
    pub(crate) fn ranges(ranges: &'a mut Vec<(u32, u32)>) -> Self {
        Self {
            ranges: Some(ranges),
            ..Self::none()
        }
    }

    /// Without marks.
    pub(crate) fn none() -> Self {
        Self {
            marks: &[],
            found: None,
            ranges: None,
        }
    }

    /// Nothing is left to find.
    #[inline]
    pub(crate) fn all_found(&self) -> bool {
        self.marks.is_empty() && self.ranges.is_none()
    }

    /// Something that is not yet found lies before `end`.
    #[inline]
    pub(crate) fn within(&self, end: usize) -> bool {
        self.ranges.is_some() || self.mark_within(end)
    }

    #[inline]
    fn mark_within(&self, end: usize) -> bool {
        self.marks
            .first()
            .is_some_and(|&mark| (mark as usize) < end)
    }

    /// Where to look next, if that lies before `end`: the first mark that is not yet found, or
    /// anywhere.
    pub(crate) fn next_within(&self, end: usize) -> Option<usize> {
        if self.ranges.is_some() {
            return Some(0);
        }
        let mark = self.marks.first().map(|&mark| mark as usize);
        mark.filter(|&mark| mark < end)
    }

    fn place(&mut self, token: usize, straddles: bool) {
        self.marks = &self.marks[1..];
        if let Some(found) = &mut self.found {
            found.push(Mark {
                token: token as u32,
                straddles,
            });
        }
    }

    /// Appends a token that stands for a range of the input.
    #[inline]
    pub(crate) fn token(&mut self, ids: &mut Vec<u32>, id: u32, (start, end): (usize, usize)) {
        self.range(ids.len(), start, end);
        ids.push(id);
    }

    #[inline]
    fn range(&mut self, token: usize, start: usize, end: usize) {
        while self.mark_within(end) {
            self.place(token, start < self.marks[0] as usize);
        }
        if let Some(ranges) = &mut self.ranges {
            ranges.push((start as u32, end as u32));
        }
    }

    /// Finds the marks inside a text whose ids are those from `first` on.
    pub(crate) fn walk(&mut self, ids: &[u32], first: usize, lengths: &[u32], trace: &Trace) {
        let mut from = 0;
        for (token, &id) in ids.iter().enumerate().skip(first) {
            let to = from + lengths[id as usize] as usize;
            let (start, end) = trace.origin(from, to);
            self.range(token, start, end);
            from = to;
            if !self.within(trace.end) {
                return;
            }
        }
    }

    /// What is left lies after the last token.
    pub(crate) fn finish(&mut self, count: usize) {
        while !self.marks.is_empty() {
            self.place(count, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_fall_before_inside_and_behind_tokens() {
        let (marks, mut found) = ([0, 2, 3, 5, 9], Vec::new());
        let mut places = MarkFinder::new(&marks, &mut found);
        // "ab" "cde" "f", each id the length of its token.
        places.walk(&[2, 3, 1], 0, &[0, 1, 2, 3], &Trace::new(0, 6, None));
        places.finish(3);
        let found: Vec<_> = found
            .iter()
            .map(|mark| (mark.token, mark.straddles))
            .collect();
        assert_eq!(
            found,
            [(0, false), (1, false), (1, true), (2, false), (3, false)]
        );
    }
}
