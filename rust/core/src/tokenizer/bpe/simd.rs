//! The only unsafe code of the encoder: what processors offer beyond safe Rust.
#![cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "prefetch and vector instructions have no safe form"
    )
)]

use super::blocks::{BLOCK, Masks};

/// Gives the classes of the bytes of a block.
pub(super) type Classify = fn(&[u8; BLOCK]) -> Masks;

/// The fastest that this processor can run.
pub(super) fn classify() -> Classify {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512bw") {
            return x86::classify_avx512;
        }
        if is_x86_feature_detected!("avx2") {
            return x86::classify_avx2;
        }
    }
    classify_portable
}

/// For every processor: compilers make vector code of the comparisons (NEON on ARM).
pub(super) fn classify_portable(block: &[u8; BLOCK]) -> Masks {
    let mask = |member: fn(u8) -> bool| {
        let flags: [u8; BLOCK] = std::array::from_fn(|i| u8::from(member(block[i])));
        flags
            .chunks_exact(8)
            .enumerate()
            .fold(0, |mask, (i, flags)| {
                let lanes = flags
                    .iter()
                    .rev()
                    .fold(0_u64, |lanes, &flag| lanes << 8 | u64::from(flag));
                // Gathers the lowest bits of eight bytes in the highest byte.
                let bits = lanes.wrapping_mul(0x0102_0408_1020_4080) >> 56;
                mask | bits << (8 * i)
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

/// A table of `count` times `value`, in pages of 2 MiB where the system gives them: a look-up then
/// costs one miss, not one more for the address.
pub(super) fn large<T: Clone>(value: T, count: usize) -> Vec<T> {
    let mut table = Vec::with_capacity(count);
    #[cfg(target_os = "linux")]
    advise_huge(&mut table);
    table.resize(count, value);
    table
}

#[cfg(target_os = "linux")]
fn advise_huge<T>(table: &mut Vec<T>) {
    const PAGE: usize = 4096;
    let room = table.spare_capacity_mut();
    let address = room.as_mut_ptr().cast::<u8>();
    let skip = address.align_offset(PAGE);
    let bytes = (size_of_val(room).saturating_sub(skip)) / PAGE * PAGE;
    if bytes >= PAGE {
        // SAFETY: the range lies in the table's own allocation and starts at a page; the advice
        // changes how the range is mapped, never what it holds. It may fail, which is no matter.
        unsafe { libc::madvise(address.add(skip).cast(), bytes, libc::MADV_HUGEPAGE) };
    }
}

/// Asks for the cache line of `table[index]`; does nothing where the processor has no such thing.
#[inline]
pub(super) fn prefetch<T>(table: &[T], index: usize) {
    #[cfg(target_arch = "x86_64")]
    x86::prefetch(table.as_ptr().wrapping_add(index).cast());
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (table, index);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{BLOCK, Masks};
    use std::arch::x86_64::{
        __m256i, __m512i, _MM_HINT_T0, _mm_prefetch, _mm256_add_epi8, _mm256_cmpgt_epi8,
        _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_set1_epi8, _mm512_cmpeq_epi8_mask,
        _mm512_cmplt_epu8_mask, _mm512_loadu_si512, _mm512_movepi8_mask, _mm512_set1_epi8,
        _mm512_sub_epi8,
    };

    #[inline]
    pub(super) fn prefetch(address: *const i8) {
        // SAFETY: a prefetch reads nothing; any address is allowed.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address) };
    }

    pub(super) fn classify_avx512(block: &[u8; BLOCK]) -> Masks {
        // SAFETY: chosen only where the processor has AVX-512BW.
        unsafe { avx512(block) }
    }

    pub(super) fn classify_avx2(block: &[u8; BLOCK]) -> Masks {
        // SAFETY: chosen only where the processor has AVX2.
        unsafe { avx2(block) }
    }

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

    #[target_feature(enable = "avx2")]
    fn avx2(block: &[u8; BLOCK]) -> Masks {
        let half = |from: usize| -> __m256i {
            // SAFETY: reads 32 of the 64 bytes of the block; no alignment is asked for.
            unsafe { _mm256_loadu_si256(block.as_ptr().add(from).cast()) }
        };
        let halves = [half(0), half(32)];
        let bits = |test: &dyn Fn(__m256i) -> __m256i| {
            let [low, high] = halves.map(|bytes| _mm256_movemask_epi8(test(bytes)) as u32);
            u64::from(high) << 32 | u64::from(low)
        };
        // `byte - first < count` without sign: moved so that the members are the greatest.
        let within = |first: u8, count: u8| {
            let shift = _mm256_set1_epi8((128 - count).wrapping_sub(first) as i8);
            let bound = _mm256_set1_epi8((127 - count) as i8);
            bits(&|bytes| _mm256_cmpgt_epi8(_mm256_add_epi8(bytes, shift), bound))
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
            high: bits(&|bytes| bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_gives_the_same_classes() {
        for first in 0..=255_u8 {
            let block: [u8; BLOCK] = std::array::from_fn(|i| first.wrapping_add((i * 37) as u8));
            let expected = classify_portable(&block);
            for (i, &byte) in block.iter().enumerate() {
                assert_eq!(expected.lower >> i & 1 == 1, byte.is_ascii_lowercase());
                assert_eq!(expected.control >> i & 1 == 1, matches!(byte, 9..=13));
            }
            assert_eq!(classify()(&block), expected);
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") {
                assert_eq!(x86::classify_avx2(&block), expected);
            }
        }
    }
}
