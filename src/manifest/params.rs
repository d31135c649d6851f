//! Params: puts their values into strings, and remembers which were used.

use super::check::{NAME_RULE, is_name};
use super::decl::{Param, Scalar};
use super::value::{Kind, Origin, Table, Value};
use crate::diag::{Diagnostic, Source, Span, list};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

/// The params in effect.
pub struct Params<'a> {
    sources: &'a [Arc<Source>],
    known: BTreeMap<String, Param>,
    places: BTreeMap<String, super::value::At>,
    /// Reported already; their uses are not.
    wrong: BTreeSet<String>,
    used: BTreeSet<String>,
    pub problems: Vec<Diagnostic>,
}

impl<'a> Params<'a> {
    /// Takes the values under `[params]`.
    pub fn new(sources: &'a [Arc<Source>], table: Option<&Table>) -> Params<'a> {
        let empty = Table::new();
        let mut params = Params {
            sources,
            known: BTreeMap::new(),
            places: BTreeMap::new(),
            wrong: BTreeSet::new(),
            used: BTreeSet::new(),
            problems: Vec::new(),
        };
        for (name, entry) in table.unwrap_or(&empty) {
            let span = entry.value.at.span(sources);
            let problem = |code, title: String, label: &str| Diagnostic::error(code, title).at(&span, label);
            let value = match &entry.value.kind {
                Kind::Bool(bool) => Ok(Scalar::Bool(*bool)),
                Kind::Int(int) => Ok(Scalar::Int(*int)),
                Kind::Float(float) if float.is_finite() => Ok(Scalar::Float(*float)),
                Kind::Float(_) => {
                    Err(problem("out-of-range", format!("`params.{name}` must be finite"), "not a finite number"))
                }
                Kind::Text(text) if text.contains("${params.") => {
                    let title = format!("`params.{name}` refers to a param, which a param cannot");
                    Err(problem("nested-param", title, "write the value itself"))
                }
                Kind::Text(text) => Ok(Scalar::String(text.to_string())),
                other => {
                    let title = format!("`params.{name}` must be a string, a number or a bool");
                    Err(problem("wrong-type", title, &format!("found {}", other.name())))
                }
            };
            let name = name.to_owned();
            if !is_name(&name) {
                let problem = Diagnostic::error("invalid-name", format!("`{name}` cannot be a name"));
                params.problems.push(problem.at(&entry.key.span(sources), "in this place").note(NAME_RULE));
            }
            match value {
                Ok(value) => drop(params.known.insert(name.clone(), Param { name: name.clone(), value, span })),
                Err(problem) => {
                    params.problems.push(problem);
                    params.wrong.insert(name.clone());
                }
            }
            params.places.insert(name.clone(), entry.value.at);
        }
        params
    }

    /// Puts the values of params into all strings under `value`.
    pub fn substitute(&mut self, value: &mut Value<'_>) {
        match &mut value.kind {
            Kind::List(items) => items.iter_mut().for_each(|item| self.substitute(item)),
            Kind::Table(table) => table.values_mut().for_each(|entry| self.substitute(&mut entry.value)),
            Kind::Text(text) if text.as_bytes().contains(&b'$') && text.contains("${") => self.fill(value),
            _ => {}
        }
    }

    fn fill(&mut self, value: &mut Value<'_>) {
        let Some(text) = value.text(self.sources) else { return };
        let mut out = String::new();
        let mut origin = Origin::Mixed;
        for piece in pieces(&text.value) {
            match piece {
                Piece::Literal(literal) => out.push_str(literal),
                Piece::Param(name, range) => match self.known.get(name) {
                    Some(param) => {
                        self.used.insert(name.to_owned());
                        let kind = kind_of(&param.value);
                        if range == (0..text.value.len()) {
                            value.kind = kind;
                            value.origin = Origin::Param(self.places[name]);
                            return;
                        }
                        out.push_str(&kind.plain().unwrap_or_default());
                    }
                    None if self.wrong.contains(name) => origin = Origin::Broken,
                    None => {
                        origin = Origin::Broken;
                        let names = || self.known.keys().map(String::as_str);
                        let problem = Diagnostic::error("unknown-param", format!("there is no param `{name}`"));
                        let problem = problem.at(&text.inside(range), "not in `[params]`").did_you_mean(name, names());
                        self.problems.push(problem.note(format!("the params are {}", list(names()))));
                    }
                },
                Piece::Wrong(range) => {
                    origin = Origin::Broken;
                    let wrong = text.value.get(range.clone()).unwrap_or("${").to_owned();
                    let problem = Diagnostic::error("unknown-param", format!("`{wrong}` does not refer to a param"));
                    let problem = problem.at(&text.inside(range), "write `${params.NAME}`");
                    self.problems.push(problem.help("write `$${` where `${` itself is meant"));
                }
            }
        }
        value.kind = Kind::Text(out.into());
        value.origin = origin;
    }

    /// Counts the params that a value mentions as used, without touching it.
    pub fn mention(&mut self, value: &Value<'_>) {
        match &value.kind {
            Kind::List(items) => items.iter().for_each(|item| self.mention(item)),
            Kind::Table(table) => table.values().for_each(|entry| self.mention(&entry.value)),
            Kind::Text(text) => {
                for piece in pieces(text) {
                    if let Piece::Param(name, _) = piece {
                        self.used.insert(name.to_owned());
                    }
                }
            }
            _ => {}
        }
    }

    /// Returns the params, and those of them that nothing mentions.
    pub fn finish(self) -> (BTreeMap<String, Param>, Vec<(String, Span)>) {
        let unused = self.known.values().filter(|param| !self.used.contains(&param.name));
        let unused = unused.map(|param| (param.name.clone(), param.span.clone())).collect();
        (self.known, unused)
    }
}

fn kind_of(value: &Scalar) -> Kind<'static> {
    match value {
        Scalar::Bool(bool) => Kind::Bool(*bool),
        Scalar::Int(int) => Kind::Int(*int),
        Scalar::Float(float) => Kind::Float(*float),
        Scalar::String(string) => Kind::Text(string.clone().into()),
    }
}

enum Piece<'t> {
    Literal(&'t str),
    Param(&'t str, Range<usize>),
    Wrong(Range<usize>),
}

/// Cuts a string at `${params.NAME}` and `$${`; `${{` is Jinja's and stays.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("${") {
        let start = at + found;
        if text[at..start].ends_with('$') {
            pieces.push(Piece::Literal(&text[at..start - 1]));
            pieces.push(Piece::Literal("${"));
            at = start + 2;
        } else if text[start..].starts_with("${{") {
            pieces.push(Piece::Literal(&text[at..start + 3]));
            at = start + 3;
        } else {
            pieces.push(Piece::Literal(&text[at..start]));
            let line = text[start..].split('\n').next().unwrap_or("");
            let end = line.find('}').map_or(start + line.trim_end().len(), |n| start + n + 1);
            let name = text[start..end].strip_prefix("${params.").and_then(|rest| rest.strip_suffix('}'));
            pieces.push(match name.filter(|name| is_name(name)) {
                Some(name) => Piece::Param(name, start..end),
                None => Piece::Wrong(start..end),
            });
            at = end;
        }
    }
    pieces.push(Piece::Literal(&text[at..]));
    pieces
}
