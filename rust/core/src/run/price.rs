//! What each choice of `history` gives on the first rows of an input.

use serde_json::{Value as Json, json};

use crate::chat::Conversation;
use crate::recipe::{History, TrainOn};
use crate::row::Refusal;
use crate::row::desk::Desk;
use crate::row::history::{lost_in_history, lost_turns};
use crate::rules::Rule;
use crate::setup::plan::Plan;
use crate::value::Arena;
use crate::{Error, ErrorKind};

/// The price list: what the choices give on the rows that were looked at.
#[derive(Clone, Debug, Default)]
pub struct Prices {
    /// Rows that were looked at.
    pub rows: usize,
    /// Of these, rows in which an earlier turn is rendered otherwise than at inference.
    pub rewritten: u64,
    /// Of these, rows in which its reasoning is left out.
    pub losing: u64,
    /// Turns and tokens of reasoning that are left out where turns are trained as rendered.
    pub lost: (u64, u64),
    /// What each choice gives.
    pub choices: Vec<(History, Price)>,
}

/// What one choice gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// Samples.
    pub samples: u64,
    /// Trained turns.
    pub turns: u64,
    /// Tokens of the samples.
    pub tokens: u64,
    /// Of these, trained tokens.
    pub trained: u64,
}

impl Price {
    /// Adds the samples of the row at hand.
    fn add(&mut self, desk: &Desk) {
        for (range, turns) in desk.finished.samples() {
            self.add_sample(turns, range.len(), desk.finished.trained(range));
        }
        if desk.finished.is_empty() {
            let turns = desk.turns.len() as u32;
            self.add_sample(turns, desk.encoding.ids.len(), desk.trained());
        }
    }

    fn add_sample(&mut self, turns: u32, tokens: usize, trained: u32) {
        self.samples += 1;
        self.turns += u64::from(turns);
        self.tokens += tokens as u64;
        self.trained += u64::from(trained);
    }

    /// For a person.
    fn in_words(self) -> String {
        format!(
            "trains {} turns and {} tokens, in {} samples of {} tokens",
            self.turns, self.trained, self.samples, self.tokens
        )
    }
}

impl Prices {
    /// The list as JSON, under the names of its fields.
    pub fn to_json(&self) -> Json {
        let choice = |(history, price): &(History, Price)| {
            let price = json!({
                "samples": price.samples,
                "turns": price.turns,
                "tokens": price.tokens,
                "trained": price.trained,
            });
            (history.word().to_owned(), price)
        };
        let choices: serde_json::Map<String, Json> = self.choices.iter().map(choice).collect();
        json!({
            "rows": self.rows,
            "rewritten": self.rewritten,
            "losing": self.losing,
            "lost": {"turns": self.lost.0, "tokens": self.lost.1},
            "choices": choices,
        })
    }

    /// The error of a run that would leave reasoning out.
    pub(crate) fn error(&self) -> Error {
        let choices = self.choices.iter().map(|(history, price)| {
            let then = match history {
                History::AsRendered => format!(
                    ", {} of the turns without their reasoning (about {} tokens)",
                    self.lost.0, self.lost.1
                ),
                _ => ", each turn as at inference".to_owned(),
            };
            format!("--history {} {}{then}", history.word(), price.in_words())
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

/// The price list of conversations; `None` where the template renders every turn as at inference.
pub(crate) fn list<'a>(
    plan: &Plan,
    conversations: &[Conversation<'a>],
    arena: &'a Arena,
) -> Option<Prices> {
    let mut prices = Prices {
        rows: conversations.len(),
        ..Prices::default()
    };
    let as_rendered = price(
        plan,
        History::AsRendered,
        conversations,
        arena,
        |of, desk| {
            prices.look(of, desk);
        },
    );
    if prices.rewritten + prices.losing == 0 {
        return None;
    }
    prices.choices.push((History::AsRendered, as_rendered));
    for history in [History::LastTurn, History::Expand] {
        // Every token of a row cannot be trained once in several samples of it.
        if history == History::Expand && plan.recipe.train_on == TrainOn::Everything {
            continue;
        }
        let found = price(plan, history, conversations, arena, |_, _| {});
        prices.choices.push((history, found));
    }
    Some(prices)
}

/// What one choice gives; `look` sees every conversation that is not rejected.
fn price<'a>(
    plan: &Plan,
    history: History,
    conversations: &[Conversation<'a>],
    arena: &'a Arena,
    mut look: impl FnMut(&Conversation<'a>, &Desk),
) -> Price {
    let plan = plan.with_history(history);
    let mut desk = Desk::new(&plan);
    let mut price = Price::default();
    for conversation in conversations {
        desk.start_row();
        match desk.conversation(&plan, conversation, arena) {
            Ok(()) => {
                price.add(&desk);
                look(conversation, &desk);
            }
            // What ends the run is said by the run, which knows the place.
            Err(Refusal::Row(_) | Refusal::Run(_)) => {}
        }
    }
    price
}

impl Prices {
    /// What a row that was rendered whole loses.
    fn look(&mut self, conversation: &Conversation<'_>, desk: &Desk) {
        self.rewritten += desk.counts.get(Rule::HistoryRewritten).min(1);
        if !lost_in_history(conversation, &desk.rendered) {
            return;
        }
        self.losing += 1;
        let ratio = desk.encoding.ids.len() as f64 / desk.rendered.text.len().max(1) as f64;
        for (_, bytes) in lost_turns(conversation, &desk.rendered) {
            self.lost.0 += 1;
            self.lost.1 += (bytes as f64 * ratio) as u64;
        }
    }
}
