//! What the language does, apart from provenance: whitespace, scopes, how values print. That all of
//! it is what jinja2 does is tested beside jinja2, from Python.

#![allow(clippy::expect_used, reason = "a test stops at the first surprise")]

use proptest::prelude::*;
use turnmill_jinja::{Arena, ErrorKind, Inputs, Map, Template, Value};

fn text(source: &str) -> String {
    let arena = Arena::new();
    let mut text = String::new();
    let template = Template::new(source).expect("it compiles");
    template
        .render(&arena, &Inputs::default(), &mut text)
        .expect("it renders");
    text
}

#[test]
fn whitespace_control_is_that_of_jinja2() {
    assert_eq!(text("  {% if true %}\n  a\n  {% endif %}\nb\n"), "  a\nb");
    assert_eq!(
        text("a\n  {%- if true -%}\n b\n {%- endif +%}\n c"),
        "ab\n c"
    );
    assert_eq!(
        text("x {% raw %}{{ a }}{% endraw %} y\r\nz"),
        "x {{ a }} y\nz"
    );
}

#[test]
fn scopes_are_those_of_jinja2() {
    assert_eq!(
        text("{% set x=1 %}{% for i in [1,2] %}{{x}}{% set x=x+1 %}{{x}} {% endfor %}{{x}}"),
        "12 12 1"
    );
    assert_eq!(
        text("{% set g=1 %}{% macro m() %}{{ g }}{% endmacro %}{% set g=2 %}{{ m() }}"),
        "2"
    );
    assert_eq!(
        text("{% for i in [1,2] %}{% continue %}{% else %}E{% endfor %}"),
        "E"
    );
}

#[test]
fn numbers_and_containers_print_as_in_python() {
    assert_eq!(
        text("{{ [1e16, 1e-7, 0.1, none, true, 'it\\'s'] }}"),
        "[1e+16, 1e-07, 0.1, None, True, \"it's\"]"
    );
    assert_eq!(
        text("{{ {'a': 'é\"', 'b': [1.0]} | tojson }}"),
        "{\"a\": \"é\\\"\", \"b\": [1.0]}"
    );
}

#[test]
fn values_stand_before_variables_before_constants_before_functions() {
    let arena = Arena::new();
    let names = ["a", "b", "c", "range"];
    let variables = [
        ("a", Value::Int(2)),
        ("b", Value::Int(2)),
        ("range", Value::Int(2)),
    ];
    let constants = ["a", "b", "c"].map(|name| (name.to_owned(), "3".to_owned()));
    let inputs = Inputs {
        values: &[("a", true.into())],
        variables: Map::new(&variables),
        constants: &constants,
        ..Inputs::default()
    };
    let template = Template::new("{{ a }} {{ b }} {{ c }} {{ range }}").expect("it compiles");
    assert_eq!(template.variables(), names);
    let mut text = String::new();
    template
        .render(&arena, &inputs, &mut text)
        .expect("it renders");
    assert_eq!(text, "True 2 3 2");
}

#[test]
fn an_exception_leaves_no_text() {
    let template = Template::new("\nbefore {{ raise_exception('no ' ~ 1) }}").expect("it compiles");
    let mut text = "old".to_owned();
    let error = template
        .render(&Arena::new(), &Inputs::default(), &mut text)
        .expect_err("it raises");
    assert_eq!((error.kind(), error.message()), (ErrorKind::Raised, "no 1"));
    assert_eq!((error.line(), error.record()), (Some(2), None));
    assert_eq!(text, "");
}

proptest! {
    #[test]
    fn no_source_makes_the_compiler_panic(source in "[{}%#a-z'\"|()\\[\\]., \n\\\\-]{0,60}") {
        let _ = Template::new(&source);
    }
}
