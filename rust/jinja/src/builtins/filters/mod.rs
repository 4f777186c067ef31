//! Filters: what follows `|`.

mod number;
mod pprint;
mod sequence;
mod simple;
mod text;

use crate::error::Result;
use crate::run::arguments::Given;
use crate::run::interpret::Interpreter;
use crate::value::Val;

/// `value | filter(…)`.
pub(crate) fn call<'r>(
    filter: Filter,
    value: Val<'r>,
    given: Given<'r>,
    run: &mut Interpreter<'r>,
) -> Result<Val<'r>> {
    use Filter as F;
    match filter {
        F::Int | F::Float | F::Abs | F::Round => number::call(filter, value, given, run.arena),
        F::DictSort
        | F::First
        | F::Last
        | F::Map
        | F::Select
        | F::Reject
        | F::SelectAttr
        | F::RejectAttr
        | F::Sort
        | F::Unique
        | F::Min
        | F::Max
        | F::Sum
        | F::Reverse
        | F::Batch
        | F::Slice
        | F::GroupBy
        | F::Join => sequence::call(filter, value, given, run),
        F::Length
        | F::Default
        | F::List
        | F::Items
        | F::ToJson
        | F::Attr
        | F::FileSizeFormat
        | F::PPrint
        | F::Random => simple::call(filter, value, given, run),
        _ => text::call(filter, value, given, run),
    }
}

macro_rules! filters {
    ($($variant:ident $($name:literal)|+),* $(,)?) => {
        /// A filter by its name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Filter { $($variant),* }

        impl Filter {
            /// The filter of a name.
            pub(crate) fn by_name(name: &str) -> Option<Self> {
                match name {
                    $($($name)|+ => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// Its first name.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => [$($name),+][0],)*
                }
            }
        }
    };
}

filters! {
    Abs "abs", Attr "attr", Batch "batch", Capitalize "capitalize", Center "center",
    Length "length" | "count", Default "default" | "d", DictSort "dictsort",
    Escape "escape" | "e", FileSizeFormat "filesizeformat", First "first", Float "float",
    ForceEscape "forceescape", Format "format", GroupBy "groupby", Indent "indent", Int "int",
    Join "join", Last "last", List "list", Lower "lower", Items "items", Map "map", Min "min",
    Max "max", PPrint "pprint", Random "random", Reject "reject", RejectAttr "rejectattr",
    Replace "replace", Reverse "reverse", Round "round", Safe "safe", Select "select",
    SelectAttr "selectattr", Slice "slice", Sort "sort", String "string",
    StripTags "striptags", Sum "sum", Title "title", Trim "trim", Truncate "truncate",
    Unique "unique", Upper "upper", UrlEncode "urlencode", Urlize "urlize",
    WordCount "wordcount", WordWrap "wordwrap", XmlAttr "xmlattr", ToJson "tojson",
}
