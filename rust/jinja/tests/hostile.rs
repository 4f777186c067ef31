//! Templates that try to take all time, memory or stack.

use turnmill_jinja::{Arena, ErrorKind, Input, Inputs, Limits, Map, Template, Value};

/// Small enough that every template below meets one of them at once.
const LIMITS: Limits = Limits {
    steps: 1_000_000,
    output: 1 << 20,
    depth: 200,
    memory: 1 << 24,
};

/// Renders with [`LIMITS`]: the kind of the error, and the bytes that the arena holds then.
fn attack(source: &str) -> (Option<ErrorKind>, usize) {
    let template = match Template::new(source) {
        Ok(template) => template,
        Err(error) => return (Some(error.kind()), 0),
    };
    let arena = Arena::new();
    let entries = [("role", Value::Str("user")), ("content", Value::Str("hi"))];
    let messages = Input::records(&[Map::new(&entries)], &arena);
    let inputs = Inputs {
        values: &[("messages", messages)],
        limits: LIMITS,
        ..Inputs::default()
    };
    let result = template.render(&arena, &inputs, &mut String::new());
    (
        result.err().map(|error| error.kind()),
        arena.allocated_bytes(),
    )
}

#[test]
fn a_source_of_many_megabytes_is_not_compiled() {
    let source = |bytes: usize| "{% if a %}x{% endif %}".repeat(bytes / 22);
    assert!(Template::new(&source(1 << 20)).is_ok());
    let error = Template::new(&source(50 << 20)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Syntax);
    assert!(error.message().ends_with("bytes, 1048576 are allowed"));
}

/// `{% set ns.s = … %}` a hundred times from a start, and the same apart from it for `ns.t`.
fn grown(start: &str, step: &str, end: &str) -> String {
    let other = step.replace("ns.s", "ns.t");
    format!(
        "{{% set ns = namespace(s={start}, t={start}) %}}{{% for i in range(100) %}}\
         {{% set ns.s = {step} %}}{{% set ns.t = {other} %}}{{% endfor %}}{{{{ {end} }}}}"
    )
}

fn assert_beyond_budget(source: &str) {
    let shown: String = source.chars().take(200).collect();
    let (kind, bytes) = attack(source);
    assert_eq!(kind, Some(ErrorKind::Budget), "{shown}");
    // The arena doubles: one chunk may be as large as all before it.
    assert!(bytes < 4 * LIMITS.memory, "{bytes} bytes: {shown}");
}

#[test]
fn what_doubles_meets_a_limit() {
    for (start, step, end) in [
        ("'x'", "ns.s + ns.s", "ns.s"),
        ("'x'", "ns.s ~ ns.s", "ns.s | length"),
        ("'x' | safe", "ns.s + ns.s", "ns.s | length"),
        ("'x'", "ns.s * 2", "ns.s"),
        ("'xx'", "ns.s.join(ns.s)", "ns.s"),
        ("'xx'", "ns.s | list | join(ns.s)", "ns.s"),
        ("'xx'", "ns.s.replace('x', ns.s)", "ns.s"),
        ("'xx'", "ns.s | replace('', ns.s)", "ns.s"),
        ("'x'", "'{}{}'.format(ns.s, ns.s)", "ns.s"),
        ("'\\\\'", "ns.s | tojson", "ns.s"),
        ("'\\\\'", "[ns.s] | string", "ns.s"),
        ("[1]", "ns.s + ns.s", "ns.s"),
        ("(1, 2)", "ns.s + ns.s", "ns.s"),
        ("[1]", "ns.s * 2", "ns.s"),
        ("[1]", "[ns.s, ns.s]", "ns.s"),
        ("[1]", "[ns.s, ns.s]", "ns.s | tojson"),
        ("[1]", "[ns.s, ns.s]", "ns.s | pprint"),
        ("[1]", "[ns.s, ns.s]", "ns.s == ns.t"),
        ("[1]", "[ns.s, ns.s]", "ns.s < ns.t"),
        ("(1,)", "(ns.s, ns.s)", "{ns.s: 1} | length"),
        ("{}", "{'a': ns.s, 'b': ns.s}", "ns.s"),
        ("{}", "{'a': ns.s, 'b': ns.s}", "ns.s == ns.t"),
    ] {
        assert_beyond_budget(&grown(start, step, end));
    }
}

#[test]
fn a_huge_number_makes_no_huge_string() {
    for expression in [
        "'a' * 1000000000",
        "[1] * 1000000000",
        "'a'.center(1000000000)",
        "'a' | center(1000000000)",
        "'a'.ljust(1000000000)",
        "'a'.rjust(1000000000)",
        "'a'.zfill(1000000000)",
        "'%1000000000d' % 1",
        "'%*d' % (1000000000, 1)",
        "'%99999999999999999999s' % 1",
        "'{:1000000000}'.format(1)",
        "'{:99999999999999999999}'.format(1)",
        "'a\nb' | indent(1000000000)",
        "[1] | tojson(indent=1000000000)",
        "'\t'.expandtabs(1000000000)",
        "[1] | batch(1000000000, 0) | list",
        "[1] | slice(1000000000) | list",
        "('\n' * 1000000) | indent(1000000, true, true)",
    ] {
        assert_beyond_budget(&format!("{{{{ {expression} }}}}"));
    }
}

