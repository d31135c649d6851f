//! What a build that was killed left running: found by the folder that it was given, and ended.

use super::child::GRACE;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Ends all processes that were given one of these folders, and those that they started: asks first, and kills who does not hear.
///
/// Nobody else has such a folder in the environment, however often the system has used a number of a process again. Where the system
/// does not tell the environment of processes, none is found.
pub fn end(folders: &[PathBuf]) {
    let asked = Instant::now();
    let mut left = given(folders);
    signal(&left, Signal::SIGTERM);
    while !left.is_empty() && asked.elapsed() < GRACE {
        thread::sleep(Duration::from_millis(5));
        left = given(folders);
    }
    signal(&left, Signal::SIGKILL);
}

fn signal(processes: &[Pid], signal: Signal) {
    // An error means that it has gone.
    processes.iter().for_each(|process| _ = kill(*process, signal));
}

/// Returns the processes that were started with one of these folders for their files.
fn given(folders: &[PathBuf]) -> Vec<Pid> {
    if folders.is_empty() {
        return Vec::new();
    }
    let own = std::process::id().to_string();
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let found = all.filter_map(|entry| {
        let name = entry.file_name().into_string().ok().filter(|name| *name != own)?;
        let number: i32 = name.parse().ok()?;
        let environment = fs::read(entry.path().join("environ")).ok()?;
        let mut variables = environment.split(|byte| *byte == 0).filter_map(|one| one.strip_prefix(b"TMPDIR="));
        let is_given = variables.any(|given| {
            let given = Path::new(std::ffi::OsStr::from_bytes(given));
            folders.iter().any(|folder| given.starts_with(folder))
        });
        is_given.then(|| Pid::from_raw(number))
    });
    found.collect()
}
