//! The only unsafe code of the encoder: what processors offer beyond safe Rust.
#![cfg_attr(
    any(target_arch = "x86_64", target_os = "linux"),
    expect(
        unsafe_code,
        reason = "prefetch, vector instructions and advice on memory have no safe form"
    )
)]

use std::sync::LazyLock;

use crate::cache::short::{COUNT, Key};
use crate::pre_tokenizer::blocks::{BLOCK, Masks};

/// What a set of vector instructions does for the encoder.
pub(crate) trait Vectors: Copy {
    /// The classes of the bytes of a block.
    fn classify(self, block: &[u8; BLOCK]) -> Masks;

    /// Appends the places of the bits that are set, counted from `base`, lowest first.
    fn push_places(self, bits: u64, base: u32, places: &mut Vec<u32>);

    /// Two keys are the same but for how many ids they have.
    #[inline(always)]
    fn same_key(self, one: &Key, other: &Key) -> bool {
        (one ^ other) & !COUNT == 0
    }
}

/// Work that is compiled once for each set of instructions. `run` and what it calls for every
/// byte must be `#[inline(always)]`, or the compiler will not use them there.
pub(crate) trait Task {
    type Output;
    fn run(self, vectors: impl Vectors) -> Self::Output;
}

/// Which instructions this processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Processor {
    /// No more than every processor of its kind.
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Processor {
    /// The one this runs on.
    pub(crate) fn detect() -> Self {
        Self::known().into_iter().last().unwrap_or(Self::Portable)
    }

    /// As `detect`, looked up once.
    #[inline]
    pub(crate) fn here() -> Self {
        static HERE: LazyLock<Processor> = LazyLock::new(Processor::detect);
        *HERE
    }

    /// Those whose instructions this processor has, the fastest last.
    pub(crate) fn known() -> Vec<Self> {
        #[cfg(target_arch = "x86_64")]
        {
            let all = [Self::Portable, Self::Avx2, Self::Avx512];
            let has = [true, x86::has_avx2(), x86::has_avx512()];
            let known = all.into_iter().zip(has).filter(|(_, has)| *has);
            known.map(|(processor, _)| processor).collect()
        }
        #[cfg(not(target_arch = "x86_64"))]
        vec![Self::Portable]
    }

    /// Runs a task with its instructions.
    #[inline]
    pub(crate) fn run<T: Task>(self, task: T) -> T::Output {
        match self {
            Self::Portable => task.run(Portable),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => x86::run_avx2(task),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => x86::run_avx512(task),
        }
    }
}

/// For every processor: compilers make vector code of the comparisons (NEON on ARM, for which there
/// is no code of our own).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

impl Vectors for Portable {
    #[inline]
    fn classify(self, block: &[u8; BLOCK]) -> Masks {
        let mask = |member: fn(u8) -> bool| {
            let flags: [u8; BLOCK] = std::array::from_fn(|i| u8::from(member(block[i])));
            let (lanes, _) = flags.as_chunks::<8>();
            lanes.iter().rev().fold(0, |mask, lanes| {
                // Gathers the lowest bits of eight bytes in the highest byte.
                let bits = u64::from_le_bytes(*lanes).wrapping_mul(0x0102_0408_1020_4080) >> 56;
                mask << 8 | bits
            })
        };
        Masks {
            upper: mask(|byte| byte.is_ascii_uppercase()),
            lower: mask(|byte| byte.is_ascii_lowercase()),
            digit: mask(|byte| byte.is_ascii_digit()),
            space: mask(|byte| byte == b' '),
            control: mask(|byte| matches!(byte, 9..=13)),
            newline: mask(|byte| matches!(byte, b'\n' | b'\r')),
            quote: mask(|byte| byte == b'\''),
            slash: mask(|byte| byte == b'/'),
            high: mask(|byte| byte >= 0x80),
        }
    }

    #[inline]
    fn push_places(self, bits: u64, base: u32, places: &mut Vec<u32>) {
        push_in_steps(bits, base, places);
    }
}

