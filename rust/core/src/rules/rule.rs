//! The rule list: names, severities and meanings.
//!
//! The names come from 95 documented incidents in public fine-tuning projects; `docs/rules.md`
//! explains each with its cause and cure.

use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a number.
    Info,
    /// Likely harm, or training and inference differ.
    Warning,
    /// Breaks the promise: in a run, the row is rejected.
    Error,
}

impl Severity {
    /// The word used in messages and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! rules {
    ($($variant:ident $name:literal $severity:ident $meaning:literal;)*) => {
        /// A rule, known to users by its kebab-case name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Rule {
            $(#[doc = $meaning] $variant,)*
        }

        impl Rule {
            /// Every rule, in the order in which reports list them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name, such as `missing-terminator`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The severity.
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// One sentence on what the rule finds.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

rules! {
    InvalidJson "invalid-json" Error "The line is not JSON as Python's json.loads reads it";
    LoneSurrogate "lone-surrogate" Error "A string holds half of a surrogate pair, which no tokenizer can encode";
    DuplicateKey "duplicate-key" Info "An object names a key twice; the last value counts, as in json.loads";
    SchemaMismatch "schema-mismatch" Error "The record does not have the shape of its schema";
    UnknownRole "unknown-role" Error "A message has a role that no mapping names";
    RoleOrder "role-order" Warning "The order of roles is one that inference never produces";
    NullContent "null-content" Error "A message has no content where text is needed";
    NonStringContent "non-string-content" Error "A content is a number, a boolean or an object where text is needed";
    TypeCoercedContent "type-coerced-content" Error "A content was changed by the reader of the file, such as a date";
    NoAssistantTurn "no-assistant-turn" Error "The row has no assistant message, so nothing can be trained";
    EmptyAssistantTurn "empty-assistant-turn" Warning "An assistant message has no text: it trains to stop at once";
    TurnWithoutPrompt "turn-without-prompt" Info "The row starts with an assistant message, which is kept as context, untrained";
    TrailingNonAssistantTurn "trailing-non-assistant-turn" Info "Messages after the last assistant turn were left out";
    WhitespaceOnlyInput "whitespace-only-input" Info "An input or prompt consists of whitespace";
    AlreadyRendered "already-rendered" Error "The text holds a chat template's markers: it was rendered before";
    TemplateError "template-error" Error "The template refuses this conversation, as transformers does";
    TurnLost "turn-lost" Error "The template prints fewer assistant turns than the row has";
    ReasoningDropped "reasoning-dropped" Warning "The template leaves reasoning of the row out";
    ReasoningMalformed "reasoning-malformed" Warning "A think marker has no partner";
    ReasoningInline "reasoning-inline" Info "Reasoning stands inside the content, not in a field of its own";
    HistoryRewritten "history-rewritten" Info "The template renders an earlier turn otherwise than at inference";
    ArrowNullDropped "arrow-null-dropped" Info "Null fields that an Arrow struct adds were dropped";
    SpecialTokenInContent "special-token-in-content" Info "Content holds the text of a control token, encoded as ordinary text";
    ControlTokenInContent "control-token-in-content" Error "Content became a control token";
    ForeignTerminatorText "foreign-terminator-text" Warning "Content ends in the text of another model's stop token";
    TemplateMarkerInContent "template-marker-in-content" Warning "Content holds text that the template prints around messages";
    MissingTerminator "missing-terminator" Error "A trained turn does not end in a stop token";
    TerminatorMasked "terminator-masked" Error "The stop token of a turn is there, but its label is -100";
    TruncatedTerminator "truncated-terminator" Error "The row was cut at the limit and lost its stop token";
    UnsetTerminator "unset-terminator" Error "No stop token is known, or it is the unknown token";
    EosFlagIgnored "eos-flag-ignored" Error "The tokenizer ignores its flag to add a stop token";
    PadEqualsTerminator "pad-equals-terminator" Warning "The pad token ends turns: collators that mask by id unlearn it";
    WrongTerminator "wrong-terminator" Error "The turn ends in a token that the serving side does not stop on";
    OtherTerminator "other-terminator" Warning "The turn ends in a stop token, but not in the one that the template prints";
    DuplicateTerminator "duplicate-terminator" Error "Two stop tokens stand in a row";
    PrematureTerminator "premature-terminator" Error "A stop token stands inside a trained turn";
    TerminatorNotAtomic "terminator-not-atomic" Error "The terminator's text is several tokens";
    UntrainedTerminatorEmbedding "untrained-terminator-embedding" Warning "The base model never learned the terminator's embedding";
    TrailingTokensTrained "trailing-tokens-trained" Info "Tokens after the terminator are trained";
    TerminatorCut "terminator-cut" Info "Tokens that the template prints after the first stop token are not trained";
    EosInserted "eos-inserted" Info "The template never ends a turn, so the eos was inserted after it";
    DoubleBos "double-bos" Error "The sequence starts with two beginning-of-sequence tokens";
    MissingBos "missing-bos" Warning "The sequence lacks the beginning-of-sequence token that inference sends";
    PromptParity "prompt-parity" Error "The tokens before a turn differ from the inference prompt's";
    AllLabelsMasked "all-labels-masked" Error "The row has no trained token";
    PromptInLoss "prompt-in-loss" Error "Text outside assistant turns is trained";
    HeaderInLoss "header-in-loss" Info "A role header or an empty think block is trained";
    MaskOffByOne "mask-off-by-one" Error "The labels are shifted against the turn by one token";
    LabelMismatch "label-mismatch" Error "A trained label is another token than the one at its place";
    OtherIgnoreLabel "other-ignore-label" Warning "Untrained labels are not -100, the one value that trainers ignore";
    UntrainedAssistantTurn "untrained-assistant-turn" Warning "An assistant turn is not trained although the policy trains it";
    NoGenerationMarkers "no-generation-markers" Error "The mask is all zero or all one: the template marks no turns";
    ResponseMarkerNotFound "response-marker-not-found" Error "The response marker's tokens do not occur in the row";
    GenerationPromptInSample "generation-prompt-in-sample" Error "The row ends in an empty assistant header";
    BoundaryMerge "boundary-merge" Warning "One token covers the end of the prompt and the start of the answer";
    PrefixSpaceDrift "prefix-space-drift" Warning "The answer alone is tokenized with a space that is not in the row";
    SpecialTokenStrip "special-token-strip" Warning "A special token swallows whitespace beside it";
    RoundtripMismatch "roundtrip-mismatch" Info "Decoding does not give the rendered text back";
    NonPrefixTemplate "non-prefix-template" Warning "Rendering more messages changes the text of earlier ones";
    NondeterministicTemplate "nondeterministic-template" Warning "Two renders of one conversation differ, by the date or by chance";
    StaleCache "stale-cache" Error "Stored data was made by another recipe, template or tokenizer";
    CacheKeyCollision "cache-key-collision" Error "Two inputs share one cache entry";
    PackingBoundary "packing-boundary" Error "A packed row lacks document boundaries";
    PackingSplitTurn "packing-split-turn" Warning "A turn is split over two packed rows";
    TurnsLeftOut "turns-left-out" Info "Whole turns left the sample so that it fits `max_length`";
    OverlongSample "overlong-sample" Error "The sample is longer than the length limit";
    NulByte "nul-byte" Info "The text holds a NUL character";
    Crlf "crlf" Info "The text has Windows line ends";
    ReplacementChar "replacement-char" Info "The text holds U+FFFD, the mark of a broken decoding";
    TrailingWhitespace "trailing-whitespace" Info "An assistant message ends in whitespace";
    TokenIdOutOfRange "token-id-out-of-range" Error "An id is negative or not in the vocabulary";
    LengthMismatch "length-mismatch" Error "Columns of one row have different lengths";
    BrokenInput "broken-input" Error "The rest of a compressed or columnar file cannot be read";
}

impl Rule {
    /// The rule of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.name() == name)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_rule() {
        for rule in Rule::ALL {
            assert_eq!(Rule::from_name(rule.name()), Some(*rule));
        }
    }
}
