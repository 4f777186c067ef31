//! Values while a template runs. They are `Copy` and live in the arena of the row.

pub(crate) mod number;
pub(crate) mod operators;
pub(crate) mod origin;
pub(crate) mod repr;
pub(crate) mod text;
pub(crate) mod unicode;

use std::cell::{Cell, RefCell};

use crate::builtins::functions::Function;
use crate::builtins::methods::Method;
use crate::compile::program::{ForLoop, MacroFunction};
use crate::data::Value;
use crate::run::budget::RunArena;
use crate::run::iterate::Source;
use crate::value::origin::Origin;
use crate::value::text::{Origins, Text};

/// A string of one origin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Str<'r> {
    pub(crate) chars: &'r str,
    pub(crate) origin: Origin,
    pub(crate) safe: bool,
}

/// A string of several origins.
#[derive(Debug)]
pub(crate) struct Mixed<'r> {
    pub(crate) text: Text<'r>,
}

/// Two strings one after the other, not yet copied together.
///
/// Templates build a text by `ns.text = ns.text + …` in a loop; to copy each time would take the
/// square of its length. Most ropes are only printed, piece by piece, and are never flat.
pub(crate) struct Rope<'r> {
    pub(crate) left: Val<'r>,
    pub(crate) right: Val<'r>,
    pub(crate) len: usize,
    /// The context (see [`Part`](crate::value::origin::Part)) they were joined in; it is that of all text
    /// in them that has none.
    pub(crate) context: u32,
    pub(crate) flat: Cell<Option<Text<'r>>>,
}

/// Why a value is undefined; decides the message when it is used.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Absent {
    /// A name that no one set.
    Name,
    /// An attribute or key of a value of this type.
    Attribute(&'static str),
    /// The text is the message.
    Hint,
    /// The sandbox forbids it.
    Unsafe(&'static str),
}

/// jinja2's `Namespace`.
pub(crate) struct Namespace<'r> {
    pub(crate) entries: RefCell<bumpalo::collections::Vec<'r, (&'r str, Val<'r>)>>,
}

/// A macro with the variables around it.
pub(crate) struct Macro<'r> {
    pub(crate) function: &'r MacroFunction,
    pub(crate) outer: &'r Frame<'r>,
}

/// The variables of one call.
pub(crate) struct Frame<'r> {
    pub(crate) slots: &'r [Cell<Val<'r>>],
    pub(crate) outer: Option<&'r Self>,
}

/// A running `for` loop: what the name `loop` means.
pub(crate) struct Loop<'r> {
    pub(crate) source: RefCell<Source<'r>>,
    pub(crate) index0: Cell<i64>,
    pub(crate) length: Cell<Option<i64>>,
    pub(crate) before: Cell<Val<'r>>,
    pub(crate) current: Cell<Val<'r>>,
    pub(crate) after: Cell<Option<Val<'r>>>,
    pub(crate) changed: Cell<Val<'r>>,
    /// Every item left in `source` has passed the loop's condition.
    pub(crate) is_tested: Cell<bool>,
    pub(crate) depth0: i64,
    pub(crate) statement: &'r ForLoop,
    /// The frame the statement stands in.
    pub(crate) outer: &'r Frame<'r>,
    /// The frame its body runs in.
    pub(crate) frame: &'r Frame<'r>,
}

/// A view of a dict (`items()` and the like), or an iterator that can be read once.
pub(crate) struct Sequence<'r> {
    pub(crate) kind: SequenceKind,
    pub(crate) items: &'r [Val<'r>],
    /// Items already taken, for what can be read once.
    pub(crate) taken: Cell<usize>,
}

/// What Python calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SequenceKind {
    Generator,
    Iterator,
    Keys,
    Values,
    Items,
}

/// jinja2's `cycler`, and `joiner` as a cycler without items.
pub(crate) struct Cycler<'r> {
    pub(crate) items: &'r [Val<'r>],
    pub(crate) position: Cell<usize>,
    pub(crate) separator: Val<'r>,
}

