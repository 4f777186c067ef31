//! Reads a recipe from JSON; errors say what is allowed.

use serde_json::{Map as JsonMap, Value as Json};

use super::index_column;
use super::keys::{NAMES, PLANNED};
use super::values::not_available;
use super::{Column, Compat, History, PackStrategy, Quota, Recipe, TrainOn};
use crate::chat::{self, KNOWN_ROLES, Schema};
use crate::suggest::nearest;
use crate::{Error, ErrorKind, Result};

/// Keys that one input may set for itself.
const INPUT_KEYS: &[&str] = &["split", "schema", "fields", "roles", "ignore", "carry"];

fn keys(text: &str) -> Result<JsonMap<String, Json>> {
    let parsed: Json = serde_json::from_str(text).map_err(|error| {
        Error::new(
            ErrorKind::Recipe,
            "invalid-json",
            format!("the recipe is not JSON: {error}"),
        )
    })?;
    match parsed {
        Json::Object(keys) => Ok(keys),
        _ => Err(Error::new(
            ErrorKind::Recipe,
            "bad-value",
            "a recipe is an object of keys and values",
        )),
    }
}

pub(super) fn recipe(text: &str) -> Result<Recipe> {
    let mut recipe = Recipe::default();
    for (key, value) in &keys(text)? {
        check_key(key, value)?;
        if !value.is_null() {
            recipe.set(key, value)?;
        }
    }
    check_together(&recipe)?;
    Ok(recipe)
}

/// The recipe with what one input says of itself laid over it.
pub(super) fn for_input(recipe: &Recipe, text: &str) -> Result<Recipe> {
    let mut own = recipe.clone();
    for (key, value) in &keys(text)? {
        check_input_key(key)?;
        if !value.is_null() {
            lay_over(&mut own, key, value)?;
        }
    }
    check_together(&own)?;
    Ok(own)
}

/// What an input says of itself: the recipe for it, and how many of its rows are written.
pub(super) fn input(text: &str) -> Result<(Recipe, Quota)> {
    let mut keys = keys(text)?;
    let quota = Quota::read(&keys)?;
    keys.retain(|key, _| !Quota::KEYS.contains(&key.as_str()));
    let own = for_input(&Recipe::default(), &Json::Object(keys).to_string())?;
    Ok((own, quota))
}

/// Sets one key of an input; its names add to those that hold for all inputs. A field has one name
/// in an input, so that of the input takes the place of the recipe's.
fn lay_over(own: &mut Recipe, key: &str, value: &Json) -> Result<()> {
    let for_all = own.clone();
    own.set(key, value)?;
    for (theirs, ours) in for_all.fields {
        if !own.fields.values().any(|field| *field == ours) {
            own.fields.entry(theirs).or_insert(ours);
        }
    }
    add_names(&mut own.ignore, for_all.ignore);
    add_names(&mut own.carry, for_all.carry);
    for (theirs, ours) in for_all.roles {
        own.roles.entry(theirs).or_insert(ours);
    }
    Ok(())
}

/// Adds the names that are not there yet.
fn add_names(own: &mut Vec<String>, others: Vec<String>) {
    for name in others {
        if !own.contains(&name) {
            own.push(name);
        }
    }
}

fn check_input_key(key: &str) -> Result<()> {
    if INPUT_KEYS.contains(&key) {
        return Ok(());
    }
    let known = [INPUT_KEYS, Quota::KEYS].concat();
    Err(unknown(format!("an input has no key `{key}`"), key, &known))
}

fn unknown(what: String, key: &str, known: &[&str]) -> Error {
    let error = Error::new(ErrorKind::Recipe, "unknown-key", what);
    match nearest(key, known.iter().copied()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("keys: {}", known.join(", "))),
    }
}

fn check_key(key: &str, value: &Json) -> Result<()> {
    if !NAMES.contains(&key) {
        return Err(unknown(
            format!("the recipe has no key `{key}`"),
            key,
            NAMES,
        ));
    }
    let off = matches!(value, Json::Null | Json::Bool(false));
    if PLANNED.contains(&key) && !off {
        return Err(not_available(&format!("recipe key `{key}`"))
            .hint("leave it out; it is refused rather than ignored"));
    }
    Ok(())
}

