//! Compares what stands before an answer in a training row with the prompt that a server sends.
//!
//! Some templates print one thing for inference and another for training: gemma-4 asks for an answer
//! after an empty thought channel that no row has, Llama 3 begins another answer after the last one.
//! A check of the finished rows finds this; here it is said before the first one.

use serde_json::{Map as JsonMap, Value as Json};

use super::probe;
use super::turn_end_probe::ONE_TURN;
use crate::recipe::{Reasoning, Recipe};
use crate::template::{Rendered, Template};

const QUESTION: &str = r#"[{"role":"user","content":"Hi"}]"#;
/// Variables that servers use to switch reasoning on and off.
pub(crate) const SWITCHES: [&str; 2] = ["enable_thinking", "thinking"];

/// What is different, one sentence each.
pub(super) fn notes(template: &Template, recipe: &Recipe) -> Vec<String> {
    let probe = Probe { template, recipe };
    let own = &recipe.template_kwargs;
    let openings = probe.openings(own).filter(|openings| !openings.agree());
    let difference = openings.and_then(|openings| probe.difference(&openings));
    difference.into_iter().chain(probe.begun_answer()).collect()
}

type Variables = JsonMap<String, Json>;

struct Probe<'p> {
    template: &'p Template,
    recipe: &'p Recipe,
}

/// What stands before an answer.
struct Openings {
    /// In a server's prompt.
    prompt: String,
    /// In a row, before the first character that is trained.
    row: String,
    /// Whether an empty think block is the last of it.
    skips: bool,
    /// Whether the row goes on as the prompt does, so that only a piece of a header is trained.
    goes_on: bool,
}

impl Openings {
    fn agree(&self) -> bool {
        self.row == self.prompt || self.goes_on
    }
}

impl Probe<'_> {
    fn render(&self, messages: &str, variables: &Variables, prompt: bool) -> Option<Rendered> {
        let variables = Json::Object(variables.clone()).to_string();
        probe::render_with(self.template, messages, &variables, prompt)
    }

    /// `None` if the template refuses the probe.
    fn openings(&self, variables: &Variables) -> Option<Openings> {
        let rendered = self.render(ONE_TURN, variables, false)?;
        let start = rendered.spans.first()?.start;
        let mut first = start;
        if self.recipe.reasoning != Reasoning::TrainEmpty {
            let empty = rendered.reasoning.iter().filter(|block| block.empty);
            for block in empty.filter(|block| block.start <= start) {
                first = first.max(block.end);
            }
        }
        let prompt = self.render(QUESTION, variables, true)?.text;
        let row = &rendered.text[..first as usize];
        Some(Openings {
            goes_on: rendered.text.starts_with(&prompt) && prompt.starts_with(row),
            row: row.to_owned(),
            skips: first > start,
            prompt,
        })
    }

    /// `None` if a server that switches reasoning sends what the row has.
    fn difference(&self, found: &Openings) -> Option<String> {
        let own = &self.recipe.template_kwargs;
        let is_free = |name: &&str| self.template.reads(name) && !own.contains_key(*name);
        let switches = SWITCHES.into_iter().filter(is_free);
        let switched: Vec<(Variables, Openings)> = switches
            .flat_map(|name| [(name, true), (name, false)])
            .filter_map(|(name, on)| {
                let mut variables = own.clone();
                variables.insert(name.to_owned(), on.into());
                let openings = self.openings(&variables)?;
                Some((variables, openings))
            })
            .collect();
        if switched.iter().any(|(_, other)| other.prompt == found.row) {
            return None;
        }
        let both = switched.into_iter().find(|(_, other)| other.agree());
        let cure = match both {
            _ if found.skips && found.row.starts_with(&found.prompt) => {
                "--reasoning train-empty trains it, so that the model writes it".to_owned()
            }
            Some((variables, _)) => format!(
                "train with --template-kwargs '{}' and serve with the same",
                Json::Object(variables)
            ),
            None => "train with a --template that prints both alike".to_owned(),
        };
        let (row, prompt) = apart(&found.row, &found.prompt);
        Some(format!(
            "before an answer training rows have {row:?} where the server's prompt has {prompt:?} \
             (prompt-parity): {cure}"
        ))
    }

    /// An answer that is begun after the last one, though nobody asked for it.
    fn begun_answer(&self) -> Option<String> {
        let row = self
            .render(ONE_TURN, &self.recipe.template_kwargs, false)?
            .text;
        let prompts = &self.template.study().generation_prompts;
        let mut prompts = prompts.iter().map(|(_, prompt)| prompt);
        let begun = prompts.find(|prompt| !prompt.trim().is_empty() && row.ends_with(&**prompt))?;
        Some(format!(
            "the template ends every row with {:?}, the start of an answer that does not follow \
             (generation-prompt-in-sample): it is not trained, and a --template that prints it only \
             with add_generation_prompt leaves it out",
            begun.trim()
        ))
    }
}

/// What follows the common start of two texts, not cut inside a marker.
fn apart<'t>(one: &'t str, other: &'t str) -> (&'t str, &'t str) {
    let same = one.char_indices().zip(other.chars());
    let last = same.take_while(|((_, sign), theirs)| sign == theirs).last();
    let at = last.map_or(0, |((at, sign), _)| at + sign.len_utf8());
    let opened = one[..at]
        .rfind('<')
        .filter(|open| !one[*open..at].contains('>'));
    let at = opened.unwrap_or(at);
    (&one[at..], &other[at..])
}
