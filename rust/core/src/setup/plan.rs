//! What is decided before the first row.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::stop_set::StopSet;
use super::structural::Structural;
use super::templates::{self, ChatTemplates};
use super::turn_end_probe::{self, TurnEnd};
use crate::chat::{Reader, RoleOrder, Schema, SchemaOptions, TextParts, Wire};
use crate::recipe::{self, Recipe, SpecialInContent, TrainOn};
use crate::template::{LocalTime, Study, Template};
use crate::tokenizer::{Backend, Tokenizer};
use crate::{Error, ErrorKind, Result};

/// Everything that rows need and that does not change from row to row.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) recipe: Recipe,
    pub(crate) tokenizer: Arc<Tokenizer>,
    /// The tokenizer's backend, which knows the structural tokens.
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) templates: Option<Arc<ChatTemplates>>,
    pub(crate) stop: StopSet,
    pub(crate) structural: Arc<Structural>,
    /// What ends a turn. Meaningless without templates.
    pub(crate) turn_end: TurnEnd,
    /// `template_kwargs` of the recipe as JSON; empty if there are none.
    pub(crate) template_kwargs: String,
    pub(crate) now: LocalTime,
}

impl Plan {
    pub(crate) fn new(recipe: Recipe, tokenizer: Tokenizer) -> Result<Self> {
        let tokenizer = Arc::new(tokenizer);
        let now = match &recipe.now {
            Some(text) => parse_now(text)?,
            None => LocalTime::default(),
        };
        let stop = StopSet::of(&recipe.stop, &tokenizer)?;
        let templates = ChatTemplates::load(&recipe, &tokenizer, now)?.map(Arc::new);
        let turn_end = match &templates {
            // A prompt ends in no turn, so nothing has to end it.
            Some(_) if recipe.train_on == TrainOn::Nothing => TurnEnd::Template { earlier: true },
            Some(templates) => turn_end_probe::find(&recipe, &tokenizer, templates.plain(), &stop)?,
            None => TurnEnd::Insert(turn_end_probe::inserted(&tokenizer, &stop)),
        };
        let structural = {
            let studies: Vec<&Study> = templates
                .iter()
                .flat_map(|templates| templates.usable())
                .map(Template::study)
                .collect();
            Arc::new(Structural::new(&tokenizer, &stop, &studies))
        };
        let backend = match recipe.special_in_content {
            SpecialInContent::Text => tokenizer.backend().with_structural(structural.ids())?,
            _ => Arc::clone(tokenizer.backend()),
        };
        let template_kwargs = if recipe.template_kwargs.is_empty() {
            String::new()
        } else {
            Json::Object(recipe.template_kwargs.clone()).to_string()
        };
        Ok(Self {
            recipe,
            tokenizer,
            backend,
            templates,
            stop,
            structural,
            turn_end,
            template_kwargs,
            now,
        })
    }

    /// The same plan with another choice of `history`.
    pub(crate) fn with_history(&self, history: recipe::History) -> Self {
        let mut plan = self.clone();
        plan.recipe.history = history;
        plan
    }

    /// The templates of conversations; an error if there is none.
    pub(crate) fn templates(&self) -> Result<&ChatTemplates> {
        self.templates.as_deref().ok_or_else(templates::missing)
    }

    /// The length of a sample if the recipe does not allow it.
    pub(crate) fn exceeding(&self, length: usize) -> Option<u32> {
        let length = length as u32;
        let most = self.recipe.max_length?;
        (length > most).then_some(length)
    }

    /// What becomes of the wire formats.
    pub(crate) fn wire(&self) -> Wire {
        match self.recipe.wire {
            recipe::Wire::Normalise => Wire::Normalise,
            recipe::Wire::Keep => Wire::Keep,
        }
    }

