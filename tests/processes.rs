//! Processes that die, that work at the same time, and that write what a build reads.

mod common;

use common::Sandbox;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PROJECT: &str = r#"
[dataset.rows]
files = "rows.jsonl"
key = "n"

[dataset.kept]
from = "rows"
steps = [
  { where = "n % 7 > 0" },
  { columns = { twice = "n * 2", words = "word_count(text)" } },
  { render = { template = "{{ text }} and {{ twice }}", into = "shown" } },
  { dedup = { by = "text" } },
  { split = { parts = { train = 0.8, test = 0.2 } } },
]

[metric.mean]
on = ["kept.train", "kept.test"]
value = "avg(twice)"

[export.train]
from = "kept.train"
to = "out/train.parquet"
"#;

/// Lines in which row `n` says what `version` makes of it.
fn rows(count: u64, version: u64) -> String {
    let line = |n: u64| {
        format!("{{\"n\": {n}, \"text\": \"row {} of {n}\"}}\n", if n.is_multiple_of(100) { version } else { 0 })
    };
    (0..count).map(line).collect()
}

fn project(count: u64) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("datamake.toml", PROJECT);
    sandbox.write("rows.jsonl", rows(count, 0));
    sandbox
}

fn datamake(sandbox: &Sandbox, store: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datamake"));
    command.args(words).current_dir(sandbox.path()).env("DATAMAKE_STORE", store);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn finish(child: Child) {
    let output = child.wait_with_output().expect("the process can be waited for");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{}: {said}", output.status);
}

fn run(sandbox: &Sandbox, store: &Path, words: &[&str]) {
    finish(datamake(sandbox, store, words).spawn().expect("the program starts"));
}

/// Verifies a store in which a build was killed: in the middle of a write it leaves the end of its log torn, and nothing else.
fn verify_after_a_kill(sandbox: &Sandbox, store: &Path) {
    let output = datamake(sandbox, store, &["verify"]).output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_torn = |line: &str| line.starts_with("the log `") && line.ends_with("cannot be read");
    let torn = said.lines().take_while(|line| is_torn(line)).count();
    let rest = said.lines().nth(torn).unwrap_or_default();
    assert!(output.status.success() || (torn == 1 && rest.is_empty()), "{}: {said}", output.status);
}

/// Returns what a build leaves for the user: the lock file, and the bytes of the export.
fn results(sandbox: &Sandbox) -> (String, Vec<u8>) {
    let lock = std::fs::read_to_string(sandbox.file("datamake.lock")).expect("a build writes the lock file");
    (lock, std::fs::read(sandbox.file("out/train.parquet")).expect("a build writes its exports"))
}

/// Builds what is there in an empty store.
fn clean(sandbox: &Sandbox) -> (String, Vec<u8>) {
    let copy = Sandbox::new();
    for file in ["datamake.toml", "rows.jsonl"] {
        copy.write(file, std::fs::read(sandbox.file(file)).expect("the file is there"));
    }
    run(&copy, &copy.file("store"), &["build"]);
    results(&copy)
}

#[test]
fn after_a_build_was_killed_at_any_moment_the_next_gives_the_same_tables() {
    let kills: u64 = std::env::var("DATAMAKE_KILLS").map_or(50, |text| text.parse().expect("a number of kills"));
    let sandbox = project(4000);
    let store = sandbox.file("store");
    let begun = Instant::now();
    run(&sandbox, &store, &["build"]);
    let whole = begun.elapsed().as_micros() as u64;
    let mut random = 20_261_122_u64;
    for round in 1..=kills {
        if round % 2 == 0 {
            // A first build; the others are rebuilds after an edit.
            std::fs::remove_dir_all(&store).expect("the store can be removed");
        }
        sandbox.write("rows.jsonl", rows(4000, round));
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut build = datamake(&sandbox, &store, &["build"]).spawn().expect("the program starts");
        std::thread::sleep(Duration::from_micros((random >> 33) % whole));
        build.kill().expect("a process can be killed");
        build.wait().expect("the process can be waited for");
        verify_after_a_kill(&sandbox, &store);
        run(&sandbox, &store, &["build"]);
        if round % 10 == 0 {
            assert_eq!(results(&sandbox), clean(&sandbox), "round {round}");
        }
    }
}

#[test]
fn builds_of_two_projects_at_once_share_a_store() {
    let (one, two) = (project(3000), project(3000));
    two.edit("datamake.toml", "n % 7", "n % 5");
    let store = one.file("store");
    for version in 0..4 {
        [&one, &two].iter().for_each(|sandbox| sandbox.write("rows.jsonl", rows(3000, version)));
        let both = [&one, &two].map(|sandbox| datamake(sandbox, &store, &["build"]).spawn().expect("it starts"));
        both.into_iter().for_each(finish);
        assert_eq!(results(&one), clean(&one));
        assert_eq!(results(&two), clean(&two));
    }
    run(&one, &store, &["verify"]);
}

/// Waits for processes that must not wait for each other for ever.
fn finish_all(mut children: Vec<Child>) {
    let begun = Instant::now();
    while children.iter_mut().any(|child| child.try_wait().expect("it can be waited for").is_none()) {
        if begun.elapsed() > Duration::from_secs(300) {
            children.iter_mut().for_each(|child| child.kill().expect("a process can be killed"));
            panic!("they wait for each other");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    children.into_iter().for_each(finish);
}

#[test]
fn eight_builds_of_overlapping_nodes_share_a_store_and_leave_no_lock() {
    let sandboxes: Vec<Sandbox> = (0..8).map(|_| project(3000)).collect();
    let store = sandboxes[0].file("store");
    let targets = ["rows", "kept", "mean", "train", "+kept", "m*", "rows+", "kept+"];
    let spawn = |sandbox: &Sandbox, words: &[&str]| datamake(sandbox, &store, words).spawn().expect("it starts");
    for version in 0..3 {
        sandboxes.iter().for_each(|sandbox| sandbox.write("rows.jsonl", rows(3000, version)));
        let some = sandboxes.iter().zip(targets).map(|(sandbox, target)| spawn(sandbox, &["build", target]));
        finish_all(some.collect());
        finish_all(sandboxes.iter().map(|sandbox| spawn(sandbox, &["build"])).collect());
        let expect = clean(&sandboxes[0]);
        sandboxes.iter().for_each(|sandbox| assert_eq!(results(sandbox), expect, "version {version}"));
    }
    // Whoever needs the store for himself gets it.
    run(&sandboxes[0], &store, &["gc", "--keep", "1", "--yes"]);
    run(&sandboxes[0], &store, &["verify"]);
    finish_all(sandboxes.iter().map(|sandbox| spawn(sandbox, &["build", "--json"])).collect());
}

#[test]
fn a_store_that_vanishes_under_a_build_or_between_two_is_made_again() {
    let sandbox = project(4000);
    let store = sandbox.file("store");
    run(&sandbox, &store, &["build"]);
    for round in 0..12 {
        sandbox.write("rows.jsonl", rows(4000, round));
        let build = datamake(&sandbox, &store, &["build"]).spawn().expect("the program starts");
        std::thread::sleep(Duration::from_millis(round * 9));
        // The build may be making folders meanwhile.
        while store.exists() {
            let _ = std::fs::remove_dir_all(&store);
        }
        let output = build.wait_with_output().expect("the process can be waited for");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 1)), "round {round}: {told}");
        run(&sandbox, &store, &["build"]);
        assert_eq!(results(&sandbox), clean(&sandbox), "round {round}");
    }
}

