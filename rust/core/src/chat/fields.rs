//! The fields that schemas read.

use crate::value::Map;

/// Where a field stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// A column of the row.
    Row,
    /// A key of a message.
    Message,
}

macro_rules! fields {
    ($($variant:ident $name:literal $level:ident $(or $($alias:literal)+)?;)*) => {
        /// A field that a schema reads.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Field {
            $($variant,)*
        }

        impl Field {
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The names under which rows keep fields, of whatever schema.
            pub(super) fn of_rows() -> impl Iterator<Item = &'static str> {
                let fields = Self::ALL.iter();
                let of_rows = fields.filter(|field| field.level() == Level::Row);
                of_rows.flat_map(|field| {
                    let aliases = field.aliases().iter().copied();
                    std::iter::once(field.name()).chain(aliases)
                })
            }

            /// Whether rows keep it under that name.
            pub(super) fn is_named(self, name: &str) -> bool {
                self.name() == name || self.aliases().contains(&name)
            }

            pub(super) fn level(self) -> Level {
                match self { $(Self::$variant => Level::$level,)* }
            }

            /// The names under which data sets keep it too.
            pub(super) fn aliases(self) -> &'static [&'static str] {
                match self {
                    $($(Self::$variant => &[$($alias),+],)?)*
                    _ => &[],
                }
            }
        }
    };
}

fields! {
    Messages "messages" Row or "conversations" "conversation";
    Conversations "conversations" Row or "messages" "conversation";
    Pairs "conversation" Row or "conversations";
    Human "human" Message;
    Assistant "assistant" Message;
    Contents "contents" Row;
    SystemInstruction "system_instruction" Row or "systemInstruction";
    Query "query" Row;
    Answers "answers" Row;
    Role "role" Message;
    Content "content" Message;
    From "from" Message;
    Value "value" Message;
    Instruction "instruction" Row or "query" "question" "human";
    Input "input" Row or "context";
    Output "output" Row or "response" "assistant";
    History "history" Row;
    System "system" Row or "system_prompt";
    Prompt "prompt" Row;
    Completion "completion" Row;
    Chosen "chosen" Row or "preferred_output";
    Rejected "rejected" Row or "non_preferred_output";
    Label "label" Row or "kto_tag";
    Text "text" Row;
    Segments "segments" Row;
    Tools "tools" Row;
    Functions "functions" Row;
    Weight "weight" Row;
    Documents "documents" Row;
    TemplateKwargs "chat_template_kwargs" Row;
}

/// The flag that maps the input's names (first of each pair) to the schema's.
pub(super) fn fields_flag(pairs: &[(&str, &str)]) -> String {
    let differ = pairs.iter().filter(|(theirs, ours)| theirs != ours);
    let pairs: Vec<String> = differ
        .map(|(theirs, ours)| format!("{theirs}={ours}"))
        .collect();
    if pairs.is_empty() {
        return String::new();
    }
    format!(" --fields {}", pairs.join(","))
}

/// The keys of an object, for messages.
pub(super) fn keys(map: Map<'_>) -> String {
    let names: Vec<&str> = map.iter().map(|(key, _)| key).take(12).collect();
    names.join(", ")
}
