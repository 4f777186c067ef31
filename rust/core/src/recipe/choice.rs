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
    /// What to do with an order of roles that a template refuses.
    RoleOrder {
        Keep "keep" "Messages stay as they are.",
        Trim "trim" "They are removed, for templates that refuse them.",
    }
    /// How the wire formats of chat APIs are read.
    Wire {
        Normalise "normalise" "As the engines that serve models read them; a rule counts each change.",
        Keep "keep" "Rows stay as they are, as in transformers.",
    }
    /// How the turns of a render are found.
    Spans {
        Auto "auto" "By the template's `{% generation %}` tags if it has them, else inferred.",
        Tags "tags" "By the tags; a template without them is an error.",
        Inferred "inferred" "From the template's own structure, tags or not.",
    }
    /// How reasoning is trained.
    Reasoning {
        Train "train" "Reasoning is trained; an empty think block that the template adds is not.",
        TrainEmpty "train-empty" "Reasoning is trained, empty think blocks too.",
        Mask "mask" "The text between the markers is not trained, the markers are.",
    }
    /// What to do when a template prints earlier turns differently from how the model saw them.
    History {
        Auto "auto" "Trains turns as rendered if only the template's own text differs; stops and asks if the row's own text would be lost.",
        AsRendered "as-rendered" "Trains every turn as it stands in the whole conversation.",
        LastTurn "last-turn" "Trains only the last turn of rows that are rewritten.",
        Expand "expand" "Makes as few samples as possible in which every trained turn looks as it did at inference.",
        Error "error" "Stops the run if the template rewrites earlier turns." was "stop",
    }
    /// What to do with a sample that is longer than `max_length`.
    OverLength {
        WholeTurns "whole-turns" "The longest run of complete turns from the start that fits.",
        OldestTurns "oldest-turns" "Whole exchanges are left out from the front; the system message stays.",
        Reject "reject" "The row is rejected as `overlong-sample`.",
        Error "error" "The run stops.",
    }
    /// What ends a turn if the template never does.
    Eos {
        Ensure "ensure" "The eos id is inserted if a probe shows that the template never ends a turn, and after `text` and string completions.",
        Template "template" "Nothing but the template.",
    }
    /// How the text of a structural token inside content is encoded.
    SpecialInContent {
        Text "text" "As ordinary text.",
        Parse "parse" "As the token, as transformers does.",
        Reject "reject" "The row is rejected.",
    }
    /// Whether prompt and answer are tokenized together.
    Boundary {
        Joint "joint" "Together, as rendered.",
        Apart "apart" "Apart, as inference sees them.",
    }
    /// What becomes of a conversation that stands in the data before.
    Dedup {
        Keep "keep" "It is written as often as it occurs.",
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
