//! Kinds of turns, of each of which one row is replayed.
//!
//! A replay renders every prompt of a row again, which is too much work to do for all rows. Whether
//! a prompt is the server's depends on the template, and templates decide by roles, by the keys of
//! messages and by whether these say anything, not by what they say. So the rows whose turns have
//! all been seen in others before, in this sense, are left out.

use std::hash::{Hash, Hasher};
use std::mem::{Discriminant, discriminant};

use rustc_hash::{FxHashSet, FxHasher};

use crate::chat::{Conversation, Message, Record};
use crate::rules::Evidence;
use crate::value::{Map, Value};

/// The kinds that were seen.
#[derive(Debug, Default)]
pub(crate) struct Kinds(FxHashSet<u64>);

/// A row with a kind that no row before it in its chunk has, and where its prompt differs.
#[derive(Debug)]
pub(crate) struct NewKinds {
    pub(super) row: u64,
    pub(super) kinds: Vec<u64>,
    pub(super) difference: Option<Evidence>,
}

impl Kinds {
    pub(super) fn have(&self, kind: u64) -> bool {
        self.0.contains(&kind)
    }

    /// Adds kinds; whether one of them is new.
    pub(super) fn add(&mut self, kinds: &[u64]) -> bool {
        let before = self.0.len();
        self.0.extend(kinds);
        self.0.len() > before
    }
}

/// The kinds of a record's turns.
pub(super) fn of(record: &Record<'_>, mut kind: impl FnMut(u64)) {
    each(record, &mut kind);
}

fn each(record: &Record<'_>, kind: &mut impl FnMut(u64)) {
    match record {
        Record::Conversation(conversation) => of_turns(conversation, kind),
        Record::Pair(sides) => sides.iter().for_each(|side| each(side, kind)),
        Record::Judged(answer, _) => each(answer, kind),
        Record::Completion { .. } | Record::Segments { .. } | Record::Text { .. } => {}
    }
}

/// A turn's kind: what it and the two messages before it have, whether it is the first, a later or
/// the last one, and what the row has beside its messages.
fn of_turns(conversation: &Conversation<'_>, kind: &mut impl FnMut(u64)) {
    const EARLY: usize = 3;
    let beside = hash(|state| {
        conversation.tools.is_some().hash(state);
        conversation.documents.is_some().hash(state);
        hash_variables(conversation.template_kwargs, state);
    });
    let mut before = [0; 2];
    for (index, message) in conversation.messages.iter().enumerate() {
        let own = hash(|state| hash_message(message, state));
        if message.is_turn() {
            let place = (index.min(EARLY), index + 1 == conversation.messages.len());
            kind(hash(|state| (own, before, place, beside).hash(state)));
        }
        before = [before[1], own];
    }
}

fn hash(feed: impl FnOnce(&mut FxHasher)) -> u64 {
    let mut state = FxHasher::default();
    feed(&mut state);
    state.finish()
}

fn hash_message(message: &Message<'_>, state: &mut FxHasher) {
    message.role.hash(state);
    (message.weight == Some(0.0)).hash(state);
    for (key, value) in message.fields.iter().filter(|(key, _)| *key != "role") {
        key.hash(state);
        form(value).hash(state);
    }
}

/// What templates ask of a value: what it is, and whether it says anything; of a list, also whether
/// it has several items.
fn form(value: Value<'_>) -> (Discriminant<Value<'_>>, usize) {
    let says = match value {
        Value::Null => 0,
        Value::Bool(on) => usize::from(on),
        Value::Str(text) => usize::from(!text.is_empty()) + usize::from(!text.trim().is_empty()),
        Value::List(items) => items.len().min(2),
        Value::Map(map) => usize::from(map.iter().next().is_some()),
        _ => 1,
    };
    (discriminant(&value), says)
}

/// Settings of the template: their values count, where they are not text.
fn hash_variables(variables: Map<'_>, state: &mut FxHasher) {
    for (key, value) in variables.iter() {
        key.hash(state);
        form(value).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Reader, Schema, SchemaOptions};
    use crate::rules::RuleCounts;
    use crate::source::json;
    use crate::value::Arena;

    fn kinds(row: &str) -> Vec<u64> {
        let arena = Arena::new();
        let reader = Reader::new(&SchemaOptions::new(Schema::Messages)).unwrap();
        let value = json::parse(row.as_bytes(), &arena).unwrap().value;
        let record = reader
            .read(value, &arena, &mut RuleCounts::default())
            .unwrap();
        let mut kinds = Vec::new();
        of(&record, |kind| kinds.push(kind));
        kinds
    }

    fn row(answer: &str, beside: &str) -> String {
        let user = r#"{"role": "user", "content": "a"}"#;
        format!(r#"{{"messages": [{user}, {{"role": "assistant", {answer}}}]{beside}}}"#)
    }

    #[test]
    fn rows_that_say_other_things_in_the_same_way_are_of_one_kind() {
        let plain = kinds(&row(r#""content": "b""#, ""));
        assert_eq!(plain.len(), 1);
        assert_eq!(plain, kinds(&row(r#""content": "other""#, "")));
    }

    #[test]
    fn what_a_template_may_ask_for_makes_another_kind() {
        let tools = r#", "tools": [{"name": "f"}]"#;
        let thinking = r#", "chat_template_kwargs": {"enable_thinking": false}"#;
        let rows = [
            row(r#""content": "b""#, ""),
            row(r#""content": """#, ""),
            row(r#""content": "b", "reasoning_content": "c""#, ""),
            row(r#""content": "b", "reasoning_content": """#, ""),
            row(r#""content": "b""#, tools),
            row(r#""content": "b""#, thinking),
            row(r#""content": "b""#, &thinking.replace("false", "true")),
        ];
        let mut seen = Kinds::default();
        for row in rows {
            assert!(seen.add(&kinds(&row)), "{row}");
            assert!(!seen.add(&kinds(&row)));
        }
    }
}
