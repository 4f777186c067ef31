//! Tokenizers: text → ids, with the token positions of marked places.

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

/// An encoder of text. Implementations are shared between threads; what a thread changes lives in
/// its scratch.
pub trait Backend: Send + Sync {
    /// Memory of one worker thread.
    fn scratch(&self) -> Box<dyn std::any::Any + Send>;

    /// Encodes without adding special tokens; `encoding` is cleared first. Errors only on a defect
    /// of the tokenizer's files.
    fn encode(
        &self,
        scratch: &mut dyn std::any::Any,
        input: &Input<'_>,
        encoding: &mut Encoding,
    ) -> crate::Result<()>;
}
