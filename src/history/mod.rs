//! History: one record per build, naming what every node was. Only history has a head.

mod compare;
mod lock;

pub use compare::{Cell, ChangedRow, TableDiff, diff_tables};
pub use lock::{LOCK_FILE, Lock, LockedNode, lock_of, parse_lock, render_lock};

use crate::exec::NodeRecord;
use crate::hash::Hash;
use crate::plan::Reason;
use crate::store::{Disk, Store, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// What every node was after a build: full name → record.
pub type View = BTreeMap<String, Hash>;

/// One build, as it is remembered. Builds in which nothing changed are not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Build {
    /// Counts from 1 in each checkout.
    pub number: u64,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub time: u64,
    /// The blob of the view.
    pub view: Hash,
    /// The hash of the lock file's text.
    pub lock: Hash,
    /// The commit that was checked out, if the project is in Git.
    pub commit: Option<String>,
    /// The arguments of the command.
    pub command: Vec<String>,
    pub seconds: f64,
    /// Actions run, and actions that did not have to.
    pub ran: u64,
    pub reused: u64,
    /// What was made, and why.
    pub nodes: BTreeMap<String, Made>,
    /// The nodes that failed.
    pub failed: Vec<String>,
}

/// What a build made of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Made {
    pub reasons: Vec<Reason>,
    pub groups: u64,
    pub groups_made: u64,
    pub rows_made: u64,
    pub actions: u64,
}

/// The builds of one checkout, oldest first.
#[derive(Debug)]
pub struct History {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    pub builds: Vec<Build>,
}

/// The folder of the store that holds one file of builds per checkout.
const FOLDER: &str = "history";

impl History {
    /// Opens the history of the checkout called `id`. A damaged line ends what is read.
    pub fn open(store: &Store, id: &str) -> Result<History, StoreError> {
        let path = History::file(store, id);
        let builds = read(store.disk().as_ref(), &path)?;
        Ok(History { disk: store.disk().clone(), path, builds })
    }

    /// Returns the file that holds the history of the checkout called `id`.
    pub fn file(store: &Store, id: &str) -> PathBuf {
        store.root().join(FOLDER).join(format!("{id}.jsonl"))
    }

    /// Returns the builds of all checkouts that use the store, for `gc`.
    pub fn all(store: &Store) -> Result<Vec<Vec<Build>>, StoreError> {
        let folder = store.root().join(FOLDER);
        let entries = store.disk().list(&folder).map_err(|error| StoreError::io("list", &folder, error))?;
        entries.iter().map(|entry| read(store.disk().as_ref(), &folder.join(&entry.name))).collect()
    }

    /// Returns the last build.
    pub fn last(&self) -> Option<&Build> {
        self.builds.last()
    }

    /// Returns a build by its number, `last`, or `last-2`.
    pub fn find(&self, name: &str) -> Option<&Build> {
        if let Some(back) = name.strip_prefix("last") {
            let back: usize = if back.is_empty() { 0 } else { back.strip_prefix('-')?.parse().ok()? };
            return self.builds.get(self.builds.len().checked_sub(back)?.checked_sub(1)?);
        }
        let number: u64 = name.parse().ok()?;
        self.builds.iter().find(|build| build.number == number)
    }

    /// Adds a build at the end.
    pub fn append(&mut self, build: Build) -> Result<(), StoreError> {
        self.builds.push(build);
        let mut lines = Vec::new();
        for build in &self.builds {
            serde_json::to_writer(&mut lines, build).expect("a build is plain data");
            lines.push(b'\n');
        }
        self.disk.write_new(&self.path, &[&lines]).map_err(|error| StoreError::io("write", &self.path, error))
    }
}

fn read(disk: &dyn Disk, path: &std::path::Path) -> Result<Vec<Build>, StoreError> {
    let bytes = match disk.read(path, 0) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::io("read", path, error)),
    };
    Ok(bytes.split(|byte| *byte == b'\n').map_while(|line| serde_json::from_slice(line).ok()).collect())
}

/// Reads a view.
pub fn read_view(store: &Store, hash: Hash) -> Result<View, StoreError> {
    let contents = store.get(hash)?;
    serde_json::from_slice(&contents).map_err(|_| StoreError::Missing(hash))
}

/// Writes a view.
pub fn write_view(store: &Store, view: &View) -> Result<Hash, StoreError> {
    store.put(&serde_json::to_vec(view).expect("a view is plain data"))
}

/// Reads a node's record.
pub fn read_record(store: &Store, hash: Hash) -> Result<NodeRecord, StoreError> {
    let contents = store.get(hash)?;
    serde_json::from_slice(&contents).map_err(|_| StoreError::Missing(hash))
}
