//! First stage: a conversation becomes text, with the recipe's template and variables.

use super::Refusal;
use super::findings::RowFindings;
use crate::Error;
use crate::chat::Conversation;
use crate::rules::{Reject, Rule};
use crate::setup::plan::Plan;
use crate::source::json;
use crate::template::{RenderInput, Rendered, Template};
use crate::value::{Arena, Map, Value};

/// The conversation with the variables of the recipe and its own; its own win.
pub(crate) fn with_variables<'a>(
    plan: &Plan,
    conversation: &Conversation<'a>,
    arena: &'a Arena,
) -> Result<Conversation<'a>, Refusal> {
    let row = conversation.template_kwargs;
    if plan.template_kwargs.is_empty() {
        return Ok(*conversation);
    }
    let text = arena.alloc_str(&plan.template_kwargs);
    let parsed = json::parse(text.as_bytes(), arena).map_err(|error| error.reject())?;
    let recipe = parsed.value.as_map().unwrap_or_default();
    let own = recipe.iter().filter(|(key, _)| row.get(key).is_none());
    let merged: Vec<(&'a str, Value<'a>)> = own.chain(row.iter()).collect();
    Ok(Conversation {
        template_kwargs: Map::new(arena.alloc_slice_copy(&merged)),
        ..*conversation
    })
}

/// Counts variables of the row that its template does not read.
pub(super) fn count_unread_variables(
    plan: &Plan,
    conversation: &Conversation<'_>,
    findings: &mut RowFindings,
) -> Result<(), Refusal> {
    if conversation.template_kwargs.entries.is_empty() {
        return Ok(());
    }
    let template = template_for(plan, conversation)?;
    let mut names = conversation.template_kwargs.iter().map(|(name, _)| name);
    if let Some(name) = names.find(|name| !template.reads(name)) {
        let counts = &mut findings.counts;
        counts.add_named(Rule::ColumnUnread, "chat_template_kwargs");
        counts.note(Rule::ColumnUnread, 0, || {
            format!("`{name}` of chat_template_kwargs")
        });
    }
    Ok(())
}

/// The template for a conversation. Where the tokenizer has a separate one for tools that cannot be
/// used, only the rows that need it are rejected.
pub(super) fn template_for<'p>(
    plan: &'p Plan,
    conversation: &Conversation<'_>,
) -> Result<&'p Template, Refusal> {
    let chosen = plan.templates()?.choose(conversation.tools.is_some());
    chosen.map_err(refused)
}

/// Renders a whole conversation.
pub(crate) fn whole<'a>(
    plan: &Plan,
    conversation: &Conversation<'a>,
    arena: &'a Arena,
) -> Result<Rendered, Refusal> {
    let conversation = with_variables(plan, conversation, arena)?;
    let template = template_for(plan, &conversation)?;
    let mut rendered = Rendered::default();
    let end = conversation.messages.len();
    let mut memory = RenderMemory::default();
    render(template, &conversation, end, &mut memory, &mut rendered)?;
    Ok(rendered)
}

/// Renders the conversation up to message `end`.
pub(crate) fn render(
    template: &Template,
    conversation: &Conversation<'_>,
    end: usize,
    memory: &mut RenderMemory,
    rendered: &mut Rendered,
) -> Result<(), Refusal> {
    let arena = memory.cleared();
    let input = RenderInput::of(conversation, end, arena);
    let result = template.render(arena, &input, rendered);
    result.map_err(refused)
}

/// The values that a template makes. They have an arena of their own, because a row may be rendered
/// once for each of its turns: in the arena of the row, all these renders would add up.
#[derive(Debug, Default)]
pub(crate) struct RenderMemory(Arena);

impl RenderMemory {
    /// How much is kept for the next render.
    const KEPT: usize = 8 << 20;

    /// The arena, empty.
    pub(super) fn cleared(&mut self) -> &Arena {
        if self.0.allocated_bytes() > Self::KEPT {
            self.0 = Arena::new();
        } else {
            self.0.reset();
        }
        &self.0
    }
}

/// Renders the conversation as a server does, for the assistant to answer it.
pub(super) fn prompt(
    template: &Template,
    conversation: &Conversation<'_>,
    memory: &mut RenderMemory,
    rendered: &mut Rendered,
) -> Result<(), Refusal> {
    let arena = memory.cleared();
    let input = RenderInput {
        add_generation_prompt: true,
        ..RenderInput::of(conversation, conversation.messages.len(), arena)
    };
    template.render(arena, &input, rendered).map_err(refused)
}

/// If the template refuses the row, the row is rejected; any other error stops the run.
fn refused(error: Error) -> Refusal {
    if error.kind() != crate::ErrorKind::Template {
        return error.into();
    }
    let place = match error.location().line {
        Some(line) => format!(" (template line {line})"),
        None => String::new(),
    };
    let mut reject = Reject::new(Rule::TemplateError, format!("{}{place}", error.what()));
    reject.message = error.location().message;
    reject.into()
}
