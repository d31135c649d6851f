//! A project in a folder of its own, built through the library.
#![allow(dead_code, reason = "each test file uses its part")]

use datamake::ask::FailureKind;
use datamake::diag::{Diagnostic, Diagnostics, Style, render};
use datamake::exec::{Context, Mode, NodeRecord, State, TableRef};
use datamake::expr::Value;
use datamake::fetch::Workspace;
use datamake::graph::Graph;
use datamake::history::read_record;
use datamake::manifest::{Manifest, Options};
use datamake::project::{BuildOptions, Built, Planned, Project};
use datamake::store::{Disk, MemoryDisk, RealDisk, Store};
use datamake::table::{Limits, Schema};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Row groups of a few rows, so that small data has many.
pub const SMALL: Limits = Limits { min: 2, target: 4, max: 16 };

/// A folder with a project, and a store in memory.
pub struct Sandbox {
    folder: tempfile::TempDir,
    disk: Arc<dyn Disk>,
    /// The folder of the store in the project's; none: in memory.
    store: Option<&'static str>,
    pub limits: Limits,
    pub jobs: Option<usize>,
}

/// What the nodes are after a build: full name → what tells one result from another.
pub type Results = BTreeMap<String, String>;

impl Sandbox {
    pub fn new() -> Sandbox {
        Sandbox::on(Arc::new(MemoryDisk::default()))
    }

    /// A project whose store is on `disk`.
    pub fn on(disk: Arc<dyn Disk>) -> Sandbox {
        Sandbox {
            folder: tempfile::tempdir().expect("a folder can be made"),
            disk,
            limits: SMALL,
            jobs: None,
            store: None,
        }
    }

