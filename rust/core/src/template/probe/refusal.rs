//! Why the turns of a template cannot be located.

use super::super::probe_messages::{ANSWER, OTHER_ANSWER, USER, text_of};
use super::super::spans::{TurnRules, fragments_from, header_len, inferred, leading, role_of};
use super::super::{Field, Origin, Span, SpanSource};
use super::{ProbeRender, Prober};
use crate::value::{Map, Value};
use crate::{Error, ErrorKind};

impl<'r> Prober<'r> {
    /// Why the turns of this template cannot be located, if so.
    pub(super) fn refusal(&self, rules: &TurnRules) -> Option<Error> {
        let refuse = |what: &str| {
            Some(
                Error::new(ErrorKind::Template, "template-spans", what)
                    .hint("use a template with {% generation %} tags around the assistant's text"),
            )
        };
        if let Some(error) = &*self.exhausted.borrow() {
            let what = format!(
                "a conversation of a few words is too much for the template: {}",
                error.what()
            );
            let error = Error::new(ErrorKind::Template, "template-spans", what);
            return Some(
                error.hint("it does not print chats: get it again, or name another --template"),
            );
        }
        let source = self.program.span_source();
        let has_tags = self.program.has_generation_tags();
        if source == SpanSource::Tags && !has_tags {
            return refuse("the template has no {% generation %} tags");
        }
        if has_tags && source != SpanSource::Inferred {
            return None;
        }
        let build = &self.build;
        let user = build.message("user", USER);
        let answer = build.message("assistant", ANSWER);
        let conversations = [
            vec![user, answer],
            vec![user, answer, user, build.message("assistant", OTHER_ANSWER)],
        ];
        let mut tried = 0;
        for messages in conversations {
            let Some(render) = self.render(&messages, false) else {
                continue;
            };
            tried += 1;
            let misplaced = self.misplaced(&render, &messages, rules);
            if let Some(what) = misplaced.or_else(|| unlocated(render, rules)) {
                return refuse(&what);
            }
        }
        (tried == 0).then(|| self.renders_nothing())
    }

    /// A template for another kind of data, such as one that needs documents.
    fn renders_nothing(&self) -> Error {
        let question = [self.build.message("user", USER)];
        let why = self.render_with(&question, false, None).err();
        let why = why.map(|error| format!(": {}", error.what()));
        let what = format!(
            "the template renders none of the probe conversations{}",
            why.unwrap_or_default()
        );
        Error::new(ErrorKind::Template, "template-spans", what)
            .hint("it is for rows of another kind: name another --template")
    }

    /// What is wrong with the turns of a probe, if anything.
    fn misplaced(
        &self,
        render: &ProbeRender<'r>,
        messages: &[Map<'r>],
        rules: &TurnRules,
    ) -> Option<String> {
        for (index, message) in messages.iter().enumerate() {
            if message.get("role").and_then(Value::as_str) != Some("assistant") {
                continue;
            }
            let content = text_of(message).unwrap_or_default();
            let Some((start, end)) = render.segment(index as u32) else {
                return Some(format!(
                    "the template does not print the messages in a loop over them: the text of \
                     message {index} cannot be told from the others"
                ));
            };
            let text = render.text(start, end);
            let Some(at) = text.find(content) else {
                return Some(format!(
                    "the content of message {index} is not in its own turn"
                ));
            };
            let leading = leading(&render.out, start, end);
            if header_len(rules, "user", leading).is_none() {
                return Some(format!(
                    "where the text of message {index} begins is not clear"
                ));
            }
            let prompted = self.render(&messages[..index], true);
            if let Some(prompted) = prompted
                && render.out.text.starts_with(&prompted.out.text)
            {
                let wanted = prompted.out.text.len() as u32;
                let is_explained = rules
                    .prompts
                    .iter()
                    .any(|(_, prompt)| start + prompt.len() as u32 == wanted);
                if !is_explained || wanted > start + at as u32 {
                    return Some(format!(
                        "the generation prompt does not end where the text of message {index} begins"
                    ));
                }
            }
        }
        None
    }
}

/// What is wrong with the spans of a probe, if anything: each answer is in its own turn and in no
/// other, and no turn holds the text of another message.
fn unlocated(mut render: ProbeRender<'_>, rules: &TurnRules) -> Option<String> {
    inferred(&render.provenance, &render.input, rules, &mut render.out);
    for (index, message) in render.input.messages.iter().enumerate() {
        let index = index as u32;
        if role_of(&render.input, index) != "assistant" {
            continue;
        }
        let content = text_of(message);
        let mut own = render.out.spans.iter().filter(|span| span.message == index);
        if !own.any(|span| {
            content.is_some_and(|text| render.text(span.start, span.end).contains(text))
        }) {
            return Some(format!(
                "where the text of message {index} lies cannot be told exactly"
            ));
        }
    }
    // The role in the marker of the next message may end a turn.
    let is_foreign = |origin: Origin, message: u32| match origin {
        Origin::Message { index, field } => index != message && field != Field::Role,
        _ => false,
    };
    let holds_another = |span: &Span| {
        let mut start = span.start;
        fragments_from(&render.out, span.start)
            .iter()
            .take_while(|fragment| std::mem::replace(&mut start, fragment.end) < span.end)
            .any(|fragment| is_foreign(fragment.origin, span.message))
    };
    let mixed = render.out.spans.iter().find(|span| holds_another(span))?;
    let message = mixed.message;
    Some(format!(
        "the turn of message {message} holds the text of another message"
    ))
}
