//! Programs of the user's: started in a clean environment, given rows, watched, and ended with all that they started.
//!
//! What the rows mean is not known here: bytes go in, bytes come out.

mod child;
mod failure;
mod orphans;
mod pool;
mod scratch;
mod whole;
mod worker;

pub use failure::Failure;
pub use pool::Pool;
pub use scratch::Folder;
pub use whole::{Feed, run_whole};

use super::Workspace;
use crate::hash::Hash;
use child::Child;
use scratch::Scratch;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The helper module for Python, which every program finds in its `PYTHONPATH`.
const HELPER: &str = include_str!("datamake.py");

/// Files longer than this are not searched for a word.
const SEARCHED: u64 = 1 << 20;

/// How long to wait for something between two looks at the clock and at whether the user has asked to stop.
const TICK: Duration = Duration::from_millis(20);

/// What is around a program and decides what it does, beside its command and its rows.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// Its input files: path and contents, in the order of their paths.
    pub files: Vec<(String, Hash)>,
    /// The variables that it gets, by name; none: not set.
    pub variables: Vec<(String, Option<OsString>)>,
}

/// A program, and how it is started.
#[derive(Clone, Debug)]
pub struct Program {
    pub command: Vec<String>,
    /// What it is told of itself: `DATAMAKE_…`.
    pub told: Vec<(&'static str, String)>,
    pub around: Arc<Around>,
    /// For a row group, or the whole table.
    pub timeout: Duration,
    /// Processes at once; none: as many as there is work for.
    pub jobs: Option<usize>,
    /// Whether it is known to stay between row groups; otherwise it may, if it uses the helper module.
    pub stays: bool,
    pub workshop: Workshop,
}

/// Where programs work.
#[derive(Clone, Debug)]
pub struct Workshop {
    /// The project's folder.
    root: PathBuf,
    scratch: Arc<Scratch>,
}

impl Workshop {
    /// Lets programs work in a project.
    pub fn of(workspace: &Workspace) -> Workshop {
        Workshop { root: workspace.root().to_owned(), scratch: Arc::new(Scratch::new(workspace.state())) }
    }
}

impl Program {
    /// Returns whether it is worth waiting for its greeting.
    fn may_stay(&self) -> bool {
        let root = &self.workshop.root;
        self.stays || self.around.files.iter().any(|(path, _)| imports_helper(&root.join(path)))
    }

    /// Starts a process. Of the environment it gets `PATH`, `HOME` and what it was promised by name; what would change results from
    /// machine to machine (language, time zone, the hash seed of Python) is the same everywhere unless it is named.
    fn start(&self, stdin: Stdio, stdout: Stdio) -> Result<Child, Failure> {
        let folder = self.workshop.scratch.folder(HELPER).map_err(Failure::scratch)?;
        let [word, rest @ ..] = self.command.as_slice() else { return Err(Failure::NotFound) };
        // A path is one from the project's folder, wherever datamake was called.
        let word = if word.contains('/') { self.workshop.root.join(word).into_os_string() } else { word.into() };
        let mut command = Command::new(word);
        command.args(rest).current_dir(&self.workshop.root).env_clear();
        for name in ["PATH", "HOME"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.envs([("LANG", "C.UTF-8"), ("TZ", "UTC"), ("PYTHONHASHSEED", "0"), ("PYTHONDONTWRITEBYTECODE", "1")]);
        let mut modules = folder.helper().into_os_string();
        for (name, value) in &self.around.variables {
            match value {
                Some(value) if name == "PYTHONPATH" => {
                    modules.push(":");
                    modules.push(value);
                }
                Some(value) => drop(command.env(name, value)),
                None => drop(command.env_remove(name)),
            }
        }
        command.env("PYTHONPATH", modules).env("TMPDIR", folder.temporary());
        command.envs(self.told.iter().map(|(name, value)| (name, value)));
        Child::start(command.stdin(stdin).stdout(stdout), folder)
    }
}

/// How long a program may go on.
#[derive(Clone, Copy)]
struct Watch<'a> {
    timeout: Duration,
    begun: Instant,
    cancel: &'a AtomicBool,
}

impl<'a> Watch<'a> {
    fn new(program: &Program, cancel: &'a AtomicBool) -> Watch<'a> {
        Watch { timeout: program.timeout, begun: Instant::now(), cancel }
    }

    /// Returns why it may not go on any longer.
    fn go_on(&self) -> Result<(), Failure> {
        if self.cancel.load(Ordering::Relaxed) {
            Err(Failure::Interrupted)
        } else if self.begun.elapsed() > self.timeout {
            Err(Failure::Timeout { seconds: self.timeout.as_secs_f64(), said: String::new() })
        } else {
            Ok(())
        }
    }
}

/// Returns whether a file imports the helper module, as far as a glance tells. It decides how long to wait, and no result.
fn imports_helper(path: &Path) -> bool {
    path.metadata().is_ok_and(|data| data.len() <= SEARCHED)
        && std::fs::read(path).is_ok_and(|text| {
            let has = |word: &str| memchr::memmem::find(&text, word.as_bytes()).is_some();
            has("import datamake") || has("from datamake")
        })
}
