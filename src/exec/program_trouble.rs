//! What can be wrong with a program, in words.

use super::context::Stop;
use crate::diag::Diagnostic;
use crate::fetch::programs::Failure;
use crate::graph::BoundRun;
use crate::op::{Per, Wrong};

/// Lines of stderr that are shown.
const LINES: usize = 12;

/// Says why a program came to nothing.
pub(super) fn failed(run: &BoundRun, node: &str, failure: Failure) -> Stop {
    let program = run.program.shown();
    let what = match run.program.per {
        Per::Row | Per::Group => "a row group",
        Per::Table => "the table",
        Per::Maker => "its rows",
    };
    let word = &run.program.command[0];
    let (title, help) = match &failure {
        Failure::Interrupted => return Stop::Interrupted,
        Failure::NotFound => (
            format!("there is no program `{word}`"),
            "install it, or mend the name; a program of the project is written with its folder: `./score.sh`. If it is there, \
             the interpreter in its first line is not",
        ),
        Failure::NotStarted { why } => (
            format!("`{word}` cannot be started: {why}"),
            "make it executable (`chmod +x`) and begin it with `#!`, or name the interpreter first: [\"sh\", \"score.sh\"]",
        ),
        Failure::NoScratch { why } => {
            (format!("the files of `{program}` cannot be written: {why}"), "they are in the folder `.datamake/scratch`")
        }
        Failure::Exit { code, .. } => (format!("`{program}` failed with exit code {code}"), ""),
        Failure::Killed { signal: 9, .. } => {
            (format!("`{program}` was killed (signal 9)"), "the system kills what takes too much memory")
        }
        Failure::Killed { signal, .. } => (format!("`{program}` was killed by signal {signal}"), ""),
        Failure::Timeout { seconds, .. } => (
            format!("`{program}` took longer than {seconds} s for {what}, and was killed"),
            "`timeout` gives it more seconds; a program that never ends may be waiting for input that does not come",
        ),
        Failure::TooMuch { bytes, .. } => (
            format!("`{program}` wrote more than {} MiB for {what}, and was killed", bytes >> 20),
            "with per = \"table\" it may write as much as there is room for",
        ),
        Failure::Left { .. } => (format!("`{program}` ended before it had answered {what}"), ""),
        Failure::Astray => (
            format!("`{program}` wrote more after it had answered {what}"),
            "a program that stays writes its lines and an empty one for each row group, and nothing else",
        ),
        Failure::Unannounced => (
            format!("`{program}` did not say that it stays"),
            "with `stays = true`, its first line is {\"datamake\": \"stays\"}; without it, it is started for each row group",
        ),
        Failure::Held => (
            format!("`{program}` has ended, and something that it started still holds its output"),
            "what it starts has to end before it does",
        ),
    };
    let mut diagnostic = Diagnostic::error("program", title).at(&run.span, format!("run for `{node}`"));
    let said = shown(failure.said());
    if !said.is_empty() {
        diagnostic = diagnostic.note(format!("it said last:\n{said}"));
    }
    if !help.is_empty() {
        diagnostic = diagnostic.help(help);
    }
    diagnostic.into()
}

/// Says that a file was not left alone while a program ran.
pub(super) fn changed(run: &BoundRun, node: &str, path: &str) -> Stop {
    Diagnostic::error("changed-file", format!("{path} changed while `{}` was using it", run.program.shown()))
        .at(&run.span, format!("run for `{node}`"))
        .note("it is among its `inputs`, and what it held when the build began is in the key of the answers")
        .help("wait until whatever writes it is done, and run the same command again; a program does not write its own `inputs`")
        .into()
}

/// Says what is wrong with what a program wrote.
pub(super) fn wrong(run: &BoundRun, node: &str, wrong: Wrong) -> Stop {
    let title = format!("`{}` {}", run.program.shown(), wrong.title);
    let mut diagnostic = Diagnostic::error("program-output", title).at(&run.span, format!("run for `{node}`"));
    if let Some(line) = wrong.line {
        diagnostic = diagnostic.note(format!("the line: {}", clean(&line)));
    }
    diagnostic.help.extend(wrong.help);
    diagnostic.into()
}

/// Returns the last lines of what was said, without what would move a terminal's cursor.
fn shown(said: &str) -> String {
    let lines: Vec<String> = said.lines().map(clean).filter(|line| !line.trim().is_empty()).collect();
    let last = lines.len().saturating_sub(LINES);
    lines[last..].join("\n")
}

fn clean(line: &str) -> String {
    line.chars().filter(|c| !c.is_control() || *c == '\t').take(300).collect()
}
