//! Where each assistant turn lies in the text.
//!
//! Every part of the text knows the message whose turn it was when it was written (the engine's
//! context) and the `{% generation %}` block around it. With tags, a span is a run of one block.
//! Without, it is the run of text written while the message was the item of the template's loop,
//! minus its header: at inference the generation prompt already holds the header, so the model does
//! not write it.
//!
//! Two things make this harder than it sounds. The end of a turn need not be printed in its own
//! run: in some templates it follows the loop, or is the marker of the next role. And some
//! templates print several messages in one run, for example a tool's result inside the turn of the
//! call. What cannot be told apart exactly is left without a span, and training on it is refused.

use turnmill_jinja::{Context, Fragment, Provenance};

use super::RenderInput;
use super::rendered::{Field, Origin, Rendered, Span};

/// How this template begins and ends turns, learned by probe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TurnRules {
    /// What `add_generation_prompt` adds, by the role of the message before it.
    pub(super) prompts: Vec<(String, String)>,
    /// What the template prints before the content of a turn, by the role of the message before the
    /// turn.
    pub(super) headers: Vec<(String, String)>,
    /// Whether the marker of the next role ends a turn.
    pub(super) next_role_ends_turn: bool,
    /// Whether the text after the loop belongs to the last turn.
    pub(super) tail_is_last_turn: bool,
    /// The end of a turn that calls a tool when no result follows, if the text of a result begins
    /// with the same.
    pub(super) result_marker: String,
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
    provenance: &Provenance<'_>,
    key: impl Fn(Context) -> Option<K>,
) -> Vec<(u32, u32, K)> {
    let mut runs: Vec<(u32, u32, K)> = Vec::new();
    let mut start = 0;
    for fragment in provenance.fragments() {
        if let Some(found) = key(provenance.context(fragment)) {
            match runs.last_mut() {
                Some((_, end, known)) if *end == start && *known == found => *end = fragment.end,
                _ => runs.push((start, fragment.end, found)),
            }
        }
        start = fragment.end;
    }
    runs
}

/// The turns of the messages, in order: (start, end, message). Text written outside the loops
/// belongs to a message if it holds data of that message only, and no loop wrote any text for it.
pub(super) fn segments(provenance: &Provenance<'_>) -> Vec<(u32, u32, u32)> {
    let mut segments = without_asides(runs(provenance, |context| context.record), provenance);
    let mut start = 0;
    let mut gap: Option<Gap> = None;
    let mut found = Vec::new();
    for fragment in provenance.fragments() {
        if provenance.context(fragment).record.is_some() {
            found.extend(gap.take());
        } else {
            let gap = gap.get_or_insert(Gap::at(start));
            gap.add(fragment);
        }
        start = fragment.end;
    }
    found.extend(gap);
    // Templates that take a message out of the list, such as the system message, print it before the
    // loop. If the loop prints the message too, the text outside repeats it and is not its turn.
    for gap in found {
        if let Owner::One(message) = gap.owner
            && segments.iter().all(|(.., known)| *known != message)
        {
            segments.push((gap.start, gap.end, message));
        }
    }
    segments.sort_by_key(|(start, ..)| *start);
    segments
}

/// The runs with each aside made part of the message that it stands in: a macro that a template calls
/// inside a message may walk over all messages and write something at an earlier one, such as the
/// number of the call that a result answers.
fn without_asides(runs: Vec<(u32, u32, u32)>, provenance: &Provenance<'_>) -> Vec<(u32, u32, u32)> {
    let mut joined: Vec<(u32, u32, u32)> = Vec::with_capacity(runs.len());
    for run in runs {
        let (start, end, message) = run;
        if let [earlier @ .., around, aside] = &mut joined[..]
            && (around.1, around.2, aside.1) == (aside.0, message, start)
            && earlier.iter().any(|(.., known)| *known == aside.2)
            && is_of_template(provenance, aside.0, aside.1)
        {
            around.1 = end;
            joined.pop();
        } else {
            joined.push(run);
        }
    }
    joined
}

/// Whether a text holds nothing of the row.
fn is_of_template(provenance: &Provenance<'_>, start: u32, end: u32) -> bool {
    let fragments = provenance.fragments();
    let first = fragments.partition_point(|fragment| fragment.end <= start);
    let last = fragments.partition_point(|fragment| fragment.end < end);
    let inside = fragments.get(first..=last).unwrap_or_default();
    inside
        .iter()
        .all(|fragment| Origin::of(fragment).is_template())
}

/// Text outside the loops.
struct Gap {
    start: u32,
    end: u32,
    owner: Owner,
}

/// The messages whose data a gap holds.
enum Owner {
    Nobody,
    One(u32),
    Several,
}

impl Gap {
    fn at(start: u32) -> Self {
        Self {
            start,
            end: start,
            owner: Owner::Nobody,
        }
    }

