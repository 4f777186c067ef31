//! Findings on a tokenizer, its stop set and its template, before any row.

use super::replay::round_trips;
use crate::rules::Rule;
use crate::template::Template;
use crate::tokenizer::{AddedToken, Tokenizer};

/// The findings on a tokenizer and a template, independent of the rows.
pub fn setup_findings(
    tokenizer: &Tokenizer,
    stop: &[u32],
    template: Option<&Template>,
) -> Vec<(Rule, String)> {
    let mut found = Vec::new();
    if !round_trips(tokenizer) {
        let note = "decoding what was encoded gives another text: prompts cannot be replayed";
        found.push((Rule::RoundtripMismatch, note.to_owned()));
    }
    if let Some(note) = stripping(tokenizer.added_tokens(), stop) {
        found.push((Rule::SpecialTokenStrip, note));
    }
    let Some(template) = template else {
        return found;
    };
    if template.rewrites_history() {
        let note = "the template prints earlier turns differently once later messages follow";
        found.push((Rule::NonPrefixTemplate, note.to_owned()));
    }
    if template.study().reads_date {
        let note = "the template prints the date, so the prompts of another day differ";
        found.push((Rule::NondeterministicTemplate, note.to_owned()));
    }
    found
}

/// The added token by which a template ends the last turn of a conversation.
pub(super) fn ends_turns(tokenizer: &Tokenizer, template: &Template) -> Option<u32> {
    let end = &template.study().final_terminator;
    let added = tokenizer.added_tokens().iter();
    let places = added.filter_map(|token| Some((end.find(&token.content)?, token.id)));
    places.min().map(|(_, id)| id)
}

/// Control tokens that swallow whitespace beside them.
fn stripping(tokens: &[AddedToken], stop: &[u32]) -> Option<String> {
    let strips = |token: &&AddedToken| token.lstrip || token.rstrip;
    let relevant = |token: &&AddedToken| token.special || stop.contains(&token.id);
    let texts: Vec<&str> = tokens
        .iter()
        .filter(strips)
        .filter(relevant)
        .map(|token| &token.content[..])
        .collect();
    let (first, rest) = texts.split_first()?;
    let more = if rest.is_empty() {
        String::new()
    } else {
        format!(" and {} more", rest.len())
    };
    Some(format!("whitespace beside {first}{more} is swallowed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_control_tokens_that_strip_are_named() {
        let token = |id, rstrip, special| AddedToken {
            id,
            content: format!("<{id}>"),
            special,
            single_word: false,
            lstrip: false,
            rstrip,
            normalized: false,
        };
        let tokens = [
            token(1, true, true),
            token(2, true, false),
            token(3, false, true),
        ];
        let note = stripping(&tokens, &[]).unwrap();
        assert!(note.contains("<1>") && !note.contains("more"), "{note}");
        assert!(stripping(&tokens, &[2]).unwrap().contains("and 1 more"));
        assert_eq!(stripping(&tokens[2..], &[]), None);
    }
}
