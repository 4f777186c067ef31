//! JSON → recipe, with errors that say what is allowed.

use std::collections::BTreeMap;

use serde_json::{Map as JsonMap, Value as Json};

use super::{Choice, Column, Recipe, Stop, StopToken, TrainOn};
use crate::chat::{self, KNOWN_ROLES, Schema};
use crate::suggest::nearest;
use crate::{Error, ErrorKind, Result};

/// Every key of the recipe.
const KEYS: &[&str] = &[
    "inputs",
    "tokenizer",
    "template",
    "template_kwargs",
    "now",
    "schema",
    "fields",
    "roles",
    "role_order",
    "train_on",
    "spans",
    "reasoning",
    "history",
    "stop",
    "eos",
    "special_in_content",
    "boundary",
    "max_length",
    "over_length",
    "columns",
    "max_rejects",
    "format",
    "pack",
    "shuffle",
    "seed",
    "validation",
    "dedup",
    "overwrite",
    "compat",
];

/// Keys of the agreement whose feature is not there yet. Only "off" is accepted.
const NOT_LANDED: &[&str] = &["pack", "shuffle", "seed", "validation", "dedup"];

/// Keys that one input may set for itself.
const INPUT_KEYS: &[&str] = &["schema", "fields", "roles"];

/// Keys of an input in the agreement whose feature is not there yet.
const INPUT_KEYS_NOT_LANDED: &[&str] = &["weight", "cap", "carry"];

fn bad(key: &str, found: &Json, allowed: &str) -> Error {
    let shown: String = found.to_string().chars().take(80).collect();
    Error::new(
        ErrorKind::Recipe,
        "bad-value",
        format!("recipe key `{key}` cannot be {shown}"),
    )
    .hint(format!("`{key}` takes {allowed}"))
}

fn not_landed(what: &str) -> Error {
    Error::new(
        ErrorKind::Recipe,
        "not-available",
        format!("{what} is not available in this version"),
    )
    .hint("leave it out; it is refused rather than ignored")
}

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
            set(&mut recipe, key, value)?;
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
        match key.as_str() {
            _ if value.is_null() => {}
            "schema" => own.schema = schema(value)?,
            "fields" => own.fields.extend(names(key, value)?),
            _ => own.roles.extend(names(key, value)?),
        }
    }
    check_together(&own)?;
    Ok(own)
}

fn check_input_key(key: &str) -> Result<()> {
    if INPUT_KEYS_NOT_LANDED.contains(&key) {
        return Err(not_landed(&format!("`{key}` of an input")));
    }
    if INPUT_KEYS.contains(&key) {
        return Ok(());
    }
    Err(unknown(
        format!("an input has no key `{key}`"),
        key,
        INPUT_KEYS,
    ))
}

fn unknown(what: String, key: &str, known: &[&str]) -> Error {
    let error = Error::new(ErrorKind::Recipe, "unknown-key", what);
    match nearest(key, known.iter().copied()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("keys: {}", known.join(", "))),
    }
}

fn check_key(key: &str, value: &Json) -> Result<()> {
    if !KEYS.contains(&key) {
        return Err(unknown(format!("the recipe has no key `{key}`"), key, KEYS));
    }
    let off = matches!(value, Json::Null | Json::Bool(false));
    if NOT_LANDED.contains(&key) && !off {
        return Err(not_landed(&format!("recipe key `{key}`")));
    }
    Ok(())
}

fn set(recipe: &mut Recipe, key: &str, value: &Json) -> Result<()> {
    match key {
        "inputs" => recipe.inputs = value.clone(),
        "tokenizer" => recipe.tokenizer = string(key, value)?,
        "template" => recipe.template = Some(string(key, value)?),
        "template_kwargs" => recipe.template_kwargs = template_kwargs(value)?,
        "now" => recipe.now = Some(string(key, value)?),
        "schema" => recipe.schema = schema(value)?,
        "fields" => recipe.fields = names(key, value)?,
        "roles" => recipe.roles = names(key, value)?,
        "role_order" => recipe.role_order = choice(key, value)?,
        "train_on" => recipe.train_on = train_on(value)?,
        "spans" => recipe.spans = choice(key, value)?,
        "reasoning" => recipe.reasoning = choice(key, value)?,
        "history" => recipe.history = choice(key, value)?,
        "stop" => recipe.stop = stop(value)?,
        "eos" => recipe.eos = choice(key, value)?,
        "special_in_content" => recipe.special_in_content = choice(key, value)?,
        "boundary" => recipe.boundary = choice(key, value)?,
        "max_length" => recipe.max_length = Some(max_length(value)?),
        "over_length" => recipe.over_length = choice(key, value)?,
        "columns" => recipe.columns = columns(value)?,
        "max_rejects" => recipe.max_rejects = share(key, value)?,
        "format" => recipe.format = Some(choice(key, value)?),
        "overwrite" => recipe.overwrite = boolean(key, value)?,
        "compat" => recipe.compat = choice(key, value)?,
        // `check_key` lets these through only when they are off.
        _ => {}
    }
    Ok(())
}

