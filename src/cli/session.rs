//! One run of the program: the shared arguments, the output, and how it ends.

use super::args::Global;
use super::out::{Out, note};
use crate::diag::{Diagnostic, Diagnostics, Severity, Style, json, render};
use crate::manifest::Options;
use crate::project::{Project, find_root, nothing_to_do};
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;

/// How the program ends, as its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Fine = 0,
    /// A node failed, or the store is damaged, or the disk refused.
    Failed = 1,
    /// Wrong file or arguments.
    Wrong = 2,
    /// Sending one request more could have passed the budget.
    Budget = 4,
    Bug = 101,
    Interrupted = 130,
}

/// Why a command did not come to its end.
#[derive(Debug)]
pub enum Fail {
    Problems(Diagnostics),
    /// Stdout cannot be written.
    Output(io::Error),
}

impl From<Diagnostics> for Fail {
    fn from(problems: Diagnostics) -> Fail {
        Fail::Problems(problems)
    }
}

impl From<Diagnostic> for Fail {
    fn from(problem: Diagnostic) -> Fail {
        Fail::Problems(problem.into())
    }
}

impl From<io::Error> for Fail {
    fn from(error: io::Error) -> Fail {
        Fail::Output(error)
    }
}

/// What a command returns.
pub type Ending = Result<Exit, Fail>;

/// For whom results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    People,
    /// JSON.
    Programs,
}

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    Quiet,
    Normal,
    Verbose,
}

/// One run of the program.
pub struct Session {
    pub out: Out,
    pub audience: Audience,
    pub detail: Detail,
    pub options: Options,
    directory: PathBuf,
}

impl Session {
    /// Begins with the shared arguments.
    pub fn new(global: Global) -> Session {
        let detail = match (global.quiet, global.verbose) {
            (true, _) => Detail::Quiet,
            (false, true) => Detail::Verbose,
            (false, false) => Detail::Normal,
        };
        Session {
            out: Out::new(global.color),
            audience: if global.json { Audience::Programs } else { Audience::People },
            detail,
            options: Options { profiles: global.profile, set: global.set, rows: None },
            directory: global.directory.unwrap_or_else(|| PathBuf::from(".")),
        }
    }

    /// Returns whether JSON is wanted.
    pub fn json(&self) -> bool {
        self.audience == Audience::Programs
    }

    /// Returns the folder to start from, absolute.
    pub fn directory(&self) -> Result<PathBuf, Fail> {
        let unusable = |why: String| {
            let title = format!("cannot work in {}: {why}", self.directory.display());
            Fail::from(Diagnostic::error("no-folder", title))
        };
        let folder = std::path::absolute(&self.directory).map_err(|error| unusable(error.to_string()))?;
        if !folder.is_dir() {
            return Err(unusable("there is no such folder".to_owned()));
        }
        Ok(folder.components().collect())
    }

    /// Returns the folder of the project that the folder is in.
    pub fn root(&self) -> Result<PathBuf, Fail> {
        Ok(find_root(&self.directory()?)?)
    }

    /// Opens the project that the folder is in.
    pub fn project(&self) -> Result<Project, Fail> {
        Ok(Project::open(&self.root()?, &self.options)?)
    }

    /// Returns how many nodes are fresh, if that is all there is to say of a build.
    pub fn nothing_to_do(&self, targets: &[String]) -> Result<Option<u64>, Fail> {
        if self.json() || self.detail == Detail::Verbose {
            return Ok(None);
        }
        Ok(nothing_to_do(&find_root(&self.directory()?)?, &self.options, targets))
    }

    /// Opens the project, and tells of what may be wrong with it.
    pub fn project_with_warnings(&mut self) -> Result<Project, Fail> {
        let project = self.project()?;
        if self.detail > Detail::Quiet && !self.json() {
            self.tell(&project.warnings)?;
        }
        Ok(project)
    }

    /// Draws problems on stderr, after the results so far.
    pub fn tell(&mut self, problems: &Diagnostics) -> io::Result<()> {
        self.out.flush()?;
        if !problems.0.is_empty() {
            note(render(problems, self.style()).trim_end());
        }
        Ok(())
    }

    fn style(&self) -> Style {
        match self.out.error_paint {
            super::out::Paint::Plain => Style::Plain,
            super::out::Paint::Colour => Style::Colour,
        }
    }

    /// Ends the run: tells what went wrong, and returns the exit code.
    pub fn end(mut self, ending: Ending) -> Exit {
        let ending = ending.and_then(|exit| {
            self.out.flush()?;
            Ok(exit)
        });
        match ending {
            Ok(exit) => exit,
            Err(Fail::Output(error)) => self.unwritten(&error),
            Err(Fail::Problems(problems)) => {
                let told = if self.json() {
                    self.out.json(&json!({ "problems": json(&problems) })).and_then(|()| self.out.flush())
                } else {
                    self.tell(&problems)
                };
                told.err().map_or_else(|| exit_of(&problems), |error| self.unwritten(&error))
            }
        }
    }

    fn unwritten(&self, error: &io::Error) -> Exit {
        // Whoever reads our output has seen enough, as `head` does.
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Exit::Fine;
        }
        let problem = Diagnostic::error("output", format!("cannot write the output: {error}"));
        note(render(&problem.into(), self.style()).trim_end());
        Exit::Failed
    }
}

/// The codes of problems that no edit of the project mends.
const OUTSIDE: &[&str] = &["store", "unwritable", "damaged-store", "lost-blob", "threads", "interrupted"];

/// Returns how the program ends with these errors.
pub fn exit_of(problems: &Diagnostics) -> Exit {
    let mut errors = problems.0.iter().filter(|problem| problem.severity == Severity::Error);
    let outside = errors.all(|problem| OUTSIDE.contains(&problem.code));
    if outside { Exit::Failed } else { Exit::Wrong }
}
