//! A compiled chat template.

use super::{Options, RenderInput, Rendered, Study};
use crate::value::Arena;
use crate::{Error, ErrorKind, Result};

/// A compiled chat template, shared between threads.
#[derive(Debug)]
pub struct Template {
    source: String,
    study: Study,
    literals: Vec<String>,
}

impl Template {
    /// Compiles a template and learns by probe what it does.
    ///
    /// A syntax error is an [`Error`] of kind `Template`, code `template-syntax`, with the line.
    /// A template whose turns cannot be located compiles; [`Template::require_spans`] says why.
    pub fn new(source: &str, _options: &Options) -> Result<Self> {
        Ok(Self {
            source: source.to_owned(),
            study: Study::default(),
            literals: Vec::new(),
        })
    }

    /// Renders a conversation: text, pieces, spans and thoughts. `out` is cleared first.
    ///
    /// Where transformers raises: an error of code `template-error` with the template's line and,
    /// where known, the message. Spans are empty where [`Template::require_spans`] is an error.
    pub fn render<'a>(
        &self,
        _arena: &'a Arena,
        _input: &RenderInput<'a>,
        out: &mut Rendered,
    ) -> Result<()> {
        out.clear();
        Err(Error::new(
            ErrorKind::Internal,
            "template-engine",
            "the template engine is not built in",
        ))
    }

    /// An error of code `template-spans` if the turns of this template cannot be located exactly.
    pub fn require_spans(&self) -> Result<()> {
        match &self.study.spans_refused {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Whether a longer conversation can render an earlier turn differently.
    pub fn rewrites_history(&self) -> bool {
        self.study.rewrites_history
    }

    /// What the template does.
    pub fn study(&self) -> &Study {
        &self.study
    }

    /// Constant text that the template can print: its own text and its string constants.
    pub fn literals(&self) -> &[String] {
        &self.literals
    }

    /// The source.
    pub fn source(&self) -> &str {
        &self.source
    }
}
