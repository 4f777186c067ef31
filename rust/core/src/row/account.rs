//! Checks that the text holds everything that the row says.
//!
//! Equality with transformers does not answer this: a template that leaves out a message does so
//! there too. The engine knows which message and field each byte of a render came from. For content
//! it is therefore enough to count bytes, and to compare text only if fewer bytes were printed than
//! the row has. Tool calls are values: each of their names and arguments is searched for in the
//! text that came from the calls of the message.

use super::findings::RowFindings;
use super::leaves::{LeafSearch, Leaves};
use super::policy::Policy;
use crate::chat::{Conversation, Message, REASONING_KEYS};
use crate::recipe::SpecialInContent;
use crate::rules::{Reject, Rule, Severity};
use crate::template::{Field, Origin, Rendered};
use crate::value::{Map, Value};

/// Finds what the render of an excerpt leaves out. Lost text of any message rejects the row; lost tools
/// and names are counted. In exact mode, where ids must equal those of transformers, everything is
/// only counted.
// A function of its own in the profile: `benches/instructions.py` counts what it takes.
#[inline(never)]
pub(super) fn account(
    policy: &Policy<'_, '_>,
    rendered: &Rendered,
    ledger: &mut Ledger,
    findings: &mut RowFindings,
) -> Result<(), Reject> {
    let exact = policy.plan.recipe.special_in_content == SpecialInContent::Parse;
    for loss in ledger.losses(policy.conversation, rendered) {
        let rule = loss.rule(policy.conversation);
        if rule.severity() == Severity::Error && !exact {
            return Err(loss.reject(rule));
        }
        let message = loss.message.unwrap_or(0);
        match loss.key {
            Some(key) => {
                findings.counts.add_named(rule, key);
                findings.counts.note(rule, message, || loss.what);
            }
            None => findings.counts.add_at(rule, message, || loss.what),
        }
    }
    Ok(())
}

/// Something in the row that is not in its render.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    /// Index of the message, from 0; `None` for the tools and documents of the row.
    pub(crate) message: Option<u32>,
    /// Which part of it.
    pub(crate) part: LostPart,
    /// A description for the reason or the evidence.
    pub(crate) what: String,
    /// The key, where it is a whole one of a message.
    pub(crate) key: Option<&'static str>,
}

/// The part of a row that was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LostPart {
    /// The content of a message, whole or in part.
    Content,
    /// A tool call, its name or one of its arguments.
    ToolCall,
    /// A definition in `tools`, or a document.
    Variable,
    /// A key of a message that carries meaning, such as `name`.
    Key,
}

/// Keys of messages that say something, besides content, calls and reasoning.
const TELLING: [&str; 26] = [
    "name",
    "tool_call_id",
    "refusal",
    "function_call",
    "tool_call",
    "toolCalls",
    "function",
    "analysis",
    "cot",
    "chain_of_thought",
    "tool_results",
    "tool_responses",
    "reasoning_details",
    "thought",
    "thoughts",
    "rationale",
    "tools",
    "functions",
    "is_error",
    "tool_plan",
    "image",
    "images",
    "audio",
    "system",
    "text",
    "value",
];

/// Contents that no text holds. A template prints a placeholder for one, such as `<image>`.
const MEDIA: [&str; 3] = ["image", "audio", "video"];

/// What of a render came from one message.
#[derive(Clone, Copy, Debug, Default)]
struct Printed {
    /// Bytes from each part of the message.
    bytes: [u32; Field::COUNT],
    /// The first run of the render that came from the message, and the run after its last.
    first: usize,
    after: usize,
}

impl Printed {
    fn of(&self, field: Field) -> usize {
        self.bytes[field as usize] as usize
    }

    fn add(&mut self, field: Field, index: usize, bytes: u32) {
        if self.after == 0 {
            self.first = index;
        }
        self.after = index + 1;
        self.bytes[field as usize] += bytes;
    }
}

/// Memory of the accounting, reused from row to row.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    printed: Vec<Printed>,
    text: String,
}

