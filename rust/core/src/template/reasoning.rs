//! Reasoning inside the spans.

use memchr::memmem::Finder;

use super::rendered::{Field, Fragment, Origin, ReasoningSpan, Rendered, Span};

/// Markers around reasoning that templates print or answers contain.
const COMMON: [(&str, &str); 4] = [
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("◁think▷", "◁/think▷"),
];

/// A pair of markers, with a search for each.
#[derive(Debug)]
pub(super) struct Markers {
    open: String,
    close: Finder<'static>,
}

/// The markers to look for: those a probe found, `<think>`, and others that the source names.
pub(super) fn markers(source: &str, probed: Option<&(String, String)>) -> Vec<Markers> {
    let mut pairs: Vec<(&str, &str)> = probed
        .map(|(open, close)| (&**open, &**close))
        .into_iter()
        .collect();
    for (open, close) in COMMON {
        let is_wanted = open == "<think>" || source.contains(open);
        if is_wanted && pairs.iter().all(|(_, known)| *known != close) {
            pairs.push((open, close));
        }
    }
    pairs
        .into_iter()
        .map(|(open, close)| Markers {
            open: open.to_owned(),
            close: Finder::new(close.as_bytes()).into_owned(),
        })
        .collect()
}

/// Finds the reasoning of every span: what came from a reasoning field, and what is between
/// markers, whether the template or the data wrote them.
pub(super) fn find(out: &mut Rendered, markers: &[Markers]) {
    let Rendered {
        text,
        fragments,
        spans,
        reasoning: blocks,
        ..
    } = out;
    let mut next = 0;
    for span in spans.iter() {
        let first = blocks.len();
        for pair in markers {
            between(text, span, pair, blocks);
            let empty = blocks[first..].iter_mut().filter(|block| block.empty);
            empty.for_each(|block| take_whitespace(text, fragments, span, block));
            if blocks.len() > first {
                break;
            }
        }
        while next < fragments.len() && fragments[next].end <= span.start {
            next += 1;
        }
        let mut start = span.start;
        for fragment in &fragments[next..] {
            if start >= span.end {
                break;
            }
            let is_reasoning = matches!(
                fragment.origin,
                Origin::Message {
                    index,
                    field: Field::Reasoning
                } if index == span.message
            );
            if is_reasoning {
                add(
                    blocks,
                    first,
                    start,
                    fragment.end.min(span.end),
                    span.message,
                );
            }
            start = fragment.end;
        }
        blocks[first..].sort_by_key(|block| block.start);
    }
}

/// Extends an empty block over the whitespace that the template prints after it. Whitespace at the
/// start of the answer itself stays with the answer.
fn take_whitespace(text: &str, fragments: &[Fragment], span: &Span, block: &mut ReasoningSpan) {
    let first = fragments.partition_point(|fragment| fragment.end <= block.end);
    for fragment in &fragments[first..] {
        if !fragment.origin.is_template() || block.end >= span.end {
            return;
        }
        let run = &text[block.end as usize..fragment.end.min(span.end) as usize];
        let rest = run.trim_start();
        block.end += (run.len() - rest.len()) as u32;
        if !rest.is_empty() {
            return;
        }
    }
}

/// Adds reasoning unless another block of the same span covers it.
fn add(blocks: &mut Vec<ReasoningSpan>, first: usize, start: u32, end: u32, message: u32) {
    let is_known = blocks[first..]
        .iter()
        .any(|known| known.start <= start && end <= known.end);
    if !is_known && start < end {
        blocks.push(ReasoningSpan {
            start,
            end,
            empty: false,
            message,
        });
    }
}

/// Adds the text between each closing marker of a span and the opening one before it, which may be
/// in the generation prompt.
fn between(text: &str, span: &Span, markers: &Markers, blocks: &mut Vec<ReasoningSpan>) {
    let (start, end) = (span.start as usize, span.end as usize);
    let mut from = start;
    while let Some(at) = markers.close.find(&text.as_bytes()[from..end]) {
        let close_at = from + at;
        let after = close_at + markers.close.needle().len();
        let opened = text[from..close_at].find(&markers.open).map(|at| from + at);
        let begins_open = from == start && text[..start].trim_end().ends_with(&markers.open);
        match opened {
            Some(open) => {
                let inner = open + markers.open.len();
                blocks.push(block(text, span, open, inner, close_at, after));
            }
            None if begins_open => {
                blocks.push(block(text, span, start, start, close_at, after));
            }
            None => {}
        }
        from = after;
    }
}

/// The block between `inner` and `close_at`; the whole block if nothing is in it.
fn block(
    text: &str,
    span: &Span,
    open_at: usize,
    inner: usize,
    close_at: usize,
    after: usize,
) -> ReasoningSpan {
    if !text[inner..close_at].trim().is_empty() {
        return ReasoningSpan {
            start: inner as u32,
            end: close_at as u32,
            empty: false,
            message: span.message,
        };
    }
    ReasoningSpan {
        start: open_at as u32,
        end: after as u32,
        empty: true,
        message: span.message,
    }
}
