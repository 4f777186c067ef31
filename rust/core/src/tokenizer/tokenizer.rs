//! A tokenizer, once it is loaded.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use turnmill_bpe::{AddedToken, Affixes, Encoding};

use super::backend::{Backend, whole};
use super::bytes::TokenBytes;
use super::special::SpecialTokens;
use super::templates::Templates;
use super::trimming::Trimming;
use crate::Result;

/// A tokenizer with the files of its directory. Shared between threads.
///
/// ```
/// use std::path::Path;
/// use turnmill_core::tokenizer::Tokenizer;
///
/// let tokenizer = Tokenizer::load(Path::new("../../python/turnmill/demo/tokenizer"))?;
/// let ids = tokenizer.encode("to be", false)?;
/// let text: Vec<u8> = ids.iter().flat_map(|id| tokenizer.id_to_bytes(*id)).copied().collect();
/// assert_eq!(text, b"to be");
/// # Ok::<(), turnmill_core::Error>(())
/// ```
pub struct Tokenizer {
    pub(super) path: PathBuf,
    pub(super) hash: u128,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) backend_name: &'static str,
    pub(super) backend_reason: String,
    pub(super) added: Vec<AddedToken>,
    pub(super) beyond: Vec<AddedToken>,
    pub(super) ids: FxHashMap<String, u32>,
    pub(super) token_bytes: TokenBytes,
    pub(super) special: SpecialTokens,
    pub(super) templates: Templates,
    pub(super) generation_eos: Vec<u32>,
    pub(super) claims_eos: bool,
    pub(super) unknown: Option<u32>,
    pub(super) affixes: Affixes,
    /// How the post-processor trims offsets, if it does.
    pub(super) trimming: Option<Trimming>,
}

impl Tokenizer {
    /// Where it was loaded from, as given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of its files.
    pub fn directory(&self) -> &Path {
        if self.path.is_dir() {
            return &self.path;
        }
        self.path.parent().unwrap_or(&self.path)
    }

    /// Hash (xxh3) of every file that decides an id or a template.
    pub fn hash(&self) -> u128 {
        self.hash
    }

    /// The encoder of text.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// The kind of our own encoder, `bpe`, `unigram` or `wordpiece`; or `reference`.
    pub fn backend_name(&self) -> &'static str {
        self.backend_name
    }

    /// Why this backend was chosen.
    pub fn backend_reason(&self) -> &str {
        &self.backend_reason
    }

    /// Added tokens, special or not, by id.
    pub fn added_tokens(&self) -> &[AddedToken] {
        &self.added
    }

    /// Tokens that no vocabulary has: the configuration only names them, and transformers adds them.
    pub fn beyond_vocabulary(&self) -> &[AddedToken] {
        &self.beyond
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

    /// The texts of several tokens.
    pub(crate) fn ids_to_texts(&self, ids: &[u32]) -> Vec<String> {
        ids.iter().map(|id| self.id_to_text(*id)).collect()
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

    /// `eos_token_id` of `generation_config.json`; empty if there is none.
    pub fn generation_eos(&self) -> &[u32] {
        &self.generation_eos
    }

    /// Whether `tokenizer_config.json` says that texts get an eos.
    pub fn claims_eos(&self) -> bool {
        self.claims_eos
    }

    /// The id that text unknown to the model becomes, if any does.
    pub fn unknown_id(&self) -> Option<u32> {
        self.unknown
    }

    /// Ids that the post-processor puts before a text that is encoded with special tokens.
    pub fn prefix(&self) -> &[u32] {
        &self.affixes.prefix
    }

    /// Ids that the post-processor puts after it.
    pub fn suffix(&self) -> &[u32] {
        &self.affixes.suffix
    }

    /// Ids of a text; control tokens in it are parsed. For probes and single calls: a loop keeps
    /// its own scratch and calls the backend.
    pub fn encode(&self, text: &str, add_special_tokens: bool) -> Result<Vec<u32>> {
        let mut encoding = Encoding::default();
        let mut scratch = self.backend.scratch();
        let input = whole(text);
        self.backend.encode(&mut *scratch, &input, &mut encoding)?;
        if !add_special_tokens {
            return Ok(encoding.ids);
        }
        Ok([self.prefix(), &encoding.ids, self.suffix()].concat())
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
