//! Rules on the turns of one row: what is trained of them, and what stands around them.

use super::*;

/// A chat of two exchanges in the form `<start>role\n…<stop>\n`.
const CHAT: [i32; 24] = [
    START, USER, NEWLINE, 10, STOP, NEWLINE, START, MODEL, NEWLINE, 20, 21, STOP, NEWLINE, //
    START, USER, NEWLINE, 11, STOP, NEWLINE, START, MODEL, NEWLINE, 22, STOP,
];

#[test]
fn prompts_and_headers_in_the_loss() {
    assert_quiet(&row(with_headers(), &CHAT, ".........xxx..........xx"));
    let prompt = row(with_headers(), &CHAT, ".........xxx....x.....xx");
    assert_only(&prompt, Rule::PromptInLoss);
    assert_eq!(nth(&prompt, 0).evidence[0].message, Some(2));
    let header = row(with_headers(), &CHAT, "......xxxxxx..........xx");
    assert_only(&header, Rule::HeaderInLoss);
    let unlabelled = audit(
        with_headers(),
        &[batch(vec![("input_ids", lists(&vec![CHAT.to_vec()]))])],
        AuditOptions::default(),
    );
    assert!(
        names(&unlabelled).contains(&"prompt-in-loss"),
        "{unlabelled:#?}"
    );
}

#[test]
fn a_trained_run_over_several_messages_is_a_prompt_in_the_loss_without_headers_too() {
    let report = row(plain(), &CHAT, ".........xxxxxxxxxxxxxxx");
    assert_only(&report, Rule::PromptInLoss);
}

#[test]
fn labels_shifted_by_one() {
    for trained in [".........xxx...........x", ".........xxx.........xx."] {
        let report = row(with_headers(), &CHAT, trained);
        assert_eq!(report.findings.iter().count(), 1, "{report:#?}");
    }
    let late = row(with_headers(), &CHAT, "..........xxx.........xx");
    assert_only(&late, Rule::MaskOffByOne);
    assert_eq!(nth(&late, 0).evidence[0].message, Some(1));
    let early = row(with_headers(), &CHAT, "........xxx...........xx");
    assert_only(&early, Rule::MaskOffByOne);
    let first_lost = row(with_headers(), &CHAT, "..........xx..........xx");
    assert_only(&first_lost, Rule::MaskOffByOne);
    assert_quiet(&row(with_headers(), &CHAT, ".........xxx..........xx"));
}

#[test]
fn labels_that_are_other_tokens() {
    let ids = vec![vec![10, 20, 21, STOP]];
    let shifted = labelled(plain(), &ids, &vec![vec![20, 21, STOP, IGNORED]]);
    assert!(names(&shifted).contains(&"mask-off-by-one"), "{shifted:#?}");
    let foreign = labelled(plain(), &ids, &vec![vec![IGNORED, 20, 30, STOP]]);
    assert_only(&foreign, Rule::LabelMismatch);
}

#[test]
fn a_space_that_the_template_does_not_print() {
    let mut classes = with_headers();
    classes.mark_leading(20);
    let trained = ".........xxx..........xx";
    assert_only(
        &row(classes.clone(), &CHAT, trained),
        Rule::PrefixSpaceDrift,
    );
    classes.set_spaces_answers();
    assert_quiet(&row(classes, &CHAT, trained));
}

#[test]
fn an_assistant_turn_without_labels() {
    let report = row(with_headers(), &CHAT, "......................xx");
    assert_only(&report, Rule::UntrainedAssistantTurn);
    assert_eq!(nth(&report, 0).evidence[0].message, Some(1));
}

#[test]
fn a_generation_prompt_at_the_end() {
    let mut ids = CHAT[..12].to_vec();
    ids.extend([START, MODEL, NEWLINE]);
    let report = row(with_headers(), &ids, ".........xxx...");
    assert_only(&report, Rule::GenerationPromptInSample);
    ids.extend([22, STOP]);
    assert_quiet(&row(with_headers(), &ids, ".........xxx...xx"));
}

