//! History: one record per build, naming what every node was. Only history has a head.

mod compare;
mod lock;

pub use compare::{Cell, ChangedRow, TableDiff, diff_tables};
pub use lock::{LOCK_FILE, Lock, LockedNode, lock_node, lock_of, parse_lock, render_lock};

use crate::exec::NodeRecord;
use crate::fetch::models::Traffic;
use crate::hash::Hash;
use crate::manifest::Options;
use crate::plan::Reason;
use crate::store::{Disk, Store, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
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
    /// The profiles and `--set` that the manifest was read with.
    #[serde(default)]
    pub options: Options,
    /// The arguments of the command.
    pub command: Vec<String>,
    pub seconds: f64,
    /// Actions run, and actions that did not have to.
    pub ran: u64,
    pub reused: u64,
    /// What was asked of models, by node and step.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub traffic: BTreeMap<String, BTreeMap<usize, Traffic>>,
    /// What was made, and why.
    pub nodes: BTreeMap<String, Made>,
    /// The nodes that failed.
    pub failed: Vec<String>,
    /// The blob of a view of what those were that are not published because of their failed rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<Hash>,
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

/// The builds of one checkout, oldest first: the lines of its file, kept as they were read.
#[derive(Debug)]
pub struct History {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    lines: Vec<u8>,
}

/// The folder of the store that holds one file of builds per checkout.
const FOLDER: &str = "history";

/// How the name of such a file ends.
const ENDING: &str = ".jsonl";

impl History {
    /// Opens the history of the checkout called `id`. A line that is not a build of this version is passed over, and stays.
    pub fn open(store: &Store, id: &str) -> Result<History, StoreError> {
        let path = History::file(store, id);
        let lines = match store.disk().read(&path, 0) {
            Ok(bytes) => bytes.to_vec(),
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(StoreError::io("read", &path, error)),
        };
        Ok(History { disk: store.disk().clone(), path, lines })
    }

    /// Returns the file that holds the history of the checkout called `id`.
    pub fn file(store: &Store, id: &str) -> PathBuf {
        store.root().join(FOLDER).join(format!("{id}{ENDING}"))
    }

    /// Returns the views that the builds of all checkouts that use the store name, oldest first, for `gc`.
    ///
    /// # Errors
    /// A line whose view cannot be told: what it names must not be taken for garbage.
    pub fn roots(store: &Store) -> Result<Vec<Vec<Roots>>, StoreError> {
        let folder = store.root().join(FOLDER);
        let entries = store.disk().list(&folder).map_err(|error| StoreError::io("list", &folder, error))?;
        let files = entries.iter().filter(|entry| entry.name.ends_with(ENDING)).map(|entry| folder.join(&entry.name));
        files.map(|path| roots(store.disk().as_ref(), &path)).collect()
    }

    /// Returns the builds, oldest first.
    pub fn builds(&self) -> impl DoubleEndedIterator<Item = Build> {
        lines(&self.lines).filter_map(|line| serde_json::from_slice(line).ok())
    }

    /// Returns the last build.
    pub fn last(&self) -> Option<Build> {
        self.builds().next_back()
    }

    /// Returns the last build with these profiles and `--set`.
    pub fn last_with(&self, options: &Options) -> Option<Build> {
        self.builds().rev().find(|build| build.options == *options)
    }

    /// Returns a build by its number, `last`, or `last-2`.
    pub fn find(&self, name: &str) -> Option<Build> {
        if let Some(back) = name.strip_prefix("last") {
            let back: usize = if back.is_empty() { 0 } else { back.strip_prefix('-')?.parse().ok()? };
            return self.builds().rev().nth(back);
        }
        let number: u64 = name.parse().ok()?;
        self.builds().find(|build| build.number == number)
    }

    /// Adds a build at the end. What is there is written as it was read, whatever it is.
    pub fn append(&mut self, build: &Build) -> Result<(), StoreError> {
        let mut lines = self.lines.clone();
        if lines.last().is_some_and(|last| *last != b'\n') {
            lines.push(b'\n');
        }
        serde_json::to_writer(&mut lines, build).expect("a build is plain data");
        lines.push(b'\n');
        let written = self.disk.write_durably(&self.path, &[&lines]);
        written.map_err(|error| StoreError::io("write", &self.path, error))?;
        self.lines = lines;
        Ok(())
    }
}

fn lines(bytes: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty())
}

/// All that `gc` asks of a line, so that it can read those of later versions too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Roots {
    view: Hash,
    #[serde(default)]
    attempts: Option<Hash>,
}

impl Roots {
    /// Returns the views that the build names.
    pub fn views(self) -> impl Iterator<Item = Hash> {
        [self.view].into_iter().chain(self.attempts)
    }
}

fn roots(disk: &dyn Disk, path: &Path) -> Result<Vec<Roots>, StoreError> {
    let bytes = disk.read(path, 0).map_err(|error| StoreError::io("read", path, error))?;
    let read = |(n, line)| match serde_json::from_slice(line) {
        Ok(roots) => Ok(roots),
        Err(_) => Err(StoreError::io("read", path, io::Error::other(format!("line {} is not a build", n + 1)))),
    };
    bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty()).map(read).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn build(number: u64) -> Build {
        Build {
            number,
            time: 0,
            view: Hash::of(&number.to_le_bytes()),
            lock: Hash::of(b""),
            commit: None,
            options: Options::default(),
            command: Vec::new(),
            seconds: 0.5,
            ran: 0,
            reused: 0,
            traffic: BTreeMap::new(),
            attempts: None,
            nodes: BTreeMap::new(),
            failed: Vec::new(),
        }
    }

    fn append(store: &Store, numbers: std::ops::RangeInclusive<u64>) {
        numbers.for_each(|n| History::open(store, "a").unwrap().append(&build(n)).unwrap());
    }

    #[test]
    fn an_unreadable_line_is_passed_over_and_never_lost() {
        let store = Store::memory();
        append(&store, 1..=2);
        let path = History::file(&store, "a");
        let mut bytes = store.disk().read(&path, 0).unwrap().to_vec();
        bytes.extend(b"{\"of a later\": \"version\"}\n\xff torn");
        store.disk().write_new(&path, &[&bytes]).unwrap();
        append(&store, 3..=3);
        let history = History::open(&store, "a").unwrap();
        assert_eq!(history.builds().map(|build| build.number).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(
            (history.last(), history.find("last-1"), history.find("2")),
            (Some(build(3)), Some(build(2)), Some(build(2)))
        );
        assert_eq!((history.find("last-3"), history.find("4")), (None, None));
        assert!(history.lines.starts_with(&bytes));
    }

    #[test]
    fn gc_reads_lines_of_later_versions_and_refuses_what_it_cannot_read() {
        let store = Store::memory();
        append(&store, 1..=1);
        let path = History::file(&store, "a");
        let later = format!("{{\"view\": \"{}\", \"more\": 1}}\n", Hash::of(b"x"));
        let first = store.disk().read(&path, 0).unwrap();
        store.disk().write_new(&path, &[&first, later.as_bytes()]).unwrap();
        let views: Vec<Hash> = History::roots(&store).unwrap().concat().into_iter().flat_map(Roots::views).collect();
        assert_eq!(views, [build(1).view, Hash::of(b"x")]);
        store.disk().write_new(&path, &[&first, later.as_bytes(), b"torn"]).unwrap();
        let error = History::roots(&store).unwrap_err().to_string();
        assert_eq!(error, format!("cannot read `{}`: line 3 is not a build", path.display()));
    }
}
