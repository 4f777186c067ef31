//! Tokenizers: text → ids, with the token positions of marked places.

pub mod added;
mod batch;
pub mod bpe;
mod bytes;
mod files;
mod frame;
mod load;
mod reference;
mod special;

use std::any::Any;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Result;

pub use batch::{BatchEncoder, FlatIds};
pub use files::AddedToken;
pub use frame::Frame;
pub use load::read_templates;
pub use reference::Reference;
pub use special::{SpecialTokens, Templates};

/// Most bytes of one text: places in it have 32 bits, of which the encoder keeps one to itself.
pub const MAX_TEXT_BYTES: usize = (1 << 31) - 1;

/// What to encode, and which places of it to find again among the tokens.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The text.
    pub text: &'a str,
    /// Byte ranges in which the text of structural tokens is ordinary text, sorted, disjoint.
    /// Empty: control tokens are parsed everywhere, as transformers does.
    pub content: &'a [(u32, u32)],
    /// Byte offsets at which the text is cut and its parts are encoded apart, sorted.
    pub cuts: &'a [u32],
    /// Byte offsets to find again, sorted; see [`Mark`].
    pub marks: &'a [u32],
}

/// Where a marked byte offset lies among the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Index of the first token that ends after the offset; the number of tokens if there is none.
    pub token: u32,
    /// That token starts before the offset: it covers bytes on both sides.
    pub straddles: bool,
}

/// Ids and mark positions of one text; buffers are reused.
#[derive(Clone, Debug, Default)]
pub struct Encoding {
    /// Token ids.
    pub ids: Vec<u32>,
    /// One position for each mark of the input.
    pub marks: Vec<Mark>,
}

/// Ids of many texts, one after the other.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Token ids.
    pub ids: Vec<u32>,
    /// How many ids there are up to the end of each text.
    pub ends: Vec<usize>,
}

/// An encoder of text. Implementations are shared between threads; what a thread changes lives in
/// its scratch.
pub trait Backend: Send + Sync {
    /// Memory of one worker thread.
    fn scratch(&self) -> Box<dyn Any + Send>;

    /// The same encoder, for which the added tokens of these ids are structural: inside
    /// [`Input::content`] their text is ordinary text.
    fn with_structural(&self, ids: &[u32]) -> Result<Arc<dyn Backend>>;

    /// Encodes without adding special tokens; `encoding` is cleared first. Errors only on a defect
    /// of the tokenizer's files.
    fn encode(
        &self,
        scratch: &mut dyn Any,
        input: &Input<'_>,
        encoding: &mut Encoding,
    ) -> Result<()>;

    /// Appends the ids of whole texts, each between a prefix and a suffix; control tokens are
    /// parsed. Faster than one call of [`encode`](Self::encode) for each, where texts are short.
    fn encode_rows(
        &self,
        scratch: &mut dyn Any,
        texts: &[&str],
        (prefix, suffix): (&[u32], &[u32]),
        rows: &mut Rows,
    ) -> Result<()> {
        let mut encoding = Encoding::default();
        for text in texts {
            let input = Input {
                text,
                content: &[],
                cuts: &[],
                marks: &[],
            };
            self.encode(scratch, &input, &mut encoding)?;
            for part in [prefix, &encoding.ids, suffix] {
                rows.ids.extend_from_slice(part);
            }
            rows.ends.push(rows.ids.len());
        }
        Ok(())
    }
}

/// A tokenizer with the files that stand beside it. Shared between threads.
pub struct Tokenizer {
    path: PathBuf,
    hash: u128,
    backend: Arc<dyn Backend>,
    backend_name: &'static str,
    backend_reason: String,
    added: Vec<AddedToken>,
    ids: rustc_hash::FxHashMap<String, u32>,
    token_bytes: bytes::TokenBytes,
    special: SpecialTokens,
    templates: Templates,
    generation_eos: Vec<u32>,
    prefix: Vec<u32>,
    suffix: Vec<u32>,
}

