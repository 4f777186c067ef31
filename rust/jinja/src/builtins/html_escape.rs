//! HTML escaping, which `Markup` strings ask for.

use crate::run::budget::RunArena;
use crate::value::text::{Text, TextBuilder};

/// `markupsafe.escape`.
pub(crate) fn escape<'r>(text: Text<'r>, arena: &'r RunArena<'r>) -> Text<'r> {
    if text.safe {
        return text;
    }
    let mut out = TextBuilder::with_capacity(text.chars.len(), arena);
    for (at, character) in text.chars.char_indices() {
        let (origin, context) = text.fragment_at(at);
        match character {
            '&' => out.push_in("&amp;", origin, context),
            '<' => out.push_in("&lt;", origin, context),
            '>' => out.push_in("&gt;", origin, context),
            '\'' => out.push_in("&#39;", origin, context),
            '"' => out.push_in("&#34;", origin, context),
            _ => out.push_char(character, origin, context),
        }
    }
    let mut escaped = out.finish();
    escaped.safe = true;
    escaped
}
