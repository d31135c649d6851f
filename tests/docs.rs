//! Executes the documentation: what a page shows is what happens.
//!
//! Each page is one session that begins in an empty folder and goes through the page's blocks in order:
//!
//! - ` ```toml title="datamake.toml" ` (any language): writes the file; folders are made.
//! - ` ```diff title="datamake.toml" `: edits the file: its lines that begin with a blank or `-` are found, exactly once, and
//!   give way to those that begin with a blank or `+`.
//! - ` ```console `: runs each line behind `$ ` in `sh`; the lines that follow are all that it prints, on either stream. It ends well, or
//!   as ` ```console exit=2 ` says of the last one. `$ cd DIR` holds from there on.
//! - ` ```console cut `: the output is shown in part; a line `…` stands for any lines.
//!
//! Blocks without a title in other languages are only read. `datamake` is the binary under test, and so is `cargo run --release --`.
//! The README begins with the examples at their place. Times, hashes, sizes and widths of columns are not compared (see [`plain`]).
//!
//! After a change that is meant: `UPDATE=1 cargo nextest run --test docs` writes what commands print into the pages.

mod common;

use common::copy;
use regex::Regex;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A fenced block of a page.
struct Block {
    /// The line of its first fence, counted from 0.
    at: usize,
    language: String,
    /// The rest of the info string.
    info: String,
    lines: Vec<String>,
}

impl Block {
    fn title(&self) -> Option<&str> {
        self.info.split_once("title=\"")?.1.split_once('"').map(|(title, _)| title)
    }

    fn exit(&self) -> i32 {
        self.info
            .split_once("exit=")
            .map_or(0, |(_, code)| code.split(' ').next().unwrap().parse().expect("an exit code is a number"))
    }
}

fn blocks(text: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(info), None) => {
                let (language, info) = info.split_once(' ').unwrap_or((info, ""));
                open = Some(Block { at, language: language.to_owned(), info: info.to_owned(), lines: Vec::new() });
            }
            (Some(_), Some(block)) => found.push(block),
            (None, Some(mut block)) => {
                block.lines.push(line.to_owned());
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    found
}

/// Returns a text without what differs from run to run.
fn plain(text: &str) -> String {
    static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let rules = [
            (r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2})?Z?", "DATE"),
            (r"\b([0-9]+ (s|min|h|days?) ago|just now)\b", "AGO"),
            (r"\b[0-9]+(\.[0-9]+)? ?(µs|ms|s|min)\b", "TIME"),
            (r"\b[0-9a-f]{7,64}\b", "HASH"),
            (r"\b[0-9][0-9.,]* ?(bytes?|[KMG]i?B|B)\b", "SIZE"),
            (r" {2,}", "  "),
            (r" +\n", "\n"),
        ];
        rules.map(|(pattern, name)| (Regex::new(pattern).expect("the rule is a pattern"), name)).into()
    });
    let text = text.trim_end().to_owned() + "\n";
    RULES.iter().fold(text, |text, (rule, name)| rule.replace_all(&text, *name).into_owned())
}

/// Returns whether lines are what is expected of them; `…` stands for any lines.
fn matches(expected: &[&str], lines: &[&str]) -> bool {
    match expected.split_first() {
        None => lines.is_empty(),
        Some((&"…", rest)) => (0..=lines.len()).any(|skip| matches(rest, &lines[skip..])),
        Some((first, rest)) => lines.split_first().is_some_and(|(line, lines)| line == first && matches(rest, lines)),
    }
}

/// A folder that goes away.
struct Session {
    folder: tempfile::TempDir,
    /// Where commands run: a folder of its own, so that a page may make another one beside it.
    here: PathBuf,
}

impl Session {
    fn new() -> Session {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().canonicalize().unwrap().join("here");
        fs::create_dir(&here).unwrap();
        Session { folder, here }
    }