impl Ledger {
    /// What the render leaves out of the conversation, in the order of the messages; at most one
    /// loss for each part and key of a message.
    pub(crate) fn losses(
        &mut self,
        conversation: &Conversation<'_>,
        rendered: &Rendered,
    ) -> Vec<Loss> {
        self.count(conversation.messages.len(), rendered);
        let mut losses = Vec::new();
        let mut answers = Answers::default();
        for (index, message) in conversation.messages.iter().enumerate() {
            let printed = self.printed[index];
            answers.advance(message);
            let index = index as u32;
            if let Some(content) = message.fields.get_some("content") {
                if let Some(what) = self.lost_content(message, content, index, printed, rendered) {
                    losses.push(Loss::of(index, LostPart::Content, what));
                }
                losses.extend(medium(content).map(|key| Loss::of_key(index, key)));
            }
            if message.is_plain() {
                continue;
            }
            if let Some(what) = self.lost_call(message, index, printed, rendered) {
                losses.push(Loss::of(index, LostPart::ToolCall, what));
            }
            let mut has_reasoning = false;
            for (key, value) in message.fields.iter() {
                let field = Field::of_key(key);
                has_reasoning |= field == Field::Reasoning;
                if is_lost(message, field, value, answers, printed)
                    && let Some(known) = telling(key)
                {
                    losses.push(Loss {
                        what: key.to_owned(),
                        ..Loss::of_key(index, known)
                    });
                }
            }
            if has_reasoning {
                let keys = self.lost_reasoning(message, index, rendered);
                losses.extend(keys.into_iter().map(|key| Loss::of_key(index, key)));
            }
        }
        if conversation.tools.is_some() || conversation.documents.is_some() {
            self.gather_variables(rendered);
            losses.extend(self.lost_tool(conversation.tools));
            losses.extend(self.lost_document(conversation.documents));
        }
        losses
    }

    /// Bytes by message and field.
    fn count(&mut self, messages: usize, rendered: &Rendered) {
        self.printed.clear();
        self.printed.resize(messages, Printed::default());
        for (place, run) in rendered.ranges().enumerate() {
            let Origin::Message { index, field } = run.origin else {
                continue;
            };
            if let Some(printed) = self.printed.get_mut(index as usize) {
                printed.add(field, place, run.end - run.start);
            }
        }
    }

    /// The first text of the content that is not in the render.
    fn lost_content(
        &mut self,
        message: &Message<'_>,
        content: Value<'_>,
        index: u32,
        printed: Printed,
        rendered: &Rendered,
    ) -> Option<String> {
        match content {
            Value::Str(text) => {
                // Templates strip content. Reasoning that they read from it still counts as content.
                let count = printed.of(Field::Content);
                if count >= text.len() || count >= text.trim().len() {
                    return None;
                }
                self.gather(index, Field::Content, rendered);
                // Lost reasoning has its own rules; the answer after it must be there.
                if message.is_turn()
                    && let Some((_, answer)) = text.rsplit_once("</think>")
                {
                    let lost = !LeafSearch::new(&self.text).holds(answer);
                    return lost.then(|| "the answer of this turn".to_owned());
                }
                if printed.of(Field::Content) == 0 {
                    return Some("the content of this message".to_owned());
                }
                let lost = signs(text) > signs(&self.text);
                lost.then(|| "a part of the content of this message".to_owned())
            }
            Value::List(parts) => {
                let mut texts = parts
                    .iter()
                    .filter_map(|part| part.as_map()?.get("text")?.as_str());
                let expected: usize = texts.clone().map(|text| text.trim().len()).sum();
                if printed.of(Field::Content) >= expected {
                    return None;
                }
                self.gather(index, Field::Content, rendered);
                let mut gathered = LeafSearch::new(&self.text);
                let lost = texts.find(|text| !gathered.holds(text))?;
                Some(format!("the text part {:?} of this message", excerpt(lost)))
            }
            // A tool's result may be any value.
            other => {
                self.gather(index, Field::Content, rendered);
                self.leaves(index, rendered)
                    .first_lost(other)
                    .map(|leaf| format!("{:?} of the content of this message", excerpt(&leaf)))
            }
        }
    }

    /// The first name or argument of the message's calls that is not in the render.
    fn lost_call(
        &mut self,
        message: &Message<'_>,
        index: u32,
        printed: Printed,
        rendered: &Rendered,
    ) -> Option<String> {
        let calls = message.fields.get_some("tool_calls")?.as_list()?;
        if calls.is_empty() {
            return None;
        }
        if printed.of(Field::ToolCalls) == 0 {
            return Some("the tool calls of this turn".to_owned());
        }
        self.gather(index, Field::ToolCalls, rendered);
        let mut leaves = self.leaves(index, rendered);
        calls.iter().find_map(|call| {
            let call = call.as_map()?;
            let function = call.get("function").and_then(Value::as_map).unwrap_or(call);
            let name = function.get("name");
            let lost_name = name.and_then(|name| leaves.first_lost(name));
            let arguments = || leaves.first_lost(function.get("arguments")?);
            let leaf = lost_name.or_else(arguments)?;
            Some(format!(
                "{:?} of the tool calls of this turn",
                excerpt(&leaf)
            ))
        })
    }

