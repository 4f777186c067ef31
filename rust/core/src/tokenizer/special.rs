//! Named special tokens and chat templates of a tokenizer directory, found as transformers 5.23
//! finds them.

use std::path::Path;

use serde_json::Value as Json;

use super::files::{Config, token_text};
use crate::{Error, ErrorKind, Result};

/// Names that transformers knows by itself.
const STANDARD: &[&str] = &[
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
];

/// Named special tokens with their texts, in the order in which templates get them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpecialTokens(Vec<(String, String)>);

impl SpecialTokens {
    /// The text of a named token, such as `eos_token`; `None` if it is not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        let entry = self.0.iter().find(|(known, _)| known == name)?;
        Some(&entry.1)
    }

    /// Names with their texts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (&name[..], &text[..]))
    }

    /// Reads the configuration. `map` is `special_tokens_map.json`. It counts only if the
    /// configuration has no `added_tokens_decoder`, and then overrides the configuration.
    pub(super) fn read(config: &Config, map: Option<&Config>) -> Self {
        let mut found = Self::default();
        let sources = match map {
            Some(map) if !config.contains_key("added_tokens_decoder") => vec![config, map],
            _ => vec![config],
        };
        for source in sources {
            for name in STANDARD {
                found.set(name, source.get(*name));
            }
            for (name, value) in source {
                if name.ends_with("_token") && !STANDARD.contains(&&name[..]) {
                    found.set(name, Some(value));
                }
            }
            if let Some(Json::Object(extra)) = source.get("extra_special_tokens") {
                for (name, value) in extra {
                    found.set(name, Some(value));
                }
            }
        }
        found
    }

    fn set(&mut self, name: &str, value: Option<&Json>) {
        let Some(text) = value.and_then(token_text) else {
            return;
        };
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some(entry) => text.clone_into(&mut entry.1),
            None => self.0.push((name.to_owned(), text.to_owned())),
        }
    }
}

/// Chat templates by name; the only one of a tokenizer is called `default`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Templates(Vec<(String, String)>);

impl Templates {
    /// The source of a named template.
    pub fn get(&self, name: &str) -> Option<&str> {
        let entry = self.0.iter().find(|(known, _)| known == name)?;
        Some(&entry.1)
    }

    /// Names with their sources.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, source)| (&name[..], &source[..]))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The template that transformers uses if none is named: `tool_use` for rows with tools, if
    /// there is one, else `default`.
    pub fn choose(&self, with_tools: bool) -> Option<&str> {
        if with_tools && let Some(source) = self.get("tool_use") {
            return Some(source);
        }
        self.get("default")
    }

    /// Templates in files win over those in the configuration, all or nothing.
    pub(super) fn read(directory: &Path, config: &Config) -> Result<Self> {
        let mut found = Self::default();
        let default = directory.join("chat_template.jinja");
        if default.is_file() {
            found.0.push(("default".to_owned(), text(&default)?));
        }
        let additional = directory.join("additional_chat_templates");
        let mut files: Vec<_> = std::fs::read_dir(&additional)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        files.retain(|path: &std::path::PathBuf| path.extension().is_some_and(|e| e == "jinja"));
        files.sort();
        for file in files {
            let name = file.file_stem().unwrap_or_default().to_string_lossy();
            found.0.push((name.into_owned(), text(&file)?));
        }
        if found.is_empty() {
            found.0 = from_config(config);
        }
        Ok(found)
    }
}

fn from_config(config: &Config) -> Vec<(String, String)> {
    match config.get("chat_template") {
        Some(Json::String(source)) => vec![("default".to_owned(), source.clone())],
        Some(Json::Array(named)) => named
            .iter()
            .filter_map(|entry| {
                let name = entry.get("name")?.as_str()?;
                let source = entry.get("template")?.as_str()?;
                Some((name.to_owned(), source.to_owned()))
            })
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
    })?;
    if !text.contains('\r') {
        return Ok(text);
    }
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn unset_tokens_are_absent_and_named_ones_are_found() {
        let tokens = SpecialTokens::read(
            &config(
                r#"{"bos_token":null,"eos_token":{"__type":"AddedToken","content":"</s>"},
                "image_token":"<i>","extra_special_tokens":{"boi":"<b>"}}"#,
            ),
            None,
        );
        assert_eq!(tokens.get("bos_token"), None);
        assert_eq!(tokens.get("eos_token"), Some("</s>"));
        assert_eq!(tokens.get("image_token"), Some("<i>"));
        assert_eq!(tokens.get("boi"), Some("<b>"));
    }

    #[test]
    fn the_map_counts_only_for_old_configurations() {
        let map = config(r#"{"eos_token":"<new>"}"#);
        let old = SpecialTokens::read(&config(r#"{"eos_token":"<old>"}"#), Some(&map));
        assert_eq!(old.get("eos_token"), Some("<new>"));
        let new = config(r#"{"eos_token":"<old>","added_tokens_decoder":{}}"#);
        let new = SpecialTokens::read(&new, Some(&map));
        assert_eq!(new.get("eos_token"), Some("<old>"));
    }

    #[test]
    fn a_list_of_templates_is_chosen_from_by_tools() {
        let named = config(
            r#"{"chat_template":[{"name":"default","template":"D"},{"name":"tool_use","template":"T"}]}"#,
        );
        let templates = Templates(from_config(&named));
        assert_eq!(templates.choose(false), Some("D"));
        assert_eq!(templates.choose(true), Some("T"));
    }
}
