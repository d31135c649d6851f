//! `datamake responses`: what models answered, out of the store, into it, and to look at.

mod batches;
mod kept;

use super::asked::money;
use super::grid::Grid;
use super::session::{Detail, Ending, Exit, Fail, Session};
use super::words::{bytes, count, things, utc};
use crate::diag::{Diagnostic, Diagnostics};
use crate::fetch::plain;
use crate::project::{Exported, OfModel, Travelled, Which, open_responses};
use serde_json::{Value, json};
use std::io::{self, BufReader, Write};

/// Exports, imports and shows what models answered
#[derive(Debug, clap::Args)]
#[command(
    subcommand_required = true,
    after_help = "\
Examples:
  datamake responses stats                                   what is recorded, by model
  datamake responses export responses/all.jsonl.zst          everything, for another machine
  datamake responses export responses/train.jsonl.zst --used train
  datamake responses import responses/all.jsonl.zst
  datamake responses show 3f2a91                             one request, and what it was answered
  datamake responses batches                                 what is on its way in batches

Every answer is recorded under the hash of its request, and never removed. A file that `[project] responses` names is taken in by builds,
so that a project can be checked in with its answers and be built without a key."
)]
pub struct Responses {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Batches(batches::Batches),
    Export(Export),
    Import(Import),
    Show(kept::Show),
    Stats(Stats),
}

/// Writes recorded responses as JSON Lines
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  datamake responses export responses/all.jsonl.zst
  datamake responses export --used train clean          to stdout, what is behind the rows of two datasets and all that they need

The file is written whole or not at all. A name that ends in .zst or .gz is compressed so. Lines are sorted by key, so equal responses give an equal file.
Where rows of `--used` have no response yet, what there is is written, what is missing is told, and the exit code is 1.")]
pub struct Export {
    /// The file; `-` is stdout
    #[arg(value_name = "FILE", default_value = "-", hide_default_value = true)]
    file: String,
    /// Only those behind the rows of these nodes and of all that they need, as the project is now
    #[arg(long, value_name = "NODE", num_args = 1..)]
    used: Vec<String>,
}

