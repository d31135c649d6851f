//! The shape of the source: a module uses only modules listed before it in `lib.rs`, and files stay small and say what they are for.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines that a source file may have.
const LONGEST: usize = 800;

/// A source file of the library.
struct File {
    /// Behind `src/`, with `/`.
    path: String,
    text: String,
}

impl File {
    /// Returns the module of `lib.rs` that the file belongs to.
    fn module(&self) -> &str {
        self.path.split('/').next().expect("a path has a first part").trim_end_matches(".rs")
    }

    /// Returns how many `super::` lead from the file to the root of the crate.
    fn depth(&self) -> usize {
        let parts = self.path.split('/').count();
        if self.path.ends_with("/mod.rs") { parts - 1 } else { parts }
    }
}

/// Reads all files of the library, sorted by path.
fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.sort();
    let file = |path: PathBuf| {
        let parts: Vec<String> =
            path.strip_prefix(&root).unwrap().iter().map(|part| part.to_string_lossy().into_owned()).collect();
        File { path: parts.join("/"), text: fs::read_to_string(&path).unwrap() }
    };
    paths.into_iter().map(file).collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Returns the modules of `lib.rs` in their order.
fn modules(lib: &str) -> Vec<&str> {
    lib.lines().filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';')).collect()
}

/// Returns the names that stand behind the root of the crate, and their lines, in a file so deep below it.
///
/// The root is written `crate`, or as enough `super`s; inline modules (tests) need one more.
fn uses(text: &str, depth: usize) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut code = String::new();
    for line in text.lines() {
        // A comment may speak of anything. `//` in a string cuts the rest of a line, which names no module.
        code.push_str(line.split("//").next().unwrap_or(""));
        code.push('\n');
    }
    let line = |at: usize| code[..at].matches('\n').count() + 1;
    let mut roots: Vec<(usize, usize)> =
        code.match_indices("crate::").map(|(at, root)| (at, at + root.len())).collect();
    let mut from = 0;
    while let Some(at) = code[from..].find("super::").map(|at| from + at) {
        let mut end = at;
        while code[end..].starts_with("super::") {
            end += "super::".len();
        }
        if (end - at) / "super::".len() >= depth {
            roots.push((at, end));
        }
        from = end;
    }
    for (at, end) in roots {
        let word = |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
        match code[end..].strip_prefix('{') {
            None => found.push((line(at), word(&code[end..]))),
            Some(group) => found.extend(entries(group).into_iter().map(|entry| (line(at), word(entry)))),
        }
    }
    found
}

/// Returns the entries of a group `a, b::{c, d}}` up to its end.
fn entries(group: &str) -> Vec<&str> {
    let (mut found, mut level, mut start) = (Vec::new(), 0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => level += 1,
            ',' | '}' if level == 0 => {
                found.push(group[start..at].trim());
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => level -= 1,
            _ => {}
        }
    }
    found.retain(|entry| !entry.is_empty());
    found
}

#[test]
fn a_module_uses_only_modules_listed_before_it() {
    let files = files();
    let lib = files.iter().find(|file| file.path == "lib.rs").expect("the library has a root");
    let modules = modules(&lib.text);
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| !matches!(file.path.as_str(), "lib.rs" | "main.rs")) {
        let own = modules.iter().position(|module| *module == file.module());
        let Some(own) = own else {
            wrong.push(format!("src/{} belongs to no module of lib.rs", file.path));
            continue;
        };
        for (line, used) in uses(&file.text, file.depth()) {
            if modules.iter().position(|module| *module == used).is_some_and(|used| used > own) {
                wrong.push(format!(
                    "src/{}:{line}: `{}` uses `{used}`, which lib.rs lists after it",
                    file.path,
                    file.module()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_folder_and_file_of_the_source_is_a_module_of_lib_rs() {
    let files = files();
    let lib = files.iter().find(|file| file.path == "lib.rs").expect("the library has a root");
    for module in modules(&lib.text) {
        assert!(files.iter().any(|file| file.module() == module), "lib.rs lists `{module}`, which has no file");
    }
}

#[test]
fn a_file_says_what_it_is_for_and_stays_small() {
    let mut wrong = Vec::new();
    for File { path, text } in files() {
        if !text.starts_with("//! ") {
            wrong.push(format!("src/{path} does not begin with a `//!` sentence"));
        }
        let lines = text.lines().count();
        if lines > LONGEST {
            wrong.push(format!("src/{path} has {lines} lines, more than {LONGEST}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn uses_are_found_however_they_are_written() {
    let check = |text: &str, depth: usize, expect: &[&str]| {
        let found: Vec<String> = uses(text, depth).into_iter().map(|(_, name)| name).collect();
        assert_eq!(found, expect, "{text}");
    };
    check("use crate::table::Table;", 1, &["table"]);
    check("use crate::{hash::{Hash, Key}, store, table::Table};", 1, &["hash", "store", "table"]);
    check("fn f(x: &crate::store::Store) {} // crate::cli", 1, &["store"]);
    check("/// See [`crate::cli`].\nuse std::fmt;", 1, &[]);
    check("use super::store::Store;", 1, &["store"]);
    check("use super::sibling;", 2, &[]);
    check("use super::super::store;", 2, &["store"]);
}
