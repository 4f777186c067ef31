//! Packing: lengths → bins.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use pyo3::prelude::*;
use turnmill_core::cancel::Cancel;
use turnmill_core::pack::{self, OverLength, PackOptions, Packing, Strategy};
use turnmill_core::{Error, ErrorKind, Result};

use crate::capsule;
use crate::detach;
use crate::errors;
use crate::flat::Flat;

/// The bin of each length, int32, and the number of bins.
#[pyfunction]
pub(crate) fn pack_lengths(
    py: Python<'_>,
    lengths: &Bound<'_, PyAny>,
    capacity: usize,
    strategy: &str,
    window: usize,
    seed: Option<u64>,
    over_length: &str,
) -> PyResult<(Flat, usize)> {
    let how = Choices(capacity, strategy, window, seed, over_length);
    let options = how
        .options()
        .map_err(|error| errors::to_python(py, &error))?;
    let array = one_array(lengths)?;
    let packing = detach::run(py, |cancel| pack_array(&array, &options, cancel))?;
    Ok((Flat::new(packing.bins), packing.count))
}

/// Where the samples of each bin from `first` up to `stop` start, int64, and these samples, bin
/// after bin, int32. `bins`, an Arrow array of int32, has the bin of each sample.
#[pyfunction]
pub(crate) fn group_samples(
    py: Python<'_>,
    bins: &Bound<'_, PyAny>,
    first: usize,
    stop: usize,
) -> PyResult<(Flat, Flat)> {
    let array = one_array(bins)?;
    let groups = detach::run(py, |_| match array.as_primitive_opt::<Int32Type>() {
        Some(bins) => Ok(pack::group(bins.values(), first..stop)),
        None => Err(not_lengths(&format!("of type {}", array.data_type()))),
    })?;
    Ok((Flat::new(groups.offsets), Flat::new(groups.samples)))
}

/// Capacity, strategy, window, seed and what becomes of samples that are too long, as Python says
/// them.
struct Choices<'a>(usize, &'a str, usize, Option<u64>, &'a str);

impl Choices<'_> {
    fn options(&self) -> Result<PackOptions> {
        let Self(capacity, strategy, window, seed, over_length) = *self;
        Ok(PackOptions {
            capacity,
            strategy: Strategy::named(strategy, window)?,
            over_length: OverLength::named(over_length)?,
            seed,
        })
    }
}

/// The one array of integers that `turnmill.packing` hands over.
fn one_array(lengths: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    let array = capsule::arrays(lengths)?.and_then(|mut arrays| arrays.next());
    let no_array = || errors::to_python(lengths.py(), &not_lengths("not an Arrow array"));
    array.ok_or_else(no_array)?.map_err(capsule::arrow_error)
}

fn pack_array(array: &ArrayRef, options: &PackOptions, cancel: &Cancel) -> Result<Packing> {
    if array.null_count() > 0 {
        return Err(not_lengths("null somewhere"));
    }
    macro_rules! packed {
        ($type:ty) => {
            pack::pack(array.as_primitive::<$type>().values(), options, cancel)
        };
    }
    match array.data_type() {
        DataType::Int8 => packed!(Int8Type),
        DataType::Int16 => packed!(Int16Type),
        DataType::Int32 => packed!(Int32Type),
        DataType::Int64 => packed!(Int64Type),
        DataType::UInt8 => packed!(UInt8Type),
        DataType::UInt16 => packed!(UInt16Type),
        DataType::UInt32 => packed!(UInt32Type),
        DataType::UInt64 => packed!(UInt64Type),
        other => Err(not_lengths(&format!("of type {other}"))),
    }
}

fn not_lengths(what: &str) -> Error {
    let text = format!("lengths are {what}, not whole numbers");
    Error::new(ErrorKind::Argument, "invalid-lengths", text)
        .hint("give a list, a numpy array or an Arrow array of whole numbers, with no null in it")
}
