//! The table of samples.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::types::{Float32Type, Int8Type, Int32Type};
use arrow_array::{ArrayRef, BooleanArray, RecordBatch, StringArray};

use super::cut::TableRows;
use super::list::{batch, lists, primitive};
use super::spare::SpareBuffers;
use crate::error::Result;
use crate::recipe::Column;
use crate::rules::is_trained;

/// One written training example.
#[derive(Clone, Copy, Debug)]
pub struct SampleRow<'a> {
    /// Token ids.
    pub ids: &'a [u32],
    /// Labels, aligned with the ids; -100 = not trained. Empty if the table has no labels.
    pub labels: &'a [i32],
    /// Weights of the tokens. If empty, 1 for trained labels and 0 for others.
    pub weights: &'a [f32],
}

/// Sequences of tokens in flat vectors.
#[derive(Clone, Debug, Default)]
pub(super) struct Sequences {
    pub(super) ids: Vec<i32>,
    pub(super) labels: Vec<i32>,
    pub(super) weights: Vec<f32>,
    /// Where each ends in `ids`.
    pub(super) ends: Vec<usize>,
}

impl Sequences {
    fn clear(&mut self) {
        self.ids.clear();
        self.labels.clear();
        self.weights.clear();
        self.ends.clear();
    }

    /// Offset of the first token of the sequence at `row`.
    fn start_of(&self, row: usize) -> usize {
        row.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    /// Tokens of the sequence at `row`; 0 if there is none.
    fn length(&self, row: usize) -> usize {
        let end = self.ends.get(row);
        end.map_or(0, |end| end - self.start_of(row))
    }

    fn tokens(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    fn lengths(&self) -> Vec<i32> {
        let rows = 0..self.ends.len();
        rows.map(|row| self.length(row) as i32).collect()
    }

    fn positions(&self) -> Vec<i32> {
        self.lengths()
            .into_iter()
            .flat_map(|length| 0..length)
            .collect()
    }

    /// Adds some sequences of `other`; labels and weights where it has them.
    fn extend(&mut self, other: &Self, rows: Range<usize>) {
        let tokens = other.start_of(rows.start)..other.start_of(rows.end);
        let shift = self.ids.len();
        self.ids.extend_from_slice(&other.ids[tokens.clone()]);
        if !other.labels.is_empty() {
            self.labels.extend_from_slice(&other.labels[tokens.clone()]);
        }
        if !other.weights.is_empty() {
            self.weights
                .extend_from_slice(&other.weights[tokens.clone()]);
        }
        let ends = other.ends[rows].iter();
        self.ends.extend(ends.map(|end| end - tokens.start + shift));
    }

    /// A column of a part of each sequence: `part` gives it from the sequence and its row.
    fn parts(&self, part: impl for<'s> Fn(&'s [i32], usize) -> &'s [i32]) -> Result<ArrayRef> {
        let (mut ids, mut ends) = (Vec::new(), Vec::with_capacity(self.ends.len()));
        for (row, end) in self.ends.iter().enumerate() {
            ids.extend_from_slice(part(&self.ids[self.start_of(row)..*end], row));
            ends.push(ids.len());
        }
        lists::<Int32Type>(&mut ids, &ends)
    }

    fn attention_mask(&self) -> Result<ArrayRef> {
        lists::<Int8Type>(&mut vec![1; self.tokens()], &self.ends)
    }
}

/// Samples in flat vectors, with the columns that the recipe asks for.
#[derive(Clone, Debug)]
pub struct SampleRows {
    pub(super) columns: Arc<[Column]>,
    pub(super) source: Arc<str>,
    /// The samples; of pairs, the chosen answers.
    pub(super) sequences: Sequences,
    /// The rejected answers of pairs, each after its prompt.
    pub(super) rejected: Sequences,
    /// Tokens of the prompt of each answer that is judged.
    pub(super) prompts: Vec<u32>,
    /// Of answers that are judged one by one, which are good.
    pub(super) verdicts: Vec<bool>,
    /// Where samples are prompts, their texts.
    pub(super) texts: Vec<String>,
    /// Where samples are prompts, what their rows answer.
    pub(super) references: Vec<Option<String>>,
    pub(super) spare: SpareBuffers,
    /// Whether batches have the form in which samples wait to be put in order.
    waiting: bool,
}

impl SampleRows {
    /// An empty table. `columns` are written in the order of the recipe's column list; `source` is
    /// the text of the column `source`.
    pub fn new(columns: &[Column], source: &str) -> Self {
        Self {
            columns: columns.into(),
            source: source.into(),
            sequences: Sequences::default(),
            rejected: Sequences::default(),
            prompts: Vec::new(),
            verdicts: Vec::new(),
            texts: Vec::new(),
            references: Vec::new(),
            spare: SpareBuffers::default(),
            waiting: false,
        }
    }

