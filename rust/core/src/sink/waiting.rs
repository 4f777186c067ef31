//! Samples that wait to be put in order: the least that tells all their columns.
//!
//! They are written twice, where they wait and in the run that is in order, so each byte counts. A
//! token that is not trained has its highest bit set instead of a label beside it; masks, lengths
//! and positions are left out.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int32Type, UInt32Type};
use arrow_array::{Array, ArrayRef, BooleanArray, ListArray, RecordBatch, StringArray};

use super::list::{batch, defect, lists, primitive};
use super::samples::{SampleRows, Sequences};
use crate::error::{Error, ErrorKind, Result};
use crate::recipe::Column;
use crate::rules::{IGNORED, is_trained};

/// The key in the metadata of the schema that has the columns to make of it, with commas between.
const COLUMNS: &str = "columns";
const TOKENS: &str = "tokens";
const REJECTED: &str = "rejected";
const WEIGHTS: &str = "weights";
const PROMPT_TOKENS: &str = "prompt_tokens";
const GOOD: &str = "good";
/// Set in a token that is not trained.
const UNTRAINED: i32 = i32::MIN;

impl SampleRows {
    /// Takes all samples in the form in which they wait.
    pub(super) fn take_waiting(&mut self) -> Result<RecordBatch> {
        let rows = self.sequences.ends.len();
        let mut columns = vec![(TOKENS, self.marked(false)?)];
        if self.is_of_pairs() {
            columns.push((REJECTED, self.marked(true)?));
        }
        if self.has(Column::Weights) {
            let weights = &mut self.sequences.weights;
            columns.push((
                WEIGHTS,
                lists::<Float32Type>(weights, &self.sequences.ends)?,
            ));
        }
        if self.is_of_pairs() || self.is_of_verdicts() {
            columns.push((PROMPT_TOKENS, primitive::<UInt32Type>(&mut self.prompts)));
        }
        if self.is_of_verdicts() {
            columns.push((GOOD, Arc::new(BooleanArray::from(self.verdicts.clone()))));
        }
        if self.has(Column::Prompt) {
            let texts = StringArray::from_iter_values(&self.texts);
            columns.push((Column::Prompt.name(), Arc::new(texts)));
        }
        if self.has(Column::Reference) {
            let references: StringArray = self.references.iter().collect();
            columns.push((Column::Reference.name(), Arc::new(references)));
        }
        if self.has(Column::Source) {
            let sources = (0..rows).map(|_| &*self.source);
            columns.push((
                Column::Source.name(),
                Arc::new(StringArray::from_iter_values(sources)),
            ));
        }
        let found = batch(columns, rows)?;
        let names: Vec<_> = self.columns.iter().map(|column| column.name()).collect();
        let metadata = HashMap::from([(COLUMNS.to_owned(), names.join(","))]);
        let schema = found.schema().as_ref().clone().with_metadata(metadata);
        found.with_schema(Arc::new(schema)).map_err(defect)
    }

    /// The tokens of the samples, or of the rejected answers of pairs.
    fn marked(&mut self, rejected: bool) -> Result<ArrayRef> {
        let sequences = if rejected {
            &mut self.rejected
        } else {
            &mut self.sequences
        };
        let mut tokens = std::mem::replace(&mut sequences.ids, self.spare.take());
        sequences.ids.reserve(tokens.len());
        mark(&mut tokens, &sequences.labels)?;
        lists::<Int32Type>(&mut tokens, &sequences.ends)
    }

    /// Adds samples that waited.
    pub(super) fn extend_waiting(&mut self, waited: &Waited<'_>, picks: &[(u32, u32)]) {
        let labels = self.has_labels();
        extend_marked(&mut self.sequences, &waited.tokens, picks, labels);
        if !waited.rejected.is_empty() {
            extend_marked(&mut self.rejected, &waited.rejected, picks, labels);
        }
        for &(source, row) in picks {
            let (source, row) = (source as usize, row as usize);
            if let Some(weights) = waited.weights.get(source) {
                let weights = weights.value(row);
                let weights = weights.as_primitive::<Float32Type>().values();
                self.sequences.weights.extend_from_slice(weights);
            }
            if let Some(prompts) = waited.prompts.get(source) {
                self.prompts.push(prompts[row]);
            }
            if let Some(verdicts) = waited.verdicts.get(source) {
                self.verdicts.push(verdicts.value(row));
            }
            if let Some(texts) = waited.texts.get(source) {
                self.texts.push(texts.value(row).to_owned());
            }
            if let Some(references) = waited.references.get(source) {
                let reference = references.is_valid(row).then(|| references.value(row));
                self.references.push(reference.map(str::to_owned));
            }
        }
    }

    fn has_labels(&self) -> bool {
        self.has(Column::Labels) || self.has(Column::ChosenLabels)
    }