    /// A project whose store is in its folder `store`.
    pub fn on_real_disk() -> Sandbox {
        Sandbox { store: Some("store"), ..Sandbox::on(Arc::new(RealDisk)) }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn file(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let file = self.file(path);
        std::fs::create_dir_all(file.parent().expect("it is in the folder")).expect("folders can be made");
        std::fs::write(file, text).expect("files can be written");
    }

    pub fn remove(&self, path: &str) {
        std::fs::remove_file(self.file(path)).expect("the file is there");
    }

    /// Replaces `old` by `new` in a file.
    pub fn edit(&self, path: &str, old: &str, new: &str) {
        let text = std::fs::read_to_string(self.file(path)).expect("the file is there");
        assert!(text.contains(old), "{path} has no {old:?}");
        self.write(path, text.replace(old, new));
    }

    /// The same folder with an empty store of its own.
    pub fn project_in(&self, disk: Arc<dyn Disk>) -> Result<Project, Diagnostics> {
        self.project_at(disk, Path::new("/store"))
    }

    pub fn project_at(&self, disk: Arc<dyn Disk>, folder: &Path) -> Result<Project, Diagnostics> {
        let workspace = Workspace::open(self.path());
        let (manifest, _) = Manifest::load(&workspace, &Options::default())?;
        let graph = Graph::resolve(manifest, &workspace)?;
        let store = Store::open(disk, folder).map_err(|error| Diagnostic::error("store", error.to_string()))?;
        Ok(Project::with(graph, workspace, store, self.limits))
    }

    pub fn project(&self) -> Result<Project, Diagnostics> {
        match self.store {
            None => self.project_in(self.disk.clone()),
            Some(folder) => self.project_at(self.disk.clone(), &self.file(folder)),
        }
    }

    pub fn build(&self) -> Result<Built, Diagnostics> {
        build(&self.project()?, &[], self.jobs)
    }

    /// Builds again where rows failed in these ways; nodes may fail.
    pub fn retried(&self, retry: &[FailureKind]) -> Built {
        let never = AtomicBool::new(false);
        let project = self.project().expect("the manifest is right");
        let options = BuildOptions { retry, ..options(&[], self.jobs, &never) };
        project.build(&options).unwrap_or_else(|problems| panic!("{}", render(&problems, Style::Plain)))
    }

    /// Builds; panics with the diagnostics if anything is wrong.
    pub fn built(&self) -> Built {
        let project = self.project().unwrap_or_else(|problems| panic!("{}", render(&problems, Style::Plain)));
        let built =
            build(&project, &[], self.jobs).unwrap_or_else(|problems| panic!("{}", render(&problems, Style::Plain)));
        fine(&built);
        built
    }

    /// Builds, and returns how many actions ran for each node that was not fresh.
    pub fn actions(&self) -> BTreeMap<String, u64> {
        let built = self.built();
        let project = self.project().expect("it was just built");
        let done = built.run.nodes.iter().filter_map(|node| match node.state {
            State::Done(work) => Some((project.graph.node(node.node).full_name(), work.actions)),
            _ => None,
        });
        done.collect()
    }

    /// Says what is wrong with a project, which something is.
    pub fn mistakes(&self) -> String {
        let wrong = |built: Built| {
            let failed = built.run.nodes.into_iter().find_map(|node| match node.state {
                State::Failed(problems) => Some(problems),
                _ => None,
            });
            failed.expect("something is wrong")
        };
        render(&self.build().map_or_else(|problems| problems, wrong), Style::Plain)
    }

    /// Says what is wrong with a project, and that each of these is part of it.
    pub fn says(&self, expect: &[&str]) -> String {
        let said = self.mistakes();
        expect.iter().for_each(|expect| assert!(said.contains(expect), "{expect}:\n{said}"));
        said
    }

    /// Returns the names of the nodes that a build makes.
    pub fn made(&self) -> Vec<String> {
        let project = self.project().unwrap_or_else(|problems| panic!("{}", render(&problems, Style::Plain)));
        let built =
            build(&project, &[], self.jobs).unwrap_or_else(|problems| panic!("{}", render(&problems, Style::Plain)));
        fine(&built);
        built.reasons.keys().map(|id| project.graph.node(*id).full_name()).collect()
    }

    /// Builds what is there in an empty store, and returns what the nodes are.
    pub fn clean(&self) -> Results {
        let project = self.project_in(Arc::new(MemoryDisk::default())).expect("the manifest is right");
        let built =
            build(&project, &[], self.jobs).unwrap_or_else(|problems| panic!("{}", render(&problems, Style::Plain)));
        fine(&built);
        results(&project)
    }

    /// Returns what the nodes were after the last build.
    pub fn results(&self) -> Results {
        results(&self.project().expect("the manifest is right"))
    }

    pub fn plan(&self) -> Planned {
        let never = AtomicBool::new(false);
        let project = self.project().expect("the manifest is right");
        project
            .plan(&options(&[], self.jobs, &never))
            .unwrap_or_else(|problems| panic!("{}", render(&problems, Style::Plain)))
    }

    /// Returns the rows of a dataset as JSON, in order.
    pub fn rows(&self, name: &str) -> Vec<serde_json::Value> {
        let project = self.project().expect("the manifest is right");
        let table = project.table(name).unwrap_or_else(|problems| panic!("{}", render(&problems, Style::Plain)));
        let rows = project.rows(&table, 0, usize::MAX).expect("rows can be read");
        rows.rows.iter().map(|row| object(&rows.schema, row)).collect()
    }
}

/// Writes rows of a text each, whose `id` is its number.
pub fn texts<T: serde::Serialize>(texts: impl IntoIterator<Item = T>) -> String {
    let line = |(id, text): (usize, T)| format!("{}\n", serde_json::json!({ "id": id, "text": text }));
    texts.into_iter().enumerate().map(line).collect()
}

fn options<'a>(targets: &'a [String], jobs: Option<usize>, cancel: &'a AtomicBool) -> BuildOptions<'a> {
    BuildOptions { targets, jobs, events: &|_| (), waiting: &|_| (), cancel, command: &[], budget: None, retry: &[] }
}

pub fn build(project: &Project, targets: &[String], jobs: Option<usize>) -> Result<Built, Diagnostics> {
    let never = AtomicBool::new(false);
    project.build(&options(targets, jobs, &never))
}

/// Returns what a build made of a dataset, published or not.
pub fn record(project: &Project, built: &Built, name: &str) -> NodeRecord {
    let (id, _) = project.one(name).expect("there is such a dataset");
    let published = built.run.of(id).and_then(|run| run.outcome.as_ref()).map(|outcome| outcome.record);
    let hash = built.run.attempts.get(&id).copied().or(published).expect("the dataset was made");
    read_record(project.store(), hash).expect("the record is in the store")
}

/// Returns the rows of a dataset that failed, as JSON with the column `failure`, in order.
pub fn failures(project: &Project, record: &NodeRecord) -> Vec<serde_json::Value> {
    let never = AtomicBool::new(false);
    let context = Context::new(project.store(), Mode::Plan, SMALL, &never);
    let mut rows = Vec::new();
    for lost in &record.failed {
        let table =
            context.table(&TableRef::stored(lost.table)).unwrap_or_else(|_| panic!("the table is in the store"));
        let found = project.rows(&table, 0, usize::MAX).expect("rows can be read");
        assert_eq!(found.rows.len() as u64, lost.rows(), "the counts are those of the table");
        rows.extend(found.rows.iter().map(|row| object(&found.schema, row)));
    }
    rows
}

fn object(schema: &Schema, row: &[Value]) -> serde_json::Value {
    let pairs = schema.names().zip(row);
    pairs.map(|(name, value)| (name.to_owned(), serde_json::to_value(value).expect("plain"))).collect()
}

/// Panics if a node failed.
pub fn fine(built: &Built) {
    for node in &built.run.nodes {
        if let datamake::exec::State::Failed(problems) = &node.state {
            panic!("{}", render(problems, Style::Plain));
        }
    }
}

pub fn results(project: &Project) -> Results {
    let version = project.version("last").unwrap_or_else(|problems| panic!("{}", render(&problems, Style::Plain)));
    version.nodes.into_iter().map(|(name, node)| (name, format!("{node:?}"))).collect()
}

/// Copies what a fresh clone has of a folder.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the folder can be copied");
    for entry in std::fs::read_dir(from).expect("the folder can be copied") {
        let path = entry.expect("the folder can be copied").path();
        let name = path.file_name().expect("the folder can be copied").to_str().expect("the folder can be copied");
        match name {
            "out" | ".datamake" => {}
            _ if path.is_dir() => copy(&path, &to.join(name)),
            _ => drop(std::fs::copy(&path, to.join(name)).expect("the folder can be copied")),
        }
    }
}
