//! `datamake build`: brings nodes up to date, and tells what was made and why.

use super::alarm;
use super::asked::{self, Account};
use super::cause;
use super::figures::{self, summary};
use super::grid::Grid;
use super::names::{Names, some};
use super::out::note;
use super::plan::fresh;
use super::progress::Progress;
use super::session::{Detail, Ending, Exit, Fail, Session};
use super::words::{count, seconds, things};
use crate::ask::FailureKind;
use crate::diag::{Diagnostic, Diagnostics};
use crate::exec::{NodeRecord, NodeRun, Output, State, Work};
use crate::graph::NodeId;
use crate::plan::Reason;
use crate::project::{BuildOptions, Built, Project};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Brings nodes up to date, redoing only what is stale
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  datamake build                     everything
  datamake build train               one node and all that it needs
  datamake build 'real_*' -j 4       nodes by a pattern, on four threads
  datamake build --profile quick     with a profile laid on
  datamake build -v                  fresh nodes too
  datamake build --rows 20           asks models about some rows only, to have a look before the rest is paid
  datamake build --budget 5          sends nothing that could cost more than that in all
  datamake build --retry cut-off     asks again about rows whose replies were cut off

Ctrl-C stops after what is in hand; nothing that was done is lost. A second build of the same project waits for the first.
What models answered is recorded before it is used, and nothing that is recorded is asked again: to go on after a failure, run the same command again.
Exit code 1: a node failed; those that do not need it are built all the same. Exit code 4: the next request could have passed the budget.")]
pub struct Build {
    /// Names or patterns of nodes; without any, all
    #[arg(value_name = "NODE")]
    nodes: Vec<String>,
    /// Threads; as many as the machine has, unless told
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// The most that this build may spend on models, in the currency of their prices; instead of `[budget]`
    #[arg(long, value_name = "MONEY", value_parser = money)]
    budget: Option<f64>,
    /// Asks again about rows that failed in this way (cut-off, refusal, content-filter, empty, invalid-json, invalid-schema); may be repeated
    #[arg(long, value_name = "KIND")]
    retry: Vec<FailureKind>,
    /// Asks models about so many rows of each dataset only, always the same: the whole build later does not pay for them again. Datasets
    /// that others look into (for examples, or the nearest rows) are made whole
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rows: Option<u64>,
}

/// Reads an amount of money.
pub fn money(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(money) if money >= 0.0 && money.is_finite() => Ok(money),
        _ => Err("an amount is a number of at least 0".to_owned()),
    }
}

/// The form of the JSON.
pub const FORM: &str = "\
{ \"build\": 7 | null, \"seconds\": 0.21, \"ran\": 31, \"reused\": 120, \"interrupted\": false, \"batches\": 0, \"mended\": 0, \"warnings\": [problem], \"alarms\": [alarm],
  \"asked\": asked, \"budget\": null | { \"money\": 5.0, \"money_spent\": 0.0062, \"requests\": null, \"requests_spent\": 20 },
  \"nodes\": [{ \"node\": \"dataset.clean\", \"state\": \"fresh\" | \"made\" | \"reused\" | \"failed\" | \"skipped\",
             \"groups\": 5, \"groups_made\": 2, \"rows_made\": 400, \"actions\": 2, \"reasons\": [reason], \"output\": output,
             \"asked\": asked, \"answers\": { \"all\": 12, \"known\": 10, \"money\": 0.0037, \"money_per_row\": 0.00031, \"saved\": 0.0031 },
             \"problems\": [problem], \"because\": \"dataset.seeds\" }] }

`build` is the number in `log`, null if nothing changed. `groups` to `output` are of nodes that were made or reused (their definition changed, but nothing had
to run), `problems` of failed ones; `because` is the failed node for which one was skipped. `mended` counts damaged blobs that were made again. `asked` and `answers` are of nodes that ask models:
what went out in this build, and all answers behind the rows: how many were known before, what all of them cost at today's prices (null: not known), that for each row that is kept, and
what it saved to know some. A node that failed because of its rows has an `output` too, which is not published.";

/// Set by Ctrl-C.
static CANCEL: AtomicBool = AtomicBool::new(false);
/// While another build is waited for, there is nothing in hand to finish.
static WAITING: AtomicBool = AtomicBool::new(false);

