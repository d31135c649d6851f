//! The manifest: TOML → declarations with spans, and every mistake at once.
//!
//! Names are not resolved and expressions not parsed here; `graph` does both, and points its errors into these spans.

mod check;
mod decl;
mod declare;
mod keys;
mod load;
mod overlay;
mod params;
mod recipe;
mod reference;
mod schema;
mod shape;
mod syntax;
mod value;
mod words;

#[cfg(test)]
mod tests;

pub use decl::*;
pub use load::MAIN;
pub use reference::reference;
pub use schema::schema;

use crate::diag::{Diagnostic, Diagnostics, Source, Span, list};
use declare::Declarer;
use keys::{Holds, KINDS};
use params::Params;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use value::{Entry, Kind, Table, Value};

/// What a project declares, after profiles, `--set` and params. Nodes are sorted by name.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The project's folder.
    pub root: PathBuf,
    /// The main file first, then what it includes, then the values of `--set` if there are any.
    pub sources: Vec<Arc<Source>>,
    pub project: Project,
    pub params: BTreeMap<String, Param>,
    pub datasets: Vec<Dataset>,
    pub prompts: Vec<Prompt>,
    pub filters: Vec<Filter>,
    pub metrics: Vec<Metric>,
    pub exports: Vec<Export>,
}

/// What the command line changes about a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Names of profiles, in the order in which they are laid onto the file.
    pub profiles: Vec<String>,
    /// `path.to.key=value`, laid on last.
    pub set: Vec<String>,
}

impl Manifest {
    /// Reads the manifest of the project in `root`, and returns it with warnings.
    pub fn load(root: &Path, options: &Options) -> Result<(Manifest, Diagnostics), Diagnostics> {
        let main = load::main(root)?;
        let mut sources = vec![main];
        let (table, problems) = syntax::parse(&sources, 0);
        let mut build = Build { problems, ..Build::default() };
        let include = table.get("project").and_then(|project| project.value.table());
        let patterns = include.map(|table| Declarer { sources: &sources, problems: Vec::new() }.project(table).include);
        let (included, unread) = load::included(root, &patterns.unwrap_or_default());
        sources.extend(included);
        build.problems.extend(unread);
        build.finish(root, sources, table, options)
    }

    /// Reads a manifest from texts; `include` is taken to have matched `included`.
    pub fn parse(
        root: &Path,
        main: Arc<Source>,
        included: Vec<Arc<Source>>,
        options: &Options,
    ) -> Result<(Manifest, Diagnostics), Diagnostics> {
        let mut sources = vec![main];
        let (table, problems) = syntax::parse(&sources, 0);
        sources.extend(included);
        Build { problems, ..Build::default() }.finish(root, sources, table, options)
    }
}

/// A manifest on its way from tables to declarations.
#[derive(Default)]
struct Build {
    /// Kind → name → node, of all files.
    tree: Table,
    problems: Vec<Diagnostic>,
}

impl Build {
    fn finish(
        mut self,
        root: &Path,
        mut sources: Vec<Arc<Source>>,
        main: Table,
        options: &Options,
    ) -> Result<(Manifest, Diagnostics), Diagnostics> {
        let files = sources.len();
        if !options.set.is_empty() {
            sources.push(overlay::source(&options.set));
        }
        self.gather(&sources, 0, main);
        for index in 1..files {
            let (table, problems) = syntax::parse(&sources, index);
            self.problems.extend(problems);
            self.gather(&sources, index, table);
        }
        // What a file that does not parse would have declared is not missed.
        let torn = self.problems.iter().any(|problem| problem.code == "syntax");
        let profiles = self.overlays(&sources, options);
        let mut params = Params::new(&sources, self.tree.get("params").and_then(|entry| entry.value.table()));
        for entry in self.tree.iter_mut().filter(|(kind, _)| *kind != "params").map(|(_, entry)| entry) {
            params.substitute(&mut entry.value);
        }
        params.mention(&profiles);
        self.problems.append(&mut params.problems);
        if torn {
            self.problems.retain(|problem| problem.code != "unknown-param");
        }
        let mut manifest = Manifest {
            root: root.to_owned(),
            sources: Vec::new(),
            project: Project::default(),
            params: BTreeMap::new(),
            datasets: Vec::new(),
            prompts: Vec::new(),
            filters: Vec::new(),
            metrics: Vec::new(),
            exports: Vec::new(),
        };
        self.declare(&sources, &mut manifest);
        let unused;
        (manifest.params, unused) = params.finish();
        manifest.sources = sources;
        let mut problems = self.problems;
        if !problems.iter().any(|problem| problem.severity == crate::diag::Severity::Error) {
            problems.extend(warnings(&manifest, &unused, &profiles));
        }
        let problems = sorted(problems, &manifest.sources);
        if problems.has_errors() { Err(problems) } else { Ok((manifest, problems)) }
    }