#[test]
fn what_takes_long_without_growing_meets_a_limit() {
    let forever = "{% for a in range(100000) %}{% for b in range(100000) %}";
    let ends = "{% endfor %}{% endfor %}";
    let text = "{% set s = 'a' * 1000000 %}{% set t = 'a' * 1000000 %}";
    let list = "{% set s = range(3000) | list %}{% set t = range(3000) | list %}";
    for (setup, work) in [
        ("", ""),
        (text, "{% if s | length %}{% endif %}"),
        (text, "{% if 'b' in s %}{% endif %}"),
        (text, "{% if s.count('b') %}{% endif %}"),
        (text, "{% if s == t %}{% endif %}"),
        (text, "{% if s is lower %}{% endif %}"),
        (text, "{% if s[-1] %}{% endif %}"),
        (text, "{% if s.rsplit('b', 1) %}{% endif %}"),
        (list, "{% if 'b' in s %}{% endif %}"),
        (list, "{% if s == t %}{% endif %}"),
        (list, "{% if s | sum %}{% endif %}"),
        (list, "{% if s | unique | list %}{% endif %}"),
        (list, "{% if dict.fromkeys(s) %}{% endif %}"),
        (list, "{% if loop.changed(s) %}{% endif %}"),
    ] {
        assert_beyond_budget(&format!("{setup}{forever}{work}{ends}"));
    }
    let names = "{% set ns = namespace(dict.fromkeys(range(1000) | map('string'))) %}";
    let look = "{% if ns.other %}{% endif %}";
    let looks = format!("{names}{{% for a in range(90000) %}}{look}{{% endfor %}}");
    assert_beyond_budget(&looks);
    assert_beyond_budget(&looks.replace(look, "{% set ns.other = a %}"));
    assert_beyond_budget("{{ ('<>' * 500000) | striptags }}");
    assert_beyond_budget("{{ range(100000) | unique | list }}");
    assert_beyond_budget(
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(99) }}",
    );
}

#[test]
fn what_nests_deeply_meets_a_limit() {
    let macro_of = |body: String| format!("{{% macro m() %}}{body}{{% endmacro %}}{{{{ m() }}}}");
    let deep =
        |step: &str, end: &str| grown("[1]", step, end).replace("range(100)", "range(100000)");
    for source in [
        macro_of("{{ m() }}".to_owned()),
        macro_of(format!(
            "{{{{ {}m(){} }}}}",
            "[".repeat(100),
            "]".repeat(100)
        )),
        macro_of(format!("{{{{ {}m() }}}}", "not ".repeat(140))),
        macro_of("{% if true %}".repeat(40) + "{{ m() }}" + &"{% endif %}".repeat(40)),
        "{% macro m() %}{{ caller() }}{% endmacro %}\
         {% macro n() %}{% call m() %}{{ n() }}{% endcall %}{% endmacro %}{{ n() }}"
            .to_owned(),
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}".to_owned(),
        "{% set ns = namespace() %}{% set ns.s = ns %}{{ ns }}".to_owned(),
        deep("[ns.s]", "ns.s"),
        deep("[ns.s]", "ns.s | pprint"),
        deep("[ns.s]", "ns.s == ns.t"),
        deep("{'a': ns.s}", "ns.s | string"),
    ] {
        assert_beyond_budget(&source);
    }
}

#[test]
fn a_source_that_nests_deeply_does_not_compile() {
    let many = 100_000;
    for source in [
        format!("{{{{ {}1{} }}}}", "(".repeat(many), ")".repeat(many)),
        format!("{{{{ {}1 }}}}", "-".repeat(many)),
        format!("{{{{ 1{} }}}}", "+1".repeat(many)),
        format!("{{{{ 1{} }}}}", "*1".repeat(many)),
        format!("{{{{ 1{} }}}}", "**1".repeat(many)),
        format!("{{{{ 1{} }}}}", " and 1".repeat(many)),
        format!("{{{{ 1{} }}}}", " or 1".repeat(many)),
        format!("{{{{ 1{} }}}}", " if 1".repeat(many)),
        format!("{{{{ x{} }}}}", ".a".repeat(many)),
        format!("{{{{ x{} }}}}", "[0]".repeat(many)),
        format!("{{{{ x{} }}}}", "()".repeat(many)),
        format!("{{{{ x{} }}}}", "|list".repeat(many)),
        format!("{{{{ x{} }}}}", " is defined".repeat(many)),
        format!(
            "{{% filter upper{} %}}{{% endfilter %}}",
            "|upper".repeat(many)
        ),
        "{% if 1 %}".repeat(many),
        "{% for a in b %}".repeat(many),
    ] {
        assert_eq!(attack(&source).0, Some(ErrorKind::Syntax), "{source:.60}");
    }
}

#[test]
fn there_is_no_way_out() {
    for source in [
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{% from 'os' import system %}",
        "{% extends 'base' %}",
    ] {
        assert_eq!(attack(source).0, Some(ErrorKind::Syntax), "{source}");
    }
    for source in [
        "{{ messages.__class__.__mro__ }}",
        "{{ ''['__class__']['__base__'] }}",
        "{{ ('' | attr('__class__')).__subclasses__() }}",
        "{{ '{0.__class__.__base__}'.format(messages) }}",
        "{{ '{0.__class__.__base__}' | format(messages) }}{{ raise_exception('') }}",
        "{{ range.__globals__.os }}",
        "{{ self.__init__.__globals__ }}",
        "{{ messages.append(1) }}",
        "{{ open('/etc/passwd') }}",
    ] {
        assert_eq!(attack(source).0, Some(ErrorKind::Raised), "{source}");
    }
}
