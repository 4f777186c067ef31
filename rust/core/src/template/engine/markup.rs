//! HTML escaping, which `Markup` strings ask for.

use super::heap::Heap;
use super::text::{Text, TextBuilder};

/// `markupsafe.escape`.
pub(crate) fn escape<'r>(text: Text<'r>, arena: &'r Heap<'r>) -> Text<'r> {
    if text.safe {
        return text;
    }
    let mut out = TextBuilder::with_capacity(text.chars.len(), arena);
    for (at, character) in text.chars.char_indices() {
        let (tag, context) = text.part_at(at);
        match character {
            '&' => out.push_in("&amp;", tag, context),
            '<' => out.push_in("&lt;", tag, context),
            '>' => out.push_in("&gt;", tag, context),
            '\'' => out.push_in("&#39;", tag, context),
            '"' => out.push_in("&#34;", tag, context),
            _ => out.push_char(character, tag, context),
        }
    }
    let mut escaped = out.finish();
    escaped.safe = true;
    escaped
}