    /// Adds the tables of one file to the tree.
    fn gather(&mut self, sources: &[Arc<Source>], index: usize, file: Table) {
        for (name, entry) in file {
            let span = entry.key.span(sources);
            let Some(kind) = keys::kind(&name) else {
                let names = || KINDS.iter().map(|kind| kind.name);
                let problem = Diagnostic::error("unknown-kind", format!("there is no kind `{name}`"));
                let mut problem = problem.at(&span, "unknown kind").did_you_mean(&name, names());
                if keys::PROJECT.key(&name).is_some() {
                    problem = problem.help(format!("write `{name}` under `[project]`"));
                }
                self.problems.push(problem.note(format!("the kinds are {}", list(names()))));
                continue;
            };
            let found = entry.value.kind.name();
            let (key, at) = (entry.key, entry.value.at);
            let Kind::Table(nodes) = entry.value.kind else {
                let written = if matches!(kind.holds, Holds::Keys(_) | Holds::Values) { "" } else { ".NAME" };
                let problem = Diagnostic::error("wrong-type", format!("`{name}` must be a table"));
                let problem = problem.at(&at.span(sources), format!("found {found}"));
                self.problems.push(problem.help(format!("write it as `[{name}{written}]`")));
                continue;
            };
            if index > 0 && matches!(kind.holds, Holds::Keys(_)) {
                let problem = Diagnostic::error("stray-key", "`[project]` belongs into the main file");
                self.problems.push(problem.at(&span, "in an included file"));
                continue;
            }
            let empty = Value { at, kind: Kind::Table(Table::new()), origin: value::Origin::Written };
            let known = self.tree.entry(name.clone()).or_insert(Entry { key, value: empty });
            let Kind::Table(known) = &mut known.value.kind else { continue };
            for (node, entry) in nodes {
                if let Some(first) = known.get(&node) {
                    let title = format!("`{name}.{node}` is defined twice");
                    let problem = Diagnostic::error("duplicate", title).at(&entry.key.span(sources), "defined again");
                    self.problems.push(problem.at(&first.key.span(sources), "first defined here"));
                } else {
                    known.insert(node, entry);
                }
            }
        }
    }

