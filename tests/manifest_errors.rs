//! Bad manifests, each with everything that is said of it: `tests/manifest_errors.txt`.
//!
//! A case is `=== law`, the manifest, `---`, what is drawn. Lines that begin with `#!` give `--set`, `--profile`
//! and the start of an included file. `UPDATE=1 cargo test --test manifest_errors` fills in what is drawn.

use datamake::diag::{Diagnostics, Source, Style, render};
use datamake::manifest::{Manifest, Options};
use std::fmt::Write;
use std::path::Path;

/// Returns what is said of a manifest.
fn judge(input: &str) -> String {
    let mut options = Options::default();
    let mut files = vec![("datamake.toml".to_owned(), String::new())];
    for line in input.split_inclusive('\n') {
        match line.strip_prefix("#! ").map(|rest| rest.trim_end().split_once(' ').expect("an option has a value")) {
            Some(("--set", set)) => options.set.push(set.to_owned()),
            Some(("--profile", name)) => options.profiles.push(name.to_owned()),
            Some((_, path)) => files.push((path.to_owned(), String::new())),
            None => files.last_mut().expect("there is a main file").1.push_str(line),
        }
    }
    let mut sources = files.iter().map(|(path, text)| Source::new(path, text.as_str()));
    let main = sources.next().expect("there is a main file");
    let problems: Diagnostics = match Manifest::parse(Path::new("."), main, sources.collect(), &options) {
        Ok((_, warnings)) => warnings,
        Err(problems) => problems,
    };
    render(&problems, Style::Plain)
}

#[test]
fn every_mistake_is_told_at_once_with_its_place_and_remedy() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifest_errors.txt");
    let script = std::fs::read_to_string(&path).expect("the script is there");
    let mut filled = String::new();
    let mut wrong = Vec::new();
    for case in script.split("=== ").skip(1) {
        let (law, rest) = case.split_once('\n').expect("a case has a law");
        let (input, expected) = rest.split_once("---\n").expect("a case has an answer");
        let found = judge(input);
        if found.trim_end() != expected.trim_end() {
            wrong.push(format!("{law}\n{found}"));
        }
        write!(filled, "=== {law}\n{input}---\n{}\n\n", found.trim_end()).expect("writing to a string");
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, filled.trim_end().to_owned() + "\n").expect("the script can be written");
    } else {
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
