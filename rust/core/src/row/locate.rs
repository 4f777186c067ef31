//! Third stage: the bytes of the text that matter to its encoding and to its labels.

use super::Refusal;
use super::findings::RowFindings;
use super::policy::Policy;
use crate::recipe::{Boundary, SpecialInContent};
use crate::rules::{Reject, Rule};
use crate::setup::plan::Plan;
use crate::setup::structural;
use crate::template::{Field, Origin, Rendered, Span};
use crate::tokenizer::{Encoding, Mark};

/// The located bytes of a text; each list is sorted.
#[derive(Debug, Default)]
pub(crate) struct Located {
    /// Bytes whose tokens the labels need.
    pub(crate) marks: Vec<u32>,
    /// Places where the text is cut; the parts are encoded separately.
    pub(crate) cuts: Vec<u32>,
    /// Ranges in which control tokens are ordinary text. Empty if the content holds no control
    /// token, or if control tokens are to be parsed.
    pub(crate) content: Vec<(u32, u32)>,
}

impl Located {
    /// Clears the lists and keeps their memory.
    pub(crate) fn clear(&mut self) {
        self.marks.clear();
        self.cuts.clear();
        self.content.clear();
    }

    /// The token that holds a byte; `None` if the byte was not marked.
    pub(crate) fn mark(&self, encoding: &Encoding, offset: u32) -> Option<Mark> {
        let index = self.marks.binary_search(&offset).ok()?;
        encoding.marks.get(index).copied()
    }

    fn sort(&mut self) {
        for offsets in [&mut self.marks, &mut self.cuts] {
            offsets.sort_unstable();
            offsets.dedup();
        }
    }
}

/// A text with what was located in it.
#[derive(Clone, Copy)]
pub(crate) struct LocatedText<'d> {
    pub(crate) rendered: &'d Rendered,
    pub(crate) located: &'d Located,
}

/// Locates the content, the bounds of the turns, and the cuts.
pub(super) fn locate(
    policy: &Policy<'_, '_>,
    rendered: &Rendered,
    located: &mut Located,
    findings: &mut RowFindings,
) -> Result<(), Refusal> {
    structural::content_ranges(rendered, &mut located.content);
    guard_content(policy.plan, rendered, &mut located.content, findings)?;
    mark_turns(policy, rendered, located);
    let blocks = rendered.reasoning.iter();
    let blocks = blocks.flat_map(|block| [block.start, block.end]);
    located.marks.extend(blocks);
    if policy.others {
        let ranges = policy.other_ranges(rendered).into_iter();
        let bounds = ranges.flat_map(|(start, end, _)| [start, end]);
        located.marks.extend(bounds);
    }
    // A check shows the tokens around any message, whether it is trained or not.
    if findings.positions {
        let starts = content_starts(rendered).map(|(_, start)| start);
        located.marks.extend(starts);
    }
    located.sort();
    Ok(())
}

/// Locates the seam between a prompt and a completion; both are content.
pub(super) fn locate_seam(
    plan: &Plan,
    text: &Rendered,
    seam: u32,
    located: &mut Located,
    findings: &mut RowFindings,
) -> Result<(), Refusal> {
    located.marks.push(seam);
    if plan.recipe.boundary == Boundary::Apart {
        located.cuts.push(seam);
    }
    locate_plain(plan, text, located, findings)
}

/// A text in which everything is content.
pub(super) fn locate_plain(
    plan: &Plan,
    text: &Rendered,
    located: &mut Located,
    findings: &mut RowFindings,
) -> Result<(), Refusal> {
    located.content.push((0, text.text.len() as u32));
    guard_content(plan, text, &mut located.content, findings)
}

/// Looks for control tokens in content. Empties the ranges if there are none, so that the encoder
/// has nothing to watch for.
fn guard_content(
    plan: &Plan,
    rendered: &Rendered,
    content: &mut Vec<(u32, u32)>,
    findings: &mut RowFindings,
) -> Result<(), Refusal> {
    let text = &rendered.text;
    let Some((count, (start, end))) = plan.structural.in_content(text, content) else {
        content.clear();
        return Ok(());
    };
    let rule = Rule::SpecialTokenInContent;
    let message = message_at(rendered, start);
    match plan.recipe.special_in_content {
        SpecialInContent::Text => {}
        SpecialInContent::Parse => content.clear(),
        SpecialInContent::Reject => {
            let reason = format!("content holds the control token {:?}", &text[start..end]);
            return Err(Reject::new(rule, reason).at_message(message).into());
        }
    }
    let note = || format!("{:?}", &text[start..end]);
    findings.counts.add_at(rule, message, note);
    // The first was counted with its place.
    findings.counts.add(rule, count - 1);
    Ok(())
}

