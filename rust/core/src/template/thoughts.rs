//! Reasoning inside the spans.

use memchr::memmem::Finder;

use super::rendered::{Field, Origin, Piece, Rendered, Span, Thought};

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
        pieces,
        spans,
        thoughts,
        ..
    } = out;
    let mut next = 0;
    for span in spans.iter() {
        let first = thoughts.len();
        for pair in markers {
            between(text, span, pair, thoughts);
            let empty = thoughts[first..].iter_mut().filter(|thought| thought.empty);
            empty.for_each(|thought| take_whitespace(text, pieces, span, thought));
            if thoughts.len() > first {
                break;
            }
        }
        while next < pieces.len() && pieces[next].end <= span.start {
            next += 1;
        }
        let mut start = span.start;
        for piece in &pieces[next..] {
            if start >= span.end {
                break;
            }
            let is_reasoning = matches!(
                piece.origin,
                Origin::Message {
                    index,
                    field: Field::Reasoning
                } if index == span.message
            );
            if is_reasoning {
                add(
                    thoughts,
                    first,
                    start,
                    piece.end.min(span.end),
                    span.message,
                );
            }
            start = piece.end;
        }
        thoughts[first..].sort_by_key(|thought| thought.start);
    }
}

/// Extends an empty block over the whitespace that the template prints after it. Whitespace at the
/// start of the answer itself stays with the answer.
fn take_whitespace(text: &str, pieces: &[Piece], span: &Span, thought: &mut Thought) {
    let first = pieces.partition_point(|piece| piece.end <= thought.end);
    for piece in &pieces[first..] {
        if !piece.origin.is_template() || thought.end >= span.end {
            return;
        }
        let run = &text[thought.end as usize..piece.end.min(span.end) as usize];
        let rest = run.trim_start();
        thought.end += (run.len() - rest.len()) as u32;
        if !rest.is_empty() {
            return;
        }
    }
}

/// Adds reasoning unless another thought of the same span covers it.
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

/// Adds the text between each closing marker of a span and the opening one before it, which may be
/// in the generation prompt.
fn between(text: &str, span: &Span, markers: &Markers, thoughts: &mut Vec<Thought>) {
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
                thoughts.push(thought(text, span, open, inner, close_at, after));
            }
            None if begins_open => {
                thoughts.push(thought(text, span, start, start, close_at, after));
            }
            None => {}
        }
        from = after;
    }
}

/// The thought between `inner` and `close_at`; the whole block if nothing is in it.
fn thought(
    text: &str,
    span: &Span,
    open_at: usize,
    inner: usize,
    close_at: usize,
    after: usize,
) -> Thought {
    if !text[inner..close_at].trim().is_empty() {
        return Thought {
            start: inner as u32,
            end: close_at as u32,
            empty: false,
            message: span.message,
        };
    }
    Thought {
        start: open_at as u32,
        end: after as u32,
        empty: true,
        message: span.message,
    }
}
