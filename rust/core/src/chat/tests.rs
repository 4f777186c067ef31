//! Rows of each schema, as JSON, against the messages that the template gets.

use super::*;
use crate::rules::{Reject, Rule, RuleCounts};
use crate::source::json;
use crate::value::{Arena, Value};

/// A JSON text of what a template would see of `value`.
fn json_of(value: Value<'_>) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => value.into(),
        Value::Int(value) => value.into(),
        Value::BigInt(digits) => digits.into(),
        Value::Float(value) => value.into(),
        Value::Str(text) => text.into(),
        Value::List(items) => items.iter().map(|item| json_of(*item)).collect(),
        Value::Map(map) => map
            .iter()
            .map(|(key, value)| (key, json_of(value)))
            .collect(),
    }
}

/// What a read comes to: `messages`, and, where there are any, `weights`, `tools` and `kwargs`.
fn conversation(record: Record<'_>) -> serde_json::Value {
    let Record::Conversation(read) = record else {
        panic!("not a conversation: {record:?}")
    };
    let fields: Vec<_> = read
        .messages
        .iter()
        .map(|m| json_of(Value::Map(m.fields)))
        .collect();
    for (message, fields) in read.messages.iter().zip(&fields) {
        assert_eq!(fields["role"], message.role);
    }
    let mut all = serde_json::json!({ "messages": fields });
    let weights: Vec<_> = read.messages.iter().map(|message| message.weight).collect();
    if weights.iter().any(Option::is_some) {
        all["weights"] = serde_json::json!(weights);
    }
    if let Some(tools) = read.tools {
        all["tools"] = json_of(tools);
    }
    if !read.template_kwargs.entries.is_empty() {
        all["kwargs"] = json_of(Value::Map(read.template_kwargs));
    }
    all
}

fn read_with(
    options: &SchemaOptions,
    row: &str,
) -> (Result<serde_json::Value, Reject>, RuleCounts) {
    let arena = Arena::new();
    let mut counts = RuleCounts::default();
    let row = json::parse(row.as_bytes(), &arena).unwrap().value;
    let read = Reader::new(options).unwrap().read(row, &arena, &mut counts);
    (read.map(conversation), counts)
}

fn read(schema: Schema, row: &str) -> serde_json::Value {
    read_with(&SchemaOptions::new(schema), row).0.unwrap()
}

/// Without a change to the wire format.
fn read_as_it_is(row: &str) -> serde_json::Value {
    let mut options = SchemaOptions::new(Schema::Messages);
    options.wire = Wire::Keep;
    read_with(&options, row).0.unwrap()
}

fn rejected(schema: Schema, row: &str) -> Reject {
    read_with(&SchemaOptions::new(schema), row).0.unwrap_err()
}

fn parsed(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn messages_pass_as_they_are_but_for_null_keys() {
    let row = r#"{"messages": [
        {"role": "user", "content": "hi", "name": null, "extra": {"a": null}},
        {"content": null, "role": "assistant", "tool_calls": [{"id": "x", "function": {}}]},
        {"role": "tool", "content": {"a": 1}, "tool_call_id": "x"},
        {"role": "assistant", "content": "done"}], "tools": [{"name": "f"}],
        "chat_template_kwargs": {"enable_thinking": false}}"#;
    assert_eq!(
        read_as_it_is(row),
        parsed(
            r#"{"messages": [
            {"role": "user", "content": "hi", "extra": {"a": null}},
            {"role": "assistant", "tool_calls": [{"id": "x", "function": {}}]},
            {"role": "tool", "content": {"a": 1}, "tool_call_id": "x"},
            {"role": "assistant", "content": "done"}], "tools": [{"name": "f"}],
            "kwargs": {"enable_thinking": false}}"#
        )
    );
}

#[test]
fn variables_that_the_row_gives_itself_are_refused() {
    for name in ["messages", "tools", "add_generation_prompt"] {
        let row = format!(
            r#"{{"messages": [{{"role": "user", "content": "a"}}, {{"role": "assistant", "content": "b"}}],
            "chat_template_kwargs": {{"{name}": null}}}}"#
        );
        let reject = rejected(Schema::Messages, &row);
        assert_eq!(reject.rule, Rule::TemplateError);
        assert!(reject.reason.contains(name), "{}", reject.reason);
    }
}