impl Build {
    /// Runs the command.
    pub fn run(self, session: &mut Session) -> Ending {
        session.options.rows = self.rows;
        if self.retry.is_empty()
            && let Some(nodes) = session.nothing_to_do(&self.nodes)?
        {
            if session.detail > Detail::Quiet {
                writeln!(session.out, "nothing to do: {}", all_fresh(nodes))?;
            }
            return Ok(Exit::Fine);
        }
        let project = session.project_with_warnings()?;
        listen()?;
        let progress = Progress::new(session, &project.graph);
        let command: Vec<String> = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
        let quiet = session.detail == Detail::Quiet;
        let options = BuildOptions {
            targets: &self.nodes,
            jobs: self.jobs.map(usize::from),
            events: &|event| {
                busy();
                progress.tell(event);
            },
            waiting: &|what| {
                idle();
                if !quiet {
                    note(&format!("{what} is running: waiting for it"));
                }
            },
            cancel: &CANCEL,
            command: &command,
            budget: self.budget,
            retry: &self.retry,
        };
        let built = project.build(&options);
        progress.finish();
        let built = built?;
        if session.json() {
            session.out.json(&json_of(&project, &built))?;
        } else {
            text(session, &project, &built)?;
        }
        Ok(exit_of(&built))
    }
}

/// Returns how a build ended.
pub fn exit_of(built: &Built) -> Exit {
    let mut exit = if built.run.interrupted { Exit::Interrupted } else { Exit::Fine };
    for one in &built.run.nodes {
        let State::Failed(problems) = &one.state else { continue };
        let budget = problems.0.iter().any(|problem| problem.code == OVER_BUDGET);
        exit = match (exit, budget) {
            (Exit::Interrupted, _) => Exit::Interrupted,
            (_, true) | (Exit::Budget, _) => Exit::Budget,
            _ => Exit::Failed,
        };
    }
    exit
}

/// The code of the problem that the budget is reached.
const OVER_BUDGET: &str = "over-budget";

/// Says that there is nothing in hand: Ctrl-C may leave at once.
pub fn idle() {
    WAITING.store(true, Ordering::Relaxed);
}

/// Takes in that something happens: Ctrl-C waits for it.
pub fn busy() {
    WAITING.store(false, Ordering::Relaxed);
}

/// Returns what Ctrl-C sets.
pub fn cancel() -> &'static AtomicBool {
    &CANCEL
}

/// Begins to listen to Ctrl-C: the first asks to stop, the second leaves.
pub fn listen() -> Result<(), Fail> {
    let heard = || {
        if WAITING.load(Ordering::Relaxed) || CANCEL.swap(true, Ordering::Relaxed) {
            std::process::exit(Exit::Interrupted as i32);
        }
        note("\nstopping after what is in hand; again to leave at once");
    };
    ctrlc::set_handler(heard)
        .map_err(|error| Diagnostic::error("interrupted", format!("cannot listen to Ctrl-C: {error}")).into())
}

/// Writes `12 nodes are fresh`.
pub fn all_fresh(n: u64) -> String {
    match n {
        0 => "there are no nodes".to_owned(),
        1 => "1 node is fresh".to_owned(),
        n => format!("{} are fresh", things(n, "node")),
    }
}

/// How many nodes ended in which way.
#[derive(Default)]
struct Counts {
    fresh: u64,
    made: u64,
    failed: u64,
    skipped: u64,
}

impl Counts {
    fn of(built: &Built) -> Counts {
        let mut counts = Counts::default();
        for one in &built.run.nodes {
            *match one.state {
                State::Fresh => &mut counts.fresh,
                State::Done(_) | State::Stale(_) => &mut counts.made,
                State::Failed(_) => &mut counts.failed,
                State::Skipped(_) | State::Unknown(_) => &mut counts.skipped,
            } += 1;
        }
        counts
    }
}

/// Tells what a build did.
pub fn text(session: &mut Session, project: &Project, built: &Built) -> io::Result<()> {
    let counts = Counts::of(built);
    let quiet = session.detail == Detail::Quiet;
    if !quiet {
        made(session, project, built)?;
    }
    // One dead endpoint is the cause of many failures, and told once.
    let mut problems = Diagnostics::default();
    for one in &built.run.nodes {
        if let State::Failed(own) = &one.state {
            own.0.iter().for_each(|problem| problems.push(problem.clone()));
        }
    }
    session.tell(&problems)?;
    if !quiet {
        failed(session, project, built)?;
        summary_line(session, project, built, &counts)?;
    }
    session.tell(&alarm::warnings(project, &built.alarms))
}

