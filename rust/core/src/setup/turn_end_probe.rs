//! Finds what ends a turn: the template's own terminator, or an id that must be inserted.
//!
//! Templates fall into four groups. Most print a stop token after every turn. Some print one only
//! after the last turn (gpt-oss) and must not train the others. In some the marker of the next role
//! is the stop token (GLM), so the last turn of a conversation lacks it. Some print nothing, so the
//! eos is inserted. Anything else is an error: a template that ends turns with a token on which the
//! server does not stop would train a model that never ends. A probe of two turns tells these apart
//! before the first row, when the user can still change the recipe.

use super::StopSet;
use super::{probe, templates};
use crate::recipe::{Eos, Recipe};
use crate::template::{Template, builtin};
use crate::tokenizer::{Encoding, Input, Tokenizer};
use crate::{Error, ErrorKind, Result};

/// What ends a trained turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnEnd {
    /// The template prints a stop id inside the turn's text.
    Template {
        /// Whether earlier turns end like this too. If not, they are not trained.
        earlier: bool,
    },
    /// The marker of the next role ends a turn. After the last turn a marker is inserted.
    NextRole {
        /// The marker after tool calls, if there is one.
        after_calls: Option<u32>,
        /// The marker after any other turn.
        otherwise: u32,
    },
    /// The template never ends a turn, so this id is inserted.
    Insert(u32),
}

const ONE_TURN: &str = r#"[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"}]"#;

/// Renders two exchanges (or one, if the template refuses two) and looks at what follows each
/// answer.
pub(crate) fn find(
    recipe: &Recipe,
    tokenizer: &Tokenizer,
    template: &Template,
    stop: &StopSet,
) -> Result<TurnEnd> {
    const TWO_TURNS: &str = r#"[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"},
        {"role":"user","content":"Bye"},{"role":"assistant","content":"Yes"}]"#;
    let probed = probe::render(template, TWO_TURNS).or_else(|| probe::render(template, ONE_TURN));
    let Some(rendered) = probed else {
        // The template takes only special conversations, so the contract has to judge each row.
        return Ok(TurnEnd::Template { earlier: true });
    };
    let segments: Vec<Segment> = rendered
        .spans
        .iter()
        .map(|span| Segment::of(&rendered.text, span.content_end, span.end, tokenizer))
        .collect::<Result<_>>()?;
    let Some((last, earlier)) = segments.split_last() else {
        return Ok(TurnEnd::Template { earlier: true });
    };
    if let Some(id) = last.overshoots(tokenizer, stop) {
        return Err(wrong_terminator(id, recipe, tokenizer, stop));
    }
    if last.stops(stop) {
        return Ok(TurnEnd::Template {
            earlier: earlier.iter().all(|segment| segment.stops(stop)),
        });
    }
    if let Some(markers) = next_role(template, tokenizer, stop) {
        return Ok(markers);
    }
    if !last.text.trim().is_empty() {
        return Err(last.refused(recipe, tokenizer, stop));
    }
    match recipe.eos {
        Eos::Ensure => Ok(TurnEnd::Insert(inserted(tokenizer, stop))),
        Eos::Template => Err(Error::new(
            ErrorKind::Recipe,
            "missing-terminator",
            "the template never ends an assistant turn, and `eos = template` forbids adding an end",
        )
        .hint("use --eos ensure, which inserts the eos id after each trained turn")),
    }
}

/// The id to insert: the tokenizer's eos if serving stops on it, else the first stop id.
pub(crate) fn inserted(tokenizer: &Tokenizer, stop: &StopSet) -> u32 {
    let eos = tokenizer.special_id("eos_token");
    eos.filter(|id| stop.contains(*id))
        .or_else(|| stop.ids().first().copied())
        .unwrap_or_default()
}

/// What a template prints after the content of a turn.
struct Segment {
    text: String,
    ids: Vec<u32>,
}

impl Segment {
    fn of(text: &str, start: u32, end: u32, tokenizer: &Tokenizer) -> Result<Self> {
        let mut encoding = Encoding::default();
        let marks = [start, end];
        let input = Input {
            text,
            content: &[],
            cuts: &[],
            marks: &marks,
        };
        let backend = tokenizer.backend();
        backend.encode(&mut *backend.scratch(), &input, &mut encoding)?;
        let first = encoding.marks[0].token as usize;
        let last = encoding.marks[1].token as usize + usize::from(encoding.marks[1].straddles);
        Ok(Self {
            text: text[start as usize..end as usize].to_owned(),
            ids: encoding.ids[first..last.max(first)].to_vec(),
        })
    }

    fn stops(&self, stop: &StopSet) -> bool {
        self.ids.iter().any(|id| stop.contains(*id))
    }

    /// The control token right after the content, if serving stops only on a later one. The model
    /// would learn to write both.
    fn overshoots(&self, tokenizer: &Tokenizer, stop: &StopSet) -> Option<u32> {
        let mut added = self.ids.iter().copied();
        let first = added.find(|id| tokenizer.added_token(*id).is_some())?;
        (!stop.contains(first) && self.stops(stop)).then_some(first)
    }