    /// The reasoning fields of which the render does not hold the text, where no other rule says so:
    /// beside another one that a turn has, and on messages that are not turns.
    fn lost_reasoning(
        &mut self,
        message: &Message<'_>,
        index: u32,
        rendered: &Rendered,
    ) -> Vec<&'static str> {
        let text = |key: &str| {
            let text = message.fields.get_some(key).and_then(Value::as_str);
            text.filter(|text| !text.trim().is_empty())
        };
        let given = REASONING_KEYS.into_iter().filter(|key| text(key).is_some());
        let mut given: Vec<&str> = given.collect();
        if given.len() <= usize::from(message.is_turn()) {
            return Vec::new();
        }
        self.gather(index, Field::Reasoning, rendered);
        given.retain(|key| text(key).is_some_and(|text| !LeafSearch::new(&self.text).holds(text)));
        given
    }

    /// The first tool of which the gathered text lacks the name, the description or a parameter.
    fn lost_tool(&self, tools: Option<Value<'_>>) -> Option<Loss> {
        let mut gathered = LeafSearch::new(&self.text);
        let what = tools?.as_list()?.iter().find_map(|tool| {
            let tool = tool.as_map()?;
            let function = tool.get("function").and_then(Value::as_map).unwrap_or(tool);
            let name = function.get("name")?.as_str()?;
            if !gathered.holds(name) {
                return Some(format!("the tool {name:?}"));
            }
            let lost = lost_of_tool(function, &mut gathered)?;
            Some(format!("{:?} of the tool {name:?}", excerpt(lost)))
        })?;
        Some(Loss::of_variable(what))
    }

    /// The first document of which the gathered text does not hold the longest text.
    fn lost_document(&self, documents: Option<Value<'_>>) -> Option<Loss> {
        let mut documents = documents?.as_list()?.iter();
        let mut gathered = LeafSearch::new(&self.text);
        let lost = documents.find_map(|document| {
            let texts = document.as_map()?.iter();
            let texts = texts.filter_map(|(_, text)| text.as_str());
            let longest = texts.max_by_key(|text| text.len())?;
            (!gathered.holds(longest)).then_some(longest)
        })?;
        Some(Loss::of_variable(format!(
            "the document {:?}",
            excerpt(lost)
        )))
    }

    /// Looks for values in the gathered text of a message.
    fn leaves<'t>(&'t self, message: u32, rendered: &'t Rendered) -> Leaves<'t> {
        let Printed { first, after, .. } = self.printed[message as usize];
        let start = rendered.ranges_of(first..after).next();
        let start = start.map_or(0, |run| run.start as usize);
        Leaves::new(&self.text, &rendered.text, start)
    }

    /// The text of the render that came from the row's variables.
    fn gather_variables(&mut self, rendered: &Rendered) {
        self.text.clear();
        for run in rendered
            .ranges()
            .filter(|run| run.origin == Origin::Variable)
        {
            self.text
                .push_str(&rendered.text[run.start as usize..run.end as usize]);
        }
    }

    /// The text of the render that came from one field of one message.
    fn gather(&mut self, message: u32, wanted: Field, rendered: &Rendered) {
        self.text.clear();
        let origin = Origin::Message {
            index: message,
            field: wanted,
        };
        let Printed { first, after, .. } = self.printed[message as usize];
        for run in rendered
            .ranges_of(first..after)
            .filter(|run| run.origin == origin)
        {
            self.text
                .push_str(&rendered.text[run.start as usize..run.end as usize]);
        }
    }
}

