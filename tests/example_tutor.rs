//! The example `examples/tutor`: it builds from its recorded responses alone, and says what is missing where they are not enough.

mod common;
#[path = "common/server.rs"]
mod server;

use common::{build, copy};
use datamake::diag::{Diagnostic, Diagnostics, Style, render};
use datamake::exec::{Output, State};
use datamake::manifest::Options;
use datamake::project::{BuildOptions, Built, Project};
use serde_json::Value;
use server::Server;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The example, in a folder of its own.
struct Example {
    folder: tempfile::TempDir,
}

fn or_panic<T>(result: Result<T, Diagnostics>) -> T {
    result.unwrap_or_else(|problems| panic!("{}", render(&problems, Style::Plain)))
}

fn source() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tutor"))
}

impl Example {
    fn new() -> Example {
        let folder = tempfile::tempdir().unwrap();
        copy(source(), folder.path());
        Example { folder }
    }

    fn open(&self, options: &Options) -> Project {
        or_panic(Project::open(self.folder.path(), options))
    }

    fn project(&self) -> Project {
        self.open(&Options::default())
    }

    fn build(&self) -> Built {
        or_panic(build(&self.project(), &[], None))
    }

    /// Builds without failures, and without asking anything.
    fn built(&self) -> Built {
        let built = self.build();
        common::fine(&built);
        assert!(built.run.traffic.is_empty(), "{:?}", built.run.traffic);
        built
    }

    fn edit(&self, path: &str, old: &str, new: &str) {
        let file = self.folder.path().join(path);
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text.matches(old).count(), 1, "{path} has {old:?} once");
        fs::write(file, text.replace(old, new)).unwrap();
    }

    fn lock(&self) -> String {
        fs::read_to_string(self.folder.path().join("datamake.lock")).unwrap()
    }

    fn rows(&self, name: &str) -> Vec<BTreeMap<String, Value>> {
        let project = self.project();
        let table = or_panic(project.table(name));
        let rows = or_panic(project.rows(&table, 0, usize::MAX));
        let names: Vec<&str> = rows.schema.names().collect();
        let cells = |row: &Vec<_>| row.iter().map(|cell| serde_json::to_value(cell).unwrap()).collect::<Vec<_>>();
        rows.rows.iter().map(|row| names.iter().map(|name| (*name).to_owned()).zip(cells(row)).collect()).collect()
    }
}

/// Returns the requests that a plan counts, by the names of the nodes; none: it is not known before others ran.
fn planned(project: &Project) -> BTreeMap<String, Option<u64>> {
    let planned = or_panic(project.plan(&BuildOptions::quiet(&[])));
    let count = |cost: &datamake::project::NodeCost| {
        (project.graph.node(cost.node).name.clone(), cost.step.map(|_| cost.count.requests))
    };
    planned.cost.iter().map(count).collect()
}

/// Returns the name of the node that failed and the one problem that it has.
fn failed(project: &Project, built: &Built) -> (String, Diagnostic) {
    let failed = built.run.nodes.iter().filter_map(|node| match &node.state {
        State::Failed(problems) => Some((project.graph.node(node.node).name.clone(), problems.clone())),
        _ => None,
    });
    let failed: Vec<(String, Diagnostics)> = failed.collect();
    let [(name, problems)] = failed.as_slice() else { panic!("one node fails, and not {failed:?}") };
    let [problem] = problems.0.as_slice() else { panic!("it has one problem, and not {problems:?}") };
    (name.clone(), problem.clone())
}

#[test]
fn a_fresh_copy_builds_from_its_responses_and_the_tables_are_those_of_the_lock_file() {
    let example = Example::new();
    let kept = example.lock();
    example.built();
    assert!(
        kept == example.lock(),
        "results changed: if that is meant, build examples/tutor and keep its datamake.lock\n{}",
        example.lock()
    );
    let size = fs::metadata(source().join("responses.jsonl.zst")).unwrap().len();
    assert!(size < 1_500_000, "the responses have {size} bytes");
}

