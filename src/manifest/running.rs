//! `run`: its keys, and its declaration, as a step and as a maker.

use super::check;
use super::decl::{Run, Spanned};
use super::declare::{Declarer, some};
use super::keys;
use super::shape::Role::{Definition, Description, Edge};
use super::shape::{self, Range, Shape, key};
use super::value::{At, Entry, Table};
use crate::diag::{Diagnostic, Span};
use crate::format::Format;
use crate::op::{ERROR, Per};
use std::time::Duration;

const WORD: Shape = Shape::Text(shape::Text::Plain);

pub static RUN: shape::Table = shape::Table {
    sections: &[&[
        key(
            "command",
            Definition,
            Shape::List(&WORD),
            "The program and its arguments, one word each; no shell reads them. It works in the project's folder.",
        )
        .required(),
        key(
            "per",
            Definition,
            Shape::Text(shape::Text::OneOf(&["row", "group", "table"])),
            "What it is given: `row`: some rows, of which it answers each with one, in order; `group`: some rows, for any number of others; \
             `table`: all rows, for any number of others. A maker is given nothing.",
        )
        .default("\"row\""),
        key(
            "reads",
            Definition,
            Shape::List(&Shape::Text(shape::Text::Column)),
            "The columns that it is given, in this order. Without it, all.",
        ),
        key(
            "columns",
            Definition,
            Shape::Ordered(shape::Text::Column, &Shape::Text(shape::Text::Type)),
            "The columns that it writes, and their types. With `per = \"row\"` they are added to the row; otherwise the rows have these alone, \
             in this order.",
        )
        .required(),
        key(
            "inputs",
            Edge,
            Shape::List(&Shape::Text(shape::Text::Pattern)),
            "The files that it reads, itself included; their contents enter the key. Patterns relative to the project.",
        ),
        key(
            "env",
            Edge,
            Shape::List(&Shape::Text(shape::Text::Variable)),
            "The environment variables that it gets beside `PATH` and `HOME`; the hashes of their values enter the key.",
        ),
        key(
            "format",
            Definition,
            Shape::Text(shape::Text::OneOf(&["jsonl", "arrow"])),
            "How rows are written on its stdin and stdout: `jsonl`: one JSON object a line; `arrow`: a stream of Arrow IPC.",
        )
        .default("\"jsonl\""),
        key(
            "timeout",
            Description,
            Shape::Number(Range::Seconds),
            "Seconds that it may take for a row group, or for the whole table.",
        )
        .default("3600"),
        key("jobs", Description, Shape::Int(1, 1024), "Processes at once. Without it, as many as threads."),
        key(
            "stays",
            Description,
            Shape::True,
            "It stays between row groups, and says so with its first line. With the Python module it does so by itself.",
        ),
    ]],
    groups: &[],
};

/// Returns whether `run` is what makes a dataset, and no step.
pub fn is_maker(dataset: &Table) -> bool {
    let other = ["files", "synth", "mix", "concat", "from", "sql"];
    dataset.contains_key("run") && !other.iter().any(|maker| dataset.contains_key(maker))
}

/// Returns the steps that a dataset may have inline.
pub fn inline_steps(dataset: &Table) -> impl Iterator<Item = &'static shape::Key> + Clone + use<> {
    let maker = is_maker(dataset);
    keys::STEP.iter().filter(move |key| !(maker && key.name == "run"))
}

impl Declarer<'_> {
    /// Reports what stands beside a step `run` and excludes it, or has no meaning there.
    pub(super) fn beside_run(&mut self, name: &str, dataset: &Table) {
        let Some(run) = dataset.get("run").filter(|_| !is_maker(dataset)) else { return };
        if let Some(key) =
            dataset.get("key").filter(|_| !dataset.contains_key("files") && !dataset.contains_key("synth"))
        {
            let title = format!("`key` in `dataset.{name}` has no meaning beside a step `run`");
            self.error("stray-key", title, key.key, "has no effect");
        }
        let is_step = |key: &str| key == "steps" || keys::STEP.iter().any(|step| step.name == key && key != "run");
        let others: Vec<(String, At)> =
            dataset.iter().filter(|(key, _)| is_step(key)).map(|(key, entry)| (key.to_string(), entry.key)).collect();
        for (other, at) in others {
            let title = format!("`run` and `{other}` exclude each other in `dataset.{name}`");
            let problem = Diagnostic::error("exclusive-keys", title).at(&self.span(at), "or this");
            let problem = problem.at(&self.span(run.key), "either this");
            self.problems.push(problem.note("a dataset has one step inline, or several in `steps`"));
        }
    }

    /// Reads `run`.
    pub(super) fn run(&mut self, table: &Table, span: Span, is_maker: bool) -> Option<Run> {
        let word = self.text(table, "per").map(|per| per.value);
        let per = match word.as_deref() {
            _ if is_maker => Per::Maker,
            Some("group") => Per::Group,
            Some("table") => Per::Table,
            _ => Per::Row,
        };
        for key in ["per", "reads"] {
            if let (Some(entry), Per::Maker) = (table.get(key), per) {
                self.error(
                    "stray-key",
                    format!("`{key}` has no meaning for a maker"),
                    entry.key,
                    "it is given no rows",
                );
            }
        }
        if let (Some(entry), Per::Maker | Per::Table) = (table.get("stays"), per) {
            let label = "there is no next row group to stay for";
            self.error("stray-key", "`stays` has no meaning for a program that runs once".to_owned(), entry.key, label);
        }
        let entry: Option<&Entry> = table.get("columns");
        let columns = entry.and_then(|entry| entry.value.table()).into_iter().flat_map(super::value::as_written);
        let mut writes = Vec::new();
        for (name, entry) in columns {
            let name = self.name(name, entry);
            if name.value == ERROR && per == Per::Row {
                let title = "a program cannot make a column `error`, row by row".to_owned();
                let problem = self.error("reserved-column", title, entry.key, "reserved");
                problem.notes.push("with `{\"error\": \"why\"}` a program says that a row has no answer".to_owned());
            }
            let ty = entry.value.string().filter(|text| text.len() < 200).and_then(|text| text.parse().ok());
            writes.extend(ty.map(|ty| (name, Spanned { value: ty, span: self.span(entry.value.at) })));
        }
        let reads = table.contains_key("reads").then(|| self.texts(table, "reads"));
        let seconds = table.get("timeout").map_or(Some(3600.0), |entry| check::number(&entry.value))?;
        Some(Run {
            command: some(self.texts(table, "command"))?,
            per,
            reads,
            columns: some(writes)?,
            inputs: self.texts(table, "inputs"),
            env: self.texts(table, "env"),
            format: match self.text(table, "format") {
                Some(format) if format.value == "arrow" => Format::Arrow,
                _ => Format::Jsonl,
            },
            timeout: Duration::try_from_secs_f64(seconds).ok()?,
            jobs: self.count(table, "jobs").and_then(|jobs| usize::try_from(jobs.value).ok()),
            stays: table.contains_key("stays"),
            span,
        })
    }
}
