//! Flat numbers → numpy, without a copy.
//!
//! numpy reads `__array_interface__`, which says where the numbers lie, and keeps the object alive:
//! <https://numpy.org/doc/stable/reference/arrays.interface.html>. Its arrays may be written to,
//! which those that come through Arrow may not.

use std::any::Any;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Numbers that numpy can hold.
pub(crate) trait Number: Send + Sync + 'static {
    /// Byte order, kind and bytes of each, as numpy writes them.
    const TYPE: &'static str;
}

impl Number for u32 {
    const TYPE: &'static str = if BIG { ">u4" } else { "<u4" };
}

impl Number for i32 {
    const TYPE: &'static str = if BIG { ">i4" } else { "<i4" };
}

impl Number for i64 {
    const TYPE: &'static str = if BIG { ">i8" } else { "<i8" };
}

/// The machine's byte order.
const BIG: bool = cfg!(target_endian = "big");

/// The memory of an array. Nothing in Rust reads or writes it again: it is numpy's to change.
#[pyclass(frozen, module = "turnmill._core")]
pub(crate) struct Flat {
    address: usize,
    count: usize,
    number: &'static str,
    _numbers: Box<dyn Any + Send + Sync>,
}

impl Flat {
    pub(crate) fn new<T: Number>(mut numbers: Vec<T>) -> Self {
        Self {
            address: numbers.as_mut_ptr().expose_provenance(),
            count: numbers.len(),
            number: T::TYPE,
            _numbers: Box::new(numbers),
        }
    }
}

#[pymethods]
impl Flat {
    /// Version 3 of numpy's array interface.
    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let read_only = false;
        let interface = PyDict::new(py);
        interface.set_item(intern!(py, "version"), 3)?;
        interface.set_item(intern!(py, "typestr"), self.number)?;
        interface.set_item(intern!(py, "shape"), (self.count,))?;
        interface.set_item(intern!(py, "data"), (self.address, read_only))?;
        Ok(interface)
    }
}
