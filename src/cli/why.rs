//! `datamake why`: the causes for which a node is stale, or was made last.

use super::cause;
use super::names::Names;
use super::plan::{extent, node_json, word};
use super::session::{Detail, Ending, Exit, Session};
use super::words::{ago, count, now, things, utc};
use crate::exec::State;
use crate::graph::Graph;
use crate::history::{Build, Made};
use crate::plan::Reason;
use crate::project::{Explanation, PlannedNode};
use serde_json::{Value, json};
use std::io::{self, Write};

/// Tells why a node is stale, or why it was made last
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  datamake why clean
  datamake why metric.accuracy     where a dataset has the same name
  datamake why clean -v            all lines of a text that changed")]
pub struct Why {
    /// The node
    #[arg(value_name = "NODE")]
    node: String,
}

/// The form of the JSON.
pub const FORM: &str = "\
{ \"now\": { as a node of `plan` }, \"upstream\": [{ as a node of `plan` }],
  \"last\": null | { \"build\": 7, \"time\": \"2026-01-02T03:04:05Z\", \"groups\": 5, \"groups_made\": 2, \"rows_made\": 400, \"actions\": 2, \"reasons\": [reason] } }

`upstream` has what the node needs and is not fresh; `last` is the last build that made the node.";

impl Why {
    /// Runs the command.
    pub fn run(self, session: &mut Session) -> Ending {
        let project = session.project()?;
        let found = project.explain(&self.node)?;
        if session.json() {
            session.out.json(&json_of(&project.graph, &found))?;
        } else {
            text(session, &project.graph, &found)?;
        }
        Ok(Exit::Fine)
    }
}

fn text(session: &mut Session, graph: &Graph, found: &Explanation) -> io::Result<()> {
    let (paint, names) = (session.out.paint, Names::new(graph));
    let name = names.of(found.now.node);
    let extent = extent(&found.now.state, &names);
    let out = &mut session.out;
    match &found.now.state {
        State::Fresh => writeln!(out, "{} is {}", paint.bold(&name), paint.green("fresh"))?,
        State::Stale(_) if extent.is_empty() => writeln!(out, "{} is {}", paint.bold(&name), paint.yellow("stale"))?,
        State::Stale(_) => {
            writeln!(out, "{} is {}: a build would redo {extent}", paint.bold(&name), paint.yellow("stale"))?;
        }
        State::Done(_) => writeln!(out, "{} is to be made anew, but {extent}", paint.bold(&name))?,
        _ => writeln!(out, "{} is {} {extent}", paint.bold(&name), word(&found.now.state))?,
    }
    reasons(session, &found.now.reasons, 1)?;
    for one in &found.upstream {
        upstream(session, &names, one)?;
    }
    let Some((build, made)) = &found.last else {
        return writeln!(session.out, "it was never built here");
    };
    let rows = things(made.rows_made, "row");
    let work = match made {
        Made { groups_made: 0, .. } | Made { groups: 0, .. } => String::new(),
        Made { groups, groups_made, .. } if groups == groups_made => format!(", {rows} made"),
        Made { groups, groups_made, .. } => {
            format!(", {} of {}, {rows} made", count(*groups_made), things(*groups, "row group"))
        }
    };
    let when = ago(now(), build.time);
    writeln!(session.out, "it was made last in build {}, {when}{work}", build.number)?;
    last(session, build, &made.reasons, 1, &mut Vec::new())
}

fn reasons(session: &mut Session, reasons: &[Reason], depth: usize) -> io::Result<()> {
    let most = (session.detail == Detail::Verbose).then_some(usize::MAX);
    for reason in reasons {
        for line in cause::full(reason, session.out.paint, most) {
            writeln!(session.out, "{}{line}", "  ".repeat(depth))?;
        }
    }
    Ok(())
}

/// Tells of a node upstream that something has to be done for.
fn upstream(session: &mut Session, names: &Names, one: &PlannedNode) -> io::Result<()> {
    // Those that wait for others have no reasons of their own to tell.
    if one.reasons.is_empty() {
        return Ok(());
    }
    let word = if matches!(one.state, State::Done(_)) { "reused" } else { word(&one.state) };
    writeln!(session.out, "  {} is {word}", session.out.paint.bold(&names.of(one.node)))?;
    reasons(session, &one.reasons, 2)
}

/// Tells why a node was made in a build, and what it needs too, as far as the same build made it.
fn last(session: &mut Session, build: &Build, why: &[Reason], depth: usize, seen: &mut Vec<String>) -> io::Result<()> {
    for reason in why {
        reasons(session, std::slice::from_ref(reason), depth)?;
        let Reason::Input { name } = reason else { continue };
        let dataset = format!("dataset.{}", name.split('.').next().unwrap_or(name));
        if seen.contains(&dataset) {
            continue;
        }
        seen.push(dataset.clone());
        if let Some(made) = build.nodes.get(&dataset) {
            last(session, build, &made.reasons, depth + 1, seen)?;
        }
    }
    Ok(())
}

fn json_of(graph: &Graph, found: &Explanation) -> Value {
    let last = found.last.as_ref().map(|(build, made)| {
        json!({
            "build": build.number, "time": utc(build.time), "groups": made.groups, "groups_made": made.groups_made,
            "rows_made": made.rows_made, "actions": made.actions, "reasons": cause::json(&made.reasons),
        })
    });
    let upstream: Vec<Value> = found.upstream.iter().map(|one| node_json(graph, one)).collect();
    json!({ "now": node_json(graph, &found.now), "upstream": upstream, "last": last })
}
