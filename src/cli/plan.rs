//! `datamake plan`: what a build would do, and why.

mod asks;

use super::cause;
use super::figures;
use super::grid::Grid;
use super::names::Names;
use super::session::{Detail, Ending, Exit, Session};
use super::words::{count, things};
use crate::exec::{State, Work};
use crate::graph::{Graph, NodeId};
use crate::plan::Reason;
use crate::project::{BuildOptions, Planned, PlannedNode, Project};
use serde_json::{Value, json};
use std::io::{self, Write};

/// Tells what a build would redo, and why; runs nothing
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  datamake plan                      what `datamake build` would do
  datamake plan clean                for one node and all that it needs
  datamake plan --set params.n=20    with another value
  datamake plan -v                   fresh nodes too

A plan reads new data, and does the work in memory for half a gigabyte of columns, so it tells what a build will do and which rows will fail;
nothing is written. Of models it tells how many requests are still to be made, about how many tokens they take and what that costs: from what was answered at the same step, or else
from the length of the messages and `max_tokens`, which is the most that replies can have. A node is `new`, `stale` (with the row groups and rows that would be redone), `unknown` where more than that lies before it, or fresh.
`reuse` is a node whose definition changed, but not what has to run for it. Exit code 1: a node would fail.")]
pub struct Plan {
    /// Names or patterns of nodes; without any, all
    #[arg(value_name = "NODE")]
    nodes: Vec<String>,
}

/// The form of the JSON.
pub const FORM: &str = "\
{ \"nodes\": [{ \"node\": \"dataset.clean\", \"state\": \"fresh\" | \"stale\" | \"reuse\" | \"unknown\" | \"failed\",
             \"groups\": 5, \"groups_stale\": 2, \"rows_stale\": 400, \"failed\": [{ \"step\", \"reason\", \"rows\" }], \"until\": [\"dataset.seeds\"], \"reasons\": [reason],
             \"asks\": [{ \"step\": 1, \"model\": \"writer\", \"requests\": 10, \"at_most\": false, \"sent_back\": 0, \"input_tokens\": 80, \"output_tokens\": 640, \"money\": 0.0012 | null,
                        \"estimate\": \"past\" | \"guess\" }] }],
  \"fresh\": 9, \"stale\": 1, \"reuse\": 0, \"unknown\": 3,
  \"asks\": { \"requests\": 10, \"at_most\": false, \"sent_back\": 0, \"more\": false, \"input_tokens\": 80, \"output_tokens\": 640, \"money\": 0.0012 | null } }

`groups`, `rows_stale` and `failed` (rows that would have no value, as far as a plan can know) are of stale nodes, `until` of unknown ones. `asks` has what models would be asked: `requests` counts the answers that come of them, each text to embed for itself (`answers`
of a build; up to 64 texts share one HTTP request); `at_most` tells that a filter may yet drop rows before they ask, or that an answer within another `max_tokens` may do;
`sent_back` is how many requests there may be on top, at most, for replies that do not have the form that is wanted;
`estimate` whether tokens and money follow from answers to the same step (`past`) or from messages and `max_tokens` (`guess`: the most that replies can have, none of them sent back). Tokens and money
that cannot be told are null, as `requests`, `step` and `model` are where others have to run first; `more` tells that there are such nodes.";

impl Plan {
    /// Runs the command.
    pub fn run(self, session: &mut Session) -> Ending {
        let project = session.project_with_warnings()?;
        let planned = project.plan(&BuildOptions::quiet(&self.nodes))?;
        if session.json() {
            session.out.json(&json_of(&project, &planned))?;
        } else {
            text(session, &project, &planned)?;
        }
        let failed = planned.nodes.iter().any(|one| matches!(one.state, State::Failed(_)));
        Ok(if failed { Exit::Failed } else { Exit::Fine })
    }
}

/// How many nodes are in each state.
#[derive(Default)]
struct Counts {
    fresh: u64,
    stale: u64,
    reuse: u64,
    unknown: u64,
    work: Work,
}

impl Counts {
    fn of(planned: &Planned) -> Counts {
        let mut counts = Counts::default();
        for one in &planned.nodes {
            match &one.state {
                State::Fresh => counts.fresh += 1,
                State::Done(_) => counts.reuse += 1,
                State::Stale(work) => {
                    counts.stale += 1;
                    counts.work.groups += work.groups;
                    counts.work.groups_made += work.groups_made;
                    counts.work.rows_made += work.rows_made;
                }
                State::Unknown(_) | State::Skipped(_) | State::Failed(_) => counts.unknown += 1,
            }
        }
        counts
    }
}

/// Returns the word for what would become of a node.
pub fn word(state: &State) -> &'static str {
    match state {
        State::Fresh => "fresh",
        State::Done(_) => "reuse",
        State::Stale(_) => "stale",
        State::Unknown(_) | State::Skipped(_) => "unknown",
        State::Failed(_) => "failed",
    }
}

