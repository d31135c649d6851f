//! Checks a tree of values against the table of keys, and reports everything that does not fit.

use super::part::{part, percent};
use super::secret;
use super::shape::{self, Key, Required, Shape, Text};
use super::value::{At, Entry, Kind, Origin, Table, Value};
use crate::diag::{Diagnostic, Source, Span, list};
use crate::table::Type;
use crate::time::read_date;
use std::fmt;
use std::sync::Arc;

/// The way from the root to a value, as the user would write it.
#[derive(Clone, Copy)]
pub struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    name: Segment<'p>,
}

#[derive(Clone, Copy)]
enum Segment<'p> {
    Key(&'p str),
    Index(usize),
}

impl<'p> Path<'p> {
    /// Begins at a top-level table.
    pub fn root(name: &'p str) -> Path<'p> {
        Path { parent: None, name: Segment::Key(name) }
    }

    /// Goes on to a key.
    pub fn key(&'p self, name: &'p str) -> Path<'p> {
        Path { parent: Some(self), name: Segment::Key(name) }
    }

    fn index(&'p self, index: usize) -> Path<'p> {
        Path { parent: Some(self), name: Segment::Index(index) }
    }

    fn parent(&self) -> &Path<'p> {
        self.parent.unwrap_or(self)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        match self.name {
            Segment::Key(key) => f.write_str(&bare_or_quoted(key)),
            Segment::Index(index) => write!(f, "{index}"),
        }
    }
}

/// Writes a key as TOML would need it.
pub fn bare_or_quoted(key: &str) -> std::borrow::Cow<'_, str> {
    if !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        key.into()
    } else {
        format!("{key:?}").into()
    }
}

/// Returns whether `name` can name a node or a part.
pub fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// Collects what does not fit.
pub struct Checker<'a> {
    pub sources: &'a [Arc<Source>],
    pub problems: Vec<Diagnostic>,
}