    /// Lays the chosen profiles and `--set` onto the tree; returns all profiles as they are written.
    fn overlays(&mut self, sources: &[Arc<Source>], options: &Options) -> Value {
        let nowhere = value::At { source: 0, start: 0, end: 0 };
        let empty = || Value { at: nowhere, kind: Kind::Table(Table::new()), origin: value::Origin::Written };
        let profiles = self.tree.remove("profile").map_or_else(empty, |entry| entry.value);
        let known = profiles.table().into_iter().flatten();
        for (name, entry) in known.clone() {
            if !check::is_name(name) {
                let problem = Diagnostic::error("invalid-name", format!("`{name}` cannot be a name"));
                self.problems.push(problem.at(&entry.key.span(sources), "in this place").note(check::NAME_RULE));
            }
            match entry.value.table() {
                Some(table) if !options.profiles.contains(name) => {
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
        for name in &options.profiles {
            match profiles.table().and_then(|table| table.get(name)) {
                Some(entry) => {
                    if let Some(over) = entry.value.table() {
                        overlay::apply(&mut self.tree, over.clone(), sources, &mut self.problems);
                    }
                }
                None => {
                    let names = || known.clone().map(|(name, _)| name.as_str());
                    let problem = Diagnostic::error("unknown-profile", format!("there is no profile `{name}`"));
                    let problem = problem.did_you_mean(name, names());
                    self.problems.push(problem.note(format!("the profiles are {}", list(names()))));
                }
            }
        }
        for over in overlay::parse_set(&options.set, sources, sources.len() - 1, &mut self.problems) {
            overlay::apply(&mut self.tree, over, sources, &mut self.problems);
        }
        profiles
    }

    /// Checks the tree and makes declarations of it.
    fn declare(&mut self, sources: &[Arc<Source>], manifest: &mut Manifest) {
        let mut checker = check::Checker { sources, problems: Vec::new() };
        let mut declarer = Declarer { sources, problems: Vec::new() };
        for kind in KINDS {
            let Some(root) = self.tree.get(kind.name) else { continue };
            let path = check::Path::root(kind.name);
            let Kind::Table(table) = &root.value.kind else { continue };
            match &kind.holds {
                Holds::Keys(spec) => {
                    checker.table(&path, root.key, table, spec);
                    manifest.project = declarer.project(table);
                }
                Holds::Nodes(spec) => {
                    for (name, entry) in table {
                        if !check::is_name(name) {
                            let problem = Diagnostic::error("invalid-name", format!("`{name}` cannot be a name"));
                            checker
                                .problems
                                .push(problem.at(&entry.key.span(sources), "in this place").note(check::NAME_RULE));
                        }
                        let Kind::Table(node) = &entry.value.kind else {
                            let problem =
                                Diagnostic::error("wrong-type", format!("`{}.{name}` must be a table", kind.name));
                            let problem =
                                problem.at(&entry.value.at.span(sources), format!("found {}", entry.value.kind.name()));
                            checker
                                .problems
                                .push(problem.help(format!("a {} is written `[{}.NAME]`", kind.name, kind.name)));
                            continue;
                        };
                        checker.table(&path.key(name), entry.key, node, spec);
                        let name = declarer.name(name, entry);
                        match kind.name {
                            "dataset" => manifest.datasets.extend(declarer.dataset(name, node)),
                            "prompt" => manifest.prompts.extend(declarer.prompt(name, node)),
                            "filter" => manifest.filters.extend(declarer.filter(name, node)),
                            "metric" => manifest.metrics.extend(declarer.metric(name, node)),
                            _ => manifest.exports.extend(declarer.export(name, node)),
                        }
                    }
                }
                Holds::Values | Holds::Overlays => {}
            }
        }
        self.problems.append(&mut checker.problems);
        self.problems.append(&mut declarer.problems);
        self.problems.extend(same_outputs(&manifest.exports));
    }
}

/// Reports exports that write one file.
fn same_outputs(exports: &[Export]) -> Vec<Diagnostic> {
    let mut first: BTreeMap<Vec<&str>, &Export> = BTreeMap::new();
    let mut problems = Vec::new();
    for export in exports {
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

/// Warns of params, prompts and filters that nothing uses.
fn warnings(manifest: &Manifest, unused: &[(String, Span)], profiles: &Value) -> Vec<Diagnostic> {
    let mut used = BTreeSet::new();
    strings(profiles, &mut used);
    for step in manifest.datasets.iter().flat_map(|dataset| &dataset.steps) {
        match step {
            Step::Filter(names) => used.extend(names.iter().map(|name| name.value.as_str())),
            Step::Render(Render { text: RenderText::Prompt(name), .. }) => drop(used.insert(name.value.as_str())),
            _ => {}
        }
    }
    let warn = |code, what: &str, name: &str, span: &Span| {
        Diagnostic::warning(code, format!("the {what} `{name}` is not used")).at(span, "nothing refers to it")
    };
    let params = unused.iter().map(|(name, span)| warn("unused-param", "param", name, span));
    let prompts = manifest.prompts.iter().map(|prompt| ("unused-prompt", "prompt", &prompt.name));
    let filters = manifest.filters.iter().map(|filter| ("unused-filter", "filter", &filter.name));
    let nodes = prompts.chain(filters).filter(|(_, _, name)| !used.contains(name.value.as_str()));
    params.chain(nodes.map(|(code, what, name)| warn(code, what, &name.value, &name.span))).collect()
}

fn strings<'v>(value: &'v Value, into: &mut BTreeSet<&'v str>) {
    match &value.kind {
        Kind::Text(text) => drop(into.insert(text)),
        Kind::List(items) => items.iter().for_each(|item| strings(item, into)),
        Kind::Table(table) => table.values().for_each(|entry| strings(&entry.value, into)),
        _ => {}
    }
}

/// Puts problems in the order of the files and of the lines in them, each once.
fn sorted(mut problems: Vec<Diagnostic>, sources: &[Arc<Source>]) -> Diagnostics {
    problems.sort_by_cached_key(|problem| {
        problem.labels.first().map(|label| {
            let source = sources.iter().position(|source| Arc::ptr_eq(source, &label.span.source));
            (source, label.span.range.start, label.span.range.end)
        })
    });
    problems.dedup();
    Diagnostics(problems)
}
