//! Rules about the text of conversations.

use super::search::Search;
use crate::Result;
use crate::chat::{Message, Record};
use crate::rules::{Rule, RuleCounts};
use crate::tokenizer::Tokenizer;
use crate::value::Value;

/// Stop tokens of public models. One that the tokenizer also has is not foreign.
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
    search: Search<Sought>,
}

/// What is sought inside texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sought {
    Rule(Rule),
    Think,
    EndOfThink,
}

impl ContentRules {
    /// The rules for a tokenizer. The structural tokens of a run are left to
    /// `special-token-in-content`; a vocabulary may hold other such texts as words like any other.
    pub(crate) fn new(tokenizer: &Tokenizer, structural: &[u32]) -> Result<Self> {
        let is_own = |id| structural.contains(&id);
        let foreign = |text: &&&str| !tokenizer.token_to_id(text).is_some_and(is_own);
        Self::of_foreign(
            TERMINATORS.iter().filter(foreign).copied(),
            MARKERS.iter().filter(foreign).copied(),
        )
    }

    fn of_foreign(
        terminators: impl Iterator<Item = &'static str>,
        markers: impl Iterator<Item = &'static str>,
    ) -> Result<Self> {
        let mut sought = vec![
            ("\0", Sought::Rule(Rule::NulByte)),
            ("\r\n", Sought::Rule(Rule::Crlf)),
            ("\u{fffd}", Sought::Rule(Rule::ReplacementChar)),
            (THINK.0, Sought::Think),
            (THINK.1, Sought::EndOfThink),
        ];
        sought.extend(markers.map(|marker| (marker, Sought::Rule(Rule::TemplateMarkerInContent))));
        Ok(Self {
            terminators: terminators.collect(),
            search: Search::new(sought)?,
        })
    }

    /// Counts the rules that fire in a record.
    // A function of its own in the profile: `benches/instructions.py` counts what it takes.
    #[inline(never)]
    pub fn count(&self, record: &Record<'_>, counts: &mut RuleCounts) {
        match record {
            Record::Conversation(conversation) => {
                count_order(conversation.messages, counts);
                for (index, message) in (0..).zip(conversation.messages) {
                    self.count_message(message, &mut MessageCounts { counts, index });
                }
            }
            Record::Completion {
                prompt, completion, ..
            } => {
                self.count_text(prompt, &mut MessageCounts { counts, index: 0 });
                let answer = &mut MessageCounts { counts, index: 1 };
                self.count_text(completion, answer);
                self.count_answer(completion, answer);
            }
            Record::Segments { segments, .. } => {
                // The markers of a template may stand in segments.
                let wanted = |rule| rule != Rule::TemplateMarkerInContent;
                for (index, segment) in (0..).zip(*segments) {
                    self.count_rules(segment.text, wanted, &mut MessageCounts { counts, index });
                }
            }
            Record::Text { text, .. } => {
                self.count_text(text, &mut MessageCounts { counts, index: 0 });
            }
            Record::Pair(sides) => sides.iter().for_each(|side| self.count(side, counts)),
            Record::Judged(answer, _) => self.count(answer, counts),
        }
    }

    fn count_message(&self, message: &Message<'_>, counts: &mut MessageCounts<'_>) {
        let mut count = |text| {
            let thoughts = self.count_text(text, counts);
            if message.is_turn() {
                self.count_answer(text, counts);
                thoughts.count(text, counts);
            }
        };
        match message.fields.get("content") {
            Some(Value::Str(text)) => count(text),
            Some(Value::List(parts)) => parts.iter().filter_map(part_text).for_each(count),
            _ => {}
        }
    }

    /// Counts what is inside a text, each rule at its first place.
    fn count_text(&self, text: &str, counts: &mut MessageCounts<'_>) -> Thoughts {
        self.count_rules(text, |_| true, counts)
    }

    /// Counts the rules that are wanted.
    fn count_rules(
        &self,
        text: &str,
        wanted: impl Fn(Rule) -> bool,
        counts: &mut MessageCounts<'_>,
    ) -> Thoughts {
        let mut thoughts = Thoughts::default();
        let mut fired = [None; 4];
        self.search
            .each(text.as_bytes(), |at, sought| match sought {
                Sought::Think => thoughts.opened.add(at),
                Sought::EndOfThink => thoughts.closed.add(at),
                Sought::Rule(rule) if wanted(rule) && !fired.contains(&Some(rule)) => {
                    if let Some(free) = fired.iter_mut().find(|rule| rule.is_none()) {
                        *free = Some(rule);
                    }
                    counts.add(rule, text, Some(at));
                }
                Sought::Rule(_) => {}
            });
        thoughts
    }

    fn count_answer(&self, text: &str, counts: &mut MessageCounts<'_>) {
        let ended = text.trim_end();
        let last = ended.as_bytes().last();
        let mut ends = self.terminators.iter();
        let foreign = ends.find(|end| end.as_bytes().last() == last && ended.ends_with(*end));
        let start = foreign.map(|end| ended.len() - end.len());
        counts.add(Rule::ForeignTerminatorText, text, start);
        let spaced = ended.len() < text.len() && !ended.is_empty();
        counts.add(
            Rule::TrailingWhitespace,
            text,
            spaced.then_some(ended.len()),
        );
    }
}

/// Counts for the message whose text is examined.
struct MessageCounts<'c> {
    counts: &'c mut RuleCounts,
    index: u32,
}

impl MessageCounts<'_> {
    /// Counts a rule if it fired, at this byte of the text.
    fn add(&mut self, rule: Rule, text: &str, at: Option<usize>) {
        if let Some(at) = at {
            self.counts.add_at(rule, self.index, || excerpt(text, at));
        }
    }
}

/// The text around a byte, quoted.
fn excerpt(text: &str, at: usize) -> String {
    const AROUND: usize = 24;
    let starts = |place: &usize| text.is_char_boundary(*place);
    let start = (0..=at.saturating_sub(AROUND)).rfind(starts).unwrap_or(0);
    let end = (at + AROUND..text.len()).find(starts).unwrap_or(text.len());
    format!("{:?}", &text[start..end])
}

/// Two messages of the same side in a row, or a system message after the start.
fn count_order(messages: &[Message<'_>], counts: &mut RuleCounts) {
    let odd = messages.windows(2).position(|pair| {
        let same = pair[0].role == pair[1].role;
        same && matches!(pair[0].role, "user" | "assistant" | "system") || pair[1].role == "system"
    });
    if let Some(index) = odd.filter(|_| counts.get(Rule::RoleOrder) == 0) {
        let (before, role) = (messages[index].role, messages[index + 1].role);
        let note = || format!("{role} after {before}");
        counts.add_at(Rule::RoleOrder, index as u32 + 1, note);
    }
}

/// The think markers of a text.
#[derive(Default)]
struct Thoughts {
    opened: Seen,
    closed: Seen,
}

/// How often a marker was seen, and where first.
#[derive(Default)]
struct Seen {
    count: usize,
    first: Option<usize>,
}

impl Seen {
    fn add(&mut self, at: usize) {
        self.count += 1;
        self.first.get_or_insert(at);
    }
}

impl Thoughts {
    fn count(&self, text: &str, counts: &mut MessageCounts<'_>) {
        let rule = if self.opened.count == self.closed.count {
            Rule::ReasoningInline
        } else {
            Rule::ReasoningMalformed
        };
        counts.add(rule, text, self.opened.first.or(self.closed.first));
    }
}

/// The text of a part of a content, if it has one.
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
            weight: 1.0,
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
