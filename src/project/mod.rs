//! A project as a whole: manifest, store and history opened together, and the commands' work on them.

mod alarm;
mod build;
mod cause;
mod check;
mod clean;
mod fresh;
mod inspect;
mod models;
mod responses;
mod revision;
mod tune;

pub use alarm::{Cause, Compared, Moved};
pub use build::{BuildOptions, Built, Planned, PlannedNode};
pub use check::{Findings, Verdict};
pub use clean::{Checked, Garbage, Repair};
pub use fresh::nothing_to_do;
pub use inspect::{Explanation, Failed, Published, Rows, Statistics};
pub use models::{Gap, NodeCost, Outlay, Spent};
pub use responses::{Exported, Kept, OfModel, Travelled, Which, open as open_responses};
pub use revision::{NodeDiff, Point, Version};
pub use tune::{Curve, CurvePoint, Side};

use crate::diag::{Diagnostic, Diagnostics};
use crate::fetch::models::Batching;
use crate::fetch::{Seen, StateFolder, Workspace};
use crate::graph::{Graph, NodeId};
use crate::history::History;
use crate::manifest::{Manifest, Options};
use crate::store::{RealDisk, Store};
use crate::table::Limits;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The name of the manifest.
pub const MANIFEST: &str = "datamake.toml";

/// The file in which the checkout's name is.
const ID: &str = "id";

/// Bytes that such a name may have: it is a part of the names of files.
const LONGEST_ID: usize = 64;

/// An opened project. Opening reads and checks the manifest; it writes nothing.
#[derive(Debug)]
pub struct Project {
    pub graph: Graph,
    /// What may be wrong but stops nothing.
    pub warnings: Diagnostics,
    workspace: Workspace,
    store: Store,
    limits: Limits,
    /// The profiles and `--set` that the manifest was read with.
    options: Options,
    /// The pace of batches.
    pub batches: Batching,
}

/// Finds the project that `folder` is in: the nearest folder upwards with a manifest.
pub fn find_root(folder: &Path) -> Result<PathBuf, Diagnostics> {
    let found = folder.ancestors().find(|folder| folder.join(MANIFEST).is_file());
    found.map(Path::to_owned).ok_or_else(|| {
        Diagnostic::error("no-project", format!("there is no {MANIFEST} in {} or above it", folder.display()))
            .help("make one with `datamake init`, or name the project's folder with `-C DIR`")
            .into()
    })
}

impl Project {
    /// Opens the project in `root`.
    ///
    /// # Errors
    /// All that is wrong with the manifest and its templates.
    pub fn open(root: &Path, options: &Options) -> Result<Project, Diagnostics> {
        Project::watched(root, options).map_err(|(problems, _)| problems)
    }

    /// As [`Project::open`]; where something is wrong, returns what was looked at as well.
    pub fn watched(root: &Path, options: &Options) -> Result<Project, (Diagnostics, Seen)> {
        let (project, _) = Project::read(root, options)?;
        if project.warnings.has_errors() { Err((project.warnings.clone(), project.seen())) } else { Ok(project) }
    }

    /// Opens what is sound of the project in `root`: all that is wrong is among the warnings. Returns with it the nodes of which
    /// nothing is wrong, nor of what they need.
    fn read(root: &Path, options: &Options) -> Result<(Project, Vec<NodeId>), (Diagnostics, Seen)> {
        let workspace = Workspace::open(root);
        let open = || {
            let (manifest, mut problems) = Manifest::load_sound_parts(&workspace, options)?;
            let (graph, sound) = Graph::resolve_sound_parts(manifest, &workspace, &mut problems);
            let store = Store::open(Arc::new(RealDisk), &store_folder(root)).map_err(|error| {
                problems.0.extend(unusable(error).0);
                std::mem::take(&mut problems)
            })?;
            Ok((graph, sound, problems, store))
        };
        match open() {
            Ok((graph, sound, warnings, store)) => {
                let (limits, options, batches) = (Limits::DEFAULT, options.clone(), Batching::default());
                Ok((Project { graph, warnings, workspace, store, limits, options, batches }, sound))
            }
            Err(problems) => Err((problems, workspace.everything_seen())),
        }
    }

    /// Returns all that was asked of the files in and around the project so far.
    pub fn seen(&self) -> Seen {
        self.workspace.everything_seen()
    }

    /// Opens a project with a store and limits of the caller's, for tests.
    pub fn with(graph: Graph, workspace: Workspace, store: Store, limits: Limits) -> Project {
        let (warnings, options, batches) = Default::default();
        Project { graph, warnings, workspace, store, limits, options, batches }
    }

    /// Returns the store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the project's folder.
    pub fn root(&self) -> &Path {
        self.workspace.root()
    }

    /// Returns the builds of this checkout; none if it never built.
    pub fn history(&self) -> Result<History, Diagnostics> {
        History::open(&self.store, &self.id()).map_err(unusable)
    }

    /// Returns the name of this checkout in the store.
    fn id(&self) -> String {
        read_id(&self.workspace.state()).unwrap_or_else(|| "none".to_owned())
    }

    /// Returns whether the manifest is taken as it stands, without profiles or `--set`.
    fn is_plain(&self) -> bool {
        self.options == Options::default()
    }

    /// Gives the checkout a name of its own in the store, if it has none.
    fn claim(&self) -> Result<(), Diagnostics> {
        let state = self.workspace.state();
        if read_id(&state).is_some() {
            return Ok(());
        }
        let seed = format!("{:?} {} {:?}", std::time::SystemTime::now(), std::process::id(), self.root());
        let id = &crate::hash::Hash::of(seed.as_bytes()).to_string()[..16];
        state.write(ID, format!("{id}\n").as_bytes()).map_err(|error| unwritable(&state.path(ID), &error))
    }
}

/// Reads the checkout's name; what is no name of ours is none.
fn read_id(state: &StateFolder) -> Option<String> {
    let text = state.read(ID)?;
    let id = text.trim();
    let is_name = (1..=LONGEST_ID).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric());
    is_name.then(|| id.to_owned())
}

/// Returns the folder of the store that the project in `root` uses.
fn store_folder(root: &Path) -> PathBuf {
    match std::env::var_os("DATAMAKE_STORE") {
        // Relative to the project: the same store from all of its folders.
        Some(folder) if !folder.is_empty() => root.join(folder),
        _ => StateFolder::of(root).path("store"),
    }
}

/// Says that the store cannot be used.
pub(crate) fn unusable(error: crate::store::StoreError) -> Diagnostics {
    let problem = Diagnostic::error("store", error.to_string());
    let problem = if error.is_full() {
        problem.help(
            "make room and run the same command again: what was done is kept; `datamake gc` tells what no build needs",
        )
    } else {
        problem
    };
    problem.into()
}

fn unwritable(path: &Path, error: &std::io::Error) -> Diagnostics {
    Diagnostic::error("unwritable", format!("cannot write {}: {}", path.display(), crate::fetch::plain(error))).into()
}
