//! What a template does, learned by rendering small conversations once.

use serde::{Serialize, Serializer};
use serde_json::{Value as Json, json};

use crate::Error;

/// What a template does with one role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Debug, Default, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "answers to questions")]
pub struct Study {
    /// What the template does with each role that was tried.
    pub roles: Vec<RoleStudy>,
    /// Roles whose text is printed only where the content is a list of parts.
    pub part_roles: Vec<String>,
    /// What `add_generation_prompt` adds, by the role of the message before: `user`, `tool`.
    #[serde(serialize_with = "by_role")]
    pub generation_prompts: Vec<(String, String)>,
    /// The text after the content of an assistant message that is not the last message.
    pub terminator: String,
    /// The text after the content of the last assistant message.
    pub final_terminator: String,
    /// Whether the role marker of the next message ends a turn (as in GLM).
    pub next_role_ends_turn: bool,
    /// Role markers that end a turn, by the role that follows: `user`, `tool`.
    #[serde(serialize_with = "by_role")]
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
    #[serde(serialize_with = "what")]
    pub spans_refused: Option<Error>,
}

impl Study {
    /// The study as JSON, under the names of its fields.
    pub fn to_json(&self) -> Json {
        json!(self)
    }
}

/// Pairs of a role and a text as an object.
fn by_role<S: Serializer>(pairs: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(role, text)| (role, text)))
}

/// An error as its sentence.
#[expect(
    clippy::ref_option,
    reason = "serde calls it with a reference to the field"
)]
fn what<S: Serializer>(error: &Option<Error>, serializer: S) -> Result<S::Ok, S::Error> {
    error.as_ref().map(Error::what).serialize(serializer)
}
