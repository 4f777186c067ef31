//! The stop set.

use crate::recipe::{Stop, StopToken};
use crate::tokenizer::Tokenizer;
use crate::{Error, ErrorKind, Result, suggest};

/// The ids that the serving side stops on. There are few, so a scan is faster than a hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StopSet {
    ids: Vec<u32>,
    /// Bits in which the ids differ. Stop ids are usually close together, so one comparison of the
    /// other bits rules out nearly all ids.
    loose: u32,
}

impl StopSet {
    /// The stop set of a recipe, never empty.
    pub(crate) fn of(stop: &Stop, tokenizer: &Tokenizer) -> Result<Self> {
        // What the recipe names wins. Else it is what a server takes from the same directory: a
        // generation_config.json without ids is as good as none, and only then does the tokenizer's
        // eos count.
        let ids = match stop {
            Stop::Tokens(tokens) => tokens
                .iter()
                .map(|token| stop_id(token, tokenizer))
                .collect::<Result<Vec<u32>>>()?,
            Stop::Auto if !tokenizer.generation_eos().is_empty() => {
                tokenizer.generation_eos().to_vec()
            }
            Stop::Auto => vec![own_eos(tokenizer)?],
        };
        // A model writes no id that stands for nothing, so a server would never stop on it.
        if let Some(id) = ids.iter().find(|id| tokenizer.id_to_bytes(**id).is_empty()) {
            return Err(Error::new(
                ErrorKind::Tokenizer,
                "unset-terminator",
                format!("the stop id {id} is not in the vocabulary"),
            )
            .hint(stop_hint(tokenizer)));
        }
        Ok(Self::new(&ids))
    }

    /// A set of these ids, in this order, without duplicates.
    pub fn new(ids: &[u32]) -> Self {
        let mut unique = Vec::with_capacity(ids.len());
        for id in ids {
            if !unique.contains(id) {
                unique.push(*id);
            }
        }
        let first = unique.first().copied().unwrap_or_default();
        let loose = unique.iter().fold(0, |loose, id| loose | (id ^ first));
        Self { ids: unique, loose }
    }

    /// Whether serving stops on `id`.
    pub fn contains(&self, id: u32) -> bool {
        self.ids.contains(&id)
    }

    /// Whether these ids end in a stop id.
    pub fn ends(&self, ids: &[u32]) -> bool {
        ids.last().is_some_and(|id| self.contains(*id))
    }

    /// The ids, in the order given.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Whether nothing stops.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The index of the first stop id in `ids`.
    pub fn find(&self, ids: &[u32]) -> Option<usize> {
        /// With more loose bits, too many other ids look like stop ids.
        const MOST_LOOSE: u32 = 4;
        let loose = self.loose;
        match self.ids[..] {
            [] => None,
            [one] => self.find_near(ids, |id| u32::from(id == one)),
            [one, two] if loose.count_ones() > MOST_LOOSE => {
                self.find_near(ids, |id| u32::from(id == one) | u32::from(id == two))
            }
            [one, ..] => self.find_near(ids, |id| u32::from(id | loose == one | loose)),
        }
    }

    /// The index of the first stop id; `near` must not be 0 for any stop id. Blocks are scanned
    /// without an early exit, and truth values are numbers as wide as the ids, so that the compiler
    /// can vectorize the loop. This pays off because stop ids are rare.
    fn find_near(&self, ids: &[u32], near: impl Fn(u32) -> u32) -> Option<usize> {
        const BLOCK: usize = 64;
        for (number, block) in ids.chunks(BLOCK).enumerate() {
            if block.iter().fold(0, |found, id| found | near(*id)) == 0 {
                continue;
            }
            if let Some(at) = block.iter().position(|id| self.contains(*id)) {
                return Some(number * BLOCK + at);
            }
        }
        None
    }
}

/// What a stop token that was named is in a vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamedStop {
    /// One token.
    Id(u32),
    /// A text of several.
    Pieces(Vec<u32>),
}

/// The ids of stop tokens that were named for data that exists already: what is wrong with them is
/// a finding, and not an error as in a recipe. The text of a number is an id, unless it is a token.
pub fn named_stop_ids(stop: &[StopToken], tokenizer: &Tokenizer) -> Result<Vec<NamedStop>> {
    stop.iter().map(|token| named(token, tokenizer)).collect()
}

