//! Points in a project's past: builds of this checkout, and lock files of Git revisions.

use super::{Project, unusable};
use crate::diag::{Diagnostic, Diagnostics};
use crate::exec::{Context, Mode, Stop, TableRef};
use crate::fetch::file_at_revision;
use crate::hash::Hash;
use crate::history::{LOCK_FILE, Lock, LockedNode, TableDiff, diff_tables, lock_of, parse_lock, read_view};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::AtomicBool;

/// Where in the past to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Point {
    /// A build of this checkout, by number.
    Build(u64),
    /// A commit, branch or tag of Git.
    Revision(String),
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Point::Build(number) => write!(f, "build {number}"),
            Point::Revision(name) => f.write_str(name),
        }
    }
}

/// What the nodes were at a point.
#[derive(Clone, Debug)]
pub struct Version {
    pub point: Point,
    pub nodes: Lock,
}

/// How a node differs between two versions.
#[derive(Clone, Debug)]
pub struct NodeDiff {
    pub name: String,
    pub old: Option<LockedNode>,
    pub new: Option<LockedNode>,
    /// Of a dataset that both have; none if a table is not in the store.
    pub table: Option<TableDiff>,
}

impl Project {
    /// Finds the version that is called `12`, `last`, `last-1`, `git:main`, or any revision that Git knows.
    pub fn version(&self, name: &str) -> Result<Version, Diagnostics> {
        let history = self.history()?;
        if name.starts_with("last") {
            self.no_doubt(&history)?;
        }
        if let Some(build) = history.find(name) {
            let view = read_view(&self.store, build.view).map_err(unusable)?;
            let nodes = lock_of(&self.store, &view).map_err(unusable)?;
            return Ok(Version { point: Point::Build(build.number), nodes });
        }
        let revision = name.strip_prefix("git:").unwrap_or(name);
        let wrong = |title: String| {
            let builds = match history.last() {
                Some(last) => format!("builds here are 1 to {}, or `last`, `last-1` …", last.number),
                None => "nothing was built here yet".to_owned(),
            };
            Diagnostics::from(
                Diagnostic::error("unknown-version", title).note(builds).help("`datamake log` lists the builds"),
            )
        };
        let text = file_at_revision(self.root(), revision, LOCK_FILE).map_err(|why| {
            wrong(format!("`{name}` is neither a build nor a Git revision with a {LOCK_FILE}: {why}"))
        })?;
        let nodes =
            parse_lock(&text).map_err(|why| wrong(format!("the {LOCK_FILE} of `{name}` cannot be read: {why}")))?;
        Ok(Version { point: Point::Revision(revision.to_owned()), nodes })
    }

    /// Compares two versions, node by node; `only` limits it to some full or short names.
    pub fn diff(
        &self,
        old: &Version,
        new: &Version,
        only: &[String],
        samples: usize,
    ) -> Result<Vec<NodeDiff>, Diagnostics> {
        let never = AtomicBool::new(false);
        let context = Context::new(&self.store, Mode::Plan, self.limits, &never);
        let names: BTreeSet<&String> = old.nodes.keys().chain(new.nodes.keys()).collect();
        let wanted = |name: &&&String| {
            only.is_empty()
                || only.iter().any(|one| one == **name || name.split_once('.').is_some_and(|(_, short)| short == one))
        };
        if let Some(unknown) = only.iter().find(|one| {
            !names.iter().any(|name| wanted(&name) && (*one == *name || name.ends_with(&format!(".{one}"))))
        }) {
            return Err(Diagnostic::error("unknown-node", format!("neither version has a node `{unknown}`"))
                .did_you_mean(unknown, names.iter().filter_map(|name| Some(name.split_once('.')?.1)))
                .into());
        }
        let mut found = Vec::new();
        for name in names.iter().filter(wanted) {
            let (before, after) = (old.nodes.get(*name), new.nodes.get(*name));
            if before == after {
                continue;
            }
            let tables = before.and_then(|node| node.table).zip(after.and_then(|node| node.table));
            let table = match tables {
                Some((a, b)) if a != b => self.diff_one(&context, a, b, samples)?,
                _ => None,
            };
            found.push(NodeDiff { name: (*name).clone(), old: before.cloned(), new: after.cloned(), table });
        }
        Ok(found)
    }

    fn diff_one(
        &self,
        context: &Context,
        old: Hash,
        new: Hash,
        samples: usize,
    ) -> Result<Option<TableDiff>, Diagnostics> {
        let compared = context.table(&TableRef::stored(old)).and_then(|old| {
            let new = context.table(&TableRef::stored(new))?;
            diff_tables(context, &old, &new, samples)
        });
        match compared {
            Ok(diff) => Ok(Some(diff)),
            Err(Stop::Failed(problems)) => Err(problems),
            // What another machine built, or `gc` removed, cannot be compared row by row.
            Err(_) => Ok(None),
        }
    }
}
