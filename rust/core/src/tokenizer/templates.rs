//! The chat templates of a directory, found as transformers 5.24 finds them.
//!
//! `AutoTokenizer` reads `chat_template.jinja`, `additional_chat_templates/` and
//! `tokenizer_config.json`. `AutoProcessor`, which models for pictures and sound are loaded with,
//! also reads `chat_template.json` and `processor_config.json`. Here they count where the tokenizer
//! has no template, and are named where they say something else.

use std::path::Path;

use serde_json::Value as Json;

use super::files::{Config, read_object};
use crate::{Error, ErrorKind, Result};

/// Where only `AutoProcessor` looks, in the order in which it does.
const PROCESSOR_FILES: [&str; 2] = ["processor_config.json", "chat_template.json"];

type Named = Vec<(String, String)>;

/// Chat templates by name; the only one of a tokenizer is called `default`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Templates {
    named: Named,
    processor: Processor,
}

/// What the files of the processor say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Processor {
    /// Nothing, or the same as those of the tokenizer.
    #[default]
    Agrees,
    /// The templates are theirs: this file holds them, and the tokenizer has none.
    Alone(&'static str),
    /// This file holds another template than the tokenizer.
    Differs(&'static str),
}

impl Templates {
    /// The source of a named template.
    pub fn get(&self, name: &str) -> Option<&str> {
        let entry = self.named.iter().find(|(known, _)| known == name)?;
        Some(&entry.1)
    }

    /// Names with their sources.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let named = self.named.iter();
        named.map(|(name, source)| (&name[..], &source[..]))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// The template that transformers uses if none is named: `tool_use` for rows with tools, if
    /// the tokenizer has one, else `default`.
    pub fn choose(&self, with_tools: bool) -> Option<&str> {
        if with_tools
            && self.processor_file().is_none()
            && let Some(source) = self.get("tool_use")
        {
            return Some(source);
        }
        self.get("default")
    }

    /// The file of the processor that the templates come from, if the tokenizer has none.
    pub fn processor_file(&self) -> Option<&'static str> {
        match self.processor {
            Processor::Alone(file) => Some(file),
            _ => None,
        }
    }

    /// The file of the processor that holds another template than the tokenizer.
    pub fn differing_file(&self) -> Option<&'static str> {
        match self.processor {
            Processor::Differs(file) => Some(file),
            _ => None,
        }
    }

    /// The templates inside JSON: below `chat_template` in a configuration, else the whole of it.
    pub(crate) fn in_json(value: &Json) -> Self {
        let named = match value {
            Json::Object(config) => named(config.get("chat_template")),
            _ => named(Some(value)),
        };
        Self {
            named,
            processor: Processor::Agrees,
        }
    }

    pub(super) fn read(directory: &Path, config: &Config) -> Result<Self> {
        let own = of_tokenizer(directory, config)?;
        let processor = of_processor(directory);
        if own.is_empty() {
            let found = processor?;
            return Ok(found.map_or_else(Self::default, |(file, named)| Self {
                named,
                processor: Processor::Alone(file),
            }));
        }
        // The tokenizer does without the processor's files, whatever is wrong with them.
        let default = |named: &Named| named.iter().find(|(name, _)| name == "default").cloned();
        let other = processor.unwrap_or_default();
        let other = other.filter(|(_, theirs)| default(theirs) != default(&own));
        Ok(Self {
            named: own,
            processor: other.map_or(Processor::Agrees, |(file, _)| Processor::Differs(file)),
        })
    }
}

/// Templates in files win over those in the configuration, all or nothing.
fn of_tokenizer(directory: &Path, config: &Config) -> Result<Named> {
    let mut found = Vec::new();
    let default = directory.join("chat_template.jinja");
    if default.is_file() {
        found.push(("default".to_owned(), text(&default)?));
    }
    let additional = directory.join("additional_chat_templates");
    let mut files: Vec<_> = std::fs::read_dir(&additional)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.retain(|path: &std::path::PathBuf| path.extension().is_some_and(|e| e == "jinja"));
    files.sort();
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        found.push((name.into_owned(), text(&file)?));
    }
    if found.is_empty() {
        found = named(config.get("chat_template"));
    }
    Ok(found)
}

/// The first file of the processor that holds templates, with them.
fn of_processor(directory: &Path) -> Result<Option<(&'static str, Named)>> {
    for file in PROCESSOR_FILES {
        let config = read_object(directory, file)?.unwrap_or_default();
        let found = named(config.get("chat_template"));
        if !found.is_empty() {
            return Ok(Some((file, found)));
        }
    }
    Ok(None)
}

/// Templates as they stand in JSON: one source, or several with their names.
fn named(value: Option<&Json>) -> Named {
    let entry = |(name, source): (&str, &str)| (name.to_owned(), source.to_owned());
    match value {
        Some(Json::String(source)) => vec![entry(("default", source))],
        Some(Json::Array(list)) => list
            .iter()
            .filter_map(|item| Some((item.get("name")?.as_str()?, item.get("template")?.as_str()?)))
            .map(entry)
            .collect(),
        Some(Json::Object(map)) => map
            .iter()
            .filter_map(|(name, source)| Some((&name[..], source.as_str()?)))
            .map(entry)
            .collect(),
        _ => Vec::new(),
    }
}

/// A text file with universal newlines, as Python opens it.
fn text(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::new(
            ErrorKind::Tokenizer,
            "unreadable-template",
            format!("cannot read the chat template: {error}"),
        )
        .at_path(path)
        .hint("get the file again; a chat template is text in UTF-8")
    })?;
    if !text.contains('\r') {
        return Ok(text);
    }
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_json(text: &str) -> Templates {
        Templates::in_json(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn a_list_of_templates_is_chosen_from_by_tools() {
        for text in [
            r#"{"chat_template":[{"name":"default","template":"D"},{"name":"tool_use","template":"T"}]}"#,
            r#"{"chat_template":{"default":"D","tool_use":"T"}}"#,
        ] {
            let templates = in_json(text);
            assert_eq!(templates.choose(false), Some("D"));
            assert_eq!(templates.choose(true), Some("T"));
        }
    }

    #[test]
    fn a_source_is_found_in_a_configuration_and_in_a_string() {
        for text in [r#"{"chat_template":"D"}"#, r#""D""#] {
            assert_eq!(in_json(text).choose(false), Some("D"));
        }
        assert!(in_json(r#"{"model_type":"D"}"#).is_empty());
    }
}
