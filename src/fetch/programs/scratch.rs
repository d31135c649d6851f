//! Folders for what programs write down on their way: one for each process, removed with it.

use super::orphans;
use crate::fetch::StateFolder;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Where the folders are. Builds of a project follow each other, so what an earlier one left was left by one that was killed.
#[derive(Debug)]
pub struct Scratch {
    state: StateFolder,
    swept: OnceLock<()>,
    /// What the names begin with: no other build's do, for what a killed one left may still write to its own.
    build: String,
    next: AtomicU64,
}

/// The folder of one process.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Scratch {
    /// Names the folders of a project; nothing is made yet.
    pub fn new(state: StateFolder) -> Scratch {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let build = format!("{}-{:x}", std::process::id(), now.as_nanos());
        Scratch { state, swept: OnceLock::new(), build, next: AtomicU64::new(0) }
    }

    /// Makes a folder, with the helper module in it.
    pub(super) fn folder(&self, helper: &str) -> io::Result<Folder> {
        // Programs work in the project's folder, and may be told of this one from anywhere.
        let all = fs::canonicalize(self.state.folder("scratch")?)?;
        self.swept.get_or_init(|| {
            let left: Vec<PathBuf> =
                fs::read_dir(&all).into_iter().flatten().flatten().map(|left| left.path()).collect();
            orphans::end(&left);
            left.iter().for_each(|left| _ = fs::remove_dir_all(left));
        });
        let name = format!("{}-{}", self.build, self.next.fetch_add(1, Ordering::Relaxed));
        let folder = Folder(all.join(name));
        fs::create_dir(&folder.0)?;
        fs::create_dir_all(folder.temporary())?;
        fs::create_dir_all(folder.helper())?;
        fs::write(folder.helper().join("datamake.py"), helper)?;
        Ok(folder)
    }
}

impl Folder {
    /// Returns the folder for the program's own files.
    pub fn temporary(&self) -> PathBuf {
        self.0.join("tmp")
    }

    /// Returns the folder with the helper module.
    pub fn helper(&self) -> PathBuf {
        self.0.join("lib")
    }

    /// Returns the file for what the program writes.
    pub fn output(&self) -> PathBuf {
        self.0.join("output")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
