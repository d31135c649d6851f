//! `datamake watch`: builds a node whenever something that it is made of changes, and shows what became of its rows.

mod beside;

use super::asked::{in_all, money};
use super::build::{busy, cancel, exit_of, idle, json_of, listen, money as budget, text};
use super::diff::table;
use super::out::note;
use super::progress::Progress;
use super::session::{Detail, Ending, Exit, Fail, Session};
use super::show::some_rows;
use super::words::things;
use crate::diag::{Diagnostics, Style, json, render};
use crate::fetch::{Same, Seen, Workspace};
use crate::project::{BuildOptions, Built, Project, find_root};
use crate::table::Table;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked whether something changed.
const EVERY: Duration = Duration::from_millis(250);
/// Rows that are shown the first time, where nothing can be compared.
const FIRST: usize = 5;
/// Changed rows that are shown of each kind.
const MOST: usize = 50;

/// Builds a node again whenever something changes, and shows old and new values
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  datamake watch questions                   edit a prompt, save, and see what becomes of 20 rows
  datamake watch clean --rows 5 --budget 0.10

The rows are always the same, and a part of what `datamake build` makes: their answers are not paid again. Whatever the build looked at is watched:
datamake.toml and what it includes, prompts, schemas, data files. While the manifest is wrong, its errors are told. Ctrl-C ends it, with exit code 130.")]
pub struct Watch {
    /// The node, or a part of a split
    #[arg(value_name = "NODE")]
    node: String,
    /// Asks models about so many rows of each dataset
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    rows: u64,
    /// The most that each round may spend on models
    #[arg(long, value_name = "MONEY", value_parser = budget)]
    budget: Option<f64>,
}

/// The form of the JSON.
pub const FORM: &str = "\
{ \"round\": 2, \"build\": { as of `build` }, \"table\": null | { as in `diff` } }
{ \"round\": 3, \"problems\": [problem] }

One document per round. `table` is the difference to the round before; null in the first, and where the node was not made.";

/// What is known from the rounds before.
#[derive(Default)]
struct Before {
    table: Option<Arc<Table>>,
    /// What was told to be wrong.
    problems: Option<Diagnostics>,
    seen: Seen,
    rounds: u64,
    spent: f64,
}

impl Watch {
    /// Runs the command.
    pub fn run(self, session: &mut Session) -> Ending {
        session.options.rows = Some(self.rows);
        let root = find_root(&session.directory()?)?;
        idle();
        listen()?;
        let mut before = Before::default();
        loop {
            if let Some(exit) = self.round(session, &root, &mut before)? {
                return Ok(exit);
            }
            session.out.flush()?;
            idle();
            let workspace = Workspace::open(&root);
            while workspace.is_as_it_was(&before.seen.questions()) != Same::No {
                std::thread::sleep(EVERY);
            }
            // Whoever saves may be in the middle of it, and half a prompt is not to be paid for.
            std::thread::sleep(EVERY);
            let _ = workspace.save();
        }
    }

    /// Builds once, and tells of it; returns how to end, if the user asked for it.
    fn round(&self, session: &mut Session, root: &Path, before: &mut Before) -> Result<Option<Exit>, Fail> {
        let project = match Project::watched(root, &session.options) {
            Ok(project) => project,
            Err((problems, seen)) => {
                // What cannot be read leaves nothing to compare with: then the files of before are looked at on.
                if seen != Seen::default() {
                    before.seen = seen;
                } else {
                    std::thread::sleep(EVERY);
                }
                self.wrong(session, problems, before)?;
                return Ok(None);
            }
        };
        if before.rounds == 0 {
            project.one(&self.node)?;
        }
        let built = self.build(session, &project);
        before.seen = project.seen();
        let built = match built {
            Ok(built) => built,
            Err(problems) => {
                self.wrong(session, problems, before)?;
                return Ok(None);
            }
        };
        before.problems = None;
        before.rounds += 1;
        if exit_of(&built) == Exit::Interrupted {
            return Ok(Some(Exit::Interrupted));
        }
        before.spent += in_all(&built.run).money;
        let is_fine = exit_of(&built) == Exit::Fine;
        let table = if is_fine { project.table(&self.node).ok() } else { None };
        self.tell(session, &project, &built, table.clone(), before)?;
        before.table = table.or(before.table.take());
        Ok(None)
    }

    fn build(&self, session: &Session, project: &Project) -> Result<Built, Diagnostics> {
        let progress = Progress::new(session, &project.graph);
        let target = match project.one(&self.node) {
            Ok((id, _)) => [project.graph.node(id).full_name()],
            Err(problems) => return Err(problems),
        };
        let command: Vec<String> = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
        let options = BuildOptions {
            targets: &target,
            events: &|event| {
                busy();
                progress.tell(event);
            },
            waiting: &|what| note(&format!("{what} is running: waiting for it")),
            cancel: cancel(),
            command: &command,
            budget: self.budget,
            ..BuildOptions::quiet(&target)
        };
        let built = project.build(&options);
        progress.finish();
        built
    }

    fn tell(
        &self,
        session: &mut Session,
        project: &Project,
        built: &Built,
        table: Option<Arc<Table>>,
        before: &Before,
    ) -> Result<(), Fail> {
        let diff = match (&before.table, &table) {
            (Some(old), Some(new)) => Some(project.compare(old, new, MOST)?),
            _ => None,
        };
        if session.json() {
            let diff = diff.as_ref().map_or(Value::Null, table::json);
            session.out.json(&json!({ "round": before.rounds, "build": json_of(project, built), "table": diff }))?;
            return Ok(());
        }
        if before.rounds > 1 {
            writeln!(session.out, "\n{}", session.out.paint.dim(&format!("── round {} ──", before.rounds)))?;
        }
        text(session, project, built)?;
        match (diff, table) {
            (Some(diff), _) => {
                let counts = table::counts(session.out.paint, &diff);
                let name = session.out.paint.bold(&self.node);
                writeln!(session.out, "\n{name}  {counts}")?;
                beside::text(session, &diff)?;
            }
            (None, Some(table)) => {
                writeln!(session.out)?;
                some_rows(session, project, &self.node, &table, FIRST)?;
            }
            (None, None) => {}
        }
        let sum = match before.spent {
            spent if spent > 0.0 && before.rounds > 1 => {
                format!("spent {} in {}; ", money(spent), things(before.rounds, "round"))
            }
            _ => String::new(),
        };
        self.watching(session, &sum)
    }

    /// Tells what is wrong, unless it was told already.
    fn wrong(&self, session: &mut Session, problems: Diagnostics, before: &mut Before) -> Result<(), Fail> {
        if before.problems.as_ref() == Some(&problems) {
            return Ok(());
        }
        before.rounds += 1;
        if session.json() {
            session.out.json(&json!({ "round": before.rounds, "problems": json(&problems) }))?;
        } else {
            session.out.flush()?;
            note(&format!("\n{}", render(&problems, Style::Plain).trim_end()));
            self.watching(session, "")?;
        }
        before.problems = Some(problems);
        Ok(())
    }

    fn watching(&self, session: &mut Session, before: &str) -> Result<(), Fail> {
        session.out.flush()?;
        if session.detail > Detail::Quiet {
            note(&format!("{before}watching; Ctrl-C ends it"));
        }
        Ok(())
    }
}
