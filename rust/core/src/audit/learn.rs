//! Learns from a chat template how messages open, and whether a sequence starts with BOS.

use super::token_classes::TokenClasses;
use crate::setup::probe;
use crate::template::{RenderInput, Rendered, Template};
use crate::tokenizer::{Encoding, Input, Tokenizer};
use crate::value::{Arena, Map, Value};
use crate::{Error, ErrorKind, Result};

/// A conversation that ends in a call.
const CALL: &str = r#"[{"role":"user","content":"one"},{"role":"assistant","content":"","tool_calls":
    [{"type":"function","id":"abcdefgh1","function":{"name":"add","arguments":{"a":1}}}]}]"#;

/// Teaches the classes the role headers and the BOS habit of a template. An error of code
/// `template-headers` if no header of the assistant can be found; then turns are found only by
/// their labels.
pub fn learn(classes: &mut TokenClasses, tokenizer: &Tokenizer, template: &Template) -> Result<()> {
    let first = render_exchange(template)?;
    if spaces_answers(&first)
        || spaces_calls(template)
        || encodes_a_space(classes, tokenizer, &first.text)?
    {
        classes.set_spaces_answers();
    }
    if ends_in_prompt(template, &first.text) {
        classes.set_ends_in_prompt();
    }
    classes.mark_aliens(tokenizer, &printed(template, &first.text));
    let shown = tokenizer.encode(&first.text, false)?;
    classes.mark_unprinted_stops(tokenizer, template.source(), &shown);
    classes.learn_template(tokenizer, template.study(), Some(&first.text))?;
    if classes.knows_headers() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Template,
        "template-headers",
        "no role header of the assistant can be found in what the template prints",
    ))
}

/// The texts in which a control token of the template can appear: its source, and what it prints,
/// because a marker may be built from a role and the characters around it.
fn printed<'a>(template: &'a Template, exchange: &'a str) -> Vec<&'a str> {
    let roles = template.study().roles.iter().filter(|role| role.accepted);
    let around = roles.flat_map(|role| [role.header.as_str(), role.footer.as_str()]);
    [template.source(), exchange]
        .into_iter()
        .chain(around)
        .collect()
}

/// Two exchanges, rendered.
fn render_exchange(template: &Template) -> Result<Rendered> {
    let arena = Arena::new();
    let message = |role: &'static str, content: &'static str| {
        let entries = [("role", Value::Str(role)), ("content", Value::Str(content))];
        Map::new(arena.alloc_slice_copy(&entries))
    };
    let messages = [
        message("user", "one"),
        message("assistant", "two"),
        message("user", "three"),
        message("assistant", "four"),
    ];
    let mut rendered = Rendered::default();
    let input = RenderInput {
        messages: arena.alloc_slice_copy(&messages),
        ..RenderInput::default()
    };
    template.render(&arena, &input, &mut rendered)?;
    Ok(rendered)
}

/// Whether a space precedes the last answer, or the answer is not printed as it is.
fn spaces_answers(rendered: &Rendered) -> bool {
    rendered
        .text
        .rfind("four")
        .is_none_or(|at| rendered.text[..at].ends_with(' '))
}

/// Whether the template prints a space where a turn that calls a tool starts.
fn spaces_calls(template: &Template) -> bool {
    let rendered = probe::render(template, CALL);
    rendered.is_some_and(|rendered| {
        let first = rendered.spans.first();
        first.is_some_and(|span| rendered.text[span.start as usize..].starts_with(' '))
    })
}

/// Whether the header of an answer follows the last answer of a conversation, although nobody
/// asked for it.
fn ends_in_prompt(template: &Template, exchange: &str) -> bool {
    let study = template.study();
    let roles = study.roles.iter().filter(|role| role.role == "assistant");
    let prompts = study.generation_prompts.iter().map(|(_, prompt)| prompt);
    let mut headers = roles.map(|role| &role.header).chain(prompts);
    let end = exchange.rfind("four").map_or("", |at| &exchange[at..]);
    headers.any(|header| !header.trim().is_empty() && end.ends_with(&header[..]))
}

/// Whether the answer's first token starts with a space that the template does not print: the
/// tokenizer adds one before any text after a control token, at the server too.
fn encodes_a_space(classes: &TokenClasses, tokenizer: &Tokenizer, text: &str) -> Result<bool> {
    let Some(at) = text.rfind("four") else {
        return Ok(false);
    };
    let input = Input {
        text,
        content: &[],
        cuts: &[],
        marks: &[at as u32],
    };
    let (backend, mut encoding) = (tokenizer.backend(), Encoding::default());
    backend.encode(&mut *backend.scratch(), &input, &mut encoding)?;
    let first = encoding.marks[0].token as usize;
    let id = encoding.ids.get(first);
    Ok(id.is_some_and(|id| classes.leads(*id as i32)))
}
