//! The replay: the turns for which a server would send the trained prompt and stop in the right
//! place.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Evidence, Finding};

/// Number of positions that are counted separately.
pub(crate) const REPLAYED_TURNS: usize = 8;

/// The counts of a replay at one position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PositionCounts {
    /// Turns replayed.
    pub turns: u64,
    /// Turns whose prompt is the server's and that end at the first stop token.
    pub right: u64,
}

/// Where the prompts of a replay come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptSource {
    /// The template renders them, because the conversations are known.
    Rendered,
    /// Ids are decoded and encoded again.
    Decoded,
}

impl PromptSource {
    fn name(self) -> &'static str {
        match self {
            Self::Rendered => "rendered",
            Self::Decoded => "decoded",
        }
    }
}

/// Replayed turns of some samples. Pieces are merged in the order of their rows.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// By position in the conversation; the last holds all later ones too.
    pub positions: [PositionCounts; REPLAYED_TURNS],
    /// Trained turns; more than were replayed if conversations are very long.
    pub trained: u64,
    /// Replayed turns whose prompt is a text of the row, which no template renders.
    pub texts: u64,
    /// Turns that are right only if the server switches reasoning, by setting, such as
    /// `enable_thinking=false`.
    pub switched: BTreeMap<String, u64>,
    /// Turns with a difference that no other rule explains.
    pub different: Finding,
}

impl Replay {
    /// Adds the counts of later rows; at most `keep` differences are kept.
    pub(crate) fn append(&mut self, later: Self, keep: usize) {
        self.add_positions(&later.positions);
        self.trained += later.trained;
        self.texts += later.texts;
        self.different.append(later.different, keep);
        for (setting, turns) in later.switched {
            *self.switched.entry(setting).or_default() += turns;
        }
    }

    /// Adds the turns of a row.
    pub(crate) fn add_positions(&mut self, positions: &[PositionCounts; REPLAYED_TURNS]) {
        for (mine, theirs) in self.positions.iter_mut().zip(positions) {
            mine.turns += theirs.turns;
            mine.right += theirs.right;
        }
    }

    /// Adds a difference of a row.
    pub(crate) fn add_difference(
        &mut self,
        row: u64,
        keep: usize,
        evidence: impl FnOnce() -> Evidence,
    ) {
        self.different.add(row, 1, keep, evidence);
    }

    /// Turns replayed, and how many of them are right.
    fn totals(&self) -> PositionCounts {
        let positions = self.positions.iter();
        positions.fold(PositionCounts::default(), |total, position| {
            PositionCounts {
                turns: total.turns + position.turns,
                right: total.right + position.right,
            }
        })
    }

    /// The share of turns that are right, in total and by position; `null` if nothing was replayed.
    pub fn to_json(&self, by: PromptSource) -> Value {
        let replayed = |position: &&PositionCounts| position.turns > 0;
        let by_turn = self.positions.iter().filter(replayed);
        let by_turn = by_turn.map(|at| json!({"turns": at.turns, "rate": at.rate()}));
        let total = self.totals();
        json!({
            "by": by.name(),
            "turns": total.turns,
            "of": self.trained,
            "texts": self.texts,
            "rate": (total.turns > 0).then(|| total.rate()),
            "by_turn": by_turn.collect::<Vec<_>>(),
            "switched": self.switched,
        })
    }

    /// Notes for the user on the settings that the server needs.
    pub fn notes(&self) -> Vec<String> {
        let switched: u64 = self.switched.values().sum();
        let plain = self.totals().turns.saturating_sub(switched);
        let also = match plain {
            0 => String::new(),
            plain => format!(", {} with the template's defaults", grouped(plain)),
        };
        let note = |(setting, turns): (&String, &u64)| {
            let turns = match *turns {
                1 => "1 turn replays".to_owned(),
                many => format!("{} turns replay", grouped(many)),
            };
            format!("{turns} only if the server sets {setting}{also}")
        };
        self.switched.iter().map(note).collect()
    }
}

impl PositionCounts {
    /// Adds a turn.
    pub(crate) fn add(&mut self, right: bool) {
        self.turns += 1;
        self.right += u64::from(right);
    }

    fn rate(self) -> f64 {
        self.right as f64 / self.turns as f64
    }
}

/// The slot of a position.
pub(crate) fn slot(
    positions: &mut [PositionCounts; REPLAYED_TURNS],
    position: usize,
) -> &mut PositionCounts {
    &mut positions[position.min(REPLAYED_TURNS - 1)]
}

/// A number with commas between its thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let comma = |at: usize| at > 0 && (digits.len() - at).is_multiple_of(3);
    let digit = |(at, digit): (usize, char)| [comma(at).then_some(','), Some(digit)];
    digits.char_indices().flat_map(digit).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart() {
        let shown = [0, 12, 999, 1_000, 12_345, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "12", "999", "1,000", "12,345", "1,234,567"]);
    }

    #[test]
    fn a_rate_counts_the_turns_of_every_position() {
        let mut replay = Replay::default();
        for (position, right) in [(0, true), (1, false), (30, true), (40, true)] {
            slot(&mut replay.positions, position).add(right);
        }
        replay.switched.insert("thinking=true".to_owned(), 1);
        let shown = replay.to_json(PromptSource::Decoded);
        assert_eq!(shown["rate"], json!(0.75));
        assert_eq!(shown["by_turn"][2], json!({"turns": 2, "rate": 1.0}));
        let note = "1 turn replays only if the server sets thinking=true, \
                    3 with the template's defaults";
        assert_eq!(replay.notes(), [note]);
        let empty = Replay::default().to_json(PromptSource::Rendered);
        assert_eq!(empty["rate"], Value::Null);
    }
}
