//! The chat template of a run: the tokenizer's own, a built-in one, a file, or source.

use std::path::Path;

use super::probe;
use crate::recipe::{Recipe, Spans, SpecialInContent};
use crate::template::{LocalTime, Options, SpanSource, Template, builtin};
use crate::tokenizer::Tokenizer;
use crate::{Error, ErrorKind, Result};

/// The compiled templates of a run.
pub(super) struct ChatTemplates {
    /// What the user would call it.
    pub(super) name: String,
    default: Template,
    /// For rows with tools, where the tokenizer has one of its own for them.
    tools: Option<Template>,
}

impl ChatTemplates {
    /// The template that transformers would take.
    pub(super) fn choose(&self, with_tools: bool) -> &Template {
        match &self.tools {
            Some(tools) if with_tools => tools,
            _ => &self.default,
        }
    }

    /// Finds and compiles. `None` where the recipe names none and the tokenizer has none.
    pub(super) fn load(
        recipe: &Recipe,
        tokenizer: &Tokenizer,
        now: LocalTime,
    ) -> Result<Option<Self>> {
        let options = Options {
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
            ..Options::default()
        };
        let Some((name, default, tools)) = find(recipe, tokenizer)? else {
            return Ok(None);
        };
        let compile = |source: &str| {
            let template = Template::new(source, &options)?;
            template.require_spans()?;
            Ok::<_, Error>(template)
        };
        let tools = tools.map(|source| compile(&source)).transpose()?;
        Ok(Some(Self {
            name,
            default: compile(&default)?,
            tools,
        }))
    }

    /// Whether messages whose content is a list of text parts are passed on as they are: in exact
    /// mode always, else where the template prints the parts' text.
    pub(super) fn keeps_parts(&self, recipe: &Recipe) -> bool {
        recipe.special_in_content == SpecialInContent::Parse || prints_parts(&self.default)
    }
}

/// Name, source, and source for rows with tools.
type Found = (String, String, Option<String>);

fn find(recipe: &Recipe, tokenizer: &Tokenizer) -> Result<Option<Found>> {
    let own = tokenizer.templates();
    let Some(wanted) = &recipe.template else {
        let tools = own.get("tool_use").map(str::to_owned);
        let default = own.get("default").map(str::to_owned);
        return match (default, tools) {
            (Some(default), tools) => Ok(Some(("tokenizer".to_owned(), default, tools))),
            (None, Some(tools)) => Ok(Some(("tool_use".to_owned(), tools, None))),
            (None, None) if own.is_empty() => Ok(None),
            (None, None) => Err(unnamed(own.iter().map(|(name, _)| name))),
        };
    };
    if let Some(found) = builtin::find(wanted) {
        return Ok(Some((wanted.clone(), found.source.to_owned(), None)));
    }
    if let Some(source) = own.get(wanted) {
        return Ok(Some((wanted.clone(), source.to_owned(), None)));
    }
    if wanted.contains("{{") || wanted.contains("{%") {
        return Ok(Some(("source".to_owned(), wanted.clone(), None)));
    }
    let path = Path::new(wanted);
    if path
        .extension()
        .is_some_and(|extension| extension == "jinja")
        || path.is_file()
    {
        return Ok(Some((wanted.clone(), read(path)?, None)));
    }
    Err(unknown(wanted))
}

/// A template file, with universal newlines as Python opens it.
fn read(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).map_err(|cause| {
        let what = format!("cannot read the template: {cause}");
        Error::new(ErrorKind::Template, "unreadable-template", what).at_path(path)
    })?;
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}

fn unnamed<'n>(names: impl Iterator<Item = &'n str>) -> Error {
    let names: Vec<&str> = names.collect();
    Error::new(
        ErrorKind::Template,
        "no-default-template",
        "the tokenizer has several templates and none is the default",
    )
    .hint(format!(
        "choose: --template {}",
        names.join(" or --template ")
    ))
}

fn unknown(wanted: &str) -> Error {
    let names: Vec<&str> = builtin::ALL.iter().map(|builtin| builtin.name).collect();
    let error = Error::new(
        ErrorKind::Recipe,
        "unknown-template",
        format!("there is no template `{wanted}`"),
    );
    match crate::recipe::nearest(wanted, names.iter().copied()) {
        Some(near) => error.hint(format!("did you mean `{near}`? A file ends in .jinja")),
        None => error.hint(format!(
            "built-in: {}; or a .jinja file, or source",
            names.join(", ")
        )),
    }
}

/// The error of the first conversation where there is no template.
pub(super) fn missing() -> Error {
    Error::new(
        ErrorKind::Template,
        "no-template",
        "the tokenizer has no chat template, and the rows are conversations",
    )
    .hint("name the one the model is served with: --template chatml, or a .jinja file")
}

/// Whether a list of text parts renders as its text would.
fn prints_parts(template: &Template) -> bool {
    let answer = r#"{"role":"assistant","content":"a"}"#;
    let plain = format!(r#"[{{"role":"user","content":"zx"}},{answer}]"#);
    let parts =
        format!(r#"[{{"role":"user","content":[{{"type":"text","text":"zx"}}]}},{answer}]"#);
    let plain = probe::render(template, &plain).map(|rendered| rendered.text);
    plain.is_some() && plain == probe::render(template, &parts).map(|rendered| rendered.text)
}