fn named(token: &StopToken, tokenizer: &Tokenizer) -> Result<NamedStop> {
    let text = match token {
        StopToken::Id(id) => return Ok(NamedStop::Id(*id)),
        StopToken::Text(text) => text,
    };
    if let Some(id) = tokenizer.token_to_id(text).or_else(|| text.parse().ok()) {
        return Ok(NamedStop::Id(id));
    }
    match tokenizer.encode(text, false)?[..] {
        [] => {
            let what = format!("the stop token {text:?} is empty");
            Err(Error::new(ErrorKind::Tokenizer, "unset-terminator", what))
        }
        [id] => Ok(NamedStop::Id(id)),
        ref pieces => Ok(NamedStop::Pieces(pieces.to_vec())),
    }
}

/// The ids that a server loading this directory stops on: those of `generation_config.json`, else
/// the tokenizer's eos.
pub fn served_stop_ids(tokenizer: &Tokenizer) -> Vec<u32> {
    if tokenizer.generation_eos().is_empty() {
        return tokenizer.special_id("eos_token").into_iter().collect();
    }
    tokenizer.generation_eos().to_vec()
}

fn stop_id(token: &StopToken, tokenizer: &Tokenizer) -> Result<u32> {
    match token {
        StopToken::Id(id) => Ok(*id),
        StopToken::Text(text) => tokenizer.token_to_id(text).ok_or_else(|| {
            let known = tokenizer
                .added_tokens()
                .iter()
                .map(|added| &added.content[..]);
            let error = Error::new(
                ErrorKind::Recipe,
                "unknown-stop-token",
                format!("the tokenizer has no token {text:?}"),
            );
            match suggest::nearest(text, known) {
                Some(near) => error.hint(format!("did you mean {near:?}?")),
                None => error.hint("stop tokens are single tokens of the vocabulary, or ids"),
            }
        }),
    }
}

fn own_eos(tokenizer: &Tokenizer) -> Result<u32> {
    let unset = |what: String| {
        Error::new(ErrorKind::Tokenizer, "unset-terminator", what)
            .at_path(tokenizer.path())
            .hint(stop_hint(tokenizer))
    };
    let Some(text) = tokenizer.special_tokens().get("eos_token") else {
        return Err(unset(
            "no stop token is known: there is no generation_config.json and the tokenizer has no \
             eos_token"
                .to_owned(),
        ));
    };
    let Some(id) = tokenizer.token_to_id(text) else {
        return Err(unset(format!(
            "the eos_token {text:?} is not in the vocabulary"
        )));
    };
    // Any text that the vocabulary lacks would end a turn.
    if tokenizer.unknown_id() == Some(id) {
        return Err(unset(format!(
            "the eos_token {text:?} is the unknown token"
        )));
    }
    Ok(id)
}

/// The flag that names a stop token: the tokenizer's eos if it has one.
fn stop_hint(tokenizer: &Tokenizer) -> String {
    let eos = tokenizer.special_tokens().get("eos_token");
    let known = eos.filter(|text| tokenizer.token_to_id(text).is_some());
    let example = known.map_or_else(|| "TOKEN".to_owned(), |text| format!("'{text}'"));
    format!("name the tokens the model is served with: --stop {example}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_and_repeats_leave() {
        let stop = StopSet::new(&[7, 3, 7, 0]);
        assert_eq!(stop.ids(), [7, 3, 0]);
        assert!(stop.contains(0) && !stop.contains(1));
    }

    #[test]
    fn find_agrees_with_contains_for_every_size() {
        let ids: Vec<u32> = (0..200).collect();
        for set in [
            &[][..],
            &[5],
            &[63],
            &[64],
            &[200],
            &[9, 4],
            &[199, 150],
            &[190, 128, 170],
            &[199, 2, 11, 7],
            &[64, 65, 71],
            &[67, 64, 65, 71],
            &[0, u32::MAX],
            &[0, u32::MAX, 130],
        ] {
            let stop = StopSet::new(set);
            let slow = ids.iter().position(|id| stop.contains(*id));
            assert_eq!(stop.find(&ids), slow);
        }
    }
}
