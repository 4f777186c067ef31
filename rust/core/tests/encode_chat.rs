//! Conversations, end to end: ids, labels, rejects and counts.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![allow(missing_docs, reason = "not an interface")]

mod support;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use support::{Directory, END, START, directory};
use turnmill_core::cancel::Cancel;
use turnmill_core::chat::Schema;
use turnmill_core::recipe::Recipe;
use turnmill_core::rules::{Findings, Rule};
use turnmill_core::run::{Encoder, JsonHead, SelfCheck, ShardOptions};
use turnmill_core::{Error, ErrorKind};

/// What rows became: ids and labels of the samples as text, rejects by code.
#[derive(Debug)]
struct Made {
    texts: Vec<String>,
    trained: Vec<String>,
    lengths: Vec<usize>,
    rejects: Vec<String>,
    findings: Findings,
    lost: (u64, u64),
}

fn encoder(directory: &Directory, more: &str) -> Result<Arc<Encoder>, Error> {
    let recipe = format!(r#"{{"tokenizer": {:?}{more}}}"#, directory.text());
    Ok(Arc::new(Encoder::new(Recipe::from_json(&recipe)?)?))
}

/// Ids as text; special tokens by their names, untrained ones left out.
fn shown(encoder: &Encoder, ids: &[i32]) -> String {
    let tokenizer = encoder.tokenizer();
    let bytes = ids.iter().filter(|id| **id >= 0);
    let bytes: Vec<u8> = bytes
        .flat_map(|id| tokenizer.id_to_bytes(*id as u32).to_vec())
        .collect();
    String::from_utf8(bytes).unwrap()
}

fn make(encoder: &Arc<Encoder>, rows: &[&str]) -> Result<Made, Error> {
    let mut shard = encoder.open_shard(ShardOptions::new(Schema::Messages, "x"))?;
    let cancel = Cancel::default();
    let lines = rows.join("\n");
    let first = shard.feed_bytes(lines.as_bytes(), &cancel)?;
    let last = shard.finish(&cancel)?;
    let mut made = Made {
        texts: Vec::new(),
        trained: Vec::new(),
        lengths: Vec::new(),
        rejects: Vec::new(),
        findings: shard.findings().clone(),
        lost: (
            first.lost_turns + last.lost_turns,
            first.lost_tokens + last.lost_tokens,
        ),
    };
    for batch in first.samples.iter().chain(&last.samples) {
        let lists = |name: &str| {
            let column = batch.column_by_name(name).unwrap().as_list::<i32>().clone();
            let rows = column.iter().flatten();
            rows.map(|list| list.as_primitive::<Int32Type>().values().to_vec())
                .collect::<Vec<_>>()
        };
        for (ids, labels) in lists("input_ids").iter().zip(lists("labels")) {
            for (id, label) in ids.iter().zip(&labels) {
                assert!(*label == -100 || label == id);
            }
            made.texts.push(shown(encoder, ids));
            made.trained.push(shown(encoder, &labels));
            made.lengths.push(ids.len());
        }
    }
    for batch in first.rejects.iter().chain(&last.rejects) {
        let codes = batch.column_by_name("code").unwrap().as_string::<i32>();
        made.rejects
            .extend(codes.iter().flatten().map(str::to_owned));
    }
    Ok(made)
}

const TWO_TURNS: &str = r#"{"messages": [{"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "Bye"},
    {"role": "assistant", "content": "Ciao"}]}"#;

fn one_line(row: &str) -> String {
    row.replace('\n', " ")
}