    fn write(&self, title: &str, text: &str) {
        let path = self.here.join(title);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Applies a `diff` block.
    fn edit(&self, title: &str, lines: &[String]) {
        let side = |sign: char| -> String {
            let lines = lines.iter().filter(|line| line.is_empty() || line.starts_with([' ', sign]));
            lines.map(|line| format!("{}\n", line.get(1..).unwrap_or(""))).collect()
        };
        let (old, new) = (side('-'), side('+'));
        let text = fs::read_to_string(self.here.join(title)).unwrap_or_else(|error| panic!("{title}: {error}"));
        assert_eq!(text.matches(&old).count(), 1, "{title} has this exactly once:\n{old}");
        self.write(title, &text.replacen(&old, &new, 1));
    }

    /// Runs a command line; returns all that it printed and how it ended.
    fn run(&self, line: &str) -> (String, i32) {
        let binary = Path::new(env!("CARGO_BIN_EXE_datamake"));
        let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
        let line = line.replace("cargo run --release --", "datamake");
        let output = Command::new("sh")
            .args(["-c", &format!("exec 2>&1\n{line}")])
            .current_dir(&self.here)
            .env("PATH", path)
            .env("NO_COLOR", "1")
            .env_remove("DATAMAKE_STORE")
            .env("HOME", self.folder.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs([("GIT_AUTHOR_NAME", "Ada"), ("GIT_AUTHOR_EMAIL", "ada@example.org")])
            .envs([("GIT_COMMITTER_NAME", "Ada"), ("GIT_COMMITTER_EMAIL", "ada@example.org")])
            .stdin(Stdio::null())
            .output()
            .expect("there is a shell");
        let text = String::from_utf8(output.stdout).expect("commands print text");
        // The folder of the session has another name each time.
        let home = self.folder.path().canonicalize().unwrap();
        (text.replace(&home.display().to_string(), "~"), output.status.code().unwrap_or(-1))
    }

    /// Goes through a `console` block; returns it with what was printed.
    fn console(&mut self, block: &Block, problems: &mut Vec<String>) -> Vec<String> {
        let starts: Vec<usize> = (0..block.lines.len()).filter(|at| block.lines[*at].starts_with("$ ")).collect();
        assert_eq!(starts.first(), Some(&0), "a console block begins with a command: {:?}", block.lines);
        let mut shown = Vec::new();
        for (i, start) in starts.iter().enumerate() {
            let line = &block.lines[*start];
            let end = starts.get(i + 1).copied().unwrap_or(block.lines.len());
            let expected = &block.lines[start + 1..end];
            if let Some(folder) = line.strip_prefix("$ cd ").filter(|folder| !folder.contains(' ')) {
                self.here = self.here.join(folder).canonicalize().unwrap_or_else(|error| panic!("{folder}: {error}"));
                shown.push(line.clone());
                continue;
            }
            let (output, code) = self.run(&line[2..]);
            let wanted = if i + 1 == starts.len() { block.exit() } else { 0 };
            if code != wanted {
                problems.push(format!("{line}\nends with {code} and not {wanted}:\n{output}"));
            }
            shown.push(line.clone());
            let (expected_plain, output_plain) = (plain(&expected.join("\n")), plain(&output));
            let cut = block.info.contains("cut");
            let pattern: Vec<&str> = expected_plain.lines().collect();
            let lines: Vec<&str> = output_plain.lines().collect();
            if expected_plain == output_plain || cut && matches(&pattern, &lines) {
                shown.extend(expected.iter().cloned());
            } else {
                problems.push(format!("{line}\nprints\n{output}\nand not\n{}", expected.join("\n")));
                shown.extend(output.trim_end().lines().map(|line| line.trim_end().to_owned()));
            }
        }
        shown
    }
}

/// Executes a page; `prepare` fills the folder first.
fn execute(page: &str, prepare: impl Fn(&Session)) {
    let path = Path::new(ROOT).join(page);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{page}: {error}"));
    let mut session = Session::new();
    prepare(&session);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut moved = 0;
    let mut problems = Vec::new();
    for block in blocks(&text) {
        match (block.language.as_str(), block.title()) {
            ("console", _) => {
                let shown = session.console(&block, &mut problems);
                let from = (block.at as isize + 1 + moved) as usize;
                moved += shown.len() as isize - block.lines.len() as isize;
                lines.splice(from..from + block.lines.len(), shown);
            }
            ("diff", Some(title)) => session.edit(title, &block.lines),
            (_, Some(title)) => session.write(title, &(block.lines.join("\n") + "\n")),
            (_, None) => {}
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, lines.join("\n") + "\n").unwrap();
    } else {
        assert!(problems.is_empty(), "{page} tells what does not happen:\n\n{}", problems.join("\n\n"));
    }
}

fn with_examples(session: &Session) {
    copy(&Path::new(ROOT).join("examples"), &session.here.join("examples"));
}

#[test]
fn the_readme_tells_what_happens() {
    execute("README.md", with_examples);
}

#[test]
fn the_readme_of_the_example_tells_what_happens() {
    execute("examples/word-problems/README.md", with_examples);
}

#[test]
fn the_readme_of_the_example_with_a_model_tells_what_happens() {
    execute("examples/tutor/README.md", with_examples);
}

#[test]
fn the_readme_of_the_example_that_refines_tells_what_happens() {
    execute("examples/refine-instructions/README.md", with_examples);
}

#[test]
fn the_tutorial_tells_what_happens() {
    execute("docs/tutorial.md", |_| {});
}

#[test]
fn the_guide_to_reading_data_tells_what_happens() {
    execute("docs/guides/reading-data.md", |_| {});
}

#[test]
fn the_guide_to_cleaning_tells_what_happens() {
    execute("docs/guides/cleaning-and-filtering.md", |_| {});
    execute("docs/guides/checking-data.md", |_| {});
    execute("docs/guides/measuring.md", |_| {});
}

#[test]
fn the_guide_to_quality_filters_tells_what_happens() {
    execute("docs/guides/quality-filters.md", |_| {});
}

#[test]
fn the_guide_to_deduplicating_tells_what_happens() {
    execute("docs/guides/deduplicating.md", |_| {});
    execute("docs/guides/checking-data.md", |_| {});
}

#[test]
fn the_guide_to_comparing_tells_what_happens() {
    execute("docs/guides/comparing.md", |_| {});
}

#[test]
fn the_guide_to_mixing_tells_what_happens() {
    execute("docs/guides/mixing-and-splitting.md", |_| {});
}

#[test]
fn the_guide_to_joining_and_sql_tells_what_happens() {
    execute("docs/guides/joining-and-sql.md", |_| {});
}

#[test]
fn the_guide_to_augmenting_tells_what_happens() {
    execute("docs/guides/augmenting.md", |_| {});
}

#[test]
fn the_guide_to_text_functions_tells_what_happens() {
    execute("docs/guides/text-functions.md", |_| {});
}

#[test]
fn the_guide_to_tokens_and_vectors_tells_what_happens() {
    let tiny = Path::new(ROOT).join("tests/vectors/static/pieces");
    execute("docs/guides/tokens-and-vectors.md", |session| copy(&tiny, &session.here.join("models/tiny")));
}

#[test]
fn the_guide_to_iterating_tells_what_happens() {
    execute("docs/guides/iterating.md", |_| {});
}

#[test]
fn the_guide_to_sharing_tells_what_happens() {
    execute("docs/guides/sharing-and-git.md", |_| {});
}

#[test]
fn the_guide_to_the_store_tells_what_happens() {
    execute("docs/guides/store-upkeep.md", |_| {});
}

#[test]
fn the_guide_to_models_tells_what_happens() {
    execute("docs/guides/models.md", |_| {});
}

#[test]
fn the_guide_to_generating_tells_what_happens() {
    execute("docs/guides/generating.md", |_| {});
}

#[test]
fn the_guide_to_money_and_failures_tells_what_happens() {
    execute("docs/guides/money-and-failures.md", with_examples);
}

#[test]
fn the_guide_to_programs_tells_what_happens() {
    execute("docs/guides/programs.md", |_| {});
}

#[test]
fn the_guide_to_batches_tells_what_happens() {
    execute("docs/guides/batches.md", |_| {});
}

/// Returns the pages that people read.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    let mut found: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].iter().map(|name| root.join(name)).collect();
    let mut folders = vec![root.join("docs"), root.join("examples")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_guide_is_executed() {
    let tests = include_str!("docs.rs");
    for page in pages().iter().filter(|page| page.parent().is_some_and(|folder| folder.ends_with("docs/guides"))) {
        let name = format!("docs/guides/{}", page.file_name().unwrap().to_str().unwrap());
        assert!(tests.contains(&format!("execute(\"{name}\"")), "{name} has no test");
    }
}

#[test]
fn links_lead_to_files_and_headings_that_exist() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let mut wrong = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for found in link.captures_iter(&prose(&text)) {
            let target = &found[1];
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let there = match fs::read_to_string(&path) {
                Ok(text) => heading.is_empty() || anchors(&text).contains(&heading.to_owned()),
                Err(_) => path.is_dir(),
            };
            if !there {
                wrong.push(format!("{}: {target}", page.strip_prefix(ROOT).unwrap().display()));
            }
        }
    }
    assert!(wrong.is_empty(), "links that lead nowhere:\n{}", wrong.join("\n"));
}

#[test]
fn the_architecture_names_files_that_exist() {
    let text = fs::read_to_string(Path::new(ROOT).join("ARCHITECTURE.md")).unwrap();
    let path = Regex::new(r"`((?:src|tests|docs|schemas|benches|examples)/[\w./-]*)`").unwrap();
    let absent: Vec<String> = path
        .captures_iter(&text)
        .map(|found| found[1].to_owned())
        .filter(|path| !Path::new(ROOT).join(path).exists())
        .collect();
    assert!(absent.is_empty(), "there is no {}", absent.join(", "));
}

/// Returns a page without its blocks and code.
fn prose(text: &str) -> String {
    let mut inside = false;
    let kept = text.lines().filter(|line| {
        let fence = line.starts_with("```");
        inside ^= fence;
        !inside && !fence
    });
    let lines: Vec<&str> = kept.collect();
    Regex::new(r"`[^`\n]*`").unwrap().replace_all(&lines.join("\n"), "``").into_owned()
}

/// Returns the names of the headings, as links have them.
fn anchors(text: &str) -> Vec<String> {
    let headings = text
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim().to_lowercase());
    let keep = |c: char| c.is_alphanumeric() || c == '-' || c == '_' || c == ' ';
    headings.map(|heading| heading.chars().filter(|c| keep(*c)).collect::<String>().replace(' ', "-")).collect()
}

#[test]
fn what_differs_from_run_to_run_is_not_compared() {
    let check = |text: &str, expect: &str| assert_eq!(plain(text), expect);
    check("done in 0.12 s", "done in TIME\n");
    check("build 3  2026-01-02 10:11:12  4 rows  ", "build 3  DATE  4 rows\n");
    check("table 0a1b2c3d4e", "table HASH\n");
    check("a      1.5 KiB", "a  SIZE\n");
    assert!(matches(&["a", "…", "d"], &["a", "b", "c", "d"]));
    assert!(!matches(&["a", "…", "d"], &["a", "b", "c"]));
}
