//! Rules: what can be wrong with a training set, by name.
//!
//! One list serves the run (a rule of severity error rejects its row, the others are counted) and
//! the audit of finished data. This is the ground floor: nothing here knows a row, a template or a
//! tokenizer.

mod counts;
mod finding;
mod label;
mod reject;
mod replay;
mod rule;
mod token;

pub use counts::{Named, Noted, RuleCounts};
pub use finding::{Evidence, Finding, Findings};
pub use label::{IGNORED, is_masked, is_trained};
pub use reject::Reject;
pub use replay::{PositionCounts, PromptSource, Replay};
pub(crate) use replay::{REPLAYED_TURNS, grouped, slot};
pub use rule::{Rule, Severity};
pub use token::Token;
pub(crate) use token::around;
