//! Whatever happens to the files of a project's store: what is shown is right or said to be wrong, and after one repair a build
//! makes all as it was.
//!
//! `DATAMAKE_DAMAGES=10000 cargo test --release --test faults` is the long run; `DATAMAKE_SEED=n` begins with another damage.

mod common;
#[path = "common/server.rs"]
mod server;

use common::{Results, Sandbox, build, results};
use datamake::diag::{Diagnostics, Style, render};
use datamake::exec::State;
use datamake::project::{Project, Repair};
use server::Server;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const PROJECT: &str = r#"
[dataset.rows]
files = "rows.jsonl"
key = "n"

[dataset.kept]
from = "rows"
steps = [
  { where = "n % 7 > 0" },
  { columns = { twice = "n * 2" } },
  { dedup = { by = "text" } },
  { split = { parts = { train = 0.8, test = 0.2 } } },
]

[model.writer]
provider = "openai"
url = "URL"
name = "m"
max_tokens = 64

[prompt.question]
template = "Ask about {{ n % 10 }}."

[dataset.questions]
from = "kept.test"
generate = { prompt = "question", model = "writer", into = "question" }

[metric.mean]
on = ["kept.train", "kept.test"]
value = "avg(twice)"

[export.train]
from = "kept.train"
to = "out/train.jsonl"
"#;

/// The datasets whose rows are looked at.
const DATASETS: [&str; 4] = ["rows", "kept", "kept.train", "questions"];

/// A project that was built twice, and what the server answers.
fn built() -> (Sandbox, Server) {
    let server = Server::start();
    let mut sandbox = Sandbox::on_real_disk();
    sandbox.limits = datamake::table::Limits { min: 40, target: 80, max: 160 };
    sandbox.write("datamake.toml", PROJECT.replace("URL", &server.url()));
    let rows =
        |count| (0..count).map(|n| format!("{{\"n\": {n}, \"text\": \"text {}\"}}\n", n % 301)).collect::<String>();
    sandbox.write("rows.jsonl", rows(300));
    sandbox.built();
    sandbox.write("rows.jsonl", rows(400));
    sandbox.built();
    (sandbox, server)
}

fn text_of(problems: &Diagnostics) -> String {
    render(problems, Style::Plain)
}

/// Returns the rows of all datasets, or why they cannot be shown.
fn shown(project: &Project) -> Result<BTreeMap<&'static str, String>, Diagnostics> {
    let mut shown = BTreeMap::new();
    for name in DATASETS {
        let table = project.table(name)?;
        let rows = project.rows(&table, 0, usize::MAX)?;
        shown.insert(name, format!("{:?}", rows.rows));
    }
    Ok(shown)
}

/// Every file that datamake keeps for a project, with its bytes; locks have none.
fn state(sandbox: &Sandbox) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = walkdir::WalkDir::new(sandbox.path()).sort_by_file_name().into_iter().flatten();
    let files = entries.filter(|entry| entry.file_type().is_file()).map(|entry| entry.into_path());
    let kept = |path: &PathBuf| {
        let path = path.strip_prefix(sandbox.path()).expect("it is in the sandbox");
        path.starts_with("store") || path.starts_with(".datamake") || path == Path::new("datamake.lock")
    };
    files.filter(kept).map(|path| (path.clone(), fs::read(path).expect("it can be read"))).collect()
}

fn restore(sandbox: &Sandbox, whole: &BTreeMap<PathBuf, Vec<u8>>) {
    for folder in ["store", ".datamake"] {
        let _ = fs::remove_dir_all(sandbox.file(folder));
    }
    for (path, bytes) in whole {
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("folders can be made");
        fs::write(path, bytes).expect("files can be written");
    }
}

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % n.max(1) as u64) as usize
    }
}

/// What happens to a file.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Flip,
    Truncate,
    Zeros,
    Append,
    Swap,
    Delete,
    Folder,
}

const DAMAGES: [Damage; 7] =
    [Damage::Flip, Damage::Truncate, Damage::Zeros, Damage::Append, Damage::Swap, Damage::Delete, Damage::Folder];

/// Damages one file; returns what was done in words, and whether `verify` has to find it.
fn damage(kind: Damage, random: &mut Random, whole: &BTreeMap<PathBuf, Vec<u8>>) -> (String, bool) {
    let any = |random: &mut Random| whole.iter().nth(random.below(whole.len())).expect("there are files");
    let (path, bytes) = any(random);
    let mut changed = bytes.clone();
    let at = random.below(bytes.len());
    let told = format!("{kind:?} {} at {at} of {}", path.display(), bytes.len());
    match kind {
        Damage::Flip => changed.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
        Damage::Truncate => changed.truncate(at),
        Damage::Zeros => changed.iter_mut().skip(at).take(1 + random.below(64)).for_each(|byte| *byte = 0),
        Damage::Append => changed.extend((0..=at % 100).map(|n| (n * 37) as u8)),
        Damage::Swap => {
            let (other, theirs) = any(random);
            fs::write(other, bytes).expect("files can be written");
            fs::write(path, theirs).expect("files can be written");
            return (format!("{told}, with {}", other.display()), false);
        }
        Damage::Delete | Damage::Folder => {
            fs::remove_file(path).expect("it is there");
            if matches!(kind, Damage::Folder) {
                fs::create_dir(path).expect("a folder can be made");
            }
            return (told, false);
        }
    }
    let place = path.parent().and_then(|folder| folder.strip_prefix(whole_store(whole)).ok());
    let is_blob = place.is_some_and(|place| place.starts_with("blobs"));
    // The first bytes say of which version a log is.
    let is_log = place.is_some_and(|place| place == Path::new("log") && at >= 8);
    let found = changed != *bytes && (is_blob || is_log && matches!(kind, Damage::Flip));
    fs::write(path, changed).expect("files can be written");
    (told, found)
}