#[test]
fn unchanged_messages_are_not_copied() {
    let arena = Arena::new();
    let row = br#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"#;
    let value = json::parse(row, &arena).unwrap().value;
    let list = value
        .as_map()
        .unwrap()
        .get("messages")
        .unwrap()
        .as_list()
        .unwrap();
    let reader = Reader::new(&SchemaOptions::new(Schema::Messages)).unwrap();
    let Record::Conversation(read) = reader
        .read(value, &arena, &mut RuleCounts::default())
        .unwrap()
    else {
        panic!("not a conversation")
    };
    let original = list[0].as_map().unwrap();
    assert!(std::ptr::eq(
        read.messages[0].fields.entries,
        original.entries
    ));
}

#[test]
fn tools_may_be_json_text() {
    let row = r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
        "tools": "[{\"name\": \"f\", \"strict\": null}]"}"#;
    assert_eq!(
        read(Schema::Messages, row)["tools"],
        parsed(r#"[{"name": "f", "strict": null}]"#)
    );
    let empty = row.replace(r#""[{\"name\": \"f\", \"strict\": null}]""#, r#""""#);
    assert_eq!(read(Schema::Messages, &empty).get("tools"), None);
    let broken = row.replace(r#""[{\"#, r#""[\"#);
    assert_eq!(rejected(Schema::Messages, &broken).rule, Rule::InvalidJson);
    let object = row.replace(r#""[{\"name\": \"f\", \"strict\": null}]""#, r#"{"a": 1}"#);
    assert_eq!(
        rejected(Schema::Messages, &object).rule,
        Rule::SchemaMismatch
    );
}

#[test]
fn roles_and_fields_can_be_named() {
    let mut options = SchemaOptions::new(Schema::Messages);
    options.fields = vec![
        ("dialog".into(), "messages".into()),
        ("who".into(), "role".into()),
    ];
    options.roles = vec![
        ("client".into(), "user".into()),
        ("counselor".into(), "assistant".into()),
    ];
    let row =
        r#"{"dialog": [{"who": "client", "content": "a"}, {"who": "counselor", "content": "b"}]}"#;
    assert_eq!(
        read_with(&options, row).0.unwrap(),
        parsed(
            r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"#
        )
    );
    options.fields = vec![("who".into(), "rolle".into())];
    let error = Reader::new(&options).unwrap_err();
    assert!(error.hint_text().unwrap().contains("role"), "{error}");
}

#[test]
fn a_field_that_is_named_the_other_way_round_is_told() {
    let refused = |fields: &[(&str, &str)]| {
        let named = |(theirs, ours): &(&str, &str)| ((*theirs).to_owned(), (*ours).to_owned());
        let options = SchemaOptions {
            fields: fields.iter().map(named).collect(),
            ..SchemaOptions::new(Schema::Messages)
        };
        Reader::new(&options).unwrap_err()
    };
    let turned = refused(&[("messages", "dialog")]);
    assert_eq!(turned.code(), "unknown-field");
    assert_eq!(turned.what(), "the schema `messages` has no field `dialog`");
    assert_eq!(
        turned.hint_text(),
        Some("`messages` is its field: the data's name comes first, dialog=messages")
    );
    let twice = refused(&[("dialog", "messages"), ("talk", "messages")]);
    assert!(twice.what().contains("both `dialog` and `talk`"), "{twice}");
}

#[test]
fn an_unknown_role_is_named_with_the_cure() {
    let row = r#"{"messages": [{"role": "client", "content": "a"}, {"role": "assistant", "content": "b"}]}"#;
    let reject = rejected(Schema::Messages, row);
    assert_eq!((reject.rule, reject.message), (Rule::UnknownRole, Some(0)));
    assert!(reject.reason.contains("client=user"));
    let row = row.replace("role", "from").replace("content", "value");
    assert_eq!(rejected(Schema::Sharegpt, &row).rule, Rule::UnknownRole);
}

#[test]
fn content_is_text_where_text_is_trained() {
    let row = |message: &str| {
        format!(r#"{{"messages": [{{"role": "user", "content": "a"}}, {message}]}}"#)
    };
    for (message, rule) in [
        (
            r#"{"role": "assistant", "content": null}"#,
            Rule::NullContent,
        ),
        (r#"{"role": "assistant"}"#, Rule::NullContent),
        (
            r#"{"role": "assistant", "content": 5}"#,
            Rule::NonStringContent,
        ),
        (
            r#"{"role": "assistant", "content": 5.5}"#,
            Rule::NonStringContent,
        ),
        (
            r#"{"role": "assistant", "content": true}"#,
            Rule::NonStringContent,
        ),
        (
            r#"{"role": "assistant", "content": {"a": 1}}"#,
            Rule::NonStringContent,
        ),
        (
            r#"{"role": "assistant", "content": ["a"]}"#,
            Rule::NonStringContent,
        ),
        (
            r#"{"role": "assistant", "content": [{"type": "image"}]}"#,
            Rule::NonStringContent,
        ),
        (
            r#"{"role": "assistant", "content": [{"type": "text", "text": null}]}"#,
            Rule::NullContent,
        ),
        (r#"{"role": 1, "content": "b"}"#, Rule::SchemaMismatch),
        (r#"{"content": "b"}"#, Rule::SchemaMismatch),
        (r#""b""#, Rule::SchemaMismatch),
    ] {
        let reject = rejected(Schema::Messages, &row(message));
        assert_eq!((reject.rule, reject.message), (rule, Some(1)), "{message}");
    }
}

#[test]
fn parts_are_joined_or_kept() {
    let row = r#"{"messages": [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"text": "b"}]},
        {"role": "assistant", "content": [{"type": "text", "value": "c"}]}]}"#;
    assert_eq!(
        read(Schema::Messages, row),
        parsed(
            r#"{"messages": [{"role": "user", "content": "ab"}, {"role": "assistant", "content": "c"}]}"#
        )
    );
    let mut options = SchemaOptions::new(Schema::Messages);
    options.text_parts = TextParts::Keep;
    assert_eq!(
        read_with(&options, row).0.unwrap(),
        parsed(
            r#"{"messages": [
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"text": "b"}]},
            {"role": "assistant", "content": "c"}]}"#
        )
    );
}

#[test]
fn media_among_the_parts_keep_the_list() {
    let row = r#"{"messages": [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "value": "a"}]},
        {"role": "assistant", "content": "b"}]}"#;
    let mut options = SchemaOptions::new(Schema::Messages);
    assert_eq!(
        read_with(&options, row).0.unwrap_err().rule,
        Rule::NonStringContent
    );
    options.text_parts = TextParts::Keep;
    assert_eq!(
        read_with(&options, row).0.unwrap()["messages"][0]["content"],
        parsed(r#"[{"type": "image"}, {"type": "text", "text": "a"}]"#)
    );
}

