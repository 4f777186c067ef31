//! Against first-fit-decreasing as textbooks write it, and against what a packing must hold.

use std::collections::BTreeMap;

use proptest::prelude::{Just, any, prop, prop_assert, prop_assert_eq, proptest};
use proptest::strategy::Strategy as Generator;

use super::*;

fn options(capacity: usize, strategy: Strategy) -> PackOptions {
    PackOptions {
        capacity,
        strategy,
        over_length: OverLength::Error,
        seed: Some(0),
    }
}

fn packed(lengths: &[u32], options: &PackOptions) -> Packing {
    pack(lengths, options, &Cancel::default()).unwrap()
}

fn grouped(packing: &Packing) -> Groups {
    group(&packing.bins, 0..packing.count)
}

/// The lengths of each bin, sorted.
fn contents(lengths: &[u32], packing: &Packing) -> Vec<Vec<u32>> {
    let groups = grouped(packing);
    let bin = |bin: usize| {
        let range = groups.offsets[bin] as usize..groups.offsets[bin + 1] as usize;
        let samples = &groups.samples[range];
        let mut found: Vec<u32> = samples.iter().map(|s| lengths[*s as usize]).collect();
        found.sort_unstable();
        found
    };
    (0..packing.count).map(bin).collect()
}

/// Every sample into the first bin that has room, the longest first.
fn textbook(lengths: &[u32], capacity: usize) -> Vec<Vec<u32>> {
    let mut sorted = lengths.to_vec();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    let mut bins: Vec<(usize, Vec<u32>)> = Vec::new();
    for length in sorted {
        let tokens = length as usize;
        match bins.iter_mut().find(|(room, _)| tokens <= *room) {
            Some((room, bin)) => {
                *room -= tokens;
                bin.push(length);
            }
            None => bins.push((capacity - tokens, vec![length])),
        }
    }
    let mut bins: Vec<Vec<u32>> = bins.into_iter().map(|(_, bin)| bin).collect();
    for bin in &mut bins {
        bin.sort_unstable();
    }
    bins
}

/// Lengths with many equal ones, and the capacity.
fn lengths() -> impl Generator<Value = (Vec<u32>, usize)> {
    (1_usize..120).prop_flat_map(|capacity| {
        let longest = capacity as u32;
        (prop::collection::vec(0..=longest, 0..300), Just(capacity))
    })
}