/// What cannot be judged key by key.
fn check_together(recipe: &Recipe) -> Result<()> {
    check_template_kwargs(&recipe.template_kwargs)?;
    check_pack(recipe)?;
    check_carry(&recipe.carry)?;
    if recipe.validation >= 1.0 {
        let what = "`validation` sets every conversation apart, and nothing is left to train on";
        return Err(Error::new(ErrorKind::Recipe, "bad-value", what)
            .hint("`validation` takes a share below 1, such as 0.01"));
    }
    if let Some(column) = recipe
        .ignore
        .iter()
        .find(|name| recipe.fields.contains_key(*name))
    {
        let what = format!("`fields` reads the column `{column}`, and `ignore` leaves it unread");
        return Err(Error::new(ErrorKind::Recipe, "bad-value", what).hint("name it in one of them"));
    }
    if recipe.compat != Compat::None {
        let what = format!("compat = \"{}\"", recipe.compat.word());
        return Err(not_available(&what).hint(
            "the script's own function makes its data: \
             turnmill.compat.chinese_llama_alpaca_3.build_instruction_dataset(…, compat=True)",
        ));
    }
    if recipe.history == History::Expand && recipe.train_on == TrainOn::Everything {
        return Err(Error::new(
            ErrorKind::Recipe,
            "history-and-train-on",
            "`train_on = everything` trains every token of a row once, and `history = expand` \
             shows the earlier ones in several samples",
        )
        .hint("--train-on assistant, or --history as-rendered"));
    }
    check_columns(recipe)
}

/// Refuses columns that would have a trainer train the prompt.
fn check_columns(recipe: &Recipe) -> Result<()> {
    // Documents are trained whole: their ids alone say so. Of anything else the prompt would be.
    let is_text = recipe.schema == Some(Schema::Text);
    let columns = &recipe.columns;
    let needs_labels = columns.contains(&Column::InputIds) && !columns.contains(&Column::Labels);
    if needs_labels && !(is_text && columns == &[Column::InputIds]) {
        return Err(Error::new(
            ErrorKind::Recipe,
            "bare-mask",
            "`columns` without labels: trainers would train the prompt",
        )
        .hint("add \"labels\"; documents (schema = \"text\") do without them"));
    }
    Ok(())
}

/// Refuses a run at whose end there could be samples that fit into no packed row.
fn check_pack(recipe: &Recipe) -> Result<()> {
    let Some(pack) = recipe.pack else {
        return Ok(());
    };
    let fits = recipe.max_length.is_some_and(|most| most <= pack);
    if fits || recipe.pack_strategy == PackStrategy::Split {
        return Ok(());
    }
    let what = format!("samples may be longer than a packed row, {pack} tokens");
    Err(
        Error::new(ErrorKind::Recipe, "pack-too-short", what).hint(format!(
            "--max-length {pack}: `over_length` says what is done with longer samples"
        )),
    )
}

/// Refuses columns that would have the same name in the index.
fn check_carry(carry: &[String]) -> Result<()> {
    let mut names: Vec<_> = carry.iter().map(|name| index_column(name)).collect();
    names.sort_unstable();
    let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) else {
        return Ok(());
    };
    let what = format!("`carry` gives the index two columns `{}`", twice[0]);
    Err(Error::new(ErrorKind::Recipe, "bad-value", what).hint("leave one of them out"))
}

/// Refuses variables that the rows or turnmill itself give.
fn check_template_kwargs(variables: &JsonMap<String, Json>) -> Result<()> {
    let Some(name) = variables.keys().find(|name| chat::is_given(name)) else {
        return Ok(());
    };
    let what = format!("`template_kwargs` cannot set `{name}`");
    Err(
        Error::new(ErrorKind::Recipe, "bad-value", what).hint(format!(
            "the rows and turnmill itself give {}",
            chat::GIVEN.join(", ")
        )),
    )
}

/// Refuses a role of `train_on` that no message can have.
pub(super) fn check_train_on(recipe: &Recipe) -> Result<()> {
    let TrainOn::Roles(trained) = &recipe.train_on else {
        return Ok(());
    };
    let of_inputs = recipe.inputs.as_array().into_iter().flatten();
    let of_inputs = of_inputs.filter_map(|input| input["roles"].as_object());
    let mapped: Vec<&str> = of_inputs
        .flat_map(|roles| roles.values().filter_map(Json::as_str))
        .chain(recipe.roles.values().map(String::as_str))
        .collect();
    let none = |role: &&String| !is_known(role) && !mapped.contains(&role.as_str());
    let Some(role) = trained.iter().find(none) else {
        return Ok(());
    };
    let what = format!("`train_on` names the role {role:?}, which no message can have");
    let known = KNOWN_ROLES.join(", ");
    let hint = match nearest(role, KNOWN_ROLES) {
        Some(near) => format!("did you mean {near:?}? known roles: {known}"),
        None => format!("known roles: {known}; name any other in `roles`, mapped to itself"),
    };
    Err(Error::new(ErrorKind::Recipe, "bad-value", what).hint(hint))
}

fn is_known(role: &str) -> bool {
    KNOWN_ROLES.contains(&role)
}
