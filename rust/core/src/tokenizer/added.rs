//! Added tokens beyond those of `tokenizer.json`, as transformers 5.24 adds them: what the
//! configuration declares, which also overrides the file, then special tokens that are only named.

use rustc_hash::{FxHashMap, FxHashSet};
use serde::Deserialize;
use serde_json::Value as Json;
use turnmill_bpe::AddedToken;
use turnmill_bpe::added::assign_ids;

use super::SpecialTokens;
use super::files::{Config, TokenizerFile};
use super::special::{special_token, token};
use crate::{Error, ErrorKind, Result};

/// The files that say which tokens there are.
pub(super) struct Declarations<'f> {
    pub(super) file: &'f TokenizerFile,
    /// `tokenizer_config.json`.
    pub(super) config: &'f Config,
    /// `added_tokens.json`, which counts only beside older configurations.
    pub(super) legacy: Option<&'f Config>,
    /// Tokens with a name.
    pub(super) special: &'f SpecialTokens,
}

/// Added tokens with their ids.
pub(super) struct Added {
    /// All, by id.
    pub(super) tokens: Vec<AddedToken>,
    /// What comes on top of `tokenizer.json`, in the order in which it is added.
    pub(super) further: Vec<AddedToken>,
    /// Those of them with an id of their own, which neither the file nor `added_tokens.json` has.
    pub(super) beyond: Vec<AddedToken>,
}

impl Declarations<'_> {
    /// All added tokens; `ids` are those of the model. Refuses a token whose declared id is not the
    /// one that it gets.
    pub(super) fn added(&self, ids: &FxHashMap<String, u32>) -> Result<Added> {
        let declared = self.declared();
        let in_files: FxHashSet<&str> = texts(self.file.added_tokens.iter().chain(&declared));
        let mut known = in_files.clone();
        let named: Vec<AddedToken> = self.named().collect();
        let named = named.iter().filter(|token| known.insert(&token.content));
        let mut further: Vec<AddedToken> = declared.iter().chain(named).cloned().collect();
        let special: FxHashSet<&str> = self.special.iter().map(|(_, text)| text).collect();
        for token in &mut further {
            token.special |= special.contains(token.content.as_str());
        }
        let lists = [&self.file.added_tokens[..], &further[..]];
        let tokens = assign_ids(&lists, |text| ids.get(text).copied(), ids.len() as u32);
        let given = tokens
            .iter()
            .map(|token| (token.content.as_str(), token.id));
        let given: FxHashMap<&str, u32> = given.collect();
        for token in &declared {
            let given = given.get(token.content.as_str());
            if let Some(given) = given.filter(|given| **given != token.id) {
                return Err(self.conflict(token, *given));
            }
        }
        let is_new = |token: &&AddedToken| {
            !in_files.contains(token.content.as_str()) && !ids.contains_key(&token.content)
        };
        let beyond = tokens.iter().filter(is_new).cloned().collect();
        Ok(Added {
            tokens,
            further,
            beyond,
        })
    }

    /// Tokens with ids, of the configuration or else of `added_tokens.json`; by id.
    fn declared(&self) -> Vec<AddedToken> {
        let mut tokens: Vec<AddedToken> =
            if let Some(declared) = self.config.get("added_tokens_decoder") {
                let entries = declared.as_object().into_iter().flatten();
                let tokens = entries.filter_map(|(id, value)| declared_token(id, value));
                tokens.collect()
            } else {
                self.legacy_tokens()
            };
        tokens.sort_by_key(|token| token.id);
        tokens
    }

    /// The tokens of `added_tokens.json`; the file's own token of the same id goes before one of them.
    fn legacy_tokens(&self) -> Vec<AddedToken> {
        let taken = self.file.added_tokens.iter().map(|token| token.id);
        let taken: FxHashSet<u32> = taken.collect();
        let extra: Vec<AddedToken> = self.extra().collect();
        let special = self.special.standard().chain(texts(&extra));
        let special: FxHashSet<&str> = special.collect();
        let entries = self.legacy.into_iter().flatten();
        let read = entries.filter_map(|(text, id)| {
            let id = u32::try_from(id.as_u64()?).ok()?;
            let special = special.contains(text.as_str());
            let token = AddedToken {
                id,
                special,
                normalized: !special,
                ..special_token(text)
            };
            (!taken.contains(&id)).then_some(token)
        });
        read.collect()
    }

    /// Tokens without ids: those with a name, then the further special ones.
    fn named(&self) -> impl Iterator<Item = AddedToken> {
        self.special.tokens().cloned().chain(self.extra())
    }

    fn extra(&self) -> impl Iterator<Item = AddedToken> {
        let list = |key: &str| {
            self.config
                .get(key)?
                .as_array()
                .filter(|list| !list.is_empty())
        };
        let entries = list("extra_special_tokens").or_else(|| list("additional_special_tokens"));
        entries.into_iter().flatten().filter_map(token)
    }

    fn conflict(&self, token: &AddedToken, given: u32) -> Error {
        let newer = self.config.contains_key("added_tokens_decoder");
        let name = ["added_tokens.json", "tokenizer_config.json"][usize::from(newer)];
        let vocab = self.file.model.vocab.0.iter();
        let holder = vocab
            .filter(|(_, id)| *id == token.id)
            .map(|(text, _)| text)
            .next();
        let hint = match holder {
            Some(holder) => format!(
                "transformers gives it {given} too, an id that the model never saw: in the vocab of \
                 tokenizer.json, rename {holder:?}, which has the id {}, to {:?}",
                token.id, token.content
            ),
            None => {
                "the two files are not of one tokenizer: get both from the same place".to_owned()
            }
        };
        let what = format!(
            "{name} gives {:?} the id {}, but in tokenizer.json it gets {given}",
            token.content, token.id
        );
        Error::new(ErrorKind::Tokenizer, "token-id-conflict", what).hint(hint)
    }
}

