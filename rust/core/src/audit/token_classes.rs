//! What the audit knows about a tokenizer: which ids stop, start a sequence, pad, and open a
//! message.

use crate::Result;
use crate::template::{RoleStudy, Study};
use crate::tokenizer::Tokenizer;

/// The id is in the stop set.
const STOP: u8 = 1;
/// The id is a control token (an added token flagged `special`).
const CONTROL: u8 = 2;
/// The id decodes to whitespace.
const SPACE: u8 = 4;
/// A role header starts with this id.
const HEADER: u8 = 8;
/// The id begins a sequence.
const BOS: u8 = 16;

/// The id decodes to text that starts with a space.
const LEADING: u8 = 32;

/// The id is a control token that the template never prints.
const ALIEN: u8 = 64;

/// The id is a stop token that the template never prints, though it prints another.
const UNPRINTED: u8 = 128;

/// The turn rules only look at ids of these classes.
const MARKS: u8 = STOP | CONTROL | HEADER | BOS;

/// The ids that open a message of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether an assistant turn follows.
    pub assistant: bool,
    /// Whether a system message follows.
    pub system: bool,
    /// The ids, without whitespace at the end (which can merge with the content).
    pub ids: Vec<i32>,
    /// The whitespace that follows the ids before the content starts.
    pub tail: Vec<i32>,
}

/// Names of the special tokens that may be in a row even if the template never prints them.
const SPECIAL: [&str; 5] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "pad_token",
    "sep_token",
];

/// The ids of one tokenizer and serving side, as the audit sees them.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "habits of a template")]
pub struct TokenClasses {
    classes: Vec<u8>,
    /// One bit for each id: whether it is of one of [`MARKS`].
    marked: Vec<u64>,
    size: Option<u32>,
    stop: Vec<u32>,
    bos: Option<u32>,
    pad: Option<u32>,
    expects_bos: bool,
    repeats_bos: bool,
    spaces_answers: bool,
    ends_in_prompt: bool,
    headers: Vec<Header>,
}

impl TokenClasses {
    /// A vocabulary of which only the stop set is known.
    pub fn new(stop: &[u32]) -> Self {
        let mut vocabulary = Self {
            stop: stop.to_vec(),
            ..Self::default()
        };
        for id in stop {
            vocabulary.mark(*id, STOP);
        }
        vocabulary
    }

    /// The vocabulary of a tokenizer, with its control tokens, whitespace, BOS and pad. The stop
    /// set is the given one: [`stop_set`] finds the tokenizer's.
    pub fn of_tokenizer(tokenizer: &Tokenizer, stop: &[u32]) -> Self {
        let mut vocabulary = Self::new(stop);
        let size = tokenizer.vocab_size() as u32;
        for id in 0..size {
            let bytes = tokenizer.id_to_bytes(id);
            if !bytes.is_empty() && bytes.iter().all(u8::is_ascii_whitespace) {
                vocabulary.mark(id, SPACE);
            } else if bytes.first() == Some(&b' ') {
                vocabulary.mark(id, LEADING);
            }
        }
        for token in tokenizer.added_tokens() {
            if token.special {
                vocabulary.mark(token.id, CONTROL);
            }
        }
        vocabulary.size = Some(size);
        vocabulary.pad = tokenizer.special_id("pad_token");
        let starts = |id: &u32| tokenizer.prefix().first() == Some(id);
        if let Some(bos) = tokenizer.special_id("bos_token") {
            vocabulary.set_bos(bos, starts(&bos));
        }
        vocabulary
    }

    /// With a beginning-of-sequence id; `expected`: inference starts every prompt with it.
    pub fn set_bos(&mut self, bos: u32, expected: bool) {
        self.bos = Some(bos);
        self.expects_bos = expected;
        self.mark(bos, BOS);
    }

    /// With the ids that open a message of a role; longer headers are tried first.
    pub fn add_header(&mut self, header: Header) {
        let Some(first) = header.ids.first() else {
            return;
        };
        self.mark(*first as u32, HEADER);
        if !self.headers.contains(&header) {
            self.headers.push(header);
            self.headers
                .sort_by_key(|header| std::cmp::Reverse(header.ids.len()));
        }
    }

