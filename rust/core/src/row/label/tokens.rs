//! From bytes of the text to tokens.

use super::spans::{Hole, TokenSpan};
use crate::row::findings::RowFindings;
use crate::row::locate::{Located, is_last_span};
use crate::row::policy::Policy;
use crate::rules::Rule;
use crate::setup::plan::Plan;
use crate::template::Rendered;
use crate::tokenizer::{Encoding, Mark, Tokenizer};

/// The tokens of a text, found by their bytes.
#[derive(Clone, Copy)]
pub(in crate::row) struct Tokens<'d> {
    tokenizer: &'d Tokenizer,
    located: &'d Located,
    encoding: &'d Encoding,
}

/// Tokens of a trained message that is not the assistant's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Other {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) weight: f32,
}

impl<'d> Tokens<'d> {
    pub(in crate::row) fn new(
        plan: &'d Plan,
        located: &'d Located,
        encoding: &'d Encoding,
    ) -> Self {
        Self {
            tokenizer: &plan.tokenizer,
            located,
            encoding,
        }
    }

    /// The token of a byte. Every byte that is asked for was marked; should one not be, it counts
    /// as the end of the text.
    pub(in crate::row) fn mark(self, offset: u32) -> Mark {
        let end = Mark {
            token: self.encoding.ids.len() as u32,
            straddles: false,
        };
        self.located.mark(self.encoding, offset).unwrap_or(end)
    }

    /// The first token of the text from `offset` on. An added token before it that swallowed its
    /// leading whitespace (`rstrip`, as all of Phi-3) belongs to the text before.
    fn start(self, offset: u32) -> u32 {
        let mark = self.mark(offset);
        let id = self.encoding.ids.get(mark.token as usize);
        let added = id.and_then(|id| self.tokenizer.added_token(*id));
        mark.token + u32::from(mark.straddles && added.is_some_and(|token| token.rstrip))
    }

    /// One past the last token that overlaps the text before `offset`.
    pub(in crate::row) fn end(self, offset: u32) -> u32 {
        let mark = self.mark(offset);
        mark.token + u32::from(mark.straddles)
    }

    /// The spans of the turns. One that starts inside a token is counted.
    pub(super) fn spans(
        self,
        rendered: &Rendered,
        spans: &mut Vec<TokenSpan>,
        findings: &mut RowFindings,
    ) {
        for (index, span) in rendered.spans.iter().enumerate() {
            spans.push(TokenSpan {
                message: span.message,
                start: self.start(span.start),
                content_end: self.mark(span.content_end).token,
                end: self.end(span.end),
                last: is_last_span(&rendered.spans, index),
            });
            if self.mark(span.start).straddles {
                let counts = &mut findings.counts;
                counts.add_at(Rule::BoundaryMerge, span.message, String::new);
            }
        }
    }

    /// Reasoning that the recipe leaves out.
    pub(super) fn holes(self, rendered: &Rendered, policy: &Policy<'_, '_>, holes: &mut Vec<Hole>) {
        let blocks = rendered.reasoning.iter();
        let left_out = blocks.filter(|block| policy.leaves_out(block));
        holes.extend(left_out.map(|block| Hole {
            start: self.start(block.start),
            end: self.mark(block.end).token,
        }));
    }

    /// Trained messages that are not the assistant's.
    pub(super) fn of_other_roles(self, rendered: &Rendered, policy: &Policy<'_, '_>) -> Vec<Other> {
        if !policy.others {
            return Vec::new();
        }
        let ranges = policy.other_ranges(rendered).into_iter();
        let tokens = ranges.map(|(start, end, weight)| Other {
            start: self.start(start),
            end: self.end(end),
            weight,
        });
        tokens.collect()
    }
}