proptest! {
    #[test]
    fn global_is_first_fit_decreasing((lengths, capacity) in lengths()) {
        let unshuffled = PackOptions { seed: None, ..options(capacity, Strategy::Global) };
        let found = contents(&lengths, &packed(&lengths, &unshuffled));
        prop_assert_eq!(found, textbook(&lengths, capacity));
    }

    #[test]
    fn windows_are_packed_one_by_one((lengths, capacity) in lengths(), window in 1_usize..400) {
        let windowed = options(capacity, Strategy::BestFit { window });
        let found = contents(&lengths, &packed(&lengths, &windowed));
        let mut start = 0;
        for samples in lengths.chunks(window) {
            let mut expected = textbook(samples, capacity);
            let mut found = found[start..start + expected.len()].to_vec();
            start += expected.len();
            expected.sort();
            found.sort();
            prop_assert_eq!(found, expected);
        }
        prop_assert_eq!(start, found.len());
    }

    #[test]
    fn in_order_opens_a_bin_only_where_the_sample_does_not_fit((lengths, capacity) in lengths()) {
        let packing = packed(&lengths, &options(capacity, Strategy::InOrder));
        let (mut used, mut last) = (capacity, -1);
        for (&length, &bin) in lengths.iter().zip(&packing.bins) {
            let fits = last >= 0 && used + length as usize <= capacity;
            prop_assert_eq!(bin, if fits { last } else { last + 1 });
            used = if fits { used + length as usize } else { length as usize };
            last = bin;
        }
        prop_assert_eq!(packing.count as i32, last + 1);
    }

    #[test]
    fn samples_that_do_not_fit_go_where_the_caller_says(
        (lengths, capacity) in lengths(),
        window in 1_usize..400,
        at in any::<prop::sample::Index>(),
    ) {
        let mut lengths = lengths;
        lengths.insert(at.index(lengths.len() + 1), capacity as u32 + 1);
        let place = lengths.iter().position(|length| *length as usize > capacity).unwrap();
        for strategy in [
            Strategy::BestFit { window }, Strategy::Global, Strategy::InOrder, Strategy::None,
        ] {
            let over = |over_length| PackOptions { over_length, ..options(capacity, strategy) };
            let error = pack(&lengths, &over(OverLength::Error), &Cancel::default()).unwrap_err();
            let named = error.what().contains(&format!("index {place} "));
            prop_assert!(named);
            let alone = packed(&lengths, &over(OverLength::Alone));
            let same = alone.bins.iter().filter(|bin| **bin == alone.bins[place]).count();
            prop_assert_eq!(same, 1);
            let left = packed(&lengths, &over(OverLength::Reject));
            prop_assert_eq!(left.bins[place], LEFT_OUT);
            prop_assert_eq!(grouped(&left).samples.len(), lengths.len() - 1);
        }
    }

    #[test]
    fn more_samples_change_nothing_in_the_windows_before(
        (lengths, capacity) in lengths(),
        window in 1_usize..50,
        seed in any::<u64>(),
    ) {
        let windowed = PackOptions { seed: Some(seed), ..options(capacity, Strategy::BestFit { window }) };
        let whole = lengths.len() / window * window;
        let all = packed(&lengths, &windowed);
        let before = packed(&lengths[..whole], &windowed);
        prop_assert_eq!(&all.bins[..whole], &before.bins[..]);
    }

    #[test]
    fn the_seed_changes_the_order_of_the_bins_alone((lengths, capacity) in lengths()) {
        let with = |seed| packed(&lengths, &PackOptions { seed, ..options(capacity, Strategy::Global) });
        let (plain, shuffled) = (with(None), with(Some(7)));
        prop_assert_eq!(&shuffled, &with(Some(7)));
        let mut order: Vec<i32> = (0..plain.count as i32).collect();
        let seed = shuffle::SplitMix64::new(7).draw();
        shuffle::SplitMix64::new(seed).shuffle(&mut order);
        let expected: Vec<i32> = plain.bins.iter().map(|bin| order[*bin as usize]).collect();
        prop_assert_eq!(shuffled.bins, expected);
    }
}

