//! The serving side: what it stops on, and the chat template of its prompts.

use std::path::Path;

use super::served_stop_ids;
use crate::Result;
use crate::tokenizer::{Tokenizer, read_generation_eos, read_templates};

/// A model as it will be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Ids that end a generation.
    pub stop: Vec<u32>,
    /// The source of its chat template, if it has one.
    pub template: Option<String>,
}

impl Served {
    /// A server that loads the directory of a tokenizer.
    pub fn of(tokenizer: &Tokenizer) -> Self {
        Self {
            stop: served_stop_ids(tokenizer),
            template: tokenizer.templates().choose(false).map(str::to_owned),
        }
    }

    /// A directory without a tokenizer, such as the `serving/` of an output; `None` if it has one,
    /// or does not say what the model stops on.
    pub fn without_tokenizer(directory: &Path) -> Result<Option<Self>> {
        if directory.join("tokenizer.json").is_file() {
            return Ok(None);
        }
        let stop = read_generation_eos(directory)?;
        if stop.is_empty() {
            return Ok(None);
        }
        let (templates, _) = read_templates(directory)?;
        let template = templates.choose(false).map(str::to_owned);
        Ok(Some(Self { stop, template }))
    }
}
