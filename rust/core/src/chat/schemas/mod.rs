//! A file for each schema.
//!
//! It has two functions: `fits` tells whether a row looks like one of the schema, before any mapping
//! of names, and `read` makes a record of a row.

mod alpaca;
mod gemini;
mod kto;
mod messages;
mod pairs;
mod preference;
mod prompt_completion;
mod segments;
mod sharegpt;
mod text;
mod xlam;

use super::conversation::Record;
use super::row_reader::RowReader;
use super::schema::{Schema, with_schemas};
use crate::rules::{Reject, RuleCounts};
use crate::value::{Arena, Map};

macro_rules! files {
    ($($variant:ident $_:literal $__:literal $___:ident $file:ident [$($____:ident)+];)*) => {
        impl Schema {
            /// Whether a row looks like one of this schema.
            pub(super) fn fits(self, row: Map<'_>) -> bool {
                match self { $(Self::$variant => $file::fits(row),)* }
            }

            /// Reads one row.
            pub(super) fn read<'a>(
                self,
                reader: &RowReader,
                row: Map<'a>,
                arena: &'a Arena,
                counts: &mut RuleCounts,
            ) -> Result<Record<'a>, Reject> {
                match self { $(Self::$variant => $file::read(reader, row, arena, counts),)* }
            }
        }
    };
}
with_schemas!(files);