/// Returns the record of a node that was made, or of one that is not published because of its failed rows.
fn record_of(project: &Project, built: &Built, id: NodeId) -> Option<NodeRecord> {
    let attempt = || project.read_record(*built.run.attempts.get(&id)?).ok();
    built.records.get(&id).cloned().or_else(attempt)
}

/// Draws up what each node asked.
fn accounts(project: &Project, built: &Built) -> BTreeMap<NodeId, Account> {
    let account = |one: &NodeRun| {
        let record = record_of(project, built, one.node);
        Some((one.node, Account::of(project, &built.run, one.node, record.as_ref())?))
    };
    built.run.nodes.iter().filter_map(account).collect()
}

/// Writes a line per node that was made, with the reasons under it.
fn made(session: &mut Session, project: &Project, built: &Built) -> io::Result<()> {
    let (paint, names, graph) = (session.out.paint, Names::new(&project.graph), &project.graph);
    let before = built.number.and_then(|number| number.checked_sub(1));
    let mut grid = Grid::default();
    for one in &built.run.nodes {
        let name = paint.bold(&names.of(one.node));
        if matches!(one.state, State::Fresh) && session.detail == Detail::Verbose {
            grid.row([paint.dim("fresh"), name]);
            continue;
        }
        let (State::Done(work), Some(record)) = (&one.state, built.records.get(&one.node)) else { continue };
        let reasons = built.reasons.get(&one.node).map_or(&[][..], Vec::as_slice);
        let new = reasons == [Reason::New];
        let old = before.filter(|_| !new).and_then(|build| project.record_in(build, one.node));
        let summary = summary(graph, one.node, record, old.as_ref());
        let word = match (new, work.actions) {
            (true, _) => paint.green("new"),
            (false, 0) => paint.dim("reused"),
            (false, _) => paint.yellow("made"),
        };
        grid.row([word, name, summary.short, if new { String::new() } else { extent(work) }]);
        if !new {
            reasons.iter().for_each(|reason| grid.under(cause::line(reason)));
        }
        summary.more.iter().for_each(|line| grid.under(paint.dim(line)));
        if let Some(account) = Account::of(project, &built.run, one.node, Some(record)) {
            account.lines().iter().for_each(|line| grid.under(paint.dim(line)));
        }
    }
    grid.lines(session.out.width).iter().try_for_each(|line| writeln!(session.out, "{line}"))
}

/// Tells how much of a node was redone.
fn extent(work: &Work) -> String {
    match work {
        Work { actions: 0, .. } => "nothing had to run".to_owned(),
        Work { groups: 0, .. } | Work { groups_made: 0, .. } => String::new(),
        Work { groups, groups_made, .. } if groups == groups_made => String::new(),
        Work { groups, groups_made, rows_made, .. } => {
            format!("{} of {}, {} redone", count(*groups_made), things(*groups, "row group"), things(*rows_made, "row"))
        }
    }
}

/// Names the nodes that failed, and those that were not begun because of them.
fn failed(session: &mut Session, project: &Project, built: &Built) -> io::Result<()> {
    let (paint, names) = (session.out.paint, Names::new(&project.graph));
    for one in &built.run.nodes {
        if !matches!(one.state, State::Failed(_)) {
            continue;
        }
        // What was skipped because of a skipped node was skipped because of this one.
        let mut skipped = vec![one.node];
        for other in &built.run.nodes {
            if matches!(other.state, State::Skipped(by) if skipped.contains(&by)) {
                skipped.push(other.node);
            }
        }
        let line = match skipped.split_first() {
            Some((_, [])) | None => String::new(),
            Some((_, rest)) => format!("; not begun because of it: {}", some(rest.iter().map(|id| names.of(*id)))),
        };
        let mut grid = Grid::default();
        grid.row([format!("{} {}{line}", paint.red("failed"), paint.bold(&names.of(one.node)))]);
        let record = record_of(project, built, one.node);
        if let Some(account) = Account::of(project, &built.run, one.node, record.as_ref()) {
            account.lines().iter().for_each(|line| grid.under(paint.dim(line)));
        }
        // Rows may have gone ahead of those that failed.
        for id in skipped.iter().skip(1) {
            let asked = asked::asked_for(&built.run, *id);
            if asked.requests > 0 {
                grid.under(paint.dim(&format!("{}: {}", names.of(*id), asked::traffic(&asked, None))));
            }
        }
        grid.lines(session.out.width).iter().try_for_each(|line| writeln!(session.out, "{line}"))?;
    }
    Ok(())
}

