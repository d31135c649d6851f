//! Definitions in words: the values that identify a node, flattened, the same however the file is laid out.

use super::check::{bare_or_quoted, fitting, number};
use super::decl::MaxFailed;
use super::json::json;
use super::part::part;
use super::shape::{Key, Role, Shape, Text};
use super::value::{Kind, Table, Value, as_written};
use crate::hash::Words;
use crate::table::Type;
use std::borrow::Cow;

/// Adds the words of the given keys of a table.
///
/// Descriptions and edges are left out, and so is a value that leaving the key out would mean.
pub fn keys(words: &mut Words, prefix: &str, table: &Table, keys: impl Iterator<Item = &'static Key> + Clone) {
    for (name, entry) in table {
        let Some(key) = keys.clone().find(|key| key.name == name && key.role == Role::Definition) else { continue };
        let by_default = key.default.map(|default| default.trim_matches('"'));
        if by_default.is_none() || leaf(&entry.value, &key.shape).as_deref() != by_default {
            value(words, &join(prefix, name), &entry.value, &key.shape);
        }
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

fn value(words: &mut Words, path: &str, value_: &Value, shape: &'static Shape) {
    let shape = fitting(shape, &value_.kind);
    // What is named enters by its contents.
    if matches!(shape, Shape::Text(Text::Ref)) {
        return;
    }
    let before = words.0.len();
    match (shape, &value_.kind) {
        (Shape::List(item) | Shape::OneOrMore(item) | Shape::ListOr(item, _), Kind::List(items)) => {
            for (index, one) in items.iter().enumerate() {
                value(words, &format!("{path}.{index}"), one, item);
            }
        }
        // Columns have any names, so two of them are two words.
        (Shape::Pair(item @ Shape::Text(Text::Column)), Kind::List(items)) => {
            for (index, one) in items.iter().enumerate() {
                value(words, &format!("{path}.{index}"), one, item);
            }
        }
        (Shape::OneOrMore(item), _) => value(words, &format!("{path}.0"), value_, item),
        (Shape::Map(names, item), Kind::Table(table)) => {
            for (index, (name, entry)) in table.iter().enumerate() {
                let segment = if *names == Text::Ref { index.to_string().into() } else { bare_or_quoted(name) };
                value(words, &format!("{path}.{segment}"), &entry.value, item);
            }
        }
        (Shape::Ordered(_, item), Kind::Table(table)) => {
            for (index, (name, entry)) in as_written(table).into_iter().enumerate() {
                value(words, &format!("{path}.{index}.{}", bare_or_quoted(name)), &entry.value, item);
            }
        }
        (Shape::Table(spec) | Shape::ListOr(_, spec), Kind::Table(table)) => keys(words, path, table, spec.keys()),
        _ => {
            if let Some(text) = leaf(value_, shape) {
                words.set(path, text);
            }
        }
    }
    // A step that leaves everything to its defaults is a step all the same.
    if words.0.len() == before {
        words.set(path, "{}");
    }
}

/// Writes a value that has one word.
fn leaf(value: &Value, shape: &Shape) -> Option<String> {
    match (fitting(shape, &value.kind), &value.kind) {
        (Shape::Text(Text::Type), _) => {
            value.string().map(|text| text.parse::<Type>().map_or(text.into_owned(), |ty| ty.to_string()))
        }
        (Shape::Text(_), _) => value.string().map(Cow::into_owned),
        // 1 and 1.0 are the same number where a number is wanted, and so are 0 and -0 …
        (Shape::Number(_), _) => number(value).map(|number| (number + 0.0).to_string()),
        // … but values of different types where any value is.
        (Shape::Scalar, Kind::Text(text)) => Some(format!("{text:?}")),
        (Shape::Any, _) => Some(json(value).to_string()),
        (Shape::Part, _) => Some(match part(value)? {
            MaxFailed::Rows(rows) => rows.to_string(),
            MaxFailed::Share(share) => format!("share {share}"),
        }),
        (Shape::Pair(item), Kind::List(items)) => {
            let items: Option<Vec<String>> = items.iter().map(|one| leaf(one, item)).collect();
            Some(format!("[{}]", items?.join(", ")))
        }
        (Shape::Int(..) | Shape::True | Shape::Scalar, _) => value.kind.plain().map(Cow::into_owned),
        _ => None,
    }
}
