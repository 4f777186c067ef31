//! Flat numbers → `bytearray`, which numpy views without a copy and may write to.

use pyo3::prelude::*;
use pyo3::types::PyByteArray;

/// The parts one after the other, in the machine's byte order.
pub(crate) fn bytes<'py, const N: usize, T: Copy>(
    py: Python<'py>,
    parts: &[&[T]],
    to_bytes: impl Fn(T) -> [u8; N],
) -> PyResult<Bound<'py, PyByteArray>> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    PyByteArray::new_with(py, length * N, |out| {
        let numbers = parts.iter().flat_map(|part| part.iter());
        for (place, number) in out.chunks_exact_mut(N).zip(numbers) {
            place.copy_from_slice(&to_bytes(*number));
        }
        Ok(())
    })
}