    /// Learns the role headers and the BOS habit of a chat template from its study.
    pub fn learn_template(
        &mut self,
        tokenizer: &Tokenizer,
        study: &Study,
        first_render: Option<&str>,
    ) -> Result<()> {
        for (_, prompt) in &study.generation_prompts {
            self.learn_header(tokenizer, prompt, "assistant")?;
        }
        // A result is inside the turn that called the tool if the model goes on without a prompt.
        let is_silent = |(role, prompt): &(String, String)| role == "tool" && prompt.is_empty();
        let prompts = &study.generation_prompts;
        let inside = prompts.iter().any(is_silent) && prompts.iter().any(|(_, p)| !p.is_empty());
        let opens = |role: &&RoleStudy| role.accepted && !(inside && role.role == "tool");
        for role in study.roles.iter().filter(opens) {
            self.learn_header(tokenizer, &role.header, &role.role)?;
        }
        if !self.knows_headers() {
            // The end of a message may open the answer, as [/INST] and [/TOOL_RESULTS] do.
            let before = |role: &&RoleStudy| matches!(&role.role[..], "user" | "tool");
            for role in study.roles.iter().filter(before) {
                self.learn_header(tokenizer, &role.footer, "assistant")?;
            }
        }
        if let (Some(bos), Some(text)) = (self.bos, first_render) {
            let ids = tokenizer.encode(text, false)?;
            let count = ids.iter().filter(|id| **id == bos).count();
            self.expects_bos = ids.first() == Some(&bos);
            self.repeats_bos = count > 1;
        }
        Ok(())
    }

    fn learn_header(&mut self, tokenizer: &Tokenizer, text: &str, role: &str) -> Result<()> {
        let mut ids = tokenizer.encode(text, false)?;
        // What has neither a control token nor a letter, such as `], [`, stands in any text.
        let is_control = |id: &u32| self.is(*id as i32, CONTROL);
        if !text.contains(char::is_alphanumeric) && !ids.iter().any(is_control) {
            return Ok(());
        }
        // BOS and whitespace belong to the sequence, not to the header.
        let outside = |id: &u32| self.is(*id as i32, SPACE | BOS);
        ids.drain(..ids.iter().take_while(|id| outside(id)).count());
        let spaces = ids.iter().rev();
        let spaces = spaces.take_while(|id| self.is(**id as i32, SPACE)).count();
        let mut ids: Vec<i32> = ids.into_iter().map(|id| id as i32).collect();
        let tail = ids.split_off(ids.len() - spaces);
        self.add_header(Header {
            assistant: role == "assistant",
            system: role == "system",
            ids,
            tail,
        });
        Ok(())
    }

    fn mark(&mut self, id: u32, class: u8) {
        let index = id as usize;
        if self.classes.len() <= index {
            self.classes.resize(index + 1, 0);
        }
        self.classes[index] |= class;
        if class & MARKS != 0 {
            let word = index / 64;
            if self.marked.len() <= word {
                self.marked.resize(word + 1, 0);
            }
            self.marked[word] |= 1 << (index % 64);
        }
    }

    fn is(&self, id: i32, classes: u8) -> bool {
        let class = self.classes.get(id as u32 as usize).copied().unwrap_or(0);
        class & classes != 0
    }

    /// Whether the serving side stops on the id.
    pub fn stops(&self, id: i32) -> bool {
        self.is(id, STOP)
    }

    /// Whether the id is a control token, or one that structures a conversation.
    pub fn structures(&self, id: i32) -> bool {
        self.is(id, CONTROL | BOS)
    }

    /// Whether the id decodes to whitespace.
    pub fn is_space(&self, id: i32) -> bool {
        self.is(id, SPACE)
    }

    /// Whether the id decodes to text that starts with a space and the template prints none there.
    pub fn drifts(&self, id: i32) -> bool {
        !self.spaces_answers && self.is(id, LEADING)
    }

    /// Notes that the template prints a space before every answer.
    pub fn set_spaces_answers(&mut self) {
        self.spaces_answers = true;
    }

    /// Notes that the template prints the header of an answer after every conversation.
    pub fn set_ends_in_prompt(&mut self) {
        self.ends_in_prompt = true;
    }

    /// Whether the template prints the header of an answer after every conversation.
    pub fn ends_in_prompt(&self) -> bool {
        self.ends_in_prompt
    }

    /// Whether the id begins a sequence.
    pub fn begins(&self, id: i32) -> bool {
        self.is(id, BOS)
    }

    /// Whether the id is one of the few that the turn rules look at.
    pub fn is_mark(&self, id: i32) -> bool {
        self.mark_bit(id) != 0
    }

    /// Whether one of the ids is such a mark.
    pub(super) fn marks(&self, ids: &[i32]) -> bool {
        let found = ids.iter();
        found.fold(0, |found, id| found | self.mark_bit(*id)) != 0
    }

    fn mark_bit(&self, id: i32) -> u64 {
        let word = self.marked.get(id as u32 as usize / 64);
        word.copied().unwrap_or(0) >> (id as u32 % 64) & 1
    }

    /// Whether the id is a control token that the template never prints.
    pub fn is_alien(&self, id: i32) -> bool {
        self.is(id, ALIEN)
    }