fn declared_token(id: &str, value: &Json) -> Option<AddedToken> {
    let mut token = AddedToken::deserialize(value).ok()?;
    token.id = id.parse().ok()?;
    Some(token)
}

/// The texts of tokens.
fn texts<'t>(tokens: impl IntoIterator<Item = &'t AddedToken>) -> FxHashSet<&'t str> {
    let texts = tokens.into_iter().map(|token| token.content.as_str());
    texts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The added tokens of a small tokenizer with these files beside it; or the error's hint.
    fn added(config: &str, legacy: Option<&str>) -> Result<Vec<(String, u32, bool)>, String> {
        let file = r#"{"model":{"vocab":{"a":0,"[UNUSED]":1}},
            "added_tokens":[{"id":2,"content":"<x>","special":false}]}"#;
        let object = |text: &str| -> Config { serde_json::from_str(text).unwrap() };
        let config = object(config);
        let legacy = legacy.map(object);
        let declarations = Declarations {
            file: &serde_json::from_str(file).unwrap(),
            config: &config,
            legacy: legacy.as_ref(),
            special: &SpecialTokens::read(&config, None),
        };
        let ids = FxHashMap::from_iter([("a".to_owned(), 0), ("[UNUSED]".to_owned(), 1)]);
        let found = declarations.added(&ids);
        let found = found.map_err(|error| error.hint_text().unwrap_or_default().to_owned())?;
        let tokens = found.tokens.into_iter();
        Ok(tokens
            .map(|token| (token.content, token.id, token.special))
            .collect())
    }

    fn row(text: &str, id: u32, special: bool) -> (String, u32, bool) {
        (text.to_owned(), id, special)
    }

    #[test]
    fn the_configuration_overrides_and_adds() {
        let config = r#"{"added_tokens_decoder":{"2":{"content":"<x>","special":true},
            "3":{"content":"<y>"}},"eos_token":"a","extra_special_tokens":["<z>"]}"#;
        let expected = [
            row("a", 0, true),
            row("<x>", 2, true),
            row("<y>", 3, false),
            row("<z>", 4, true),
        ];
        assert_eq!(added(config, None).unwrap(), expected);
    }

    #[test]
    fn the_older_file_counts_beside_an_older_configuration_only() {
        let legacy = Some(r#"{"<y>":3,"<ignored>":2}"#);
        let expected = [row("<x>", 2, false), row("<y>", 3, true)];
        assert_eq!(added(r#"{"eos_token":"<y>"}"#, legacy).unwrap(), expected);
        let newer = added(r#"{"added_tokens_decoder":{}}"#, legacy).unwrap();
        assert_eq!(newer, expected[..1]);
    }

    #[test]
    fn an_id_that_is_not_given_is_refused_with_what_to_do() {
        let config = r#"{"added_tokens_decoder":{"1":{"content":"<y>"}}}"#;
        let hint = added(config, None).unwrap_err();
        assert!(hint.contains(r#"rename "[UNUSED]""#), "{hint}");
        let hint = added("{}", Some(r#"{"<y>":7}"#)).unwrap_err();
        assert!(hint.contains("not of one tokenizer"), "{hint}");
    }
}
