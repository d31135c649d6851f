//! What is around the programs of a graph: the files that they read and the variables that they get, looked at before anything runs.

use crate::diag::{Diagnostic, Diagnostics};
use crate::fetch::models::{Environment, key_variables};
use crate::fetch::programs::Around;
use crate::fetch::{Workspace, hash_of};
use crate::graph::{Graph, Kind, Node, NodeId};
use crate::hash::{Hash, Words};
use crate::manifest::{Run, components};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

/// What is around each program, by node and step; none: the maker.
#[derive(Default)]
pub struct Arounds(HashMap<NodeId, BTreeMap<Option<usize>, Arc<Around>>>);

impl Arounds {
    /// Looks at what is around the programs of the given nodes, and says what is wrong: every file that is not there or not
    /// declared, and every variable that a program must not get.
    pub fn find(graph: &Graph, nodes: &[NodeId], workspace: &Workspace, problems: &mut Diagnostics) -> Arounds {
        let mut arounds = Arounds::default();
        let (mut secrets, none): (Option<BTreeSet<String>>, _) = (None, BTreeSet::new());
        for id in nodes {
            for (step, run) in programs(graph, *id) {
                let find = || {
                    let keys = graph.manifest.models.iter().filter_map(|model| model.key.as_ref());
                    let known = key_variables(&Environment::default()).unwrap_or_else(|problem| {
                        problems.push(problem);
                        Vec::new()
                    });
                    keys.map(|key| key.value.clone()).chain(known).collect()
                };
                // Who names no variable is given no key.
                if !run.env.is_empty() {
                    secrets.get_or_insert_with(find);
                }
                let secrets = secrets.as_ref().unwrap_or(&none);
                let around = around(run, workspace, secrets, problems);
                arounds.0.entry(*id).or_default().insert(step, Arc::new(around));
            }
        }
        arounds.overwritten(graph, problems);
        arounds
    }

    /// Returns whether a node is made with programs.
    pub fn has(&self, id: NodeId) -> bool {
        self.0.contains_key(&id)
    }

    /// Returns the hash of all that is around the programs of a node.
    pub fn key(&self, id: NodeId) -> Hash {
        let mut words = Words::default();
        for (step, around) in self.all(id) {
            words.set(format!("{step:?}"), key_of(around).to_string());
        }
        words.key("around", 1)
    }

    fn all(&self, id: NodeId) -> impl Iterator<Item = (&Option<usize>, &Arc<Around>)> {
        self.0.get(&id).into_iter().flatten()
    }

    /// Returns what is around a program.
    pub fn of(&self, id: NodeId, step: Option<usize>) -> Arc<Around> {
        self.0.get(&id).and_then(|steps| steps.get(&step)).cloned().unwrap_or_default()
    }

    /// Returns the path and the hash of each file that the programs of a node read.
    pub fn files(&self, id: NodeId) -> Vec<(String, Hash)> {
        let files = self.all(id).flat_map(|(_, around)| around.files.clone());
        files.collect::<BTreeMap<_, _>>().into_iter().collect()
    }

    /// Returns the words of a node's definition, with those of the variables that its programs get.
    pub fn words(&self, graph: &Graph, id: NodeId) -> Words {
        let mut words = graph.node(id).words.clone();
        for (step, around) in self.all(id) {
            for (name, value) in &around.variables {
                let value = value.as_ref().map_or("not set".to_owned(), |value| {
                    let hash = hash_of(value).to_string();
                    format!("set, with the hash {}", &hash[..16])
                });
                let step = step.map_or(String::new(), |step| format!("steps.{step}."));
                words.set(format!("{step}run.env.{name}"), value);
            }
        }
        words
    }

    /// Reports exports that would write a file that a program reads.
    fn overwritten(&self, graph: &Graph, problems: &mut Diagnostics) {
        let paths: BTreeSet<&str> = self
            .0
            .values()
            .flat_map(BTreeMap::values)
            .flat_map(|around| &around.files)
            .map(|(path, _)| path.as_str())
            .collect();
        for export in &graph.manifest.exports {
            let to = components(&export.to.value).collect::<Vec<_>>().join("/");
            if paths.contains(to.as_str()) {
                let title = format!("`export.{}` would overwrite {to}, which a program reads", export.name.value);
                problems.push(
                    Diagnostic::error("overwritten-input", title)
                        .at(&export.to.span, "written here")
                        .help("export to a file that nothing reads, for example in a folder `out`"),
                );
            }
        }
    }
}

