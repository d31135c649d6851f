//! The curve of a filter: what thresholds would keep, from what is there.

mod common;

use common::Sandbox;
use datamake::diag::{Style, render};
use datamake::expr::Value;
use datamake::project::{Project, Side};
use std::fmt::Write;

const MANIFEST: &str = "
[dataset.all]
files = \"rows.jsonl\"
key = \"id\"

[dataset.good]
from = \"all\"
steps = [
  { columns = { twice = \"2 * score\" } },
  { filter = [\"known\", \"high\"] },
  { columns = { late = \"score + 1\" } },
]

[filter.known]
where = \"id <> 7\"

[filter.high]
where = \"twice >= 100 and score < 90\"

[metric.mean]
on = \"good\"
value = \"avg(twice)\"
where = \"id > 3\"

[metric.letters]
on = \"good\"
value = \"avg(length(text))\"

[metric.after]
on = \"good\"
value = \"max(late)\"

[metric.sliced]
on = \"good\"
value = \"count(*)\"
by = \"score % 2\"
";

/// The score of a row; some have none.
fn score(id: i64) -> Option<i64> {
    (id % 11 != 0).then_some(id * 37 % 101)
}

fn project() -> (Sandbox, Project) {
    let sandbox = Sandbox::new();
    let rows = (1..200).fold(String::new(), |mut rows, id| {
        let score = score(id).map_or("null".to_owned(), |score| score.to_string());
        let _ = writeln!(rows, "{{\"id\": {id}, \"score\": {score}, \"text\": \"row {id}\"}}");
        rows
    });
    sandbox.write("rows.jsonl", rows);
    sandbox.write("datamake.toml", MANIFEST);
    sandbox.built();
    let project = sandbox.project().unwrap();
    (sandbox, project)
}

#[test]
fn a_curve_counts_the_rows_that_came_to_the_filter_and_measures_those_that_each_threshold_keeps() {
    let (_sandbox, project) = project();
    let traces = project.store().stats().unwrap().traces;
    for side in [Side::AtLeast, Side::AtMost] {
        let curve = project.tune("high", None, "twice", side, 10).unwrap();
        let came: Vec<(i64, Option<i64>)> =
            (1..200).filter(|id| *id != 7).map(|id| (id, score(id).map(|s| 2 * s))).collect();
        let passes = |twice: i64| (100..180).contains(&twice);
        assert_eq!(curve.rows, came.len() as u64);
        assert_eq!(curve.kept, came.iter().filter(|(_, twice)| twice.is_some_and(passes)).count() as u64);
        assert_eq!(curve.without, came.iter().filter(|(_, twice)| twice.is_none()).count() as u64);
        assert_eq!(curve.metrics, ["mean"]);
        assert_eq!(curve.points.len(), 10);
        assert_eq!(curve.points[0].rows, curve.rows - curve.without, "the first threshold keeps all");
        for point in &curve.points {
            let keeps = |twice: i64| match side {
                Side::AtLeast => twice as f64 >= point.threshold,
                Side::AtMost => twice as f64 <= point.threshold,
            };
            let kept: Vec<(i64, i64)> =
                came.iter().filter_map(|(id, twice)| Some((*id, twice.filter(|t| keeps(*t))?))).collect();
            assert_eq!(point.rows, kept.len() as u64, "{side:?} {}", point.threshold);
            let measured: Vec<i64> = kept.iter().filter(|(id, _)| *id > 3).map(|(_, twice)| *twice).collect();
            let mean = measured.iter().sum::<i64>() as f64 / measured.len() as f64;
            let Value::Float(found) = point.values[0] else { panic!("{:?}", point.values) };
            assert!((found - mean).abs() < 1e-9, "{side:?} {}: {found} and not {mean}", point.threshold);
        }
        let left_out: Vec<&str> = curve.left_out.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(left_out, ["after", "letters", "sliced"]);
    }
    assert_eq!(project.store().stats().unwrap().traces, traces, "nothing ran that is remembered");
}

#[test]
fn of_several_steps_where_the_one_is_meant_that_reads_the_column() {
    let sandbox = Sandbox::new();
    sandbox.write("rows.jsonl", (1..100).map(|id| format!("{{\"id\": {id}}}\n")).collect::<String>());
    sandbox.write(
        "datamake.toml",
        "[dataset.good]\nfiles = \"rows.jsonl\"\nkey = \"id\"\nsteps = [{ where = \"id > 9\" }, { columns = { last = \"id % 10\" } }, { where = \"last < 5\" }, { where = \"id < 90\" }]\n",
    );
    sandbox.built();
    let curve = |column| sandbox.project().unwrap().tune("where", None, column, Side::AtMost, 10).unwrap();
    assert_eq!((curve("last").rows, curve("last").kept, curve("last").later), (85, 40, 5));
    assert_eq!((curve("id").rows, curve("id").kept), (45, 40));
}

#[test]
fn what_cannot_be_tuned_is_told() {
    let (sandbox, project) = project();
    let refused = |project: &Project, filter: &str, on: Option<&str>, column: &str| {
        render(&project.tune(filter, on, column, Side::AtLeast, 10).unwrap_err(), Style::Plain)
    };
    let check = |found: String, expect: &[&str]| {
        expect.iter().for_each(|expect| assert!(found.contains(expect), "{expect}: {found}"));
    };
    check(refused(&project, "hig", None, "twice"), &["no dataset has a step with the filter `hig`", "did you mean"]);
    check(
        refused(&project, "high", Some("all"), "twice"),
        &["`all` is not a dataset that has a step with the filter `high`"],
    );
    check(refused(&project, "high", None, "twic"), &["no column of numbers `twic`", "did you mean"]);
    check(refused(&project, "high", None, "text"), &["no column of numbers `text`"]);
    check(refused(&project, "high", None, "late"), &["the rows that were dropped have no column of numbers `late`"]);
    sandbox.write("datamake.toml", format!("{MANIFEST}\n[dataset.more]\nfrom = \"all\"\nsteps = [{{ columns = {{ twice = \"1\" }} }}, {{ filter = \"high\" }}]\n"));
    sandbox.built();
    let project = sandbox.project().unwrap();
    check(refused(&project, "high", None, "twice"), &["is of several datasets: `good`, `more`", "--on good"]);
    assert_eq!(project.tune("high", Some("good"), "twice", Side::AtLeast, 3).unwrap().points.len(), 3);
}

#[test]
fn a_ready_filter_is_all_of_its_conditions() {
    let sandbox = Sandbox::new();
    let row =
        |id: i64| format!("{{\"id\": {id}, \"words\": {id}, \"text\": \"{}\"}}\n", "the cat and ".repeat(id as usize));
    sandbox.write("rows.jsonl", (1..60).map(row).collect::<String>());
    sandbox.write(
        "datamake.toml",
        "[dataset.good]\nfiles = \"rows.jsonl\"\nkey = \"id\"\nfilter = [\"web\"]\n\n[filter.web]\nuse = \"gopher_quality\"\nwith = { max_doc_words = 120 }\n",
    );
    sandbox.built();
    let curve = sandbox.project().unwrap().tune("web", None, "words", Side::AtLeast, 4).unwrap();
    assert_eq!((curve.rows, curve.later), (59, 0));
    assert!(curve.kept > 0 && curve.kept < 59, "{}", curve.kept);
}