/// Marks the bounds of turns, and cuts the text where the recipe or an inserted id requires it.
fn mark_turns(policy: &Policy<'_, '_>, rendered: &Rendered, located: &mut Located) {
    let apart = policy.plan.recipe.boundary == Boundary::Apart;
    for (index, span) in rendered.spans.iter().enumerate() {
        located
            .marks
            .extend([span.start, span.content_end, span.end]);
        let first = index == 0 || rendered.spans[index - 1].message != span.message;
        if first && apart {
            located.cuts.push(span.start);
        }
        // A token that reached over the place of an inserted id would hide where the turn ends.
        if is_last_span(&rendered.spans, index) && policy.inserts(span) {
            let offset = insertion(&rendered.text, span);
            located.marks.push(offset);
            located.cuts.push(offset);
        }
    }
}

/// Where a terminator is inserted: after the turn's text, before whitespace that the template
/// prints between turns.
pub(super) fn insertion(text: &str, span: &Span) -> u32 {
    let after = &text[span.content_end as usize..span.end as usize];
    span.content_end + after.trim_end().len() as u32
}

/// Whether a span is the last one of its turn.
pub(super) fn is_last_span(spans: &[Span], index: usize) -> bool {
    spans
        .get(index + 1)
        .is_none_or(|next| next.message != spans[index].message)
}

/// The messages in the render, each with the byte at which its content starts.
pub(super) fn content_starts(rendered: &Rendered) -> impl Iterator<Item = (u32, u32)> + '_ {
    rendered.ranges().filter_map(|run| match run.origin {
        Origin::Message {
            index,
            field: Field::Content,
        } => Some((index, run.start)),
        _ => None,
    })
}

/// The message that a byte of the render came from; 0 where the template wrote it.
fn message_at(rendered: &Rendered, byte: usize) -> u32 {
    let fragments = &rendered.fragments;
    let index = fragments.partition_point(|fragment| fragment.end as usize <= byte);
    match fragments.get(index).map(|fragment| fragment.origin) {
        Some(Origin::Message { index, .. }) => index,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Fragment;

    fn rendered() -> Rendered {
        let message = |index, field| Origin::Message { index, field };
        let fragment = |end, origin| Fragment { end, origin };
        Rendered {
            text: "<u>hi<a>yes".to_owned(),
            fragments: vec![
                fragment(3, Origin::Template),
                fragment(5, message(0, Field::Content)),
                fragment(8, Origin::Template),
                fragment(9, message(1, Field::Reasoning)),
                fragment(11, message(1, Field::Content)),
            ],
            ..Rendered::default()
        }
    }

    #[test]
    fn a_byte_leads_to_its_message() {
        let rendered = rendered();
        let messages = [0, 4, 8, 10].map(|byte| message_at(&rendered, byte));
        assert_eq!(messages, [0, 0, 1, 1]);
        let starts: Vec<_> = content_starts(&rendered).collect();
        assert_eq!(starts, [(0, 3), (1, 9)]);
    }

    #[test]
    fn a_terminator_stands_before_the_whitespace_between_turns() {
        let span = |content_end, end| Span {
            start: 0,
            content_end,
            end,
            message: 1,
        };
        assert_eq!(insertion("yes\n\n", &span(3, 5)), 3);
        assert_eq!(insertion("yes  </a>\n", &span(5, 10)), 9);
        assert_eq!(insertion("yes  ", &span(5, 5)), 5);
    }
    #[test]
    fn marks_are_found_by_their_byte() {
        let mut located = Located {
            marks: vec![8, 3, 8],
            ..Located::default()
        };
        located.sort();
        let mark = |token| Mark {
            token,
            straddles: false,
        };
        let encoding = Encoding {
            ids: vec![7, 7],
            marks: vec![mark(1), mark(2)],
        };
        assert_eq!(located.mark(&encoding, 8), Some(mark(2)));
        assert_eq!(located.mark(&encoding, 4), None);
    }
}
