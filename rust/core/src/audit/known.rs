//! What is known of tokenized data before its first row, and what follows from that after the last.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::report::Report;
use super::setup::{ends_turns, setup_findings};
use super::token_classes::TokenClasses;
use super::{learn, served};
use crate::recipe::StopToken;
use crate::rules::{Rule, grouped};
use crate::setup::{self, NamedStop, Served, named_stop_ids, served_stop_ids};
use crate::tokenizer::Tokenizer;
use crate::{Result, template::Template};

/// What is said of tokenized data.
#[derive(Clone, Debug, Default)]
pub struct Stated {
    /// The tokens that the serving side stops on; `None`: those of `served`, else what a server
    /// that loads the tokenizer stops on.
    pub stop: Option<Vec<StopToken>>,
    /// The model that will be served.
    pub served: Option<Served>,
    /// The source of the chat template; `None`: the tokenizer's own.
    pub template: Option<String>,
}

/// A tokenizer, a template and a stop set.
#[derive(Clone, Debug)]
pub struct Known {
    tokenizer: Arc<Tokenizer>,
    stated: Stated,
    stop: Vec<u32>,
    /// Findings on them.
    pub(super) findings: Found,
    /// The token by which the template ends turns.
    ends: Option<u32>,
    /// Why turns are found only by their labels, if they are.
    unknown_turns: Option<String>,
}

impl Known {
    /// Studies what is said. The classes are what the audit knows of each token.
    pub(super) fn of(tokenizer: &Arc<Tokenizer>, stated: Stated) -> Result<(Self, TokenClasses)> {
        let mut findings = Found::new();
        let stop = stop_set(tokenizer, &stated, &mut findings)?;
        let mut classes = TokenClasses::of_tokenizer(tokenizer, &stop);
        let (template, broken) = match compiled(tokenizer, &stated) {
            Ok(template) => (template, None),
            Err(error) => (None, Some(error)),
        };
        let learned = template
            .as_ref()
            .and_then(|template| learn(&mut classes, tokenizer, template).err());
        findings.extend(setup_findings(tokenizer, &stop, template.as_ref()));
        let ends = template
            .as_ref()
            .and_then(|template| ends_turns(tokenizer, template));
        let known = Self {
            tokenizer: Arc::clone(tokenizer),
            stated,
            stop,
            findings,
            ends,
            unknown_turns: broken.or(learned).map(|error| error.what().to_owned()),
        };
        Ok((known, classes))
    }

    /// The tokenizer.
    pub(super) fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.tokenizer
    }

    /// Compares the findings with the files of the model, and with those of the server.
    pub(super) fn conclude(&self, report: &mut Report) {
        if self.stated.stop.is_some() {
            self.find_untrained_stop(report);
        }
        if let Some(server) = &self.stated.served {
            let own = self.tokenizer.templates().choose(false);
            let template = self.stated.template.as_deref().or(own);
            served::compare(report, &self.tokenizer, server, template);
        }
    }

    /// Adds to the report as JSON what it depends on.
    pub(super) fn tell(&self, report: &Report, json: &mut Json) {
        let token = |id: &u32| json!({"id": id, "token": self.tokenizer.id_to_text(*id)});
        json["columns"] = report.columns.clone().into();
        json["stop"] = self.stop.iter().map(token).collect();
        json["notes"] = self.notes(report).into();
        if let Some(server) = &self.stated.served {
            json["serving_stop"] = server.stop.clone().into();
        }
        if let Some(doubt) = self.doubt(report) {
            json["doubt"] = doubt.into();
        }
    }

    /// Whether nothing says what the server stops on.
    fn is_guess(&self) -> bool {
        let stated = &self.stated;
        let says = stated.stop.is_some() || stated.served.is_some();
        !says && self.tokenizer.generation_eos().is_empty()
    }

    fn notes(&self, report: &Report) -> Vec<String> {
        let mut notes = Vec::new();
        if let (rows, Some(first)) = report.contradicted {
            notes.push(format!(
                "what is trained is read from `labels`, and the mask beside them differs in {} \
                 rows, first in row {first}: a trainer that reads the mask trains other tokens",
                grouped(rows)
            ));
        }
        if !report.labelled {
            notes.push(
                "no column says what is trained (labels, loss_mask, completion_mask, \
                 assistant_masks): every token is taken as trained"
                    .to_owned(),
            );
        }
        if let Some(why) = &self.unknown_turns {
            notes.push(format!("turns are found only by their labels: {why}"));
        }
        if self.is_guess() {
            notes.push(
                "there is no generation_config.json: the stop set is the tokenizer's eos alone; \
                 --serving DIR or --stop names the server's"
                    .to_owned(),
            );
        }
        notes
    }

    /// Says so if the stop set is a guess and something speaks against it.
    fn doubt(&self, report: &Report) -> Option<String> {
        let stops = |id: &u32| self.stop.contains(id);
        if !self.is_guess() || self.ends.as_ref().is_some_and(stops) {
            return None;
        }
        let why = match self.ends {
            Some(id) => format!(
                "the template ends turns in {}",
                self.tokenizer.id_to_text(id)
            ),
            None if report.get(Rule::WrongTerminator).is_some() => {
                "turns end in another".to_owned()
            }
            None => return None,
        };
        let guess = match &self.stop[..] {
            [] => "nothing".to_owned(),
            ids => self.tokenizer.ids_to_texts(ids).join(", "),
        };
        Some(format!(
            "the stop set is a guess ({guess}, the tokenizer's eos), and {why}: name what the \
             server stops on with --stop or --serving"
        ))
    }

    /// Finds stop tokens that the model's own files lack: it may never have learned them.
    fn find_untrained_stop(&self, report: &mut Report) {
        let mut own = served_stop_ids(&self.tokenizer);
        own.sort_unstable();
        let is_new = |id: &u32| !own.contains(id) && report.ends_turns(*id);
        let new: Vec<u32> = self.stop.iter().copied().filter(is_new).collect();
        if own.is_empty() || new.is_empty() {
            return;
        }
        let note = format!(
            "the model's files stop on {own:?}, not on {} {new:?}: if it never learned that, train \
             embeddings and head too (LoRA: modules_to_save = [\"embed_tokens\", \"lm_head\"])",
            self.tokenizer.ids_to_texts(&new).join(", ")
        );
        let rule = Rule::UntrainedTerminatorEmbedding;
        report.findings.add_to_all(rule, note);
    }
}

