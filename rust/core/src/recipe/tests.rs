use super::*;
use crate::chat::Schema;

fn error(text: &str) -> crate::Error {
    Recipe::from_json(text).expect_err("the recipe is wrong")
}

#[test]
fn an_empty_recipe_has_the_defaults() {
    let recipe = Recipe::from_json("{}").unwrap();
    assert_eq!(recipe, Recipe::default());
    assert_eq!(recipe.special_in_content, SpecialInContent::Text);
    assert_eq!(recipe.columns, Column::DEFAULT);
}

#[test]
fn what_is_written_is_read_back() {
    let text = r#"{"tokenizer":"t","template_kwargs":{"a":[1]},"train_on":["user","assistant"],
        "stop":["<|x|>",0],"max_length":7,"over_length":"reject","history":"last-turn",
        "columns":["labels","weights"],"roles":{"bot":"assistant"},"format":"parquet"}"#;
    let recipe = Recipe::from_json(text).unwrap();
    assert_eq!(
        recipe.stop,
        Stop::Tokens(vec![StopToken::Text("<|x|>".into()), StopToken::Id(0)])
    );
    let again = Recipe::from_json(&recipe.to_json().to_string()).unwrap();
    assert_eq!(again, recipe);
}

#[test]
fn unknown_keys_name_the_nearest() {
    let found = error(r#"{"max_lenght": 3}"#);
    assert_eq!(found.code(), "unknown-key");
    assert_eq!(found.hint_text(), Some("did you mean `max_length`?"));
    assert!(
        error(r#"{"learning_rate": 3}"#)
            .hint_text()
            .unwrap()
            .contains("tokenizer")
    );
}

#[test]
fn bad_values_list_the_allowed_ones() {
    let found = error(r#"{"history": "rewrite"}"#);
    assert_eq!(found.code(), "bad-value");
    assert!(
        found
            .hint_text()
            .unwrap()
            .contains("auto, as-rendered, last-turn")
    );
    for text in [
        r#"{"max_length": 0}"#,
        r#"{"max_rejects": 1.5}"#,
        r#"{"stop": []}"#,
        r#"{"stop": [-1]}"#,
        r#"{"columns": ["mask"]}"#,
        r#"{"tokenizer": 3}"#,
        "[]",
    ] {
        assert_eq!(error(text).code(), "bad-value", "{text}");
    }
}

#[test]
fn features_of_later_versions_are_refused_and_not_ignored() {
    let text = r#"{"compat": "chinese-llama-alpaca-3"}"#;
    assert_eq!(error(text).code(), "not-available", "{text}");
    assert!(Recipe::from_json(r#"{"pack": null, "compat": "none"}"#).is_ok());
}

#[test]
fn an_input_says_how_many_of_its_rows_are_written() {
    let quota = |text: &str| Recipe::of_input(text).map(|(_, quota)| quota);
    let read = quota(r#"{"weight": 0.3, "cap": 100, "schema": "text"}"#).unwrap();
    assert_eq!(read.weight, Some(Weight::Share(0.3)));
    assert_eq!(read.cap, Some(100));
    for (text, epochs) in [("2 epochs", 2.0), ("1 epoch", 1.0), ("0.5epochs", 0.5)] {
        let read = quota(&format!(r#"{{"weight": "{text}"}}"#)).unwrap();
        assert_eq!(read.weight, Some(Weight::Epochs(epochs)));
    }
    assert_eq!(quota(r#"{"weight": null}"#).unwrap(), Quota::default());
    for text in [
        r#"{"weight": 2}"#,
        r#"{"weight": 0}"#,
        r#"{"weight": 1.0}"#,
        r#"{"weight": "2"}"#,
        r#"{"weight": "0 epochs"}"#,
        r#"{"weight": "nan epochs"}"#,
        r#"{"weight": "1e9 epochs"}"#,
        r#"{"cap": 0}"#,
        r#"{"cap": 1.5}"#,
    ] {
        assert_eq!(quota(text).unwrap_err().code(), "bad-value", "{text}");
    }
    let unknown = quota(r#"{"wieght": 0.5}"#).unwrap_err();
    assert_eq!(unknown.hint_text(), Some("did you mean `weight`?"));
}

#[test]
fn carried_columns_have_a_name_each() {
    assert_eq!(index_column("licence"), "licence");
    assert_eq!(index_column("source"), "row_source");
    let recipe = Recipe::from_json(r#"{"carry": ["id", "source"]}"#).unwrap();
    let own = recipe.for_input(r#"{"carry": ["id", "user"]}"#).unwrap();
    assert_eq!(own.carry, ["id", "user", "source"]);
    for text in [r#"["id", "id"]"#, r#"["source", "row_source"]"#] {
        let found = error(&format!(r#"{{"carry": {text}}}"#));
        assert_eq!(found.code(), "bad-value");
    }
}

#[test]
fn a_bare_mask_is_refused() {
    assert_eq!(
        error(r#"{"columns": ["attention_mask"]}"#).code(),
        "bare-mask"
    );
    for columns in [r#"["input_ids"]"#, "[]"] {
        let text = format!(r#"{{"columns": {columns}, "schema": "text"}}"#);
        assert!(Recipe::from_json(&text).is_ok(), "{text}");
        let bare = format!(r#"{{"columns": {columns}}}"#);
        assert_eq!(error(&bare).code(), "bare-mask", "{bare}");
    }
}

#[test]
fn the_fingerprint_follows_what_can_change_a_byte() {
    let base = Recipe::default();
    let inputs = Recipe {
        inputs: "a.jsonl".into(),
        overwrite: true,
        ..base.clone()
    };
    assert_eq!(base.fingerprint(), inputs.fingerprint());
    let other = Recipe {
        max_length: Some(8),
        ..base.clone()
    };
    assert_ne!(base.fingerprint(), other.fingerprint());
    assert_eq!(base.fingerprint().len(), 32);
}

#[test]
fn template_kwargs_set_nothing_that_the_rows_give() {
    for name in crate::chat::GIVEN {
        let found = error(&format!(
            r#"{{"template_kwargs": {{"x": 1, "{name}": []}}}}"#
        ));
        assert_eq!(found.code(), "bad-value");
        assert!(found.what().contains(&format!("`{name}`")));
    }
}

#[test]
fn an_input_lays_its_names_over_the_recipes() {
    let recipe = r#"{"schema": "messages", "roles": {"a": "user", "b": "assistant"}}"#;
    let recipe = Recipe::from_json(recipe).unwrap();
    let own = r#"{"schema": "sharegpt", "roles": {"b": "system"}, "fields": {"who": "from"}}"#;
    let own = recipe.for_input(own).unwrap();
    assert_eq!(own.schema, Some(Schema::Sharegpt));
    assert_eq!(own.roles["a"], "user");
    assert_eq!(own.roles["b"], "system");
    assert_eq!(own.fields["who"], "from");
    let inherited = recipe.for_input(r#"{"schema": null}"#).unwrap();
    assert_eq!(inherited, recipe);
    assert_eq!(
        recipe.for_input(r#"{"schema": "auto"}"#).unwrap().schema,
        None
    );
}

#[test]
fn an_input_has_few_keys() {
    let refused = |text| Recipe::default().for_input(text).unwrap_err();
    let unknown = refused(r#"{"role": {}}"#);
    assert_eq!(unknown.code(), "unknown-key");
    assert_eq!(unknown.hint_text(), Some("did you mean `roles`?"));
    assert_eq!(refused(r#"{"schema": "odd"}"#).code(), "bad-value");
    let bare = Recipe::from_json(r#"{"schema": "text", "columns": ["input_ids"]}"#).unwrap();
    assert_eq!(
        bare.for_input(r#"{"schema": "messages"}"#)
            .unwrap_err()
            .code(),
        "bare-mask"
    );
}

#[test]
fn trained_roles_are_ones_that_messages_can_have() {
    let check = |text: &str| Recipe::from_json(text).unwrap().check_train_on();
    check(r#"{"train_on": ["user", "tool", "ipython"]}"#).unwrap();
    check(r#"{"train_on": ["critic"], "roles": {"judge": "critic"}}"#).unwrap();
    check(r#"{"train_on": ["critic"], "inputs": [{"path": "a", "roles": {"c": "critic"}}]}"#)
        .unwrap();
    let found = check(r#"{"train_on": ["user", "nobody"], "inputs": ["a"]}"#).unwrap_err();
    assert_eq!(found.code(), "bad-value");
    assert!(found.to_string().contains("nobody"), "{found}");
    assert!(found.hint_text().unwrap().contains("assistant, system"));
    let slip = check(r#"{"train_on": ["asistant"]}"#).unwrap_err();
    assert!(
        slip.hint_text()
            .unwrap()
            .starts_with("did you mean \"assistant\"?")
    );
}

#[test]
fn the_field_of_an_input_takes_the_place_of_the_recipes() {
    let recipe = r#"{"fields": {"dialog": "messages", "say": "content"}}"#;
    let recipe = Recipe::from_json(recipe).unwrap();
    let own = recipe
        .for_input(r#"{"fields": {"talk": "messages"}}"#)
        .unwrap();
    let fields: Vec<(&str, &str)> = own
        .fields
        .iter()
        .map(|(theirs, ours)| (theirs.as_str(), ours.as_str()))
        .collect();
    assert_eq!(fields, [("say", "content"), ("talk", "messages")]);
}

#[test]
fn an_old_word_names_the_new_one() {
    let found = error(r#"{"history": "stop"}"#);
    assert_eq!(found.code(), "bad-value");
    assert_eq!(
        found.hint_text(),
        Some(
            "`stop` is called `error` now; `history` takes auto, as-rendered, last-turn, expand, \
             error"
        )
    );
}

#[test]
fn the_table_has_every_key_and_its_default() {
    let table = table_json();
    let keys = table.as_array().unwrap();
    let defaults = Recipe::default().to_json();
    for (name, default) in defaults.as_object().unwrap() {
        let key = keys.iter().find(|key| key["name"] == **name).unwrap();
        assert_eq!(key["default"], *default, "{name}");
        assert!(key["means"].as_str().unwrap().ends_with('.'), "{name}");
    }
    let words = |name: &str| {
        let key = keys.iter().find(|key| key["name"] == name).unwrap();
        let words = key["words"].as_array().unwrap().iter();
        words.map(|word| word[0].clone()).collect::<Vec<_>>()
    };
    assert_eq!(words("eos"), ["ensure", "template"]);
    assert_eq!(words("schema")[..2], ["auto", "messages"]);
    assert_eq!(words("pack"), Vec::<Json>::new());
}