/// Returns the hash of what is around a program, for the key of its actions.
pub fn key_of(around: &Around) -> Hash {
    let mut words = Words::default();
    for (path, hash) in &around.files {
        words.set(format!("file.{path}"), hash.to_string());
    }
    for (name, value) in &around.variables {
        words.set(format!("env.{name}"), value.as_ref().map_or(String::new(), |value| hash_of(value).to_string()));
    }
    words.key("around", 1)
}

fn programs(graph: &Graph, id: NodeId) -> impl Iterator<Item = (Option<usize>, &Run)> {
    let node: &Node = graph.node(id);
    let dataset = (node.kind == Kind::Dataset).then(|| &graph.manifest.datasets[node.declaration]);
    dataset.into_iter().flat_map(|dataset| dataset.programs())
}

fn around(run: &Run, workspace: &Workspace, secrets: &BTreeSet<String>, problems: &mut Diagnostics) -> Around {
    let mut files: BTreeMap<String, Hash> = BTreeMap::new();
    for pattern in &run.inputs {
        let found = workspace.find(&pattern.value).unwrap_or_else(|error| {
            let problem = Diagnostic::error("no-files", error.to_string()).at(&pattern.span, "the program reads this");
            problems.push(problem);
            Vec::new()
        });
        for file in found {
            match workspace.hash(&file) {
                Ok(hash) => drop(files.insert(file.path.clone(), hash)),
                Err(error) => problems.push(
                    Diagnostic::error("unreadable-file", format!("cannot read {}: {error}", file.path))
                        .at(&pattern.span, "the program reads this"),
                ),
            }
        }
    }
    for word in &run.command {
        // Of `--rules=rules.txt` what is behind the sign.
        let ends = [Some(word.value.as_str()), word.value.split_once('=').map(|(_, value)| value)];
        for path in ends.into_iter().flatten().filter_map(|path| in_project(path, workspace.root())) {
            let path = components(&path).collect::<Vec<_>>().join("/");
            if !path.is_empty() && !files.contains_key(&path) && workspace.has_file(&path) {
                let title = format!("`{path}` is a file that the program reads, and not among its `inputs`");
                let all: Vec<String> = files.keys().chain([&path]).map(|path| format!("{path:?}")).collect();
                problems.push(
                    Diagnostic::error("undeclared-input", title)
                        .at(&word.span, "a file of the project")
                        .note("what a program is made of is in its key: otherwise a change of it would go unnoticed")
                        .help(format!("declare it, and what it imports or reads: `inputs = [{}]`", all.join(", "))),
                );
            }
        }
    }
    let mut variables = Vec::with_capacity(run.env.len());
    for name in &run.env {
        if secrets.contains(&name.value) {
            problems.push(
                Diagnostic::error("secret", format!("the key in `{}` must not go to a program", name.value))
                    .at(&name.span, "this variable is for a model")
                    .note("keys are read when a request is sent, and are given to nobody else")
                    .help("ask models with `generate`, `judge` or `embed`; their answers are recorded, too"),
            );
        } else if name.value.starts_with("DATAMAKE_") || name.value == "TMPDIR" {
            let title = format!("`{}` is a variable that datamake sets itself", name.value);
            problems.push(Diagnostic::error("reserved-variable", title).at(&name.span, "take another name"));
        } else {
            variables.push((name.value.clone(), workspace.variable(&name.value)));
        }
    }
    variables.sort();
    variables.dedup();
    Around { files: files.into_iter().collect(), variables }
}

/// Returns a path as one from the project's folder, if it leads there.
fn in_project<'a>(path: &'a str, root: &Path) -> Option<Cow<'a, str>> {
    if !path.starts_with('/') {
        return Some(path.into());
    }
    let inside = Path::new(path).strip_prefix(std::path::absolute(root).ok()?).map(Path::to_owned);
    // The folder may have other names, over links.
    let inside = inside.or_else(|_| {
        let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        real(Path::new(path)).strip_prefix(real(root)).map(Path::to_owned)
    });
    Some(inside.ok()?.into_os_string().into_string().ok()?.into())
}
