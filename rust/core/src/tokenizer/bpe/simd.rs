//! The only unsafe code of the encoder: what processors offer beyond safe Rust.
#![expect(unsafe_code, reason = "prefetch and vector loads have no safe form")]

/// Asks for the cache line of `table[index]`; does nothing where the processor has no such thing.
#[inline]
pub(super) fn prefetch<T>(table: &[T], index: usize) {
    debug_assert!(index < table.len());
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let address = table.as_ptr().wrapping_add(index).cast::<i8>();
        // SAFETY: a prefetch reads nothing; it is allowed on any address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (table, index);
}
