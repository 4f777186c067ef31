//! A reader of rows of one schema.

use super::conversation::Record;
use super::options::{SchemaOptions, Wire};
use super::row_reader::RowReader;
use super::schema::Schema;
use super::unread::Unread;
use super::wire::texts;
use super::{judgement, variables};
use crate::error::Result;
use crate::rules::{Reject, RuleCounts};
use crate::value::{Arena, Map, Value};

/// Turns rows of one input into records. Shared between threads.
#[derive(Clone, Debug)]
pub struct Reader {
    schema: Schema,
    fields: Vec<(String, String)>,
    ignore: Vec<String>,
    unread: Unread,
    /// What the file of the schema reads rows with.
    rows: RowReader,
}

impl Reader {
    /// A reader; an error if the options name a field that the schema does not have.
    pub fn new(options: &SchemaOptions) -> Result<Self> {
        let rows = RowReader::new(options)?;
        Ok(Self {
            schema: options.schema,
            fields: options.fields.clone(),
            ignore: options.ignore.clone(),
            unread: Unread::new(options, &rows.names),
            rows,
        })
    }

    /// The schema that it reads.
    pub fn schema(&self) -> Schema {
        self.schema
    }

    /// The top-level columns that it reads, for sources that can leave out the others.
    pub fn columns(&self) -> Vec<&str> {
        let mut columns = self.rows.names.columns();
        columns.retain(|column| !self.ignores(column));
        columns
    }

    /// The top-level columns that it looks at besides: they judge the row.
    pub fn judging_columns(&self) -> impl Iterator<Item = &'static str> + '_ {
        let columns = judgement::COLUMNS.into_iter();
        columns.filter(|column| !self.ignores(column))
    }

    /// The top-level columns of which it only counts that they say something.
    pub fn unread_columns(&self) -> &[&'static str] {
        self.unread.columns()
    }

    fn ignores(&self, column: &str) -> bool {
        self.ignore.iter().any(|ignored| ignored == column)
    }

    /// The fields of a message that are text under this schema.
    pub fn text_fields(&self) -> Vec<&str> {
        self.rows.names.text_fields()
    }

    /// Reads one row. What is remarkable about it but no reason to leave it out is added to
    /// `counts`.
    pub fn read<'a>(
        &self,
        row: Value<'a>,
        arena: &'a Arena,
        counts: &mut RuleCounts,
    ) -> Result<Record<'a>, Reject> {
        let row = row
            .as_map()
            .ok_or_else(|| variables::mismatch("row", "an object", row))?;
        let row = without(row, &self.ignore, arena);
        self.refuse_judged(row)?;
        let names = &self.rows.names;
        self.unread.count(row, names, counts);
        let row = self.rows.wire.row(row, names, &self.fields, arena, counts);
        self.schema.read(&self.rows, row, arena, counts)
    }

    /// Refuses a row that judges its answers, unless the schema is made for that.
    fn refuse_judged(&self, row: Map<'_>) -> Result<(), Reject> {
        if self.schema.judges() {
            return Ok(());
        }
        match &judgement::columns_in(row, &self.fields)[..] {
            [] => Ok(()),
            columns => Err(judgement::reject(columns)),
        }
    }
}

/// The row as detection sees it: without the columns that are ignored, its messages as a list.
pub fn seen<'a>(row: Map<'a>, ignored: &[String], wire: Wire, arena: &'a Arena) -> Map<'a> {
    let row = without(row, ignored, arena);
    match wire {
        Wire::Keep => row,
        Wire::Normalise => texts::read(row, &[], arena).unwrap_or(row),
    }
}

/// The row without the columns that are ignored; the row itself if it has none of them.
fn without<'a>(row: Map<'a>, ignored: &[String], arena: &'a Arena) -> Map<'a> {
    let is_ignored = |name: &str| ignored.iter().any(|column| column == name);
    if !row.iter().any(|(name, _)| is_ignored(name)) {
        return row;
    }
    let mut kept = bumpalo::collections::Vec::with_capacity_in(row.entries.len(), arena);
    kept.extend(row.iter().filter(|(name, _)| !is_ignored(name)));
    Map::new(kept.into_bump_slice())
}