/// Returns the folder of the store.
fn whole_store(whole: &BTreeMap<PathBuf, Vec<u8>>) -> &Path {
    let store = |path: &PathBuf| path.ancestors().any(|folder| folder.ends_with("store"));
    let path = whole.keys().find(|path| store(path)).expect("there is a store");
    path.ancestors().find(|folder| folder.ends_with("store")).expect("it is in the store")
}

/// Builds; returns what the nodes are, or what was said to be wrong.
fn rebuilt(sandbox: &Sandbox) -> Result<Results, String> {
    let project = sandbox.project().map_err(|problems| text_of(&problems))?;
    let built = build(&project, &[], Some(2)).map_err(|problems| text_of(&problems))?;
    for node in &built.run.nodes {
        if let State::Failed(problems) = &node.state {
            return Err(text_of(problems));
        }
    }
    Ok(results(&project))
}

#[test]
fn a_damaged_file_never_gives_a_wrong_row_and_after_a_repair_all_is_as_it_was() {
    let (sandbox, _server) = built();
    let expect = sandbox.clean();
    let rows = shown(&sandbox.project().expect("the manifest is right")).expect("it was built");
    let whole = state(&sandbox);
    let number = |name: &str, otherwise| std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"));
    let (first, rounds) = (number("DATAMAKE_SEED", 0), number("DATAMAKE_DAMAGES", 90));
    for seed in first..first + rounds {
        let mut random = Random(seed);
        let kind = DAMAGES[seed as usize % DAMAGES.len()];
        let (told, has_to_be_found) = damage(kind, &mut random, &whole);
        let told = format!("seed {seed}: {told}");
        let open = || sandbox.project().unwrap_or_else(|problems| panic!("{told}: {}", text_of(&problems)));
        if has_to_be_found {
            let named = open().verify(Repair::No, &|_| ()).expect("it can be read").problems;
            assert!(!named.is_empty(), "{told}");
        }
        if let Ok(now) = shown(&open()) {
            assert!(now == rows, "{told}");
        }
        match rebuilt(&sandbox) {
            Ok(now) => assert_eq!(now, expect, "{told}"),
            Err(problem) => assert!(problem.contains("cannot") || problem.contains("damaged"), "{told}: {problem}"),
        }
        // A folder is not ours to remove; every message named it.
        for path in whole.keys().filter(|path| path.is_dir()) {
            fs::remove_dir(path).expect("it is empty");
        }
        let repaired = open().verify(Repair::Yes, &|_| ());
        let repaired = repaired.unwrap_or_else(|problems| panic!("{told}: {}", text_of(&problems)));
        let stays: Vec<String> =
            repaired.problems.iter().filter(|problem| problem.stays()).map(ToString::to_string).collect();
        let now = rebuilt(&sandbox);
        assert_eq!(now.as_ref().map_err(String::as_str), Ok(&expect), "{told}, repaired: {:?}", repaired.problems);
        assert!(shown(&open()).is_ok_and(|now| now == rows), "{told}");
        let left = open().verify(Repair::No, &|_| ()).expect("it can be read").problems;
        let left: Vec<String> = left.iter().map(ToString::to_string).collect();
        assert_eq!(left, stays, "{told}");
        restore(&sandbox, &whole);
    }
}

/// Changes a byte of the last line of the history; returns its file.
fn damage_last_build(sandbox: &Sandbox) -> PathBuf {
    let entries = fs::read_dir(sandbox.file("store/history")).expect("there were builds");
    let file = entries.flatten().map(|entry| entry.path()).next().expect("there were builds");
    let mut bytes = fs::read(&file).expect("it can be read");
    let at = bytes.len() - 200;
    bytes[at] ^= 1;
    fs::write(&file, bytes).expect("it can be written");
    file
}

#[test]
fn a_build_that_cannot_be_read_is_named_and_the_one_before_is_not_taken_for_it() {
    let (sandbox, _server) = built();
    let file = damage_last_build(&sandbox);
    let problems = sandbox.project().and_then(|project| project.table("kept").map(drop)).expect_err("it is in doubt");
    let title = format!("line 2 of {} is damaged, so what was built last is not known", file.display());
    assert_eq!(problems.0[0].title, title);
    sandbox.project().and_then(|project| project.version("last")).expect_err("it is in doubt");
    sandbox.project().and_then(|project| project.version("1")).expect("the first reads");
    // All is there, so a build makes nothing, and writes down what there is; the number is not given twice.
    let made = sandbox.built();
    assert_eq!((made.run.ran, made.number), (0, Some(3)));
    assert_eq!(sandbox.results(), sandbox.clean());
}

#[test]
fn a_repair_moves_damaged_builds_aside_and_gc_works_again() {
    let (sandbox, _server) = built();
    let file = damage_last_build(&sandbox);
    let project = sandbox.project().expect("the manifest is right");
    project.garbage(1).expect_err("what the build names is not known");
    let named = |problems: Vec<datamake::store::Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    let checked = project.verify(Repair::No, &|_| ()).expect("it reads");
    assert_eq!(named(checked.problems), [format!("line 2 of `{}` is not a build", file.display())]);
    project.verify(Repair::Yes, &|_| ()).expect("it mends");
    assert!(project.verify(Repair::No, &|_| ()).expect("it reads").problems.is_empty());
    let aside = fs::read_to_string(file.with_extension("damaged")).expect("nothing is thrown away");
    assert_eq!(aside.lines().count(), 1);
    project.garbage(1).expect("all can be read");
    assert_eq!(sandbox.built().run.ran, 0);
    assert_eq!(sandbox.results(), sandbox.clean());
}
