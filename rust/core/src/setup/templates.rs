//! The chat template of a run: the tokenizer's own, a built-in one, a file, or source.

use serde_json::{Value as Json, json};

use super::probe;
use crate::recipe::{Recipe, Spans, SpecialInContent};
use crate::template::{LocalTime, Source, SpanSource, Template, TemplateOptions, find_source};
use crate::tokenizer::Tokenizer;
use crate::{Error, ErrorKind, Result};

/// The compiled templates of a run.
pub(crate) struct ChatTemplates {
    /// What the user would call it.
    pub(crate) name: String,
    default: Template,
    /// The template for rows with tools, if the tokenizer has a separate one, or why it cannot be
    /// used. That concerns only the rows that need it.
    tools: Option<Result<Template>>,
    tools_source: Option<String>,
    /// Whether transformers takes them from the tokenizer by itself.
    own: bool,
}

impl ChatTemplates {
    /// The template of rows without tools.
    pub(crate) fn plain(&self) -> &Template {
        &self.default
    }

    /// The template that transformers would use; an error if turns in it cannot be found.
    pub(crate) fn choose(&self, with_tools: bool) -> Result<&Template> {
        match &self.tools {
            Some(tools) if with_tools => tools.as_ref().map_err(Clone::clone),
            _ => Ok(&self.default),
        }
    }

    /// What decides the text of rows, and what they are called.
    pub(crate) fn facts(&self) -> Json {
        let template = &self.default;
        let hash = xxhash_rust::xxh3::xxh3_128(template.source().as_bytes());
        json!({
            "name": self.name,
            "own": self.own,
            "hash": format!("{hash:032x}"),
            "source": template.source(),
            "tools": self.tools_source,
            "rewrites_history": template.rewrites_history(),
            "reads_date": template.study().reads_date,
        })
    }

    /// The templates that can be used.
    pub(crate) fn usable(&self) -> impl Iterator<Item = &Template> {
        let tools = self.tools.iter().flatten();
        std::iter::once(&self.default).chain(tools)
    }

    /// Finds and compiles. `None` if the recipe names none and the tokenizer has none.
    pub(crate) fn load(
        recipe: &Recipe,
        tokenizer: &Tokenizer,
        now: LocalTime,
    ) -> Result<Option<Self>> {
        let options = TemplateOptions {
            special_tokens: tokenizer
                .special_tokens()
                .iter()
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
                .collect(),
            now,
            spans: match recipe.spans {
                Spans::Auto => SpanSource::Auto,
                Spans::Tags => SpanSource::Tags,
                Spans::Inferred => SpanSource::Inferred,
            },
            ..TemplateOptions::default()
        };
        let Some(source) = find(recipe, tokenizer)? else {
            return Ok(None);
        };
        let compile = |text: &str| {
            let template = Template::new(text, &options).map_err(|e| broken(&e, &source.name))?;
            template.require_spans()?;
            Ok::<_, Error>(template)
        };
        let tools = source.with_tools.as_deref().map(compile);
        Ok(Some(Self {
            default: compile(&source.text)?,
            tools: tools.map(|tools| tools.map_err(|error| for_tools(&error))),
            name: source.name,
            tools_source: source.with_tools,
            own: recipe.template.is_none() && tokenizer.templates().processor_file().is_none(),
        }))
    }

    /// Whether every template prints messages of this role, which the probes have tried.
    pub(crate) fn prints(&self, role: &str) -> bool {
        self.usable().all(|template| {
            let mut roles = template.study().roles.iter();
            roles.any(|study| study.role == role && study.accepted)
        })
    }

    /// Roles whose text the template prints only from a list of parts.
    pub(crate) fn part_roles(&self) -> Vec<String> {
        self.default.study().part_roles.clone()
    }

    /// Whether content that is a list of text parts reaches the template as a list: always in exact
    /// mode, else if the template prints the text of the parts.
    pub(crate) fn keeps_parts(&self, recipe: &Recipe) -> bool {
        recipe.special_in_content == SpecialInContent::Parse || prints_parts(&self.default)
    }
}

/// The chat template of a tokenizer, compiled; `None` if it has none.
pub fn template_of(tokenizer: &Tokenizer) -> Result<Option<Template>> {
    let Some(source) = tokenizer.templates().choose(false) else {
        return Ok(None);
    };
    compile(tokenizer, source).map(Some)
}

/// A chat template compiled with the special tokens of a tokenizer.
pub fn compile(tokenizer: &Tokenizer, source: &str) -> Result<Template> {
    let owned = |(name, text): (&str, &str)| (name.to_owned(), text.to_owned());
    let options = TemplateOptions {
        special_tokens: tokenizer.special_tokens().iter().map(owned).collect(),
        ..TemplateOptions::default()
    };
    Template::new(source, &options)
}

/// The error for rows with tools, whose template cannot be used.
fn for_tools(error: &Error) -> Error {
    let what = format!(
        "rows with tools need the tokenizer's template `tool_use`, which cannot be used: {}; \
         --template default renders them with the plain one",
        error.what()
    );
    Error::new(error.kind(), error.code(), what)
}

/// The error of a template that does not compile, with the file as its place.
fn broken(error: &Error, name: &str) -> Error {
    let what = format!("the chat template does not compile: {}", error.what());
    let mut told = Error::new(error.kind(), error.code(), what).at_path(name);
    if let Some(line) = error.location().line {
        told = told.at_line(line);
    }
    match error.hint_text() {
        Some(hint) => told.hint(hint),
        None => told,
    }
}

/// The template that the recipe names, or the tokenizer's own. A name of one of the tokenizer's
/// templates counts too.
fn find(recipe: &Recipe, tokenizer: &Tokenizer) -> Result<Option<Source>> {
    let own = tokenizer.templates();
    let of_tokenizer = |name: Option<&str>| {
        Source::of_tokenizer(tokenizer.path(), own, tokenizer.special_tokens(), name).map(Some)
    };
    match recipe.template.as_deref() {
        None if own.is_empty() => Ok(None),
        None => of_tokenizer(None),
        Some(name) if own.get(name).is_some() => of_tokenizer(Some(name)),
        Some(given) => find_source(given, None).map(Some),
    }
}

/// The error for conversations if there is no template.
pub(crate) fn missing() -> Error {
    Error::new(
        ErrorKind::Template,
        "no-template",
        "the rows are conversations, but the tokenizer has no chat template",
    )
    .hint("name the one the model is served with: --template chatml, or a .jinja file")
}

/// Whether a list of text parts renders like the plain text.
fn prints_parts(template: &Template) -> bool {
    let answer = r#"{"role":"assistant","content":"a"}"#;
    let plain = format!(r#"[{{"role":"user","content":"zx"}},{answer}]"#);
    let parts =
        format!(r#"[{{"role":"user","content":[{{"type":"text","text":"zx"}}]}},{answer}]"#);
    let plain = probe::render(template, &plain).map(|rendered| rendered.text);
    plain.is_some() && plain == probe::render(template, &parts).map(|rendered| rendered.text)
}
