//! The bin of each sample, and the samples of each bin.

use std::ops::Range;

/// The bin of a sample that is left out.
pub const LEFT_OUT: i32 = -1;

/// Which bin each sample is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packing {
    /// The bin of each sample, from 0; [`LEFT_OUT`] where it has none.
    pub bins: Vec<i32>,
    /// Number of bins.
    pub count: usize,
}

/// Which samples some bins hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    /// Where the samples of each bin start, and where the last end: one entry more than bins.
    pub offsets: Vec<i64>,
    /// Samples, bin after bin, in their own order inside each.
    pub samples: Vec<i32>,
}

/// The samples of some bins, where `bins` has the bin of each sample.
pub fn group(bins: &[i32], range: Range<usize>) -> Groups {
    let place = |bin: i32| {
        let bin = usize::try_from(bin).ok()?; // none where it is left out
        range.contains(&bin).then(|| bin - range.start)
    };
    let mut offsets = vec![0_i64; range.len() + 1];
    for bin in bins.iter().filter_map(|bin| place(*bin)) {
        offsets[bin + 1] += 1;
    }
    for bin in 0..range.len() {
        offsets[bin + 1] += offsets[bin];
    }
    let mut samples = vec![0; offsets[range.len()] as usize];
    let mut next = offsets.clone();
    for (sample, bin) in bins.iter().enumerate() {
        if let Some(bin) = place(*bin) {
            samples[next[bin] as usize] = sample as i32;
            next[bin] += 1;
        }
    }
    Groups { offsets, samples }
}
