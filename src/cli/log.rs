//! `datamake log`: the builds of this checkout.

use super::asked;
use super::cause;
use super::grid::Grid;
use super::names::some;
use super::session::{Detail, Ending, Exit, Session};
use super::words::{ago, now, number, plain, seconds, utc};
use crate::fetch::models::Traffic;
use crate::history::{Build, Made};
use serde_json::{Value, json};
use std::io::Write;

/// Lists the builds of this checkout, the last one first
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  datamake log
  datamake log -n 3 -v       the last three, with what was made and why
  datamake log --json

Builds in which nothing changed are not listed. `datamake diff 3 5` compares two of them.")]
pub struct Log {
    /// How many builds to list
    #[arg(short, value_name = "N", default_value_t = 20)]
    n: usize,
}

/// The form of the JSON.
pub const FORM: &str = "\
{ \"builds\": [{ \"build\": 7, \"time\": \"2026-01-02T03:04:05Z\", \"seconds\": 0.21, \"commit\": \"…\" | null, \"command\": [\"build\"], \"ran\": 31, \"reused\": 120,
              \"made\": [{ \"node\": \"dataset.clean\", \"groups\": 5, \"groups_made\": 2, \"rows_made\": 400, \"actions\": 2, \"reasons\": [reason] }],
              \"failed\": [\"dataset.x\"], \"alarms\": [{ \"metric\": \"metric.accuracy\", \"on\": 0, \"before\": 0.84, \"after\": 0.71 | null }], \"asked\": asked }] }";

impl Log {
    /// Runs the command.
    pub fn run(self, session: &mut Session) -> Ending {
        let history = session.project()?.history()?;
        let all: Vec<Build> = history.builds().collect();
        let builds: Vec<&Build> = all.iter().rev().take(self.n).collect();
        if session.json() {
            let builds: Vec<Value> = builds.into_iter().map(json_of).collect();
            session.out.json(&json!({ "builds": builds }))?;
            return Ok(Exit::Fine);
        }
        if all.is_empty() {
            writeln!(session.out, "nothing was built here yet")?;
            return Ok(Exit::Fine);
        }
        let (paint, now) = (session.out.paint, now());
        let mut grid = Grid::default();
        for build in &builds {
            grid.row([
                paint.bold(&format!("build {}", build.number)),
                format!("{}, {}", utc(build.time), ago(now, build.time)),
                seconds(build.seconds),
                build.commit.as_deref().map_or_else(String::new, short_commit),
                paint.dim(&plain(&format!("datamake {}", build.command.join(" ")))),
            ]);
            if !build.nodes.is_empty() && session.detail < Detail::Verbose {
                grid.under(format!("made {}", some(build.nodes.keys().map(|name| short(name)))));
            }
            if session.detail == Detail::Verbose {
                for (name, Made { reasons, .. }) in &build.nodes {
                    reasons
                        .iter()
                        .for_each(|reason| grid.under(format!("made {}: {}", short(name), cause::line(reason))));
                }
            }
            let asked = asked_in(build);
            if asked != Traffic::default() {
                grid.under(format!("asked {}", asked::traffic(&asked, None)));
            }
            for alarm in &build.alarms {
                let after = alarm.after.map_or("none".to_owned(), number);
                let name = alarm.metric.strip_prefix("metric.").unwrap_or(&alarm.metric);
                let line = format!("{} {name}: {} → {after}", paint.yellow("alarm"), number(alarm.before));
                grid.under(line);
            }
            if !build.failed.is_empty() {
                grid.under(format!("{} {}", paint.red("failed"), some(build.failed.iter().map(|name| short(name)))));
            }
        }
        for line in grid.lines(session.out.width) {
            writeln!(session.out, "{line}")?;
        }
        if builds.len() < all.len() {
            let text = format!("{} before; -n tells how many to list", all.len() - builds.len());
            writeln!(session.out, "{}", paint.dim(&text))?;
        }
        Ok(Exit::Fine)
    }
}

/// Adds up what a build asked.
fn asked_in(build: &Build) -> Traffic {
    let mut sum = Traffic::default();
    build.traffic.values().flat_map(|steps| steps.values()).for_each(|traffic| sum += *traffic);
    sum
}

/// Cuts a commit to what people use; a `+` tells that files were changed since.
fn short_commit(commit: &str) -> String {
    let short: String = commit.chars().take(8).collect();
    if commit.len() > 8 && commit.ends_with('+') { short + "+" } else { short }
}

/// Returns the name of a node without its kind where that is most likely clear.
fn short(full: &str) -> String {
    full.strip_prefix("dataset.").unwrap_or(full).to_owned()
}

fn json_of(build: &Build) -> Value {
    let made = |(name, made): (&String, &Made)| {
        json!({
            "node": name, "groups": made.groups, "groups_made": made.groups_made, "rows_made": made.rows_made,
            "actions": made.actions, "reasons": cause::json(&made.reasons),
        })
    };
    json!({
        "build": build.number, "time": utc(build.time), "seconds": build.seconds, "commit": build.commit, "command": build.command,
        "ran": build.ran, "reused": build.reused, "asked": asked::json(&asked_in(build)),
        "made": build.nodes.iter().map(made).collect::<Vec<Value>>(), "failed": build.failed,
        "alarms": build.alarms,
    })
}
