use super::*;

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
fn features_that_have_not_landed_are_refused_and_not_ignored() {
    for text in [
        r#"{"pack": true}"#,
        r#"{"schema": "kto"}"#,
        r#"{"seed": 0}"#,
    ] {
        assert_eq!(error(text).code(), "not-available", "{text}");
    }
    assert!(Recipe::from_json(r#"{"pack": null, "shuffle": false}"#).is_ok());
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
