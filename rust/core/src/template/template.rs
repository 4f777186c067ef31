//! A compiled chat template.

use std::fmt::Write as _;
use std::sync::{Arc, RwLock};

use rustc_hash::FxHashMap;

use super::engine::{self, Inputs, Output, Program, Val, is_space};
use super::prepare;
use super::probe::{self, Learned};
use super::spans::{self, TurnRules};
use super::thoughts;
use super::{Limits, Options, RenderInput, Rendered, SpanSource, Study};
use crate::value::{Arena, Value};
use crate::{Error, ErrorKind, Result};

/// A compiled chat template, shared between threads.
#[derive(Debug)]
pub struct Template {
    source: String,
    options: Options,
    program: Program,
    learned: Learned,
    /// Rules of rows that set variables the template reads, by those variables.
    varied: RwLock<FxHashMap<String, Arc<TurnRules>>>,
}

/// Kept for this many different settings of variables.
const MAX_VARIED: usize = 256;

/// How a turn of a longer conversation differs from what inference saw when it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// Not at all: the shorter render is a prefix of the longer one.
    No,
    /// Only text that the template writes differs.
    TemplateText,
    /// Text of the row is lost or changed.
    RowText,
}

impl Template {
    /// Compiles a template and learns by probe what it does.
    ///
    /// A syntax error is an [`Error`] of kind `Template`, code `template-syntax`, with the line.
    /// A template whose turns cannot be located compiles; [`Template::require_spans`] says why.
    pub fn new(source: &str, options: &Options) -> Result<Self> {
        let program = engine::compile(source).map_err(engine::SyntaxError::into_error)?;
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

    /// Renders a conversation: text, pieces, spans and thoughts. `out` is cleared first.
    ///
    /// Where transformers raises: an error of code `template-error` with the template's line and,
    /// where known, the message. Beyond a limit: `template-budget`. Spans are empty where
    /// [`Template::require_spans`] is an error; turns that only this row does not let anyone
    /// locate are in [`Rendered::unlocated`].
    pub fn render<'a>(
        &self,
        arena: &'a Arena,
        input: &RenderInput<'a>,
        out: &mut Rendered,
    ) -> Result<()> {
        let output = self.render_text(arena, input, self.options.limits, out)?;
        if self.learned.study.spans_refused.is_some() {
            return Ok(());
        }
        match self.varied_rules(input) {
            Some(rules) => self.locate(&output, input, &rules, out),
            None => self.locate(&output, input, &self.learned.rules, out),
        }
        Ok(())
    }

    /// Rules of their own for a row that sets variables which the template reads.
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

    /// Limits of one probe.
    pub(super) fn probe_limits(&self) -> Limits {
        Limits::PROBE.at_most(self.options.limits)
    }

    /// Where spans come from.
    pub(super) fn span_source(&self) -> SpanSource {
        self.options.spans
    }

    fn uses_tags(&self) -> bool {
        match self.options.spans {
            SpanSource::Auto => self.program.has_generation,
            SpanSource::Tags => true,
            SpanSource::Inferred => false,
        }
    }

    fn locate(
        &self,
        output: &Output<'_>,
        input: &RenderInput<'_>,
        rules: &TurnRules,
        out: &mut Rendered,
    ) {
        if self.uses_tags() {
            spans::tagged(&output.parts, &output.contexts, input, out);
        } else {
            spans::inferred(&output.parts, &output.contexts, input, rules, out);
        }
        thoughts::find(out, &self.learned.markers);
    }

    /// Renders text and pieces.
    pub(super) fn render_text<'r>(
        &'r self,
        arena: &'r Arena,
        input: &RenderInput<'r>,
        limits: Limits,
        out: &mut Rendered,
    ) -> Result<Output<'r>> {
        out.clear();
        let prepared = prepare::messages(input, &self.source, arena)?;
        let none_or = |value: Option<Value<'r>>| {
            value.map_or(Val::None, |value| Val::data(value, engine::Tag::VARIABLE))
        };
        let inputs = Inputs {
            messages: prepared.messages,
            tools: none_or(input.tools),
            documents: none_or(input.documents),
            add_generation_prompt: input.add_generation_prompt,
            variables: input.variables,
            special_tokens: &self.options.special_tokens,
            now: self.options.now,
        };
        let buffer = std::mem::take(&mut out.text);
        let (mut output, result) = engine::run(&self.program, inputs, limits, buffer, arena);
        out.text = std::mem::take(&mut output.text);
        if let Err(raise) = result {
            out.text.clear();
            return Err(raise.into_error());
        }
        if let Some(continued) = prepared.continued {
            cut_at_tag(&mut output, continued, out)?;
        }
        for part in &output.parts {
            let piece = super::Piece {
                end: part.end,
                origin: part.tag.origin(),
            };
            match out.pieces.last_mut() {
                Some(last) if last.origin == piece.origin => last.end = piece.end,
                _ => out.pieces.push(piece),
            }
        }
        Ok(output)
    }

    /// How turn `message` of a conversation, whose full render is `full`, differs from the render
    /// of the conversation up to it. `scratch` is overwritten.
    pub fn rewrite_of<'a>(
        &self,
        arena: &'a Arena,
        input: &RenderInput<'a>,
        message: u32,
        full: &Rendered,
        scratch: &mut Rendered,
    ) -> Result<Rewrite> {
        let until = (message as usize + 1).min(input.messages.len());
        let shorter = RenderInput {
            messages: &input.messages[..until],
            add_generation_prompt: false,
            ..*input
        };
        self.render_text(arena, &shorter, self.options.limits, scratch)?;
        if full.text.starts_with(&scratch.text) {
            return Ok(Rewrite::No);
        }
        let same = row_text(full, message) == row_text(scratch, message);
        Ok(if same {
            Rewrite::TemplateText
        } else {
            Rewrite::RowText
        })
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
        self.program.has_generation
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
        &self.program.literals
    }

    /// Whether the template reads a variable.
    pub fn reads(&self, name: &str) -> bool {
        self.program.variables.iter().any(|known| known == name)
    }

    /// Names that the template reads among the render's variables, sorted.
    pub fn variables(&self) -> &[String] {
        &self.program.variables
    }

    /// The source.
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// The text of messages up to `last` in a render, in order.
fn row_text(rendered: &Rendered, last: u32) -> String {
    let mut text = String::new();
    let mut start = 0;
    for piece in &rendered.pieces {
        if let super::Origin::Message { index, .. } = piece.origin
            && index <= last
        {
            text.push_str(&rendered.text[start..piece.end as usize]);
        }
        start = piece.end as usize;
    }
    text
}

/// Ends the text where the final message is to go on.
fn cut_at_tag(output: &mut Output<'_>, continued: &str, out: &mut Rendered) -> Result<()> {
    let tag = prepare::CONTINUE_TAG;
    let found = out.text.rfind(tag.trim_end());
    let (Some(at), true) = (found, out.text.contains(continued.trim_matches(is_space))) else {
        return Err(Error::new(
            ErrorKind::Template,
            "template-error",
            "continue_final_message is set but the final message does not appear in the render",
        ));
    };
    let keeps_space = out.text[at..].starts_with(tag);
    out.text.truncate(at);
    if !keeps_space {
        let length = out.text.trim_end_matches(is_space).len();
        out.text.truncate(length);
    }
    let end = out.text.len() as u32;
    let kept = output.parts.partition_point(|part| part.end < end);
    output.parts.truncate((kept + 1).min(output.parts.len()));
    if let Some(last) = output.parts.last_mut() {
        last.end = last.end.min(end);
    }
    Ok(())
}
