//! Overlays: profiles and `--set`, laid onto the declarations before anything is checked.

use super::keys::{self, Holds};
use super::value::{At, Converter, Entry, Kind, Layer, Origin, Table, Value, into_owned};
use crate::diag::{Diagnostic, Source, list};
use std::sync::Arc;
use toml::de::{DeTable, DeValue};

/// The path of the source that holds the values of `--set`, one a line.
pub const SET: &str = "--set";

/// Lays an overlay onto the declarations; what cannot be overlaid is reported and left out.
pub fn apply<'t>(
    base: &mut Table<'t>,
    over: Table<'t>,
    layer: Layer,
    sources: &[Arc<Source>],
    problems: &mut Vec<Diagnostic>,
) {
    for (name, mut entry) in check(over, sources, problems) {
        entry.value.brought_by(layer);
        if let (true, Kind::Table(over)) = (&*name == "params", &mut entry.value.kind) {
            let known = base.get(&name).and_then(|params| params.value.table());
            over.retain(|param, given| {
                let there = known.is_some_and(|known| known.contains_key(param));
                if !there {
                    let names = || known.into_iter().flatten().map(|(name, _)| name);
                    let problem = Diagnostic::error("unknown-param", format!("there is no param `{param}`"));
                    let problem =
                        problem.at(&given.key.span(sources), "not in `[params]`").did_you_mean(param, names());
                    problems.push(problem.note(format!("the params are {}", list(names()))));
                }
                there
            });
        }
        match base.get_mut(&name) {
            Some(known) => known.value.overlay(entry.value),
            None => base.insert(name, entry),
        }
    }
}

/// Returns what of an overlay can be laid onto something, and reports the rest.
pub fn check<'t>(over: Table<'t>, sources: &[Arc<Source>], problems: &mut Vec<Diagnostic>) -> Table<'t> {
    let names = || {
        let overlaid = |kind: &&keys::Kind| kind.name != "project" && !matches!(kind.holds, Holds::Overlays);
        keys::KINDS.iter().filter(overlaid).map(|kind| kind.name)
    };
    let mut kept = Table::new();
    for (name, entry) in over {
        let problem = if !names().any(|kind| kind == &*name) {
            let problem = Diagnostic::error("unknown-kind", format!("`{name}` cannot be overlaid"));
            let problem =
                problem.at(&entry.key.span(sources), "not a kind that overlays know").did_you_mean(&name, names());
            problem.note(format!("the kinds are {}", list(names())))
        } else if let Some(bad) = not_a_table(&name, &entry) {
            let problem = Diagnostic::error("wrong-type", format!("`{}` must be a table", bad.0));
            problem.at(&bad.1.at.span(sources), format!("found {}", bad.1.kind.name()))
        } else {
            kept.insert(name, entry);
            continue;
        };
        problems.push(problem);
    }
    kept
}

fn not_a_table<'e>(name: &str, entry: &'e Entry<'_>) -> Option<(String, &'e Value<'e>)> {
    let Some(nodes) = entry.value.table() else { return Some((name.to_owned(), &entry.value)) };
    let holds_nodes = matches!(keys::kind(name)?.holds, Holds::Nodes(_));
    let node = nodes.iter().find(|(_, node)| holds_nodes && node.value.table().is_none())?;
    Some((format!("{name}.{}", node.0), &node.1.value))
}

/// Makes the source that problems in `--set` point into.
pub fn source(set: &[String]) -> Arc<Source> {
    Source::new(SET, set.join("\n"))
}

/// Reads each `path.to.key=value`: the value as TOML, else as a string.
pub fn parse_set(
    set: &[String],
    sources: &[Arc<Source>],
    source: usize,
    problems: &mut Vec<Diagnostic>,
) -> Vec<Table<'static>> {
    let mut tables = Vec::new();
    let mut offset = 0;
    for line in set {
        let mut converter = Converter { sources, source, offset, problems: Vec::new() };
        match parse_one(line, &mut converter) {
            Ok(table) => tables.push(table),
            Err(why) => {
                let at = At::new(source, offset..offset + line.len());
                let problem = Diagnostic::error("invalid-set", format!("`{line}` does not set a key"));
                problems.push(problem.at(&at.span(sources), why).help("write `--set path.to.key=value`"));
            }
        }
        problems.append(&mut converter.problems);
        offset += line.len() + 1;
    }
    tables
}

fn parse_one(line: &str, converter: &mut Converter<'_>) -> Result<Table<'static>, &'static str> {
    let mut quote = None;
    let equals = line.char_indices().find(|(_, c)| {
        match (quote, *c) {
            (None, '"' | '\'') => quote = Some(*c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
        quote.is_none() && *c == '='
    });
    let (equals, _) = equals.ok_or("there is no `=`")?;
    let path = format!("{}=0", &line[..equals]);
    let (path, errors) = DeTable::parse_recoverable(&path);
    if !errors.is_empty() || line[..equals].contains('#') {
        return Err("what stands before `=` is not a path of keys");
    }
    let mut table = into_owned(converter.table(path.into_inner()));
    let raw = &line[equals + 1..];
    let start = equals + 1 + (raw.len() - raw.trim_start().len());
    let value = set_value(raw.trim(), start, converter);
    put_leaf(&mut table, value);
    Ok(table)
}

/// Puts a value in place of the one at the end of a path of single keys.
fn put_leaf(path: &mut Table<'static>, value: Value<'static>) {
    if let Some(entry) = path.values_mut().next() {
        match &mut entry.value.kind {
            Kind::Table(inner) => put_leaf(inner, value),
            _ => entry.value = value,
        }
    }
}

fn set_value(text: &str, start: usize, converter: &mut Converter<'_>) -> Value<'static> {
    if !text.is_empty()
        && let Ok(value) = DeValue::parse(text)
    {
        let offset = converter.offset;
        converter.offset += start;
        let value = converter.value(value).into_owned();
        converter.offset = offset;
        return value;
    }
    let start = converter.offset + start;
    let at = At::new(converter.source, start..start + text.len());
    Value { at, kind: Kind::Text(text.to_owned().into()), origin: Origin::Written }
}
