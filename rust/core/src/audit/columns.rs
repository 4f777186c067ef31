//! The columns of one batch of tokenized data.

use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;

use super::integers::Integers;
use super::lists::Lists;
use super::meanings::{Boundaries, COLUMNS, Meaning};
use crate::{Error, ErrorKind, Result};

/// The columns of one batch.
#[derive(Debug)]
pub(super) struct Columns {
    /// Token ids.
    pub(super) ids: Integers,
    /// Labels, not shifted.
    pub(super) labels: Option<Integers>,
    /// Masks of trained tokens; a token is trained if all of them say so.
    pub(super) masks: Vec<Integers>,
    /// The masks are those of the *next* token, as Megatron-Bridge stores them.
    pub(super) shifted: bool,
    /// 0 = padding; above 1 = number of the document.
    pub(super) attention: Option<Integers>,
    /// Positions, which restart at each document.
    pub(super) positions: Option<Integers>,
    /// Boundaries of documents.
    pub(super) documents: Option<(Boundaries, Integers)>,
    /// A label that means untrained, besides negative ones.
    pub(super) ignore: Option<i32>,
    /// Number of rows.
    pub(super) rows: usize,
}

impl Columns {
    /// The columns of a batch. If `input_ids` is missing, or a column is not a list of integers or
    /// booleans, the error names what was found.
    pub(super) fn of(batch: &RecordBatch, ignore: Option<i32>) -> Result<Self> {
        let mut find = |name: &'static str| -> Result<Option<Integers>> {
            batch
                .column_by_name(name)
                .filter(|array| array.data_type() != &DataType::Null)
                .map(|array| Integers::of(name, array))
                .transpose()
        };
        let ids = first(&mut find, Meaning::Ids)?.ok_or_else(|| without_ids(batch))?;
        Self::beside(ids, find, batch.num_rows(), ignore)
    }

    /// The columns of rows that were read one by one; a row without ids has no tokens.
    pub(super) fn of_lists(mut lists: Lists, ignore: Option<i32>) -> Result<Self> {
        let rows = lists.rows();
        let mut find = |name: &'static str| Ok(lists.take(name));
        let ids = first(&mut find, Meaning::Ids)?.unwrap_or_else(|| Integers::empty(rows));
        Self::beside(ids, find, rows, ignore)
    }

    fn beside(
        ids: Integers,
        mut find: impl FnMut(&'static str) -> Result<Option<Integers>>,
        rows: usize,
        ignore: Option<i32>,
    ) -> Result<Self> {
        let mut masks = Vec::new();
        let mut documents = None;
        for (name, meaning) in COLUMNS {
            match meaning {
                Meaning::Mask => masks.extend(find(name)?),
                Meaning::Documents(kind) if documents.is_none() => {
                    documents = find(name)?.map(|column| (kind, column));
                }
                _ => {}
            }
        }
        Ok(Self {
            ids,
            labels: first(&mut find, Meaning::Labels)?,
            masks,
            shifted: matches!(documents, Some((Boundaries::Starts, _))),
            attention: first(&mut find, Meaning::Attention)?,
            positions: first(&mut find, Meaning::Positions)?,
            documents,
            ignore,
            rows,
        })
    }

    /// Whether a column says which tokens are trained.
    pub(super) fn has_labels(&self) -> bool {
        self.labels.is_some() || !self.masks.is_empty()
    }
}

/// The first column with that meaning.
fn first(
    find: &mut impl FnMut(&'static str) -> Result<Option<Integers>>,
    meaning: Meaning,
) -> Result<Option<Integers>> {
    let named = COLUMNS.into_iter().filter(|(_, found)| *found == meaning);
    let mut found = named.map(|(name, _)| find(name));
    found.find_map(Result::transpose).transpose()
}

fn without_ids(batch: &RecordBatch) -> Error {
    let schema = batch.schema();
    let names: Vec<&str> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    Error::new(
        ErrorKind::Data,
        "schema-mismatch",
        format!("no column `input_ids`: the data has {}", names.join(", ")),
    )
    .hint("tokenized data has a column `input_ids` (or `tokens`) of integer lists")
}
