//! `datamake check`: all that is wrong, at once.

use super::session::{Ending, Exit, Session, exit_of};
use super::words::things;
use crate::manifest::Manifest;
use crate::project::{Findings, Project, Verdict};
use serde_json::json;
use std::io::Write;

/// Checks the manifest, its templates and its expressions, and reports every error at once
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  datamake check
  datamake check --profile quick     with a profile laid on
  datamake check --json              for editors: places as lines, columns and bytes

A mistake in one node hides none in the others: all is checked that does not need it. Exit code 1: nothing is wrong with the project, but a node failed when
it was built as it is: its rows, or a test. Exit code 2: something is wrong with it.")]
pub struct Check {}

/// The form of the JSON.
pub const FORM: &str = "\
{ \"fine\": true, \"datasets\": 3, \"models\": 0, \"lms\": 0, \"prompts\": 1, \"filters\": 0, \"metrics\": 2, \"tests\": 0, \"exports\": 1, \"problems\": [] }

With errors `fine` is false and the counts are missing. A problem, here and in every other command that ends with one:

{ \"severity\": \"error\" | \"warning\", \"code\": \"unknown-column\", \"title\": \"…\", \"notes\": [\"…\"], \"help\": [\"…\"],
  \"labels\": [{ \"path\": \"datamake.toml\", \"line\": 3, \"column\": 9, \"end_line\": 3, \"end_column\": 12, \"start\": 40, \"end\": 43, \"text\": \"…\" }] }

Lines and columns count from 1, bytes from 0. The first label is where to edit.";

impl Check {
    /// Runs the command.
    pub fn run(self, session: &mut Session) -> Ending {
        let found = Project::find_all(&session.root()?, &session.options);
        let (problems, counts, exit) = match found {
            Ok(Findings { graph, problems, verdict: Verdict::Fine }) => (problems, counts(&graph.manifest), Exit::Fine),
            Ok(Findings { problems, verdict: Verdict::Failed, .. }) => (problems, Vec::new(), Exit::Failed),
            Ok(Findings { problems, .. }) | Err(problems) => {
                let exit = exit_of(&problems);
                (problems, Vec::new(), exit)
            }
        };
        if session.json() {
            let mut value = json!({ "fine": exit == Exit::Fine, "problems": crate::diag::json(&problems) });
            counts.iter().for_each(|(thing, n)| value[format!("{thing}s")] = json!(n));
            session.out.json(&value)?;
            return Ok(exit);
        }
        // Errors and warnings together: whoever mends the one mends the other.
        session.tell(&problems)?;
        if exit != Exit::Fine {
            return Ok(exit);
        }
        let parts = counts.iter().filter(|(_, n)| *n > 0).map(|(thing, n)| things(*n as u64, word(thing)));
        let parts: Vec<String> = parts.collect();
        let what = if parts.is_empty() { "nothing is declared yet".to_owned() } else { parts.join(", ") };
        if session.detail > super::session::Detail::Quiet {
            writeln!(session.out, "fine: {what}")?;
        }
        Ok(Exit::Fine)
    }
}

/// Returns what a kind of node is called in words.
fn word(kind: &'static str) -> &'static str {
    if kind == "lm" { "language model" } else { kind }
}

/// Counts what a manifest declares.
fn counts(manifest: &Manifest) -> Vec<(&'static str, usize)> {
    vec![
        ("dataset", manifest.datasets.len()),
        ("model", manifest.models.len()),
        ("lm", manifest.lms.len()),
        ("prompt", manifest.prompts.len()),
        ("filter", manifest.filters.len()),
        ("metric", manifest.metrics.len()),
        ("test", manifest.tests.len()),
        ("export", manifest.exports.len()),
    ]
}
