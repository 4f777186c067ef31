//! Rules on what conversations say, for `check` of raw data. A run does not pay for them.

use aho_corasick::AhoCorasick;
use memchr::memmem;

use super::{Rule, RuleCounts};
use crate::Result;
use crate::chat::{Message, Record};
use crate::tokenizer::Tokenizer;
use crate::value::Value;
use crate::{Error, ErrorKind};

/// Stop tokens of public models. One that the tokenizer has is no foreign one.
const TERMINATORS: &[&str] = &[
    "</s>",
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "<end_of_turn>",
    "<eos>",
    "<|end|>",
    "<|return|>",
    "<|end_of_turn|>",
    "<｜end▁of▁sentence｜>",
];

/// Texts that public templates print around messages.
const MARKERS: &[&str] = &[
    "<|im_start|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<start_of_turn>",
    "<|user|>",
    "<|assistant|>",
    "<|system|>",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "### Instruction:",
    "### Response:",
    "<｜User｜>",
    "<｜Assistant｜>",
];

const THINK: (&str, &str) = ("<think>", "</think>");

/// The rules, ready for one tokenizer.
#[derive(Debug)]
pub struct ContentRules {
    terminators: Vec<&'static str>,
    markers: AhoCorasick,
}

impl ContentRules {
    /// The rules for a tokenizer: its own tokens are the matter of `special-token-in-content`.
    pub fn new(tokenizer: &Tokenizer) -> Result<Self> {
        let foreign = |text: &&&str| tokenizer.token_to_id(text).is_none();
        Self::of_foreign(
            TERMINATORS.iter().filter(foreign).copied(),
            MARKERS.iter().filter(foreign).copied(),
        )
    }

    fn of_foreign(
        terminators: impl Iterator<Item = &'static str>,
        markers: impl Iterator<Item = &'static str>,
    ) -> Result<Self> {
        let markers = AhoCorasick::new(markers)
            .map_err(|error| Error::new(ErrorKind::Internal, "content-rules", error.to_string()))?;
        Ok(Self {
            terminators: terminators.collect(),
            markers,
        })
    }

    /// Counts what a record shows.
    pub fn count(&self, record: &Record<'_>, counts: &mut RuleCounts) {
        match record {
            Record::Conversation(conversation) => {
                count_order(conversation.messages, counts);
                for message in conversation.messages {
                    self.count_message(message, counts);
                }
            }
            Record::Completion { prompt, completion } => {
                self.count_text(prompt, counts);
                self.count_text(completion, counts);
                self.count_answer(completion, counts);
            }
            Record::Text(text) => self.count_text(text, counts),
        }
    }

    fn count_message(&self, message: &Message<'_>, counts: &mut RuleCounts) {
        let content = message.fields.get("content").unwrap_or(Value::Null);
        for text in texts(content) {
            self.count_text(text, counts);
            if message.role == "assistant" {
                self.count_answer(text, counts);
                count_reasoning(text, counts);
            }
        }
    }

    fn count_text(&self, text: &str, counts: &mut RuleCounts) {
        let mut add = |rule: Rule, found: bool| counts.add(rule, u64::from(found));
        add(Rule::NulByte, memchr::memchr(0, text.as_bytes()).is_some());
        add(Rule::Crlf, memmem::find(text.as_bytes(), b"\r\n").is_some());
        let replaced = memmem::find(text.as_bytes(), "\u{fffd}".as_bytes());
        add(Rule::ReplacementChar, replaced.is_some());
        add(Rule::TemplateMarkerInContent, self.markers.is_match(text));
    }

    fn count_answer(&self, text: &str, counts: &mut RuleCounts) {
        let ended = text.trim_end();
        let foreign = self.terminators.iter().any(|end| ended.ends_with(end));
        counts.add(Rule::ForeignTerminatorText, u64::from(foreign));
        let spaced = ended.len() < text.len() && !ended.is_empty();
        counts.add(Rule::TrailingWhitespace, u64::from(spaced));
    }
}

/// Two messages of one side in a row, or a system message inside.
fn count_order(messages: &[Message<'_>], counts: &mut RuleCounts) {
    let odd = messages.windows(2).any(|pair| {
        let same = pair[0].role == pair[1].role;
        same && matches!(pair[0].role, "user" | "assistant" | "system") || pair[1].role == "system"
    });
    counts.add(Rule::RoleOrder, u64::from(odd));
}

fn count_reasoning(text: &str, counts: &mut RuleCounts) {
    let count = |marker: &str| memmem::find_iter(text.as_bytes(), marker).count();
    let (opened, closed) = (count(THINK.0), count(THINK.1));
    if opened != closed {
        counts.add(Rule::ReasoningMalformed, 1);
    } else if opened > 0 {
        counts.add(Rule::ReasoningInline, 1);
    }
}

/// The texts of a content: itself, or those of its parts.
fn texts(content: Value<'_>) -> impl Iterator<Item = &str> {
    let parts = content.as_list().unwrap_or_default().iter();
    content
        .as_str()
        .into_iter()
        .chain(parts.filter_map(part_text))
}

fn part_text<'a>(part: &Value<'a>) -> Option<&'a str> {
    let map = part.as_map()?;
    map.get("text").or(map.get("value")).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Conversation;
    use crate::value::{Arena, Map};

    fn counted(messages: &[(&'static str, &'static str)]) -> Vec<&'static str> {
        let arena = Arena::new();
        let messages: Vec<Message<'_>> = messages
            .iter()
            .map(|(role, content)| Message {
                role,
                fields: Map::new(arena.alloc_slice_copy(&[("content", Value::Str(content))])),
                weight: None,
            })
            .collect();
        let record = Record::Conversation(Conversation {
            messages: &messages,
            tools: None,
            documents: None,
            template_kwargs: Map::default(),
        });
        let rules = ContentRules::of_foreign(["</s>"].into_iter(), MARKERS.iter().copied());
        let mut counts = RuleCounts::default();
        rules.unwrap().count(&record, &mut counts);
        counts.iter().map(|(rule, _)| rule.name()).collect()
    }

    #[test]
    fn each_rule_fires_and_its_near_miss_does_not() {
        let answer = |text| counted(&[("user", "hi"), ("assistant", text)]);
        for (rule, broken, clean) in [
            ("foreign-terminator-text", "yes</s>", "yes</s> and no"),
            ("foreign-terminator-text", "yes</s>\n", "yes"),
            ("trailing-whitespace", "yes ", " yes"),
            ("nul-byte", "a\0b", "a0b"),
            ("crlf", "a\r\nb", "a\nb\r"),
            ("replacement-char", "a\u{fffd}", "a?"),
            ("template-marker-in-content", "[INST] yes", "INST yes"),
            ("reasoning-malformed", "a</think>b", "a b"),
            ("reasoning-inline", "<think>a</think>b", "think"),
        ] {
            assert!(answer(broken).contains(&rule), "{rule}: {broken:?}");
            assert!(!answer(clean).contains(&rule), "{rule}: {clean:?}");
        }
    }

    #[test]
    fn roles_out_of_order() {
        let order = |roles: &[&'static str]| {
            let messages: Vec<_> = roles.iter().map(|role| (*role, "x")).collect();
            counted(&messages).contains(&"role-order")
        };
        assert!(order(&["user", "user", "assistant"]));
        assert!(order(&["user", "assistant", "system", "user", "assistant"]));
        assert!(!order(&[
            "system",
            "user",
            "assistant",
            "user",
            "assistant"
        ]));
        assert!(!order(&["user", "assistant", "tool", "tool", "assistant"]));
    }
}
