//! What the module as a whole does: text, spans, budgets.

use super::{Limits, Origin, RenderInput, Rendered, Template, TemplateOptions};
use crate::value::{Arena, Map, Value};

fn message<'a>(arena: &'a Arena, role: &'a str, content: &'a str) -> Map<'a> {
    let entries = [("role", Value::Str(role)), ("content", Value::Str(content))];
    Map::new(arena.alloc_slice_copy(&entries))
}

fn options() -> TemplateOptions {
    TemplateOptions {
        special_tokens: vec![("eos_token".to_owned(), "</s>".to_owned())],
        ..TemplateOptions::default()
    }
}

fn render(source: &str, messages: &[(&str, &str)]) -> crate::Result<Rendered> {
    let arena = Arena::new();
    let messages: Vec<_> = messages
        .iter()
        .map(|(role, content)| message(&arena, role, content))
        .collect();
    let input = RenderInput {
        messages: &messages,
        ..RenderInput::default()
    };
    let mut out = Rendered::default();
    Template::new(source, &options())?.render(&arena, &input, &mut out)?;
    Ok(out)
}

fn spans(rendered: &Rendered) -> Vec<&str> {
    let part = |span: &super::Span| &rendered.text[span.start as usize..span.end as usize];
    rendered.spans.iter().map(part).collect()
}

const CHATML: &str = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + \
    '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

#[test]
fn a_template_error_names_line_and_message() {
    let error = render(
        "\n{% for m in messages %}\n{{ m.content + 1 }}{% endfor %}",
        &[("user", "x")],
    );
    let error = error.expect_err("a string and a number do not add up");
    assert_eq!(error.code(), "template-error");
    assert_eq!(error.location().line, Some(3));
    assert_eq!(error.location().message, Some(0));
    let raised = render(
        "{{ raise_exception('no ' ~ messages[0].role) }}",
        &[("user", "x")],
    );
    assert_eq!(raised.expect_err("it raises").what(), "no user");
}

#[test]
fn turns_start_behind_the_generation_prompt_and_hold_their_terminator() {
    let rendered = render(
        CHATML,
        &[
            ("user", "a"),
            ("assistant", "b"),
            ("user", "c"),
            ("assistant", "d"),
        ],
    );
    let rendered = rendered.expect("it renders");
    assert_eq!(spans(&rendered), ["b<|im_end|>\n", "d<|im_end|>\n"]);
    assert_eq!(rendered.spans[1].message, 3);
    let content_end = rendered.spans[0].content_end as usize;
    assert!(rendered.text[..content_end].ends_with('b'));
}

#[test]
fn a_loop_over_indices_is_followed_by_what_it_sets() {
    let source = "{% for i in range(messages|length) %}{% set m = messages[i] %}<{{ m.role }}>\
        {{ m.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";
    let rendered = render(source, &[("user", "a"), ("assistant", "b")]).expect("it renders");
    assert_eq!(spans(&rendered), ["b</s>"]);
}

#[test]
fn the_next_role_marker_ends_a_turn_that_nothing_else_ends() {
    let source = "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% endfor %}\
        {% if add_generation_prompt %}<|assistant|>\n{% endif %}";
    let rendered =
        render(source, &[("user", "a"), ("assistant", "b"), ("user", "c")]).expect("it renders");
    assert_eq!(spans(&rendered), ["b<|user|>"]);
}

#[test]
fn tags_are_right_inside_macros_and_captures() {
    let source = "{% macro turn(m) %}pre{% generation %}{{ m.content }}{% endgeneration %}{% endmacro %}\
        {% for m in messages %}{% set kept %}{{ turn(m) }}{% endset %}\
        {% if m.role == 'assistant' %}{{ kept | trim }}{% endif %}{% endfor %}";
    let rendered = render(source, &[("user", "a"), ("assistant", "HELLO ")]).expect("it renders");
    assert_eq!(rendered.text, "preHELLO");
    assert_eq!(spans(&rendered), ["HELLO"]);
    assert_eq!(rendered.spans[0].message, 1);
}

#[test]
fn breaking_out_of_a_generation_block_does_not_compile() {
    let source =
        "{% for m in messages %}{% generation %}{% break %}{% endgeneration %}{% endfor %}";
    let error = Template::new(source, &options()).expect_err("Python refuses it");
    assert_eq!(error.code(), "template-syntax");
}