impl Checker<'_> {
    fn span(&self, at: At) -> Span {
        at.span(self.sources)
    }

    /// Points at a value, and at the param that it came from.
    fn at_value(&self, problem: Diagnostic, value: &Value, text: impl Into<String>) -> Diagnostic {
        let problem = problem.at(&self.span(value.at), text);
        match value.origin {
            Origin::Param(at) => problem.at(&self.span(at), "the param has its value here"),
            _ => problem,
        }
    }

    /// Checks a table whose own place is `at`.
    pub fn table(&mut self, path: &Path<'_>, at: At, table: &Table, spec: &'static shape::Table) {
        for (name, entry) in table {
            match spec.key(name) {
                Some(key) => {
                    self.value(&path.key(name), &entry.value, &key.shape);
                    self.company(path, table, entry, key);
                }
                None => self.unknown_key(path, name, entry, spec),
            }
        }
        let missing = |key: &&Key| key.required == Required::Yes && !table.contains_key(key.name);
        for key in spec.keys().filter(missing) {
            if self.misspelt(table, spec, &[key.name]) {
                continue;
            }
            let problem = Diagnostic::error("missing-key", format!("`{path}` needs `{}`", key.name));
            let problem = problem.at(&self.span(at), format!("`{}` is missing", key.name));
            self.problems.push(problem.help(format!("`{}` is {}", key.name, key.shape.expected())));
        }
        for group in spec.groups {
            let mut given: Vec<(&str, At)> = table
                .iter()
                .filter(|(name, _)| group.keys.contains(name))
                .map(|(name, entry)| (name, entry.key))
                .collect();
            given.sort_by_key(|(_, at)| *at);
            match given.as_slice() {
                [] if is_required(table, group.required) && !self.misspelt(table, spec, group.keys) => {
                    let other = if let Required::Unless(other) = group.required { Some(other) } else { None };
                    let names = list(group.keys.iter().copied().chain(other));
                    let problem = Diagnostic::error("missing-key", format!("`{path}` needs one of {names}"));
                    self.problems.push(problem.at(&self.span(at), group.doc));
                }
                [(first, first_at), others @ ..] => {
                    for (other, other_at) in others {
                        let title = format!("`{first}` and `{other}` exclude each other in `{path}`");
                        let problem = Diagnostic::error("exclusive-keys", title).at(&self.span(*other_at), "or this");
                        self.problems.push(problem.at(&self.span(*first_at), "either this").note(group.doc));
                    }
                }
                [] => {}
            }
        }
    }

    /// Tells whether an unknown key is meant to be one of `keys`: then its absence is an echo.
    fn misspelt(&self, table: &Table, spec: &'static shape::Table, keys: &[&str]) -> bool {
        let unknown = table.keys().filter(|name| spec.key(name).is_none());
        unknown.into_iter().any(|name| crate::diag::nearest(name, keys.iter().copied()).is_some())
    }

    fn unknown_key(&mut self, path: &Path<'_>, name: &str, entry: &Entry, spec: &'static shape::Table) {
        let problem = Diagnostic::error("unknown-key", format!("`{path}` has no key `{name}`"));
        let problem =
            problem.at(&self.span(entry.key), "unknown key").did_you_mean(name, spec.keys().map(|key| key.name));
        self.problems.push(problem.note(format!("the keys are {}", list(spec.keys().map(|key| key.name)))));
    }

    /// Checks that a key stands beside one that gives it a meaning.
    fn company(&mut self, path: &Path<'_>, table: &Table, entry: &Entry, key: &'static Key) {
        if !key.with.is_empty() && !key.with.iter().any(|name| table.contains_key(name)) {
            let names: Vec<String> = key.with.iter().map(|name| format!("`{name}`")).collect();
            let title = format!("`{}` in `{path}` has no meaning without {}", key.name, names.join(" or "));
            self.problems.push(Diagnostic::error("stray-key", title).at(&self.span(entry.key), "has no effect"));
        }
    }

    /// Checks a value.
    pub fn value(&mut self, path: &Path<'_>, value: &Value, shape: &'static Shape) {
        let shape = fitting(shape, &value.kind);
        match (shape, &value.kind) {
            _ if value.origin == Origin::Broken => {}
            (Shape::Text(text), _) => match value.string() {
                Some(string) if *text == Text::Date || !matches!(value.kind, Kind::Date(_)) => {
                    self.text(path, value, &string, *text);
                }
                _ => self.wrong(path, value, shape),
            },
            (Shape::Int(least, most), Kind::Int(int)) => {
                if !(*least..=*most).contains(int) {
                    self.out_of_range(path, value, shape);
                }
            }
            (Shape::Number(range), Kind::Int(_) | Kind::Float(_)) => {
                if !range.allows(number(value).unwrap_or(f64::NAN)) {
                    self.out_of_range(path, value, shape);
                }
            }
            (Shape::True, Kind::Bool(true)) => {}
            (Shape::Scalar, Kind::Text(_) | Kind::Int(_) | Kind::Bool(_)) => {}
            (Shape::Scalar, Kind::Float(float)) => self.finite(path, value, *float),
            (Shape::Pair(item), Kind::List(items)) => {
                if items.len() != 2 {
                    let problem = Diagnostic::error("out-of-range", format!("`{path}` must be {}", shape.expected()));
                    self.problems.push(self.at_value(problem, value, format!("found {} values", items.len())));
                }
                self.items(path, items, item);
            }
            (Shape::List(item) | Shape::OneOrMore(item) | Shape::ListOr(item, _), Kind::List(items)) => {
                if items.is_empty() {
                    self.empty(path, value, "an empty list");
                }
                self.items(path, items, item);
            }
            (Shape::OneOrMore(_), Kind::Table(_)) => self.wrong(path, value, shape),
            (Shape::OneOrMore(item), _) if !matches!(item, Shape::OneOrMore(_)) => self.value(path, value, item),
            (Shape::Any, _) => self.sendable(path, value),
            (Shape::Part, Kind::Int(_) | Kind::Float(_) | Kind::Text(_)) => {
                if part(value).is_none() {
                    self.out_of_range(path, value, shape);
                }
            }
            (Shape::Map(names, item) | Shape::Ordered(names, item), Kind::Table(table)) => {
                if table.is_empty() {
                    self.empty(path, value, "an empty table");
                }
                for (name, entry) in table {
                    let path = path.key(name);
                    if let (Text::Ref, Kind::Table(parts)) = (names, &entry.value.kind)
                        && !says_more(item, parts)
                    {
                        self.unquoted_part(&path, name, parts, &entry.value, item);
                    } else {
                        self.name(&path, name, entry.key, *names);
                        self.value(&path, &entry.value, item);
                    }
                }
            }
            (Shape::Table(spec) | Shape::ListOr(_, spec), Kind::Table(table)) => {
                self.table(path, value.at, table, spec)
            }
            _ => self.wrong(path, value, shape),
        }
    }

    fn finite(&mut self, path: &Path<'_>, value: &Value, float: f64) {
        if !float.is_finite() {
            let problem = Diagnostic::error("out-of-range", format!("`{path}` must be finite"));
            self.problems.push(self.at_value(problem, value, "not a finite number"));
        }
    }

    /// Checks that JSON can say what TOML does (it has no infinity), and that it may be said to everybody.
    fn sendable(&mut self, path: &Path<'_>, value: &Value) {
        match &value.kind {
            Kind::Text(text) if secret::begins_like_a_key(text) => {
                let problem = Diagnostic::error(secret::CODE, format!("`{path}` must not hold a key"));
                let problem = self.at_value(problem, value, "this looks like a key").note(secret::WHY);
                self.problems.push(
                    problem.help("take it out of the file, put it into a variable, and name that as the model's `key`"),
                );
            }
            Kind::Float(float) => self.finite(path, value, *float),
            Kind::List(items) => items.iter().enumerate().for_each(|(i, item)| self.sendable(&path.index(i), item)),
            Kind::Table(table) => {
                table.iter().for_each(|(name, entry)| self.sendable(&path.key(name), &entry.value));
            }
            _ => {}
        }
    }

    fn items(&mut self, path: &Path<'_>, items: &[Value], shape: &'static Shape) {
        for (index, item) in items.iter().enumerate() {
            self.value(&path.index(index), item, shape);
        }
    }

    fn wrong(&mut self, path: &Path<'_>, value: &Value, shape: &'static Shape) {
        let problem = Diagnostic::error("wrong-type", format!("`{path}` must be {}", shape.expected()));
        let problem = self.at_value(problem, value, format!("found {}", value.kind.name()));
        self.problems.push(problem);
    }

    fn out_of_range(&mut self, path: &Path<'_>, value: &Value, shape: &'static Shape) {
        let problem = Diagnostic::error("out-of-range", format!("`{path}` must be {}", shape.expected()));
        let problem = self.at_value(problem, value, format!("found {}", value.kind.plain().unwrap_or_default()));
        self.problems.push(problem);
    }

    fn empty(&mut self, path: &Path<'_>, value: &Value, what: &str) {
        let problem = Diagnostic::error("empty", format!("`{path}` must not be empty"));
        self.problems.push(self.at_value(problem, value, what));
    }

    /// Explains `of = { qa.train = 0.7 }`: to TOML that is a table in a table.
    fn unquoted_part(&mut self, path: &Path<'_>, name: &str, parts: &Table, value: &Value, shape: &'static Shape) {
        let part = parts.keys().next().unwrap_or("part");
        let problem = Diagnostic::error("wrong-type", format!("`{path}` must be {}", shape.expected()));
        let problem = problem.at(&self.span(value.at), "found a table");
        self.problems.push(problem.help(format!("write the name of a part in quotes: `\"{name}.{part}\" = …`")));
    }

    /// Checks a key that is a name of the user's.
    fn name(&mut self, path: &Path<'_>, name: &str, at: At, meaning: Text) {
        let value = Value { at, kind: Kind::Text(name.into()), origin: Origin::Written };
        self.text(path.parent(), &value, name, meaning);
    }

    fn text(&mut self, path: &Path<'_>, value: &Value, string: &str, meaning: Text) {
        let bad = |checker: &Self, code, title: String, label: &str| {
            checker.at_value(Diagnostic::error(code, title), value, label)
        };
        let problem = match meaning {
            Text::Plain => return,
            Text::Name => {
                if is_name(string) {
                    return;
                }
                bad(self, "invalid-name", format!("`{string}` cannot be a name"), "in this place").note(NAME_RULE)
            }
            Text::Ref => {
                if string.split('.').count() <= 2 && string.split('.').all(is_name) {
                    return;
                }
                let title = format!("`{string}` cannot be the name of a dataset or of a part");
                bad(self, "invalid-name", title, "in this place")
                    .note(NAME_RULE)
                    .note("a part is written `dataset.part`")
            }
            Text::Url => match url(string) {
                Ok(()) => return,
                Err(why) if why == PASSWORD => {
                    bad(self, secret::CODE, format!("`{path}` must not hold a password"), why)
                        .help("write the URL alone, and `key` with the name of an environment variable")
                }
                Err(why) => bad(self, "invalid-url", format!("`{path}` must be the URL of an endpoint"), why)
                    .help("write its base, such as `http://localhost:8000/v1`"),
            },
            Text::Variable => match string {
                _ if is_variable(string) => return,
                _ if secret::looks_like_a_key(string) => {
                    let title = format!("`{path}` must be the name of an environment variable, not a key itself");
                    bad(self, secret::CODE, title, "this looks like a key")
                        .note(secret::WHY)
                        .help("take it out of the file, put it into a variable, and write the variable's name: `key = \"MY_API_KEY\"`")
                }
                _ => {
                    let title = format!("`{path}` must be the name of an environment variable");
                    let problem = bad(self, "invalid-name", title, "not a name of capital letters, digits and `_`");
                    let capitals = string.to_ascii_uppercase().replace('-', "_");
                    let capitals = capitals.trim_start_matches('$').trim_matches(['{', '}']);
                    if is_variable(capitals) { problem.help(format!("did you mean `{capitals}`?")) } else { problem }
                }
            },
            Text::NotEmpty if !string.is_empty() => return,
            Text::Sql | Text::Template | Text::Column | Text::Path | Text::Pattern | Text::Filled | Text::NotEmpty => {
                if !string.trim().is_empty() {
                    return;
                }
                bad(self, "empty", format!("`{path}` must not be empty"), "an empty string")
            }
            Text::Output => match inside_project(string) {
                Ok(()) => return,
                Err(why) => bad(self, "outside-project", format!("`{path}` must be a path inside the project"), why)
                    .help("write a path relative to the project, such as `out/train.jsonl`"),
            },
            Text::Type => match string.len() < 200 && string.parse::<Type>().is_ok() {
                true => return,
                false => bad(self, "unknown-type", format!("`{string}` is not a type of columns"), "unknown type")
                    .did_you_mean(string, TYPES.iter().copied())
                    .note("the types are `bool`, `int`, `float`, `string`, `date`, `timestamp`, `list<…>`"),
            },
            Text::Percent => {
                if percent(string).is_some() {
                    return;
                }
                let title = format!("`{path}` must be a number, or {}", meaning.expected());
                bad(self, "out-of-range", title, &format!("found `{string}`"))
            }
            Text::Date => {
                if read_date(string).is_some() {
                    return;
                }
                bad(
                    self,
                    "invalid-date",
                    format!("`{string}` is not a day"),
                    "write year-month-day, such as `2020-01-31`",
                )
            }
            Text::OneOf(words) => {
                if words.contains(&string) {
                    return;
                }
                bad(
                    self,
                    "unknown-word",
                    format!("`{path}` must be {}", meaning.expected()),
                    &format!("found `{string}`"),
                )
                .did_you_mean(string, words.iter().copied())
            }
        };
        self.problems.push(problem);
    }
}