/// Writes 16 places at a time and keeps those that there are: a block of text has about twelve,
/// and a loop over the bits would end at a place that no processor foresees.
#[inline(always)]
fn push_in_steps(mut bits: u64, base: u32, places: &mut Vec<u32>) {
    let end = places.len() + bits.count_ones() as usize;
    loop {
        let step: [u32; 16] = std::array::from_fn(|_| {
            let place = base + bits.trailing_zeros();
            bits &= bits.wrapping_sub(1);
            place
        });
        places.extend_from_slice(&step);
        if bits == 0 {
            break;
        }
    }
    places.truncate(end);
}

/// A table of `count` times `value`, in pages of 2 MiB where the system gives them: a look-up then
/// costs one miss, not one more for the address.
pub(crate) fn large<T: Clone>(value: T, count: usize) -> Vec<T> {
    let mut table = Vec::with_capacity(count);
    advise_huge(table.spare_capacity_mut());
    table.resize(count, value);
    table
}

/// As [`large`], of what is in another table.
pub(crate) fn large_copy<T: Clone>(other: &[T]) -> Vec<T> {
    let mut table = Vec::with_capacity(other.len());
    advise_huge(table.spare_capacity_mut());
    table.extend_from_slice(other);
    table
}

/// Asks for pages of 2 MiB where memory is first written.
pub fn advise_huge<T>(memory: &mut [T]) {
    #[cfg(target_os = "linux")]
    {
        const PAGE: usize = 4096;
        const HUGE: usize = 2 << 20;
        let address = memory.as_mut_ptr().cast::<u8>();
        let skip = address.align_offset(PAGE);
        let bytes = (size_of_val(memory).saturating_sub(skip)) / PAGE * PAGE;
        if bytes >= HUGE {
            // SAFETY: the range lies in the given memory and starts at a page; the advice changes
            // how it is mapped, never what it holds. It may fail, which does not matter.
            unsafe { libc::madvise(address.add(skip).cast(), bytes, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}

/// Asks for the cache line of `table[index]`; does nothing where the processor has no such thing.
#[inline]
pub(crate) fn prefetch<T>(table: &[T], index: usize) {
    #[cfg(target_arch = "x86_64")]
    x86::prefetch(table.as_ptr().wrapping_add(index).cast());
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (table, index);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{BLOCK, COUNT, Key, Masks, Task, Vectors, push_in_steps};
    use std::arch::x86_64::{
        __m256i, __m512i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm_testz_si128,
        _mm_xor_si128, _mm256_add_epi8, _mm256_cmpgt_epi8, _mm256_loadu_si256,
        _mm256_movemask_epi8, _mm256_set1_epi8, _mm512_add_epi32, _mm512_alignr_epi64,
        _mm512_castsi512_si128, _mm512_cmpeq_epi8_mask, _mm512_cmplt_epu8_mask,
        _mm512_cvtepu8_epi32, _mm512_loadu_si512, _mm512_maskz_compress_epi8, _mm512_movepi8_mask,
        _mm512_set1_epi8, _mm512_set1_epi32, _mm512_storeu_si512, _mm512_sub_epi8,
    };

    #[inline]
    pub(crate) fn prefetch(address: *const i8) {
        // SAFETY: a prefetch reads nothing; any address is allowed.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address) };
    }

    pub(crate) fn has_avx2() -> bool {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt")
    }

    pub(crate) fn has_avx512() -> bool {
        has_avx2()
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vbmi2")
    }

    /// Made only where the processor has [`has_avx2`].
    #[derive(Clone, Copy)]
    struct Avx2;

    /// Made only where the processor has [`has_avx512`].
    #[derive(Clone, Copy)]
    struct Avx512;

    #[inline]
    pub(crate) fn run_avx2<T: Task>(task: T) -> T::Output {
        // SAFETY: chosen only where the processor has these instructions.
        unsafe { with_avx2(task) }
    }

    #[inline]
    pub(crate) fn run_avx512<T: Task>(task: T) -> T::Output {
        // SAFETY: chosen only where the processor has these instructions.
        unsafe { with_avx512(task) }
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn with_avx2<T: Task>(task: T) -> T::Output {
        task.run(Avx2)
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,avx512bw,avx512vl,avx512vbmi2")]
    fn with_avx512<T: Task>(task: T) -> T::Output {
        task.run(Avx512)
    }

    impl Vectors for Avx2 {
        #[inline(always)]
        fn classify(self, block: &[u8; BLOCK]) -> Masks {
            // SAFETY: there is a value of this type only where the processor has AVX2.
            unsafe { avx2(block) }
        }

        #[inline(always)]
        fn push_places(self, bits: u64, base: u32, places: &mut Vec<u32>) {
            push_in_steps(bits, base, places);
        }

        #[inline(always)]
        fn same_key(self, one: &Key, other: &Key) -> bool {
            // SAFETY: there is a value of this type only where the processor has AVX2.
            unsafe { same_key(one, other) }
        }
    }

    impl Vectors for Avx512 {
        #[inline(always)]
        fn classify(self, block: &[u8; BLOCK]) -> Masks {
            // SAFETY: there is a value of this type only where the processor has AVX-512BW.
            unsafe { avx512(block) }
        }

        #[inline(always)]
        fn push_places(self, bits: u64, base: u32, places: &mut Vec<u32>) {
            let end = places.len() + bits.count_ones() as usize;
            // SAFETY: there is a value of this type only where the processor has AVX-512VBMI2.
            let mut found = unsafe { compress(bits) };
            loop {
                // SAFETY: as above.
                let (step, rest) = unsafe { widen(found, base) };
                places.extend_from_slice(&step);
                if places.len() >= end {
                    break;
                }
                found = rest;
            }
            places.truncate(end);
        }

        #[inline(always)]
        fn same_key(self, one: &Key, other: &Key) -> bool {
            // SAFETY: there is a value of this type only where the processor has AVX2.
            unsafe { same_key(one, other) }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn same_key(one: &Key, other: &Key) -> bool {
        let load = |key: &Key| {
            // SAFETY: reads the 16 bytes of the key; no alignment is asked for.
            unsafe { _mm_loadu_si128(std::ptr::from_ref(key).cast()) }
        };
        _mm_testz_si128(_mm_xor_si128(load(one), load(other)), load(&!COUNT)) != 0
    }

    /// The places of the bits that are set, as bytes.
    #[inline]
    #[target_feature(enable = "avx512bw,avx512vbmi2")]
    fn compress(bits: u64) -> __m512i {
        const PLACES: [u8; BLOCK] = {
            let mut places = [0; BLOCK];
            let mut place = 0;
            while place < BLOCK {
                places[place] = place as u8;
                place += 1;
            }
            places
        };
        // SAFETY: reads the 64 bytes of the constant; no alignment is asked for.
        let places = unsafe { _mm512_loadu_si512(PLACES.as_ptr().cast()) };
        _mm512_maskz_compress_epi8(bits, places)
    }

    /// The first 16 bytes added to `base`, and the bytes after them.
    #[inline]
    #[target_feature(enable = "avx512bw")]
    fn widen(bytes: __m512i, base: u32) -> ([u32; 16], __m512i) {
        let first = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(bytes));
        let first = _mm512_add_epi32(first, _mm512_set1_epi32(base as i32));
        let mut step = [0; 16];
        // SAFETY: writes the 64 bytes of the array; no alignment is asked for.
        unsafe { _mm512_storeu_si512(step.as_mut_ptr().cast(), first) };
        (step, _mm512_alignr_epi64::<2>(bytes, bytes))
    }

    #[inline]
    #[target_feature(enable = "avx512bw")]
    fn avx512(block: &[u8; BLOCK]) -> Masks {
        // SAFETY: reads the 64 bytes of the block; no alignment is asked for.
        let bytes: __m512i = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
        let within = |first: u8, count: i8| {
            let shifted = _mm512_sub_epi8(bytes, _mm512_set1_epi8(first as i8));
            _mm512_cmplt_epu8_mask(shifted, _mm512_set1_epi8(count))
        };
        let equal = |byte: u8| _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(byte as i8));
        Masks {
            upper: within(b'A', 26),
            lower: within(b'a', 26),
            digit: within(b'0', 10),
            space: equal(b' '),
            control: within(9, 5),
            newline: equal(b'\n') | equal(b'\r'),
            quote: equal(b'\''),
            slash: equal(b'/'),
            high: _mm512_movepi8_mask(bytes),
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn avx2(block: &[u8; BLOCK]) -> Masks {
        let half = |from: usize| -> __m256i {
            // SAFETY: reads 32 of the 64 bytes of the block; no alignment is asked for.
            unsafe { _mm256_loadu_si256(block.as_ptr().add(from).cast()) }
        };
        let halves = [half(0), half(32)];
        let bits = |[low, high]: [__m256i; 2]| {
            let high = u64::from(_mm256_movemask_epi8(high) as u32);
            high << 32 | u64::from(_mm256_movemask_epi8(low) as u32)
        };
        // `byte - first < count` without sign: moved so that the members are the greatest.
        let within = |first: u8, count: u8| {
            let shift = _mm256_set1_epi8((128 - count).wrapping_sub(first) as i8);
            let bound = _mm256_set1_epi8((127 - count) as i8);
            bits(halves.map(|bytes| _mm256_cmpgt_epi8(_mm256_add_epi8(bytes, shift), bound)))
        };
        Masks {
            upper: within(b'A', 26),
            lower: within(b'a', 26),
            digit: within(b'0', 10),
            space: within(b' ', 1),
            control: within(9, 5),
            newline: within(b'\n', 1) | within(b'\r', 1),
            quote: within(b'\'', 1),
            slash: within(b'/', 1),
            high: bits(halves),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The classes of a block, and places from 5 on of the bits of a word.
    struct Both<'a>(&'a [u8; BLOCK], u64);

    impl Task for Both<'_> {
        type Output = (Masks, Vec<u32>);

        #[inline(always)]
        fn run(self, vectors: impl Vectors) -> Self::Output {
            let mut places = vec![1];
            vectors.push_places(self.1, 5, &mut places);
            (vectors.classify(self.0), places)
        }
    }

    #[test]
    fn every_processor_gives_the_same() {
        let mut bits = 1_u64;
        for first in 0..=255_u8 {
            let block: [u8; BLOCK] = std::array::from_fn(|i| first.wrapping_add((i * 37) as u8));
            bits = bits.rotate_left(7) ^ u64::from(first).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let sparse = bits & bits >> 7;
            for bits in [bits, sparse, bits | sparse << 3, 0, u64::MAX] {
                for processor in Processor::known() {
                    let (masks, places) = processor.run(Both(&block, bits));
                    for (i, &byte) in block.iter().enumerate() {
                        let bit = |mask: u64| mask >> i & 1 == 1;
                        assert_eq!(bit(masks.upper), byte.is_ascii_uppercase());
                        assert_eq!(bit(masks.lower), byte.is_ascii_lowercase());
                        assert_eq!(bit(masks.digit), byte.is_ascii_digit());
                        assert_eq!(bit(masks.space), byte == b' ');
                        assert_eq!(bit(masks.control), matches!(byte, 9..=13));
                        assert_eq!(bit(masks.newline), matches!(byte, b'\n' | b'\r'));
                        assert_eq!(bit(masks.quote), byte == b'\'');
                        assert_eq!(bit(masks.slash), byte == b'/');
                        assert_eq!(bit(masks.high), byte >= 0x80);
                    }
                    let expected = (0..64).filter(|i| bits >> i & 1 == 1).map(|i| i + 5);
                    let expected: Vec<u32> = [1].into_iter().chain(expected).collect();
                    assert_eq!(places, expected, "{processor:?}");
                }
            }
        }
    }

    /// Two keys are the same.
    struct Same(Key, Key);

    impl Task for Same {
        type Output = bool;

        #[inline(always)]
        fn run(self, vectors: impl Vectors) -> bool {
            vectors.same_key(&self.0, &self.1)
        }
    }

    #[test]
    fn keys_differ_in_every_bit_but_those_of_the_count() {
        let key = 0x0123_4567_89AB_CDEF_0F1E_2D3C_4B5A_6978;
        for processor in Processor::known() {
            assert!(processor.run(Same(key, key)));
            for bit in (0..128).map(|bit| 1 << bit) {
                let same = processor.run(Same(key, key ^ bit));
                assert_eq!(same, bit & COUNT != 0, "{processor:?} {bit:x}");
            }
        }
    }
}
