//! Rows that cannot be read: kept with the part that they stand in, and told with file, line and column.

use super::{Part, Reading};
use crate::diag::{Diagnostic, Source, Span};
use crate::exec::context::{Context, Stop, Used};
use crate::exec::dataset::Unmade;
use crate::exec::lost::{Lost, Why};
use crate::exec::too_many::per_cent;
use crate::exec::{FailedAs, RowFailure};
use crate::expr::{Value, array_of, value_at};
use crate::format::BadRow;
use crate::graph::Shape;
use crate::hash::Hash;
use crate::manifest::{Dataset, MaxFailed};
use crate::op;
use crate::table::{ColumnRef, Field, RowGroup, Type};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The bad rows of a part, as they were found.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct BadRows {
    pub rows: u32,
    pub chunk: Hash,
}

/// The rows of a dataset's files that cannot be read.
#[derive(Default)]
pub(super) struct Unread {
    pub rows: u64,
    /// Of a column of failures alone, in the order of files and lines.
    pub groups: Vec<Arc<RowGroup>>,
    /// The first of them.
    first: Vec<Shown>,
}

/// A bad row as an error shows it.
struct Shown {
    path: String,
    line: u64,
    column: u64,
    reason: String,
    help: Option<String>,
    near: String,
    caret: usize,
}

/// How many bad rows an error shows.
const SHOWN: usize = 3;

impl Unread {
    /// Returns the rows as those that the maker lost: they have no columns but why.
    pub fn into_unmade(self) -> Option<Unmade> {
        let count = |kind| if kind == FailedAs::Unreadable { self.rows } else { 0 };
        let counts = FailedAs::all().map(count).collect();
        let lost = Lost { stage: None, why: Why::Failed, counts, groups: self.groups };
        (self.rows > 0).then(|| Unmade { lost, shape: Shape::default(), examples: Vec::new() })
    }

    /// Says why a dataset is not published, if more rows cannot be read than may fail; `read` rows can.
    pub fn too_many(&self, dataset: &Dataset, read: u64) -> Option<Diagnostic> {
        let most = dataset.max_failed;
        if !most.is_passed(self.rows, self.rows + read) {
            return None;
        }
        let name = &dataset.name.value;
        let rows = if self.rows == 1 { "row" } else { "rows" };
        let mut problem = Diagnostic::error("failed-rows", format!("{} {rows} of `{name}` cannot be read", self.rows));
        for row in &self.first {
            let source = Source::excerpt(
                &row.path,
                &row.near,
                (row.line as usize, (row.column as usize).saturating_sub(row.caret)),
            );
            let at = row.near.char_indices().nth(row.caret).map_or(row.near.len(), |(at, _)| at);
            let length = row.near[at..].chars().next().map_or(0, char::len_utf8);
            problem = problem.at(&Span::new(&source, at..at + length), row.reason.clone());
        }
        let may = match most {
            MaxFailed::Rows(most) => format!("`max_failed` lets {most} fail"),
            MaxFailed::Share(share) => {
                let all = self.rows + read;
                let [here, most] = [self.rows as f64 / all as f64, share].map(per_cent);
                format!("`max_failed` lets {most} of the rows fail, and it is {here}")
            }
        };
        problem = problem.at(&dataset.name.span, may);
        let more = self.rows - self.first.len() as u64;
        if more > 0 {
            problem = problem.note(format!("and {more} more"));
        }
        for help in self.first.iter().filter_map(|row| row.help.clone()) {
            if !problem.help.contains(&help) {
                problem = problem.help(help);
            }
        }
        Some(
            problem
                .help(format!("`datamake show {name} --failed` has them"))
                .help("`max_failed` in the dataset lets rows go"),
        )
    }
}

/// What is kept of a bad row in its part: nothing that depends on where the part stands. A row that is a whole file names it.
fn kept_type() -> Type {
    let field = |name: &str, ty| Field::new(name, ty);
    Type::Struct(vec![
        field("file", Type::String),
        field("line", Type::Int),
        field("column", Type::Int),
        field("reason", Type::String),
        field("help", Type::String),
        field("text", Type::String),
        field("near", Type::String),
        field("caret", Type::Int),
    ])
}

