//! A template that is compiled, and that renders text; nothing is known yet of what it does.

use turnmill_jinja::{Input, Inputs, Limits, Provenance, is_space};

use super::transformers_input;
use super::{Field, Fragment, Origin, RenderInput, Rendered, SpanSource, TemplateOptions};
use crate::value::{Arena, Value};
use crate::{Error, ErrorKind, Result};

/// A compiled template.
#[derive(Debug)]
pub(super) struct Program {
    source: String,
    options: TemplateOptions,
    compiled: turnmill_jinja::Template,
}

impl Program {
    pub(super) fn new(source: &str, options: &TemplateOptions) -> Result<Self> {
        Ok(Self {
            source: source.to_owned(),
            options: options.clone(),
            compiled: turnmill_jinja::Template::new(source)?,
        })
    }

    /// Renders text and fragments.
    pub(super) fn render<'r>(
        &'r self,
        arena: &'r Arena,
        input: &RenderInput<'r>,
        limits: Limits,
        out: &mut Rendered,
    ) -> Result<Provenance<'r>> {
        out.clear();
        let prepared = transformers_input::messages(input, &self.source, arena)?;
        let data = |value: Option<Value<'r>>| value.map_or(Input::NONE, Input::data);
        let values = [
            ("messages", Input::records(prepared.messages, arena)),
            ("tools", data(input.tools)),
            ("documents", data(input.documents)),
            ("add_generation_prompt", input.add_generation_prompt.into()),
        ];
        let inputs = Inputs {
            values: arena.alloc(values),
            variables: input.variables,
            constants: &self.options.special_tokens,
            now: self.options.now,
            limits,
            field_class: Field::class_of,
        };
        let mut provenance = self.compiled.render(arena, &inputs, &mut out.text)?;
        if let Some(continued) = prepared.continued {
            cut_at_tag(&mut provenance, continued, out)?;
        }
        for fragment in provenance.fragments() {
            let fragment = Fragment {
                end: fragment.end,
                origin: Origin::of(fragment),
            };
            match out.fragments.last_mut() {
                Some(last) if last.origin == fragment.origin => last.end = fragment.end,
                _ => out.fragments.push(fragment),
            }
        }
        Ok(provenance)
    }

    /// The source.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Limits of a render.
    pub(super) fn limits(&self) -> Limits {
        self.options.limits
    }

    /// Where spans come from.
    pub(super) fn span_source(&self) -> SpanSource {
        self.options.spans
    }

    /// Whether the template's tags say where the spans are.
    pub(super) fn uses_tags(&self) -> bool {
        match self.options.spans {
            SpanSource::Auto => self.compiled.has_generation(),
            SpanSource::Tags => true,
            SpanSource::Inferred => false,
        }
    }

    /// Whether the template has `{% generation %}` tags.
    pub(super) fn has_generation_tags(&self) -> bool {
        self.compiled.has_generation()
    }

    /// Constant text that the template can print.
    pub(super) fn literals(&self) -> &[String] {
        self.compiled.literals()
    }

    /// Whether the template reads a variable.
    pub(super) fn reads(&self, name: &str) -> bool {
        self.compiled.variables().iter().any(|known| known == name)
    }

    /// Names that the template reads among the render's variables, sorted.
    pub(super) fn variables(&self) -> &[String] {
        self.compiled.variables()
    }
}

/// Cuts the text where the final message is to be continued.
fn cut_at_tag(provenance: &mut Provenance<'_>, continued: &str, out: &mut Rendered) -> Result<()> {
    let tag = transformers_input::CONTINUE_TAG;
    let found = out.text.rfind(tag.trim_end());
    let (Some(at), true) = (found, out.text.contains(continued.trim_matches(is_space))) else {
        return Err(Error::new(
            ErrorKind::Template,
            "template-error",
            "continue_final_message is set but the final message does not appear in the render",
        )
        .hint("this template cannot continue a message: leave continue_final_message out"));
    };
    let keeps_space = out.text[at..].starts_with(tag);
    out.text.truncate(at);
    if !keeps_space {
        let length = out.text.trim_end_matches(is_space).len();
        out.text.truncate(length);
    }
    provenance.truncate(out.text.len() as u32);
    Ok(())
}

impl From<turnmill_jinja::Error> for Error {
    /// Adds the code of what failed, the template's line, and the message at which it failed.
    fn from(error: turnmill_jinja::Error) -> Self {
        let (code, hint) = match error.kind() {
            turnmill_jinja::ErrorKind::Syntax => (
                "template-syntax",
                "transformers refuses it too: get the template again, or name another",
            ),
            turnmill_jinja::ErrorKind::Raised => (
                "template-error",
                "transformers raises here too: change the messages, or name another template",
            ),
            turnmill_jinja::ErrorKind::Budget => (
                "template-budget",
                "shorten the messages, or name a template that needs fewer steps",
            ),
        };
        let mut converted = Self::new(ErrorKind::Template, code, error.message()).hint(hint);
        if let Some(line) = error.line() {
            converted = converted.at_line(u64::from(line));
        }
        if let Some(message) = error.record() {
            converted = converted.at_message(message);
        }
        converted
    }
}
