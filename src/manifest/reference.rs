//! The reference of the manifest, `docs/manifest.md`, from the table of keys.

use super::keys::{Holds, KINDS};
use super::shape::{Key, Required, Role, Shape, Table};
use std::fmt::Write;

const HEAD: &str = "\
# The manifest: datamake.toml

<!-- Generated from src/manifest/keys.rs: UPDATE=1 cargo test --test references -->

A project is declared in `datamake.toml`, in TOML. Every node is a table `[kind.name]`; a node refers to others by name.
A name begins with a letter or `_` and goes on with letters, digits, `_` and `-`. Nodes of different kinds may share a name.
Expressions are SQL, templates are Jinja. TOML's tables have no order, so where order shows (columns, parts) it is that of the names; only the fields of a reply keep
the order in which they are written.

The last column of the tables says what a key has to do with rebuilding: a **definition** is part of what is built, so changing it
makes the node stale; a **description** is for people, and changing it rebuilds nothing; an **edge** points at a node or a file
whose *contents* count, so renaming what it points at rebuilds nothing.

`schemas/datamake.schema.json` is the same as a JSON Schema, for completion in editors: begin the file with
`#:schema ./schemas/datamake.schema.json` for those that use Taplo.
";

/// Returns the text of `docs/manifest.md`.
pub fn reference() -> String {
    let mut out = HEAD.to_owned();
    for kind in KINDS {
        let title = match kind.holds {
            Holds::Nodes(_) | Holds::Overlays => format!("[{}.NAME]", kind.name),
            Holds::Keys(_) | Holds::Values => format!("[{}]", kind.name),
        };
        section(&mut out, 2, &title, kind.doc);
        code(&mut out, kind.example);
        if let Holds::Keys(spec) | Holds::Nodes(spec) = &kind.holds {
            table(&mut out, spec, kind.name);
        }
    }
    out
}

fn section(out: &mut String, level: usize, title: &str, text: &str) {
    let _ = write!(out, "\n{} `{title}`\n\n{text}\n", "#".repeat(level));
}

fn code(out: &mut String, toml: &str) {
    let _ = write!(out, "\n```toml\n{toml}```\n");
}

/// Writes a table of keys, and then those of the tables inside it.
fn table(out: &mut String, spec: &Table, path: &str) {
    let _ = write!(out, "\n| key | value | meaning | counts as |\n| --- | --- | --- | --- |\n");
    for key in spec.keys() {
        let _ =
            writeln!(out, "| `{}` | {} | {} | {} |", key.name, cell(&value(key)), cell(&meaning(key)), role(key.role));
    }
    for group in spec.groups {
        let number = if group.required == Required::No { "At most one" } else { "Exactly one" };
        let keys: Vec<String> = group.keys.iter().map(|key| format!("`{key}`")).collect();
        let alone = match group.required {
            Required::Unless(other) => format!(" (or `{other}` instead)"),
            _ => String::new(),
        };
        let _ = write!(out, "\n{number} of {}{alone}: {}.\n", keys.join(", "), group.doc);
    }
    for key in spec.keys() {
        if let Some(inner) = inner(&key.shape).filter(|_| key.name != "steps") {
            let path = format!("{path}.{}", key.name);
            let named = if is_named(&key.shape) { ".NAME" } else { "" };
            section(out, 3, &format!("{path}{named}"), key.doc);
            table(out, inner, &path);
        }
    }
}

fn inner(shape: &Shape) -> Option<&'static Table> {
    match shape {
        Shape::Table(spec) | Shape::ListOr(_, spec) => Some(spec),
        Shape::Map(_, item) | Shape::Ordered(_, item) | Shape::List(item) | Shape::OneOrMore(item) => inner(item),
        Shape::Either(one, other) => inner(one).or_else(|| inner(other)),
        _ => None,
    }
}

/// Returns whether the tables of a shape stand under names of the user's.
fn is_named(shape: &Shape) -> bool {
    match shape {
        Shape::Map(..) => true,
        Shape::Either(one, other) => is_named(one) || is_named(other),
        _ => false,
    }
}

fn value(key: &Key) -> String {
    let mut value = key.shape.expected();
    if key.required == Required::Yes {
        value.push_str("; required");
    }
    if let Some(default) = key.default {
        value.push_str(&format!("; `{default}` if left out"));
    }
    value
}

fn meaning(key: &Key) -> String {
    let with: Vec<String> = key.with.iter().map(|name| format!("`{name}`")).collect();
    if with.is_empty() { key.doc.to_owned() } else { format!("{} Only with {}.", key.doc, with.join(" or ")) }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Definition => "definition",
        Role::Description => "description",
        Role::Edge => "edge",
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
