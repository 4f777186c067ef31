//! The stages, one at a time, with the demo's tokenizer and template.

use super::conversation::Fit;
use super::excerpt::Excerpt;
use super::findings::RowFindings;
use super::locate::LocatedText;
use super::render::RenderMemory;
use super::*;
use crate::chat::{Conversation, Message};
use crate::recipe::Recipe;
use crate::rules::{Rule, is_trained};
use crate::template::Rendered;
use crate::tokenizer::Tokenizer;
use crate::value::{Map, Value};

/// A plan with these keys of the recipe.
fn plan(keys: &str) -> Plan {
    let directory = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../python/turnmill/demo/tokenizer"
    );
    let recipe = Recipe::from_json(&format!(r#"{{"tokenizer": {directory:?}{keys}}}"#)).unwrap();
    let tokenizer = Tokenizer::load(std::path::Path::new(directory)).unwrap();
    Plan::new(recipe, tokenizer).unwrap()
}

type Fields<'a> = &'a [(&'static str, Value<'a>)];

fn conversation<'a>(messages: &[(&'static str, Fields<'a>)], arena: &'a Arena) -> Conversation<'a> {
    let message = |(role, fields): &(&'static str, Fields<'a>)| {
        let role_field = [("role", Value::Str(role))];
        let fields: Vec<_> = role_field.iter().chain(*fields).copied().collect();
        Message {
            role,
            fields: Map::new(arena.alloc_slice_copy(&fields)),
            weight: None,
        }
    };
    let messages: Vec<_> = messages.iter().map(message).collect();
    Conversation {
        messages: arena.alloc_slice_copy(&messages),
        tools: None,
        documents: None,
        template_kwargs: Map::default(),
        weight: 1.0,
    }
}

/// A conversation of plain texts, the user's first.
fn talk<'a>(texts: &[&'a str], arena: &'a Arena) -> Conversation<'a> {
    let roles = ["user", "assistant"].into_iter().cycle();
    let messages: Vec<(&'static str, Fields<'a>)> = roles
        .zip(texts)
        .map(|(role, text)| {
            let content = [("content", Value::Str(text))];
            (role, &*arena.alloc_slice_copy(&content))
        })
        .collect();
    conversation(&messages, arena)
}

fn entire(conversation: Conversation<'_>) -> Excerpt<'_> {
    Excerpt {
        conversation,
        from: 0,
        ends_in_turn: false,
    }
}

fn rendered<'a>(plan: &Plan, excerpt: &Excerpt<'a>, arena: &'a Arena) -> Rendered {
    render::whole(plan, &excerpt.conversation, arena).unwrap()
}

fn rejected<T>(result: Result<T, Refusal>) -> Option<Rule> {
    match result {
        Err(Refusal::Row(reject)) => Some(reject.rule),
        _ => None,
    }
}

/// The trained text of each sample of a row, with all that the row gives and its last draft.
fn trained(plan: &Plan, record: &Record<'_>) -> (Vec<String>, RowOutput, Draft) {
    let arena = Arena::new();
    let (mut scratch, mut draft) = (Scratch::new(plan), Draft::default());
    let mut output = RowOutput::default();
    encode(plan, record, &arena, &mut scratch, &mut draft, &mut output).unwrap();
    let text = |sample: super::samples::Sample<'_>| {
        let tokens = sample.ids.iter().zip(sample.labels);
        let ids = tokens.filter(|(_, label)| is_trained(**label));
        let bytes = ids.flat_map(|(id, _)| plan.tokenizer.id_to_bytes(*id).to_vec());
        String::from_utf8(bytes.collect()).unwrap()
    };
    let texts = output.samples.iter().map(text).collect();
    (texts, output, draft)
}

fn spare(scratch: &mut (RenderMemory, Rendered)) -> (&mut RenderMemory, &mut Rendered) {
    (&mut scratch.0, &mut scratch.1)
}