/// Returns whether `name` is how environment variables are called.
/// Tells whether one key of a group must be given beside what is there.
fn is_required(table: &Table, required: Required) -> bool {
    match required {
        Required::Yes => true,
        Required::No => false,
        Required::Unless(other) => !table.contains_key(other),
    }
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// Tells why a string is not the base of an endpoint, if so.
fn url(string: &str) -> Result<(), &'static str> {
    let Some(rest) = string.strip_prefix("http://").or_else(|| string.strip_prefix("https://")) else {
        return Err("a URL begins with `https://` or `http://`");
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or("");
    match host.rsplit_once('@') {
        Some(_) => Err(PASSWORD),
        None if host.is_empty() || host.starts_with(':') => Err("there is no host"),
        None if string.contains(|c: char| c.is_whitespace() || c.is_control()) => Err("a URL has no spaces"),
        None if rest.contains(['?', '#']) => Err("a base ends with its path"),
        None => Ok(()),
    }
}

const PASSWORD: &str = "names a user or a password before the host";

/// What a name may be.
pub const NAME_RULE: &str = "a name begins with a letter or `_` and goes on with letters, digits, `_` and `-`";

const TYPES: &[&str] = &["bool", "int", "float", "string", "date", "timestamp"];

/// Returns the one of several shapes that a value of this kind is to have; the whole where it is none of them.
pub fn fitting<'s>(shape: &'s Shape, kind: &Kind) -> &'s Shape {
    match shape {
        Shape::Either(one, _) if fits(one, kind) => fitting(one, kind),
        Shape::Either(_, other) if fits(other, kind) => fitting(other, kind),
        _ => shape,
    }
}

