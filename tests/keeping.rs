//! What `gc` takes and what it leaves, and that it never takes what it only could not read.

mod common;

use common::Sandbox;
use datamake::project::{Garbage, Project, Repair};
use datamake::store::{Fault, FaultyDisk, Lasting, RealDisk, Torn};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

const PROJECT: &str = r#"
[params]
seed = 1

[dataset.rows]
synth = { rows = 600, seed = "${params.seed}", columns = { n = { integer = [0, 1_000_000] } } }

[dataset.kept]
from = "rows"
where = "n > 1000"

[metric.mean]
on = "kept"
value = "avg(n)"
"#;

/// Three builds, one after the other.
fn three_builds() -> Sandbox {
    let mut sandbox = Sandbox::on_real_disk();
    sandbox.limits = datamake::table::Limits { min: 100, target: 200, max: 400 };
    sandbox.write("datamake.toml", PROJECT);
    sandbox.built();
    for seed in 2..4 {
        sandbox.edit("datamake.toml", &format!("seed = {}\n", seed - 1), &format!("seed = {seed}\n"));
        sandbox.built();
    }
    sandbox
}

fn files(sandbox: &Sandbox) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(sandbox.file("store")).sort_by_file_name().into_iter().flatten();
    entries.filter(|entry| entry.file_type().is_file()).map(|entry| entry.into_path()).collect()
}

fn project(sandbox: &Sandbox) -> Project {
    sandbox.project().expect("the manifest is right")
}

fn is_empty(garbage: &Garbage) -> bool {
    garbage.plan.blobs + garbage.plan.traces == 0
}

fn collect(sandbox: &Sandbox, keep: usize) {
    project(sandbox).collect(keep).expect("all can be read and removed");
}

#[test]
fn whichever_call_to_the_disk_fails_gc_takes_nothing_that_a_kept_build_needs() {
    let sandbox = three_builds();
    assert!(is_empty(&project(&sandbox).garbage(3).expect("all can be read")));
    for at in 1.. {
        let fault = Fault { at, lasting: Lasting::Once, kind: ErrorKind::PermissionDenied, write: Torn::Nothing };
        let disk = Arc::new(FaultyDisk::new(RealDisk, fault));
        let project = sandbox.project_at(disk.clone(), &sandbox.file("store"));
        let garbage = project.and_then(|project| project.garbage(3));
        assert!(garbage.is_err() || garbage.is_ok_and(|garbage| is_empty(&garbage)), "call {at}");
        if disk.calls() < at {
            break;
        }
    }
}

#[test]
fn gc_refuses_while_a_kept_build_names_what_is_damaged_until_that_is_let_go() {
    let sandbox = three_builds();
    let whole: Vec<(PathBuf, Vec<u8>)> =
        files(&sandbox).into_iter().map(|path| (path.clone(), std::fs::read(path).expect("it is there"))).collect();
    let mut refused = 0;
    for (path, bytes) in &whole {
        let name = path.display();
        if path.parent().is_some_and(|folder| folder.ends_with("history")) {
            continue;
        }
        for at in (0..bytes.len()).step_by(bytes.len() / 12 + 1) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            std::fs::write(path, damaged).expect("it can be written");
            let found = project(&sandbox).garbage(3);
            match found {
                Ok(garbage) => assert_eq!(garbage.plan.traces, 0, "{name} at {at}"),
                Err(problems) => {
                    assert_eq!(problems.0[0].help, ["run `datamake verify --repair` first"], "{name} at {at}");
                    refused += 1;
                    let project = project(&sandbox);
                    project.verify(Repair::Yes, &|_| ()).expect("it mends");
                    project.garbage(3).unwrap_or_else(|problems| panic!("{name} at {at}: {problems:?}"));
                }
            }
            for path in files(&sandbox) {
                std::fs::remove_file(path).expect("it is there");
            }
            for (path, bytes) in &whole {
                std::fs::write(path, bytes).expect("it can be written");
            }
        }
    }
    assert!(refused > 0);
}

#[test]
fn gc_refuses_a_history_that_it_cannot_read() {
    let sandbox = three_builds();
    let history = files(&sandbox).into_iter().find(|path| path.extension().is_some_and(|end| end == "jsonl"));
    let history = history.expect("there were builds");
    let text = std::fs::read_to_string(&history).expect("it is there");
    std::fs::write(&history, text.replacen("\"view\"", "\"veiw\"", 1)).expect("it can be written");
    let problems = project(&sandbox).garbage(1).expect_err("a line cannot be read");
    assert_eq!(problems.0[0].title, format!("cannot read `{}`: line 1 is not a build", history.display()));
}

#[test]
fn builds_that_go_still_tell_their_numbers() {
    let sandbox = three_builds();
    let before = project(&sandbox).version("1").expect("it was built").nodes;
    collect(&sandbox, 1);
    collect(&sandbox, 1);
    let project = project(&sandbox);
    assert_eq!(project.version("1").expect("its view stays").nodes, before);
    assert!(project.verify(Repair::No, &|_| ()).expect("it reads").problems.is_empty());
    assert_eq!(sandbox.made(), [""; 0], "the last build is whole");
}

#[test]
fn gc_may_keep_more_after_it_kept_less() {
    let sandbox = three_builds();
    collect(&sandbox, 1);
    let garbage = project(&sandbox).garbage(3).expect("what gc removed is not missed");
    assert!(is_empty(&garbage));
    sandbox.edit("datamake.toml", "seed = 3\n", "seed = 1\n");
    sandbox.built();
    assert_eq!(sandbox.results(), sandbox.clean());
}