    fn is_of_pairs(&self) -> bool {
        let pairs = [Column::RejectedIds, Column::RejectedInputIds];
        pairs.iter().any(|column| self.has(*column))
    }

    fn is_of_verdicts(&self) -> bool {
        self.has(Column::Label)
    }
}

/// The columns of batches that waited, by batch; empty where there is no such column.
pub(super) struct Waited<'a> {
    tokens: Vec<&'a ListArray>,
    rejected: Vec<&'a ListArray>,
    weights: Vec<&'a ListArray>,
    prompts: Vec<&'a [u32]>,
    verdicts: Vec<&'a BooleanArray>,
    texts: Vec<&'a StringArray>,
    references: Vec<&'a StringArray>,
}

impl<'a> Waited<'a> {
    pub(super) fn new(batches: &'a [RecordBatch]) -> Result<Self> {
        let tokens = columns(batches, TOKENS, |column| int32_lists(column))?;
        if tokens.len() != batches.len() {
            return Err(not_waiting());
        }
        Ok(Self {
            tokens,
            rejected: columns(batches, REJECTED, |column| int32_lists(column))?,
            weights: columns(batches, WEIGHTS, |column| {
                let lists = column.as_list_opt::<i32>()?;
                lists.values().as_primitive_opt::<Float32Type>()?;
                Some(lists)
            })?,
            prompts: columns(batches, PROMPT_TOKENS, |column| {
                let numbers = column.as_primitive_opt::<UInt32Type>()?;
                Some(&numbers.values()[..])
            })?,
            verdicts: columns(batches, GOOD, |column| column.as_boolean_opt())?,
            texts: columns(batches, Column::Prompt.name(), |column| {
                column.as_string_opt()
            })?,
            references: columns(batches, Column::Reference.name(), |column| {
                column.as_string_opt()
            })?,
        })
    }
}

/// A column of every batch; nothing if the batches have none of that name.
fn columns<'a, T>(
    batches: &'a [RecordBatch],
    name: &str,
    read: impl Fn(&'a ArrayRef) -> Option<T>,
) -> Result<Vec<T>> {
    let found = batches
        .iter()
        .filter_map(|batch| batch.column_by_name(name));
    let read = found.map(|column| read(column).ok_or_else(not_waiting));
    read.collect()
}

/// Lists of int32 as they are written here.
pub(super) fn int32_lists(column: &ArrayRef) -> Option<&ListArray> {
    let lists = column.as_list_opt::<i32>()?;
    let values = lists.values().as_primitive_opt::<Int32Type>()?;
    (lists.null_count() == 0 && values.null_count() == 0).then_some(lists)
}

/// The tokens of the list at `row`.
pub(super) fn tokens_of(lists: &ListArray, row: usize) -> &[i32] {
    let offsets = lists.value_offsets();
    let values = lists.values().as_primitive::<Int32Type>().values();
    &values[offsets[row] as usize..offsets[row + 1] as usize]
}

/// The number of tokens in some rows.
pub(super) fn count_tokens(lists: &[&ListArray], picks: &[(u32, u32)]) -> usize {
    let length =
        |(source, row): &(u32, u32)| lists[*source as usize].value_length(*row as usize) as usize;
    picks.iter().map(length).sum()
}

/// Sets the mark of each token that is not trained. Without labels all are.
fn mark(tokens: &mut [i32], labels: &[i32]) -> Result<()> {
    let mut are_ids = true;
    for (token, label) in tokens.iter_mut().zip(labels) {
        are_ids &= !is_trained(*label) || label == token;
        *token |= if is_trained(*label) { 0 } else { UNTRAINED };
    }
    if are_ids {
        return Ok(());
    }
    let what = "a label is neither the id of its token nor -100";
    Err(Error::new(ErrorKind::Internal, "label-without-id", what))
}

fn extend_marked(
    sequences: &mut Sequences,
    lists: &[&ListArray],
    picks: &[(u32, u32)],
    labels: bool,
) {
    let count = count_tokens(lists, picks);
    sequences.ids.reserve(count);
    if labels {
        sequences.labels.reserve(count);
    }
    for &(source, row) in picks {
        let tokens = tokens_of(lists[source as usize], row as usize);
        let ids = tokens.iter().map(|token| token & !UNTRAINED);
        sequences.ids.extend(ids);
        if labels {
            let label = |token: &i32| if *token < 0 { IGNORED } else { *token };
            sequences.labels.extend(tokens.iter().map(label));
        }
        sequences.ends.push(sequences.ids.len());
    }
}

fn not_waiting() -> Error {
    let what = "the batches are not samples that wait to be put in order";
    Error::new(ErrorKind::Internal, "gather", what)
}