fn chatml(directory: &Directory, more: &str) -> Arc<Encoder> {
    encoder(directory, &format!(r#", "template": "chatml"{more}"#)).unwrap()
}

#[test]
fn every_turn_is_trained_through_its_terminator() {
    let directory = directory();
    let encoder = chatml(&directory, "");
    let made = make(&encoder, &[&one_line(TWO_TURNS)]).unwrap();
    assert_eq!(made.trained, ["Hello<|im_end|>Ciao<|im_end|>"]);
    assert!(made.texts[0].starts_with("<|im_start|>user\nHi<|im_end|>\n"));
    assert!(made.rejects.is_empty());
}

#[test]
fn who_is_trained_is_the_recipes_choice_and_the_datas() {
    let directory = directory();
    let trained = |more: &str, row: &str| {
        let encoder = chatml(&directory, more);
        make(&encoder, &[&one_line(row)]).unwrap().trained.concat()
    };
    let last = r#", "train_on": "last-turn""#;
    assert_eq!(trained(last, TWO_TURNS), "Ciao<|im_end|>");
    let roles = r#", "train_on": ["user"]"#;
    assert_eq!(trained(roles, TWO_TURNS), "Hi<|im_end|>Bye<|im_end|>");
    let weighted = TWO_TURNS.replace(r#""Ciao""#, r#""Ciao", "weight": 0"#);
    assert_eq!(trained("", &weighted), "Hello<|im_end|>");
    let everything = trained(r#", "train_on": "everything""#, TWO_TURNS);
    assert!(everything.starts_with("<|im_start|>user\nHi"));
}

#[test]
fn a_role_of_the_recipes_own_is_noted_and_may_be_a_slip() {
    let directory = directory();
    let notes = |roles: &str| {
        let more = format!(r#", "roles": {{"client": "{roles}"}}"#);
        chatml(&directory, &more).facts()["notes"].to_string()
    };
    assert!(
        notes("usr").contains(r#"did you mean \"user\""#),
        "{}",
        notes("usr")
    );
    assert!(notes("critic").contains("critic"));
    for known in ["user", "tool", "ipython"] {
        assert!(!notes(known).contains("client"), "{}", notes(known));
    }
}

#[test]
fn nothing_trained_is_a_reject() {
    let directory = directory();
    let encoder = chatml(&directory, "");
    let row = r#"{"messages": [{"role": "user", "content": "a"},
        {"role": "assistant", "content": "b", "loss": false}]}"#;
    let made = make(&encoder, &[&one_line(row)]).unwrap();
    assert_eq!(made.rejects, ["all-labels-masked"]);
}

#[test]
fn control_text_in_content_is_text_unless_parsed() {
    let directory = directory();
    let row = r#"{"messages": [{"role": "user", "content": "x<|im_end|>y"},
        {"role": "assistant", "content": "ok<|im_end|>"}]}"#;
    let row = one_line(row);
    let made = make(&chatml(&directory, ""), &[&row]).unwrap();
    assert_eq!(made.findings.get(Rule::SpecialTokenInContent).count, 2);
    // The text is unaltered, and only the template's own terminator is one.
    assert_eq!(made.trained, ["ok<|im_end|><|im_end|>"]);
    assert_eq!(made.trained[0].len() - 10, "ok<|im_end|>".len());
    let parsed = make(
        &chatml(&directory, r#", "special_in_content": "parse""#),
        &[&row],
    )
    .unwrap();
    assert_eq!(made.lengths[0] - parsed.lengths[0], 18);
    let rejected = make(
        &chatml(&directory, r#", "special_in_content": "reject""#),
        &[&row],
    );
    assert_eq!(rejected.unwrap().rejects, ["special-token-in-content"]);
}

#[test]
fn a_template_that_never_ends_a_turn_gets_the_eos() {
    let directory = directory();
    let template = r#", "template": "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}""#;
    let made = make(
        &encoder(&directory, template).unwrap(),
        &[&one_line(TWO_TURNS)],
    )
    .unwrap();
    assert_eq!(made.trained, ["Hello<|im_end|>Ciao<|im_end|>"]);
    assert_eq!(
        made.texts,
        ["user: Hi\nassistant: Hello<|im_end|>\nuser: Bye\nassistant: Ciao<|im_end|>\n"]
    );
    assert_eq!(made.findings.get(Rule::EosInserted).count, 2);
    let error = encoder(&directory, &format!(r#"{template}, "eos": "template""#)).unwrap_err();
    assert_eq!(error.code(), "missing-terminator");
}

#[test]
fn whitespace_that_a_header_token_swallows_trains_no_header() {
    let directory = directory();
    let mut file = support::tokenizer_json();
    file["added_tokens"][2]["rstrip"] = true.into();
    directory.write("tokenizer.json", &file.to_string());
    // As in Phi-3, the role tokens are stop tokens too.
    let recipe = r#", "stop": ["<|im_end|>", "<|im_start|>"], "train_on": ["user", "assistant"],
        "template": "{% for m in messages %}<|im_start|>{{ m.role[0] if m.role == 'user' }}<|im_start|>\n{{ m.content }}<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|><|im_start|>\n{% endif %}""#;
    let encoder = encoder(&directory, recipe).unwrap();
    for (answer, trained) in [
        ("Yes", "Yes"),
        (" Yes", "Yes"),
        ("\\n \\nYes", "Yes"),
        (" ", ""),
    ] {
        let row = format!(
            r#"{{"messages": [{{"role": "user", "content": " Hi"}},
            {{"role": "assistant", "content": "{answer}"}}]}}"#
        );
        let made = make(&encoder, &[&one_line(&row)]).unwrap();
        assert_eq!(made.trained, [format!("Hi<|im_end|>{trained}<|im_end|>")]);
        let swallowed = u64::from(answer != "Yes");
        assert_eq!(
            made.findings.get(Rule::BoundaryMerge).count,
            swallowed,
            "{answer:?}"
        );
    }
}

#[test]
fn a_terminator_that_serving_does_not_stop_on_ends_the_run_before_the_first_row() {
    let directory = directory();
    let base = r#", "template": "chatml", "stop": ["<eos>"]"#;
    let error = encoder(&directory, base).unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Recipe, "wrong-terminator")
    );
    let hint = error.hint_text().unwrap();
    assert!(
        hint.contains("--stop '<eos>' --stop '<|im_end|>'"),
        "{hint}"
    );
    assert!(hint.contains("[257, 259]"), "{hint}");
    // Serving stops on what the template prints after its own terminator (the Phi-3 kind).
    let late = r#", "stop": ["<eos>"], "template": "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% else %}<eos>{% endif %}""#;
    assert_eq!(
        encoder(&directory, late).unwrap_err().code(),
        "wrong-terminator"
    );
    // The same template on a tokenizer that has no such token.
    let foreign = r#", "template": "llama-3""#;
    assert_eq!(
        encoder(&directory, foreign).unwrap_err().code(),
        "terminator-not-atomic"
    );
}

#[test]
fn labels_do_not_depend_on_the_pad_token() {
    let directory = directory();
    let plain = make(&chatml(&directory, ""), &[&one_line(TWO_TURNS)]).unwrap();
    let config = r#"{"eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}"#;
    directory.write("tokenizer_config.json", config);
    let encoder = chatml(&directory, "");
    let padded = make(&encoder, &[&one_line(TWO_TURNS)]).unwrap();
    assert_eq!(plain.trained, padded.trained);
    assert_eq!(encoder.stop_ids(), [END]);
    let notes = encoder.facts()["notes"].to_string();
    assert!(notes.contains("pad token"), "{notes}");
}

#[test]
fn exact_fit_and_one_over() {
    let directory = directory();
    let whole = make(&chatml(&directory, ""), &[&one_line(TWO_TURNS)]).unwrap();
    let full = whole.lengths[0];
    let limited = |limit: usize, policy: &str| {
        let more = format!(r#", "max_length": {limit}, "over_length": "{policy}""#);
        make(&chatml(&directory, &more), &[&one_line(TWO_TURNS)])
    };
    for policy in ["whole-turns", "oldest-turns", "reject", "error"] {
        let made = limited(full, policy).unwrap();
        assert_eq!(made.trained, whole.trained, "{policy}");
        assert_eq!(made.lost, (0, 0));
    }
    let front = limited(full - 1, "whole-turns").unwrap();
    assert_eq!(front.trained, ["Hello<|im_end|>"]);
    assert_eq!(front.findings.get(Rule::TurnsLeftOut).count, 1);
    assert_eq!(front.lost, (1, (full - front.lengths[0]) as u64));
    let back = limited(full - 1, "oldest-turns").unwrap();
    assert_eq!(back.trained, ["Ciao<|im_end|>"]);
    assert_eq!(
        limited(full - 1, "reject").unwrap().rejects,
        ["overlong-sample"]
    );
    assert_eq!(
        limited(full - 1, "error").unwrap_err().code(),
        "overlong-sample"
    );
    assert_eq!(
        limited(8, "whole-turns").unwrap().rejects,
        ["overlong-sample"]
    );
}

#[test]
fn bad_rows_are_rejected_and_the_others_written() {
    let directory = directory();
    let good = one_line(TWO_TURNS);
    let rows = [
        &good[..],
        "{broken",
        r#"{"messages": []}"#,
        r#"{"messages": [{"role": "user", "content": "a\ud800"}, {"role": "assistant", "content": "b"}]}"#,
        &good,
    ];
    let made = make(&chatml(&directory, ""), &rows).unwrap();
    assert_eq!(made.trained.len(), 2);
    assert_eq!(
        made.rejects,
        ["invalid-json", "no-assistant-turn", "lone-surrogate"]
    );
}

/// Prints reasoning on the last turn only, as many templates do.
const FORGETFUL: &str = r#", "template": "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if loop.last and m.reasoning_content %}({{ m.reasoning_content }}){% endif %}{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}""#;

const REASONED: &str = r#"{"messages": [{"role": "user", "content": "a"},
    {"role": "assistant", "content": "b", "reasoning_content": "because"},
    {"role": "user", "content": "c"},
    {"role": "assistant", "content": "d", "reasoning_content": "since"}]}"#;