/// Returns whether values of this kind can have a shape.
fn fits(shape: &Shape, kind: &Kind) -> bool {
    match shape {
        Shape::Text(_) => matches!(kind, Kind::Text(_)),
        Shape::Int(..) => matches!(kind, Kind::Int(_)),
        Shape::Number(_) => matches!(kind, Kind::Int(_) | Kind::Float(_)),
        Shape::True => matches!(kind, Kind::Bool(_)),
        Shape::Scalar => matches!(kind, Kind::Text(_) | Kind::Int(_) | Kind::Float(_) | Kind::Bool(_)),
        Shape::Part => matches!(kind, Kind::Text(_) | Kind::Int(_) | Kind::Float(_)),
        Shape::Pair(_) | Shape::List(_) => matches!(kind, Kind::List(_)),
        Shape::OneOrMore(item) => matches!(kind, Kind::List(_)) || fits(item, kind),
        Shape::Map(..) | Shape::Ordered(..) | Shape::Table(_) => matches!(kind, Kind::Table(_)),
        Shape::ListOr(..) => matches!(kind, Kind::List(_) | Kind::Table(_)),
        Shape::Either(one, other) => fits(one, kind) || fits(other, kind),
        Shape::Any => true,
    }
}

/// Returns whether a table can be meant as what a shape says of a name: it has a key that is one, or nearly.
fn says_more(shape: &'static Shape, table: &Table) -> bool {
    match shape {
        Shape::Table(spec) | Shape::ListOr(_, spec) => {
            let near = |name: &str| crate::diag::nearest(name, spec.keys().map(|key| key.name)).is_some();
            table.keys().next().is_none() || table.keys().any(|name| spec.key(name).is_some() || near(name))
        }
        Shape::Either(one, other) => says_more(one, table) || says_more(other, table),
        _ => false,
    }
}

/// Returns a number, whether written as an integer or as a float.
pub fn number(value: &Value) -> Option<f64> {
    match value.kind {
        Kind::Int(int) => Some(int as f64),
        Kind::Float(float) => Some(float),
        _ => None,
    }
}

/// Returns the parts of a path that count: `./out//a` and `out/a` are one file.
pub fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split(['/', '\\']).filter(|part| !matches!(*part, "" | "."))
}

/// Tells why a path may not be written, if so.
pub fn inside_project(path: &str) -> Result<(), &'static str> {
    let bytes = path.as_bytes();
    if path.starts_with(['/', '\\']) || (bytes.len() > 1 && bytes[1] == b':') {
        return Err("an absolute path");
    }
    if components(path).any(|part| part == "..") {
        return Err("`..` leads out of the project");
    }
    if path.contains('\0') {
        return Err("a path has no NUL");
    }
    match components(path).next() {
        None => Err("no file is named"),
        Some(".datamake" | "datamake.toml" | "datamake.lock") => Err("this belongs to datamake itself"),
        Some(_) if path.ends_with(['/', '\\']) => Err("a folder, not a file"),
        Some(_) => Ok(()),
    }
}
