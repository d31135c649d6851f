//! Reads a manifest's files: `datamake.toml` and what it includes.

use super::decl::Text;
use crate::diag::{Diagnostic, Source};
use crate::fetch::{Workspace, plain};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The name of a project's main file.
pub const MAIN: &str = "datamake.toml";

/// Reads the main file of the project in `root`.
pub fn main(workspace: &Workspace) -> Result<Arc<Source>, Diagnostic> {
    let root = workspace.root();
    if !root.join(MAIN).exists() {
        let problem = Diagnostic::error("no-manifest", format!("there is no `{MAIN}` in `{}`", root.display()));
        return Err(problem.help("run `datamake init` to begin a project here, or name its folder with `-C`"));
    }
    read(workspace, MAIN)
}

fn read(workspace: &Workspace, path: &str) -> Result<Arc<Source>, Diagnostic> {
    let bytes = workspace
        .read(path)
        .map_err(|error| Diagnostic::error("unreadable", format!("`{path}` cannot be read")).note(plain(&error)))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source::new(path, text)),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..valid].iter().filter(|b| **b == b'\n').count() + 1;
            Err(Diagnostic::error("unreadable", format!("`{path}` is not UTF-8 text"))
                .note(format!("the first bad byte is in line {line}")))
        }
    }
}

/// Reads the files that the patterns of `include` match, each once, in the order of their paths.
pub fn included(workspace: &Workspace, patterns: &[Text]) -> (Vec<Arc<Source>>, Vec<Diagnostic>) {
    let mut problems = Vec::new();
    let mut paths = BTreeSet::new();
    for pattern in patterns {
        if pattern.value.starts_with('/') || pattern.value.split('/').any(|part| part == "..") {
            let problem = Diagnostic::error("outside-project", "files are included from inside the project only");
            problems.push(problem.at(&pattern.span, "leads out of it"));
            continue;
        }
        match workspace.find(&pattern.value) {
            Ok(found) => paths.extend(found.into_iter().map(|file| file.path)),
            Err(error) => {
                problems.push(Diagnostic::error("no-match", error.title).at(&pattern.span, "nothing to include"))
            }
        }
    }
    paths.remove(MAIN);
    let mut sources = Vec::new();
    for path in paths {
        match read(workspace, &path) {
            Ok(source) => sources.push(source),
            Err(problem) => problems.push(problem),
        }
    }
    (sources, problems)
}
