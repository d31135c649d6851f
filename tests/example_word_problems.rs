//! The example `examples/word-problems`: every answer is what an independent computation from the row's numbers gives.

mod common;

use common::{build, copy};
use datamake::diag::{Diagnostics, Style, render};
use datamake::manifest::Options;
use datamake::project::Project;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const TYPES: [&str; 6] = ["change", "packing", "share", "savings", "shift", "together"];

/// The example, built in a folder of its own.
struct Example {
    folder: tempfile::TempDir,
    project: Project,
}

fn or_panic<T>(result: Result<T, Diagnostics>) -> T {
    result.unwrap_or_else(|problems| panic!("{}", render(&problems, Style::Plain)))
}

fn source() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/word-problems"))
}

impl Example {
    fn built() -> Example {
        let folder = tempfile::tempdir().unwrap();
        copy(source(), folder.path());
        let project = or_panic(Project::open(folder.path(), &Options::default()));
        common::fine(&or_panic(build(&project, &[], None)));
        Example { folder, project }
    }

    fn rows(&self, name: &str) -> Vec<Row> {
        let table = or_panic(self.project.table(name));
        let rows = or_panic(self.project.rows(&table, 0, usize::MAX));
        let names: Vec<String> = rows.schema.names().map(str::to_owned).collect();
        let row = |values: Vec<datamake::expr::Value>| {
            Row(names.iter().cloned().zip(values.iter().map(|value| serde_json::to_value(value).unwrap())).collect())
        };
        rows.rows.into_iter().map(row).collect()
    }
}

struct Row(BTreeMap<String, Value>);

impl Row {
    fn int(&self, name: &str) -> i64 {
        self.0[name].as_i64().unwrap_or_else(|| panic!("`{name}` of {:?} is no int", self.0))
    }

    fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_else(|| panic!("`{name}` of {:?} is no text", self.0))
    }

    /// What the row is called in all datasets that it goes through.
    fn name(&self, kind: &str) -> String {
        format!("{kind} {} {}", self.text("id"), self.0.get("round").cloned().unwrap_or(Value::Null))
    }
}

/// Computes the answer from the numbers that were drawn, by other means than the manifest; `None` if it is not a whole number.
fn answer(kind: &str, row: &Row) -> Option<i64> {
    let int = |name| row.int(name);
    match kind {
        "change" => {
            // Buy one after the other.
            Some((0..int("n")).fold(int("bill"), |money, _| money - int("each")))
        }
        "packing" => Some((0..int("n")).map(|_| int("size")).sum::<i64>() + int("left")),
        "shift" => Some(int("rate") * int("before") + int("rate") * int("after")),
        "together" => {
            let more = if row.text("direction") == "more" { int("by") } else { -int("by") };
            Some(2 * int("first") + more)
        }
        "share" => {
            let (over, under) = row.text("fraction").split_once('/').unwrap();
            let (over, under): (i64, i64) = (over.parse().unwrap(), under.parse().unwrap());
            // What is kept is the number whose `under`-fold is the other parts of the total.
            (0..=int("total")).find(|kept| kept * under == int("total") * (under - over))
        }
        "savings" => (0..=int("cost")).find(|weeks| int("have") + weeks * int("weekly") == int("cost")),
        other => panic!("there is no type `{other}`"),
    }
}

/// The numbers of a row that its question has to tell.
fn told(kind: &str) -> &'static [&'static str] {
    match kind {
        "change" => &["n", "each", "bill"],
        "packing" => &["n", "size", "left"],
        "shift" => &["rate", "before", "after"],
        "together" => &["first", "by"],
        "share" => &["total"],
        "savings" => &["cost", "have", "weekly"],
        other => panic!("there is no type `{other}`"),
    }
}

/// Returns the whole numbers in a text.
fn numbers(text: &str) -> BTreeSet<i64> {
    text.split(|c: char| !c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().unwrap())
        .collect()
}

/// Returns the number behind `####`, which ends a solution.
fn last(solution: &str) -> i64 {
    solution.rsplit_once("#### ").unwrap_or_else(|| panic!("{solution:?} has no answer")).1.parse().unwrap()
}

