//! Rows that cannot be read are failed rows: kept with their place, counted, and in nobody's way but their own.

mod common;
#[path = "common/server.rs"]
mod server;

use common::{Sandbox, build, failures, record, results};
use datamake::exec::{Event, Output, State};
use datamake::project::{BuildOptions, Built};
use serde_json::json;
use server::{Act, Server};
use std::sync::atomic::{AtomicBool, Ordering};

const PROJECT: &str = r#"
[dataset.notes]
files = "data/*"
types = { id = "int" }
max_failed = 0
where = "id <> 7"

[dataset.more]
from = "notes"
columns = { next = "id + 1" }
"#;

/// Rows by their numbers; the wrong ones instead of those that have a text.
fn file(rows: usize, wrong: &[(usize, &str)]) -> String {
    let line = |id| match wrong.iter().find(|(at, _)| *at == id) {
        Some((_, text)) => format!("{text}\n"),
        None => format!("{{\"id\": {id}, \"text\": \"note {id}\"}}\n"),
    };
    (0..rows).map(line).collect()
}

fn project(max_failed: usize) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("datamake.toml", PROJECT.replace("max_failed = 0", &format!("max_failed = {max_failed}")));
    sandbox.write("data/a.jsonl", file(30, &[(3, "{\"id\": 3"), (20, "{\"id\": \"x\"}")]));
    sandbox.write("data/b.csv", "id,text\n100,good\n101\n102,\"two\nlines\",3\n103,good\n");
    sandbox
}

fn state(sandbox: &Sandbox, built: &Built, name: &str) -> String {
    let (id, _) = sandbox.project().unwrap().one(name).unwrap();
    match &built.run.of(id).unwrap().state {
        State::Failed(problems) => problems.0[0].code.to_string(),
        State::Skipped(_) => "skipped".to_owned(),
        State::Fresh => "fresh".to_owned(),
        _ => "done".to_owned(),
    }
}

fn run(sandbox: &Sandbox) -> Built {
    build(&sandbox.project().unwrap(), &[], None).unwrap()
}

#[test]
fn rows_that_cannot_be_read_are_kept_with_their_place_and_the_others_are_read() {
    let sandbox = project(4);
    let built = run(&sandbox);
    assert_eq!(state(&sandbox, &built, "more"), "done");
    let project = sandbox.project().unwrap();
    let record = record(&project, &built, "notes");
    let Output::Table { rows, made, .. } = record.output else { panic!("a dataset is a table") };
    assert_eq!((rows, made), (29, 34), "27 and 2 rows; read were 28 and 2, and four could not be");
    let told: Vec<_> = failures(&project, &record)
        .into_iter()
        .map(|row| {
            let why = &row["failure"];
            (why["kind"].clone(), why["file"].clone(), why["line"].clone(), why["column"].clone(), why["text"].clone())
        })
        .collect();
    let expect = [
        ("data/a.jsonl", 4, 9, "{\"id\": 3"),
        ("data/a.jsonl", 21, 10, "{\"id\": \"x\"}"),
        ("data/b.csv", 3, 4, "101"),
        ("data/b.csv", 5, 8, "102,\"two\nlines\",3"),
    ];
    let expect = expect
        .map(|(file, line, column, text)| (json!("unreadable"), json!(file), json!(line), json!(column), json!(text)));
    assert_eq!(told, expect);
}

#[test]
fn more_of_them_than_may_keep_the_dataset_back() {
    let sandbox = project(3);
    let built = run(&sandbox);
    assert_eq!(state(&sandbox, &built, "notes"), "failed-rows");
    assert_eq!(state(&sandbox, &built, "more"), "skipped");
    let project = sandbox.project().unwrap();
    assert!(project.table("notes").is_err(), "it is not published");
    assert_eq!(failures(&project, &record(&project, &built, "notes")).len(), 4, "but the rows can be looked at");
    sandbox.edit("datamake.toml", "max_failed = 3", "max_failed = \"12%\"");
    assert_eq!(state(&sandbox, &run(&sandbox), "notes"), "done", "4 of 34 rows are less");
    sandbox.edit("datamake.toml", "12%", "11%");
    assert_eq!(state(&sandbox, &run(&sandbox), "notes"), "failed-rows");
}

#[test]
fn a_build_after_another_parses_nothing_and_a_mended_line_its_segment_alone() {
    let sandbox = project(4);
    run(&sandbox);
    let again = run(&sandbox);
    assert_eq!((again.run.ran, state(&sandbox, &again, "notes")), (0, "fresh".to_owned()));
    // Another definition of the dataset: its files are looked at again, and not parsed.
    sandbox.edit("datamake.toml", "max_failed = 4", "max_failed = 5");
    assert_eq!(run(&sandbox).run.ran, 0);
    sandbox.edit("data/a.jsonl", "{\"id\": \"x\"}\n", "{\"id\": 20, \"text\": \"mended\"}\n");
    let parsed = |built: &Built| {
        let (id, _) = sandbox.project().unwrap().one("notes").unwrap();
        match &built.run.of(id).unwrap().state {
            State::Done(work) => (work.groups_made, work.groups),
            other => panic!("{other:?}"),
        }
    };
    let built = run(&sandbox);
    let (made, groups) = parsed(&built);
    assert!((1..=2).contains(&made) && groups > 6, "{made} of {groups}");
    assert_eq!(results(&sandbox.project().unwrap()), sandbox.clean());
    let project = sandbox.project().unwrap();
    assert_eq!(failures(&project, &record(&project, &built, "notes")).len(), 3);
}