    /// Why this segment does not end a turn.
    fn refused(&self, recipe: &Recipe, tokenizer: &Tokenizer, stop: &StopSet) -> Error {
        let found = self
            .ids
            .iter()
            .find(|id| tokenizer.added_token(**id).is_some());
        match found {
            Some(id) => wrong_terminator(*id, recipe, tokenizer, stop),
            None => self.not_atomic(recipe, tokenizer, stop),
        }
    }

    fn not_atomic(&self, recipe: &Recipe, tokenizer: &Tokenizer, stop: &StopSet) -> Error {
        let pieces: Vec<String> = self
            .ids
            .iter()
            .map(|id| format!("{:?} ({id})", tokenizer.id_to_text(*id)))
            .collect();
        Error::new(
            ErrorKind::Template,
            "terminator-not-atomic",
            format!(
                "the template ends turns with {:?}, which this tokenizer has no token for: {}",
                self.text.trim(),
                pieces.join(", ")
            ),
        )
        .hint(either(
            other_template(recipe, tokenizer, stop),
            "add the token to the tokenizer and train its embedding",
        ))
    }
}

/// A hint that names templates whose turns end in a stop token; `None` if there are none.
fn other_template(recipe: &Recipe, tokenizer: &Tokenizer, stop: &StopSet) -> Option<String> {
    let own = tokenizer.templates().choose(false);
    let fits = |source: &str| stops_turns(source, tokenizer, stop);
    if recipe.template.is_some() && own.is_some_and(fits) {
        let hint = "leave --template out: the tokenizer has a chat template of its own";
        return Some(hint.to_owned());
    }
    let names: Vec<String> = builtin::ALL
        .iter()
        .filter(|builtin| !builtin.stop_tokens.is_empty() && fits(builtin.source))
        .map(|builtin| format!("--template {}", builtin.name))
        .collect();
    if !names.is_empty() {
        return Some(format!(
            "choose a template whose terminator the tokenizer has: {}",
            names.join(" or ")
        ));
    }
    let plain = builtin::find("alpaca").filter(|builtin| fits(builtin.source))?;
    Some(format!(
        "choose a template that ends turns with the tokenizer's own eos, such as --template {}",
        plain.name
    ))
}

/// Whether turns of a template end in a stop token, and in no other control token before it.
fn stops_turns(source: &str, tokenizer: &Tokenizer, stop: &StopSet) -> bool {
    let last = || {
        let template = templates::compile(tokenizer, source).ok()?;
        let rendered = probe::render(&template, ONE_TURN)?;
        let span = rendered.spans.last()?;
        Segment::of(&rendered.text, span.content_end, span.end, tokenizer).ok()
    };
    last()
        .is_some_and(|segment| segment.stops(stop) && segment.overshoots(tokenizer, stop).is_none())
}

/// What fine-tuning must train if the model never learned its terminator.
pub(crate) const TRAIN_TOO: &str = "a base model that never learned it has to train embeddings and \
     head too (full fine-tuning, or LoRA with modules_to_save = [\"embed_tokens\", \"lm_head\"])";

fn wrong_terminator(id: u32, recipe: &Recipe, tokenizer: &Tokenizer, stop: &StopSet) -> Error {
    let mut ids = stop.ids().to_vec();
    ids.push(id);
    let quoted = |id: &u32| format!("--stop '{}'", tokenizer.id_to_text(*id));
    let flags: Vec<String> = ids.iter().map(quoted).collect();
    let name = tokenizer.id_to_text(id);
    Error::new(
        ErrorKind::Recipe,
        "wrong-terminator",
        format!(
            "the template ends turns with {name:?} (id {id}), on which the serving side does not \
             stop; it stops on {}",
            listed(stop, tokenizer)
        ),
    )
    .hint(either(
        Some(format!(
            "if the model is served with it, say so: {}; and serve with eos_token_id {ids:?} in \
             generation_config.json (prepare writes it to serving/); {TRAIN_TOO}",
            flags.join(" ")
        )),
        other_template(recipe, tokenizer, stop)
            .as_deref()
            .unwrap_or_default(),
    ))
}

/// A hint of two alternatives, of which one may be missing.
fn either(first: Option<String>, second: &str) -> String {
    match first {
        Some(first) if !second.is_empty() => format!("{first}; or {second}"),
        Some(first) => first,
        None => second.to_owned(),
    }
}

fn listed(stop: &StopSet, tokenizer: &Tokenizer) -> String {
    let shown = |id: &u32| format!("{:?} (id {id})", tokenizer.id_to_text(*id));
    stop.ids().iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// The stop ids among the role markers that end a turn.
fn next_role(template: &Template, tokenizer: &Tokenizer, stop: &StopSet) -> Option<TurnEnd> {
    let study = template.study();
    if !study.next_role_ends_turn {
        return None;
    }
    let marker = |role: &str| {
        let (_, text) = study.role_markers.iter().find(|(name, _)| name == role)?;
        tokenizer
            .added_tokens()
            .iter()
            .find(|token| stop.contains(token.id) && text.trim_start().starts_with(&token.content))
            .map(|token| token.id)
    };
    Some(TurnEnd::NextRole {
        after_calls: marker("tool"),
        otherwise: marker("user")?,
    })
}
