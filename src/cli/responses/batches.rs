//! `datamake responses batches`: what is on its way at endpoints, and how it is cancelled.

use super::super::grid::Grid;
use super::super::session::{Ending, Exit, Session};
use super::super::words::{ago, count, now, plain, utc};
use crate::fetch::models::{Cancel, Noted, Wish, Word};
use serde_json::{Value, json};
use std::io::Write;

/// Seconds for which a batch without an id may be at the endpoint although that does not know it.
const LATELY: u64 = 60;

/// Lists the batches that were sent and not harvested
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  datamake responses batches             what is on its way, as the endpoints say
  datamake responses batches --cancel    nothing more of it is answered, or paid for

Of all projects that share this store. An endpoint is asked with the key that a build would send; one that no model of this project names is out of reach.
What was answered until a batch was cancelled is taken by the next build, which asks for the rest. A batch that a build waits for is not cancelled: stop that first.")]
pub struct Batches {
    /// Cancel them
    #[arg(long)]
    cancel: bool,
}

/// The form of the JSON.
pub const FORM: &str = "\
{ \"batches\": [{ \"label\": \"…\", \"id\": \"batch_…\" | null, \"node\": \"writer\" | null, \"endpoint\": \"https://api.openai.com/v1\" | null, \"model\": \"gpt-4.1-mini\",
               \"sent\": \"2026-01-02T03:04:05Z\", \"requests\": 600, \"awaited\": false,
               \"known\": \"told\" | \"nothing\" | \"silent\" | \"out of reach\", \"status\": \"in_progress\" | null, \"done\": 120 | null, \"why\": null | \"…\",
               \"cancel\": null | \"cancelled\" | \"refused\" | \"awaited\" }] }

`node` is null where no model of the project is asked there. `awaited`: a build waits for it. `known`: the endpoint told its status, knows no such batch, gave no answer, or could not be asked. `why`: why it gave none, or will not cancel.";

impl Batches {
    /// Runs the command.
    pub fn run(self, session: &mut Session) -> Ending {
        let project = session.project()?;
        let found = project.noted_batches(if self.cancel { Wish::Cancel } else { Wish::Look })?;
        // Whoever wants none to go on has to know whether one may.
        let goes_on = |noted: &Noted| match &noted.word {
            Word::Is { ended, .. } => !ended && noted.cancel != Cancel::Yes,
            // It may have been created so lately that no list has it.
            Word::Nothing => noted.id.is_none() && now().saturating_sub(noted.time) < LATELY,
            Word::Silent(_) | Word::OutOfReach => true,
        };
        let exit = if self.cancel && found.iter().any(goes_on) { Exit::Failed } else { Exit::Fine };
        if session.json() {
            let batches: Vec<Value> = found.iter().map(value).collect();
            session.out.json(&json!({ "batches": batches }))?;
            return Ok(exit);
        }
        if found.is_empty() {
            writeln!(session.out, "no batch is on its way")?;
            return Ok(exit);
        }
        let (paint, now) = (session.out.paint, now());
        let mut grid = Grid::right([4]);
        grid.row(["model", "endpoint", "batch", "sent", "requests", "state"].map(|head| paint.dim(head)));
        for noted in &found {
            let (node, place) = noted.reach.clone().unwrap_or((noted.model.clone(), "not in the manifest".to_owned()));
            let name = noted.id.as_ref().unwrap_or(&noted.label);
            let sent = ago(now, noted.time);
            grid.row([plain(&node), plain(&place), plain(name), sent, count(noted.requests), plain(&state(noted))]);
            if let Some(line) = remark(noted, self.cancel) {
                grid.under(paint.dim(&plain(&line)));
            }
        }
        grid.lines(session.out.width).iter().try_for_each(|line| writeln!(session.out, "{line}"))?;
        if self.cancel {
            let what = match found.iter().filter(|noted| noted.cancel == Cancel::Yes).count() {
                0 => "nothing".to_owned(),
                1 => "1 batch".to_owned(),
                n => format!("{} batches", count(n as u64)),
            };
            let next = "the next build takes what was answered, and asks for the rest";
            writeln!(session.out, "\ncancelled {what}; {next}")?;
        }
        Ok(exit)
    }
}

/// Says how a batch is.
fn state(noted: &Noted) -> String {
    match &noted.word {
        Word::Is { status, done: 0, .. } => status.clone(),
        Word::Is { status, done, .. } => format!("{status}, {} done", count(*done)),
        Word::Nothing => "unknown there".to_owned(),
        Word::Silent(_) => "no answer".to_owned(),
        Word::OutOfReach => "out of reach".to_owned(),
    }
}

/// Says what else there is to know of a batch.
fn remark(noted: &Noted, cancel: bool) -> Option<String> {
    match (&noted.cancel, &noted.word) {
        (Cancel::Refused(why), _) => Some(format!("not cancelled: {why}")),
        (Cancel::Awaited, _) => {
            Some("not cancelled: a build waits for it, and would send its requests again; stop that first".to_owned())
        }
        (_, Word::Silent(why)) => Some(why.clone()),
        (_, Word::OutOfReach) => Some("no model of this project is asked where it was sent".to_owned()),
        _ if noted.awaited => Some("a build waits for it".to_owned()),
        (_, Word::Is { ended: true, .. }) => Some("the next build takes its answers".to_owned()),
        (_, Word::Nothing) if !cancel => Some("the next build asks for what it needs of it".to_owned()),
        _ => None,
    }
}

fn value(noted: &Noted) -> Value {
    let (known, status, done, silent) = match &noted.word {
        Word::Is { status, done, .. } => ("told", Some(status), Some(done), None),
        Word::Nothing => ("nothing", None, None, None),
        Word::Silent(why) => ("silent", None, None, Some(why)),
        Word::OutOfReach => ("out of reach", None, None, None),
    };
    let (cancel, refused) = match &noted.cancel {
        Cancel::No => (None, None),
        Cancel::Yes => (Some("cancelled"), None),
        Cancel::Refused(why) => (Some("refused"), Some(why)),
        Cancel::Awaited => (Some("awaited"), None),
    };
    let (node, place) = noted.reach.clone().unzip();
    json!({
        "label": noted.label, "id": noted.id, "node": node, "endpoint": place, "model": noted.model, "sent": utc(noted.time),
        "requests": noted.requests, "awaited": noted.awaited, "known": known, "status": status, "done": done,
        "why": silent.or(refused), "cancel": cancel,
    })
}
