//! Places in the output where the ids of a piece are still missing, until enough pieces have
//! collected to be merged side by side.

use crate::cache::medium::MediumPiece;
use crate::cache::short::{self, Key};

/// What waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// The end of a row.
    End,
    Short(Key),
    Medium(MediumPiece),
}

impl Waiting {
    /// The bytes of the piece, and how many; none at the end of a row.
    #[inline]
    pub(crate) fn piece(&self) -> ([u8; 32], usize) {
        match self {
            Self::End => ([0; 32], 0),
            Self::Short(key) => short::piece(*key),
            Self::Medium(piece) => piece.piece(),
        }
    }
}

/// A piece that is not remembered, or the end of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gap {
    /// Where its ids belong, as the ids are without those of all gaps.
    at: usize,
    pub(crate) waiting: Waiting,
    pub(crate) hash: u32,
    /// Its ids, in the list of those that were found.
    start: u32,
    count: u32,
}

/// The gaps among ids that are being made.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    gaps: Vec<Gap>,
    found: Vec<u32>,
}

impl Pending {
    /// The memory that it has taken.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Gap>() * self.gaps.capacity() + 4 * self.found.capacity()
    }

    /// Pieces and ends of rows that wait.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.gaps.len()
    }

    #[inline]
    pub(crate) fn push(&mut self, at: usize, waiting: Waiting, hash: u32) {
        let (start, count) = (0, 0);
        self.gaps.push(Gap {
            at,
            waiting,
            hash,
            start,
            count,
        });
    }

    /// A row ends after so many ids.
    #[inline]
    pub(crate) fn end_row(&mut self, at: usize) {
        self.push(at, Waiting::End, 0);
    }

    /// A piece by its number.
    #[inline]
    pub(crate) fn get(&self, number: usize) -> Gap {
        self.gaps[number]
    }

    /// Fills a gap.
    #[inline]
    pub(crate) fn fill(&mut self, number: usize, ids: &[u32]) {
        let gap = &mut self.gaps[number];
        (gap.start, gap.count) = (self.found.len() as u32, ids.len() as u32);
        self.found.extend_from_slice(ids);
    }

    /// Puts what was found among the ids, and appends the ends of rows.
    pub(crate) fn close(&mut self, ids: &mut Vec<u32>, ends: &mut Vec<usize>) {
        let (mut from, first) = (ids.len(), ends.len());
        ids.resize(from + self.found.len(), 0);
        let mut to = ids.len();
        for gap in self.gaps.iter().rev() {
            if from != to {
                ids.copy_within(gap.at..from, to - (from - gap.at));
            }
            to -= from - gap.at;
            from = gap.at;
            if gap.waiting == Waiting::End {
                ends.push(to);
            } else {
                let found = gap.start as usize..(gap.start + gap.count) as usize;
                to -= found.len();
                ids[to..to + found.len()].copy_from_slice(&self.found[found]);
            }
        }
        ends[first..].reverse();
        self.clear();
    }

    /// Forgets all gaps.
    pub(crate) fn clear(&mut self) {
        self.gaps.clear();
        self.found.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_gaps_stand_in_order_and_rows_end_behind_them() {
        let mut gaps = Pending::default();
        let mut ids = vec![1, 2, 3];
        gaps.push(0, Waiting::Short(9), 0);
        gaps.push(2, Waiting::Short(8), 0);
        gaps.end_row(2);
        gaps.push(2, Waiting::Short(7), 0);
        gaps.end_row(3);
        gaps.fill(3, &[40]);
        gaps.fill(0, &[10, 11]);
        gaps.fill(1, &[20, 21, 22]);
        let mut ends = vec![5];
        gaps.close(&mut ids, &mut ends);
        assert_eq!(ids, [10, 11, 1, 2, 20, 21, 22, 40, 3]);
        assert_eq!(ends, [5, 7, 9]);
        assert_eq!(gaps.len(), 0);
    }
}