fn compiled(tokenizer: &Tokenizer, stated: &Stated) -> Result<Option<Template>> {
    match &stated.template {
        Some(source) => setup::compile(tokenizer, source).map(Some),
        None => setup::template_of(tokenizer),
    }
}

/// What was found before the first row.
type Found = Vec<(Rule, String)>;

/// The ids that end a turn; what is wrong with them is found.
fn stop_set(tokenizer: &Tokenizer, stated: &Stated, found: &mut Found) -> Result<Vec<u32>> {
    let ids = match (&stated.stop, &stated.served) {
        (Some(given), _) => named(given, tokenizer, found)?,
        (None, Some(server)) => server.stop.clone(),
        (None, None) => served_stop_ids(tokenizer),
    };
    if let Some(id) = ids.iter().find(|id| tokenizer.id_to_bytes(**id).is_empty()) {
        let note = format!("the tokenizer has no token of the stop id {id}");
        found.push((Rule::UnsetTerminator, note));
    }
    if let Some(unknown) = tokenizer.unknown_id().filter(|id| ids == [*id]) {
        let text = tokenizer.id_to_text(unknown);
        let note = format!("the stop token is the unknown token {text}");
        found.push((Rule::UnsetTerminator, note));
    }
    if let Some(note) = ignored_flag(tokenizer)? {
        found.push((Rule::EosFlagIgnored, note));
    }
    Ok(ids)
}

/// The ids of stop tokens that were named.
fn named(given: &[StopToken], tokenizer: &Tokenizer, found: &mut Found) -> Result<Vec<u32>> {
    let mut ids = Vec::new();
    for (word, named) in given.iter().zip(named_stop_ids(given, tokenizer)?) {
        match named {
            NamedStop::Id(id) => ids.push(id),
            NamedStop::Pieces(pieces) => {
                found.push((Rule::TerminatorNotAtomic, split(word, &pieces, tokenizer)));
            }
        }
    }
    Ok(ids)
}

fn split(word: &StopToken, pieces: &[u32], tokenizer: &Tokenizer) -> String {
    let StopToken::Text(text) = word else {
        return String::new();
    };
    let texts = tokenizer.ids_to_texts(pieces);
    format!("{text:?} is {} tokens: {texts:?}", pieces.len())
}

/// Whether `add_eos_token` is set but the tokenizer adds none.
fn ignored_flag(tokenizer: &Tokenizer) -> Result<Option<String>> {
    let eos = tokenizer.special_id("eos_token");
    let with = tokenizer.encode("a", true)?;
    let adds = eos.is_none() || with.last().copied() == eos;
    if !tokenizer.claims_eos() || adds {
        return Ok(None);
    }
    let without = tokenizer.encode("a", false)?;
    Ok(Some(format!(
        "add_eos_token is set, but 'a' gives {with:?} with special tokens, {without:?} without"
    )))
}