#[test]
fn an_empty_think_block_of_the_template_is_told_from_reasoning() {
    let source = "{% for m in messages %}{% if m.role == 'user' %}<u>{{ m.content }}{% else %}<a>\
        <think>\n{{ m.reasoning_content or '' }}\n</think>\n\n{{ m.content }}{% endif %}</s>{% endfor %}\
        {% if add_generation_prompt %}<a>{% endif %}";
    let rendered = render(source, &[("user", "a"), ("assistant", "b")]).expect("it renders");
    let block = rendered.reasoning[0];
    assert!(block.empty);
    assert_eq!(
        &rendered.text[block.start as usize..block.end as usize],
        "<think>\n\n</think>\n\n"
    );
    let indented = render(source, &[("user", "a"), ("assistant", "  b")]).expect("it renders");
    let block = indented.reasoning[0];
    assert_eq!(
        &indented.text[block.end as usize..],
        "  b</s>",
        "the spaces are the answer's"
    );
}

#[test]
fn beyond_the_budget_there_is_a_clear_error() {
    let doubling = "{% set ns = namespace(s='x') %}{% for i in range(60) %}\
        {% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}";
    let loops = "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}";
    let recursion = "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}";
    let joined = "{% set x = ['aaaaaaaaaa'] * 1000000 %}{{ x | join('bbbbbbbbbbbbbbbbbbbbbb') }}";
    let limits = Limits {
        steps: 1_000_000,
        output: 1 << 20,
        depth: 100,
        memory: 64 << 20,
    };
    for source in [doubling, loops, recursion, joined] {
        let options = TemplateOptions {
            limits,
            ..options()
        };
        let template = Template::new(source, &options).expect("it compiles");
        let arena = Arena::new();
        let messages = [message(&arena, "user", "x")];
        let input = RenderInput {
            messages: &messages,
            ..RenderInput::default()
        };
        let error = template
            .render(&arena, &input, &mut Rendered::default())
            .expect_err(source);
        assert_eq!(error.code(), "template-budget", "{source}");
    }
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    fn content() -> impl Strategy<Value = String> {
        prop_oneof![
            ".{0,40}",
            "[a-z \n<>|{}%é北😀]{0,60}",
            Just("<think>\nr\n</think>\n\nanswer".to_owned()),
            Just("<|im_end|>\n<|im_start|>assistant\n".to_owned()),
        ]
    }

    fn check(rendered: &Rendered, messages: &[(String, String)]) {
        let end = rendered.fragments.last().map_or(0, |fragment| fragment.end);
        assert_eq!(end as usize, rendered.text.len());
        let mut before = 0;
        for fragment in &rendered.fragments {
            assert!(fragment.end > before && rendered.text.is_char_boundary(fragment.end as usize));
            let part = &rendered.text[before as usize..fragment.end as usize];
            if let Origin::Message { index, .. } = fragment.origin {
                let (role, content) = &messages[index as usize];
                assert!(content.contains(part) || role.contains(part));
            }
            before = fragment.end;
        }
        for span in &rendered.spans {
            assert!(span.start <= span.content_end && span.content_end <= span.end);
            assert!(
                rendered
                    .text
                    .get(span.start as usize..span.end as usize)
                    .is_some()
            );
        }
    }

    proptest! {
        #[test]
        fn pieces_partition_the_text_and_spans_hold_the_answers(
            turns in proptest::collection::vec((content(), content()), 1..5)
        ) {
            let mut messages = Vec::new();
            for (question, answer) in turns {
                messages.push(("user".to_owned(), question));
                messages.push(("assistant".to_owned(), answer));
            }
            let given: Vec<_> = messages.iter().map(|(r, c)| (r.as_str(), c.as_str())).collect();
            let rendered = render(CHATML, &given).expect("it renders");
            check(&rendered, &messages);
            for (span, (_, answer)) in spans(&rendered).iter().zip(messages.iter().skip(1).step_by(2)) {
                prop_assert_eq!(*span, format!("{answer}<|im_end|>\n"));
            }
        }

        #[test]
        fn no_template_makes_it_panic(
            pieces in proptest::collection::vec(prop_oneof![
                Just("{% for m in messages %}"), Just("{% endfor %}"), Just("{{ m.content "),
                Just("| trim }}"), Just("[::-1] }}"), Just("{% if m.role == 'user' "), Just("%}"),
                Just("{% endif %}"), Just("{%- generation -%}"), Just("{% endgeneration %}"),
                Just("{{ messages "), Just("| tojson }}"), Just("{% set x %}"), Just("{% endset %}"),
                Just("{{ x }}"), Just("{{ '"), Just("' }}"), Just("{# "), Just(" #}"), Just("\n é "),
                Just(".split('a')[0] }}"), Just("{{ loop.index "), Just("}}"), Just("{% else %}"),
            ], 0..14)
        ) {
            let source = pieces.concat();
            let _ = render(&source, &[("user", "a<think>é"), ("assistant", "b</think> ")]);
        }
    }
}