impl Tokenizer {
    /// Loads a directory with `tokenizer.json`, or that file. Truncation and padding settings of
    /// the file are ignored. What transformers reads beside it is read too: `tokenizer_config.json`,
    /// `special_tokens_map.json`, `generation_config.json`, `chat_template.jinja` and
    /// `additional_chat_templates/`.
    pub fn load(path: &Path) -> Result<Self> {
        load::load(path)
    }

    /// The same with the reference backend, whatever the tokenizer is; for tests and for
    /// tokenizers whose self-check found a difference. `reason` is what
    /// [`backend_reason`](Self::backend_reason) says.
    pub fn load_reference(path: &Path, reason: &str) -> Result<Self> {
        load::load_reference(path, reason)
    }

    /// Where it was loaded from, as given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Hash (xxh3) of every file that decides an id or a template.
    pub fn hash(&self) -> u128 {
        self.hash
    }

    /// The encoder of text.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// `bpe` or `reference`.
    pub fn backend_name(&self) -> &'static str {
        self.backend_name
    }

    /// Why that backend.
    pub fn backend_reason(&self) -> &str {
        &self.backend_reason
    }

    /// Added tokens, special or not, by id.
    pub fn added_tokens(&self) -> &[AddedToken] {
        &self.added
    }

    /// The added token of that id.
    pub fn added_token(&self, id: u32) -> Option<&AddedToken> {
        let index = self.added.binary_search_by_key(&id, |token| token.id);
        index.ok().map(|index| &self.added[index])
    }

    /// The id of a token by its text, as the vocabulary spells it.
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied()
    }

    /// The bytes a token stands for: an added token's text, else its decoded bytes. Empty for an
    /// id that no token has.
    pub fn id_to_bytes(&self, id: u32) -> &[u8] {
        self.token_bytes.get(id)
    }

    /// The text of a token for messages, broken characters as U+FFFD.
    pub fn id_to_text(&self, id: u32) -> String {
        String::from_utf8_lossy(self.id_to_bytes(id)).into_owned()
    }

    /// One more than the largest id.
    pub fn vocab_size(&self) -> usize {
        self.token_bytes.len()
    }

    /// The named special tokens of the configuration.
    pub fn special_tokens(&self) -> &SpecialTokens {
        &self.special
    }

    /// The id of a named special token, such as `eos_token`.
    pub fn special_id(&self, name: &str) -> Option<u32> {
        self.token_to_id(self.special.get(name)?)
    }

    /// The chat templates that come with the tokenizer.
    pub fn templates(&self) -> &Templates {
        &self.templates
    }

    /// `eos_token_id` of `generation_config.json`; empty where there is none.
    pub fn generation_eos(&self) -> &[u32] {
        &self.generation_eos
    }

    /// Ids that the post-processor puts before a text that is encoded with special tokens.
    pub fn prefix(&self) -> &[u32] {
        &self.prefix
    }

    /// Ids that the post-processor puts after it.
    pub fn suffix(&self) -> &[u32] {
        &self.suffix
    }

    /// Ids of a text; control tokens in it are parsed. For probes and single calls: a loop keeps
    /// its own scratch and calls the backend.
    pub fn encode(&self, text: &str, add_special_tokens: bool) -> Result<Vec<u32>> {
        let mut encoding = Encoding::default();
        let mut scratch = self.backend.scratch();
        let input = Input {
            text,
            content: &[],
            cuts: &[],
            marks: &[],
        };
        self.backend.encode(&mut *scratch, &input, &mut encoding)?;
        if !add_special_tokens {
            return Ok(encoding.ids);
        }
        Ok([&self.prefix[..], &encoding.ids, &self.suffix].concat())
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer")
            .field("path", &self.path)
            .field("backend", &self.backend_name)
            .field("vocab_size", &self.vocab_size())
            .finish_non_exhaustive()
    }
}