#[test]
fn parts_of_llama_factory_become_fields() {
    let row = r#"{"messages": [
        {"role": "system", "content": [{"type": "tools", "value": "[{\"name\": \"f\"}]"}, {"type": "text", "value": "s"}]},
        {"role": "user", "content": [{"type": "text", "value": "q"}], "loss_weight": 0.0},
        {"role": "assistant", "loss_weight": 1.0, "content": [
            {"type": "reasoning", "value": "r"},
            {"type": "tool_call", "value": "{\"name\": \"f\", \"arguments\": {\"x\": 1}}"},
            {"type": "tool_call", "value": "{\"name\": \"g\", \"arguments\": \"{}\"}"}]}]}"#;
    assert_eq!(
        read_as_it_is(row),
        parsed(
            r#"{"messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": "q", "loss_weight": 0.0},
            {"role": "assistant", "loss_weight": 1.0, "content": "", "reasoning_content": "r", "tool_calls": [
                {"type": "function", "function": {"name": "f", "arguments": {"x": 1}}},
                {"type": "function", "function": {"name": "g", "arguments": "{}"}}]}],
            "tools": [{"name": "f"}], "weights": [null, 0.0, 1.0]}"#
        )
    );
}

#[test]
fn sharegpt_speakers_become_roles() {
    let row = r#"{"id": "1", "system": "s", "tools": "[]", "conversations": [
        {"from": "human", "value": "a"},
        {"from": "function_call", "value": "{\"name\": \"f\", \"arguments\": {\"x\": null}}"},
        {"from": "observation", "value": "{}"},
        {"from": "gpt", "value": "b", "weight": 0},
        {"from": "user", "value": "c"}, {"from": "bard", "value": "d"}]}"#;
    assert_eq!(
        read(Schema::Sharegpt, row),
        parsed(
            r#"{"messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "", "tool_calls": [
                {"type": "function", "function": {"name": "f", "arguments": {"x": null}}}]},
            {"role": "tool", "content": "{}"},
            {"role": "assistant", "content": "b", "weight": 0},
            {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}],
            "tools": [], "weights": [null, null, null, null, 0.0, null, null]}"#
        )
    );
    let broken = row.replace(r#"{\"name\": \"f\", \"arguments\": {\"x\": null}}"#, "f(x)");
    assert_eq!(rejected(Schema::Sharegpt, &broken).message, Some(1));
}

