//! Where a string came from: one word for a string of one origin, else a list of parts.

use crate::run::budget::RunArena;

/// Where text came from, in one word. [`Origin::kind`] decodes it.
///
/// Text of the template carries the context (see [`Fragment`]) it was written in as long as it is
/// alone in its string, so that `{% set header = '<|im_start|>' %}` costs no list of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin(u32);

/// Where text came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginKind {
    /// The template's own text, or what it computed: a number, a date, the key of a dict it made.
    Template,
    /// A value that the caller gave, other than a record.
    Variable,
    /// A record (see [`Input::records`](crate::Input::records)).
    Record {
        /// The number of the record.
        index: u32,
        /// The class of the key (see [`Inputs::field_class`](crate::Inputs)) whose value it came
        /// from; 0 for the record as a whole.
        field: u8,
    },
}

// The highest bit tells data from the template. Below it: of template text its context; of data
// the record's number and, in the last three bits, the class of the field. The highest number of a
// record, with the highest class, stands for what belongs to none.
const DATA: u32 = 1 << 31;
const FIELD_BITS: u32 = 3;
const FIELD: u32 = (1 << FIELD_BITS) - 1;
const WHOLE: u32 = 0;

impl Origin {
    /// The template, in no context.
    pub(crate) const TEMPLATE: Self = Self(0);
    /// A variable of the caller.
    pub(crate) const VARIABLE: Self = Self(DATA | (DATA - 1));

    /// The template, in a context.
    #[inline]
    pub(crate) fn template(context: u32) -> Self {
        Self(context & !DATA)
    }

    /// A whole record.
    pub(crate) fn record(index: usize) -> Self {
        Self(DATA | ((index as u32) << FIELD_BITS & (DATA - 1)) | WHOLE)
    }

    /// The number of the record that this value is, if it is a whole one.
    #[inline]
    pub(crate) fn whole_record(self) -> Option<u32> {
        let is_whole = self.0 & DATA != 0 && self.0 & FIELD == WHOLE;
        is_whole.then_some((self.0 & !DATA) >> FIELD_BITS)
    }

    /// The origin of the value of `key`, and of the key itself, in a mapping of this origin.
    #[inline]
    pub(crate) fn field(self, key: &str, arena: &RunArena<'_>) -> Self {
        if self.whole_record().is_none() {
            return self;
        }
        Self(self.0 | u32::from(arena.field_class(key)) & FIELD)
    }

    /// Whether the template wrote it.
    #[inline]
    pub(crate) fn is_template(self) -> bool {
        self.0 & DATA == 0
    }

    /// The context of template text.
    #[inline]
    pub(crate) fn context(self) -> u32 {
        if self.is_template() { self.0 } else { 0 }
    }

    /// Where the text came from.
    #[inline]
    pub fn kind(self) -> OriginKind {
        if self.is_template() {
            return OriginKind::Template;
        }
        if self == Self::VARIABLE {
            return OriginKind::Variable;
        }
        OriginKind::Record {
            index: (self.0 & !DATA) >> FIELD_BITS,
            field: (self.0 & FIELD) as u8,
        }
    }
}

/// A run of text of one origin that was written in one context; it starts where the one before
/// it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Byte offset of its end.
    pub end: u32,
    /// Where it came from; template text carries no context here.
    pub origin: Origin,
    /// The context it was written in: an index for [`Provenance::context`](crate::Provenance);
    /// 0 is none.
    pub(crate) context: u32,
}
