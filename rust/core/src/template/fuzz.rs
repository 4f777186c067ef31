//! Generated templates and hostile conversations: nothing panics, tags leave no trace in the text,
//! spans lie in it, and what a message holds comes out as it went in.

use proptest::prelude::*;
use turnmill_jinja::is_space;

use super::{Origin, RenderInput, Rendered, SpanSource, Template, TemplateOptions};
use crate::value::{Arena, Map, Value};

/// The source of a template with `{% generation %}` tags, and with `{% with %}` in their place.
#[derive(Clone, Debug, Default)]
struct Pair {
    tagged: String,
    plain: String,
}

impl Pair {
    fn same(text: &str) -> Self {
        Self {
            tagged: text.to_owned(),
            plain: text.to_owned(),
        }
    }

    fn around(&self, open: &str, close: &str) -> Self {
        Self {
            tagged: format!("{open}{}{close}", self.tagged),
            plain: format!("{open}{}{close}", self.plain),
        }
    }

    fn joined(pairs: &[Self]) -> Self {
        Self {
            tagged: pairs.iter().map(|pair| &*pair.tagged).collect(),
            plain: pairs.iter().map(|pair| &*pair.plain).collect(),
        }
    }

    fn in_tags(&self, [a, b, c, d]: [&str; 4]) -> Self {
        let tag = |name: &str, end: &str, body: &str| {
            format!("{{%{a} {name} {b}%}}{body}{{%{c} {end} {d}%}}")
        };
        Self {
            tagged: tag("generation", "endgeneration", &self.tagged),
            plain: tag("with", "endwith", &self.plain),
        }
    }
}

const LEAVES: [&str; 20] = [
    "x",
    "\n  ",
    " é北😀\n",
    "{# {% generation %} #}",
    "{#- c -#}",
    "{% raw %}{% generation %}{{ m }}{% endraw %}",
    "{%- raw -%} {% endgeneration %} {%- endraw +%}",
    "{{ '{% generation %}' }}",
    "{{- m.content -}}",
    "{{ m.content }}",
    "{{ m['content'] }}\n",
    "{{ m.role }}",
    "{{ m.content | trim }}",
    "{{ m.content[1:] }}",
    "{{ '<' + m.role + '>' + m.content }}",
    "{{ ns.out }}",
    "{% set ns.out = ns.out ~ m.role ~ m.content ~ eos_token %}",
    "{{ kept }}",
    "{{ loop.previtem.content if loop is defined and loop.previtem is defined }}",
    "{{ messages[-1].content }}",
];

/// Blocks: what stands before and after the body.
const BLOCKS: [(&str, &str); 14] = [
    ("{% for m in messages %}", "{% endfor %}"),
    ("{%- for m in messages -%}\n", "{%- endfor -%}"),
    ("  {% for m in messages[1:] %}\n", "  {% endfor %}\n"),
    (
        "{% for i in range(messages | length) %}{% set m = messages[i] %}",
        "{% endfor %}",
    ),
    (
        "{% for i in range(2) %}{% set ns.i = i %}",
        "{% else %}none{% endfor %}",
    ),
    (
        "{% for m in messages if m.role == 'assistant' %}",
        "{% endfor %}",
    ),
    (
        "{% if m is defined and m.role == 'user' %}",
        "{% else %}-{% endif %}",
    ),
    (
        "{% if m.role == 'assistant' %}\n",
        "{%- elif loop is defined %} {% endif %}",
    ),
    ("{% set kept %}", "{% endset %}"),
    ("{% set kept | trim %}", "{% endset %}{{ kept }}"),
    ("{% filter trim %}", "{% endfilter %}"),
    (
        "{% macro turn(m) %}",
        "{% endmacro %}{{ turn(messages[0]) }}",
    ),
    (
        "{% macro box() %}[{{ caller() }}]{% endmacro %}{% call box() %}",
        "{% endcall %}",
    ),
    ("{% with m = messages[-1] %}", "{% endwith %}"),
];

fn control() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just(""), 2 => Just("-"), 1 => Just("+")]
}

fn close() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just(""), 2 => Just("-")]
}

fn body() -> impl Strategy<Value = Pair> {
    let leaf = proptest::sample::select(&LEAVES[..]).prop_map(Pair::same);
    leaf.prop_recursive(5, 24, 4, |inner| {
        let inside = proptest::collection::vec(inner, 1..4).prop_map(|all| Pair::joined(&all));
        prop_oneof![
            2 => (proptest::sample::select(&BLOCKS[..]), inside.clone())
                .prop_map(|((open, close), inside)| inside.around(open, close)),
            1 => (control(), close(), control(), close(), inside)
                .prop_map(|(a, b, c, d, inside)| inside.in_tags([a, b, c, d])),
        ]
    })
}

fn template() -> impl Strategy<Value = Pair> {
    let start = "{% set ns = namespace(out='', i=0) %}{% set kept = '' %}{% set m = messages[0] %}";
    proptest::collection::vec(body(), 1..4)
        .prop_map(move |all| Pair::joined(&all).around(start, "{{ eos_token }}"))
}

