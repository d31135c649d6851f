//! Templates: Jinja texts, parsed once and filled from the rows of a group.
//!
//! What differs from other Jinja engines: an unknown name is an error before anything is rendered, and a null that is
//! printed is an error of its row; nothing is escaped; `**` and dynamic includes are refused; there is no clock and no chance.
//! One newline at the very end of a file is not part of the text.

mod engine;
mod unit;
mod value;
mod walk;

pub use walk::Load;

use crate::diag::{Diagnostic, Diagnostics, Source, Span};
use crate::hash::KeyWriter;
use crate::table::{Batch, RowError};
use arrow_array::builder::StringBuilder;
use arrow_array::{Array, ArrayRef};
use minijinja::{Environment, Error, ErrorKind, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A parsed template with all that it includes.
#[derive(Debug)]
pub struct Template {
    env: Environment<'static>,
    /// The names by which the sources are included; the first is the template itself, "".
    names: Vec<String>,
    sources: Vec<Arc<Source>>,
    reads: Vec<String>,
    places: BTreeMap<String, Vec<Span>>,
}

impl Template {
    /// Parses `source` and all that it includes, imports or extends, which `load` finds by the names in the texts.
    pub fn parse(source: Arc<Source>, load: &Load) -> Result<Template, Diagnostics> {
        let mut env = engine::environment();
        let found = walk::find(source, load, &env)?;
        for (name, source) in &found.files {
            env.add_template_owned(name.clone(), source.text.clone()).map_err(|error| {
                let at = Span::new(source, error.range().unwrap_or(0..0));
                Diagnostic::error("template-syntax", error.to_string()).at(&at, "")
            })?;
        }
        let (names, sources) = found.files.into_iter().unzip();
        Ok(Template { env, names, sources, reads: found.reads.keys().cloned().collect(), places: found.reads })
    }

    /// Returns the columns that it reads, sorted.
    pub fn reads(&self) -> &[String] {
        &self.reads
    }

    /// Returns where it reads `column`.
    pub fn places(&self, column: &str) -> Vec<Span> {
        self.places.get(column).cloned().unwrap_or_default()
    }

    /// Returns its text and those that it includes, in the order in which they are met.
    pub fn sources(&self) -> &[Arc<Source>] {
        &self.sources
    }

    /// Writes all texts, each under the name by which it is included; the template's own name does not count.
    pub fn write_key(&self, key: &mut KeyWriter) {
        for (name, source) in self.names.iter().zip(&self.sources) {
            key.text("file", name).text("text", &source.text);
        }
    }

    /// Fills it from each row, which gives a string column without nulls.
    pub fn render(&self, batch: &Batch) -> Result<ArrayRef, RowError> {
        let fail = |row, message: String, help: Option<&str>| RowError { row, message, help: help.map(str::to_owned) };
        let mut columns = Vec::with_capacity(self.reads.len());
        for name in &self.reads {
            let column = batch.column(name).ok_or_else(|| fail(0, format!("there is no column `{name}`"), None))?;
            columns.push((name.clone(), column.clone()));
        }
        let columns = Arc::new(columns);
        let template = self.env.get_template("").map_err(|error| fail(0, error.to_string(), None))?;
        let mut texts = StringBuilder::with_capacity(batch.rows, batch.rows * 64);
        for row in 0..batch.rows {
            let context = Value::from_object(value::Row { columns: columns.clone(), row });
            let text = template.render(context).map_err(|error| self.explain(error, &columns, row))?;
            if text.len() > engine::OUTPUT {
                let help = "bound its loops, or what it repeats";
                return Err(fail(row, "the text comes to more than 16 MiB".into(), Some(help)));
            }
            if texts.values_slice().len() + text.len() > i32::MAX as usize {
                let help = "render less per row: a row group's column holds at most 2 GiB";
                return Err(fail(row, "the texts of the row group come to more than 2 GiB".into(), Some(help)));
            }
            texts.append_value(text);
        }
        Ok(Arc::new(texts.finish()))
    }

    /// Says what went wrong in the user's words, and where.
    fn explain(&self, error: Error, columns: &[(String, ArrayRef)], row: usize) -> RowError {
        let error = innermost(&error);
        let source = error.name().and_then(|name| self.names.iter().position(|known| known == name));
        let span = source.zip(error.range()).map(|(source, range)| Span::new(&self.sources[source], range));
        let (message, help) = match error.kind() {
            ErrorKind::OutOfFuel => {
                let message = format!("the template takes more than {} steps", engine::FUEL);
                (message, Some("bound its loops, or what it repeats".to_owned()))
            }
            ErrorKind::UndefinedError => {
                let span = span.as_ref().map(expression);
                match self.null_inside(span.as_ref(), columns, row) {
                    Some(name) => (format!("`{name}` is null"), Some(null_help(name))),
                    None => {
                        let text = span
                            .as_ref()
                            .and_then(|span| span.source.text.get(span.range.clone()))
                            .unwrap_or("")
                            .trim();
                        let help = "test it first, with `is not none`, or give another value, with `default`";
                        (format!("a value in `{text}` is null or not there"), Some(help.to_owned()))
                    }
                }
            }
            kind => (error.detail().map_or_else(|| kind.to_string(), str::to_owned), None),
        };
        let place = span.map(|span| {
            let (line, column) = span.source.line_column(span.range.start);
            format!(" ({}:{line}:{column})", span.source.path.display())
        });
        RowError { row, message: message + &place.unwrap_or_default(), help }
    }

    /// Returns the column that is null at `row` and read within `span`.
    fn null_inside<'c>(&self, span: Option<&Span>, columns: &'c [(String, ArrayRef)], row: usize) -> Option<&'c str> {
        let span = span?;
        let within = |place: &Span| {
            Arc::ptr_eq(&place.source, &span.source)
                && span.range.start <= place.range.start
                && place.range.end <= span.range.end
        };
        let null = |column: &ArrayRef| column.is_null(row) || *column.data_type() == arrow_schema::DataType::Null;
        let mut nulls = columns.iter().filter(|(_, column)| null(column)).map(|(name, _)| name.as_str());
        nulls.find(|name| self.places.get(*name).into_iter().flatten().any(within))
    }
}

/// Widens the place of a filter, which the engine means by its name alone, to the expression that it works on.
fn expression(span: &Span) -> Span {
    let before = span.source.text.get(..span.range.start).unwrap_or("");
    match before.trim_end().ends_with('|').then(|| before.rfind("{{").max(before.rfind("{%"))).flatten() {
        Some(tag) => Span::new(&span.source, tag + 2..span.range.end),
        None => span.clone(),
    }
}

fn null_help(name: &str) -> String {
    format!("test it first, `{{% if {name} is not none %}}`, or give another value, `{{{{ {name} | default(\"\") }}}}`")
}

/// Returns the error at the bottom of those that includes and blocks wrap around it.
fn innermost(error: &Error) -> &Error {
    let mut error = error;
    while let Some(inner) = std::error::Error::source(error).and_then(|inner| inner.downcast_ref::<Error>()) {
        error = inner;
    }
    error
}

#[cfg(test)]
mod tests;
