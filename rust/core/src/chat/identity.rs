//! What makes two conversations the same.

use xxhash_rust::xxh3::Xxh3;

use super::conversation::{Conversation, Message, Record};
use crate::value::{Arena, Map, Value};

/// The hash (xxh3, 128 bits) of what a row says: its messages, tools, documents and variables for
/// the template, or its text.
///
/// Rows of any schema that are read into equal records have the same hash, and the order of keys
/// does not count. What else stands in the row, such as an id, does not count either. The tokenizer
/// has no part in it, the template only where it decides how messages are read (content in parts,
/// `developer`). It stays the same in every version.
pub fn identity(record: &Record<'_>, arena: &Arena) -> u128 {
    let mut hasher = Hasher {
        state: Xxh3::new(),
        arena,
    };
    hasher.record(record);
    hasher.state.digest128()
}

/// Feeds values to the hash so that different ones never give the same bytes: each begins with its
/// kind, and what has no fixed length says how long it is.
struct Hasher<'a> {
    state: Xxh3,
    arena: &'a Arena,
}

impl Hasher<'_> {
    fn record(&mut self, record: &Record<'_>) {
        match record {
            Record::Conversation(conversation) => self.conversation(conversation),
            Record::Completion {
                prompt, completion, ..
            } => {
                self.text(b'p', prompt);
                self.text(b'c', completion);
            }
            Record::Segments { segments, .. } => {
                self.count(b'S', segments.len());
                for segment in *segments {
                    self.text(b't', segment.text);
                    self.number(b'w', f64::from(segment.weight).to_bits().to_le_bytes());
                }
            }
            Record::Text { text, .. } => self.text(b't', text),
            Record::Pair(sides) => {
                self.count(b'P', sides.len());
                for side in sides {
                    self.record(side);
                }
            }
            Record::Judged(answer, good) => {
                self.count(b'J', usize::from(*good));
                self.record(answer);
            }
        }
    }

    fn conversation(&mut self, conversation: &Conversation<'_>) {
        self.count(b'm', conversation.messages.len());
        for Message { fields, .. } in conversation.messages {
            self.map(*fields);
        }
        self.value(conversation.tools.unwrap_or(Value::Null));
        self.value(conversation.documents.unwrap_or(Value::Null));
        self.map(conversation.template_kwargs);
    }

    fn value(&mut self, value: Value<'_>) {
        match value {
            Value::Null => self.state.update(b"n"),
            Value::Bool(value) => self.state.update(&[b'b', u8::from(value)]),
            Value::Int(value) => self.number(b'i', value.to_le_bytes()),
            Value::BigInt(digits) => self.text(b'I', digits),
            Value::Float(value) => self.number(b'f', value.to_bits().to_le_bytes()),
            Value::Str(text) => self.text(b's', text),
            Value::List(items) => {
                self.count(b'l', items.len());
                for item in items {
                    self.value(*item);
                }
            }
            Value::Map(map) => self.map(map),
        }
    }

    /// The entries in the order of their keys.
    fn map(&mut self, map: Map<'_>) {
        let entries = self.arena.alloc_slice_copy(map.entries);
        entries.sort_unstable_by_key(|(key, _)| *key);
        self.count(b'o', entries.len());
        for (key, value) in entries {
            self.text(b'k', key);
            self.value(*value);
        }
    }

    fn text(&mut self, kind: u8, text: &str) {
        self.count(kind, text.len());
        self.state.update(text.as_bytes());
    }

    fn count(&mut self, kind: u8, count: usize) {
        self.number(kind, (count as u64).to_le_bytes());
    }

    fn number(&mut self, kind: u8, bytes: [u8; 8]) {
        self.state.update(&[kind]);
        self.state.update(&bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Reader, Schema, SchemaOptions};
    use crate::rules::RuleCounts;
    use crate::source::json;

    fn hash(schema: Schema, row: &str) -> u128 {
        let arena = Arena::new();
        let value = json::parse(row.as_bytes(), &arena).unwrap().value;
        let reader = Reader::new(&SchemaOptions::new(schema)).unwrap();
        let record = reader
            .read(value, &arena, &mut RuleCounts::default())
            .unwrap();
        identity(&record, &arena)
    }

    const TALK: &str = r#"{"messages": [{"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"}], "id": 1}"#;

    #[test]
    fn the_same_conversation_in_another_form_has_the_same_hash() {
        let same = [
            (
                Schema::Messages,
                r#"{"id": 2, "messages": [{"content": "Hi", "role": "user"},
                {"content": "Hello", "role": "assistant", "name": null}]}"#,
            ),
            (
                Schema::Sharegpt,
                r#"{"conversations": [{"from": "human", "value": "Hi"},
                {"from": "gpt", "value": "Hello"}]}"#,
            ),
            (
                Schema::Alpaca,
                r#"{"instruction": "Hi", "input": "", "output": "Hello"}"#,
            ),
        ];
        for (schema, row) in same {
            assert_eq!(hash(schema, row), hash(Schema::Messages, TALK), "{row}");
        }
    }

    #[test]
    fn what_a_conversation_says_counts() {
        let others = [
            TALK.replace("Hello", "Hello "),
            TALK.replace("\"id\"", "\"tools\": [{\"name\": \"add\"}], \"id\""),
            TALK.replace("\"id\"", "\"chat_template_kwargs\": {\"a\": 1}, \"id\""),
            TALK.replace("\"Hi\"", "\"Hi\", \"name\": \"Ada\""),
            TALK.replace("\"id\": 1", "\"documents\": []"),
        ];
        let mut seen = vec![hash(Schema::Messages, TALK)];
        for row in &others {
            let found = hash(Schema::Messages, row);
            assert!(!seen.contains(&found), "{row}");
            seen.push(found);
        }
    }

    #[test]
    fn texts_that_are_split_elsewhere_differ() {
        let row = |prompt: &str, completion: &str| {
            format!(r#"{{"prompt": "{prompt}", "completion": "{completion}"}}"#)
        };
        let hash = |row: &str| hash(Schema::PromptCompletion, row);
        assert_ne!(hash(&row("ab", "c")), hash(&row("a", "bc")));
        assert_eq!(hash(&row("ab", "c")), hash(&row("ab", "c")));
    }

    #[test]
    fn the_sides_of_a_pair_and_the_label_of_an_answer_count() {
        let pair = |chosen: &str, rejected: &str| {
            let row =
                format!(r#"{{"prompt": "p", "chosen": "{chosen}", "rejected": "{rejected}"}}"#);
            hash(Schema::Preference, &row)
        };
        assert_ne!(pair("a", "b"), pair("b", "a"));
        let judged = |label: bool| {
            let row = format!(r#"{{"prompt": "p", "completion": "c", "label": {label}}}"#);
            hash(Schema::Kto, &row)
        };
        assert_ne!(judged(true), judged(false));
    }

    /// The split of a data set into training and validation would move with it.
    #[test]
    fn the_hash_stays_the_same_in_every_version() {
        let found = hash(Schema::Messages, TALK);
        assert_eq!(format!("{found:032x}"), "c34673ae96a79b530ce66220626df537");
    }
}