/// Lengths like those of conversations: lognormal, median 420, sigma 0.95, cut at the capacity.
fn lognormal(count: usize, capacity: usize) -> Vec<u32> {
    let mut random = shuffle::SplitMix64::new(1);
    let mut uniform = || (random.draw() >> 11) as f64 / (1_u64 << 53) as f64;
    let mut length = || {
        let normal =
            (-2.0 * (1.0 - uniform()).ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos();
        let tokens = (420_f64.ln() + 0.95 * normal).exp().round();
        (tokens as usize).clamp(1, capacity) as u32
    };
    (0..count).map(|_| length()).collect()
}

#[test]
fn bins_are_few() {
    for capacity in [2048, 4096, 8192] {
        let lengths = lognormal(300_000, capacity);
        let tokens: usize = lengths.iter().map(|length| *length as usize).sum();
        let halves = lengths
            .iter()
            .filter(|length| **length as usize > capacity / 2)
            .count();
        let bound = tokens.div_ceil(capacity).max(halves) as f64;
        let global = packed(&lengths, &options(capacity, Strategy::Global)).count as f64;
        let windows = options(capacity, Strategy::BestFit { window: WINDOW });
        let windowed = packed(&lengths, &windows).count as f64;
        assert!(global <= bound * 1.0005, "{global} of {bound}");
        assert!(windowed <= bound * 1.001, "{windowed} of {bound}");
    }
}

#[test]
fn a_result_stays_the_same_in_every_version() {
    let mut random = shuffle::SplitMix64::new(3);
    let lengths: Vec<u32> = (0..5_000).map(|_| random.draw() as u32 % 1500).collect();
    let windows = options(2048, Strategy::BestFit { window: 1000 });
    let packing = packed(&lengths, &windows);
    let bytes: Vec<u8> = packing
        .bins
        .iter()
        .flat_map(|bin| bin.to_le_bytes())
        .collect();
    assert_eq!(packing.count, 1835);
    assert_eq!(
        xxhash_rust::xxh3::xxh3_64(&bytes),
        13_633_435_002_656_774_845
    );
}

#[test]
fn lengths_may_be_of_any_integer_type() {
    let options = options(100, Strategy::Global);
    let expected = packed(&[60, 50, 40, 1], &options);
    let cancel = Cancel::default();
    assert_eq!(
        pack(&[60_i8, 50, 40, 1], &options, &cancel).unwrap(),
        expected
    );
    assert_eq!(
        pack(&[60_u64, 50, 40, 1], &options, &cancel).unwrap(),
        expected
    );
    assert_eq!(
        pack(&[60_i64, 50, 40, 1], &options, &cancel).unwrap(),
        expected
    );
}

#[test]
fn nothing_packs_into_no_bins() {
    for strategy in [
        Strategy::BestFit { window: WINDOW },
        Strategy::Global,
        Strategy::InOrder,
    ] {
        let packing = packed(&[], &options(10, strategy));
        assert_eq!((packing.bins.len(), packing.count), (0, 0));
        assert_eq!(grouped(&packing).offsets, [0]);
    }
}

#[test]
fn arguments_that_cannot_be_are_named() {
    let code = |lengths: &[i32], options: &PackOptions| {
        let error = pack(lengths, options, &Cancel::default()).unwrap_err();
        assert!(error.hint_text().is_some());
        error.code()
    };
    let good = options(10, Strategy::Global);
    assert_eq!(
        code(
            &[3],
            &PackOptions {
                capacity: 0,
                ..good
            }
        ),
        "invalid-capacity"
    );
    assert_eq!(
        code(
            &[3],
            &PackOptions {
                capacity: MOST_CAPACITY + 1,
                ..good
            }
        ),
        "invalid-capacity"
    );
    assert_eq!(
        code(&[3], &options(10, Strategy::BestFit { window: 0 })),
        "invalid-window"
    );
    assert_eq!(code(&[3, -1], &good), "invalid-lengths");
    assert_eq!(code(&[3, 11], &good), "overlong-sample");
    assert_eq!(
        Strategy::named("first-fit", 1).unwrap_err().code(),
        "invalid-choice"
    );
    assert_eq!(
        OverLength::named("cut").unwrap_err().code(),
        "invalid-choice"
    );
}

#[test]
fn every_name_is_known() {
    for name in Strategy::NAMES {
        assert!(Strategy::named(name, 1).is_ok(), "{name}");
    }
    for name in OverLength::NAMES {
        assert!(OverLength::named(name).is_ok(), "{name}");
    }
    assert_eq!(
        OverLength::named(OverLength::NAMES[0]).unwrap(),
        OverLength::default()
    );
}

#[test]
fn a_cancelled_call_ends() {
    let cancel = Cancel::default();
    cancel.cancel();
    let error = pack(&[1_u32], &options(10, Strategy::Global), &cancel).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[test]
fn groups_name_each_sample_once() {
    let lengths = lognormal(2_000, 1024);
    let packing = packed(&lengths, &options(1024, Strategy::Global));
    let groups = grouped(&packing);
    let mut seen = BTreeMap::new();
    for bin in 0..packing.count {
        let samples =
            &groups.samples[groups.offsets[bin] as usize..groups.offsets[bin + 1] as usize];
        assert!(samples.is_sorted());
        for &sample in samples {
            assert_eq!(packing.bins[sample as usize], bin as i32);
            *seen.entry(sample).or_insert(0) += 1;
        }
    }
    assert_eq!(seen.len(), lengths.len());
    assert!(seen.values().all(|count| *count == 1));
}

#[test]
fn parts_of_the_bins_are_grouped_as_all_are() {
    let lengths = lognormal(2_000, 1024);
    let options = PackOptions {
        over_length: OverLength::Reject,
        ..options(512, Strategy::BestFit { window: 300 })
    };
    let packing = packed(&lengths, &options);
    let whole = grouped(&packing);
    let mut samples = Vec::new();
    for first in (0..packing.count).step_by(17) {
        let part = group(&packing.bins, first..packing.count.min(first + 17));
        let before = samples.len() as i64;
        samples.extend(part.samples);
        let offsets = part.offsets.iter().map(|offset| offset + before);
        assert!(
            offsets.eq(whole.offsets[first..]
                .iter()
                .copied()
                .take(part.offsets.len()))
        );
    }
    assert_eq!(samples, whole.samples);
    assert!(samples.len() < lengths.len(), "some are left out");
}
