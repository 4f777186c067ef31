//! Learns what a template does by rendering small conversations.

mod refusal;

use std::cell::RefCell;

use turnmill_jinja::{Limits, Provenance};

use super::probe_messages::{
    ANSWER, Builder, Messages, OTHER_ANSWER, REASONING, RESULT, SYSTEM, USER,
};
use super::program::Program;
use super::reasoning::{self, Markers};
use super::spans::{TurnRules, marker_len, segments};
use super::study::{RoleStudy, Study};
use super::{Field, Origin, RenderInput, Rendered};
use crate::Error;
use crate::value::{Arena, Map, Value};

/// Roles that are tried.
const ROLES: [&str; 5] = ["system", "developer", "user", "assistant", "tool"];

/// What was learned.
#[derive(Debug, Default)]
pub(super) struct Learned {
    pub(super) study: Study,
    pub(super) rules: TurnRules,
    /// Markers around reasoning that are searched for.
    pub(super) markers: Vec<Markers>,
}

/// Limits for the probes, below those of a render: their messages are few and short.
fn probe_limits(limits: Limits) -> Limits {
    Limits {
        steps: limits.steps.min(1_000_000),
        output: limits.output.min(1 << 24),
        depth: limits.depth.min(200),
        memory: limits.memory.min(1 << 26),
    }
}

/// A probe's render.
struct ProbeRender<'r> {
    input: RenderInput<'r>,
    out: Rendered,
    provenance: Provenance<'r>,
}

impl ProbeRender<'_> {
    /// Runs of text by message: (start, end, message).
    fn segments(&self) -> Vec<(u32, u32, u32)> {
        segments(&self.provenance)
    }

    /// The text of one message.
    fn segment(&self, message: u32) -> Option<(u32, u32)> {
        let mut found = self
            .segments()
            .into_iter()
            .filter(|(.., of)| *of == message);
        let (start, mut end, _) = found.next()?;
        if let Some((_, last, _)) = found.next_back() {
            end = last;
        }
        Some((start, end))
    }

    /// The end of the text of the last message that has any.
    fn messages_end(&self) -> u32 {
        self.segments().last().map_or(0, |(_, end, _)| *end)
    }

    fn text(&self, start: u32, end: u32) -> &str {
        &self.out.text[start as usize..end as usize]
    }
}

struct Prober<'r> {
    program: &'r Program,
    arena: &'r Arena,
    build: Builder<'r>,
    /// The row's variables.
    variables: Map<'r>,
    /// Tools that every conversation gets, if the template refuses conversations without tools.
    tools: Option<Value<'r>>,
    /// The same for documents.
    documents: Option<Value<'r>>,
    /// The error of a probe that exceeded its budget. After that nothing more is probed.
    exhausted: RefCell<Option<Error>>,
}

/// Learns what a template does, by rendering small conversations.
pub(super) fn learn(program: &Program) -> Learned {
    let arena = Arena::new();
    let prober = Prober::new(program, &arena, Map::default());
    let mut rules = prober.rules();
    let mut study = prober.study();
    prober.terminators(&mut rules, &mut study);
    study.spans_refused = prober.refusal(&rules);
    study.generation_prompts.clone_from(&rules.prompts);
    let markers = reasoning::markers(program.source(), study.reasoning_markers.as_ref());
    Learned {
        study,
        rules,
        markers,
    }
}

/// Learns how a template begins and ends turns when a row sets `variables`.
pub(super) fn rules_with(program: &Program, variables: Map<'_>) -> TurnRules {
    let arena = Arena::new();
    let prober = Prober::new(program, &arena, variables);
    let mut rules = prober.rules();
    prober.terminators(&mut rules, &mut Study::default());
    rules
}

impl<'r> Prober<'r> {
    fn new(program: &'r Program, arena: &'r Arena, variables: Map<'r>) -> Self {
        let build = Builder {
            arena,
            part_roles: Vec::new(),
        };
        let mut prober = Self {
            program,
            arena,
            build,
            variables,
            tools: None,
            documents: None,
            exhausted: RefCell::default(),
        };
        prober.find_part_roles();
        let question = [prober.build.message("user", USER)];
        let (none, some) = (Value::List(&[]), prober.build.tools());
        let others = [(Some(some), None), (Some(none), None), (None, Some(none))];
        for (tools, documents) in others {
            if prober.render(&question, true).is_some() {
                break;
            }
            (prober.tools, prober.documents) = (tools, documents);
            prober.find_part_roles();
        }
        prober
    }

