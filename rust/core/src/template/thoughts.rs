//! Reasoning inside the spans.

use super::rendered::{Field, Origin, Rendered, Span, Thought};

/// Markers around reasoning that any template may print and any answer may hold.
const COMMON: [(&str, &str); 4] = [
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("◁think▷", "◁/think▷"),
];

/// Finds the reasoning of every span: what came from a reasoning field, and what stands between
/// markers, be they the template's or the data's.
pub(super) fn find(out: &mut Rendered, markers: Option<&(String, String)>) {
    let Rendered {
        text,
        pieces,
        spans,
        thoughts,
    } = out;
    for span in spans.iter() {
        let first = thoughts.len();
        between_markers(text, span, markers, thoughts);
        let mut start = 0;
        for piece in pieces.iter() {
            let is_reasoning = matches!(
                piece.origin,
                Origin::Message {
                    index,
                    field: Field::Reasoning
                } if index == span.message
            );
            if is_reasoning && start >= span.start && piece.end <= span.end {
                add(thoughts, first, start, piece.end, span.message);
            }
            start = piece.end;
        }
        thoughts[first..].sort_by_key(|thought| thought.start);
    }
}

/// Adds reasoning unless a thought of the same span covers it.
fn add(thoughts: &mut Vec<Thought>, first: usize, start: u32, end: u32, message: u32) {
    let is_known = thoughts[first..]
        .iter()
        .any(|known| known.start <= start && end <= known.end);
    if !is_known && start < end {
        thoughts.push(Thought {
            start,
            end,
            empty: false,
            message,
        });
    }
}

fn between_markers(
    text: &str,
    span: &Span,
    markers: Option<&(String, String)>,
    thoughts: &mut Vec<Thought>,
) {
    let (start, end) = (span.start as usize, span.end as usize);
    let own = markers.map(|(open, close)| (open.as_str(), close.as_str()));
    for (open, close) in own.into_iter().chain(COMMON) {
        let found = thoughts.len();
        let mut from = start;
        while let Some(at) = text[from..end].find(open) {
            let inner = from + at + open.len();
            let Some(length) = text[inner..end].find(close) else {
                break;
            };
            thoughts.push(thought(
                text,
                span,
                from + at,
                inner,
                inner + length,
                close.len(),
            ));
            from = inner + length + close.len();
        }
        if thoughts.len() == found {
            // The prompt may end inside the block.
            if let Some(length) = text[start..end].find(close) {
                let opens = text[..start].trim_end().ends_with(open);
                if opens {
                    thoughts.push(thought(
                        text,
                        span,
                        start,
                        start,
                        start + length,
                        close.len(),
                    ));
                }
            }
        }
        if thoughts.len() > found {
            return;
        }
    }
}

/// The thought between `inner` and `close_at`; the whole block, with the whitespace after it, if
/// nothing is in it.
fn thought(
    text: &str,
    span: &Span,
    open_at: usize,
    inner: usize,
    close_at: usize,
    close_len: usize,
) -> Thought {
    let is_empty = text[inner..close_at].trim().is_empty();
    if !is_empty {
        return Thought {
            start: inner as u32,
            end: close_at as u32,
            empty: false,
            message: span.message,
        };
    }
    let rest = &text[close_at + close_len..span.end as usize];
    let spaces = rest.len() - rest.trim_start().len();
    Thought {
        start: open_at as u32,
        end: (close_at + close_len + spaces) as u32,
        empty: true,
        message: span.message,
    }
}
