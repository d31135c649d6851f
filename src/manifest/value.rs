//! TOML values with the place of every key and value, as one tree over several sources.

use super::decl::Text;
use super::map::Map;
use crate::diag::{Diagnostic, Source, Span};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A place in one of the sources of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    pub source: u32,
    pub start: u32,
    pub end: u32,
}

impl At {
    /// Makes a place; a source of 4 GiB or more is not parsed.
    pub fn new(source: usize, range: Range<usize>) -> At {
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        At { source: narrow(source), start: narrow(range.start), end: narrow(range.end) }
    }

    /// Returns the range of bytes.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Returns the place as a span that diagnostics can point at.
    pub fn span(self, sources: &[Arc<Source>]) -> Span {
        Span::new(&sources[self.source as usize], self.range())
    }
}

/// A key's place, and its value.
#[derive(Clone, Debug)]
pub struct Entry<'t> {
    pub key: At,
    pub value: Value<'t>,
    pub layer: Layer,
}

/// What brought a key: 0 is a file, the overlays count on from there in the order in which they are laid on.
pub type Layer = u16;

/// Keys in the order of their names: the order in the file means nothing.
pub type Table<'t> = Map<'t, Entry<'t>>;

/// Returns the entries of a table in the order in which they are written, what overlays add behind the others.
pub fn as_written<'e, 't>(table: &'e Table<'t>) -> Vec<(&'e str, &'e Entry<'t>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(_, entry)| (entry.layer, entry.key));
    entries
}

/// A value and where it came from.
#[derive(Clone, Debug)]
pub struct Value<'t> {
    pub at: At,
    pub kind: Kind<'t>,
    pub origin: Origin,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Kind<'t> {
    Text(Cow<'t, str>),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// A date or time, as written.
    Date(String),
    List(Vec<Value<'t>>),
    Table(Table<'t>),
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

impl<'t> Kind<'t> {
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
    pub fn plain(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Kind::Text(text) => Cow::Borrowed(text),
            Kind::Date(text) => text.into(),
            Kind::Int(int) => int.to_string().into(),
            Kind::Float(float) => format!("{float:?}").into(),
            Kind::Bool(bool) => bool.to_string().into(),
            Kind::List(_) | Kind::Table(_) => return None,
        })
    }
}

impl<'t> Value<'t> {
    /// Returns the entries of a table.
    pub fn table(&self) -> Option<&Table<'t>> {
        match &self.kind {
            Kind::Table(table) => Some(table),
            _ => None,
        }
    }

    /// Returns the string, where one is wanted: a date, and a param of another type, count as their text.
    pub fn string(&self) -> Option<Cow<'_, str>> {
        match (&self.kind, self.origin) {
            (Kind::Text(_) | Kind::Date(_), _) | (_, Origin::Param(_)) => self.kind.plain(),
            _ => None,
        }
    }

    /// Returns the string with its place, where one is wanted.
    pub fn text(&self, sources: &[Arc<Source>]) -> Option<Text> {
        let value = self.string()?.into_owned();
        if self.origin == Origin::Written {
            let range = self.at.range();
            let source = &sources[self.at.source as usize];
            let literal = source.text.get(range.clone()).unwrap_or("");
            let quotes = match literal {
                _ if literal.len() >= 6 && (literal.starts_with("\"\"\"") || literal.starts_with("'''")) => 3,
                _ if literal.len() >= 2 && literal.starts_with(['"', '\'']) => 1,
                _ => 0,
            };
            // Where the end of a string was forgotten, there is something else in place of its quotes.
            let inner = literal.get(quotes..literal.len() - quotes).unwrap_or(literal);
            // A newline right after three quotes is not part of the string.
            let skip = inner.len().saturating_sub(value.len());
            if inner.get(skip..) == Some(&value) && matches!(&inner[..skip], "" | "\n" | "\r\n") {
                let span = Span::new(source, range.start + quotes + skip..range.end - quotes);
                return Some(Text { value, span, exact: true });
            }
        }
        Some(Text { value, span: self.at.span(sources), exact: false })
    }

    /// Lets go of the text that it was parsed from.
    pub fn into_owned(self) -> Value<'static> {
        let kind = match self.kind {
            Kind::Text(text) => Kind::Text(text.into_owned().into()),
            Kind::Int(int) => Kind::Int(int),
            Kind::Float(float) => Kind::Float(float),
            Kind::Bool(bool) => Kind::Bool(bool),
            Kind::Date(date) => Kind::Date(date),
            Kind::List(items) => Kind::List(items.into_iter().map(Value::into_owned).collect()),
            Kind::Table(table) => Kind::Table(into_owned(table)),
        };
        Value { at: self.at, kind, origin: self.origin }
    }

    /// Marks all keys under this value as brought by an overlay.
    pub fn brought_by(&mut self, layer: Layer) {
        match &mut self.kind {
            Kind::List(items) => items.iter_mut().for_each(|item| item.brought_by(layer)),
            Kind::Table(table) => table.values_mut().for_each(|entry| {
                entry.layer = layer;
                entry.value.brought_by(layer);
            }),
            _ => {}
        }
    }

    /// Lays `over` onto this value: tables are merged, anything else is replaced.
    pub fn overlay(&mut self, over: Value<'t>) {
        match (&mut self.kind, over.kind) {
            (Kind::Table(base), Kind::Table(over)) => {
                base.merge(over, |_, known, over| known.value.overlay(over.value))
            }
            (base, kind) => {
                *base = kind;
                (self.at, self.origin) = (over.at, over.origin);
            }
        }
    }
}

/// Lets go of the text that a table was parsed from.
pub fn into_owned(table: Table<'_>) -> Table<'static> {
    let own = |(name, entry): (Cow<'_, str>, Entry<'_>)| {
        (Cow::Owned(name.into_owned()), Entry { key: entry.key, value: entry.value.into_owned(), layer: entry.layer })
    };
    table.into_iter().map(own).collect()
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
        At::new(self.source, self.offset + range.start..self.offset + range.end)
    }

    /// Converts a table.
    pub fn table<'t>(&mut self, table: DeTable<'t>) -> Table<'t> {
        let entry = |(key, value): (Spanned<Cow<'t, str>>, Spanned<DeValue<'t>>)| {
            let at = self.at(key.span());
            (key.into_inner(), Entry { key: at, value: self.value(value), layer: 0 })
        };
        table.into_iter().map(entry).collect()
    }

    /// Converts a value.
    pub fn value<'t>(&mut self, value: Spanned<DeValue<'t>>) -> Value<'t> {
        let at = self.at(value.span());
        let kind = match value.into_inner() {
            DeValue::String(text) => Kind::Text(text),
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