/// A value.
#[derive(Clone, Copy)]
pub(crate) enum Val<'r> {
    /// A variable that was never set.
    Missing,
    Undefined(&'r str, Absent),
    None,
    Bool(bool),
    Int(i64),
    BigInt(&'r str),
    Float(f64),
    Str(Str<'r>),
    Mixed(&'r Mixed<'r>),
    Rope(&'r Rope<'r>),
    List(&'r [Self]),
    DataList(&'r [Value<'r>], Origin),
    Tuple(&'r [Self]),
    Map(&'r [(Self, Self)]),
    DataMap(&'r [(&'r str, Value<'r>)], Origin),
    Range(&'r (i64, i64, i64)),
    Sequence(&'r Sequence<'r>),
    Namespace(&'r Namespace<'r>),
    Macro(&'r Macro<'r>),
    Loop(&'r Loop<'r>),
    Method(&'r (Self, Method)),
    Cycler(&'r Cycler<'r>),
    Joiner(&'r Cycler<'r>),
    Function(Function),
}

impl<'r> Val<'r> {
    /// A value of the row.
    pub(crate) fn data(value: Value<'r>, origin: Origin) -> Self {
        match value {
            Value::Null => Self::None,
            Value::Bool(flag) => Self::Bool(flag),
            Value::Int(number) => Self::Int(number),
            Value::BigInt(digits) => Self::BigInt(digits),
            Value::Float(number) => Self::Float(number),
            Value::Str(chars) => Self::str(chars, origin),
            Value::List(items) => Self::DataList(items, origin),
            Value::Map(map) => Self::DataMap(map.entries, origin),
        }
    }

    /// A string of one origin.
    pub(crate) fn str(chars: &'r str, origin: Origin) -> Self {
        Self::Str(Str {
            chars,
            origin,
            safe: false,
        })
    }

    /// The string, if it is one.
    pub(crate) fn text(self, arena: &'r RunArena<'r>) -> Option<Text<'r>> {
        match self {
            Self::Str(str) => Some(Text {
                chars: str.chars,
                origins: Origins::One(str.origin),
                safe: str.safe,
            }),
            Self::Mixed(mixed) => Some(mixed.text),
            Self::Rope(rope) => Some(rope.flatten(arena)),
            _ => None,
        }
    }

    /// The characters, if it is a string.
    pub(crate) fn chars(self, arena: &'r RunArena<'r>) -> Option<&'r str> {
        match self {
            Self::Str(str) => Some(str.chars),
            _ => self.text(arena).map(|text| text.chars),
        }
    }

    /// Whether it is a string.
    pub(crate) fn is_str(self) -> bool {
        matches!(self, Self::Str(_) | Self::Mixed(_) | Self::Rope(_))
    }

    /// Whether it is `Markup`.
    pub(crate) fn is_safe(self) -> bool {
        match self {
            Self::Str(str) => str.safe,
            Self::Mixed(mixed) => mixed.text.safe,
            _ => false,
        }
    }

    /// Bytes of the string; 0 for anything else.
    pub(crate) fn byte_len(self) -> usize {
        match self {
            Self::Str(str) => str.chars.len(),
            Self::Mixed(mixed) => mixed.text.chars.len(),
            Self::Rope(rope) => rope.len,
            _ => 0,
        }
    }

    /// The context that a string was made in, where all of it has the same; else 0.
    pub(crate) fn context(self) -> u32 {
        match self {
            Self::Str(str) => str.origin.context(),
            Self::Rope(rope) => rope.context,
            _ => 0,
        }
    }

    /// How many names are looked through for an attribute of it.
    pub(crate) fn names(self) -> usize {
        match self {
            Self::DataMap(entries, _) => entries.len(),
            Self::Namespace(namespace) => namespace.entries.borrow().len(),
            _ => 0,
        }
    }

    /// Whether it is undefined.
    pub(crate) fn is_undefined(self) -> bool {
        matches!(self, Self::Undefined(..) | Self::Missing)
    }

    /// The number of the record, if it is a whole one.
    pub(crate) fn whole_record(self) -> Option<u32> {
        match self {
            Self::DataMap(_, origin) => origin.whole_record(),
            _ => None,
        }
    }

    /// `bool(x)`.
    pub(crate) fn truth(self) -> bool {
        match self {
            Self::Missing | Self::Undefined(..) | Self::None => false,
            Self::Bool(flag) => flag,
            Self::Int(number) => number != 0,
            Self::Float(number) => number != 0.0,
            Self::Str(_) | Self::Mixed(_) | Self::Rope(_) => self.byte_len() > 0,
            Self::List(items) | Self::Tuple(items) => !items.is_empty(),
            Self::DataList(items, _) => !items.is_empty(),
            Self::Map(entries) => !entries.is_empty(),
            Self::DataMap(entries, _) => !entries.is_empty(),
            Self::Range(range) => crate::run::iterate::range_len(*range) > 0,
            Self::Sequence(sequence) => match sequence.kind {
                SequenceKind::Generator | SequenceKind::Iterator => true,
                _ => !sequence.items.is_empty(),
            },
            _ => true,
        }
    }

    /// What Python calls the type.
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Self::Missing | Self::Undefined(..) => "Undefined",
            Self::None => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::BigInt(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) | Self::Mixed(_) | Self::Rope(_) => {
                if self.is_safe() {
                    "Markup"
                } else {
                    "str"
                }
            }
            Self::List(_) | Self::DataList(..) => "list",
            Self::Tuple(_) => "tuple",
            Self::Map(_) | Self::DataMap(..) => "dict",
            Self::Range(_) => "range",
            Self::Sequence(sequence) => match sequence.kind {
                SequenceKind::Generator => "generator",
                SequenceKind::Iterator => "list_reverseiterator",
                SequenceKind::Keys => "dict_keys",
                SequenceKind::Values => "dict_values",
                SequenceKind::Items => "dict_items",
            },
            Self::Namespace(_) => "TemplateNamespace",
            Self::Macro(_) => "Macro",
            Self::Loop(_) => "LoopContext",
            Self::Method(_) => "builtin_function_or_method",
            Self::Cycler(_) => "Cycler",
            Self::Joiner(_) => "Joiner",
            Self::Function(_) => "function",
        }
    }
}

impl<'r> Rope<'r> {
    /// The string in one piece, kept for the next time.
    pub(crate) fn flatten(&self, arena: &'r RunArena<'r>) -> Text<'r> {
        if let Some(text) = self.flat.get() {
            return text;
        }
        let mut builder = crate::value::text::TextBuilder::with_capacity(self.len, arena);
        self.walk(&mut |text, context| builder.push_text_in(text, context));
        let text = builder.finish();
        self.flat.set(Some(text));
        text
    }

    /// Visits the strings it is made of with the contexts they were joined in, in order, without
    /// recursion.
    pub(crate) fn walk(&self, visit: &mut impl FnMut(Text<'r>, u32)) {
        if let Some(text) = self.flat.get() {
            return visit(text, 0);
        }
        let mut pending = vec![(self.right, self.context), (self.left, self.context)];
        while let Some((value, context)) = pending.pop() {
            match value {
                Val::Rope(rope) => {
                    let own = if rope.context == 0 {
                        context
                    } else {
                        rope.context
                    };
                    match rope.flat.get() {
                        Some(text) => visit(text, own),
                        None => pending.extend([(rope.right, own), (rope.left, own)]),
                    }
                }
                Val::Str(str) => visit(Text::new(str.chars, str.origin), context),
                Val::Mixed(mixed) => visit(mixed.text, context),
                _ => {}
            }
        }
    }
}
