//! Diagnostics as plain data: what is wrong, where, why, and what to do. Drawing them is `render`'s work.

mod guard;
mod render;

pub use guard::{guarded, panic_is_expected};
pub use render::{Style, json, render};

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A text that a diagnostic can point into, with the path that the user knows it by.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// Relative to the project folder where possible.
    pub path: PathBuf,
    pub text: String,
    /// Where in the file the text begins: its line and column (in characters), from 1.
    pub from: (usize, usize),
}

impl Source {
    /// Wraps a text that was read from `path`.
    pub fn new(path: impl AsRef<Path>, text: impl Into<String>) -> Arc<Source> {
        Source::excerpt(path, text, (1, 1))
    }

    /// Wraps a part of what was read from `path`, which begins at a line and column.
    pub fn excerpt(path: impl AsRef<Path>, text: impl Into<String>, from: (usize, usize)) -> Arc<Source> {
        Arc::new(Source { path: path.as_ref().to_owned(), text: text.into(), from })
    }

    /// Returns the 1-based line and column (in characters) of a byte offset.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line = before.matches('\n').count();
        let column = before.rsplit('\n').next().unwrap_or("").chars().count();
        (self.from.0 + line, if line == 0 { self.from.1 + column } else { column + 1 })
    }
}

/// A range of bytes in a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub source: Arc<Source>,
    pub range: Range<usize>,
}

impl Span {
    /// Points at `range` of `source`.
    pub fn new(source: &Arc<Source>, range: Range<usize>) -> Span {
        Span { source: source.clone(), range }
    }

    /// Points at a range inside this span, counted from its start.
    pub fn inside(&self, range: Range<usize>) -> Span {
        let start = (self.range.start + range.start).min(self.range.end);
        let end = (self.range.start + range.end).clamp(start, self.range.end);
        Span { source: self.source.clone(), range: start..end }
    }
}

/// Whether a diagnostic stops the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The command cannot go on.
    Error,
    /// The command goes on; the user should know.
    Warning,
}

/// A pointed-at text and what is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub span: Span,
    pub text: String,
}

/// One problem: code, title, labels (the first is where to edit), notes and help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// Kebab-case, stable: `unknown-column`.
    pub code: &'static str,
    /// Lower case, one line, no full stop.
    pub title: String,
    pub labels: Vec<Label>,
    pub notes: Vec<String>,
    pub help: Vec<String>,
}

impl Diagnostic {
    /// Begins an error.
    pub fn error(code: &'static str, title: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code,
            title: title.into(),
            labels: Vec::new(),
            notes: Vec::new(),
            help: Vec::new(),
        }
    }

    /// Begins a warning.
    pub fn warning(code: &'static str, title: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, title) }
    }

    /// Points at a text; the first call gives the primary place.
    pub fn at(mut self, span: &Span, text: impl Into<String>) -> Diagnostic {
        self.labels.push(Label { span: span.clone(), text: text.into() });
        self
    }

    /// Adds a fact.
    pub fn note(mut self, text: impl Into<String>) -> Diagnostic {
        self.notes.push(text.into());
        self
    }

    /// Adds what to do.
    pub fn help(mut self, text: impl Into<String>) -> Diagnostic {
        self.help.push(text.into());
        self
    }

    /// Adds the nearest of `names` to `wrong` as a help, if one is near enough.
    pub fn did_you_mean<'a>(self, wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Diagnostic {
        match nearest(wrong, names) {
            Some(name) => self.help(format!("did you mean `{name}`?")),
            None => self,
        }
    }
}

/// Returns the name most like `wrong`, if it is near enough to be a slip of the fingers.
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let bound = wrong.chars().count().max(3) / 3;
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&wrong.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= bound)
        .min()
        .map(|(_, name)| name)
}

/// Puts separators between the thousands of some digits.
pub fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Writes names as `` `a`, `b`, `c` ``.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if quoted.is_empty() { "none".to_owned() } else { quoted.join(", ") }
}

/// All problems of one run; at least one is an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// Adds a problem unless the same one is there already.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if !self.0.contains(&diagnostic) {
            self.0.push(diagnostic);
        }
    }

    /// Returns whether one of the problems is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Diagnostics {
        Diagnostics(vec![diagnostic])
    }
}
