//! Where each assistant turn lies in the text.
//!
//! Every part of the text knows the message whose turn it was when it was written (see the
//! engine's contexts) and the `{% generation %}` block around it. With tags a span is a run of
//! one block; without, it is the run of text written while the message was the loop's item, less
//! the header that the generation prompt of the messages before it already holds.

use super::RenderInput;
use super::engine::{Context, Part};
use super::rendered::{Origin, Rendered, Span};

/// How this template begins and ends turns, learned by probe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TurnRules {
    /// What `add_generation_prompt` adds after a message of a role.
    pub(super) prompts: Vec<(String, String)>,
    /// What stands before the content of a turn after a message of a role.
    pub(super) headers: Vec<(String, String)>,
    /// The next role marker ends a turn.
    pub(super) next_role_ends_turn: bool,
    /// The text after the loop belongs to the last turn.
    pub(super) tail_is_last_turn: bool,
}

/// A turn whose start no rule explains.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unlocated {
    pub(super) message: u32,
}

/// Role of the message before `message`; empty at the start.
fn role_before<'a>(input: &RenderInput<'a>, message: u32) -> &'a str {
    let before = (message as usize).checked_sub(1);
    before.map_or("", |index| role_of(input, index as u32))
}

/// The role of a message.
pub(super) fn role_of<'a>(input: &RenderInput<'a>, message: u32) -> &'a str {
    input
        .messages
        .get(message as usize)
        .and_then(|message| message.get("role")?.as_str())
        .unwrap_or("")
}

fn is_assistant(input: &RenderInput<'_>, message: u32) -> bool {
    role_of(input, message) == "assistant"
}

/// Runs of text that share a key, in order: (start, end, key).
pub(super) fn runs<K: PartialEq>(
    parts: &[Part],
    contexts: &[Context],
    key: impl Fn(Context) -> Option<K>,
) -> Vec<(u32, u32, K)> {
    let mut runs: Vec<(u32, u32, K)> = Vec::new();
    let mut start = 0;
    for part in parts {
        if let Some(found) = key(contexts[part.context as usize]) {
            match runs.last_mut() {
                Some((_, end, known)) if *end == start && *known == found => *end = part.end,
                _ => runs.push((start, part.end, found)),
            }
        }
        start = part.end;
    }
    runs
}

/// Spans from `{% generation %}` tags.
pub(super) fn tagged(
    parts: &[Part],
    contexts: &[Context],
    input: &RenderInput<'_>,
    out: &mut Rendered,
) {
    let generation = |context: Context| (context.generation > 0).then_some(context.generation);
    let mut last = None;
    for (start, end, _) in runs(parts, contexts, generation) {
        let message = tagged_message(parts, contexts, start, input, last);
        last = Some(message);
        push(out, start, end, message);
    }
}

/// The message of a tagged span: whose turn it was, else whose data it holds, else the next one.
fn tagged_message(
    parts: &[Part],
    contexts: &[Context],
    start: u32,
    input: &RenderInput<'_>,
    last: Option<u32>,
) -> u32 {
    let first = parts.partition_point(|part| part.end <= start);
    let of_context = parts
        .get(first)
        .and_then(|part| contexts[part.context as usize].message);
    if let Some(message) = of_context {
        return message;
    }
    let generation = parts
        .get(first)
        .map(|part| contexts[part.context as usize].generation);
    let inside = parts[first.min(parts.len())..]
        .iter()
        .take_while(|part| Some(contexts[part.context as usize].generation) == generation);
    for part in inside {
        if let Origin::Message { index, .. } = part.tag.origin() {
            return index;
        }
    }
    let from = last.map_or(0, |last| last + 1);
    (from..input.messages.len() as u32)
        .find(|message| is_assistant(input, *message))
        .unwrap_or(from.saturating_sub(1))
}

/// Adds a span; its content ends after the last byte that came from the row.
fn push(out: &mut Rendered, start: u32, end: u32, message: u32) {
    if start >= end {
        return;
    }
    let content_end = content_end(out, start, end);
    out.spans.push(Span {
        start,
        content_end,
        end,
        message,
    });
}

fn content_end(out: &Rendered, start: u32, end: u32) -> u32 {
    let last = out.pieces.partition_point(|piece| piece.end < end);
    for index in (0..out.pieces.len().min(last + 1)).rev() {
        let piece = out.pieces[index];
        if piece.end <= start {
            break;
        }
        if !piece.origin.is_template() {
            return piece.end.min(end);
        }
    }
    start
}

/// Spans from the turns of the messages.
pub(super) fn inferred(
    parts: &[Part],
    contexts: &[Context],
    input: &RenderInput<'_>,
    rules: &TurnRules,
    out: &mut Rendered,
) -> Result<(), Unlocated> {
    let segments = runs(parts, contexts, |context| context.message);
    let last_message = input.messages.len() as u32 - 1;
    let mut seen = None;
    for (index, (start, end, message)) in segments.iter().enumerate() {
        if !is_assistant(input, *message) {
            continue;
        }
        let mut from = *start;
        if seen != Some(*message) {
            let text = &out.text[*start as usize..*end as usize];
            let header = header_len(rules, role_before(input, *message), text);
            let header = header.ok_or(Unlocated { message: *message })?;
            from += header as u32;
        }
        seen = Some(*message);
        let next = segments.get(index + 1);
        let mut to = *end;
        if next.is_none() && *message == last_message && rules.tail_is_last_turn {
            if !input.add_generation_prompt {
                to = out.text.len() as u32;
            }
        } else if rules.next_role_ends_turn {
            to += marker_len(&out.text[to as usize..], parts, to) as u32;
        }
        push(out, from, to, *message);
    }
    Ok(())
}

/// Bytes of the header of a turn: the longest generation prompt that begins it, else the longest
/// role header.
fn header_len(rules: &TurnRules, role_before: &str, text: &str) -> Option<usize> {
    let longest = |known: &[(String, String)], role: Option<&str>| {
        known
            .iter()
            .filter(|(known, header)| {
                role.is_none_or(|role| role == known) && text.starts_with(header.as_str())
            })
            .map(|(_, header)| header.len())
            .max()
    };
    let role = Some(role_before);
    longest(&rules.prompts, role)
        .or_else(|| longest(&rules.headers, role))
        .or_else(|| longest(&rules.prompts, None))
        .or_else(|| longest(&rules.headers, None))
}

/// Bytes of the role marker at the start of `text` (`<|user|>`, `[INST]`), if the template wrote it.
pub(super) fn marker_len(text: &str, parts: &[Part], at: u32) -> usize {
    let first = parts.partition_point(|part| part.end <= at);
    let Some(part) = parts.get(first).filter(|part| part.tag.is_template()) else {
        return 0;
    };
    let own = &text[..(part.end - at) as usize];
    let spaces = own.len() - own.trim_start().len();
    let close = match own[spaces..].chars().next() {
        Some('<') => '>',
        Some('[') => ']',
        Some('＜') => '＞',
        _ => return 0,
    };
    own.find(close).map_or(0, |end| end + close.len_utf8())
}