#[test]
fn judging_says_which_turns_are_trained() {
    let arena = Arena::new();
    let mut scratch = (RenderMemory::default(), Rendered::default());
    let mut findings = RowFindings::default();
    let excerpt = entire(talk(&["a", "b", "c", "d"], &arena));
    for (keys, trained) in [
        ("", [false, true, false, true]),
        (r#", "train_on": "last-turn""#, [false, false, false, true]),
        (r#", "train_on": ["user"]"#, [true, false, true, false]),
    ] {
        let plan = plan(keys);
        let text = rendered(&plan, &excerpt, &arena);
        let policy =
            judge::judge(&plan, &excerpt, &text, spare(&mut scratch), &mut findings).unwrap();
        let found = [0, 1, 2, 3].map(|message| policy.weight(message) > 0.0);
        assert_eq!(found, trained, "{keys}");
        assert_eq!(policy.others, trained[0]);
    }
    let context = Excerpt { from: 2, ..excerpt };
    let plan = plan("");
    let text = rendered(&plan, &context, &arena);
    let policy = judge::judge(&plan, &context, &text, spare(&mut scratch), &mut findings);
    assert!(policy.unwrap().weight(1) <= 0.0);
    assert_eq!((excerpt.turns(), context.turns()), (2, 1));
}

#[test]
fn a_turn_that_is_not_printed_is_refused() {
    let arena = Arena::new();
    let mut scratch = (RenderMemory::default(), Rendered::default());
    let plan = plan("");
    let excerpt = entire(talk(&["a", "b"], &arena));
    let mut text = rendered(&plan, &excerpt, &arena);
    text.spans.clear();
    let mut findings = RowFindings::default();
    let judged = judge::judge(&plan, &excerpt, &text, spare(&mut scratch), &mut findings);
    assert_eq!(rejected(judged.map(drop)), Some(Rule::TurnLost));
}

#[test]
fn control_tokens_in_content_are_guarded_parsed_or_refused() {
    let arena = Arena::new();
    let excerpt = entire(talk(&["a <|im_end|> b", "c"], &arena));
    for (choice, ranges, rule) in [
        ("text", 2, None),
        ("parse", 0, None),
        ("reject", 2, Some(Rule::SpecialTokenInContent)),
    ] {
        let plan = plan(&format!(r#", "special_in_content": {choice:?}"#));
        let text = rendered(&plan, &excerpt, &arena);
        let policy = policy::Policy::new(&plan, &excerpt.conversation, 0);
        let (mut located, mut findings) = (locate::Located::default(), RowFindings::default());
        let result = locate::locate(&policy, &text, &mut located, &mut findings);
        assert_eq!(rejected(result), rule, "{choice}");
        assert_eq!(located.content.len(), ranges, "{choice}");
        let counted = findings.counts.get(Rule::SpecialTokenInContent);
        assert_eq!(counted, u64::from(rule.is_none()), "{choice}");
    }
}

#[test]
fn stages_give_what_the_next_ones_need() {
    let arena = Arena::new();
    let plan = plan("");
    let excerpt = entire(talk(&["a", "b c", "d", "e"], &arena));
    let (mut scratch, mut findings) = (Scratch::new(&plan), RowFindings::default());
    let mut draft = Draft {
        rendered: rendered(&plan, &excerpt, &arena),
        ..Draft::default()
    };
    let policy = policy::Policy::new(&plan, &excerpt.conversation, 0);
    let Draft {
        rendered,
        located,
        encoding,
        labelled,
    } = &mut draft;
    locate::locate(&policy, rendered, located, &mut findings).unwrap();
    for span in &rendered.spans {
        assert!(located.marks.contains(&span.start) && located.marks.contains(&span.end));
    }
    let backend = &mut *scratch.backend;
    encode::encode(&plan, &rendered.text, located, backend, encoding).unwrap();
    assert_eq!(encoding.marks.len(), located.marks.len());
    let text = LocatedText { rendered, located };
    let ids = &mut scratch.ids;
    label::label(&policy, text, encoding, ids, labelled, &mut findings).unwrap();
    assert_eq!(labelled.turns.len(), 2);
    for turn in &labelled.turns {
        let range = turn.start as usize..turn.end as usize;
        let labels = labelled.labels[range.clone()].iter().map(|id| *id as u32);
        assert!(labels.eq(encoding.ids[range.clone()].iter().copied()));
        assert!(plan.stop.ends(&encoding.ids[range]));
    }
    verify::verify(&policy, &encoding.ids, labelled, &mut findings).unwrap();
    labelled.labels[0] = 7;
    let verdict = verify::verify(&policy, &encoding.ids, labelled, &mut findings);
    assert_eq!(verdict.unwrap_err().rule, Rule::PromptInLoss);
}

#[test]
fn terminators_are_inserted_where_the_template_prints_none() {
    let arena = Arena::new();
    let record = Record::Conversation(talk(&["a", "b", "c", "d"], &arena));
    let template = "{% for m in messages %}### {{ m.role }}: {{ m.content }}\n{% endfor %}\
        {% if add_generation_prompt %}### assistant:{% endif %}";
    let plan = plan(&format!(r#", "template": {template:?}"#));
    let (texts, output, _) = trained(&plan, &record);
    assert_eq!(texts, [" b<|im_end|> d<|im_end|>"]);
    assert_eq!(output.findings.counts.get(Rule::EosInserted), 2);
}

#[test]
fn a_row_that_is_too_long_loses_whole_turns() {
    let arena = Arena::new();
    let record = Record::Conversation(talk(&["a", "b", "c", "d", "e", "f"], &arena));
    let (_, whole, _) = trained(&plan(""), &record);
    let length = whole
        .samples
        .iter()
        .map(|sample| sample.ids.len())
        .sum::<usize>();
    for (policy, text) in [
        ("whole-turns", "b<|im_end|>d<|im_end|>"),
        ("oldest-turns", "d<|im_end|>f<|im_end|>"),
    ] {
        let keys = format!(
            r#", "max_length": {}, "over_length": {policy:?}"#,
            length - 1
        );
        let (texts, output, draft) = trained(&plan(&keys), &record);
        assert_eq!(texts, [text], "{policy}");
        let lost = output.findings.lost;
        assert_eq!(
            (lost.turns, lost.tokens),
            (1, (length - draft.len()) as u64)
        );
        assert_eq!(output.findings.counts.get(Rule::TurnsLeftOut), 1);
    }
    let mut draft = Draft::default();
    let plan = plan(&format!(r#", "max_length": {}"#, length - 1));
    let Record::Conversation(conversation) = record else {
        unreachable!("it was made as one");
    };
    let fit = conversation::draft(
        &plan,
        &entire(conversation),
        &mut Scratch::new(&plan),
        &mut draft,
        &mut RowFindings::default(),
    );
    assert_eq!(fit.unwrap(), Fit::Long(length as u32));
    assert!(!draft.is_labelled());
}

#[test]
fn a_pair_whose_answer_is_printed_first_can_be_too_long() {
    let arena = Arena::new();
    let side = |answer| {
        let mut side = talk(&["one", "two", "three", answer], &arena);
        let messages = arena.alloc_slice_copy(side.messages);
        messages[1].weight = Some(0.0);
        side.messages = messages;
        Record::Conversation(side)
    };
    let (chosen, rejected_answer) = (side("yes yes yes"), side("no no no"));
    let template = "{% for m in messages | reverse %}<|im_start|>{{ m.role }}\n\
        {{ m.content }}<|im_end|>\n{% endfor %}\
        {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
    let keys =
        format!(r#", "template": {template:?}, "max_length": 3, "over_length": "oldest-turns""#);
    let plan = plan(&keys);
    let (mut scratch, mut draft) = (Scratch::new(&plan), Draft::default());
    let mut output = RowOutput::default();
    let record = Record::Pair([&chosen, &rejected_answer]);
    let done = encode(
        &plan,
        &record,
        &arena,
        &mut scratch,
        &mut draft,
        &mut output,
    );
    assert_eq!(rejected(done), Some(Rule::OverlongSample));
}

#[test]
fn both_answers_of_a_pair_lose_the_same_prompt() {
    let arena = Arena::new();
    let side = |answer| {
        let mut side = talk(&["one", "two", "three", answer], &arena);
        let messages = arena.alloc_slice_copy(side.messages);
        messages[1].weight = Some(0.0);
        side.messages = messages;
        Record::Conversation(side)
    };
    let (chosen, rejected) = (side("yes"), side("no no no"));
    let record = Record::Pair([&chosen, &rejected]);
    let (texts, whole, _) = trained(&plan(""), &record);
    assert_eq!(texts, ["yes<|im_end|>", "no no no<|im_end|>"]);
    let lengths: Vec<usize> = whole
        .samples
        .iter()
        .map(|sample| sample.ids.len())
        .collect();
    assert!(lengths[1] > lengths[0]);
    let most = lengths[1] - 1;
    let keys = format!(r#", "max_length": {most}, "over_length": "oldest-turns""#);
    let (cut, output, _) = trained(&plan(&keys), &record);
    assert_eq!(cut, texts);
    let kept: Vec<usize> = output
        .samples
        .iter()
        .map(|sample| sample.ids.len())
        .collect();
    let prompts: Vec<usize> = output
        .samples
        .iter()
        .map(|sample| sample.prompt())
        .collect();
    assert_eq!(prompts[0], prompts[1]);
    assert_eq!(lengths[0] - kept[0], lengths[1] - kept[1]);
    let lost = output.findings.lost;
    let each = (lengths[0] - kept[0]) as u64;
    assert_eq!(
        (lost.turns, lost.tokens, lost.of_rejected),
        (1, 2 * each, each)
    );
}

#[test]
fn a_document_is_cut_and_only_its_last_part_ends() {
    let text = "one two three four five six seven eight nine ten";
    let record = Record::Text { text, weight: 1.0 };
    let (whole, _, _) = trained(&plan(""), &record);
    assert_eq!(whole, [format!("{text}<|im_end|>")]);
    let (parts, output, _) = trained(&plan(r#", "max_length": 5"#), &record);
    assert!(parts.len() > 1);
    assert_eq!(parts.concat(), whole[0]);
    assert!(output.samples.iter().all(|sample| sample.turns.is_empty()));
}

#[test]
fn a_completion_is_trained_and_its_prompt_is_not() {
    let record = Record::Completion {
        prompt: "Say it:",
        completion: " it",
        weight: 1.0,
    };
    let (texts, output, draft) = trained(&plan(""), &record);
    assert_eq!(texts, [" it<|im_end|>"]);
    assert_eq!(output.samples.iter().next().unwrap().turns.len(), 1);
    let positions = position::RowPositions {
        plan: &plan(""),
        input: findings::InputPosition { row: 0, line: None },
        record: Some(&record),
        draft: &draft,
        findings: &RowFindings::new(true),
    };
    let last = draft.len() as u32 - 1;
    let end = positions.of_counted(Rule::EosInserted).tokens;
    assert_eq!(end.last().map(|token| token.position), Some(last));
}

#[test]
fn a_prompt_ends_where_the_answer_begins_and_trains_nothing() {
    let arena = Arena::new();
    let plan = plan(r#", "train_on": "none""#);
    let asked = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
    for (texts, reference) in [
        (&["Hi", "Hello."][..], Some("Hello.".to_owned())),
        (&["Hi"], None),
    ] {
        let record = Record::Conversation(talk(texts, &arena));
        let (trained, output, _) = trained(&plan, &record);
        let sample = output.samples.iter().next().unwrap();
        let texts = sample.texts.unwrap();
        assert_eq!(trained, [""]);
        assert!(texts.prompt.ends_with(asked), "{}", texts.prompt);
        assert_eq!(texts.reference, reference);
        assert_eq!((sample.trained, sample.turns.len()), (0, 0));
    }
}

#[test]
fn an_answer_with_calls_is_kept_as_json() {
    let arena = Arena::new();
    let calls = Value::List(arena.alloc_slice_copy(&[Value::Str("f")]));
    let fields = [("content", Value::Str("Wait.")), ("tool_calls", calls)];
    let user = [("content", Value::Str("Hi"))];
    let messages: [(&'static str, Fields<'_>); 2] = [("user", &user), ("assistant", &fields)];
    let record = Record::Conversation(conversation(&messages, &arena));
    let (_, output, _) = trained(&plan(r#", "train_on": "none""#), &record);
    let sample = output.samples.iter().next().unwrap();
    let reference = sample.texts.unwrap().reference.as_deref().unwrap();
    let told: serde_json::Value = serde_json::from_str(reference).unwrap();
    assert_eq!(told["tool_calls"], serde_json::json!(["f"]));
    assert_eq!(told["content"], "Wait.");
}

#[test]
fn a_prompt_that_is_too_long_loses_its_start() {
    let arena = Arena::new();
    let record = Record::Conversation(talk(&["one", "two", "three", "four", "five"], &arena));
    let length = |keys: &str| {
        let (_, output, _) = trained(&plan(keys), &record);
        let sample = output.samples.iter().next().unwrap();
        (sample.texts.unwrap().prompt.clone(), sample.ids.len())
    };
    let (whole, tokens) = length(r#", "train_on": "none""#);
    let most = tokens - 1;
    let keys = format!(r#", "train_on": "none", "max_length": {most}"#);
    let (cut, kept) = length(&format!(r#"{keys}, "over_length": "oldest-turns""#));
    assert!(kept < tokens && !cut.contains("one") && cut.contains("five"));
    assert!(whole.contains("one"));
    let plan = plan(&keys);
    let (mut scratch, mut draft) = (Scratch::new(&plan), Draft::default());
    let mut output = RowOutput::default();
    let result = encode(
        &plan,
        &record,
        &arena,
        &mut scratch,
        &mut draft,
        &mut output,
    );
    assert_eq!(rejected(result), Some(Rule::OverlongSample));
}

fn segments<'a>(parts: &[(f32, &'a str)], arena: &'a Arena) -> Record<'a> {
    let parts = parts.iter().map(|(weight, text)| crate::chat::Segment {
        text,
        weight: *weight,
    });
    Record::Segments {
        segments: arena.alloc_slice_copy(&parts.collect::<Vec<_>>()),
        weight: 1.0,
    }
}

#[test]
fn segments_are_encoded_one_by_one_and_trained_as_they_say() {
    let arena = Arena::new();
    let plan = plan("");
    let parts = [
        (
            0.0,
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
        ),
        (1.0, "Hello"),
        (0.0, " wrong"),
        (1.0, " there<|im_end|>"),
        (0.0, "\n"),
    ];
    let (texts, output, _) = trained(&plan, &segments(&parts, &arena));
    assert_eq!(texts, ["Hello there<|im_end|>"]);
    let sample = output.samples.iter().next().unwrap();
    assert_eq!(sample.turns.len(), 1);
    let mut expected = Vec::new();
    for (_, text) in parts {
        expected.extend(plan.tokenizer.encode(text, false).unwrap());
    }
    assert_eq!(sample.ids, expected);
}

#[test]
fn segments_that_do_not_end_are_refused() {
    let arena = Arena::new();
    let plan = plan("");
    let refused = |parts: &[(f32, &'static str)]| {
        let record = segments(parts, &arena);
        let (mut scratch, mut draft) = (Scratch::new(&plan), Draft::default());
        let mut output = RowOutput::default();
        rejected(encode(
            &plan,
            &record,
            &arena,
            &mut scratch,
            &mut draft,
            &mut output,
        ))
    };
    let open = [(0.0, "Hi"), (1.0, "Hello.")];
    assert_eq!(refused(&open), Some(Rule::MissingTerminator));
    let masked = [(1.0, "Hello."), (0.0, "<|im_end|>")];
    assert_eq!(refused(&masked), Some(Rule::MissingTerminator));
    let early = [(1.0, "Hello.<|im_end|>\nBye.<|im_end|>")];
    assert_eq!(refused(&early), Some(Rule::PrematureTerminator));
    assert_eq!(refused(&[(0.0, "Hi")]), Some(Rule::AllLabelsMasked));
    assert_eq!(refused(&[]), Some(Rule::AllLabelsMasked));
}
