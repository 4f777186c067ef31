//! Notes for the user on what a run decided, one sentence each.

use super::plan::Plan;
use super::turn_end_probe::{self, TRAIN_TOO, TurnEnd};
use super::{prompt_probe, served_stop_ids};
use crate::chat::KNOWN_ROLES;
use crate::recipe::{History, Stop};
use crate::rules::Rule;
use crate::suggest;

/// All notes on a plan.
pub(crate) fn of(plan: &Plan) -> Vec<String> {
    let single = [
        inserted_end(plan),
        untrained_earlier_turns(plan),
        unserved_calls(plan),
        pad_ends_turns(plan),
        unknown_end(plan),
        guessed_stop_set(plan),
        other_template(plan),
        tokens_without_embedding(plan),
    ];
    let notes = single.into_iter().flatten();
    notes.chain(prompts(plan)).chain(odd_roles(plan)).collect()
}

/// The notes that a check has a rule for.
pub(crate) fn findings(plan: &Plan) -> Vec<(Rule, String)> {
    let known = [
        (Rule::PadEqualsTerminator, pad_ends_turns(plan)),
        (Rule::UntrainedTerminatorEmbedding, unknown_end(plan)),
    ];
    let found = known.into_iter();
    found
        .filter_map(|(rule, note)| Some((rule, note?)))
        .collect()
}

fn named(plan: &Plan, id: u32) -> String {
    format!("{:?} (id {id})", plan.tokenizer.id_to_text(id))
}

fn inserted_end(plan: &Plan) -> Option<String> {
    let (Some(_), TurnEnd::Insert(id)) = (&plan.templates, plan.turn_end) else {
        return None;
    };
    let id = named(plan, id);
    Some(format!(
        "the template never ends a turn: {id} is inserted after every trained one"
    ))
}

fn untrained_earlier_turns(plan: &Plan) -> Option<String> {
    let expands = plan.recipe.history == History::Expand;
    let study = plan.templates.as_ref()?.plain().study();
    let is_one = matches!(plan.turn_end, TurnEnd::Template { earlier: false });
    (is_one && !expands).then(|| {
        format!(
            "the template ends only the last turn of a conversation with a stop token, and \
             earlier turns with {:?}: these are not trained; with --history expand every turn is \
             the last one of a sample",
            study.terminator.trim()
        )
    })
}

fn unserved_calls(plan: &Plan) -> Option<String> {
    let template = plan.templates.as_ref()?.choose(true).ok()?;
    let TurnEnd::Template { earlier } = plan.turn_end else {
        return None;
    };
    let id = turn_end_probe::unserved_call_end(&plan.tokenizer, template, &plan.stop)?;
    let fate = if earlier {
        "rows with such turns are rejected (missing-terminator)"
    } else {
        "such turns are not trained"
    };
    Some(format!(
        "the template ends a turn that calls a tool with {}, on which the serving side does not \
         stop: {fate} unless --stop names it too",
        named(plan, id)
    ))
}

fn pad_ends_turns(plan: &Plan) -> Option<String> {
    let pad = plan.tokenizer.special_id("pad_token")?;
    (plan.terminator() == Some(pad)).then(|| {
        format!(
            "the pad token {:?} ends turns: a collator that masks labels by pad id unlearns it; \
             the labels written here do not depend on it",
            plan.tokenizer.id_to_text(pad)
        )
    })
}

fn unknown_end(plan: &Plan) -> Option<String> {
    let own = served_stop_ids(&plan.tokenizer);
    let id = plan.terminator().filter(|id| !own.contains(id))?;
    let id = named(plan, id);
    Some(format!(
        "the model's own files do not stop on {id}: {TRAIN_TOO}"
    ))
}

fn guessed_stop_set(plan: &Plan) -> Option<String> {
    let guessed = plan.tokenizer.generation_eos().is_empty() && plan.recipe.stop == Stop::Auto;
    guessed.then(|| {
        "there is no generation_config.json: the stop set is the tokenizer's eos alone".to_owned()
    })
}

/// A template that only the processor of the model reads, and which is not the one used.
fn other_template(plan: &Plan) -> Option<String> {
    let file = plan.tokenizer.templates().differing_file()?;
    plan.recipe.template.is_none().then(|| {
        format!(
            "{file} holds another chat template than the tokenizer's, which is used here: \
             transformers' AutoProcessor and servers of models for pictures use that one; \
             --template {} trains with it",
            plan.tokenizer.directory().join(file).display()
        )
    })
}

fn tokens_without_embedding(plan: &Plan) -> Option<String> {
    let tokens = plan.tokenizer.beyond_vocabulary();
    let listed: Vec<String> = tokens.iter().map(|token| named(plan, token.id)).collect();
    (!tokens.is_empty()).then(|| {
        format!(
            "tokenizer.json lacks {}, which its configuration names and transformers adds: the \
             model needs an embedding for each (resize_token_embeddings)",
            listed.join(", ")
        )
    })
}

fn prompts(plan: &Plan) -> Vec<String> {
    let templates = plan.templates.as_ref();
    templates.map_or_else(Vec::new, |templates| {
        prompt_probe::notes(templates.plain(), &plan.recipe)
    })
}

/// A note for each unusual role in the recipe: it may be intended or a typo.
fn odd_roles(plan: &Plan) -> impl Iterator<Item = String> {
    let odd = |(_, ours): &(&String, &String)| !KNOWN_ROLES.contains(&ours.as_str());
    plan.recipe.roles.iter().filter(odd).map(|(theirs, ours)| {
        let meant = match suggest::nearest(ours, KNOWN_ROLES) {
            Some(near) => format!("did you mean {near:?}? If not, see"),
            None => "see".to_owned(),
        };
        format!(
            "`roles` maps {theirs:?} to {ours:?}, a role that templates of real models do not \
             know: {meant} with `turnmill show` what the template makes of it"
        )
    })
}
