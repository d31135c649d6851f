//! What can be wrong with a data file, in words.

use super::{DataFile, Reading};
use crate::diag::Diagnostic;
use crate::exec::context::Stop;
use crate::fetch::files::FilesError;
use crate::format::{ParseError, Problem, declaration};

pub(super) fn unreadable(reading: &Reading, file: &DataFile, error: &FilesError) -> Stop {
    Diagnostic::error("unreadable-file", format!("cannot read {}: {error}", file.file.path))
        .at(&reading.span, "read here")
        .into()
}

pub(super) fn changed(reading: &Reading, file: &DataFile) -> Stop {
    Diagnostic::error("changed-file", format!("{} changed while it was being read", file.file.path))
        .at(&reading.span, "read here")
        .help("wait until whatever writes it is done, and run the same command again")
        .into()
}

pub(super) fn wrong_file(reading: &Reading, file: &DataFile, problem: &Problem) -> Stop {
    let mut diagnostic = Diagnostic::error("wrong-file", format!("{}: {}", file.file.path, problem.title))
        .at(&reading.span, "read here");
    diagnostic.help.extend(problem.help.clone());
    diagnostic.into()
}

pub(super) fn wrong_record(reading: &Reading, file: &DataFile, first_line: u64, error: ParseError) -> Stop {
    let line = first_line + u64::from(error.line);
    let title = format!("{}:{line}:{}: {}", file.file.path, error.column, error.title);
    let mut diagnostic = Diagnostic::error("wrong-record", title).at(&reading.span, "read here");
    if let Some((also, what)) = error.also {
        diagnostic = diagnostic.note(format!("{}:{}: {what}", file.file.path, first_line + u64::from(also)));
    }
    diagnostic.help.extend(error.help);
    diagnostic.into()
}

/// Says which value has no form of the type that the column has elsewhere.
pub(super) fn misfit(reading: &Reading, file: &DataFile, column: &str, line: u64, row: usize, detail: &str) -> Stop {
    let what = detail.strip_prefix("a value ").unwrap_or(detail);
    Diagnostic::error("wrong-type", format!("a value of `{column}` in {} {what}", file.file.path))
        .at(&reading.span, "read here")
        .note(format!("row {} of those from line {line} on", row + 1))
        .help(format!("declare the column: {}", declaration(column, "string")))
        .into()
}
