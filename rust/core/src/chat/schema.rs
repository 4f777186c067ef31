//! The shapes of records: a table.
//!
//! It gives each schema its name, its meaning, what its answers are, its file in `schemas` and the
//! fields that it reads; detection, columns, the recipe, the command line and the documentation
//! follow it.

use std::fmt;

use super::fields::Field;
use crate::error::{Error, ErrorKind, Result};

/// What becomes of the answers in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// They are trained.
    Trained,
    /// Of two to one prompt, one is better.
    Paired,
    /// One has a verdict.
    Judged,
}

/// Gives the table to a macro.
macro_rules! with_schemas {
    ($macro:ident) => {
        $macro! {
            Messages "messages"
                "A list `messages` of objects with `role` and `content`, as transformers takes them."
                Trained messages [Messages Role Content System Tools Functions Weight Documents TemplateKwargs];
            Sharegpt "sharegpt"
                "A list `conversations` of objects with `from` and `value`."
                Trained sharegpt [Conversations From Value System Tools Functions Weight Documents TemplateKwargs];
            Alpaca "alpaca"
                "Texts `instruction`, `input` and `output` (or `query` and `response`), and perhaps `history` and `system`."
                Trained alpaca [Instruction Input Output History System Tools Functions Weight Documents TemplateKwargs];
            PromptCompletion "prompt-completion"
                "Two strings, or two lists of messages, `prompt` and `completion`."
                Trained prompt_completion [Role Content Prompt Completion System Tools Functions Weight Documents TemplateKwargs];
            Pairs "pairs"
                "A list `conversation` of objects with `human` and `assistant`."
                Trained pairs [Pairs Human Assistant System Tools Weight Documents TemplateKwargs];
            Gemini "gemini"
                "A list `contents` of objects with `role` and `parts`."
                Trained gemini [Contents SystemInstruction Tools Weight Documents TemplateKwargs];
            Xlam "xlam"
                "A text `query`, the calls that answer it in `answers`, and `tools`."
                Trained xlam [Query Answers System Tools Weight Documents TemplateKwargs];
            Preference "preference"
                "A prompt, the answer that was `chosen` and the one that was `rejected`: texts or messages."
                Paired preference [Prompt Chosen Rejected Messages Role Content From Value Instruction Input History System Tools Functions Weight Documents TemplateKwargs];
            Kto "kto"
                "One answer, and a `label` that says whether it is a good one."
                Judged kto [Prompt Completion Label Messages Role Content From Value Instruction Input Output History System Tools Functions Weight Documents TemplateKwargs];
            Segments "segments"
                "A list `segments` of texts as the model reads them, each with a `label` that says whether it is trained."
                Trained segments [Segments Weight];
            Text "text"
                "A document `text`, trained as a whole."
                Trained text [Text Weight];
        }
    };
}
pub(super) use with_schemas;

macro_rules! schema {
    ($($variant:ident $name:literal $meaning:literal $answers:ident $_:ident [$($field:ident)+];)*) => {
        /// The shape of input records.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Schema {
            $(#[doc = $meaning] $variant,)*
        }

        impl Schema {
            /// Every schema that can be read.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in recipes and messages.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What its rows hold.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// What becomes of the answers in its rows.
            pub fn answers(self) -> Answers {
                match self { $(Self::$variant => Answers::$answers,)* }
            }

            /// The fields that it reads.
            pub(super) fn fields(self) -> &'static [Field] {
                match self { $(Self::$variant => &[$(Field::$field,)+],)* }
            }
        }
    };
}

with_schemas!(schema);

impl Schema {
    /// The schema of that name.
    pub fn from_name(name: &str) -> Result<Self> {
        if let Some(schema) = Self::ALL.iter().find(|schema| schema.name() == name) {
            return Ok(*schema);
        }
        Err(Error::new(
            ErrorKind::Recipe,
            "unknown-schema",
            format!("there is no schema `{name}`"),
        )
        .hint(format!("one of: auto, {}", Self::names())))
    }

    /// Whether its rows judge their answers, so that bad ones are not trained as good ones.
    pub fn judges(self) -> bool {
        self.answers() != Answers::Trained
    }

    /// The names of all, for messages.
    fn names() -> String {
        let names: Vec<&str> = Self::ALL.iter().map(|schema| schema.name()).collect();
        names.join(", ")
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_have_names() {
        for schema in Schema::ALL.iter().copied() {
            assert_eq!(Schema::from_name(schema.name()).unwrap(), schema);
        }
        assert_eq!(
            Schema::from_name("chatml").unwrap_err().code(),
            "unknown-schema"
        );
    }
}
