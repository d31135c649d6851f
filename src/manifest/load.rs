//! Reads a manifest's files: `datamake.toml` and what it includes.

use super::decl::Text;
use crate::diag::{Diagnostic, Source};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// The name of a project's main file.
pub const MAIN: &str = "datamake.toml";

/// Reads the main file of the project in `root`.
pub fn main(root: &Path) -> Result<Arc<Source>, Diagnostic> {
    if !root.join(MAIN).exists() {
        let problem = Diagnostic::error("no-manifest", format!("there is no `{MAIN}` in `{}`", root.display()));
        return Err(problem.help("run `datamake init` to begin a project here, or name its folder with `-C`"));
    }
    read(root, MAIN)
}

fn read(root: &Path, path: &str) -> Result<Arc<Source>, Diagnostic> {
    let bytes = fs::read(root.join(path))
        .map_err(|error| Diagnostic::error("unreadable", format!("`{path}` cannot be read")).note(error.to_string()))?;
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
pub fn included(root: &Path, patterns: &[Text]) -> (Vec<Arc<Source>>, Vec<Diagnostic>) {
    let mut problems = Vec::new();
    let mut paths = BTreeSet::new();
    for pattern in patterns {
        let mut found = BTreeSet::new();
        let mut parts: Vec<&str> = pattern.value.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        parts.dedup_by(|a, b| *a == "**" && *b == "**");
        let error = if pattern.value.starts_with('/') || parts.contains(&"..") {
            Some(
                Diagnostic::error("outside-project", "files are included from inside the project only")
                    .at(&pattern.span, "leads out of it"),
            )
        } else {
            walk(root, "", &parts, &mut found);
            let title = format!("no file matches `{}`", pattern.value);
            found
                .is_empty()
                .then(|| Diagnostic::error("no-match", title).at(&pattern.span, "matches nothing in the project"))
        };
        problems.extend(error);
        paths.append(&mut found);
    }
    paths.remove(MAIN);
    let mut sources = Vec::new();
    for path in paths {
        match read(root, &path) {
            Ok(source) => sources.push(source),
            Err(problem) => problems.push(problem),
        }
    }
    (sources, problems)
}

/// Collects the files under `folder` that match the rest of a pattern.
fn walk(root: &Path, folder: &str, parts: &[&str], found: &mut BTreeSet<String>) {
    let Some((part, rest)) = parts.split_first() else { return };
    let join = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    if *part == "**" {
        // No folder, or one more.
        walk(root, folder, rest, found);
    } else if !part.contains(['*', '?']) {
        let path = join(part);
        let full = root.join(&path);
        if rest.is_empty() && full.is_file() {
            found.insert(path);
        } else if full.is_dir() {
            walk(root, &path, rest, found);
        }
        return;
    }
    for entry in fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        if name.starts_with('.') {
            continue;
        }
        let path = join(&name);
        if *part == "**" {
            // Links to folders are not followed here, so the walk ends.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                walk(root, &path, parts, found);
            } else if rest.is_empty() {
                found.insert(path);
            }
        } else if matches(part, &name) {
            let full = root.join(&path);
            if rest.is_empty() && full.is_file() {
                found.insert(path);
            } else if full.is_dir() {
                walk(root, &path, rest, found);
            }
        }
    }
}

/// Tells whether a name matches a pattern of `*` and `?`.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, n));
            p += 1;
        } else if pattern.get(p).is_some_and(|c| *c == '?' || *c == name[n]) {
            (p, n) = (p + 1, n + 1);
        } else if let Some((at, tried)) = star {
            star = Some((at, tried + 1));
            (p, n) = (at + 1, tried + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_matches_any_run_and_a_question_mark_one_character() {
        assert!(matches("*.toml", "a.toml") && matches("a*b*c", "aXbXbc") && matches("?.t", "ä.t") && matches("*", ""));
        assert!(!matches("*.toml", "a.tom") && !matches("?", "") && !matches("a*b", "abc"));
    }
}