    /// The table in the form in which samples wait to be put in order, or not.
    #[must_use]
    pub fn waiting(self, waiting: bool) -> Self {
        Self { waiting, ..self }
    }

    /// Takes back the memory of written batches.
    pub fn spare(&self) -> SpareBuffers {
        self.spare.clone()
    }

    pub(super) fn has(&self, column: Column) -> bool {
        self.columns.contains(&column)
    }

    /// Adds a sample.
    pub fn push(&mut self, sample: SampleRow<'_>) {
        let (labels, weights) = (self.has(Column::Labels), self.has(Column::Weights));
        push(&mut self.sequences, sample, labels, weights);
    }

    /// Adds two answers to the prompt that is the first `prompt` tokens of both.
    pub fn push_pair(&mut self, chosen: SampleRow<'_>, rejected: SampleRow<'_>, prompt: u32) {
        let labels = self.has(Column::ChosenLabels);
        push(&mut self.sequences, chosen, labels, false);
        push(&mut self.rejected, rejected, labels, false);
        self.prompts.push(prompt);
    }

    /// Adds an answer after the first `prompt` tokens, with its verdict.
    pub fn push_judged(&mut self, sample: SampleRow<'_>, prompt: u32, good: bool) {
        self.push(sample);
        self.prompts.push(prompt);
        self.verdicts.push(good);
    }

    /// Adds a prompt with its text, and what its row answers.
    pub fn push_prompt(&mut self, sample: SampleRow<'_>, text: &str, reference: Option<&str>) {
        self.push(sample);
        if self.has(Column::Prompt) {
            self.texts.push(text.to_owned());
        }
        if self.has(Column::Reference) {
            self.references.push(reference.map(str::to_owned));
        }
    }

    /// Clears the table and keeps its memory.
    pub fn clear(&mut self) {
        self.sequences.clear();
        self.rejected.clear();
        self.prompts.clear();
        self.verdicts.clear();
        self.texts.clear();
        self.references.clear();
    }

    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.sequences.ids.len() + self.rejected.ids.len()
    }

    fn column(&mut self, column: Column) -> Result<ArrayRef> {
        let ends = &self.sequences.ends;
        Ok(match column {
            Column::InputIds | Column::ChosenInputIds => {
                lists::<Int32Type>(&mut self.sequences.ids, ends)?
            }
            Column::Labels | Column::ChosenLabels => {
                lists::<Int32Type>(&mut self.sequences.labels, ends)?
            }
            Column::AttentionMask | Column::ChosenAttentionMask => {
                self.sequences.attention_mask()?
            }
            Column::Length => primitive::<Int32Type>(&mut self.sequences.lengths()),
            Column::PositionIds => lists::<Int32Type>(&mut self.sequences.positions(), ends)?,
            Column::Weights => lists::<Float32Type>(&mut self.sequences.weights, ends)?,
            Column::Source => Arc::new(StringArray::from_iter_values(
                ends.iter().map(|_| &*self.source),
            )),
            Column::PromptIds => self
                .sequences
                .parts(|ids, row| &ids[..self.prompts[row] as usize])?,
            Column::ChosenIds | Column::CompletionIds => self.answers(&self.sequences)?,
            Column::RejectedIds => self.answers(&self.rejected)?,
            Column::RejectedInputIds => {
                lists::<Int32Type>(&mut self.rejected.ids, &self.rejected.ends)?
            }
            Column::RejectedLabels => {
                lists::<Int32Type>(&mut self.rejected.labels, &self.rejected.ends)?
            }
            Column::RejectedAttentionMask => self.rejected.attention_mask()?,
            Column::Prompt => Arc::new(StringArray::from_iter_values(&self.texts)),
            Column::Reference => Arc::new(self.references.iter().collect::<StringArray>()),
            Column::Label => Arc::new(BooleanArray::from(self.verdicts.clone())),
        })
    }

