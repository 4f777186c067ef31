//! Where every byte of a text came from, through the operations that templates use.

#![allow(clippy::expect_used, reason = "a test stops at the first surprise")]

use turnmill_jinja::{Arena, Context, Input, Inputs, Map, OriginKind, Template, Value};

/// The runs of a render of two records: their text, origin and context.
fn parts(source: &str) -> Vec<(String, OriginKind, Context)> {
    let arena = Arena::new();
    let record = |name, body| {
        let entries = [("name", Value::Str(name)), ("body", Value::Str(body))];
        Map::new(arena.alloc_slice_copy(&entries))
    };
    let records = [record("ada", " Hello "), record("bob", "a,b")];
    let inputs = Inputs {
        values: &[("records", Input::records(&records, &arena))],
        variables: Map::new(&[("given", Value::Str("given"))]),
        constants: &[("end".to_owned(), "</s>".to_owned())],
        field_class: |key| if key == "body" { 1 } else { 2 },
        ..Inputs::default()
    };
    let mut text = String::new();
    let template = Template::new(source).expect("it compiles");
    let provenance = template
        .render(&arena, &inputs, &mut text)
        .expect("it renders");
    let mut start = 0;
    let runs = provenance.fragments().iter().map(|fragment| {
        let run =
            &text[std::mem::replace(&mut start, fragment.end as usize)..fragment.end as usize];
        (
            run.to_owned(),
            fragment.origin.kind(),
            provenance.context(fragment),
        )
    });
    runs.collect()
}

/// The runs, without their contexts.
fn origins(source: &str) -> Vec<(String, OriginKind)> {
    let parts = parts(source).into_iter();
    parts.map(|(run, kind, _)| (run, kind)).collect()
}

fn body(index: u32) -> OriginKind {
    OriginKind::Record { index, field: 1 }
}

fn run(text: &str, kind: OriginKind) -> (String, OriginKind) {
    (text.to_owned(), kind)
}

#[test]
fn a_string_keeps_its_origin_through_every_operation() {
    let name = OriginKind::Record { index: 0, field: 2 };
    for (expression, expected) in [
        (
            "'x' + records[0].body",
            vec![run("x", OriginKind::Template), run(" Hello ", body(0))],
        ),
        ("records[0].body | trim", vec![run("Hello", body(0))]),
        ("records[0]['body'].strip()[1:3]", vec![run("el", body(0))]),
        (
            "records[0].body.replace('Hello', given)",
            vec![
                run(" ", body(0)),
                run("given", OriginKind::Variable),
                run(" ", body(0)),
            ],
        ),
        (
            "records[1].body.split(',')[1] ~ end",
            vec![run("b", body(1)), run("</s>", OriginKind::Template)],
        ),
        (
            "[records[0].name, records[1].body] | join('-')",
            vec![
                run("ada", name),
                run("-", OriginKind::Template),
                run("a,b", body(1)),
            ],
        ),
        ("records[0].body | upper", vec![run(" HELLO ", body(0))]),
        (
            "'%s!' % records[1].body",
            vec![run("a,b", body(1)), run("!", OriginKind::Template)],
        ),
        ("'{}'.format(records[1].body)", vec![run("a,b", body(1))]),
        ("records[1].body | tojson", vec![run("\"a,b\"", body(1))]),
        (
            "records[1].body | length",
            vec![run("3", OriginKind::Template)],
        ),
    ] {
        assert_eq!(
            origins(&format!("{{{{ {expression} }}}}")),
            expected,
            "{expression}"
        );
    }
}

#[test]
fn a_whole_record_prints_with_its_fields_told_apart() {
    let found = origins("{{ records[1] }}");
    let of = |field| OriginKind::Record { index: 1, field };
    assert_eq!(
        found,
        [
            run("{", of(0)),
            run("'name': 'bob'", of(2)),
            run(", 'body': 'a,b'", of(1)),
            run("}", of(0)),
        ]
    );
}

#[test]
fn text_belongs_to_the_record_of_its_loop_and_to_its_block() {
    let source =
        "{% for r in records %}<{% generation %}{{ r.body }}{% endgeneration %}{% endfor %}.";
    let contexts: Vec<_> = parts(source)
        .into_iter()
        .map(|(run, _, context)| (run, context.record, context.generation))
        .collect();
    let expected = [
        ("<", Some(0), 0),
        (" Hello ", Some(0), 1),
        ("<", Some(1), 0),
        ("a,b", Some(1), 2),
        (".", None, 0),
    ];
    assert_eq!(
        contexts,
        expected.map(|(run, record, block)| (run.to_owned(), record, block))
    );
}

#[test]
fn a_capture_keeps_where_it_was_written() {
    let source =
        "{% set kept %}{% for r in records %}[{{ r.name }}]{% endfor %}{% endset %}{{ kept }}";
    let records: Vec<_> = parts(source)
        .into_iter()
        .map(|(run, _, context)| (run, context.record))
        .collect();
    let expected = [
        ("[", 0),
        ("ada", 0),
        ("]", 0),
        ("[", 1),
        ("bob", 1),
        ("]", 1),
    ];
    assert_eq!(
        records,
        expected.map(|(run, record)| (run.to_owned(), Some(record)))
    );
}

#[test]
fn what_is_cut_off_is_forgotten() {
    let arena = Arena::new();
    let template = Template::new("{{ 'ab' }}{{ given }}{{ 'ef' }}").expect("it compiles");
    let inputs = Inputs {
        variables: Map::new(&[("given", Value::Str("cd"))]),
        ..Inputs::default()
    };
    let mut text = String::new();
    let mut provenance = template
        .render(&arena, &inputs, &mut text)
        .expect("it renders");
    assert_eq!(text, "abcdef");
    let ends = |provenance: &turnmill_jinja::Provenance<'_>| -> Vec<u32> {
        provenance
            .fragments()
            .iter()
            .map(|fragment| fragment.end)
            .collect()
    };
    assert_eq!(ends(&provenance), [2, 4, 6]);
    provenance.truncate(3);
    assert_eq!(ends(&provenance), [2, 3]);
    provenance.truncate(2);
    assert_eq!(ends(&provenance), [2]);
}
