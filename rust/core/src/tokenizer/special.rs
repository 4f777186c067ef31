//! Named special tokens of a tokenizer directory, found as transformers 5.24 finds them.

use serde::Deserialize;
use serde_json::Value as Json;
use turnmill_bpe::AddedToken;

use super::files::Config;

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
pub struct SpecialTokens(Vec<(String, AddedToken)>);

impl SpecialTokens {
    /// The text of a named token, such as `eos_token`; `None` if it is not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        let entry = self.0.iter().find(|(known, _)| known == name)?;
        Some(&entry.1.content)
    }

    /// Names with their texts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let tokens = self.0.iter();
        tokens.map(|(name, token)| (&name[..], &token.content[..]))
    }

    /// The tokens, with their properties and without ids.
    pub(super) fn tokens(&self) -> impl Iterator<Item = &AddedToken> {
        self.0.iter().map(|(_, token)| token)
    }

    /// The texts of the tokens whose names transformers knows by itself.
    pub(super) fn standard(&self) -> impl Iterator<Item = &str> {
        let known = self.iter().filter(|(name, _)| STANDARD.contains(name));
        known.map(|(_, text)| text)
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

    /// The tokens that a configuration names.
    pub(crate) fn in_json(value: &Json) -> Self {
        let config = value.as_object();
        config.map_or_else(Self::default, |config| Self::read(config, None))
    }

    fn set(&mut self, name: &str, value: Option<&Json>) {
        let Some(token) = value.and_then(token) else {
            return;
        };
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some(entry) => entry.1 = token,
            None => self.0.push((name.to_owned(), token)),
        }
    }
}

/// A special token given as its text or with its properties.
pub(super) fn token(value: &Json) -> Option<AddedToken> {
    let mut token = match value {
        Json::String(text) => special_token(text),
        _ => AddedToken::deserialize(value).ok()?,
    };
    token.special = true;
    Some(token)
}

/// A special token that is only a text; its id is not known.
pub(super) fn special_token(text: &str) -> AddedToken {
    AddedToken {
        id: 0,
        content: text.to_owned(),
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
    }
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
}
