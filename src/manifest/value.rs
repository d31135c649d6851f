//! TOML values with the place of every key and value, as one tree over several sources.

use super::decl::Text;
use crate::diag::{Diagnostic, Source, Span};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A place in one of the sources of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    pub source: usize,
    pub start: usize,
    pub end: usize,
}

impl At {
    /// Returns the place as a span that diagnostics can point at.
    pub fn span(self, sources: &[Arc<Source>]) -> Span {
        Span::new(&sources[self.source], self.start..self.end)
    }
}

/// A key's place, and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    pub key: At,
    pub value: Value,
}

/// Keys in the order of their names: the order in the file means nothing.
pub type Table = BTreeMap<String, Entry>;

/// A value and where it came from.
#[derive(Clone, Debug)]
pub struct Value {
    pub at: At,
    pub kind: Kind,
    pub origin: Origin,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Kind {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// A date or time, as written.
    Date(String),
    List(Vec<Value>),
    Table(Table),
}

/// How a value came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It stands in the source.
    Written,
    /// A string in the source, with params put in.
    Mixed,
    /// A string in the source that refers to a param that is wrong or not there: reported, and not looked at again.
    Broken,
    /// A string in the source that is one param as a whole; the place is where the param has its value.
    Param(At),
}

impl Kind {
    /// Names what it is, as in "found …".
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Text(_) => "a string",
            Kind::Int(_) => "an integer",
            Kind::Float(_) => "a float",
            Kind::Bool(_) => "a bool",
            Kind::Date(_) => "a date or time",
            Kind::List(_) => "a list",
            Kind::Table(_) => "a table",
        }
    }

    /// Writes a string, number or bool as it stands inside other text.
    pub fn plain(&self) -> Option<String> {
        Some(match self {
            Kind::Text(text) | Kind::Date(text) => text.clone(),
            Kind::Int(int) => int.to_string(),
            Kind::Float(float) => format!("{float:?}"),
            Kind::Bool(bool) => bool.to_string(),
            Kind::List(_) | Kind::Table(_) => return None,
        })
    }
}

impl Value {
    /// Returns the entries of a table.
    pub fn table(&self) -> Option<&Table> {
        match &self.kind {
            Kind::Table(table) => Some(table),
            _ => None,
        }
    }

    /// Returns the string, where one is wanted: a date, and a param of another type, count as their text.
    pub fn string(&self) -> Option<String> {
        match (&self.kind, self.origin) {
            (Kind::Text(_) | Kind::Date(_), _) | (_, Origin::Param(_)) => self.kind.plain(),
            _ => None,
        }
    }

    /// Returns the string with its place, where one is wanted.
    pub fn text(&self, sources: &[Arc<Source>]) -> Option<Text> {
        let value = self.string()?;
        if self.origin == Origin::Written {
            let literal = sources[self.at.source].text.get(self.at.start..self.at.end).unwrap_or("");
            let quotes = match literal {
                _ if literal.len() >= 6 && (literal.starts_with("\"\"\"") || literal.starts_with("'''")) => 3,
                _ if literal.len() >= 2 && literal.starts_with(['"', '\'']) => 1,
                _ => 0,
            };
            let inner = &literal[quotes..literal.len() - quotes];
            // A newline right after three quotes is not part of the string.
            let skip = inner.len().saturating_sub(value.len());
            if inner.get(skip..) == Some(&value) && matches!(&inner[..skip], "" | "\n" | "\r\n") {
                let range = self.at.start + quotes + skip..self.at.end - quotes;
                return Some(Text { value, span: Span::new(&sources[self.at.source], range), exact: true });
            }
        }
        Some(Text { value, span: self.at.span(sources), exact: false })
    }

    /// Lays `over` onto this value: tables are merged, anything else is replaced.
    pub fn overlay(&mut self, over: Value) {
        match (&mut self.kind, over.kind) {
            (Kind::Table(base), Kind::Table(over)) => {
                for (name, entry) in over {
                    match base.get_mut(&name) {
                        Some(known) => known.value.overlay(entry.value),
                        None => drop(base.insert(name, entry)),
                    }
                }
            }
            (base, kind) => {
                *base = kind;
                (self.at, self.origin) = (over.at, over.origin);
            }
        }
    }
}

/// Turns parsed TOML into values, and numbers that are too large into problems.
pub struct Converter<'a> {
    pub sources: &'a [Arc<Source>],
    pub source: usize,
    /// Where the parsed text begins in the source.
    pub offset: usize,
    pub problems: Vec<Diagnostic>,
}

impl Converter<'_> {
    fn at(&self, range: Range<usize>) -> At {
        At { source: self.source, start: self.offset + range.start, end: self.offset + range.end }
    }

    /// Converts a table.
    pub fn table(&mut self, table: DeTable<'_>) -> Table {
        let entry = |(key, value): (Spanned<std::borrow::Cow<'_, str>>, Spanned<DeValue<'_>>)| {
            let at = self.at(key.span());
            (key.into_inner().into_owned(), Entry { key: at, value: self.value(value) })
        };
        table.into_iter().map(entry).collect()
    }

    /// Converts a value.
    pub fn value(&mut self, value: Spanned<DeValue<'_>>) -> Value {
        let at = self.at(value.span());
        let kind = match value.into_inner() {
            DeValue::String(text) => Kind::Text(text.into_owned()),
            DeValue::Integer(int) => match i64::from_str_radix(int.as_str(), int.radix()) {
                Ok(int) => Kind::Int(int),
                Err(_) => {
                    let problem = Diagnostic::error("out-of-range", "an integer must fit into 64 bits");
                    self.problems.push(problem.at(&at.span(self.sources), "too large"));
                    Kind::Int(1)
                }
            },
            DeValue::Float(float) => Kind::Float(float.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(bool) => Kind::Bool(bool),
            DeValue::Datetime(date) => Kind::Date(date.to_string()),
            DeValue::Array(items) => Kind::List(items.into_iter().map(|item| self.value(item)).collect()),
            DeValue::Table(table) => Kind::Table(self.table(table)),
        };
        Value { at, kind, origin: Origin::Written }
    }
}
