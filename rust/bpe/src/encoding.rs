//! What goes into the encoder and what comes out.

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
pub struct IdRows {
    /// Token ids.
    pub ids: Vec<u32>,
    /// How many ids there are up to the end of each text.
    pub ends: Vec<usize>,
}
