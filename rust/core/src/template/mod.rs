//! Chat templates: conversation → rendered text and spans.

mod rendered;

pub use rendered::{Field, Origin, Piece, Rendered, Span, Thought};
