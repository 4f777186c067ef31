//! What a template does, learned by rendering small conversations once.

use serde_json::{Value as Json, json};

use crate::Error;

/// What a template does with one role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleStudy {
    /// The role.
    pub role: String,
    /// Rendering a message of this role works.
    pub accepted: bool,
    /// The template's error if it does not.
    pub refusal: Option<String>,
    /// The text before the content, inside the message's own text.
    pub header: String,
    /// The text after the content, inside the message's own text.
    pub footer: String,
}

/// What a template does.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "answers to questions")]
pub struct Study {
    /// What the template does with each role that was tried.
    pub roles: Vec<RoleStudy>,
    /// Roles whose text is printed only where the content is a list of parts.
    pub part_roles: Vec<String>,
    /// What `add_generation_prompt` adds, by the role of the message before: `user`, `tool`.
    pub generation_prompts: Vec<(String, String)>,
    /// The text after the content of an assistant message that is not the last message.
    pub terminator: String,
    /// The text after the content of the last assistant message.
    pub final_terminator: String,
    /// Whether the role marker of the next message ends a turn (as in GLM).
    pub next_role_ends_turn: bool,
    /// Role markers that end a turn, by the role that follows: `user`, `tool`.
    pub role_markers: Vec<(String, String)>,
    /// Whether tools change the text.
    pub reads_tools: bool,
    /// Whether reasoning fields of the last turn are printed.
    pub reads_reasoning: bool,
    /// Whether the text depends on the date.
    pub reads_date: bool,
    /// Whether a longer conversation renders its earlier turns differently.
    pub rewrites_history: bool,
    /// Whether the template has `{% generation %}` tags.
    pub has_generation_tags: bool,
    /// Markers around reasoning, if reasoning is printed.
    pub reasoning_markers: Option<(String, String)>,
    /// Why turns cannot be located, if they cannot.
    pub spans_refused: Option<Error>,
}

impl Study {
    /// The study as JSON, under the names of its fields.
    pub fn to_json(&self) -> Json {
        let by_role = |pairs: &[(String, String)]| -> Json {
            pairs
                .iter()
                .map(|(role, text)| (role.clone(), Json::from(text.as_str())))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let roles: Vec<Json> = self.roles.iter().map(RoleStudy::to_json).collect();
        json!({
            "roles": roles,
            "part_roles": self.part_roles,
            "generation_prompts": by_role(&self.generation_prompts),
            "terminator": self.terminator,
            "final_terminator": self.final_terminator,
            "next_role_ends_turn": self.next_role_ends_turn,
            "role_markers": by_role(&self.role_markers),
            "reads_tools": self.reads_tools,
            "reads_reasoning": self.reads_reasoning,
            "reads_date": self.reads_date,
            "rewrites_history": self.rewrites_history,
            "has_generation_tags": self.has_generation_tags,
            "reasoning_markers": self.reasoning_markers,
            "spans_refused": self.spans_refused.as_ref().map(Error::what),
        })
    }
}

impl RoleStudy {
    fn to_json(&self) -> Json {
        json!({
            "role": self.role,
            "accepted": self.accepted,
            "refusal": self.refusal,
            "header": self.header,
            "footer": self.footer,
        })
    }
}