impl Context<'_> {
    /// Writes the bad rows of a part, if there are any.
    pub(super) fn put_bad(&self, bad: &[(Option<&str>, BadRow)]) -> Result<Option<BadRows>, Stop> {
        if bad.is_empty() {
            return Ok(None);
        }
        let text = |text: &str| Value::String(text.to_owned());
        let values = bad.iter().map(|(file, row)| {
            let fields = [
                ("file", file.map_or(Value::Null, text)),
                ("line", Value::Int(i64::from(row.error.line))),
                ("column", Value::Int(i64::from(row.error.column))),
                ("reason", text(&row.error.title)),
                ("help", row.error.help.as_deref().map_or(Value::Null, text)),
                ("text", text(&row.text)),
                ("near", text(&row.near)),
                ("caret", Value::Int(i64::from(row.caret))),
            ];
            Value::Struct(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
        });
        let chunk = self.put_column(&array_of(&kept_type(), &values.collect::<Vec<_>>()))?;
        Ok(Some(BadRows { rows: bad.len() as u32, chunk }))
    }

    /// Gathers the bad rows of all parts.
    pub(super) fn unread(&self, used: &Used, reading: &Reading, parts: &[(usize, Part)]) -> Result<Unread, Stop> {
        let mut unread = Unread::default();
        for (at, part) in parts {
            let Some(bad) = &part.bad else { continue };
            let path = &reading.files[*at].file.path;
            let mut key = op::key("unread");
            key.hash("chunk", bad.chunk).text("file", path).int("line", part.first_line as i64);
            let outputs = self.needed_action(used, key.finish(), || {
                let shown = self.shown(bad, path, part.first_line, usize::MAX)?;
                let failures = shown.into_iter().map(|(row, text)| row.failure(text)).collect();
                Ok(vec![self.put_column(&RowFailure::column(failures))?])
            })?;
            if unread.first.len() < SHOWN {
                let shown = self.shown(bad, path, part.first_line, SHOWN - unread.first.len())?;
                unread.first.extend(shown.into_iter().map(|(row, _)| row));
            }
            unread.rows += u64::from(bad.rows);
            let column = ColumnRef::from(outputs[0]);
            unread.groups.push(Arc::new(RowGroup { rows: bad.rows, columns: vec![column] }));
        }
        Ok(unread)
    }

    /// Reads the first `most` bad rows of a part that begins in `first_line` of the file at `path`, with their texts.
    fn shown(&self, bad: &BadRows, path: &str, first_line: u64, most: usize) -> Result<Vec<(Shown, String)>, Stop> {
        let column = self.column(bad.chunk)?;
        let rows = (0..column.len().min(most)).map(|row| {
            let Value::Struct(fields) = value_at(&column, row) else { return Err(Stop::Missing(bad.chunk)) };
            let mut fields = fields.into_iter().map(|(_, value)| value);
            let mut text = || match fields.next() {
                Some(Value::String(text)) => Some(text),
                Some(Value::Int(number)) => Some(number.to_string()),
                _ => None,
            };
            let number = |text: Option<String>| text.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
            let path = text().unwrap_or_else(|| path.to_owned());
            let line = first_line + number(text());
            let column = number(text());
            let (reason, help) = (text().unwrap_or_default(), text());
            let (whole, near) = (text().unwrap_or_default(), text().unwrap_or_default());
            let caret = number(text()) as usize;
            Ok((Shown { path, line, column, reason, help, near, caret }, whole))
        });
        rows.collect()
    }
}

impl Shown {
    fn failure(self, text: String) -> RowFailure {
        RowFailure {
            file: Some(self.path),
            line: Some(self.line),
            column: Some(self.column),
            text: Some(text),
            help: self.help,
            ..RowFailure::unreadable(self.reason)
        }
    }
}