    /// Finds the roles whose text is printed only from parts.
    fn find_part_roles(&mut self) {
        // Every other probe has a message of the user.
        for role in ["user"].into_iter().chain(ROLES) {
            if self.build.part_roles.contains(&role) || self.role(role).accepted {
                continue;
            }
            self.build.part_roles.push(role);
            if !self.role(role).accepted {
                self.build.part_roles.pop();
            }
        }
    }

    fn render(&self, messages: &[Map<'r>], generation_prompt: bool) -> Option<ProbeRender<'r>> {
        self.render_with(messages, generation_prompt, None).ok()
    }

    fn render_with(
        &self,
        messages: &[Map<'r>],
        generation_prompt: bool,
        tools: Option<Value<'r>>,
    ) -> crate::Result<ProbeRender<'r>> {
        if let Some(error) = &*self.exhausted.borrow() {
            return Err(error.clone());
        }
        let mut out = Rendered::default();
        let input = RenderInput {
            messages: self.arena.alloc_slice_copy(messages),
            tools: tools.or(self.tools),
            documents: self.documents,
            add_generation_prompt: generation_prompt,
            variables: self.variables,
            ..RenderInput::default()
        };
        let limits = probe_limits(self.program.limits());
        let rendered = self.program.render(self.arena, &input, limits, &mut out);
        match rendered {
            Ok(provenance) => Ok(ProbeRender {
                input,
                out,
                provenance,
            }),
            Err(error) => {
                if error.code() == "template-budget" {
                    *self.exhausted.borrow_mut() = Some(error.clone());
                }
                Err(error)
            }
        }
    }

    /// Conversations that end before an assistant turn, with the role before it.
    fn openings(&self) -> Vec<(&'static str, Messages<'r>)> {
        let build = &self.build;
        let user = build.message("user", USER);
        let answer = build.message("assistant", ANSWER);
        let system = build.message("system", SYSTEM);
        let mut openings = vec![
            ("user", vec![user]),
            ("user", vec![system, user]),
            ("user", vec![user, answer, user]),
            ("system", vec![system]),
            ("system", vec![user, system]),
            ("assistant", vec![user, answer]),
        ];
        for as_text in [false, true] {
            let call = build.tool_call(as_text);
            openings.push(("tool", vec![user, call, build.result()]));
        }
        openings
    }

    fn rules(&self) -> TurnRules {
        let mut rules = TurnRules::default();
        let build = &self.build;
        let turns = [
            build.message("assistant", ANSWER),
            build.message("assistant", OTHER_ANSWER),
            build.reasoning(),
            build.tool_call(false),
        ];
        for (role, opening) in self.openings() {
            for tools in [None, Some(build.tools())] {
                for prompt in self.generation_prompts(&opening, tools) {
                    remember(&mut rules.prompts, role, prompt);
                }
            }
            // Some templates begin the last turn differently from an earlier one.
            for after in [&[][..], &[build.message("user", USER)]] {
                let header = self.header(&opening, &turns, after);
                if let Some(header) = header.filter(|header| !header.is_empty()) {
                    remember(&mut rules.headers, role, header);
                }
            }
        }
        rules
    }

    /// The text before the data of a turn that follows `opening`: what turns of different data have
    /// in common.
    fn header(&self, opening: &[Map<'r>], turns: &[Map<'r>], after: &[Map<'r>]) -> Option<String> {
        let mut header: Option<String> = None;
        for turn in turns {
            let mut messages = opening.to_vec();
            messages.push(*turn);
            messages.extend_from_slice(after);
            let Some(render) = self.render(&messages, false) else {
                continue;
            };
            let Some((start, end)) = render.segment(opening.len() as u32) else {
                continue;
            };
            let text = render.text(start, end);
            header = Some(match header {
                None => before_data(&render, start, end).to_owned(),
                Some(known) => outside_markers(common_prefix(&known, text)).to_owned(),
            });
        }
        header
    }

    /// What `add_generation_prompt` adds after `messages`: to the render without it, and to the
    /// text of the messages themselves.
    fn generation_prompts(&self, messages: &[Map<'r>], tools: Option<Value<'r>>) -> Vec<String> {
        let plain = self.render_with(messages, false, tools);
        let (Ok(plain), Ok(prompted)) = (plain, self.render_with(messages, true, tools)) else {
            return Vec::new();
        };
        let added = prompted.out.text.strip_prefix(plain.out.text.as_str());
        let (end, prompted_end) = (plain.messages_end(), prompted.messages_end());
        let is_same = end > 0 && plain.text(0, end) == prompted.text(0, prompted_end);
        let tail = prompted.text(prompted_end, prompted.out.text.len() as u32);
        let tail = is_same.then_some(tail);
        // A template that always prints its prompt adds nothing when it is asked to.
        let always = |added: &&str| added.is_empty() && tail.is_some_and(|tail| !tail.is_empty());
        let added = added.filter(|added| !always(added));
        let prompts: Vec<String> = added.into_iter().chain(tail).map(str::to_owned).collect();
        prompts
    }

    fn terminators(&self, rules: &mut TurnRules, study: &mut Study) {
        let build = &self.build;
        let user = build.message("user", USER);
        let answer = build.message("assistant", ANSWER);
        if let Some(render) = self.render(&[user, answer], false)
            && let Some((start, end)) = render.segment(1)
        {
            let tail = render.out.text.len() as u32 > end;
            rules.tail_is_last_turn = tail;
            let end = if tail {
                render.out.text.len() as u32
            } else {
                end
            };
            after_answer(render.text(start, end)).clone_into(&mut study.final_terminator);
        }
        let followers = [
            ("user", vec![user, answer, user]),
            ("tool", vec![user, build.tool_call(false), build.result()]),
        ];
        for (role, messages) in followers {
            let Some(render) = self.render(&messages, false) else {
                continue;
            };
            let Some((start, end)) = render.segment(1) else {
                continue;
            };
            let footer = match role {
                "user" => after_answer(render.text(start, end)),
                _ => after_data(&render, start, end),
            };
            let marker = marker_len(
                &render.out.text[end as usize..],
                render.provenance.fragments(),
                end,
            );
            if role == "user" {
                footer.clone_into(&mut study.terminator);
                study.next_role_ends_turn = footer.trim().is_empty() && marker > 0;
                rules.next_role_ends_turn = study.next_role_ends_turn;
            }
            if study.next_role_ends_turn && marker > 0 {
                let text = render.text(end, end + marker as u32).to_owned();
                study.role_markers.push((role.to_owned(), text));
            }
        }
        rules.result_marker = [false, true]
            .into_iter()
            .find_map(|as_text| self.result_marker(as_text))
            .unwrap_or_default();
    }

    /// The end of a turn that calls a tool when no result follows, if the text of a result begins
    /// with the same.
    fn result_marker(&self, arguments_as_text: bool) -> Option<String> {
        let build = &self.build;
        let user = build.message("user", USER);
        let call = build.tool_call(arguments_as_text);
        let alone = self.render(&[user, call], false)?;
        let answered = self.render(&[user, call, build.result()], false)?;
        let (_, end) = answered.segment(1)?;
        let is_prefix = answered.out.text.starts_with(&alone.out.text);
        is_prefix.then(|| alone.out.text.get(end as usize..).map(str::to_owned))?
    }

    fn study(&self) -> Study {
        let mut study = Study {
            has_generation_tags: self.program.has_generation_tags(),
            reads_date: self
                .program
                .variables()
                .iter()
                .any(|name| name == "strftime_now"),
            ..Study::default()
        };
        study.roles = ROLES.into_iter().map(|role| self.role(role)).collect();
        let part_roles = self.build.part_roles.iter();
        study.part_roles = part_roles.map(|role| (*role).to_owned()).collect();
        study.reads_tools = self.reads_tools();
        study.reasoning_markers = self.reasoning_markers();
        study.reads_reasoning = study.reasoning_markers.is_some();
        study.rewrites_history = self.rewrites_history();
        study
    }

    fn role(&self, role: &'static str) -> RoleStudy {
        let build = &self.build;
        let user = build.message("user", USER);
        let message = build.message(role, ANSWER);
        let (messages, index) = match role {
            "system" | "developer" => (vec![message, user], 0),
            "user" => (vec![message], 0),
            "tool" => (vec![user, build.tool_call(false), build.result()], 2),
            _ => (vec![user, message], 1),
        };
        let content = if role == "tool" { RESULT } else { ANSWER };
        let mut study = RoleStudy {
            role: role.to_owned(),
            ..RoleStudy::default()
        };
        match self.render_with(&messages, false, None) {
            Err(error) => study.refusal = Some(error.what().to_owned()),
            Ok(render) => {
                study.accepted = render.out.text.contains(content);
                if let Some((start, end)) = render.segment(index)
                    && let Some((before, after)) = render.text(start, end).split_once(content)
                {
                    before.clone_into(&mut study.header);
                    after.clone_into(&mut study.footer);
                }
            }
        }
        study
    }

    fn reads_tools(&self) -> bool {
        let build = &self.build;
        let user = [build.message("user", USER)];
        let system = [build.message("system", SYSTEM), user[0]];
        [&user[..], &system[..]].into_iter().any(|messages| {
            let plain = self.render(messages, false).map(|render| render.out.text);
            match self.render_with(messages, false, Some(build.tools())) {
                Ok(render) => plain.is_some_and(|plain| plain != render.out.text),
                Err(_) => plain.is_some(),
            }
        })
    }

    /// The text around the reasoning of the last turn.
    fn reasoning_markers(&self) -> Option<(String, String)> {
        let build = &self.build;
        let user = build.message("user", USER);
        let render = self.render(&[user, build.reasoning()], false)?;
        let text = &render.out.text;
        let at = text.find(REASONING)?;
        let around = (&text[..at], &text[at + REASONING.len()..]);
        let (open, close) = markers_around(around.0.trim_end(), around.1.trim_start());
        (!open.is_empty() && close.len() > 2).then(|| (open.to_owned(), close.to_owned()))
    }

    fn rewrites_history(&self) -> bool {
        let build = &self.build;
        let user = build.message("user", USER);
        let plain = build.message("assistant", ANSWER);
        let reasoning = build.reasoning();
        let mut conversations = Vec::new();
        for answer in [plain, reasoning] {
            conversations.push(vec![user, answer, user, plain]);
        }
        for as_text in [false, true] {
            let call = build.tool_call(as_text);
            conversations.push(vec![user, call, build.result(), plain, user, plain]);
            conversations.push(vec![user, call, build.result(), reasoning, user, reasoning]);
        }
        conversations.iter().any(|messages| {
            let Some(full) = self.render(messages, false) else {
                return false;
            };
            let is_turn = |index: &usize| {
                messages[*index].get("role").and_then(Value::as_str) == Some("assistant")
            };
            (0..messages.len() - 1).filter(is_turn).any(|index| {
                self.render(&messages[..=index], false)
                    .is_some_and(|render| !full.out.text.starts_with(&render.out.text))
            })
        })
    }
}

/// The marker at the end of one text and the one at the start of another. A marker of several
/// tokens around one word, as in `<|open|>think<|sep|>` and `<|close|>think<|sep|>`, is whole.
fn markers_around<'t>(before: &'t str, after: &'t str) -> (&'t str, &'t str) {
    let starts = |text: &str| text.rfind(['<', '[', '◁']).unwrap_or(text.len());
    let ends = |text: &str| {
        let end = text.find(['>', ']', '▷']);
        end.map_or(0, |end| {
            end + text[end..].chars().next().map_or(1, char::len_utf8)
        })
    };
    let (open, close) = (starts(before), ends(after));
    let word = |text: &'t str| text.trim_matches(|sign: char| !sign.is_alphanumeric());
    let outer = (starts(&before[..open]), close + ends(&after[close..]));
    let inner = |(from, to): (usize, usize)| {
        let first = before[from..open].rsplit(['>', ']', '▷']).next()?;
        let second = after[close..to].split(['<', '[', '◁']).next()?;
        (!word(first).is_empty() && word(first) == first && first == second).then_some((from, to))
    };
    let (from, to) = inner(outer).unwrap_or((open, close));
    (&before[from..], &after[..to])
}

fn remember(known: &mut Vec<(String, String)>, role: &str, text: String) {
    let entry = (role.to_owned(), text);
    if !known.contains(&entry) {
        known.push(entry);
    }
}

fn common_prefix<'t>(a: &'t str, b: &str) -> &'t str {
    let length = a
        .char_indices()
        .zip(b.chars())
        .find(|((_, x), y)| x != y)
        .map_or(a.len().min(b.len()), |((at, _), _)| at);
    &a[..length]
}

/// The text up to a marker that it opens but does not close.
fn outside_markers(text: &str) -> &str {
    match text.rfind('<') {
        Some(open) if !text[open..].contains('>') => &text[..open],
        _ => text,
    }
}

/// The text of a segment before the row's own text; the role does not count as the row's.
fn before_data<'s>(render: &'s ProbeRender<'_>, start: u32, end: u32) -> &'s str {
    let is_data = |origin: Origin| match origin {
        Origin::Template => false,
        Origin::Message { field, .. } => field != Field::Role,
        Origin::Variable => true,
    };
    let mut runs = render.out.ranges();
    let data = runs.find(|run| is_data(run.origin) && run.end > start);
    render.text(start, data.map_or(end, |run| run.start.max(start).min(end)))
}

fn after_answer(segment: &str) -> &str {
    segment.rsplit_once(ANSWER).map_or("", |(_, after)| after)
}

/// The text of a segment after the row's own text.
fn after_data<'s>(render: &'s ProbeRender<'_>, start: u32, end: u32) -> &'s str {
    let runs = render.out.ranges().take_while(|run| run.end <= end);
    let data = runs.filter(|run| run.end > start && !run.origin.is_template());
    render.text(data.last().map_or(start, |run| run.end), end)
}