#[test]
fn reasoning_that_would_be_lost_needs_a_decision() {
    let directory = directory();
    let row = one_line(REASONED);
    let auto = encoder(&directory, FORGETFUL).unwrap();
    let error = first_rows(&row)
        .look(|rows| auto.inspect_values(rows))
        .unwrap_err();
    assert_eq!(error.code(), "reasoning-dropped");
    let hint = error.hint_text().unwrap();
    assert!(
        hint.contains("--history as-rendered trains 2 turns"),
        "{hint}"
    );
    assert!(
        hint.contains("--history last-turn trains 1 turns"),
        "{hint}"
    );
    assert_eq!(make(&auto, &[&row]).unwrap().rejects, ["reasoning-dropped"]);
    let last = encoder(
        &directory,
        &format!(r#"{FORGETFUL}, "history": "last-turn""#),
    )
    .unwrap();
    let made = make(&last, &[&row]).unwrap();
    assert_eq!(made.trained, ["(since)d<|im_end|>"]);
    assert_eq!(made.findings.get(Rule::HistoryRewritten).count, 1);
    let all = encoder(
        &directory,
        &format!(r#"{FORGETFUL}, "history": "as-rendered""#),
    )
    .unwrap();
    assert_eq!(
        make(&all, &[&row]).unwrap().trained,
        ["b<|im_end|>(since)d<|im_end|>"]
    );
}

#[test]
fn a_history_that_only_the_template_changes_is_counted() {
    let directory = directory();
    let qwen = encoder(&directory, r#", "template": "qwen3""#).unwrap();
    let made = make(&qwen, &[&one_line(TWO_TURNS)]).unwrap();
    assert_eq!(made.findings.get(Rule::HistoryRewritten).count, 1);
    assert!(made.rejects.is_empty());
    let stop = encoder(&directory, r#", "template": "qwen3", "history": "error""#).unwrap();
    let error = make(&stop, &[&one_line(TWO_TURNS)]).unwrap_err();
    assert_eq!(error.code(), "history-rewritten");
}

#[test]
fn an_empty_think_block_is_context_unless_asked_for() {
    let directory = directory();
    let row = r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"#;
    let trained = |more: &str| {
        let encoder = encoder(&directory, &format!(r#", "template": "qwen3"{more}"#)).unwrap();
        make(&encoder, &[&one_line(row)]).unwrap().trained.concat()
    };
    assert_eq!(trained(""), "b<|im_end|>");
    let empty = trained(r#", "reasoning": "train-empty""#);
    assert_eq!(empty, "<think>\n\n</think>\n\nb<|im_end|>");
}

#[test]
fn apart_is_what_inference_sees() {
    let directory = directory();
    let encoder = chatml(&directory, r#", "boundary": "apart""#);
    let made = make(&encoder, &[&one_line(TWO_TURNS)]).unwrap();
    assert_eq!(made.trained, ["Hello<|im_end|>Ciao<|im_end|>"]);
    assert!(encoder.tokenizer().added_token(START).is_some());
}

fn first_rows(row: &str) -> JsonHead {
    let mut head = JsonHead::new();
    head.feed(format!("{row}\n").as_bytes());
    head
}

fn self_check(encoder: &Encoder, row: &str) -> SelfCheck {
    first_rows(row)
        .look(|rows| encoder.self_check(rows))
        .unwrap()
}

#[test]
fn the_fast_backend_agrees_with_the_reference_on_the_users_rows() {
    let directory = directory();
    let encoder = chatml(&directory, "");
    assert_eq!(encoder.tokenizer().backend_name(), "bpe");
    let row = one_line(TWO_TURNS);
    let check = self_check(&encoder, &row);
    assert_eq!(check.difference, None);
    assert!(check.compared > 50, "{check:?}");
}

#[test]
fn a_book_in_one_row_does_not_delay_the_run() {
    let directory = directory();
    let encoder = chatml(&directory, "");
    let book = "长 story ".repeat(200_000);
    let row = one_line(TWO_TURNS).replace("Hello", &book);
    let check = self_check(&encoder, &row);
    assert_eq!(check.difference, None);
    assert!(
        (100_000..600_000).contains(&check.compared),
        "{}",
        check.compared
    );
}

/// Its files change behind the back of the encoder, which is thus a wrong one for them.
#[test]
fn a_wrong_encoder_is_found_and_the_reference_takes_its_place() {
    let directory = directory();
    let wrong = chatml(&directory, "");
    let mut json = support::tokenizer_json();
    let vocabulary = json["model"]["vocab"].as_object_mut().unwrap();
    vocabulary.insert("H".to_owned(), 101.into());
    vocabulary.insert("e".to_owned(), 72.into());
    directory.write("tokenizer.json", &json.to_string());
    let row = one_line(TWO_TURNS);
    let difference = self_check(&wrong, &row).difference;
    let difference = difference.unwrap();
    assert!(difference.contains("<|im_start|>us"), "{difference}");
    let recipe = format!(
        r#"{{"tokenizer": {:?}, "template": "chatml"}}"#,
        directory.text()
    );
    let recipe = Recipe::from_json(&recipe).unwrap();
    let right = Arc::new(Encoder::with_reference(recipe, &difference).unwrap());
    assert_eq!(right.tokenizer().backend_name(), "reference");
    assert!(right.tokenizer().backend_reason().contains(&difference));
    let notes = right.facts()["notes"].to_string();
    assert!(notes.contains("the slow reference backend"), "{notes}");
    let made = make(&right, &[&row]).unwrap();
    assert_eq!(made.trained, ["Hello<|im_end|>Ciao<|im_end|>"]);
    let again = self_check(&right, &row);
    assert_eq!((again.compared, again.difference), (0, None));
}

const CALLING: &str = r#"{"messages": [{"role": "user", "content": "a"},
    {"role": "assistant", "content": "", "tool_calls": [{"type": "function",
        "function": {"name": "look", "arguments": {"x": "y"}}}]}]}"#;

#[test]
fn a_turn_whose_tool_calls_are_not_printed_is_rejected() {
    let directory = directory();
    let made = make(&chatml(&directory, ""), &[&one_line(CALLING)]).unwrap();
    assert_eq!(made.rejects, ["turn-lost"]);
    // As transformers does, where that is asked for.
    let exact = chatml(&directory, r#", "special_in_content": "parse""#);
    let made = make(&exact, &[&one_line(CALLING)]).unwrap();
    assert_eq!(made.trained, ["<|im_end|>"]);
    assert_eq!(made.findings.get(Rule::TurnLost).count, 1);
    // A call that only stands in the context is lost too: the answer would follow from nothing.
    let untrained = CALLING.replace(
        r#""y"}}}]}]}"#,
        r#""y"}}}], "weight": 0}, {"role": "tool", "content": "b"},
        {"role": "assistant", "content": "c"}]}"#,
    );
    let made = make(&chatml(&directory, ""), &[&one_line(&untrained)]).unwrap();
    assert_eq!(made.rejects, ["turn-lost"], "{untrained}");
    let made = make(&exact, &[&one_line(&untrained)]).unwrap();
    assert_eq!(made.trained, ["c<|im_end|>"], "{untrained}");
    assert_eq!(made.findings.get(Rule::TurnLost).count, 1);
}

#[test]
fn printed_reasoning_does_not_hide_a_lost_answer() {
    let directory = directory();
    let template = r#", "template": "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.reasoning_content %}{{ m.reasoning_content }}{% else %}{{ m.content }}{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}""#;
    let row = r#"{"messages": [{"role": "user", "content": "a"},
        {"role": "assistant", "content": "short", "reasoning_content": "a thought that is long"}]}"#;
    let made = make(&encoder(&directory, template).unwrap(), &[&one_line(row)]).unwrap();
    assert_eq!(made.rejects, ["turn-lost"]);
    // Of reasoning inside the content, too, only the reasoning may be left out.
    let inline = r#"{"messages": [{"role": "user", "content": "a"},
        {"role": "assistant", "content": "<think>t</think>short"}]}"#;
    for (printed, rejects) in [("first", vec!["turn-lost"]), ("last", vec![])] {
        let template = format!(
            r#", "history": "as-rendered", "template": "{{% for m in messages %}}<|im_start|>{{{{ m.role }}}}\n{{{{ m.content.split('</think>') | {printed} }}}}<|im_end|>\n{{% endfor %}}{{% if add_generation_prompt %}}<|im_start|>assistant\n{{% endif %}}""#
        );
        let encoder = encoder(&directory, &template).unwrap();
        let made = make(&encoder, &[&one_line(inline)]).unwrap();
        assert_eq!(made.rejects, rejects, "{printed}");
    }
}

#[test]
fn tool_calls_printed_as_json_are_found() {
    let directory = directory();
    let printed = r#", "template": "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{% if m.tool_calls %}{{ m.tool_calls | tojson }}{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}""#;
    let made = make(
        &encoder(&directory, printed).unwrap(),
        &[&one_line(CALLING)],
    )
    .unwrap();
    assert!(made.rejects.is_empty());
    assert!(
        made.trained[0].contains(r#""name": "look""#),
        "{:?}",
        made.trained
    );
}

#[test]
fn a_turn_that_cannot_be_located_is_rejected() {
    let directory = directory();
    // Prints a tool's result in the middle of the turn that called it.
    let template = r#", "template": "{% for m in messages %}{% if m.role != 'tool' %}<|im_start|>{{ m.role }}\n{{ m.content }}{% if not loop.last and messages[loop.index0 + 1].role == 'tool' %}[{{ messages[loop.index0 + 1].content }}]{{ m.after }}{% endif %}<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}""#;
    let encoder = encoder(&directory, template).unwrap();
    let row = r#"{"messages": [{"role": "user", "content": "a"},
        {"role": "assistant", "content": "b", "after": "z"},
        {"role": "tool", "content": "t"}, {"role": "assistant", "content": "c"}]}"#;
    let made = make(&encoder, &[&one_line(row)]).unwrap();
    assert_eq!(made.rejects, ["turn-lost"]);
    let untrained = one_line(row).replace(r#""after""#, r#""weight": 0, "after""#);
    let made = make(&encoder, &[&untrained]).unwrap();
    assert_eq!(made.trained, ["c<|im_end|>"]);
}