#[test]
fn a_line_more_above_moves_the_place_of_a_row_and_nothing_else() {
    let sandbox = project(4);
    run(&sandbox);
    let text = std::fs::read_to_string(sandbox.file("data/a.jsonl")).unwrap();
    sandbox.write("data/a.jsonl", format!("\n\n{text}"));
    let built = run(&sandbox);
    let project = sandbox.project().unwrap();
    let lines: Vec<_> = failures(&project, &record(&project, &built, "notes"))
        .into_iter()
        .map(|row| row["failure"]["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, [6, 23, 3, 5]);
    assert_eq!(results(&project), sandbox.clean());
}

#[test]
fn nothing_is_asked_about_rows_of_a_dataset_that_is_not_published_because_of_its_files() {
    let server = Server::with(|_| Act::Answer.into());
    let sandbox = project(0);
    let manifest = format!(
        "{PROJECT}\n[model.writer]\nprovider = \"openai\"\nurl = \"{}\"\nname = \"m\"\nmax_tokens = 9\n\
         [prompt.p]\ntemplate = \"About {{{{ text }}}}\"\n\
         [dataset.asked]\nfiles = \"data/a.jsonl\"\ntypes = {{ id = \"int\" }}\n\
         generate = {{ prompt = \"p\", model = \"writer\", into = \"answer\" }}\n",
        server.url()
    );
    sandbox.write("datamake.toml", manifest);
    let built = run(&sandbox);
    assert_eq!((state(&sandbox, &built, "asked"), server.requests()), ("failed-rows".to_owned(), 0));
    sandbox.write("data/a.jsonl", file(30, &[]));
    let built = run(&sandbox);
    assert_eq!((state(&sandbox, &built, "asked"), server.requests()), ("done".to_owned(), 30));
}

#[test]
fn a_file_that_is_another_when_it_is_read_than_when_it_was_hashed_is_told() {
    for name in ["a.jsonl", "a.txt", "a.csv"] {
        for vanishes in [false, true] {
            let sandbox = Sandbox::new();
            sandbox.write("datamake.toml", format!("[dataset.a]\nfiles = \"{name}\"\n"));
            sandbox.write(name, "{\"n\": 1}\n");
            let (never, once) = (AtomicBool::new(false), AtomicBool::new(true));
            let meanwhile = |event| {
                if matches!(event, Event::Begin { .. }) && once.swap(false, Ordering::SeqCst) {
                    if vanishes { sandbox.remove(name) } else { sandbox.write(name, "{\"n\": 2}\n") }
                }
            };
            let options = BuildOptions {
                targets: &[],
                jobs: None,
                events: &meanwhile,
                waiting: &|_| (),
                cancel: &never,
                command: &[],
                budget: None,
                retry: &[],
            };
            let problems = sandbox.project().unwrap().build(&options).unwrap_err();
            let expect = if vanishes {
                format!("cannot read {name}: it is not there")
            } else {
                format!("{name} changed while it was being read")
            };
            assert_eq!(problems.0[0].title, expect);
        }
    }
}

#[test]
fn a_row_of_a_parquet_or_arrow_file_with_a_value_that_cannot_be_read_fails_alone() {
    for format in ["parquet", "arrow"] {
        let sandbox = Sandbox::new();
        let row = |id: u64| {
            format!("{{\"id\": {id}, \"n\": \"{}\"}}\n", if id % 5000 == 17 { "none".into() } else { id.to_string() })
        };
        sandbox.write("rows.jsonl", (0..12_000).map(row).collect::<String>());
        let export = format!("[export.rows]\nfrom = \"rows\"\nto = \"out/rows.{format}\"\n");
        sandbox.write("datamake.toml", format!("[dataset.rows]\nfiles = \"rows.jsonl\"\n{export}"));
        sandbox.built();
        let read =
            format!("[dataset.notes]\nfiles = \"out/rows.{format}\"\ntypes = {{ n = \"int\" }}\nmax_failed = 2\n");
        sandbox.write("datamake.toml", &read);
        let built = run(&sandbox);
        let State::Failed(problems) = &built.run.nodes[0].state else { panic!("more failed than may") };
        let text = datamake::diag::render(problems, datamake::diag::Style::Plain);
        let place = format!("--> out/rows.{format}:18:1\n");
        let line = "   18 | none\n      | ^ `n` is declared int, and is \"none\"\n";
        for part in ["3 rows of `notes` cannot be read", &place, line] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        sandbox.edit("datamake.toml", "max_failed = 2", "max_failed = 3");
        let built = run(&sandbox);
        assert_eq!((state(&sandbox, &built, "notes"), built.run.ran), ("done".to_owned(), 0), "nothing is read again");
        let project = sandbox.project().unwrap();
        let record = record(&project, &built, "notes");
        let Output::Table { rows, made, .. } = record.output else { panic!("a dataset is a table") };
        assert_eq!((rows, made), (11_997, 12_000));
        let told: Vec<_> = failures(&project, &record).into_iter().map(|row| row["failure"].clone()).collect();
        let places: Vec<_> = told.iter().map(|why| (why["line"].clone(), why["column"].clone())).collect();
        assert_eq!(places, [18, 5018, 10_018].map(|line| (json!(line), json!(2))));
        assert_eq!(told[0]["text"], "id: 17, n: none");
        assert_eq!(told[0]["file"], format!("out/rows.{format}"));
    }
}