    /// A reader of rows of that schema.
    pub(crate) fn reader(&self, schema: Schema) -> Result<Reader> {
        let mut options = SchemaOptions::new(schema);
        options.fields = pairs(&self.recipe.fields);
        options.roles = pairs(&self.recipe.roles);
        options.ignore.clone_from(&self.recipe.ignore);
        options.carry.clone_from(&self.recipe.carry);
        options.role_order = match self.recipe.role_order {
            recipe::RoleOrder::Keep => RoleOrder::Keep,
            recipe::RoleOrder::Trim => RoleOrder::Trim,
        };
        options.prompts = self.recipe.train_on == TrainOn::Nothing;
        options.system.clone_from(&self.recipe.system);
        options.wire = self.wire();
        let templates = self.templates.as_ref();
        options.developer = templates.is_none_or(|templates| templates.prints("developer"));
        options.part_roles = templates.map_or_else(Vec::new, |templates| templates.part_roles());
        let keeps = self.templates.as_ref().map(|t| t.keeps_parts(&self.recipe));
        options.text_parts = match keeps {
            Some(true) => TextParts::Keep,
            _ => TextParts::Join,
        };
        Reader::new(&options)
    }

    /// The id that ends turns, if there is one.
    pub(crate) fn terminator(&self) -> Option<u32> {
        match self.turn_end {
            TurnEnd::Insert(id) => Some(id),
            TurnEnd::NextRole { otherwise, .. } => Some(otherwise),
            TurnEnd::Template { .. } => {
                let study = self.templates.as_ref()?.plain().study();
                let added = self.tokenizer.added_tokens().iter();
                let at = |text: &str| study.final_terminator.find(text);
                added
                    .filter(|token| self.stop.contains(token.id))
                    .filter_map(|token| Some((at(&token.content)?, token.id)))
                    .min()
                    .map(|(_, id)| id)
                    .or_else(|| self.stop.ids().first().copied())
            }
        }
    }

    pub(crate) fn template_facts(&self) -> Json {
        let templates = self.templates.as_ref();
        templates.map_or(Json::Null, |templates| templates.facts())
    }

    pub(crate) fn now_text(&self) -> String {
        let now = self.now;
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            now.year, now.month, now.day, now.hour, now.minute, now.second
        )
    }
}

/// Names of the input with those of the schema.
pub(crate) fn pairs(names: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let pairs = names.iter();
    pairs
        .map(|(theirs, ours)| (theirs.clone(), ours.clone()))
        .collect()
}

/// An error if the recipe names no tokenizer.
pub(crate) fn require_tokenizer(recipe: &Recipe) -> Result<()> {
    if !recipe.tokenizer.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Recipe,
        "no-tokenizer",
        "the recipe names no tokenizer",
    )
    .hint("--tokenizer DIR, a directory with tokenizer.json"))
}

/// Reads `YYYY-MM-DD` with an optional time.
fn parse_now(text: &str) -> Result<LocalTime> {
    read_now(text).ok_or_else(|| {
        Error::new(
            ErrorKind::Recipe,
            "bad-value",
            format!("`now` cannot be {text:?}"),
        )
        .hint("`now` takes 2026-11-23 or 2026-11-23T21:05:00")
    })
}

fn read_now(text: &str) -> Option<LocalTime> {
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00:00"));
    let numbers = |text: &str, separator| -> Option<Vec<u32>> {
        let parts = text.split(separator);
        parts.map(|part| part.parse().ok()).collect()
    };
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let (date, clock) = (numbers(date, '-')?, numbers(seconds, ':')?);
    let [year, month, day] = date[..] else {
        return None;
    };
    let (hour, minute, second) = match clock[..] {
        [hour, minute] => (hour, minute, 0),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    let valid = (1..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60
        && fraction.len() <= 6;
    let microsecond: u32 = format!("{fraction:0<6}").parse().ok()?;
    valid.then_some(LocalTime {
        year: year as i32,
        month,
        day,
        hour,
        minute,
        second,
        microsecond,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let now = read_now("2026-11-23T21:05:06.5").unwrap();
        assert_eq!((now.year, now.day, now.hour), (2026, 23, 21));
        assert_eq!(now.microsecond, 500_000);
        assert_eq!(read_now("2026-11-23").unwrap().hour, 0);
        assert_eq!(read_now("2026-13-23"), None);
        assert_eq!(read_now("today"), None);
    }
}
