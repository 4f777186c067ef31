//! Rows of almost any shape: each is read or rejected, and what is read keeps its promises.

use proptest::prelude::*;

use super::*;
use crate::rules::RuleCounts;
use crate::source::json;
use crate::value::{Arena, Value};

/// Rows that look like those of some schema, with anything in any place.
fn almost_rows() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "null",
        "true",
        "0",
        "-1.5",
        "NaN",
        "\"\"",
        "\" \"",
        "\"user\"",
        "\"assistant\"",
        "\"gpt\"",
        "\"human\"",
        "\"function_call\"",
        "\"text\"",
        "\"{\\\"name\\\": \\\"f\\\"}\"",
        "\"[]\"",
    ])
    .prop_map(str::to_owned);
    let key = prop::sample::select(vec![
        "messages",
        "conversations",
        "role",
        "content",
        "from",
        "value",
        "type",
        "text",
        "tools",
        "instruction",
        "input",
        "output",
        "history",
        "system",
        "prompt",
        "completion",
        "weight",
        "loss",
        "tool_calls",
        "name",
        "documents",
        "chat_template_kwargs",
        "reasoning_content",
    ]);
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|v| format!("[{}]", v.join(","))),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|entries| {
                let texts: Vec<_> = entries
                    .iter()
                    .map(|(k, v)| format!("\"{k}\":{v}"))
                    .collect();
                format!("{{{}}}", texts.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_row_is_read_or_rejected(row in almost_rows(), keep in any::<bool>(), trim in any::<bool>()) {
        let arena = Arena::new();
        let value = json::parse(row.as_bytes(), &arena).unwrap().value;
        for schema in Schema::ALL.iter().copied() {
            let options = SchemaOptions {
                text_parts: if keep { TextParts::Keep } else { TextParts::Join },
                role_order: if trim { RoleOrder::Trim } else { RoleOrder::Keep },
                ..SchemaOptions::new(schema)
            };
            let reader = Reader::new(&options).unwrap();
            let mut counts = RuleCounts::default();
            if let Ok(Record::Conversation(read)) = reader.read(value, &arena, &mut counts) {
                let last = read.messages.last().unwrap();
                prop_assert_eq!(last.role, "assistant");
                for message in read.messages {
                    prop_assert_eq!(message.fields.get("role"), Some(Value::Str(message.role)));
                    prop_assert!(message.fields.iter().all(|(_, value)| value != Value::Null));
                }
            }
        }
        let _ = detect(&[value]);
    }
}