#[test]
fn a_stop_token_inside_a_user_message() {
    let ids = [
        START, USER, NEWLINE, 10, STOP, 11, STOP, START, MODEL, NEWLINE, 20, STOP,
    ];
    assert_only(
        &row(with_headers(), &ids, "..........xx"),
        Rule::ControlTokenInContent,
    );
}

#[test]
fn where_the_next_marker_is_the_stop_token_it_may_be_trained() {
    let (user, model) = (8, 9);
    let mut classes = TokenClasses::new(&[user as u32]);
    classes.add_header(Header {
        assistant: false,
        system: false,
        ids: vec![user],
        tail: Vec::new(),
    });
    classes.add_header(Header {
        assistant: true,
        system: false,
        ids: vec![model],
        tail: Vec::new(),
    });
    let ids = [user, 10, model, 20, user, 11, model, 21, user];
    assert_quiet(&row(classes.clone(), &ids, "...xx..xx"));
    assert_only(&row(classes, &ids, "...x...xx"), Rule::TerminatorMasked);
}

/// ChatML rows: a question, then an answer whose ids and marks are given.
fn answered(answer: &[i32], trained: &str) -> (Vec<i32>, String) {
    let ask = [START, USER, NEWLINE, 10, STOP, NEWLINE, START, MODEL];
    let ids = ask.iter().chain(answer).copied().collect();
    (ids, ".".repeat(ask.len()) + trained)
}

#[test]
fn a_turn_that_only_stops_is_empty() {
    let (ids, trained) = answered(&[NEWLINE, STOP, NEWLINE], ".x.");
    assert_only(
        &row(with_headers(), &ids, &trained),
        Rule::EmptyAssistantTurn,
    );
    let (ids, trained) = answered(&[NEWLINE, 20, STOP, NEWLINE], ".xx.");
    assert_quiet(&row(with_headers(), &ids, &trained));
    assert_only(&row(plain(), &[10, STOP], ".x"), Rule::EmptyAssistantTurn);
}

#[test]
fn the_whitespace_behind_a_header_is_the_templates() {
    // Two newlines where the template prints one.
    let mut classes = with_headers();
    classes.mark_space(30);
    let (ids, trained) = answered(&[30, 20, STOP, NEWLINE], ".xx.");
    assert_only(&row(classes.clone(), &ids, &trained), Rule::PromptParity);
    let (ids, trained) = answered(&[20, STOP, NEWLINE], "xx.");
    assert_only(&row(classes.clone(), &ids, &trained), Rule::PromptParity);
    // The newline and the start of the answer are one token, which is trained.
    let (ids, trained) = answered(&[30, 20, STOP, NEWLINE], "xxx.");
    assert_only(&row(classes.clone(), &ids, &trained), Rule::BoundaryMerge);
    let (ids, trained) = answered(&[NEWLINE, 20, STOP, NEWLINE], "xxx.");
    assert_only(&row(classes, &ids, &trained), Rule::HeaderInLoss);
}

#[test]
fn a_system_message_behind_an_answer() {
    let mut classes = with_headers();
    classes.add_header(Header {
        assistant: false,
        system: true,
        ids: vec![START, 8],
        tail: vec![NEWLINE],
    });
    let system = [START, 8, NEWLINE, 12, STOP, NEWLINE];
    let (ids, trained) = answered(&[NEWLINE, 20, STOP, NEWLINE], ".xx.");
    let first: Vec<i32> = system.iter().chain(&ids).copied().collect();
    let marks = ".".repeat(system.len()) + &trained;
    assert_quiet(&row(classes.clone(), &first, &marks));
    let twice: Vec<i32> = first.iter().chain(&first).copied().collect();
    assert_only(&row(classes, &twice, &marks.repeat(2)), Rule::RoleOrder);
}