    /// Marks the control tokens that appear in none of a template's texts and are not among the
    /// tokenizer's special tokens. In a row, such a token came from the text of a message.
    pub fn mark_aliens(&mut self, tokenizer: &Tokenizer, printed: &[&str]) {
        let named: Vec<u32> = SPECIAL
            .iter()
            .filter_map(|name| tokenizer.special_id(name))
            .collect();
        for token in tokenizer.added_tokens() {
            let known = named.contains(&token.id) || self.stops(token.id as i32);
            let is_printed = printed.iter().any(|text| text.contains(&token.content));
            if token.special && !known && !is_printed {
                self.mark(token.id, ALIEN);
            }
        }
    }

    /// Whether the id is a stop token that the template never prints, because it ends turns with
    /// another one.
    pub fn is_unprinted_stop(&self, id: i32) -> bool {
        self.is(id, UNPRINTED)
    }

    /// Marks the stop tokens that appear neither in two rendered exchanges nor in the template's
    /// source, if another stop token appears in the exchanges.
    pub fn mark_unprinted_stops(&mut self, tokenizer: &Tokenizer, source: &str, shown: &[u32]) {
        let eos = tokenizer.special_id("eos_token");
        let named = |id: u32| {
            source.contains(&tokenizer.id_to_text(id))
                || (Some(id) == eos && source.contains("eos_token"))
        };
        let stop = self.stop.clone();
        if stop.iter().any(|id| shown.contains(id)) {
            for id in stop.into_iter().filter(|id| !shown.contains(id)) {
                if !named(id) {
                    self.mark(id, UNPRINTED);
                }
            }
        }
    }

    /// Whether no token has the id.
    pub fn out_of_range(&self, id: i32) -> bool {
        id < 0 || self.size.is_some_and(|size| id as u32 >= size)
    }

    /// The largest id of a token, if the size is known.
    pub fn last_id(&self) -> i32 {
        self.size.map_or(i32::MAX, |size| size as i32 - 1)
    }

    /// The header that starts with these ids.
    pub fn header_at(&self, ids: &[i32]) -> Option<&Header> {
        if !self.is(*ids.first()?, HEADER) {
            return None;
        }
        self.headers
            .iter()
            .find(|header| ids.starts_with(&header.ids))
    }

    /// What the template prints between a header and the content, for every header of these ids.
    pub(super) fn tails<'v>(&'v self, ids: &'v [i32]) -> impl Iterator<Item = &'v [i32]> {
        let headers = self.headers.iter().filter(move |header| header.ids == ids);
        headers.map(|header| &header.tail[..])
    }

    /// Whether the id decodes to text that starts with a space.
    pub(super) fn leads(&self, id: i32) -> bool {
        self.is(id, LEADING)
    }

    /// Whether role headers are known.
    pub fn knows_headers(&self) -> bool {
        self.headers.iter().any(|header| header.assistant)
    }

    /// The stop set.
    pub fn stop(&self) -> &[u32] {
        &self.stop
    }

    /// The beginning-of-sequence id, if there is one.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// Whether the id is the pad id.
    pub(super) fn pads(&self, id: i32) -> bool {
        self.pad.is_some_and(|pad| pad as i32 == id)
    }

    /// Whether rows can be filled with the id: the pad id, a stop token or a control token.
    pub(super) fn fills(&self, id: i32) -> bool {
        self.pads(id) || self.is(id, STOP | CONTROL)
    }

    /// Whether a role header starts with the id.
    pub(super) fn opens_header(&self, id: i32) -> bool {
        self.is(id, HEADER)
    }

    /// The pad id, if there is one.
    pub fn pad(&self) -> Option<u32> {
        self.pad
    }

    /// Whether inference starts every prompt with BOS.
    pub fn expects_bos(&self) -> bool {
        self.expects_bos
    }

    /// Whether the template prints BOS before every exchange, not only at the start.
    pub fn repeats_bos(&self) -> bool {
        self.repeats_bos
    }
}

/// What tests say of tokens without a tokenizer.
#[cfg(test)]
impl TokenClasses {
    /// With a pad id.
    pub(super) fn set_pad(&mut self, pad: u32) {
        self.pad = Some(pad);
    }

    /// With the number of ids; larger ones are out of range.
    pub(super) fn set_size(&mut self, size: u32) {
        self.size = Some(size);
    }

    /// Marks an id as a control token.
    pub(super) fn mark_control(&mut self, id: u32) {
        self.mark(id, CONTROL);
    }

    /// Marks an id as whitespace.
    pub(super) fn mark_space(&mut self, id: u32) {
        self.mark(id, SPACE);
    }

    /// Marks an id as text that starts with a space.
    pub(super) fn mark_leading(&mut self, id: u32) {
        self.mark(id, LEADING);
    }
}