    /// The answers without their prompts, which have a column of their own; with them where not.
    fn answers(&self, sequences: &Sequences) -> Result<ArrayRef> {
        if self.has(Column::PromptIds) {
            return sequences.parts(|ids, row| &ids[self.prompts[row] as usize..]);
        }
        sequences.parts(|ids, _| ids)
    }

    /// How many tokens each row has: of a pair, those of both answers with their prompts.
    pub fn lengths(&self) -> impl Iterator<Item = usize> {
        let rows = 0..self.sequences.ends.len();
        rows.map(|row| self.sequences.length(row) + self.rejected.length(row))
    }

    /// Reserves room for a batch as long as the last one; growing step by step would copy it.
    fn make_room(&mut self) {
        let tokens = self.sequences.tokens();
        let taken = [
            (Column::InputIds, &mut self.sequences.ids),
            (Column::Labels, &mut self.sequences.labels),
        ];
        for (column, values) in taken {
            if self.columns.contains(&column) {
                *values = self.spare.take();
                values.reserve(tokens);
            }
        }
    }
}

/// Adds a sequence, with its labels and weights where they are written.
fn push(sequences: &mut Sequences, sample: SampleRow<'_>, labels: bool, weights: bool) {
    let ids = sample.ids.iter().map(|id| *id as i32);
    sequences.ids.extend(ids);
    if labels {
        debug_assert_eq!(sample.ids.len(), sample.labels.len());
        sequences.labels.extend_from_slice(sample.labels);
    }
    if weights && sample.weights.is_empty() {
        let trained = |label: &i32| f32::from(u8::from(is_trained(*label)));
        sequences.weights.extend(sample.labels.iter().map(trained));
    } else if weights {
        sequences.weights.extend_from_slice(sample.weights);
    }
    sequences.ends.push(sequences.ids.len());
}

impl TableRows for SampleRows {
    fn len(&self) -> usize {
        self.sequences.ends.len()
    }

    fn extend(&mut self, other: &Self, rows: Range<usize>) {
        self.sequences.extend(&other.sequences, rows.clone());
        if !other.prompts.is_empty() {
            self.prompts.extend_from_slice(&other.prompts[rows.clone()]);
        }
        if !other.verdicts.is_empty() {
            self.verdicts
                .extend_from_slice(&other.verdicts[rows.clone()]);
        }
        if !other.texts.is_empty() {
            self.texts.extend_from_slice(&other.texts[rows.clone()]);
        }
        if !other.references.is_empty() {
            let references = &other.references[rows.clone()];
            self.references.extend_from_slice(references);
        }
        if !other.rejected.ends.is_empty() {
            self.rejected.extend(&other.rejected, rows);
        }
    }

    fn take_batch(&mut self) -> Result<RecordBatch> {
        if self.waiting {
            let batch = self.take_waiting();
            self.clear();
            return batch;
        }
        let columns = Arc::clone(&self.columns);
        // Columns of whole sequences take the ids along. In the list they stand before those that
        // copy a part, which are made first.
        let arrays = columns.iter().rev();
        let arrays: Result<Vec<_>> = arrays
            .map(|column| Ok((column.name(), self.column(*column)?)))
            .collect();
        let mut arrays = arrays?;
        arrays.reverse();
        let batch = batch(arrays, self.sequences.ends.len());
        self.make_room();
        self.clear();
        batch
    }
}
