//! A compiled chat template.

use std::fmt::Write as _;
use std::sync::{Arc, RwLock};

use rustc_hash::FxHashMap;
use turnmill_jinja::Provenance;

use super::probe::{self, Learned};
use super::program::Program;
use super::reasoning;
use super::spans::{self, TurnRules};
use super::{RenderInput, Rendered, Study, TemplateOptions};
use crate::Result;
use crate::value::Arena;

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
    program: Program,
    learned: Learned,
    /// Rules for rows that set variables which the template reads, by these variables.
    varied: RwLock<FxHashMap<String, Arc<TurnRules>>>,
}

/// Rules are kept for this many different settings of variables.
const MAX_VARIED: usize = 256;

impl Template {
    /// Compiles a template and learns by probe what it does.
    ///
    /// A syntax error is an [`Error`](crate::Error) of kind `Template`, code `template-syntax`, with the line.
    /// A template whose turns cannot be located compiles; [`Template::require_spans`] says why.
    pub fn new(source: &str, options: &TemplateOptions) -> Result<Self> {
        let program = Program::new(source, options)?;
        let learned = probe::learn(&program);
        Ok(Self {
            program,
            learned,
            varied: RwLock::default(),
        })
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
        let provenance = self
            .program
            .render(arena, input, self.program.limits(), out)?;
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
        if self.program.uses_tags() || !input.variables.iter().any(|(name, _)| self.reads(name)) {
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
        let rules = Arc::new(probe::rules_with(&self.program, input.variables));
        let mut varied = self.varied.write().ok()?;
        if varied.len() >= MAX_VARIED {
            varied.clear();
        }
        varied.insert(key, Arc::clone(&rules));
        Some(rules)
    }

    fn locate(
        &self,
        provenance: &Provenance<'_>,
        input: &RenderInput<'_>,
        rules: &TurnRules,
        out: &mut Rendered,
    ) {
        if self.program.uses_tags() {
            spans::tagged(provenance, input, out);
        } else {
            spans::inferred(provenance, input, rules, out);
        }
        reasoning::find(out, &self.learned.markers);
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
        self.program.has_generation_tags()
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
        self.program.reads(name)
    }

    /// Names that the template reads among the render's variables, sorted.
    pub fn variables(&self) -> &[String] {
        self.program.variables()
    }

    /// The source.
    pub fn source(&self) -> &str {
        self.program.source()
    }
}