/// What cannot be judged key by key.
fn check_together(recipe: &Recipe) -> Result<()> {
    if recipe.compat != super::Compat::None {
        return Err(not_landed(&format!(
            "compat = \"{}\"",
            recipe.compat.word()
        )));
    }
    if recipe.history == super::History::Expand && recipe.train_on == super::TrainOn::Everything {
        return Err(Error::new(
            ErrorKind::Recipe,
            "history-and-train-on",
            "`train_on = everything` trains every token of a row once, and `history = expand` \
             shows the earlier ones in several samples",
        )
        .hint("--train-on assistant, or --history as-rendered"));
    }
    // Documents are trained whole: their ids alone say so. Of anything else the prompt would be.
    let is_text = recipe.schema.as_deref() == Some("text");
    let bare = recipe.columns != [Column::InputIds] || !is_text;
    if bare && !recipe.columns.contains(&Column::Labels) {
        return Err(Error::new(
            ErrorKind::Recipe,
            "bare-mask",
            "`columns` without labels: trainers would train the prompt",
        )
        .hint("add \"labels\"; documents (schema = \"text\") do without them"));
    }
    Ok(())
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

fn string(key: &str, value: &Json) -> Result<String> {
    let text = value.as_str().ok_or_else(|| bad(key, value, "a string"))?;
    Ok(text.to_owned())
}

fn boolean(key: &str, value: &Json) -> Result<bool> {
    value
        .as_bool()
        .ok_or_else(|| bad(key, value, "true or false"))
}

fn object<'j>(key: &str, value: &'j Json) -> Result<&'j JsonMap<String, Json>> {
    value
        .as_object()
        .ok_or_else(|| bad(key, value, "an object"))
}

fn template_kwargs(value: &Json) -> Result<JsonMap<String, Json>> {
    let variables = object("template_kwargs", value)?;
    match variables.keys().find(|name| chat::is_given(name)) {
        None => Ok(variables.clone()),
        Some(name) => Err(Error::new(
            ErrorKind::Recipe,
            "bad-value",
            format!("`template_kwargs` cannot set `{name}`"),
        )
        .hint(format!(
            "the rows and turnmill itself give {}",
            chat::GIVEN.join(", ")
        ))),
    }
}

fn names(key: &str, value: &Json) -> Result<BTreeMap<String, String>> {
    object(key, value)?
        .iter()
        .map(|(name, mapped)| Ok((name.clone(), string(key, mapped)?)))
        .collect()
}

fn choice<C: Choice>(key: &str, value: &Json) -> Result<C> {
    value
        .as_str()
        .and_then(C::from_word)
        .ok_or_else(|| bad(key, value, &words(C::ALL.iter().map(|(_, word)| *word))))
}

fn words<'w>(words: impl Iterator<Item = &'w str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

fn schema(value: &Json) -> Result<Option<String>> {
    let name = string("schema", value)?;
    if Schema::is_planned(&name) {
        return Err(not_landed(&format!("schema = \"{name}\"")));
    }
    let mut names = vec!["auto"];
    names.extend(Schema::ALL.iter().map(|schema| schema.name()));
    if !names.contains(&name.as_str()) {
        return Err(bad("schema", value, &names.join(", ")));
    }
    Ok((name != "auto").then_some(name))
}

fn train_on(value: &Json) -> Result<TrainOn> {
    let allowed = "assistant, last-turn, everything, or a list of roles";
    match value {
        Json::String(word) => match word.as_str() {
            "assistant" => Ok(TrainOn::Assistant),
            "last-turn" => Ok(TrainOn::LastTurn),
            "everything" => Ok(TrainOn::Everything),
            _ => Err(bad("train_on", value, allowed)),
        },
        Json::Array(roles) if !roles.is_empty() => {
            let roles: Result<Vec<String>> =
                roles.iter().map(|role| string("train_on", role)).collect();
            Ok(TrainOn::Roles(roles?))
        }
        _ => Err(bad("train_on", value, allowed)),
    }
}

fn stop(value: &Json) -> Result<Stop> {
    let allowed = "auto, or a list of tokens or ids";
    match value {
        Json::String(word) if word == "auto" => Ok(Stop::Auto),
        Json::Array(items) if !items.is_empty() => {
            let tokens: Option<Vec<StopToken>> = items.iter().map(stop_token).collect();
            tokens
                .map(Stop::Tokens)
                .ok_or_else(|| bad("stop", value, allowed))
        }
        _ => Err(bad("stop", value, allowed)),
    }
}

fn stop_token(value: &Json) -> Option<StopToken> {
    match value {
        Json::String(text) => Some(StopToken::Text(text.clone())),
        Json::Number(number) => Some(StopToken::Id(u32::try_from(number.as_u64()?).ok()?)),
        _ => None,
    }
}

fn max_length(value: &Json) -> Result<u32> {
    value
        .as_u64()
        .and_then(|length| u32::try_from(length).ok())
        .filter(|length| *length > 0)
        .ok_or_else(|| bad("max_length", value, "a positive number of tokens"))
}

fn share(key: &str, value: &Json) -> Result<f64> {
    value
        .as_f64()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| bad(key, value, "a share from 0 to 1"))
}

fn columns(value: &Json) -> Result<Vec<Column>> {
    let allowed = words(Column::ALL.iter().map(|(_, name)| *name));
    let items = value
        .as_array()
        .ok_or_else(|| bad("columns", value, &format!("a list of {allowed}")))?;
    let mut columns = vec![Column::InputIds];
    for item in items {
        let column = Column::ALL
            .iter()
            .find(|(_, name)| item.as_str() == Some(name))
            .ok_or_else(|| bad("columns", item, &allowed))?
            .0;
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    columns.sort_unstable();
    Ok(columns)
}
