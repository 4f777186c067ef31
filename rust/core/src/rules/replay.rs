//! Counts the turns for which a server would send the trained prompt and stop in the right place.

use serde_json::{Value, json};

/// Number of positions that are counted separately.
pub(crate) const REPLAYED_TURNS: usize = 8;

/// The counts of a replay at one position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Turns replayed.
    pub turns: u64,
    /// Turns whose prompt is the server's and that end at the first stop token.
    pub right: u64,
}

/// Replayed turns by their position in the conversation; the last holds all later ones too.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// By position, from the first turn.
    pub positions: [Position; REPLAYED_TURNS],
}

impl Replay {
    /// Adds the counts of later rows.
    pub(crate) fn append(&mut self, later: &Self) {
        for (mine, theirs) in self.positions.iter_mut().zip(later.positions) {
            mine.turns += theirs.turns;
            mine.right += theirs.right;
        }
    }

    /// Adds a turn at this position.
    pub(crate) fn add(&mut self, position: usize, right: bool) {
        let slot = &mut self.positions[position.min(REPLAYED_TURNS - 1)];
        slot.turns += 1;
        slot.right += u64::from(right);
    }

    /// Replayed turns and how many of them are right, by position.
    pub fn to_json(&self) -> Value {
        let position = |found: &Position| json!([found.turns, found.right]);
        self.positions.iter().map(position).collect()
    }
}
