//! The finished samples of one row.

use super::contract::TrainedTurn;
use crate::rules::is_trained;

/// The texts that are written of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Texts {
    pub(crate) prompt: String,
    /// What the row answers.
    pub(crate) reference: Option<String>,
}

/// A finished sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample<'s> {
    /// Token ids.
    pub(crate) ids: &'s [u32],
    /// Labels, aligned with the ids.
    pub(crate) labels: &'s [i32],
    /// Weights, aligned with the ids; 0 where nothing is trained.
    pub(crate) weights: &'s [f32],
    /// Trained turns.
    pub(crate) turns: &'s [TrainedTurn],
    /// Trained tokens.
    pub(crate) trained: u32,
    /// Of a prompt, its texts.
    pub(crate) texts: Option<&'s Texts>,
}

impl<'s> Sample<'s> {
    pub(crate) fn new(
        ids: &'s [u32],
        labels: &'s [i32],
        weights: &'s [f32],
        turns: &'s [TrainedTurn],
    ) -> Self {
        let trained = labels.iter().filter(|label| is_trained(**label));
        Self {
            ids,
            labels,
            weights,
            turns,
            trained: trained.count() as u32,
            texts: None,
        }
    }

    /// Tokens before the first that is trained.
    pub(crate) fn prompt(&self) -> usize {
        let mut labels = self.labels.iter();
        let first = labels.position(|label| is_trained(*label));
        first.unwrap_or(self.labels.len())
    }

    /// Tokens of the prompt that it has in common with the other answer of a pair.
    pub(crate) fn shared_prompt(&self, other: &Self) -> usize {
        let equal = self
            .ids
            .iter()
            .zip(other.ids)
            .take_while(|(mine, theirs)| mine == theirs);
        equal.count().min(self.prompt()).min(other.prompt())
    }
}

/// The finished samples of one row, in flat vectors: one or several.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    ids: Vec<u32>,
    labels: Vec<i32>,
    weights: Vec<f32>,
    turns: Vec<TrainedTurn>,
    ends: Vec<End>,
    /// Those of each prompt; empty where samples are trained.
    texts: Vec<Texts>,
}

/// What the flat vectors do not hold.
#[derive(Clone, Copy, Debug)]
struct End {
    /// One past its last token.
    tokens: usize,
    /// One past its last turn.
    turns: usize,
    trained: u32,
}

impl Samples {
    /// Clears the samples and keeps their memory.
    pub(crate) fn clear(&mut self) {
        self.ids.clear();
        self.labels.clear();
        self.weights.clear();
        self.turns.clear();
        self.ends.clear();
        self.texts.clear();
    }

    /// Adds a sample.
    pub(crate) fn push(&mut self, sample: Sample<'_>) {
        self.ids.extend_from_slice(sample.ids);
        self.labels.extend_from_slice(sample.labels);
        self.weights.extend_from_slice(sample.weights);
        self.turns.extend_from_slice(sample.turns);
        self.ends.push(End {
            tokens: self.ids.len(),
            turns: self.turns.len(),
            trained: sample.trained,
        });
    }

    /// Adds a prompt.
    pub(crate) fn push_prompt(&mut self, sample: Sample<'_>, texts: Texts) {
        self.push(sample);
        self.texts.push(texts);
    }

    /// Whether there are no samples.
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The samples, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Sample<'_>> {
        let (mut start, mut turn) = (0, 0);
        self.ends.iter().enumerate().map(move |(number, end)| {
            let (tokens, turns) = (start..end.tokens, turn..end.turns);
            (start, turn) = (end.tokens, end.turns);
            Sample {
                ids: &self.ids[tokens.clone()],
                labels: &self.labels[tokens.clone()],
                weights: &self.weights[tokens],
                turns: &self.turns[turns],
                trained: end.trained,
                texts: self.texts.get(number),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::IGNORED;

    #[test]
    fn samples_come_out_as_they_went_in() {
        let turn = |start, end| TrainedTurn {
            message: 1,
            start,
            end,
        };
        let turns = [turn(1, 2)];
        let one = Sample::new(&[1, 2], &[IGNORED, 2], &[0.0, 1.0], &turns);
        let empty = Sample::new(&[], &[], &[], &[]);
        let two = Sample::new(&[0], &[0], &[0.5], &[]);
        let mut samples = Samples::default();
        for sample in [one, empty, two] {
            samples.push(sample);
        }
        assert_eq!(samples.iter().collect::<Vec<_>>(), [one, empty, two]);
        assert_eq!((one.turns.len(), one.trained, two.trained), (1, 1, 1));
        samples.clear();
        assert!(samples.is_empty() && samples.iter().next().is_none());
    }
}
