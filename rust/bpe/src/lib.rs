//! An exact and fast encoder for `tokenizer.json` files: it gives the same ids as Hugging Face's
//! `tokenizers`, and the tokens that contain marked bytes of the text.
//!
//! The crate is named after BPE, its first and most used model; it has Unigram and `WordPiece` too.
//!
//! The modules have the names that the parts have there, in the order in which a text passes them:
//!
//! [`added`] (tokens found in the text before the model sees it) → `normalizer` → added tokens that
//! are looked for in the normalized text → `pre_tokenizer` (the text falls into pieces) → `cache`
//! (pieces met before) → `model` (a piece becomes ids) → [`post_processor`] (ids around the text).
//!
//! [`Encoder`] is the whole of it. What it does not know exactly it refuses with a reason
//! ([`Unsupported`]), and the caller takes the reference instead.
//!
//! ```
//! use turnmill_bpe::{Encoder, Encoding, Input};
//!
//! let bytes: String = (0..256).map(|byte| format!(r#""<0x{byte:02X}>": {byte}, "#)).collect();
//! let file = format!(
//!     r#"{{"normalizer": {{"type": "Replace", "pattern": {{"String": " "}}, "content": "▁"}},
//!     "model": {{"type": "BPE", "byte_fallback": true,
//!     "vocab": {{{bytes}"a": 256, "b": 257, "▁": 258, "ab": 259}}, "merges": ["a b"]}}}}"#
//! );
//! let encoder = Encoder::new(file.as_bytes(), &[])?;
//! let mut encoding = Encoding::default();
//! let input = Input { text: "ab a", content: &[], cuts: &[], marks: &[3] };
//! encoder.encode(&mut encoder.scratch(), &input, &mut encoding)?;
//! assert_eq!(encoding.ids, [259, 258, 256]);
//! assert_eq!(encoding.marks[0].token, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// Forbidden but for the one module that says why it needs it.
#![deny(unsafe_code)]
#![expect(
    clippy::inline_always,
    reason = "what runs for every byte has to become part of the function that enables vector instructions"
)]

pub mod added;
mod cache;
mod definition;
mod encoder;
mod encoding;
mod error;
mod model;
mod normalizer;
mod offsets;
mod pending;
mod pieces;
mod plan;
pub mod post_processor;
mod pre_tokenizer;
mod scratch;
mod simd;

pub use added::AddedToken;
pub use encoder::{Encoder, Scratch};
pub use encoding::{Encoding, IdRows, Input, MAX_TEXT_BYTES, Mark};
pub use error::{Error, Result, Unsupported};
pub use post_processor::Affixes;
pub use simd::advise_huge;