/// Takes in responses that were exported
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  datamake responses import responses/*.jsonl.zst
  zstdcat all.jsonl.zst | datamake responses import -

What was answered here stays the answer: a response is left out (`known`) if a recorded one answers under the same limit of tokens, or is whole and would no longer
be the one that counts. A line whose key is not the hash of its request is refused.")]
pub struct Import {
    /// The files; `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,
}

/// Tells what is recorded, by model
#[derive(Debug, clap::Args)]
pub struct Stats {}

/// The forms of the JSON, by subcommand.
pub const FORMS: &[(&str, &str)] = &[
    ("responses batches", batches::FORM),
    (
        "responses export",
        "{ \"file\": \"responses/all.jsonl.zst\", \"responses\": 240, \"problems\": [problem] }\n\n`problems` says what `--used` found no response for; then the exit code is 1. To stdout it writes the responses themselves, with or without `--json`; docs/format.md has their form.",
    ),
    (
        "responses import",
        "{ \"files\": [{ \"file\": \"responses/all.jsonl.zst\", \"responses\": 12, \"known\": 228 }] }",
    ),
    ("responses show", kept::FORM),
    (
        "responses stats",
        "{ \"responses\": 240, \"bytes\": 120000,\n  \"models\": [{ \"model\": \"gemma-3-270m\", \"responses\": 240, \"input_tokens\": 9600, \"output_tokens\": 14400, \"untold\": 0, \"money\": 0.0101 | null,\n              \"first\": \"2026-01-02T03:04:05Z\", \"last\": \"2026-01-02T03:09:05Z\" }] }\n\n`untold` counts those whose tokens the endpoint did not tell; `money` is what they cost at today's prices; null if that is not known, or if models of one identity have several prices.",
    ),
];

impl Responses {
    /// Runs the command.
    pub fn run(self, session: &mut Session) -> Ending {
        match self.what {
            What::Batches(args) => args.run(session),
            What::Export(args) => args.run(session),
            What::Import(args) => args.run(session),
            What::Show(args) => args.run(session),
            What::Stats(args) => args.run(session),
        }
    }
}

/// Stdout as the library writes to it; keeps what went wrong.
struct Stdout<'a> {
    session: &'a mut Session,
    failed: Option<io::Error>,
}

impl Write for Stdout<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.session.out.write(bytes).map_err(|error| {
            let kind = error.kind();
            self.failed = Some(error);
            kind.into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.session.out.flush()
    }
}

impl Export {
    fn run(self, session: &mut Session) -> Ending {
        let project = session.project()?;
        let which = if self.used.is_empty() { Which::All } else { Which::Used(&self.used) };
        if self.file == "-" {
            let mut out = Stdout { session, failed: None };
            let exported = project.export_responses(which, &mut out);
            if let Some(failed) = out.failed {
                return Err(Fail::Output(failed));
            }
            return told(session, exported?.missing);
        }
        let path = session.directory()?.join(&self.file);
        let Exported { responses, missing } = project.export_to(&path, which)?;
        if session.json() {
            let problems = missing.clone().map_or(json!([]), |missing| crate::diag::json(&missing.into()));
            session.out.json(&json!({ "file": self.file, "responses": responses, "problems": problems }))?;
            return Ok(if missing.is_none() { Exit::Fine } else { Exit::Failed });
        } else if session.detail > Detail::Quiet {
            let size = std::fs::metadata(&path).map_or(0, |data| data.len());
            writeln!(session.out, "wrote {} to {}, {}", things(responses, "response"), self.file, bytes(size))?;
        }
        told(session, missing)
    }
}

/// Tells what is missing, if anything is.
fn told(session: &mut Session, missing: Option<Diagnostic>) -> Ending {
    let Some(missing) = missing else { return Ok(Exit::Fine) };
    session.tell(&missing.into())?;
    Ok(Exit::Failed)
}

impl Import {
    fn run(self, session: &mut Session) -> Ending {
        let project = session.project()?;
        let folder = session.directory()?;
        let mut told = Vec::new();
        for file in &self.files {
            let mut lines = match file.as_str() {
                "-" => Box::new(BufReader::new(io::stdin())),
                file => open_responses(&folder.join(file)).map_err(|error| {
                    Diagnostic::error("unreadable-file", format!("cannot read `{file}`: {}", plain(&error)))
                })?,
            };
            let Travelled { responses, known } = project.import_responses(file, &mut lines)?;
            if !session.json() && session.detail > Detail::Quiet {
                let verb = if known == 1 { "was" } else { "were" };
                let known = if known == 0 { String::new() } else { format!("; {} {verb} known", count(known)) };
                writeln!(session.out, "took in {} of {file}{known}", things(responses, "response"))?;
            }
            told.push(json!({ "file": file, "responses": responses, "known": known }));
        }
        if session.json() {
            session.out.json(&json!({ "files": told }))?;
        }
        Ok(Exit::Fine)
    }
}

impl Stats {
    fn run(self, session: &mut Session) -> Ending {
        let project = session.project()?;
        let (models, size) = project.recorded_by_model()?;
        let all: u64 = models.values().map(|of| of.sum.answers).sum();
        if session.json() {
            let one = |(model, of): (&String, &OfModel)| {
                json!({
                    "model": model, "responses": of.sum.answers, "input_tokens": of.sum.usage.input,
                    "output_tokens": of.sum.usage.output, "untold": of.sum.untold, "money": project.money_of(model, &of.sum),
                    "first": utc(of.first), "last": utc(of.last),
                })
            };
            let models: Vec<Value> = models.iter().map(one).collect();
            session.out.json(&json!({ "responses": all, "bytes": size, "models": models }))?;
            return Ok(Exit::Fine);
        }
        if all == 0 {
            writeln!(session.out, "nothing is recorded yet")?;
            return Ok(Exit::Fine);
        }
        let paint = session.out.paint;
        writeln!(session.out, "{}, {}\n", things(all, "response"), bytes(size))?;
        let mut grid = Grid::right([1, 2, 3, 4]);
        grid.row(["model", "responses", "tokens in", "tokens out", "cost", "recorded"].map(|head| paint.dim(head)));
        for (model, of) in &models {
            let when =
                if of.first == of.last { utc(of.last) } else { format!("{} to {}", utc(of.first), utc(of.last)) };
            let (answers, usage) = (count(of.sum.answers), of.sum.usage);
            let cost = project.money_of(model, &of.sum).map_or("unknown".to_owned(), money);
            grid.row([super::words::plain(model), answers, count(usage.input), count(usage.output), cost, when]);
        }
        grid.lines(session.out.width).iter().try_for_each(|line| writeln!(session.out, "{line}"))?;
        Ok(Exit::Fine)
    }
}

/// Says that nothing is recorded under a key.
fn nothing(key: &str) -> Diagnostics {
    Diagnostic::error("not-recorded", format!("no response is recorded under a key that begins with `{key}`")).into()
}
