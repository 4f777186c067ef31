//! Conversations that are one text, as Anthropic's HH-RLHF writes them.

use crate::chat::conversation::Message;
use crate::value::Arena;

/// What stands before each message, and whose it is.
const SPEAKERS: [(&str, &str); 2] = [("\n\nHuman:", "user"), ("\n\nAssistant:", "assistant")];

/// The messages of a text that begins with `Human:` and goes on with `Assistant:`, without the
/// spaces around them; `None` where it is another text.
pub(super) fn read<'a>(text: &'a str, arena: &'a Arena) -> Option<&'a mut [Message<'a>]> {
    let mut rest = text.trim_start().strip_prefix("Human:")?;
    let mut messages = bumpalo::collections::Vec::new_in(arena);
    let mut role = "user";
    while let Some((end, mark, next)) = following(rest) {
        messages.push(Message::plain(role, rest[..end].trim(), arena));
        rest = &rest[end + mark..];
        role = next;
    }
    messages.push(Message::plain(role, rest.trim(), arena));
    let answered = messages.iter().any(Message::is_turn);
    answered.then(|| messages.into_bump_slice_mut())
}

/// Where the next message is announced, the length of what announces it, and whose it is.
fn following(text: &str) -> Option<(usize, usize, &'static str)> {
    let found = SPEAKERS.iter();
    let found = found.filter_map(|(mark, role)| Some((text.find(mark)?, mark.len(), *role)));
    found.min_by_key(|(at, _, _)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    #[test]
    fn a_dialogue_falls_into_messages() {
        let arena = Arena::new();
        let text =
            "\n\nHuman: Hi\n\nHuman: there\n\nAssistant: Hello.\n\nAs I said: Human:\n\nHuman:";
        let messages = read(text, &arena).unwrap();
        let said = messages.iter().map(|message| {
            let content = message.fields.get("content").and_then(Value::as_str);
            (message.role, content.unwrap_or_default())
        });
        let expected = [
            ("user", "Hi"),
            ("user", "there"),
            ("assistant", "Hello.\n\nAs I said: Human:"),
            ("user", ""),
        ];
        assert_eq!(said.collect::<Vec<_>>(), expected);
        for other in ["Human: Hi", "Hi\n\nAssistant: no", ""] {
            assert!(read(other, &arena).is_none(), "{other}");
        }
    }
}
