//! What a template is compiled with: special tokens, the date it sees, limits.

use turnmill_jinja::{Limits, LocalTime};

/// Where the spans of the turns come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpanSource {
    /// The template's `{% generation %}` tags if it has any, else inferred.
    #[default]
    Auto,
    /// The tags; a template without them has no spans.
    Tags,
    /// Inferred, tags or not.
    Inferred,
}

/// What a template is compiled with.
#[derive(Clone, Debug, Default)]
pub struct TemplateOptions {
    /// Variables every render sees unless the row sets them: `bos_token`, `eos_token` and the
    /// other special tokens that are set, with their text.
    pub special_tokens: Vec<(String, String)>,
    /// The date that `strftime_now` prints.
    pub now: LocalTime,
    /// Limits of one render.
    pub limits: Limits,
    /// Where spans come from.
    pub spans: SpanSource,
}