/// Tells how much would be done, or until when it is unknown.
pub fn extent(state: &State, names: &Names) -> String {
    match state {
        State::Stale(work) => share(work),
        State::Done(_) => "all that it needs is known, nothing would run".to_owned(),
        State::Unknown(until) if until.is_empty() => "until others ran".to_owned(),
        State::Unknown(until) => format!("until {} ran", names.list(until)),
        State::Skipped(failed) => format!("{} fails", names.of(*failed)),
        State::Fresh | State::Failed(_) => String::new(),
    }
}

/// Writes `2 of 5 row groups, 400 rows`.
fn share(work: &Work) -> String {
    match work {
        Work { groups: 0, .. } => String::new(),
        Work { groups, groups_made, rows_made, .. } if groups == groups_made => {
            format!("{}, {}", things(*groups, "row group"), things(*rows_made, "row"))
        }
        // Rows that nobody had to count: an op over the whole table.
        Work { groups_made: 0, groups, .. } => format!("none of {} for itself", things(*groups, "row group")),
        Work { groups, groups_made, rows_made, .. } => {
            format!("{} of {}, {}", count(*groups_made), things(*groups, "row group"), things(*rows_made, "row"))
        }
    }
}

fn text(session: &mut Session, project: &Project, planned: &Planned) -> io::Result<()> {
    let (paint, names, counts) = (session.out.paint, Names::new(&project.graph), Counts::of(planned));
    let verbose = session.detail == Detail::Verbose;
    let mut grid = Grid::default();
    for one in &planned.nodes {
        let new = one.reasons == [Reason::New];
        let word = word(&one.state);
        let shown = match &one.state {
            State::Fresh if !verbose => continue,
            _ if new => paint.green("new"),
            State::Fresh => paint.green(word),
            State::Stale(_) => paint.yellow(word),
            State::Failed(_) => paint.red(word),
            _ => paint.dim(word),
        };
        grid.row([shown, paint.bold(&names.of(one.node)), extent(&one.state, &names)]);
        if !new {
            one.reasons.iter().for_each(|reason| grid.under(cause::line(reason)));
        }
        figures::failed(&one.failed).iter().for_each(|failed| grid.under(format!("would have {failed}")));
        asks::lines(planned, one.node, &names).into_iter().for_each(|line| grid.under(line));
    }
    grid.lines(session.out.width).iter().try_for_each(|line| writeln!(session.out, "{line}"))?;
    for one in &planned.nodes {
        if let State::Failed(problems) = &one.state {
            session.tell(problems)?;
        }
    }
    if counts.stale + counts.reuse + counts.unknown == 0 {
        return writeln!(session.out, "nothing to do: {}", super::build::all_fresh(counts.fresh));
    }
    let mut parts = Vec::new();
    if counts.stale > 0 {
        let work = share(&counts.work);
        let work = if work.is_empty() { work } else { format!(" ({work})") };
        parts.push(format!("would make {}{work}", things(counts.stale, "node")));
    }
    if counts.reuse > 0 {
        parts.push(format!("{} without running anything", things(counts.reuse, "node")));
    }
    if counts.unknown > 0 {
        parts.push(format!("{} until others ran", unknown(counts.unknown)));
    }
    if counts.fresh > 0 {
        parts.push(fresh(counts.fresh));
    }
    writeln!(session.out, "\n{}", parts.join("; "))?;
    asks::total(planned, project, &names).map_or(Ok(()), |line| writeln!(session.out, "{line}"))
}

/// Writes `1 is fresh`.
pub fn fresh(n: u64) -> String {
    if n == 1 { "1 is fresh".to_owned() } else { format!("{} are fresh", count(n)) }
}

fn unknown(n: u64) -> String {
    if n == 1 { "1 is unknown".to_owned() } else { format!("{} are unknown", count(n)) }
}

/// Writes what would become of a node as JSON.
pub fn node_json(graph: &Graph, one: &PlannedNode) -> Value {
    let full = |id: &NodeId| graph.node(*id).full_name();
    let mut value = json!({ "node": full(&one.node), "state": word(&one.state), "reasons": cause::json(&one.reasons) });
    match &one.state {
        State::Stale(work) | State::Done(work) => {
            value["groups"] = json!(work.groups);
            value["groups_stale"] = json!(work.groups_made);
            value["rows_stale"] = json!(work.rows_made);
            value["failed"] = figures::lost_json(&one.failed);
        }
        State::Unknown(until) => value["until"] = until.iter().map(full).collect(),
        State::Skipped(failed) => value["until"] = json!([full(failed)]),
        State::Failed(problems) => value["problems"] = crate::diag::json(problems),
        State::Fresh => {}
    }
    value
}

fn json_of(project: &Project, planned: &Planned) -> Value {
    let counts = Counts::of(planned);
    let node = |one: &PlannedNode| {
        let mut value = node_json(&project.graph, one);
        value["asks"] = asks::json(planned, one.node);
        value
    };
    let nodes: Vec<Value> = planned.nodes.iter().map(node).collect();
    json!({
        "nodes": nodes, "fresh": counts.fresh, "stale": counts.stale, "reuse": counts.reuse, "unknown": counts.unknown,
        "asks": asks::total_json(planned, project),
    })
}
