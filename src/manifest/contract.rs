//! Tests, `[test.NAME]`: what the rows of a dataset, and the dataset as a whole, have to be.

use super::check::number;
use super::declare::{Declarer, definition, some};
use super::keys::{COLUMN, REF, SQL};
use super::part::part;
use super::shape::Role::{Definition, Edge};
use super::shape::{Range, Shape, Table, Text as Meaning, key};
use super::value::{self, Kind, Value};
use super::{About, MaxFailed, Spanned, Text};
use crate::diag::{Diagnostic, Severity, Span};
use crate::hash::Words;
use crate::table::Type;

const BOUNDS: Shape = Shape::Pair(&Shape::Number(Range::Bound));

pub static TEST: Table = Table {
    sections: &[
        &[
            key("on", Edge, Shape::OneOrMore(&REF), "The datasets, or parts of them, each for itself.").required(),
            key("not_null", Definition, Shape::OneOrMore(&COLUMN), "These columns have a value in every row."),
            key(
                "range",
                Definition,
                Shape::Map(Meaning::Column, &BOUNDS),
                "The values of these columns are between the two, both included. `inf` and `-inf` leave a side open; null is in no range.",
            ),
            key(
                "where",
                Definition,
                Shape::OneOrMore(&SQL),
                "Conditions that are true for every row. Null is not true.",
            ),
            key(
                "unique",
                Definition,
                Shape::OneOrMore(&SQL),
                "Columns or expressions whose values together no two rows share. A row in which all are null shares nothing.",
            ),
            key(
                "max_failing",
                Definition,
                Shape::Part,
                "How many rows may fail these conditions; a share is one of all rows.",
            )
            .default("0")
            .with(&["not_null", "range", "where", "unique"]),
            key(
                "values",
                Definition,
                Shape::Map(Meaning::Sql, &BOUNDS),
                "SQL aggregates, as metrics have, and between which two their values are: `{ \"avg(is_ok)\" = [0.95, 1] }`.",
            ),
            key("rows", Definition, BOUNDS, "Between which two the number of rows is."),
            key(
                "schema",
                Definition,
                Shape::Map(Meaning::Column, &Shape::Text(Meaning::Type)),
                "Columns that there are, with their types. It is looked at before anything runs.",
            ),
            key("only", Definition, Shape::True, "There are no other columns.").with(&["schema"]),
            key(
                "severity",
                Definition,
                Shape::Text(Meaning::OneOf(&["error", "warning"])),
                "`error`: the build fails, and exports of what is tested are not written; `warning`: it is told.",
            )
            .default("\"error\""),
        ],
        super::keys::ABOUT,
    ],
    groups: &[],
};

/// A node `[test.NAME]`.
#[derive(Clone, Debug)]
pub struct Test {
    pub name: Text,
    pub about: About,
    pub on: Vec<Text>,
    pub not_null: Vec<Text>,
    pub range: Vec<(Text, Bounds)>,
    /// The key `where`.
    pub conditions: Vec<Text>,
    pub unique: Vec<Text>,
    pub max_failing: MaxFailed,
    pub values: Vec<(Text, Bounds)>,
    pub rows: Option<Bounds>,
    pub schema: Vec<(Text, Spanned<Type>)>,
    /// Where it says that there are no other columns.
    pub only: Option<Span>,
    pub severity: Severity,
    pub definition: Words,
}

/// Between which two a number is, both included.
#[derive(Clone, Debug)]
pub struct Bounds {
    pub least: f64,
    pub most: f64,
    pub span: Span,
}

impl Bounds {
    /// Returns whether a number is between them.
    pub fn hold(&self, n: f64) -> bool {
        self.least <= n && n <= self.most
    }
}

impl Declarer<'_> {
    /// Reads a node `[test.NAME]`.
    pub fn test(&mut self, name: Text, table: &value::Table) -> Option<Test> {
        let conditions = ["not_null", "range", "where", "unique", "values", "rows", "schema"];
        if !conditions.iter().any(|key| table.contains_key(key)) {
            let title = format!("`test.{}` tests nothing", name.value);
            let problem = Diagnostic::error("missing-key", title).at(&name.span, "no condition");
            self.problems.push(
                problem
                    .note("the conditions are `not_null`, `range`, `where`, `unique`, `values`, `rows` and `schema`"),
            );
        }
        let warns = self.text(table, "severity").is_some_and(|severity| severity.value == "warning");
        Some(Test {
            about: self.about(table),
            on: some(self.texts(table, "on"))?,
            not_null: self.texts(table, "not_null"),
            range: self.map(table, "range", Self::bounds),
            conditions: self.texts(table, "where"),
            unique: self.texts(table, "unique"),
            max_failing: table.get("max_failing").and_then(|entry| part(&entry.value)).unwrap_or(MaxFailed::Rows(0)),
            values: self.map(table, "values", Self::bounds),
            rows: table.get("rows").and_then(|entry| self.bounds(&entry.value)),
            schema: self.map(table, "schema", |this, value| {
                let text = value.string().filter(|text| text.len() < 200)?;
                Some(Spanned { value: text.parse().ok()?, span: this.span(value.at) })
            }),
            only: table.get("only").map(|entry| self.span(entry.key)),
            severity: if warns { Severity::Warning } else { Severity::Error },
            definition: definition(table, &TEST),
            name,
        })
    }

    fn bounds(&mut self, value: &Value) -> Option<Bounds> {
        let Kind::List(items) = &value.kind else { return None };
        let [least, most] = items.as_slice() else { return None };
        let (least, most) = (number(least)?, number(most)?);
        if least > most {
            self.error(
                "out-of-range",
                format!("nothing is between {least} and {most}"),
                value.at,
                "the smaller goes first",
            );
        }
        Some(Bounds { least, most, span: self.span(value.at) })
    }
}