/// The first medium among the parts of a content.
fn medium(content: Value<'_>) -> Option<&'static str> {
    let kinds = content
        .as_list()?
        .iter()
        .filter_map(|part| part.as_map()?.get("type")?.as_str());
    kinds
        .flat_map(|kind| {
            MEDIA
                .into_iter()
                .filter(move |medium| kind.contains(medium))
        })
        .next()
}

impl Loss {
    fn rule(&self, conversation: &Conversation<'_>) -> Rule {
        let message = self
            .message
            .and_then(|index| conversation.messages.get(index as usize));
        match self.part {
            LostPart::Content if message.is_some_and(Message::is_turn) => Rule::TurnLost,
            LostPart::Content => Rule::MessageLost,
            LostPart::ToolCall => Rule::TurnLost,
            LostPart::Variable => Rule::ToolsLost,
            LostPart::Key => Rule::FieldLost,
        }
    }

    fn reject(&self, rule: Rule) -> Reject {
        let reject = Reject::new(rule, format!("the template does not print {}", self.what));
        match self.message {
            Some(message) => reject.at_message(message),
            None => reject,
        }
    }

    fn of_variable(what: String) -> Self {
        Self {
            message: None,
            part: LostPart::Variable,
            what,
            key: None,
        }
    }

    fn of_key(message: u32, key: &'static str) -> Self {
        Self {
            key: Some(key),
            ..Self::of(message, LostPart::Key, key.to_owned())
        }
    }

    fn of(message: u32, part: LostPart, what: String) -> Self {
        Self {
            message: Some(message),
            part,
            what,
            key: None,
        }
    }
}

/// The first of a tool's description, and of the names and descriptions of its parameters, that is
/// not there. Templates leave out other keys of the schema on purpose.
fn lost_of_tool<'a>(function: Map<'a>, gathered: &mut LeafSearch<'_>) -> Option<&'a str> {
    let description = |map: Map<'a>| map.get("description").and_then(Value::as_str);
    if let Some(lost) = description(function).filter(|text| !gathered.holds(text)) {
        return Some(lost);
    }
    let parameters = function.get("parameters")?.as_map()?;
    let mut properties = parameters.get("properties")?.as_map()?.iter();
    properties.find_map(|(name, parameter)| {
        let texts = [Some(name), parameter.as_map().and_then(description)];
        texts
            .into_iter()
            .flatten()
            .find(|text| !gathered.holds(text))
    })
}

/// Whether a field of a message says something of which nothing is in the render. Content and calls are
/// looked for by their text, and lost reasoning has its own rules.
fn is_lost(
    message: &Message<'_>,
    field: Field,
    value: Value<'_>,
    answers: Answers<'_>,
    printed: Printed,
) -> bool {
    let says = || match field {
        Field::Role | Field::Content | Field::ToolCalls | Field::Reasoning => false,
        // The name in a tool's result tells which call it answers, as its place does.
        Field::Name => message.role != "tool",
        Field::CallId => answers.out_of_order(value),
        _ => true,
    };
    let empty = matches!(
        value,
        Value::Null | Value::Str("") | Value::List([]) | Value::Bool(false)
    );
    printed.of(field) == 0 && !empty && says()
}

/// The key that says something which this one is, but for its spelling (`toolCalls`); others are
/// technical (`id`).
fn telling(key: &str) -> Option<&'static str> {
    let mut telling = TELLING.into_iter().chain(REASONING_KEYS);
    telling.find(|telling| letters(key).eq(letters(telling)))
}

/// The letters of a key, all small and without underscores.
fn letters(key: &str) -> impl Iterator<Item = u8> {
    let letters = key.bytes().filter(|sign| *sign != b'_');
    letters.map(|sign| sign.to_ascii_lowercase())
}

/// Where the current message stands among the answers to the calls before it.
#[derive(Clone, Copy, Default)]
struct Answers<'a> {
    /// The calls of the current message, and those that it may answer.
    own: &'a [Value<'a>],
    calls: &'a [Value<'a>],
    /// Messages of tools between these calls and the current message.
    before: usize,
    is_answer: bool,
}

impl<'a> Answers<'a> {
    /// Goes on to the next message.
    fn advance(&mut self, message: &Message<'a>) {
        if self.is_answer {
            self.before += 1;
        } else {
            (self.before, self.calls) = (0, self.own);
        }
        self.is_answer = message.role == "tool";
        let own = message.fields.get_some("tool_calls");
        self.own = own.and_then(Value::as_list).unwrap_or_default();
    }

    /// Whether the message answers another call than the one at its place, so that only `id` tells
    /// which.
    fn out_of_order(self, id: Value<'_>) -> bool {
        let is_of = |call: &Value<'_>| call.as_map().and_then(|call| call.get("id")) == Some(id);
        let at_its_place = self.calls.get(self.before).is_some_and(is_of);
        !at_its_place && self.calls.iter().any(is_of)
    }
}

/// The number of bytes of a text that are not whitespace.
fn signs(text: &str) -> usize {
    text.split_whitespace().map(str::len).sum()
}

/// The start of a text, for a message.
fn excerpt(text: &str) -> &str {
    const MOST: usize = 40;
    let end = text
        .char_indices()
        .nth(MOST)
        .map_or(text.len(), |(at, _)| at);
    &text[..end]
}