#[test]
fn alpaca_joins_instruction_and_input_without_stripping() {
    let row = r#"{"instruction": " do ", "input": " x\n", "output": "y ", "system": "s",
        "history": [["a", "b"], ["c", "d"]]}"#;
    assert_eq!(
        read(Schema::Alpaca, row),
        parsed(
            r#"{"messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
            {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"},
            {"role": "user", "content": " do \n x\n"}, {"role": "assistant", "content": "y "}]}"#
        )
    );
    let plain = read(
        Schema::Alpaca,
        r#"{"instruction": "do", "input": "", "output": "y"}"#,
    );
    assert_eq!(plain["messages"][0]["content"], "do");
}

#[test]
fn alpaca_rows_of_another_shape_are_rejected() {
    for (row, rule) in [
        (r#"{"instruction": "a"}"#, Rule::SchemaMismatch),
        (r#"{"instruction": "a", "output": null}"#, Rule::NullContent),
        (
            r#"{"instruction": "a", "output": 42}"#,
            Rule::NonStringContent,
        ),
        (
            r#"{"instruction": "a", "input": ["x"], "output": "b"}"#,
            Rule::NonStringContent,
        ),
        (
            r#"{"instruction": "a", "output": "b", "history": [["x"]]}"#,
            Rule::SchemaMismatch,
        ),
        ("[1]", Rule::SchemaMismatch),
    ] {
        assert_eq!(rejected(Schema::Alpaca, row).rule, rule, "{row}");
    }
}

#[test]
fn prompts_may_be_strings_or_messages() {
    let arena = Arena::new();
    let reader = Reader::new(&SchemaOptions::new(Schema::PromptCompletion)).unwrap();
    let row = json::parse(br#"{"prompt": "a", "completion": "b"}"#, &arena)
        .unwrap()
        .value;
    let record = reader
        .read(row, &arena, &mut RuleCounts::default())
        .unwrap();
    assert!(matches!(
        record,
        Record::Completion {
            prompt: "a",
            completion: "b",
            ..
        }
    ));
    let row = r#"{"prompt": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"}], "completion": [{"role": "assistant", "content": "d"}]}"#;
    let read = read(Schema::PromptCompletion, row);
    assert_eq!(read["weights"], parsed("[null, 0.0, null, null]"));
    let mixed = r#"{"prompt": "a", "completion": [{"role": "assistant", "content": "d"}]}"#;
    assert_eq!(
        rejected(Schema::PromptCompletion, mixed).rule,
        Rule::SchemaMismatch
    );
}

#[test]
fn only_turns_with_a_prompt_are_trained() {
    let row = |roles: &str| {
        let messages: Vec<String> = roles
            .chars()
            .map(|role| match role {
                'u' => r#"{"from": "human", "value": "q"}"#,
                'a' => r#"{"from": "gpt", "value": "r"}"#,
                _ => r#"{"from": "system", "value": "s"}"#,
            })
            .map(str::to_owned)
            .collect();
        format!(r#"{{"conversations": [{}]}}"#, messages.join(","))
    };
    let options = SchemaOptions::new(Schema::Sharegpt);
    let (read, counts) = read_with(&options, &row("aua"));
    assert_eq!(read.unwrap()["weights"], parsed("[0.0, null, null]"));
    assert_eq!(counts.get(Rule::TurnWithoutPrompt), 1);
    let (read, counts) = read_with(&options, &row("uauus"));
    assert_eq!(read.unwrap()["messages"].as_array().unwrap().len(), 2);
    assert_eq!(counts.get(Rule::TrailingNonAssistantTurn), 1);
    for roles in ["", "u", "su", "a", "aa", "au"] {
        assert_eq!(
            rejected(Schema::Sharegpt, &row(roles)).rule,
            Rule::NoAssistantTurn,
            "{roles}"
        );
    }
    let (read, _) = read_with(&options, &row("sa"));
    assert_eq!(read.unwrap().get("weights"), None);
    let trim = SchemaOptions {
        role_order: RoleOrder::Trim,
        ..options
    };
    let (read, counts) = read_with(&trim, &row("aua"));
    assert_eq!(read.unwrap()["messages"].as_array().unwrap().len(), 2);
    assert_eq!(counts.get(Rule::TurnWithoutPrompt), 1);
}

#[test]
fn a_weight_is_a_boolean_or_a_number_from_zero() {
    let row = |weight: &str| {
        format!(
            r#"{{"messages": [{{"role": "user", "content": "a"}},
            {{"role": "assistant", "content": "b", {weight}}}]}}"#
        )
    };
    for (weight, expected) in [
        (r#""train": false"#, 0.0),
        (r#""loss": true"#, 1.0),
        (r#""weight": 0.5"#, 0.5),
        (r#""weight": 0, "loss_weight": 2"#, 2.0),
    ] {
        assert_eq!(
            read(Schema::Messages, &row(weight))["weights"][1],
            expected,
            "{weight}"
        );
    }
    for weight in [r#""train": "no""#, r#""weight": -1"#, r#""loss": NaN"#] {
        assert_eq!(
            rejected(Schema::Messages, &row(weight)).rule,
            Rule::SchemaMismatch,
            "{weight}"
        );
    }
}

#[test]
fn rendered_text_is_refused_and_text_about_markers_is_not() {
    let chat = "<|im_start|>user\\nhi<|im_end|>\\n<|im_start|>assistant\\n";
    for (schema, row) in [
        (Schema::Text, format!(r#"{{"text": "{chat}"}}"#)),
        (
            Schema::PromptCompletion,
            format!(r#"{{"prompt": "{chat}", "completion": "x"}}"#),
        ),
        (
            Schema::Alpaca,
            format!(r#"{{"instruction": "{chat}", "output": "x"}}"#),
        ),
    ] {
        assert_eq!(rejected(schema, &row).rule, Rule::AlreadyRendered);
    }
    for text in [
        "<|im_start|>user is a marker",
        "what is [INST]? [/INST]",
        "<p>",
        "<｜User｜>",
    ] {
        let row = format!(r#"{{"instruction": "{text}", "output": "{text}"}}"#);
        assert_eq!(read(Schema::Alpaca, &row)["messages"][0]["content"], text);
    }
}

#[test]
fn a_reader_names_its_columns() {
    let reader = Reader::new(&SchemaOptions::new(Schema::Messages)).unwrap();
    assert_eq!(
        reader.columns(),
        [
            "messages",
            "system",
            "tools",
            "functions",
            "weight",
            "documents",
            "chat_template_kwargs",
            "conversations",
            "conversation",
            "system_prompt"
        ]
    );
}
