//! The part of the language that brings tables together and takes lists apart: its table of keys, and its declarations.

use super::decl::*;
use super::declare::{Declarer, some};
use super::keys::{COLUMN, REF, SQL};
use super::shape::Role::{Definition, Edge};
use super::shape::{self, Group, Required, Shape, Text as Meaning, key};
use super::value::{Entry, Kind, Table};
use super::words;
use crate::diag::Span;
use crate::hash::Words;
use crate::op::JoinKind;

/// What `explode` may be: the column alone, or a table that says more.
pub const EXPLODE: Shape = Shape::Either(&COLUMN, &Shape::Table(&EXPLODE_TABLE));

pub static EXPLODE_TABLE: shape::Table = shape::Table {
    sections: &[&[
        key("column", Definition, COLUMN, "The column of lists.").required(),
        key(
            "into",
            Definition,
            COLUMN,
            "The column for the element; the list stays. Without it, the element takes the place of the list, under its name.",
        ),
        key("index", Definition, COLUMN, "The column for the position of the element in the list, from 0."),
        key(
            "keep_empty",
            Definition,
            Shape::True,
            "A row whose list is empty or null comes once, with null. Without it, it is dropped.",
        ),
    ]],
    groups: &[],
};

/// What `sql` may be: the query alone, or a table that says more.
pub const QUERY: Shape = Shape::Either(&SQL, &Shape::Table(&QUERY_TABLE));

pub static QUERY_TABLE: shape::Table = shape::Table {
    sections: &[&[
        key("query", Edge, SQL, "The query; its text enters the key."),
        key("file", Edge, Shape::Text(Meaning::Path), "A file with the query; its contents enter the key."),
        key(
            "types",
            Definition,
            Shape::Map(Meaning::Column, &Shape::Text(Meaning::Type)),
            "Types of columns that the query computes, where they cannot be told.",
        ),
    ]],
    groups: &[Group { keys: &["query", "file"], required: Required::Yes, doc: "a query stands in one place" }],
};

const COLUMNS: Shape = Shape::OneOrMore(&COLUMN);
const NAMES: Shape = Shape::Map(Meaning::Column, &COLUMN);

pub static JOIN: shape::Table = shape::Table {
    sections: &[&[
        key("with", Edge, REF, "The other dataset, or a part of it: `name.part`.").required(),
        key(
            "on",
            Definition,
            Shape::Either(&COLUMNS, &NAMES),
            "The columns of the key: one, several, or `{ mine = \"theirs\" }` where they are called differently. Null is like nothing, not like null.",
        )
        .required(),
        key(
            "kind",
            Definition,
            Shape::Text(Meaning::OneOf(&["inner", "left", "semi", "anti"])),
            "`inner`: a row comes once for each match; `left`: and once with nulls if it has none; `semi`: rows with a match; `anti`: rows without.",
        )
        .default("\"inner\""),
        key(
            "columns",
            Definition,
            Shape::OneOrMore(&SQL),
            "What is taken of the other dataset, as in `select`: `answer`, `answer as gold`, `* exclude (x)`. Without it, all but its key columns.",
        ),
    ]],
    groups: &[],
};

impl Declarer<'_> {
    pub(super) fn sql(&mut self, table: &Table, entry: &Entry, definition: &mut Words) -> Option<Sql> {
        let Some(inner) = entry.value.table() else {
            return Some(Sql { text: SqlText::Query(self.text(table, "sql")?), types: Vec::new() });
        };
        let query = self.text(inner, "query").map(SqlText::Query);
        let text = query.or_else(|| self.text(inner, "file").map(SqlText::File));
        words::keys(definition, "sql", inner, QUERY_TABLE.keys());
        Some(Sql { text: text?, types: self.types(inner) })
    }

    pub(super) fn explode(&self, entry: &Entry, span: Span) -> Option<Explode> {
        let Some(table) = entry.value.table() else {
            let column = entry.value.text(self.sources)?;
            return Some(Explode { column, into: None, index: None, keep_empty: false, span });
        };
        Some(Explode {
            column: self.text(table, "column")?,
            into: self.text(table, "into"),
            index: self.text(table, "index"),
            keep_empty: table.contains_key("keep_empty"),
            span,
        })
    }

    pub(super) fn join(&mut self, table: &Table, span: Span) -> Option<Join> {
        let on = match table.get("on").map(|entry| &entry.value.kind) {
            Some(Kind::Table(_)) => self.map(table, "on", |this, theirs| theirs.text(this.sources)),
            _ => self.texts(table, "on").into_iter().map(|name| (name.clone(), name)).collect(),
        };
        let kind = self.text(table, "kind").and_then(|kind| JoinKind::of(&kind.value));
        let kind = kind.unwrap_or(JoinKind::Inner);
        Some(Join { with: self.text(table, "with")?, on: some(on)?, kind, columns: self.texts(table, "columns"), span })
    }
}
