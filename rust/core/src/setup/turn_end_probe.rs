//! Finds what ends a turn: the template's own terminator, or an id that must be inserted.
//!
//! Templates fall into four groups. Most print a stop token after every turn. Some print one only
//! after the last turn (gpt-oss) and must not train the others. In some the marker of the next role
//! is the stop token (GLM), so the last turn of a conversation lacks it. Some print nothing, so the
//! eos is inserted. Anything else is an error: a template that ends turns with a token on which the
//! server does not stop would train a model that never ends. A probe of two turns tells these apart
//! before the first row, when the user can still change the recipe.

use super::StopSet;
use super::turn_tail::{self, TurnTail};
use super::{probe, templates};
use crate::recipe::{Eos, Recipe};
use crate::template::{Template, builtin};
use crate::tokenizer::Tokenizer;
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

pub(super) const ONE_TURN: &str =
    r#"[{"role":"user","content":"Hi"},{"role":"assistant","content":"Hello"}]"#;

/// Turns that have more than content. Their ends show which token ends every turn.
const OTHER_TURNS: [&str; 2] = [
    r#"[{"role":"user","content":"Hi"},
        {"role":"assistant","content":"Hello","reasoning_content":"Well"}]"#,
    r#"[{"role":"user","content":"Hi"},{"role":"assistant","content":"","tool_calls":[{"id":"abcdefgh1",
        "type":"function","function":{"name":"add","arguments":{"a":2}}}]}]"#,
];

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
    let mut earlier = TurnTail::of_turns(&rendered, tokenizer)?;
    let Some(last) = earlier.pop() else {
        return Ok(TurnEnd::Template { earlier: true });
    };
    let refusal = Refusal {
        recipe,
        tokenizer,
        template,
        stop,
        last: &last,
        earlier: &earlier,
    };
    if let Some(id) = last.stops_inside(stop) {
        return Err(refusal.stops_inside(id));
    }
    if last.stops(stop) {
        // Of several control tokens after the last turn, earlier turns have the first. If serving stops
        // only on a later one, earlier turns would stay untrained without anybody having asked for it.
        let all = earlier.iter().all(|ending| ending.stops(stop));
        let first = last.controls(tokenizer).next();
        return match first.filter(|id| !all && !stop.contains(*id)) {
            Some(id) => Err(refusal.ends_earlier(id)),
            None => Ok(TurnEnd::Template { earlier: all }),
        };
    }
    if let Some(markers) = next_role(template, tokenizer, stop) {
        return Ok(markers);
    }
    if !last.text.trim().is_empty() {
        return Err(refusal.never_stops());
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

/// The control token that ends a turn that calls a tool, if serving stops on nothing there.
pub(super) fn unserved_call_end(
    tokenizer: &Tokenizer,
    template: &Template,
    stop: &StopSet,
) -> Option<u32> {
    const CALLED: &str = r#"[{"role":"user","content":"Hi"},{"role":"assistant","content":"","tool_calls":[{
        "id":"abcdefgh1","type":"function","function":{"name":"add","arguments":{"a":2}}}]},
        {"role":"tool","name":"add","tool_call_id":"abcdefgh1","content":"5"},
        {"role":"assistant","content":"Hello"}]"#;
    let rendered = probe::render(template, CALLED)?;
    let ending = TurnTail::of_turns(&rendered, tokenizer)
        .ok()?
        .into_iter()
        .next()?;
    let last = ending.controls(tokenizer).next_back()?;
    (!ending.stops(stop)).then_some(last)
}

/// The id to insert: the tokenizer's eos if serving stops on it, else the first stop id.
pub(crate) fn inserted(tokenizer: &Tokenizer, stop: &StopSet) -> u32 {
    let eos = tokenizer.special_id("eos_token");
    eos.filter(|id| stop.contains(*id))
        .or_else(|| stop.ids().first().copied())
        .unwrap_or_default()
}

/// A template and a stop set that do not go together, with the ends of two turns.
struct Refusal<'s> {
    recipe: &'s Recipe,
    tokenizer: &'s Tokenizer,
    template: &'s Template,
    stop: &'s StopSet,
    last: &'s TurnTail,
    earlier: &'s [TurnTail],
}

