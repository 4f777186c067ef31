//! First-fit-decreasing on a histogram of lengths.
//!
//! First-fit-decreasing is the same as filling one bin after the other, each with the longest sample
//! that still fits. How many samples have each length is all that this needs, and bins with the same
//! lengths in them are filled at once: the next such *pattern* is looked for only when one of its
//! lengths has run out. So the search takes a time that grows with the number of different lengths,
//! and the samples are gone through twice: to count them, and to hand the places out.

use super::bins::{LEFT_OUT, Packing};
use super::length_set::LengthSet;
use super::limit::{Fate, Length, Limit};
use super::shuffle::SplitMix64;
use crate::Result;
use crate::cancel::Cancel;

/// Packs every `window` samples among themselves; `longest` is the longest length that fits.
pub(super) fn pack<T: Length>(
    lengths: &[T],
    window: usize,
    longest: usize,
    limit: &Limit,
    seed: Option<u64>,
    cancel: &Cancel,
) -> Result<Packing> {
    let mut histogram = Histogram::up_to(longest);
    let mut places = Openings::up_to(longest);
    // Each window has a generator of its own, so that more samples after it change nothing in it.
    let mut seeds = seed.map(SplitMix64::new);
    let mut bins = Vec::with_capacity(lengths.len());
    let mut count = 0;
    for samples in lengths.chunks(window) {
        cancel.check()?;
        let mut alone = 0;
        for &length in samples {
            match limit.fate(length) {
                Fate::Shared(tokens) => histogram.add(tokens),
                Fate::Alone => alone += 1,
                Fate::LeftOut => {}
            }
        }
        let shared = places.fill(&mut histogram, limit.capacity);
        cancel.check()?;
        let order = order(count, shared + alone, seeds.as_mut());
        let mut next_alone = shared;
        bins.extend(samples.iter().map(|&length| match limit.fate(length) {
            Fate::Shared(tokens) => order[places.take(tokens)],
            Fate::Alone => {
                next_alone += 1;
                order[next_alone - 1]
            }
            Fate::LeftOut => LEFT_OUT,
        }));
        count += shared + alone;
    }
    Ok(Packing { bins, count })
}

/// The numbers of `count` bins from `first` on, shuffled where there is a generator of seeds.
fn order(first: usize, count: usize, seeds: Option<&mut SplitMix64>) -> Vec<i32> {
    let mut numbers: Vec<i32> = (first as i32..(first + count) as i32).collect();
    if let Some(seeds) = seeds {
        SplitMix64::new(seeds.draw()).shuffle(&mut numbers);
    }
    numbers
}

/// How many samples of each length have no place yet.
struct Histogram {
    counts: Vec<u32>,
    present: LengthSet,
}

impl Histogram {
    fn up_to(longest: usize) -> Self {
        Self {
            counts: vec![0; longest + 1],
            present: LengthSet::up_to(longest),
        }
    }

    fn add(&mut self, length: usize) {
        if self.counts[length] == 0 {
            self.present.insert(length);
        }
        self.counts[length] += 1;
    }

    fn remove(&mut self, length: usize, count: u32) {
        self.counts[length] -= count;
        if self.counts[length] == 0 {
            self.present.remove(length);
        }
    }

    /// Writes the lengths of the next bin into `pattern`, each with how often it is there. Empty
    /// when all samples have a place.
    fn next_pattern(&self, capacity: usize, pattern: &mut Vec<(usize, u32)>) {
        pattern.clear();
        let mut room = capacity;
        let mut limit = Some(capacity);
        while let Some(length) = limit.and_then(|limit| self.present.largest_up_to(limit)) {
            let fitting = room.checked_div(length).unwrap_or(usize::MAX);
            let copies = self.counts[length].min(u32::try_from(fitting).unwrap_or(u32::MAX));
            pattern.push((length, copies));
            room -= length * copies as usize;
            // Now the length has run out or does not fit again.
            limit = length.checked_sub(1).map(|shorter| shorter.min(room));
        }
    }

    /// How many bins can have this pattern.
    fn repeats(&self, pattern: &[(usize, u32)]) -> u32 {
        let bins = pattern
            .iter()
            .map(|&(length, copies)| self.counts[length] / copies);
        bins.min().unwrap_or(0)
    }
}

/// The places that samples of each length may take.
struct Openings {
    /// The run of each length that is next, [`END`] where there is none.
    next: Vec<u32>,
    runs: Vec<OpenBins>,
}

/// Places for samples of one length in bins that follow each other.
struct OpenBins {
    first_bin: u32,
    /// Places in each bin.
    copies: u32,
    /// Places that are free.
    free: u32,
    /// The next run of the same length.
    next: u32,
}

const END: u32 = u32::MAX;

impl Openings {
    fn up_to(longest: usize) -> Self {
        Self {
            next: vec![END; longest + 1],
            runs: Vec::new(),
        }
    }

    /// Makes a place for every sample of the histogram, which is empty afterwards, and returns how
    /// many bins that takes.
    fn fill(&mut self, histogram: &mut Histogram, capacity: usize) -> usize {
        self.runs.clear();
        let mut pattern = Vec::new();
        let mut bins = 0;
        loop {
            histogram.next_pattern(capacity, &mut pattern);
            let repeats = histogram.repeats(&pattern);
            if repeats == 0 {
                return bins as usize;
            }
            for &(length, copies) in &pattern {
                histogram.remove(length, copies * repeats);
                self.push(length, bins, copies, copies * repeats);
            }
            bins += repeats;
        }
    }

    fn push(&mut self, length: usize, first_bin: u32, copies: u32, free: u32) {
        let run = self.runs.len() as u32;
        self.runs.push(OpenBins {
            first_bin,
            copies,
            free,
            next: self.next[length],
        });
        self.next[length] = run;
    }

    /// Takes a place for a sample of this length and returns its bin.
    fn take(&mut self, length: usize) -> usize {
        let run = &mut self.runs[self.next[length] as usize];
        run.free -= 1;
        if run.free == 0 {
            self.next[length] = run.next;
        }
        (run.first_bin + run.free / run.copies) as usize
    }
}
