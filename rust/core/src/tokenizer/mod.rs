//! Tokenizers: text → ids, with the token positions of marked places.

mod added;
mod backend;
mod batch;
mod bytes;
mod files;
mod kinds;
mod load;
mod offsets;
mod reference;
mod special;
mod templates;
#[expect(clippy::module_inception, reason = "the public type of the module")]
mod tokenizer;
mod trimming;

pub use backend::Backend;
pub use batch::{BatchEncoder, FlatIds};
pub use load::{read_generation_eos, read_templates};
pub use offsets::FlatOffsets;
pub use reference::Reference;
pub use special::SpecialTokens;
pub use templates::Templates;
pub use tokenizer::Tokenizer;
pub use turnmill_bpe::{AddedToken, Affixes, Encoding, IdRows, Input, MAX_TEXT_BYTES, Mark};
