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
use datamake::store::{Fault, FaultyDisk, Lasting, RealDisk, Torn};
use server::Server;
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

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

/// Damages one file; returns what was done in words.
fn damage(kind: Damage, random: &mut Random, whole: &BTreeMap<PathBuf, Vec<u8>>) -> String {
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
            return format!("{told}, with {}", other.display());
        }
        Damage::Delete | Damage::Folder => {
            fs::remove_file(path).expect("it is there");
            if matches!(kind, Damage::Folder) {
                fs::create_dir(path).expect("a folder can be made");
            }
            return told;
        }
    }
    fs::write(path, changed).expect("files can be written");
    told
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
        let told = format!("seed {seed}: {}", damage(kind, &mut random, &whole));
        let open = || sandbox.project().unwrap_or_else(|problems| panic!("{told}: {}", text_of(&problems)));
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
