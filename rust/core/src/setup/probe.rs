//! Small conversations that are rendered before the first row.

use crate::chat::in_parts;
use crate::source::json;
use crate::template::{RenderInput, Rendered, Template};
use crate::value::{Arena, Map};

/// Renders messages given as JSON; `None` if the template refuses them. Texts become parts if the
/// template wants them so.
pub(crate) fn render(template: &Template, messages: &str) -> Option<Rendered> {
    render_with(template, messages, "", false)
}

/// The same with variables, an object in JSON or nothing, and with a generation prompt.
pub(super) fn render_with(
    template: &Template,
    messages: &str,
    variables: &str,
    add_generation_prompt: bool,
) -> Option<Rendered> {
    let arena = Arena::new();
    let variables = match variables {
        "" => Map::default(),
        _ => json::parse(variables.as_bytes(), &arena)
            .ok()?
            .value
            .as_map()?,
    };
    let parsed = json::parse(messages.as_bytes(), &arena).ok()?;
    let part_roles = &template.study().part_roles;
    let messages: Option<Vec<Map<'_>>> = parsed
        .value
        .as_list()?
        .iter()
        .map(|message| {
            let message = message.as_map()?;
            Some(in_parts(message, part_roles, &arena).unwrap_or(message))
        })
        .collect();
    let messages = arena.alloc_slice_copy(&messages?);
    let input = RenderInput {
        messages,
        add_generation_prompt,
        variables,
        ..RenderInput::default()
    };
    let mut rendered = Rendered::default();
    template.render(&arena, &input, &mut rendered).ok()?;
    Some(rendered)
}
