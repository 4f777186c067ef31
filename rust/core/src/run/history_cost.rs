//! What each choice of `history` gives on the first rows of an input.

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::chat::{Conversation, Record};
use crate::recipe::{History, TrainOn};
use crate::row::history::{lost_in_history, lost_turns};
use crate::row::{self, Draft, Refusal, RowOutput, Scratch};
use crate::rules::Rule;
use crate::setup::plan::Plan;
use crate::value::Arena;
use crate::{Error, ErrorKind};

/// What each choice of `history` gives on the examined rows.
#[derive(Clone, Debug, Default)]
pub struct HistoryCosts {
    /// Rows that were examined.
    pub rows: usize,
    /// Of these, rows in which an earlier turn is rendered differently from inference.
    pub rewritten: u64,
    /// Of these, rows in which the reasoning of an earlier turn is left out.
    pub losing: u64,
    /// Turns and tokens of reasoning that are lost if turns are trained as rendered.
    pub lost: (u64, u64),
    /// What each choice gives.
    pub choices: Vec<(History, HistoryCost)>,
}

/// What one choice gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HistoryCost {
    /// Number of samples.
    pub samples: u64,
    /// Number of trained turns.
    pub turns: u64,
    /// Tokens of the samples.
    pub tokens: u64,
    /// Of these, trained tokens.
    pub trained: u64,
}

impl HistoryCost {
    /// Adds the samples of a row.
    fn add(&mut self, samples: &row::Samples) {
        for sample in samples.iter() {
            self.samples += 1;
            self.turns += sample.turns.len() as u64;
            self.tokens += sample.ids.len() as u64;
            self.trained += u64::from(sample.trained);
        }
    }

    /// The cost as part of a sentence.
    fn in_words(self) -> String {
        format!(
            "trains {} turns and {} tokens, in {} samples of {} tokens",
            self.turns, self.trained, self.samples, self.tokens
        )
    }
}

impl HistoryCosts {
    /// The list as JSON, under the names of its fields.
    pub fn to_json(&self) -> Json {
        let choice =
            |(history, cost): &(History, HistoryCost)| (history.word().to_owned(), json!(cost));
        let choices: serde_json::Map<String, Json> = self.choices.iter().map(choice).collect();
        json!({
            "rows": self.rows,
            "rewritten": self.rewritten,
            "losing": self.losing,
            "lost": {"turns": self.lost.0, "tokens": self.lost.1},
            "choices": choices,
        })
    }

    /// The error of a run that would lose reasoning.
    pub(crate) fn error(&self) -> Error {
        let choices = self.choices.iter().map(|(history, cost)| {
            let then = match history {
                History::AsRendered => format!(
                    ", {} of the turns without their reasoning (about {} tokens)",
                    self.lost.0, self.lost.1
                ),
                _ => ", each turn as at inference".to_owned(),
            };
            format!("--history {} {}{then}", history.word(), cost.in_words())
        });
        let choices: Vec<String> = choices.collect();
        Error::new(
            ErrorKind::Recipe,
            "reasoning-dropped",
            format!(
                "in {} of the first {} rows the template leaves the reasoning of earlier turns out",
                self.losing, self.rows
            ),
        )
        .hint(format!("choose: {}", choices.join("; ")))
    }
}

/// What the choices cost on these conversations; `None` if the template renders every turn as at
/// inference.
pub(crate) fn list<'a>(
    plan: &Plan,
    conversations: &[Conversation<'a>],
    arena: &'a Arena,
) -> Option<HistoryCosts> {
    let mut costs = HistoryCosts {
        rows: conversations.len(),
        ..HistoryCosts::default()
    };
    let look = |conversation: &Conversation<'a>, draft: &Draft, output: &RowOutput| {
        costs.look(conversation, draft, output);
    };
    let as_rendered = cost(plan, History::AsRendered, conversations, arena, look);
    if costs.rewritten + costs.losing == 0 {
        return None;
    }
    costs.choices.push((History::AsRendered, as_rendered));
    for history in [History::LastTurn, History::Expand] {
        // `train_on = everything` has no meaning for `expand`: a token would be trained in several
        // samples.
        if history == History::Expand && plan.recipe.train_on == TrainOn::Everything {
            continue;
        }
        let found = cost(plan, history, conversations, arena, |_, _, _| {});
        costs.choices.push((history, found));
    }
    Some(costs)
}

/// What one choice costs; `look` is called with every conversation that is not rejected.
fn cost<'a>(
    plan: &Plan,
    history: History,
    conversations: &[Conversation<'a>],
    arena: &'a Arena,
    mut look: impl FnMut(&Conversation<'a>, &Draft, &RowOutput),
) -> HistoryCost {
    let plan = plan.with_history(history);
    let (mut scratch, mut draft) = (Scratch::new(&plan), Draft::default());
    let mut output = RowOutput::default();
    let mut cost = HistoryCost::default();
    for conversation in conversations {
        output.clear(false);
        let record = Record::Conversation(*conversation);
        let encoded = row::encode(&plan, &record, arena, &mut scratch, &mut draft, &mut output);
        match encoded {
            Ok(()) => {
                cost.add(&output.samples);
                look(conversation, &draft, &output);
            }
            // An error is left to the run, which knows its place.
            Err(Refusal::Row(_) | Refusal::Run(_)) => {}
        }
    }
    cost
}

impl HistoryCosts {
    /// What a row loses if it is rendered whole.
    fn look(&mut self, conversation: &Conversation<'_>, draft: &Draft, output: &RowOutput) {
        let counts = &output.findings.counts;
        self.rewritten += counts.get(Rule::HistoryRewritten).min(1);
        if !lost_in_history(conversation, &draft.rendered) {
            return;
        }
        self.losing += 1;
        let ratio = draft.len() as f64 / draft.rendered.text.len().max(1) as f64;
        for (_, bytes) in lost_turns(conversation, &draft.rendered) {
            self.lost.0 += 1;
            self.lost.1 += (bytes as f64 * ratio) as u64;
        }
    }
}
