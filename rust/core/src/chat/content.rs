//! The content of a message: text, a list of parts, or something that is neither.

use super::options::TextParts;
use super::variables::json;
use crate::rules::{Reject, Rule};
use crate::value::{Arena, Map, Value};

/// Keys that can stand in for a content.
const PAYLOAD_KEYS: [&str; 6] = [
    "tool_calls",
    "function_call",
    "reasoning_content",
    "thinking",
    "reasoning",
    "audio",
];

/// What the parts of a content come to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parts<'a> {
    /// The content that the template sees.
    pub(super) content: Option<Value<'a>>,
    /// Text of the reasoning parts.
    pub(super) reasoning: Option<&'a str>,
    /// Calls of the tool-call parts, as transformers takes them.
    pub(super) tool_calls: Option<Value<'a>>,
    /// Tool definitions, which LLaMA-Factory allows among the parts of a system message.
    pub(super) tools: Option<Value<'a>>,
}

/// Refuses a content that is not there, or that only Python's `str` would make a text of.
///
/// A tool's result is exempt: templates print objects and lists as JSON there, and nothing of it
/// is trained.
pub(super) fn check(
    role: &str,
    content: Option<Value<'_>>,
    message: Map<'_>,
) -> Result<(), Reject> {
    let rule = match content {
        Some(Value::Str(_) | Value::List(_)) => return Ok(()),
        _ if matches!(role, "tool" | "function" | "ipython" | "tool_results") => return Ok(()),
        None | Some(Value::Null) if has_payload(message) => return Ok(()),
        None | Some(Value::Null) => Rule::NullContent,
        Some(_) => Rule::NonStringContent,
    };
    let reason = match content {
        Some(value) => format!("the content of a message of `{role}` is {}", value.kind()),
        None => format!("a message of `{role}` has no content"),
    };
    Err(Reject::new(rule, reason))
}

fn has_payload(message: Map<'_>) -> bool {
    message
        .iter()
        .any(|(key, value)| value != Value::Null && PAYLOAD_KEYS.contains(&key))
}

/// Whether the template can take the parts as they are: text under `text`, and media.
fn is_standard(parts: &[Value<'_>]) -> bool {
    parts.iter().all(|part| {
        part.as_map().is_some_and(|part| {
            !matches!(kind_of(part), "reasoning" | "tool_call" | "tools")
                && (kind_of(part) != "text" || part.get_some("text").is_some())
        })
    })
}

/// The `type` of a part; one without a type that has a text is a text.
fn kind_of(part: Map<'_>) -> &str {
    match part.get("type") {
        Some(Value::Str(kind)) => kind,
        _ if text_of(part).is_some() => "text",
        _ => "",
    }
}

/// Keys under which data sets have the text of a part.
const TEXTS: [&str; 4] = ["text", "value", "reasoning", "thinking"];

/// The text of a part.
fn text_of(part: Map<'_>) -> Option<&str> {
    TEXTS.into_iter().find_map(|key| part.get(key)?.as_str())
}

/// Refuses a part that has a second text under another name, of which only one could be read.
pub(super) fn refuse_second_text(parts: &[Value<'_>]) -> Result<(), Reject> {
    for part in parts.iter().filter_map(|part| part.as_map()) {
        let text = |key: &&str| part.get(key).and_then(Value::as_str);
        let says = |key: &&str| text(key).is_some_and(|text| !text.is_empty());
        let mut keys = TEXTS.into_iter().filter(says);
        let Some(first) = keys.next() else { continue };
        if let Some(second) = keys.find(|key| text(key) != text(&first)) {
            let reason = format!("a part of the content has two texts, `{first}` and `{second}`");
            return Err(Reject::new(Rule::SchemaMismatch, reason));
        }
    }
    Ok(())
}

/// Reads a content that is a list. `None`: it stays as it is.
pub(super) fn read_parts<'a>(
    role: &str,
    parts: &'a [Value<'a>],
    mode: TextParts,
    arena: &'a Arena,
) -> Result<Option<Parts<'a>>, Reject> {
    if mode == TextParts::Keep && is_standard(parts) {
        return Ok(None);
    }
    let is_tool = role == "tool";
    if is_tool && !parts.iter().all(is_text_part) {
        // A result that is a JSON list of its own.
        return Ok(None);
    }
    // Forms that transformers does not know: no template takes a list of them.
    let mode = if parts.iter().all(is_written_text) {
        TextParts::Join
    } else {
        mode
    };
    let mut collector = Collector::new(arena);
    for part in parts {
        collector.add(role, *part, mode)?;
    }
    Ok(Some(collector.finish()))
}

fn is_text_part(part: &Value<'_>) -> bool {
    part.as_map()
        .is_some_and(|part| kind_of(part) == "text" && text_of(part).is_some())
}

/// Whether the part is text, or one that becomes a field of the message.
fn is_written_text(part: &Value<'_>) -> bool {
    part.as_map().is_some_and(|part| {
        matches!(
            kind_of(part),
            "text" | "reasoning" | "thinking" | "tool_call" | "tools"
        )
    })
}

