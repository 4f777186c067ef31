//! Finding a template: a directory, a file, a built-in name, or the source itself.

use std::path::Path;

use serde_json::Value as Json;

use super::builtin;
use crate::suggest::nearest;
use crate::tokenizer::{SpecialTokens, Templates, read_templates};
use crate::{Error, ErrorKind, Result};

/// A template that was found, with what its directory says about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// What it is called in messages and in the run record: a path, a built-in name, `inline`.
    pub name: String,
    /// The Jinja source.
    pub text: String,
    /// The source for conversations with tools, if the tokenizer has a separate one.
    pub with_tools: Option<String>,
    /// Named special tokens of the directory it came from, with their texts.
    pub special_tokens: Vec<(String, String)>,
}

impl Source {
    /// The template of a tokenizer; `name` chooses among several.
    pub fn of_tokenizer(
        path: &Path,
        templates: &Templates,
        special_tokens: &SpecialTokens,
        name: Option<&str>,
    ) -> Result<Self> {
        let chosen = match name {
            Some(name) => templates.get(name),
            None => templates.choose(false),
        };
        let text = chosen.ok_or_else(|| no_template(path, templates, name))?;
        let tools = templates.choose(true).filter(|tools| *tools != text);
        let owned = |(name, text): (&str, &str)| (name.to_owned(), text.to_owned());
        let path = match templates.processor_file() {
            Some(file) => path.join(file),
            None => path.to_owned(),
        };
        Ok(Self {
            name: path.display().to_string(),
            text: text.to_owned(),
            with_tools: tools.filter(|_| name.is_none()).map(str::to_owned),
            special_tokens: special_tokens.iter().map(owned).collect(),
        })
    }
}

/// Finds the template that `given` stands for: Jinja source (it holds `{{` or `{%`), a tokenizer
/// directory, a file, or the name of a built-in. JSON, in a file or not, is a configuration that
/// holds the template. `name` chooses among the templates of a directory or a configuration.
pub fn find_source(given: &str, name: Option<&str>) -> Result<Source> {
    if let Some(json) = read_json(given).filter(Json::is_object) {
        return in_json(Path::new("inline"), &json, name);
    }
    if given.contains("{{") || given.contains("{%") {
        return Ok(named("inline", given.to_owned()));
    }
    let path = Path::new(given);
    if path.is_dir() {
        let (templates, special_tokens) = read_templates(path)?;
        return Source::of_tokenizer(path, &templates, &special_tokens, name);
    }
    if path.is_file() {
        return read_file(path, name);
    }
    match builtin::find(given) {
        Some(builtin) => Ok(named(builtin.name, builtin.source.to_owned())),
        None => Err(not_found(given)),
    }
}

fn named(name: &str, text: String) -> Source {
    Source {
        name: name.to_owned(),
        text,
        ..Source::default()
    }
}

/// JSON that may hold a template: no template is JSON itself.
fn read_json(text: &str) -> Option<Json> {
    let starts = text.trim_start().starts_with(['{', '[', '"']);
    serde_json::from_str(text).ok().filter(|_| starts)
}

/// The template inside JSON, such as `tokenizer_config.json` or `chat_template.json`.
fn in_json(path: &Path, json: &Json, name: Option<&str>) -> Result<Source> {
    let templates = Templates::in_json(json);
    if templates.is_empty() {
        let what = "it is JSON, and holds no chat template";
        let error = Error::new(ErrorKind::Template, "no-chat-template", what);
        return Err(error.at_path(path).hint(
            "name a .jinja file, the tokenizer's directory, or JSON with the key `chat_template`",
        ));
    }
    Source::of_tokenizer(path, &templates, &SpecialTokens::in_json(json), name)
}

fn read_file(path: &Path, name: Option<&str>) -> Result<Source> {
    let unreadable = |what: String, hint: &str| {
        let error = Error::new(ErrorKind::Template, "unreadable-template", what);
        error.at_path(path).hint(hint)
    };
    let bytes = std::fs::read(path).map_err(|error| {
        let what = format!("cannot read the chat template: {error}");
        unreadable(what, "name a .jinja file that you may read")
    })?;
    if bytes.starts_with(b"GGUF") {
        let what = "it is a model for llama.cpp (GGUF), not a chat template".to_owned();
        return Err(unreadable(
            what,
            "name the directory of the model that it was made from",
        ));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let what = format!("the chat template is not UTF-8: {}", error.utf8_error());
        unreadable(what, "save it as UTF-8, or name a .jinja file")
    })?;
    if let Some(json) = read_json(&text) {
        return in_json(path, &json, name);
    }
    // Newlines are read as Python's text files read them.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    Ok(named(&path.display().to_string(), text))
}

fn not_found(given: &str) -> Error {
    let shown: String = given.chars().take(80).collect();
    let error = Error::new(
        ErrorKind::Template,
        "template-not-found",
        format!("`{shown}` is not a directory, file, built-in template or template source"),
    );
    let names = || builtin::ALL.iter().map(|builtin| builtin.name);
    error.hint(match nearest(given, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "built-in templates: {}",
            names().collect::<Vec<_>>().join(", ")
        ),
    })
}

fn no_template(path: &Path, templates: &Templates, name: Option<&str>) -> Error {
    let names: Vec<&str> = templates.iter().map(|(name, _)| name).collect();
    let (what, hint) = match name {
        Some(name) if !names.is_empty() => (
            format!("the tokenizer has no chat template called `{name}`"),
            format!("it has: {}", names.join(", ")),
        ),
        _ if names.is_empty() => (
            "the tokenizer has no chat template".to_owned(),
            "base models have none: name the template that the model is to learn, such as \
             --template chatml"
                .to_owned(),
        ),
        _ => (
            "the tokenizer has several chat templates and none is the default".to_owned(),
            format!("name one of: {}", names.join(", ")),
        ),
    };
    Error::new(ErrorKind::Template, "no-chat-template", what)
        .at_path(path)
        .hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_is_told_from_a_name() {
        let inline = find_source("{{ messages }}", None).unwrap();
        assert_eq!((&*inline.name, &*inline.text), ("inline", "{{ messages }}"));
        assert_eq!(find_source("chatml", None).unwrap().name, "chatml");
    }

    #[test]
    fn json_is_taken_apart() {
        let several = r#"{"chat_template": {"default": "{{ 1 }}", "tool_use": "{{ 2 }}"},
            "eos_token": "</s>"}"#;
        let found = find_source(several, None).unwrap();
        assert_eq!(found.text, "{{ 1 }}");
        assert_eq!(found.with_tools.as_deref(), Some("{{ 2 }}"));
        assert_eq!(
            found.special_tokens,
            [("eos_token".to_owned(), "</s>".to_owned())]
        );
        let named = find_source(several, Some("tool_use")).unwrap();
        assert_eq!((&*named.text, named.with_tools), ("{{ 2 }}", None));
        let none = find_source(r#"{"model_type": "x"}"#, None).unwrap_err();
        assert_eq!(none.code(), "no-chat-template");
    }

    #[test]
    fn a_misspelt_name_leads_to_the_nearest() {
        let error = find_source("lama-3", None).unwrap_err();
        assert_eq!(error.code(), "template-not-found");
        assert_eq!(error.hint_text(), Some("did you mean `llama-3`?"));
    }

    #[test]
    fn a_directory_without_a_template_says_what_to_name() {
        let error = find_source(env!("CARGO_MANIFEST_DIR"), None).unwrap_err();
        assert_eq!(error.code(), "no-chat-template");
        assert!(error.hint_text().unwrap().contains("chatml"));
    }
}