    fn add(&mut self, fragment: &Fragment) {
        self.end = fragment.end;
        if let Origin::Message { index, .. } = Origin::of(fragment) {
            self.owner = match self.owner {
                Owner::Nobody => Owner::One(index),
                Owner::One(known) if known == index => Owner::One(index),
                _ => Owner::Several,
            };
        }
    }
}

/// Spans from `{% generation %}` tags.
pub(super) fn tagged(provenance: &Provenance<'_>, input: &RenderInput<'_>, out: &mut Rendered) {
    let generation = |context: Context| (context.generation > 0).then_some(context.generation);
    let mut last = None;
    for (start, end, _) in runs(provenance, generation) {
        let message = tagged_message(provenance, start, input, last);
        last = Some(message);
        match out.spans.last_mut() {
            // Two pairs of tags with nothing between them, such as around a turn and its eos.
            Some(span) if span.end == start && span.message == message => {
                let start = span.start;
                out.spans.pop();
                push(out, start, end, message);
            }
            _ => push(out, start, end, message),
        }
    }
}

/// The message of a tagged span: the one whose turn it was, else the one whose data it holds, else
/// the next assistant message.
fn tagged_message(
    provenance: &Provenance<'_>,
    start: u32,
    input: &RenderInput<'_>,
    last: Option<u32>,
) -> u32 {
    let fragments = provenance.fragments();
    let from_start = &fragments[fragments.partition_point(|fragment| fragment.end <= start)..];
    let context = from_start
        .first()
        .map_or(Context::default(), |fragment| provenance.context(fragment));
    if let Some(message) = context.record {
        return message;
    }
    let inside = from_start
        .iter()
        .take_while(|fragment| provenance.context(fragment).generation == context.generation);
    for fragment in inside {
        if let Origin::Message { index, .. } = Origin::of(fragment) {
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
    // Backwards from the fragment that holds the last byte: it may end after the span does.
    let last = out.fragments.partition_point(|fragment| fragment.end < end);
    for index in (0..out.fragments.len().min(last + 1)).rev() {
        let fragment = out.fragments[index];
        if fragment.end <= start {
            break;
        }
        // The name of a role is part of a marker, such as that of the next message in GLM.
        let is_role = matches!(
            fragment.origin,
            Origin::Message {
                field: Field::Role,
                ..
            }
        );
        if !is_role && !fragment.origin.is_template() {
            return fragment.end.min(end);
        }
    }
    start
}

/// Spans from the turns of the messages.
pub(super) fn inferred(
    provenance: &Provenance<'_>,
    input: &RenderInput<'_>,
    rules: &TurnRules,
    out: &mut Rendered,
) {
    let segments = segments(provenance);
    let last_message = input.messages.len() as u32 - 1;
    let mut seen = None;
    for (index, (start, end, message)) in segments.iter().enumerate() {
        let message = *message;
        if !is_assistant(input, message) {
            continue;
        }
        let mut from = *start;
        // A turn may be printed in several runs, such as around the result of its call. Only the first
        // has a header.
        if seen != Some(message) {
            let leading = leading(out, *start, *end);
            let Some(header) = header_len(rules, role_before(input, message), leading) else {
                out.unlocated.push(message);
                continue;
            };
            from += header as u32;
        }
        seen = Some(message);
        let mut to = *end;
        match foreign_data(out, input, from, to, message) {
            Foreign::None => {}
            Foreign::From(at) => {
                push(out, from, at, message);
                continue;
            }
            Foreign::Between => {
                out.unlocated.push(message);
                continue;
            }
        }
        // The end of a turn may stand outside its run: after the loop, in the next role's marker, or at
        // the start of a result. The model has to write it, because the server stops on it.
        if index + 1 == segments.len() && message == last_message && rules.tail_is_last_turn {
            // With a generation prompt, the text after the loop is not all the turn's.
            if !input.add_generation_prompt {
                to = out.text.len() as u32;
            }
        } else if rules.next_role_ends_turn
            && segments
                .get(index + 1)
                .is_some_and(|(.., next)| !is_assistant(input, *next))
        {
            // Only if the next message is not an answer: the marker of an answer is that answer's
            // header.
            to += marker_len(&out.text[to as usize..], provenance.fragments(), to) as u32;
        } else if let Some((next_start, _, next)) = segments.get(index + 1)
            && (*next_start, role_of(input, *next)) == (to, "tool")
            && out.text[to as usize..].starts_with(&rules.result_marker)
        {
            to += rules.result_marker.len() as u32;
        }
        push(out, from, to, message);
    }
}

/// Data of another message inside a turn.
enum Foreign {
    None,
    /// It begins here, and none of the turn's own data follows.
    From(u32),
    /// The turn's own data continues after it, or it belongs to another answer.
    Between,
}

/// Where the data of a message that is not an assistant's begins inside a turn: some templates
/// print a tool's result inside the turn that called it.
fn foreign_data(
    out: &Rendered,
    input: &RenderInput<'_>,
    from: u32,
    to: u32,
    message: u32,
) -> Foreign {
    let mut foreign = Foreign::None;
    let mut start = from;
    for fragment in fragments_from(out, from) {
        if start >= to {
            break;
        }
        if let Origin::Message { index, field } = fragment.origin {
            let is_answer = is_assistant(input, index);
            if index != message && is_answer && field != Field::Role {
                return Foreign::Between;
            }
            if index == message || is_answer {
                if let Foreign::From(_) = foreign {
                    return Foreign::Between;
                }
            } else if let Foreign::None = foreign {
                foreign = Foreign::From(start);
            }
        }
        start = fragment.end;
    }
    foreign
}

/// The fragments from the one that holds the byte at `from`.
pub(super) fn fragments_from(out: &Rendered, from: u32) -> &[super::Fragment] {
    &out.fragments[out
        .fragments
        .partition_point(|fragment| fragment.end <= from)..]
}

/// Bytes of the header of a turn whose own template text begins with `leading`; `None` if the
/// header is not known.
///
/// The header is what the server has already written when the model begins, so what the probes saw
/// is tried from the strongest evidence to the weakest. At every step the longest match wins,
/// because one prompt may be the start of another (with and without an opened think block).
pub(super) fn header_len(rules: &TurnRules, role_before: &str, leading: &str) -> Option<usize> {
    let longest = |known: &[(String, String)], role: Option<&str>| {
        known
            .iter()
            .filter(|(known, header)| {
                role.is_none_or(|role| role == known) && leading.starts_with(header.as_str())
            })
            .map(|(_, header)| header.len())
            .max()
    };
    // The template never prints a generation prompt (Mistral), so the turn starts with its text.
    if !rules.prompts.is_empty() && rules.prompts.iter().all(|(_, prompt)| prompt.is_empty()) {
        return Some(0);
    }
    let own = longest(&rules.prompts, Some(role_before));
    let of_any = longest(&rules.prompts, None);
    let is_some = |length: &usize| *length > 0;
    // What the server sends after this role.
    own.filter(is_some)
        // What it sends after some role: the probes do not see every order of roles.
        .or_else(|| of_any.filter(is_some))
        // After this role it sends nothing. An empty text always matches, so it proves little, and
        // any prompt that does match comes first.
        .or(own)
        // The template prints this turn differently from its own prompt (DeepSeek-R1 prompts with
        // `<think>` and prints turns without it), so its header in whole conversations counts.
        .or_else(|| longest(&rules.headers, Some(role_before)))
        .or_else(|| longest(&rules.headers, None))
        // The header follows text that belongs to no message.
        .or_else(|| late_header(rules, leading))
        // Some role is prompted with nothing.
        .or(of_any)
        // The turn begins with the row's own text, so there is no header.
        .or_else(|| leading.is_empty().then_some(0))
}

/// The template's own text at the start of a turn, the role included.
pub(super) fn leading(out: &Rendered, start: u32, end: u32) -> &str {
    let mut until = start;
    for fragment in fragments_from(out, start) {
        let is_role = matches!(
            fragment.origin,
            Origin::Message {
                field: Field::Role,
                ..
            }
        );
        if until >= end || (!is_role && !fragment.origin.is_template()) {
            break;
        }
        until = fragment.end.min(end);
    }
    &out.text[start as usize..until as usize]
}

/// Bytes up to the end of a header that comes after other text, such as a default system message
/// before a conversation that the assistant begins.
fn late_header(rules: &TurnRules, leading: &str) -> Option<usize> {
    let known = rules.prompts.iter().chain(&rules.headers);
    known
        .filter(|(_, header)| !header.is_empty())
        .filter_map(|(_, header)| Some(leading.rfind(header.as_str())? + header.len()))
        .max()
}

/// Bytes of the role marker at the start of `text` (`<|user|>`, `[INST]`), if it consists only of
/// template text and the role.
pub(super) fn marker_len(text: &str, fragments: &[Fragment], at: u32) -> usize {
    let first = fragments.partition_point(|fragment| fragment.end <= at);
    let is_frame = |fragment: &&Fragment| match Origin::of(fragment) {
        Origin::Template => true,
        Origin::Message { field, .. } => field == Field::Role,
        Origin::Variable => false,
    };
    let Some(last) = fragments[first..].iter().take_while(is_frame).last() else {
        return 0;
    };
    let own = &text[..(last.end - at) as usize];
    let spaces = own.len() - own.trim_start().len();
    let close = match own[spaces..].chars().next() {
        Some('<') => '>',
        Some('[') => ']',
        Some('＜') => '＞',
        _ => return 0,
    };
    own.find(close).map_or(0, |end| end + close.len_utf8())
}
