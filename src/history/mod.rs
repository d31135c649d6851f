//! History: one record per build, naming what every node was. Only history has a head.

mod compare;
mod lock;
mod moves;

pub use compare::{Cell, ChangedRow, TableDiff, diff_tables};
pub use lock::{LOCK_FILE, Lock, LockedNode, lock_node, lock_of, parse_lock, render_lock};
pub use moves::{Move, SliceMove};

use crate::exec::NodeRecord;
use crate::fetch::models::Traffic;
use crate::hash::Hash;
use crate::manifest::Options;
use crate::plan::Reason;
use crate::store::{Disk, Problem, Store, StoreError};
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
    /// The metrics that moved further than they may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alarms: Vec<Alarmed>,
    /// The blob of a view of what those were that are not published because of their failed rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<Hash>,
}

/// A metric that moved further than it may.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarmed {
    pub metric: String,
    /// The position of the dataset among those that it is on.
    pub on: usize,
    pub before: f64,
    /// None: it has no value any more.
    pub after: Option<f64>,
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

/// The extension of a file with lines that were set aside.
const ASIDE: &str = "damaged";

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
        let mut all = Vec::new();
        for path in files(store)? {
            let (roots, damaged) = roots(store.disk().as_ref(), &path)?;
            if let Some(line) = damaged.first() {
                let why = io::Error::other(format!("line {line} is not a build"));
                return Err(StoreError::io("read", &path, why));
            }
            all.push(roots);
        }
        Ok(all)
    }

    /// Returns as many of these views as can be read, and what cannot be.
    pub fn readable_roots(store: &Store) -> (Vec<Vec<Roots>>, Vec<Problem>) {
        let (mut all, mut problems) = (Vec::new(), Vec::new());
        let files = files(store).unwrap_or_else(|error| {
            problems.push(Problem::Unreadable(error));
            Vec::new()
        });
        for path in files {
            match roots(store.disk().as_ref(), &path) {
                Ok((roots, damaged)) => {
                    all.push(roots);
                    problems.extend(damaged.into_iter().map(|line| Problem::History { file: path.clone(), line }));
                }
                Err(error) => problems.push(Problem::Unreadable(error)),
            }
        }
        (all, problems)
    }

    /// Moves the lines of a file of builds that are no builds to a file beside it. No build may use the store meanwhile.
    pub fn set_aside(store: &Store, path: &Path) -> Result<(), StoreError> {
        let disk = store.disk();
        let bytes = disk.read(path, 0).map_err(|error| StoreError::io("read", path, error))?;
        let beside = path.with_extension(ASIDE);
        // Bytes that were set aside before stay; where they cannot be read, nothing is set aside.
        let mut aside = match disk.read(&beside, 0) {
            Ok(bytes) => bytes.to_vec(),
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(StoreError::io("read", &beside, error)),
        };
        let mut stay = Vec::new();
        for line in lines(&bytes) {
            let to = if is_build(line) { &mut stay } else { &mut aside };
            to.extend_from_slice(line);
            to.push(b'\n');
        }
        for (path, bytes) in [(&*beside, aside), (path, stay)] {
            disk.write_durably(path, &[&bytes]).map_err(|error| StoreError::io("write", path, error))?;
        }
        Ok(())
    }

    /// Returns the builds, oldest first.
    pub fn builds(&self) -> impl DoubleEndedIterator<Item = Build> {
        lines(&self.lines).filter_map(|line| match read_line(line) {
            Line::Build(build) => Some(*build),
            Line::Later | Line::Damaged => None,
        })
    }

    /// Says which line, counted from 1, leaves it open which build with these profiles and `--set` was the last, because it is
    /// damaged.
    pub fn doubt(&self, options: &Options) -> Option<usize> {
        let numbered = self.lines.split(|byte| *byte == b'\n').enumerate();
        let lines: Vec<_> = numbered.filter(|(_, line)| !line.trim_ascii().is_empty()).collect();
        for (at, line) in lines.into_iter().rev() {
            match read_line(line) {
                Line::Damaged => return Some(at + 1),
                Line::Build(build) if build.options == *options => return None,
                Line::Build(_) | Line::Later => {}
            }
        }
        None
    }

    /// Returns the number of the next build.
    pub fn next_number(&self) -> u64 {
        // Whatever a damaged line said, it was a build.
        let damaged = lines(&self.lines).rev().map(read_line).take_while(|line| !matches!(line, Line::Build(_)));
        let damaged = damaged.filter(|line| matches!(line, Line::Damaged)).count() as u64;
        self.last().map_or(1, |build| build.number + 1) + damaged
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
        lines.extend(write_line(build));
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

/// Lists the files of builds in a store.
fn files(store: &Store) -> Result<Vec<PathBuf>, StoreError> {
    let folder = store.root().join(FOLDER);
    let entries = store.disk().list(&folder).map_err(|error| StoreError::io("list", &folder, error))?;
    Ok(entries.iter().filter(|entry| entry.name.ends_with(ENDING)).map(|entry| folder.join(&entry.name)).collect())
}

/// Returns what the lines of a file name, and the numbers of those that are no builds.
fn roots(disk: &dyn Disk, path: &Path) -> Result<(Vec<Roots>, Vec<usize>), StoreError> {
    let bytes = disk.read(path, 0).map_err(|error| StoreError::io("read", path, error))?;
    let (mut roots, mut damaged) = (Vec::new(), Vec::new());
    for (n, line) in bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty()) {
        match serde_json::from_slice(line) {
            Ok(build) if is_whole(line) => roots.push(build),
            _ => damaged.push(n + 1),
        }
    }
    Ok((roots, damaged))
}

/// A line of a file of builds.
enum Line {
    Build(Box<Build>),
    /// Whole, and for a later version to read.
    Later,
    Damaged,
}

fn read_line(line: &[u8]) -> Line {
    match serde_json::from_slice(line) {
        Ok(build) if is_whole(line) => Line::Build(Box::new(build)),
        _ if is_build(line) => Line::Later,
        _ => Line::Damaged,
    }
}

fn is_build(line: &[u8]) -> bool {
    is_whole(line) && serde_json::from_slice::<Roots>(line).is_ok()
}

/// The last field of a line: the beginning of the hash of all before it.
const CHECK: &[u8] = br#","check":""#;

/// Digits of the check.
const DIGITS: usize = 16;

fn check(text: &[u8]) -> Vec<u8> {
    Hash::of(text).to_string().into_bytes()[..DIGITS].to_vec()
}

fn write_line(build: &Build) -> Vec<u8> {
    let mut line = serde_json::to_vec(build).expect("a build is plain data");
    line.pop();
    let check = check(&line);
    [line.as_slice(), CHECK, &check, br#""}"#].concat()
}

/// Returns whether a line is as it was written. Lines without a check are taken as they are.
fn is_whole(line: &[u8]) -> bool {
    let end = CHECK.len() + DIGITS + 2;
    let Some((text, rest)) = line.split_at_checked(line.len().saturating_sub(end)) else { return true };
    match rest.strip_prefix(CHECK) {
        Some(found) => found[..DIGITS] == check(text),
        None => true,
    }
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
            alarms: Vec::new(),
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
