//! A manifest on its way from tables to declarations: all files in one tree, overlays, params, then the nodes.

use super::decl::{Budget, Project};
use super::keys::{self, Holds, KINDS};
use super::params::Params;
use super::value::{At, Entry, Kind, Layer, Origin, Table, Value};
use super::{Broken, Manifest, Options, check, nodes, overlay, secret, syntax, unused};
use crate::diag::{Diagnostic, Diagnostics, Severity, Source, list};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What is gathered so far.
pub struct Build<'t> {
    /// The files, and the values of `--set` if there are any.
    pub sources: &'t [Arc<Source>],
    /// Kind → name → node, of all files.
    pub tree: Table<'t>,
    pub problems: Vec<Diagnostic>,
    broken: Broken,
    /// Something is missing, and nobody knows what it would have been.
    torn: bool,
}

impl<'t> Build<'t> {
    /// Begins with what is wrong so far.
    pub fn new(sources: &'t [Arc<Source>], problems: Vec<Diagnostic>) -> Build<'t> {
        let torn = problems.iter().any(is_error);
        Build { sources, tree: Table::new(), problems, broken: Broken::default(), torn }
    }

    /// Makes the manifest of what is sound; the first `files` of the sources are files, the first of them is `main`.
    ///
    /// # Errors
    /// What leaves nothing to say of the rest.
    pub fn finish(
        mut self,
        root: &Path,
        main: Table<'t>,
        files: usize,
        options: &Options,
    ) -> Result<(Manifest, Diagnostics), Diagnostics> {
        self.gather(0, main);
        for index in 1..files {
            let (table, problems) = syntax::parse(self.sources, index);
            self.torn |= problems.iter().any(is_error);
            self.problems.extend(problems);
            self.gather(index, table);
        }
        // What a file that does not parse would have declared is not missed.
        let torn = self.problems.iter().any(|problem| problem.code == "syntax");
        let before = self.problems.len();
        let profiles = self.overlays(options);
        self.torn |= self.problems[before..].iter().any(is_error);
        let mut params = Params::new(self.sources, self.tree.get("params").and_then(|entry| entry.value.table()));
        for (kind, entry) in self.tree.iter_mut().filter(|(kind, _)| *kind != "params") {
            let Kind::Table(nodes) = &mut entry.value.kind else { continue };
            for (name, node) in nodes.iter_mut() {
                let before = params.problems.len();
                params.substitute(&mut node.value);
                if params.problems.len() > before {
                    self.broken.add(Some(kind), name);
                }
            }
        }
        params.mention(&profiles);
        self.problems.append(&mut params.problems);
        if torn {
            self.problems.retain(|problem| problem.code != "unknown-param");
        }
        let (params, unused_params) = params.finish();
        let mut manifest = Manifest {
            root: root.to_owned(),
            sources: self.sources.to_vec(),
            project: Project::default(),
            budget: Budget::default(),
            params,
            datasets: Vec::new(),
            prompts: Vec::new(),
            models: Vec::new(),
            lms: Vec::new(),
            filters: Vec::new(),
            metrics: Vec::new(),
            tests: Vec::new(),
            exports: Vec::new(),
            broken: self.broken,
        };
        for kind in KINDS {
            if let Some(table) = self.tree.get(kind.name).and_then(|entry| entry.value.table()) {
                let at = self.tree.get(kind.name).map_or(At::new(0, 0..0), |entry| entry.key);
                self.problems.extend(nodes::declare(kind, at, table, self.sources, &mut manifest));
            }
        }
        self.problems.extend(same_outputs(&manifest));
        manifest.without_broken();
        if !self.problems.iter().any(is_error) {
            self.problems.extend(unused::warnings(&manifest, &unused_params, &profiles));
        }
        let problems = sorted(secret::masked(self.problems), self.sources);
        if self.torn { Err(problems) } else { Ok((manifest, problems)) }
    }

    /// Adds the tables of one file to the tree.
    fn gather(&mut self, index: usize, file: Table<'t>) {
        let sources = self.sources;
        for (name, entry) in file {
            let name = &*name;
            let span = entry.key.span(sources);
            let Some(kind) = keys::kind(name) else {
                let names = || KINDS.iter().map(|kind| kind.name);
                let problem = Diagnostic::error("unknown-kind", format!("there is no kind `{name}`"));
                let mut problem = problem.at(&span, "unknown kind").did_you_mean(name, names());
                if keys::PROJECT.key(name).is_some() {
                    problem = problem.help(format!("write `{name}` under `[project]`"));
                }
                self.problems.push(problem.note(format!("the kinds are {}", list(names()))));
                let nodes = entry.value.table().into_iter().flat_map(|nodes| nodes.keys());
                nodes.for_each(|node| self.broken.add(None, node));
                continue;
            };
            let found = entry.value.kind.name();
            let (key, at) = (entry.key, entry.value.at);
            let Kind::Table(nodes) = entry.value.kind else {
                let written = if matches!(kind.holds, Holds::Keys(_) | Holds::Values) { "" } else { ".NAME" };
                let problem = Diagnostic::error("wrong-type", format!("`{name}` must be a table"));
                let problem = problem.at(&at.span(sources), format!("found {found}"));
                self.problems.push(problem.help(format!("write it as `[{name}{written}]`")));
                self.torn = true;
                continue;
            };
            if index > 0 && matches!(kind.holds, Holds::Keys(_)) {
                let problem = Diagnostic::error("stray-key", format!("`[{name}]` belongs into the main file"));
                self.problems.push(problem.at(&span, "in an included file"));
                continue;
            }
            let empty = Value { at, kind: Kind::Table(Table::new()), origin: Origin::Written };
            self.tree.insert(kind.name, Entry { key, value: empty, layer: 0 });
            let Some(Kind::Table(known)) = self.tree.get_mut(name).map(|entry| &mut entry.value.kind) else { continue };
            known.merge(nodes, |node, first, again| {
                self.broken.add(Some(kind.name), node);
                let problem = Diagnostic::error("duplicate", format!("`{name}.{node}` is defined twice"));
                let problem = problem.at(&again.key.span(sources), "defined again");
                self.problems.push(problem.at(&first.key.span(sources), "first defined here"));
            });
        }
    }

    /// Lays the chosen profiles and `--set` onto the tree; returns all profiles as they are written.
    fn overlays(&mut self, options: &Options) -> Value<'t> {
        let sources = self.sources;
        let nowhere = At::new(0, 0..0);
        let empty = || Value { at: nowhere, kind: Kind::Table(Table::new()), origin: Origin::Written };
        let profiles = self.tree.remove("profile").map_or_else(empty, |entry| entry.value);
        let known = profiles.table().into_iter().flatten();
        for (name, entry) in known.clone() {
            if !check::is_name(name) {
                let problem = Diagnostic::error("invalid-name", format!("`{name}` cannot be a name"));
                self.problems.push(problem.at(&entry.key.span(sources), "in this place").note(check::NAME_RULE));
            }
            match entry.value.table() {
                Some(table) if !options.profiles.iter().any(|chosen| chosen == name) => {
                    overlay::check(table.clone(), sources, &mut self.problems);
                }
                Some(_) => {}
                None => {
                    let problem = Diagnostic::error("wrong-type", format!("`profile.{name}` must be a table"));
                    let found = format!("found {}", entry.value.kind.name());
                    self.problems.push(problem.at(&entry.value.at.span(sources), found));
                }
            }
        }
        let mut layers = 1..;
        let mut next = || layers.next().unwrap_or(Layer::MAX);
        for name in &options.profiles {
            match profiles.table().and_then(|table| table.get(name)) {
                Some(entry) => {
                    if let Some(over) = entry.value.table() {
                        overlay::apply(&mut self.tree, over.clone(), next(), sources, &mut self.problems);
                    }
                }
                None => {
                    let names = || known.clone().map(|(name, _)| name);
                    let problem = Diagnostic::error("unknown-profile", format!("there is no profile `{name}`"));
                    let problem = problem.did_you_mean(name, names());
                    self.problems.push(problem.note(format!("the profiles are {}", list(names()))));
                }
            }
        }
        for over in overlay::parse_set(&options.set, sources, sources.len() - 1, &mut self.problems) {
            overlay::apply(&mut self.tree, over, next(), sources, &mut self.problems);
        }
        profiles
    }
}

fn is_error(problem: &Diagnostic) -> bool {
    problem.severity == Severity::Error
}

/// Reports exports that write one file.
fn same_outputs(manifest: &Manifest) -> Vec<Diagnostic> {
    let mut first: BTreeMap<Vec<&str>, &super::Export> = BTreeMap::new();
    let mut problems = Vec::new();
    for export in &manifest.exports {
        let path: Vec<&str> = check::components(&export.to.value).collect();
        if let Some(other) = first.get(&path) {
            let title = format!("`export.{}` and `export.{}` write one file", other.name.value, export.name.value);
            let problem = Diagnostic::error("same-output", title).at(&export.to.span, "written here");
            problems.push(problem.at(&other.to.span, "and here"));
        } else {
            first.insert(path, export);
        }
    }
    problems
}

/// Puts problems in the order of the files and of the lines in them, each once.
fn sorted(mut problems: Vec<Diagnostic>, sources: &[Arc<Source>]) -> Diagnostics {
    problems.sort_by_cached_key(|problem| {
        problem.labels.first().map(|label| {
            let source = sources.iter().position(|source| source.path == label.span.source.path);
            (source, label.span.range.start, label.span.range.end)
        })
    });
    problems.dedup();
    Diagnostics(problems)
}