/// Sorts parts by what the template calls them.
struct Collector<'a> {
    arena: &'a Arena,
    texts: Vec<&'a str>,
    reasoning: Vec<&'a str>,
    calls: Vec<Value<'a>>,
    kept: Vec<Value<'a>>,
    tools: Option<Value<'a>>,
}

impl<'a> Collector<'a> {
    fn new(arena: &'a Arena) -> Self {
        Self {
            arena,
            texts: Vec::new(),
            reasoning: Vec::new(),
            calls: Vec::new(),
            kept: Vec::new(),
            tools: None,
        }
    }

    fn add(&mut self, role: &str, part: Value<'a>, mode: TextParts) -> Result<(), Reject> {
        let Some(map) = part.as_map() else {
            return Err(no_part(role, part));
        };
        let kind = kind_of(map);
        match (kind, text_of(map)) {
            ("text", Some(text)) => {
                self.texts.push(text);
                let entries = [("type", Value::Str("text")), ("text", Value::Str(text))];
                self.keep(Value::Map(Map::new(self.arena.alloc_slice_copy(&entries))));
            }
            ("reasoning" | "thinking", Some(text)) => self.reasoning.push(text),
            ("tool_call", _) => self.add_call(map)?,
            ("tools", _) => self.tools = Some(self.parsed("tools", map)?),
            ("text", None) => {
                let reason = format!("a text part of `{role}` has no text");
                return Err(Reject::new(Rule::NullContent, reason));
            }
            _ if mode == TextParts::Keep => self.keep(part),
            _ => return Err(not_text(role, kind)),
        }
        Ok(())
    }

    fn keep(&mut self, part: Value<'a>) {
        self.kept.push(part);
    }

    /// The value of a part whose text is JSON.
    fn parsed(&self, kind: &str, part: Map<'a>) -> Result<Value<'a>, Reject> {
        match part.get("value").or_else(|| part.get(kind)) {
            Some(Value::Str(text)) => json(text, kind, self.arena),
            Some(value) => Ok(value),
            None => Err(mismatch_part(kind)),
        }
    }

    fn add_call(&mut self, part: Map<'a>) -> Result<(), Reject> {
        let call = self.parsed("tool_call", part)?;
        self.calls
            .extend(tool_calls("tool_call", call, self.arena)?);
        Ok(())
    }

    /// Parts that no template knows become one text whatever the mode, unless media stand among
    /// them.
    fn finish(self) -> Parts<'a> {
        let arena = self.arena;
        let content = if self.kept.len() > self.texts.len() {
            Value::List(arena.alloc_slice_copy(&self.kept))
        } else {
            Value::Str(joined(&self.texts, arena))
        };
        Parts {
            content: Some(content),
            reasoning: (!self.reasoning.is_empty()).then(|| joined(&self.reasoning, arena)),
            tool_calls: (!self.calls.is_empty())
                .then(|| Value::List(arena.alloc_slice_copy(&self.calls))),
            tools: self.tools,
        }
    }
}

fn joined<'a>(texts: &[&'a str], arena: &'a Arena) -> &'a str {
    match texts {
        [one] => one,
        many => arena.alloc_str(&many.concat()),
    }
}

fn not_text(role: &str, kind: &str) -> Reject {
    let reason = format!("a part of the content of `{role}` is not text but `{kind}`");
    Reject::new(Rule::NonStringContent, reason)
}

/// Whether plain strings are pieces of one text, lines of it or texts to choose from, nothing says.
fn no_part(role: &str, item: Value<'_>) -> Reject {
    let reason = match item {
        Value::Str(_) => format!(
            "the content of `{role}` is a list of plain strings: make it one text, or parts such as \
             {{\"type\": \"text\", \"text\": \"…\"}}"
        ),
        other => format!(
            "the content of `{role}` is a list with {} in it, which is no part",
            other.kind()
        ),
    };
    Reject::new(Rule::NonStringContent, reason)
}

fn mismatch_part(kind: &str) -> Reject {
    Reject::new(
        Rule::SchemaMismatch,
        format!("a part of type `{kind}` has no value"),
    )
}

/// Calls as transformers takes them, from an object with `name` and `arguments` or a list of such.
pub(super) fn tool_calls<'a>(
    name: &str,
    value: Value<'a>,
    arena: &'a Arena,
) -> Result<Vec<Value<'a>>, Reject> {
    let one = [value];
    let calls = match value {
        Value::List(calls) => calls,
        _ => &one[..],
    };
    calls
        .iter()
        .map(|call| tool_call(name, *call, arena))
        .collect()
}

fn tool_call<'a>(name: &str, call: Value<'a>, arena: &'a Arena) -> Result<Value<'a>, Reject> {
    let function = call
        .as_map()
        .filter(|call| matches!(call.get("name"), Some(Value::Str(_))))
        .ok_or_else(|| {
            let reason = format!("`{name}` is not an object with `name` and `arguments`");
            Reject::new(Rule::SchemaMismatch, reason)
        })?;
    let entries = [
        ("type", Value::Str("function")),
        ("function", Value::Map(function)),
    ];
    Ok(Value::Map(Map::new(arena.alloc_slice_copy(&entries))))
}
