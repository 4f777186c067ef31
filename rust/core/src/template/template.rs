//! A compiled chat template.

use std::fmt::Write as _;
use std::sync::{Arc, RwLock};

use rustc_hash::FxHashMap;
use turnmill_jinja::{Input, Inputs, Limits, Provenance, is_space};

use super::probe::{self, Learned};
use super::reasoning;
use super::spans::{self, TurnRules};
use super::transformers_input;
use super::{Field, Fragment, Origin, RenderInput, Rendered, SpanSource, Study, TemplateOptions};
use crate::value::{Arena, Value};
use crate::{Error, ErrorKind, Result};

/// A compiled chat template, shared between threads.
///
/// ```
/// use turnmill_core::template::{TemplateOptions, RenderInput, Rendered, Template};
/// use turnmill_core::{Arena, Map, Value};
///
/// let source = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}\
///               {% if add_generation_prompt %}<assistant>{% endif %}";
/// let template = Template::new(source, &TemplateOptions::default())?;
///
/// let arena = Arena::new();
/// let messages = [("user", "Hi"), ("assistant", "Hello")].map(|(role, content)| {
///     let fields = [("role", Value::Str(role)), ("content", Value::Str(content))];
///     Map::new(arena.alloc_slice_copy(&fields))
/// });
/// let input = RenderInput {
///     messages: &messages,
///     ..RenderInput::default()
/// };
/// let mut rendered = Rendered::default();
/// template.render(&arena, &input, &mut rendered)?;
/// assert_eq!(rendered.text, "<user>Hi</s><assistant>Hello</s>");
///
/// // The turn starts after the generation prompt and includes its end.
/// let span = rendered.spans[0];
/// assert_eq!(&rendered.text[span.start as usize..span.end as usize], "Hello</s>");
/// assert_eq!(span.message, 1);
/// # Ok::<(), turnmill_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Template {
    source: String,
    options: TemplateOptions,
    program: turnmill_jinja::Template,
    learned: Learned,
    /// Rules for rows that set variables which the template reads, by these variables.
    varied: RwLock<FxHashMap<String, Arc<TurnRules>>>,
}

/// Rules are kept for this many different settings of variables.
const MAX_VARIED: usize = 256;

impl Template {
    /// Compiles a template and learns by probe what it does.
    ///
    /// A syntax error is an [`Error`] of kind `Template`, code `template-syntax`, with the line.
    /// A template whose turns cannot be located compiles; [`Template::require_spans`] says why.
    pub fn new(source: &str, options: &TemplateOptions) -> Result<Self> {
        let program = turnmill_jinja::Template::new(source)?;
        let mut template = Self {
            source: source.to_owned(),
            options: options.clone(),
            program,
            learned: Learned::default(),
            varied: RwLock::default(),
        };
        template.learned = probe::learn(&template);
        Ok(template)
    }

    /// Renders a conversation: text, fragments, spans and reasoning. `out` is cleared first.
    ///
    /// If transformers would raise, the error has code `template-error`, the template's line and,
    /// if known, the message. Beyond a limit the code is `template-budget`. Spans are empty if
    /// [`Template::require_spans`] fails; turns that cannot be located in this row only are in
    /// [`Rendered::unlocated`].
    pub fn render<'a>(
        &self,
        arena: &'a Arena,
        input: &RenderInput<'a>,
        out: &mut Rendered,
    ) -> Result<()> {
        let provenance = self.render_text(arena, input, self.options.limits, out)?;
        if self.learned.study.spans_refused.is_some() {
            return Ok(());
        }
        match self.varied_rules(input) {
            Some(rules) => self.locate(&provenance, input, &rules, out),
            None => self.locate(&provenance, input, &self.learned.rules, out),
        }
        Ok(())
    }

    /// The rules for a row that sets variables which the template reads.
    fn varied_rules(&self, input: &RenderInput<'_>) -> Option<Arc<TurnRules>> {
        if self.uses_tags() || !input.variables.iter().any(|(name, _)| self.reads(name)) {
            return None;
        }
        let mut key = String::new();
        for (name, value) in input.variables.iter().filter(|(name, _)| self.reads(name)) {
            let _ = write!(key, "{name}={value:?};");
        }
        let known = self.varied.read().ok()?.get(&key).cloned();
        if known.is_some() {
            return known;
        }
        let rules = Arc::new(probe::rules_with(self, input.variables));
        let mut varied = self.varied.write().ok()?;
        if varied.len() >= MAX_VARIED {
            varied.clear();
        }
        varied.insert(key, Arc::clone(&rules));
        Some(rules)
    }

    /// Limits of a render.
    pub(super) fn limits(&self) -> Limits {
        self.options.limits
    }

    /// Where spans come from.
    pub(super) fn span_source(&self) -> SpanSource {
        self.options.spans
    }

    fn uses_tags(&self) -> bool {
        match self.options.spans {
            SpanSource::Auto => self.program.has_generation(),
            SpanSource::Tags => true,
            SpanSource::Inferred => false,
        }
    }

    fn locate(
        &self,
        provenance: &Provenance<'_>,
        input: &RenderInput<'_>,
        rules: &TurnRules,
        out: &mut Rendered,
    ) {
        if self.uses_tags() {
            spans::tagged(provenance, input, out);
        } else {
            spans::inferred(provenance, input, rules, out);
        }
        reasoning::find(out, &self.learned.markers);
    }

    /// Renders text and fragments.
    pub(super) fn render_text<'r>(
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
        let mut provenance = self.program.render(arena, &inputs, &mut out.text)?;
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

    /// An error of code `template-spans` if the turns of this template cannot be located exactly.
    pub fn require_spans(&self) -> Result<()> {
        match &self.learned.study.spans_refused {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Whether the template has `{% generation %}` tags.
    pub fn has_generation_tags(&self) -> bool {
        self.program.has_generation()
    }

    /// Whether a longer conversation can render an earlier turn differently.
    pub fn rewrites_history(&self) -> bool {
        self.learned.study.rewrites_history
    }

    /// What the template does.
    pub fn study(&self) -> &Study {
        &self.learned.study
    }

    /// Constant text that the template can print: its own text and its string constants.
    pub fn literals(&self) -> &[String] {
        self.program.literals()
    }

    /// Whether the template reads a variable.
    pub fn reads(&self, name: &str) -> bool {
        self.program.variables().iter().any(|known| known == name)
    }

    /// Names that the template reads among the render's variables, sorted.
    pub fn variables(&self) -> &[String] {
        self.program.variables()
    }

    /// The source.
    pub fn source(&self) -> &str {
        &self.source
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