impl Refusal<'_> {
    /// Serving would cut every turn at this token.
    fn stops_inside(&self, id: u32) -> Error {
        let what = format!(
            "the template prints {} inside a turn, and the serving side stops there",
            self.named(id)
        );
        let error = Error::new(ErrorKind::Recipe, "wrong-terminator", what);
        match self.terminator() {
            Some(end) => error.hint(format!(
                "turns of this template end with {}: --stop '{}'",
                self.named(end),
                self.tokenizer.id_to_text(end)
            )),
            None => error.hint(self.other_template().unwrap_or_else(|| {
                "name the token that ends turns with --stop, or another --template".to_owned()
            })),
        }
    }

    /// Only the last turn of a conversation ends in a stop token, after this one.
    fn ends_earlier(&self, id: u32) -> Error {
        self.wrong_terminator(
            id,
            format!(
                "the template ends earlier turns with {} alone, on which the serving side does not \
                 stop, so they would not be trained; it stops on {}",
                self.named(id),
                self.stops()
            ),
        )
    }

    /// No turn ends in a stop token.
    fn never_stops(&self) -> Error {
        match self.terminator() {
            Some(id) => self.wrong_terminator(
                id,
                format!(
                    "the template ends turns with {}, on which the serving side does not stop; it \
                     stops on {}",
                    self.named(id),
                    self.stops()
                ),
            ),
            None => self.not_atomic(),
        }
    }

    fn wrong_terminator(&self, id: u32, what: String) -> Error {
        let (words, mut ids): (Vec<u32>, Vec<u32>) = {
            let ids = self.stop.ids().iter().copied();
            ids.partition(|id| is_word(&self.tokenizer.id_to_text(*id)))
        };
        ids.push(id);
        let quoted = |id: &u32| format!("--stop '{}'", self.tokenizer.id_to_text(*id));
        if let Some(word) = words.first() {
            return Error::new(ErrorKind::Recipe, "wrong-terminator", what).hint(format!(
                "{} is an ordinary word and ends no turn: correct the eos_token of \
                 tokenizer_config.json, or name the stop token: {}",
                self.named(*word),
                quoted(&id)
            ));
        }
        let flags: Vec<String> = ids.iter().map(quoted).collect();
        Error::new(ErrorKind::Recipe, "wrong-terminator", what).hint(either(
            Some(format!(
                "if the model is served with it, say so: {}; and serve with eos_token_id {ids:?} in \
                 generation_config.json (prepare writes it to serving/); {TRAIN_TOO}",
                flags.join(" ")
            )),
            self.other_template().as_deref().unwrap_or_default(),
        ))
    }

    fn not_atomic(&self) -> Error {
        let piece = |id: &u32| format!("{:?} ({id})", self.tokenizer.id_to_text(*id));
        let pieces: Vec<String> = self.last.ids.iter().map(piece).collect();
        Error::new(
            ErrorKind::Template,
            "terminator-not-atomic",
            format!(
                "the template ends turns with {:?}, which this tokenizer has no token for: {}",
                self.last.text.trim(),
                pieces.join(", ")
            ),
        )
        .hint(either(
            self.other_template(),
            "add the token to the tokenizer and train its embedding",
        ))
    }

    /// The token on which serving should stop.
    fn terminator(&self) -> Option<u32> {
        let others = OTHER_TURNS.iter().filter_map(|messages| {
            let rendered = probe::render(self.template, messages)?;
            TurnTail::of_turns(&rendered, self.tokenizer).ok()
        });
        let others: Vec<TurnTail> = others.flatten().collect();
        let all = self.earlier.iter().chain(&others);
        turn_tail::terminator(self.last, all, self.tokenizer)
    }

    fn other_template(&self) -> Option<String> {
        other_template(self.recipe, self.tokenizer, self.stop)
    }

    fn stops(&self) -> String {
        let named = self.stop.ids().iter().map(|id| self.named(*id));
        named.collect::<Vec<_>>().join(", ")
    }

    fn named(&self, id: u32) -> String {
        format!("{:?} (id {id})", self.tokenizer.id_to_text(id))
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
        TurnTail::of_turns(&rendered, tokenizer).ok()?.pop()
    };
    last().is_some_and(|ending| {
        let first = ending.controls(tokenizer).next();
        ending.stops(stop)
            && ending.stops_inside(stop).is_none()
            && first.is_none_or(|id| stop.contains(id))
    })
}

/// What fine-tuning must train if the model never learned its terminator.
pub(crate) const TRAIN_TOO: &str = "a base model that never learned it has to train embeddings and \
     head too (full fine-tuning, or LoRA with modules_to_save = [\"embed_tokens\", \"lm_head\"])";

/// A hint of two alternatives, of which one may be missing.
fn either(first: Option<String>, second: &str) -> String {
    match first {
        Some(first) if !second.is_empty() => format!("{first}; or {second}"),
        Some(first) => first,
        None => second.to_owned(),
    }
}

/// Whether a text is letters and digits only, as no stop token of a model is.
fn is_word(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && text.chars().all(char::is_alphanumeric)
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