/// Checks every `<<3*4=12>>12` of a solution.
fn check_steps(solution: &str) {
    let mut steps = 0;
    for part in solution.split("<<").skip(1) {
        let (step, rest) = part.split_once(">>").unwrap();
        let (left, right) = step.split_once('=').unwrap();
        let at = left.find(['+', '-', '*', '/']).unwrap();
        let (a, b): (i64, i64) = (left[..at].parse().unwrap(), left[at + 1..].parse().unwrap());
        let right: i64 = right.parse().unwrap();
        let holds = match &left[at..=at] {
            "+" => a + b == right,
            "-" => a - b == right,
            "*" => a * b == right,
            _ => right * b == a,
        };
        assert!(holds, "{step} in {solution:?}");
        assert!(rest.starts_with(&right.to_string()), "{solution:?} goes on with another number");
        steps += 1;
    }
    assert!(steps >= 2, "{solution:?} has {steps} steps");
}

#[test]
fn every_answer_is_what_the_numbers_of_its_row_give() {
    let example = Example::built();
    let mut drawn = BTreeMap::new();
    for kind in TYPES {
        for row in example.rows(kind) {
            drawn.insert(row.name(kind), row);
        }
    }
    let problems = example.rows("problems");
    assert!(problems.len() > 2000, "there are {} problems", problems.len());
    for problem in &problems {
        let kind = problem.text("type");
        let row = &drawn[&problem.name(kind)];
        let (question, solution) = (problem.text("question"), problem.text("solution"));
        let expected = answer(kind, row);
        assert_eq!(expected, Some(problem.int("answer")), "{question}");
        assert_eq!(expected, Some(last(solution)), "{question}");
        assert!(expected > Some(0), "{question}");
        check_steps(solution);
        let said = numbers(question);
        // One of a thing is told as a number too.
        told(kind).iter().for_each(|name| assert!(said.contains(&row.int(name)), "{question} does not tell `{name}`"));
        assert!(!question.contains("  ") && question.ends_with('?'), "{question:?}");
        assert!(question.starts_with(|c: char| c.is_uppercase()), "{question:?}");
    }
    for kind in TYPES {
        let of = problems.iter().filter(|problem| problem.text("type") == kind).count();
        assert!(of >= 200, "there are {of} problems of the type {kind}");
    }
}

#[test]
fn no_question_is_in_two_parts_and_the_files_have_the_rows() {
    let example = Example::built();
    let mut seen = BTreeSet::new();
    let mut all = 0;
    for part in ["train", "valid", "test"] {
        let rows = example.rows(&format!("problems.{part}"));
        assert!(rows.len() > 50);
        all += rows.len();
        rows.iter()
            .for_each(|row| assert!(seen.insert(row.text("question").to_lowercase()), "{}", row.text("question")));
    }
    assert_eq!(all, example.rows("problems").len());
    let train = example.rows("train");
    let real = train.iter().filter(|row| row.text("origin") == "real").count();
    assert!(real.abs_diff(train.len() / 10) <= 1, "{real} of {} rows are real", train.len());
    let text = fs::read_to_string(example.folder.path().join("out/train.jsonl")).unwrap();
    let exported: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(exported.len(), train.len());
    for (line, row) in exported.iter().zip(&train) {
        assert_eq!(line["question"], row.text("question"));
        assert_eq!(line["answer"], row.int("answer"));
        assert_eq!(last(&row.text("solution").replace(',', "")), row.int("answer"));
    }
    assert!(fs::metadata(example.folder.path().join("out/train.parquet")).unwrap().len() > 10_000);
}

#[test]
fn the_tables_are_those_of_the_lock_file() {
    let example = Example::built();
    let kept = fs::read_to_string(source().join("datamake.lock")).unwrap();
    let made = fs::read_to_string(example.folder.path().join("datamake.lock")).unwrap();
    assert!(
        kept == made,
        "results changed: if that is meant, build examples/word-problems and keep its datamake.lock\n{made}"
    );
}
