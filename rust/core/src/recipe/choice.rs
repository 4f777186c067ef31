//! Recipe values that are one of a few words.

/// A word with its value and what it means.
pub struct Word<T: 'static> {
    /// The value.
    pub value: T,
    /// The word in recipes and messages.
    pub word: &'static str,
    /// One sentence on what it does.
    pub meaning: &'static str,
}

/// A recipe value that is one of a few words; the first is the default.
pub trait Choice: Sized + Copy + PartialEq + 'static {
    /// Every value, the default first.
    const ALL: &'static [Word<Self>];

    /// Words of earlier versions, each with the word that took its place.
    const RENAMED: &'static [(&'static str, &'static str)];
}

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $first:ident $first_word:literal $first_doc:literal
        $(, $variant:ident $word:literal $variant_doc:literal $(was $old:literal)?)* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub enum $name {
            #[doc = $first_doc]
            #[default]
            $first,
            $(#[doc = $variant_doc] $variant,)*
        }

        impl Choice for $name {
            const ALL: &'static [Word<Self>] = &[
                Word { value: Self::$first, word: $first_word, meaning: $first_doc },
                $(Word { value: Self::$variant, word: $word, meaning: $variant_doc },)*
            ];
            const RENAMED: &'static [(&'static str, &'static str)] = &[$($(($old, $word),)?)*];
        }

        impl $name {
            /// The word in recipes and messages.
            pub fn word(self) -> &'static str {
                match self { Self::$first => $first_word, $(Self::$variant => $word,)* }
            }
        }
    )*};
}

choices! {
    /// What is done with an order of roles that a template refuses.
    RoleOrder {
        Keep "keep" "Messages stay as they are.",
        Trim "trim" "A leading assistant message leaves, for templates that refuse it.",
    }
    /// What becomes of the wire formats of chat APIs.
    Wire {
        Normalise "normalise" "They are read as the engines that serve models read them, each change counted by a rule.",
        Keep "keep" "Rows stay as they are, as in transformers.",
    }
    /// How the turns of a render are found.
    Spans {
        Auto "auto" "By the template's `{% generation %}` tags if it has them, else inferred.",
        Tags "tags" "By the tags; a template without them is an error.",
        Inferred "inferred" "From the template's own structure, tags or not.",
    }
    /// What is trained of reasoning.
    Reasoning {
        Train "train" "Reasoning is trained; an empty think block that the template adds is not.",
        TrainEmpty "train-empty" "Reasoning is trained, empty think blocks too.",
        Mask "mask" "The text between the markers is not trained, the markers are.",
    }
    /// What is done where a template renders earlier turns otherwise than at inference.
    History {
        Auto "auto" "As rendered where only the template's text differs; a decision is needed where the row's own text would be lost.",
        AsRendered "as-rendered" "Every turn is trained as the whole conversation renders it.",
        LastTurn "last-turn" "On rows that are rewritten only the last turn is trained.",
        Expand "expand" "The fewest samples in which every trained turn stands as inference sees it.",
        Error "error" "A template that rewrites history ends the run." was "stop",
    }
    /// What becomes of a sample that is longer than `max_length`.
    OverLength {
        WholeTurns "whole-turns" "The longest run of complete turns from the start that fits.",
        OldestTurns "oldest-turns" "Whole exchanges leave from the front; the system message stays.",
        Reject "reject" "The row is rejected as `overlong-sample`.",
        Error "error" "The run stops.",
    }
    /// Who ends a turn whose template never does.
    Eos {
        Ensure "ensure" "The eos id is inserted where a probe shows that the template never ends a turn, and after `text` and string completions.",
        Template "template" "Only the template.",
    }
    /// What the text of a structural token inside content becomes.
    SpecialInContent {
        Text "text" "Ordinary text.",
        Parse "parse" "The token, as in transformers.",
        Reject "reject" "The row is rejected.",
    }
    /// Whether prompt and answer are tokenized together.
    Boundary {
        Joint "joint" "Together, as rendered.",
        Apart "apart" "Apart, as inference sees them.",
    }
    /// What becomes of a conversation that stands in the data before.
    Dedup {
        Keep "keep" "It is written as often as it stands there.",
        Exact "exact" "Of equal conversations, in all inputs, the first is written; the others are left out and counted (`duplicate-conversation`). What else stands in the row, such as an id, makes no difference.",
    }
    /// The format of the output files.
    Format {
        Arrow "arrow" "A `datasets` directory of Arrow streams.",
        Parquet "parquet" "Parquet files, a third of the size.",
    }
    /// Which samples share a packed row.
    PackStrategy {
        BestFit "best-fit" "First-fit-decreasing among every 65,536 samples.",
        Global "global" "The same among all samples.",
        InOrder "in-order" "Samples keep their order.",
        Split "split" "Documents (`text`) are joined, and cut where a row is full.",
        None "none" "One row for each sample.",
    }
    /// Other projects' data builders to be equal to.
    Compat {
        None "none" "No other project.",
        ChineseLlamaAlpaca3 "chinese-llama-alpaca-3" "The corrected script of that project.",
    }
}