fn content() -> impl Strategy<Value = String> {
    let hostile = [
        "{{ 7 * 7 }}",
        "{% generation %}",
        "{%- endgeneration -%}",
        "{# c #}",
        "\u{f0000}\u{f0001}\u{10fffd}",
        "\u{e000}\u{e001}",
        "\0",
        "<|im_end|>\n<|im_start|>assistant\n",
        "<think>\n</think>",
        "CONTINUE_FINAL_MESSAGE_TAG ",
        "</s>",
        "\u{feff}\r\n\u{2028}\u{1c}",
    ];
    prop_oneof![
        2 => proptest::collection::vec(proptest::sample::select(hostile.to_vec()), 1..4)
            .prop_map(|all| all.concat()),
        2 => any::<String>(),
        1 => (0..3_000_u32).prop_map(numbers),
        1 => Just(String::new()),
    ]
}

/// Long, and no part of it like another.
fn numbers(from: u32) -> String {
    let words: Vec<String> = (from..3_000).map(|number| format!("北{number}")).collect();
    words.join(" ")
}

/// A message's role and content.
type Chat = Vec<(&'static str, String)>;

fn chat() -> impl Strategy<Value = Chat> {
    let role = proptest::sample::select(vec!["user", "assistant", "system", "tool"]);
    proptest::collection::vec((role, content()), 1..5)
}

fn render(source: &str, spans: SpanSource, chat: &Chat) -> crate::Result<Rendered> {
    let arena = Arena::new();
    let message = |(role, content): &(&'static str, String)| {
        let content = Value::Str(arena.alloc_str(content));
        let entries = [("role", Value::Str(role)), ("content", content)];
        Map::new(arena.alloc_slice_copy(&entries))
    };
    let messages: Vec<_> = chat.iter().map(message).collect();
    let options = TemplateOptions {
        special_tokens: vec![("eos_token".to_owned(), "</s>".to_owned())],
        spans,
        ..TemplateOptions::default()
    };
    let input = RenderInput {
        messages: &messages,
        ..RenderInput::default()
    };
    let mut out = Rendered::default();
    Template::new(source, &options)?.render(&arena, &input, &mut out)?;
    Ok(out)
}

/// The text is made of fragments; those of a message are parts of it. Spans lie in the text.
fn check(rendered: &Rendered, chat: &Chat) {
    let text = &rendered.text;
    let mut start = 0;
    for fragment in &rendered.fragments {
        let part = &text[start..fragment.end as usize];
        assert!(!part.is_empty());
        if let Origin::Message { index, .. } = fragment.origin {
            let (role, content) = &chat[index as usize];
            assert!(
                is_made_of(part, role, content),
                "{part:.300} of message {index}"
            );
        }
        start = fragment.end as usize;
    }
    assert_eq!(start, text.len());
    for span in &rendered.spans {
        assert!(span.start <= span.content_end && span.content_end <= span.end);
        assert!(text.get(span.start as usize..span.end as usize).is_some());
        assert!((span.message as usize) < chat.len());
    }
    for block in &rendered.reasoning {
        let part = text.get(block.start as usize..block.end as usize);
        assert!(part.is_some());
    }
}

/// One fragment may hold a field several times over, each time less what a filter took off its ends.
fn is_made_of(part: &str, role: &str, content: &str) -> bool {
    let first = content.chars().next().map_or(0, char::len_utf8);
    let forms: Vec<&str> = [role, content, &content[first..]]
        .into_iter()
        .flat_map(|whole| {
            let (start, end) = (
                whole.trim_start_matches(is_space),
                whole.trim_end_matches(is_space),
            );
            [whole, start, end, whole.trim_matches(is_space)]
        })
        .filter(|form| !form.is_empty())
        .collect();
    let mut reached = vec![0];
    let mut next = 0;
    while let Some(at) = reached.get(next).copied() {
        next += 1;
        for form in forms.iter().filter(|form| part[at..].starts_with(**form)) {
            if !reached.contains(&(at + form.len())) {
                reached.push(at + form.len());
            }
        }
    }
    reached.contains(&part.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn tags_leave_no_trace(pair in template(), chat in chat()) {
        let tagged = render(&pair.tagged, SpanSource::Auto, &chat);
        let plain = render(&pair.plain, SpanSource::Auto, &chat);
        match (tagged, plain) {
            (Ok(tagged), Ok(plain)) => {
                prop_assert_eq!(&tagged.text, &plain.text);
                check(&tagged, &chat);
                check(&plain, &chat);
                let inferred = render(&pair.tagged, SpanSource::Inferred, &chat);
                let inferred = inferred.expect("only the spans are others");
                prop_assert_eq!(&inferred.text, &tagged.text);
                check(&inferred, &chat);
            }
            (tagged, plain) => {
                let codes = [tagged, plain].map(|made| made.map_err(|error| error.code().to_owned()));
                let [tagged, plain] = codes.map(Result::err);
                prop_assert_eq!(tagged, plain);
            }
        }
    }
}
