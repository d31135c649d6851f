//! The reference of the language, `docs/expressions.md`, written from the tables.

use super::{aggregate, functions};
use std::fmt::Write;

const INTRODUCTION: &str = include_str!("reference.md");

/// Returns the text of `docs/expressions.md`.
pub fn reference() -> String {
    let mut out = INTRODUCTION.to_owned();
    for (title, table) in functions::SECTIONS {
        section(
            &mut out,
            title,
            table.iter().map(|f| {
                let forms = f.forms.iter().map(|(form, _)| *form).collect();
                (f.name, f.also, forms, f.doc, f.example)
            }),
        );
    }
    out.push_str(
        "\n## Aggregates\n\nThe examples are over the rows `x = 1, 2, 2, null`, `ok = true, false, true, true`, `word = 'a', 'b', 'b', null`.\n",
    );
    rows(
        &mut out,
        aggregate::all().map(|f| {
            let forms = f.forms.iter().map(|(form, ..)| *form).collect();
            (f.name, f.also, forms, f.doc, f.example)
        }),
    );
    out
}

type Row<'a> = (&'a str, &'a [&'a str], Vec<&'a str>, &'a str, (&'a str, &'a str));

fn section<'a>(out: &mut String, title: &str, entries: impl Iterator<Item = Row<'a>>) {
    put(out, format_args!("\n## {title}\n"));
    rows(out, entries);
}

fn rows<'a>(out: &mut String, entries: impl Iterator<Item = Row<'a>>) {
    out.push_str("\n| name | takes → gives | what | example |\n| --- | --- | --- | --- |\n");
    let cell = |text: &str| text.replace('|', "\\|");
    for (name, also, forms, doc, (example, result)) in entries {
        let names: Vec<String> = std::iter::once(&name).chain(also).map(|name| format!("`{}`", cell(name))).collect();
        let form = |form: &&str| {
            // Patterns are strings; what is shown may be of any type.
            let words = form.replace(": shown", ": any").replace(": regex", ": string").replace(": like", ": string");
            format!("`{}`", cell(words.replace(" -> ", " → ").trim()))
        };
        let forms: Vec<String> = forms.iter().map(form).collect();
        put(
            out,
            format_args!(
                "| {} | {} | {} | `{}` → `{}` |\n",
                names.join(", "),
                forms.join("<br>"),
                cell(doc),
                cell(example),
                cell(result)
            ),
        );
    }
}

fn put(out: &mut String, text: std::fmt::Arguments) {
    out.write_fmt(text).expect("writing to a string does not fail");
}