#[test]
fn with_an_endpoint_at_hand_nothing_is_asked_either() {
    let server = Server::start();
    let example = Example::new();
    let options = Options {
        profiles: vec!["record".to_owned()],
        set: vec![format!("params.url={}", server.url())],
        ..Options::default()
    };
    let project = example.open(&options);
    assert!(planned(&project).is_empty(), "{:?}", planned(&project));
    common::fine(&or_panic(build(&project, &[], None)));
    assert_eq!(server.requests(), 0);
    assert_eq!(example.lock(), fs::read_to_string(source().join("datamake.lock")).unwrap());
}

#[test]
fn every_lesson_comes_to_the_right_number_and_no_row_is_lost() {
    let example = Example::new();
    let built = example.built();
    let project = example.project();
    for (id, record) in &built.records {
        let Output::Table { rows, made, repeated, .. } = record.output else { continue };
        let lost: u64 = record.dropped.iter().chain(&record.failed).map(|lost| lost.rows()).sum();
        assert_eq!(made + repeated, rows + lost, "{}", project.graph.node(*id).name);
    }
    let seeds = fs::read_to_string(source().join("data/seeds.jsonl")).unwrap();
    let gold = seeds.lines().map(|line| {
        let seed: Value = serde_json::from_str(line).unwrap();
        let answer = seed["answer"].as_str().unwrap().rsplit_once("#### ").unwrap().1.parse::<i64>().unwrap();
        (seed["id"].as_str().unwrap().to_owned(), answer)
    });
    let gold: BTreeMap<String, i64> = gold.collect();
    let lessons = example.rows("lessons");
    assert!(!lessons.is_empty());
    for lesson in &lessons {
        assert_eq!(lesson["answer"].as_i64(), gold.get(lesson["id"].as_str().unwrap()).copied(), "{lesson:?}");
        assert!(lesson["grade"].as_f64() >= Some(2.0), "{lesson:?}");
    }
    let count = |name: &str| example.rows(name).len();
    assert_eq!(lessons.len(), count("lessons.train") + count("lessons.test"));
    // Some replies of so small a model are of no use at all; they are kept as what they are.
    let failed: u64 = built.records.values().flat_map(|record| &record.failed).map(|lost| lost.rows()).sum();
    assert!(failed > 0);
}

#[test]
fn a_changed_threshold_asks_nothing() {
    let example = Example::new();
    example.built();
    let before = example.rows("lessons").len();
    example.edit("datamake.toml", "fair = 2 ", "fair = 1 ");
    assert!(planned(&example.project()).is_empty());
    let built = example.built();
    let project = example.project();
    let made: Vec<&str> = built.reasons.keys().map(|id| project.graph.node(*id).name.as_str()).collect();
    assert!(made.contains(&"lessons") && !made.contains(&"judged"), "{made:?}");
    assert!(example.rows("lessons").len() > before);
}

#[test]
fn a_changed_prompt_is_refused_with_the_number_of_missing_responses_and_how_to_record_them() {
    let example = Example::new();
    example.built();
    let (lock, judged) = (example.lock(), example.rows("judged").len() as u64);
    example.edit("prompts/grade.jinja", "Grade each explanation:", "Give each explanation a grade:");
    let project = example.project();
    let planned = planned(&project);
    let requests = planned["judged"].expect("its rows are known");
    assert!(planned.len() == 1 && requests >= judged, "{planned:?}");
    let built = example.build();
    assert!(built.run.traffic.is_empty());
    let (name, problem) = failed(&project, &built);
    assert_eq!((name.as_str(), problem.code), ("judged", "not-recorded"));
    assert!(problem.notes[0].starts_with(&format!("{requests} responses are missing")), "{:?}", problem.notes);
    assert!(problem.help[0].starts_with("record them: "), "{:?}", problem.help);
    // What was there stays.
    assert_eq!(example.lock(), lock);
    example.edit("prompts/grade.jinja", "Give each explanation a grade:", "Grade each explanation:");
    example.built();
    assert_eq!(example.lock(), lock);
}