fn summary_line(session: &mut Session, project: &Project, built: &Built, counts: &Counts) -> io::Result<()> {
    let accounts: Vec<Account> = accounts(project, built).into_values().collect();
    let asked = asked::total(built, &accounts);
    let out = &mut session.out;
    if !built.run.mended.is_empty() {
        writeln!(
            out,
            "{} of the store was damaged, and was made again",
            things(built.run.mended.len() as u64, "blob")
        )?;
    }
    if built.afoot.batches > 0 {
        let requests = things(built.afoot.requests, "request");
        let batches = match built.afoot.batches {
            1 => "a batch".to_owned(),
            n => format!("{} batches", count(n)),
        };
        writeln!(out, "left at the endpoint: {batches} with {requests}; the next build takes the answers")?;
    }
    if built.run.interrupted {
        writeln!(out, "stopped after {}; what was done is kept", things(counts.made, "node"))?;
        return asked.map_or(Ok(()), |asked| writeln!(out, "{asked}"));
    }
    if counts.made + counts.failed + counts.skipped == 0 {
        return writeln!(out, "nothing to do: {}", all_fresh(counts.fresh));
    }
    let mut nodes = vec![format!("built {}", things(counts.made, "node"))];
    if counts.fresh > 0 {
        nodes.push(fresh(counts.fresh).replacen("is", "was", 1).replacen("are", "were", 1));
    }
    if counts.failed > 0 {
        nodes.push(format!("{} failed", count(counts.failed)));
    }
    let warns = |record: &&NodeRecord| match &record.output {
        Output::Test(tables) => tables.iter().any(|table| !table.broken.is_empty()),
        _ => false,
    };
    let warnings = built.records.values().filter(warns).count() as u64;
    if warnings > 0 {
        nodes.push(things(warnings, "warning"));
    }
    if counts.skipped > 0 {
        nodes.push(format!("{} skipped", count(counts.skipped)));
    }
    let run = format!("{} run, {} reused", things(built.run.ran, "action"), count(built.run.reused));
    let number = built.number.map_or(String::new(), |number| format!(" (build {number})"));
    writeln!(out, "\n{}; {run}; {}{number}", nodes.join(", "), seconds(built.seconds))?;
    asked.map_or(Ok(()), |asked| writeln!(out, "{asked}"))
}

/// Writes what a build did as JSON.
pub fn json_of(project: &Project, built: &Built) -> Value {
    let graph = &project.graph;
    let accounts = accounts(project, built);
    let node = |one: &NodeRun| {
        let name = graph.node(one.node).full_name();
        let mut value = json!({ "node": name });
        value["state"] = json!(match &one.state {
            State::Fresh => "fresh",
            State::Done(work) | State::Stale(work) => {
                value["groups"] = json!(work.groups);
                value["groups_made"] = json!(work.groups_made);
                value["rows_made"] = json!(work.rows_made);
                value["actions"] = json!(work.actions);
                value["reasons"] = cause::json(built.reasons.get(&one.node).map_or(&[][..], Vec::as_slice));
                if let Some(record) = built.records.get(&one.node) {
                    value["output"] = figures::json(record);
                }
                if work.actions == 0 { "reused" } else { "made" }
            }
            State::Failed(problems) => {
                value["problems"] = crate::diag::json(problems);
                if let Some(record) = record_of(project, built, one.node) {
                    value["output"] = figures::json(&record);
                }
                "failed"
            }
            State::Skipped(by) => {
                value["because"] = json!(graph.node(*by).full_name());
                "skipped"
            }
            State::Unknown(_) => "skipped",
        });
        if let Some(account) = accounts.get(&one.node) {
            value["asked"] = asked::json(&account.asked);
            value["answers"] = account.json();
        }
        value
    };
    json!({
        "build": built.number, "seconds": built.seconds, "ran": built.run.ran, "reused": built.run.reused,
        "interrupted": built.run.interrupted, "batches": built.afoot.batches, "mended": built.run.mended.len(), "warnings": crate::diag::json(&project.warnings),
        "alarms": alarm::json(project, &built.alarms),
        "asked": asked::json(&asked::in_all(&built.run)), "budget": asked::budget_json(built.spent.as_ref()),
        "nodes": built.run.nodes.iter().map(node).collect::<Vec<Value>>(),
    })
}
