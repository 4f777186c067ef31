//! Renders conversations and says how fast.
//!
//! ```text
//! render json < CASES > RESULTS       one JSON object a line: template, messages, tools, documents,
//!                                     add_generation_prompt, continue_final_message, kwargs,
//!                                     special_tokens, now; gives text, spans, pieces or the error
//! render bench TEMPLATE CONVERSATIONS [ROUNDS]    a template file and one JSON list of messages a
//!                                     line; gives microseconds a row and MB of text a second, of
//!                                     processor time
//! ```
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a bench prints and may stop"
)]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead, Write as _};

use cpu_time::ThreadTime;
use turnmill_core::template::{LocalTime, RenderInput, Rendered, Template, TemplateOptions};
use turnmill_core::{Arena, Map, Value, source::json};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("bench") => bench(&arguments[2..]),
        _ => json(),
    }
}

fn messages<'a>(value: Value<'a>, arena: &'a Arena) -> &'a [Map<'a>] {
    let items = value.as_list().unwrap_or_default();
    arena.alloc_slice_fill_iter(items.iter().map(|item| item.as_map().unwrap_or_default()))
}

fn options(case: Map<'_>) -> TemplateOptions {
    let tokens = case
        .get("special_tokens")
        .and_then(Value::as_map)
        .unwrap_or_default();
    let number = |value: Value<'_>| match value {
        Value::Int(number) => number as u32,
        _ => 0,
    };
    let mut now = LocalTime::default();
    if let Some([year, month, day, hour, minute, second]) = case.get("now").and_then(Value::as_list)
    {
        now = LocalTime {
            year: number(*year) as i32,
            month: number(*month),
            day: number(*day),
            hour: number(*hour),
            minute: number(*minute),
            second: number(*second),
            microsecond: 0,
        };
    }
    TemplateOptions {
        special_tokens: tokens
            .iter()
            .filter_map(|(name, text)| Some((name.to_owned(), text.as_str()?.to_owned())))
            .collect(),
        now,
        ..TemplateOptions::default()
    }
}

fn json() {
    let mut templates: HashMap<String, Result<Template, String>> = HashMap::new();
    let mut arena = Arena::new();
    let mut out = Rendered::default();
    let mut stdout = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        arena.reset();
        let value = json::parse(line.as_bytes(), &arena).expect("JSON").value;
        let case = value.as_map().unwrap_or_default();
        let source = case
            .get("template")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let key = format!(
            "{source}\0{:?}{:?}",
            case.get("special_tokens"),
            case.get("now")
        );
        let template = templates.entry(key).or_insert_with(|| {
            Template::new(source, &options(case)).map_err(|error| error.to_string())
        });
        let result = match template {
            Ok(template) => render(template, case, &arena, &mut out),
            Err(error) => Err(error.clone()),
        };
        let text = match result {
            Ok(text) => text,
            Err(error) => format!("{{\"error\": {}}}", quoted(&error)),
        };
        writeln!(stdout, "{text}").expect("stdout");
    }
}

fn render<'a>(
    template: &Template,
    case: Map<'a>,
    arena: &'a Arena,
    out: &mut Rendered,
) -> Result<String, String> {
    let input = RenderInput {
        messages: messages(case.get("messages").unwrap_or(Value::Null), arena),
        tools: case.get_some("tools"),
        documents: case.get_some("documents"),
        add_generation_prompt: case.get("add_generation_prompt") == Some(Value::Bool(true)),
        continue_final_message: case.get("continue_final_message").and_then(Value::as_str),
        variables: case
            .get("kwargs")
            .and_then(Value::as_map)
            .unwrap_or_default(),
    };
    template
        .render(arena, &input, out)
        .map_err(|error| format!("{error:?}"))?;
    let points = |byte: u32| out.text[..byte as usize].chars().count();
    let mut text = format!("{{\"text\": {}, \"spans\": [", quoted(&out.text));
    for (index, span) in out.spans.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        let (start, end) = (points(span.start), points(span.end));
        let content = points(span.content_end);
        let _ = write!(text, "{comma}[{start}, {end}, {}, {content}]", span.message);
    }
    text.push_str("], \"thoughts\": [");
    for (index, block) in out.reasoning.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        let (start, end) = (points(block.start), points(block.end));
        let _ = write!(text, "{comma}[{start}, {end}, {}]", block.empty);
    }
    let refused = template
        .require_spans()
        .err()
        .map(|error| error.to_string());
    let _ = write!(
        text,
        "], \"refused\": {}",
        refused.map_or("null".to_owned(), |e| quoted(&e))
    );
    let _ = write!(text, ", \"rewrites\": {}}}", template.rewrites_history());
    Ok(text)
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\0'..='\u{1f}' => {
                let _ = write!(quoted, "\\u{:04x}", character as u32);
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

fn bench(arguments: &[String]) {
    let source = std::fs::read_to_string(&arguments[0]).expect("the template");
    let text = std::fs::read_to_string(&arguments[1]).expect("the conversations");
    let rounds: usize = arguments.get(2).map_or(3, |n| n.parse().expect("a number"));
    let options = TemplateOptions {
        special_tokens: vec![
            ("bos_token".to_owned(), "<s>".to_owned()),
            ("eos_token".to_owned(), "</s>".to_owned()),
        ],
        ..TemplateOptions::default()
    };
    let template = Template::new(&source, &options).expect("the template compiles");
    let parsed = Arena::new();
    let rows: Vec<&[Map<'_>]> = text
        .lines()
        .map(|line| {
            let value = json::parse(line.as_bytes(), &parsed).expect("JSON").value;
            messages(value, &parsed)
        })
        .collect();
    let mut arena = Arena::new();
    let mut out = Rendered::default();
    for _ in 0..rounds {
        let (mut bytes, mut failed) = (0, 0);
        let start = ThreadTime::now();
        for row in &rows {
            arena.reset();
            let input = RenderInput {
                messages: row,
                ..RenderInput::default()
            };
            match template.render(&arena, &input, &mut out) {
                Ok(()) => bytes += out.text.len(),
                Err(_) => failed += 1,
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{} rows ({failed} refused), {:.2} us a row, {:.0} MB/s",
            rows.len(),
            seconds * 1e6 / rows.len() as f64,
            bytes as f64 / seconds / 1e6
        );
    }
}