#[test]
fn many_builds_of_one_project_at_once_give_the_tables_of_one() {
    let sandbox = project(2000);
    let store = sandbox.file("store");
    let builds: Vec<Child> =
        (0..6).map(|_| datamake(&sandbox, &store, &["build"]).spawn().expect("the program starts")).collect();
    builds.into_iter().for_each(finish);
    assert_eq!(results(&sandbox), clean(&sandbox));
    let log = datamake(&sandbox, &store, &["log", "--json"]).stdout(Stdio::piped()).output().expect("it starts");
    let log: serde_json::Value = serde_json::from_slice(&log.stdout).expect("the log is JSON");
    assert_eq!(log["builds"].as_array().map(Vec::len), Some(1), "one build did the work: {log}");
}

#[test]
fn an_input_that_changes_while_it_is_read_never_gives_rows_of_two_contents() {
    let sandbox = Sandbox::on_real_disk();
    sandbox.write("datamake.toml", "[dataset.rows]\nfiles = \"rows.jsonl\"\n");
    // Equal lengths: written in place, every moment is a whole file of lines of both.
    let contents: Vec<String> =
        (0..2).map(|v| (0..30_000).map(|n| format!("{{\"n\": {n:6}, \"version\": {v}}}\n")).collect()).collect();
    sandbox.write("rows.jsonl", &contents[0]);
    let file = sandbox.file("rows.jsonl");
    let stop = AtomicBool::new(false);
    let (mut fine, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            use std::io::{Seek, SeekFrom, Write};
            let mut open = std::fs::File::options().write(true).open(&file).expect("the file is there");
            for version in (0..2).cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                open.seek(SeekFrom::Start(0)).expect("a file can be sought in");
                for block in contents[version].as_bytes().chunks(64 << 10) {
                    open.write_all(block).expect("a file can be written");
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
        });
        for _ in 0..30 {
            match sandbox.build() {
                Ok(built) if matches!(built.run.nodes[0].state, datamake::exec::State::Failed(_)) => refused += 1,
                Ok(_) => fine += 1,
                Err(problems) => {
                    let text = format!("{problems:?}");
                    assert!(text.contains("changed while it was being read"), "{text}");
                    refused += 1;
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(refused > 0, "the file changed under some of the builds ({fine} were fine)");
    for content in contents {
        sandbox.write("rows.jsonl", content);
        sandbox.built();
        assert_eq!(sandbox.results(), sandbox.clean());
    }
}
