//! Tests of datasets: what does not hold is told with its rows, stops what would be exported, and is remembered as all else.

mod common;

use common::{Sandbox, failures, record};
use datamake::diag::{Style, render};
use datamake::exec::{NodeRecord, Output, State, Tested};
use datamake::project::Built;
use serde_json::Value;

const PROJECT: &str = r#"
[dataset.rows]
files = "rows.jsonl"
key = "id"

[test.rows]
on = "rows"
CONDITIONS

[export.out]
from = "rows"
to = "out/rows.jsonl"
"#;

/// Rows 0 to 19: `n` is the last digit, `text` is null where that is 7, and `twin` is half of the number.
fn sandbox(conditions: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let text = |id: u64| if id % 10 == 7 { "null".to_owned() } else { format!("\"t{id}\"") };
    let row = |id: u64| format!("{{\"id\": {id}, \"n\": {}, \"text\": {}, \"twin\": {}}}\n", id % 10, text(id), id / 2);
    sandbox.write("rows.jsonl", (0..20).map(row).collect::<String>());
    sandbox.write("datamake.toml", PROJECT.replace("CONDITIONS", conditions));
    sandbox
}

/// Returns how a node ended, with what is wrong with it as it is printed.
fn state(sandbox: &Sandbox, built: &Built, name: &str) -> (String, String) {
    let (id, _) = sandbox.project().unwrap().one(name).unwrap();
    match &built.run.of(id).unwrap().state {
        State::Failed(problems) => ("failed".to_owned(), render(problems, Style::Plain)),
        State::Skipped(_) => ("skipped".to_owned(), String::new()),
        State::Fresh => ("fresh".to_owned(), String::new()),
        _ => ("done".to_owned(), String::new()),
    }
}

fn tested(sandbox: &Sandbox, built: &Built) -> (NodeRecord, Vec<Tested>) {
    let record = record(&sandbox.project().unwrap(), built, "test.rows");
    let Output::Test(tables) = record.output.clone() else { panic!("it is a test") };
    (record, tables)
}

/// Conditions, the reason that they give, and the ids of the rows that fail.
type Condition = (&'static str, &'static str, fn(u64) -> bool);

const CONDITIONS: [Condition; 6] = [
    ("not_null = [\"id\", \"text\"]", "not_null text", |id| id % 10 == 7),
    ("range = { n = [1, 8] }", "range n", |id| id % 10 == 0 || id % 10 == 9),
    ("range = { n = [-inf, 8.5] }", "range n", |id| id % 10 == 9),
    ("where = [\"n >= 0\", \"text is null or n < 9\"]", "where 2", |id| id % 10 == 9),
    ("unique = \"twin\"", "unique twin", |id| id % 2 == 1),
    ("unique = [\"n\", \"length(text)\"]", "unique n, length(text)", |id| id == 17),
];

#[test]
fn rows_that_do_not_meet_a_condition_are_counted_and_shown() {
    for (conditions, reason, fails) in CONDITIONS {
        let sandbox = sandbox(conditions);
        let built = sandbox.retried(&[]);
        let (record, tables) = tested(&sandbox, &built);
        let expect: Vec<u64> = (0..20).filter(|id| fails(*id)).collect();
        assert_eq!((tables[0].rows, tables[0].failing), (20, expect.len() as u64), "{conditions}");
        let reasons: Vec<_> =
            record.dropped.iter().flat_map(|lost| &lost.reasons).filter(|(_, rows)| *rows > 0).collect();
        assert_eq!(reasons, [&(reason.to_owned(), expect.len() as u64)], "{conditions}");
        let rows = sandbox.project().unwrap().failed("test.rows").unwrap();
        let project = sandbox.project().unwrap();
        let ids = rows.steps.iter().flat_map(|(_, table)| project.rows(table, 0, usize::MAX).unwrap().rows);
        let ids: Vec<String> = ids.map(|row| row[0].to_string()).collect();
        assert_eq!(ids, expect.iter().map(u64::to_string).collect::<Vec<_>>(), "{conditions}");
        let (state, text) = state(&sandbox, &built, "test.rows");
        assert_eq!(state, "failed", "{conditions}");
        assert!(text.contains(&format!("{} by {reason}", expect.len())), "{text}");
    }
}

#[test]
fn a_failed_test_is_told_with_its_first_rows_and_nothing_is_exported() {
    let sandbox = sandbox("not_null = \"text\"\nrange = { n = [0, 8] }");
    let built = sandbox.retried(&[]);
    let expect = r#"error[failed-test]: the test `rows` fails: `rows`: 4 of 20 rows fail: 2 by not_null text, 2 by range n
 --> datamake.toml:8:13
  |
7 | on = "rows"
  |       ---- tested here
8 | not_null = "text"
  |             ^^^^ not met
9 | range = { n = [0, 8] }
  |           - not met
  |
  = note: where `id` is 7, `text` is null: not_null text
  = note: where `id` is 9, `n` is 9: range n
  = note: where `id` is 17, `text` is null: not_null text
  = note: and 1 more row
  = help: `datamake show test.rows --failed` has the rows
"#;
    assert_eq!(state(&sandbox, &built, "test.rows"), ("failed".to_owned(), expect.to_owned()));
    assert_eq!(state(&sandbox, &built, "export.out").0, "skipped");
    assert!(!sandbox.file("out/rows.jsonl").exists());
    sandbox.edit("datamake.toml", "\nrange", "\nmax_failing = 4\nrange");
    let built = sandbox.retried(&[]);
    assert_eq!(state(&sandbox, &built, "test.rows").0, "done");
    assert_eq!(state(&sandbox, &built, "export.out").0, "done");
    assert!(sandbox.file("out/rows.jsonl").exists());
}

#[test]
fn that_a_test_fails_is_what_it_came_to() {
    let sandbox = sandbox("where = \"n >= 0\"");
    let outcome = |sandbox: &Sandbox| {
        let version = sandbox.project().unwrap().version("last").unwrap();
        version.nodes["test.rows"].clone()
    };
    sandbox.built();
    assert_eq!((outcome(&sandbox).passed, outcome(&sandbox).failed.len()), (Some(true), 0));
    // The data is as it was, and so would the export be; but it is held back.
    sandbox.edit("datamake.toml", "n >= 0", "n > 0");
    let built = sandbox.retried(&[]);
    let states = ["rows", "test.rows", "out"].map(|name| state(&sandbox, &built, name).0);
    assert_eq!(states, ["fresh", "failed", "skipped"]);
    let failed = outcome(&sandbox);
    assert_eq!((failed.passed, failed.failed.get("where"), failed.rows), (Some(false), Some(&2), Some(20)));
    let lock = std::fs::read_to_string(sandbox.file("datamake.lock")).unwrap();
    assert!(lock.contains("passed = false"), "{lock}");
    let project = sandbox.project().unwrap();
    let changed = project.diff(&project.version("last-1").unwrap(), &project.version("last").unwrap(), &[], 0).unwrap();
    assert_eq!(changed.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["test.rows"]);
    assert_eq!(sandbox.results(), clean(&sandbox));
    let planned = sandbox.plan();
    assert!(planned.nodes.iter().any(|one| matches!(one.state, State::Failed(_))), "it still fails");
    assert!(planned.nodes.iter().all(|one| one.reasons.is_empty()));
    // A test that never passed has an outcome, too.
    let once = self::sandbox("where = \"n > 0\"");
    once.retried(&[]);
    assert_eq!(outcome(&once).passed, Some(false));
    // And what passed once passes again.
    sandbox.edit("datamake.toml", "n > 0", "n >= 0");
    let built = sandbox.built();
    assert_eq!(state(&sandbox, &built, "test.rows").0, "done");
    assert_eq!((outcome(&sandbox).passed, built.run.ran), (Some(true), 0));
    assert_eq!(sandbox.project().unwrap().failed("test.rows").unwrap().steps.len(), 0);
}

/// Returns what the nodes are after a first build, failed or not; without what was exported.
fn clean(sandbox: &Sandbox) -> common::Results {
    let project = sandbox.project_in(std::sync::Arc::new(datamake::store::MemoryDisk::default())).unwrap();
    common::build(&project, &[], None).unwrap();
    let mut clean = common::results(&project);
    let out = sandbox.results().remove("export.out");
    clean.extend(out.map(|out| ("export.out".to_owned(), out)));
    clean
}

#[test]
fn another_limit_runs_no_action_again() {
    let sandbox = sandbox("unique = \"twin\"\nwhere = \"n < 9\"\nvalues = { \"avg(n)\" = [0, 1] }\nrows = [100, inf]");
    assert!(sandbox.retried(&[]).run.ran > 0);
    for (old, new) in [("[0, 1]", "[0, 9]"), ("[100, inf]", "[10, 20]")] {
        sandbox.edit("datamake.toml", old, new);
        let built = sandbox.retried(&[]);
        assert_eq!((built.run.ran, state(&sandbox, &built, "test.rows").0), (0, "failed".to_owned()));
    }
    sandbox.edit("datamake.toml", "where =", "max_failing = \"60%\"\nwhere =");
    let built = sandbox.retried(&[]);
    assert_eq!(state(&sandbox, &built, "test.rows").0, "done");
    assert_eq!(built.run.ran, 1, "the export alone");
    assert_eq!(sandbox.retried(&[]).run.ran, 0);
}

#[test]
fn a_condition_of_a_test_is_the_same_action_as_a_filter() {
    let sandbox = sandbox("where = \"n < 9\"");
    sandbox.write(
        "datamake.toml",
        "[dataset.rows]\nfiles = \"rows.jsonl\"\nkey = \"id\"\n[dataset.few]\nfrom = \"rows\"\nwhere = \"n < 9\"\n",
    );
    sandbox.built();
    sandbox.write("datamake.toml", PROJECT.replace("CONDITIONS", "where = \"n  <  9\""));
    let built = sandbox.retried(&[]);
    assert_eq!((built.run.ran, state(&sandbox, &built, "test.rows").0), (0, "failed".to_owned()));
}

#[test]
fn what_a_table_as_a_whole_is_not_is_told_with_its_value() {
    let cases = [
        ("values = { \"avg(n)\" = [5, 9] }", "`avg(n)` is 4.5, not from 5 to 9"),
        ("values = { \"count(text)\" = [19, inf] }", "`count(text)` is 18, not from 19 to inf"),
        ("values = { \"max(n) filter (where n > 100)\" = [0, 1] }", "is null, not from 0 to 1"),
        ("rows = [21, 1000]", "there are 20 rows, not from 21 to 1000"),
    ];
    for (conditions, sentence) in cases {
        let sandbox = sandbox(conditions);
        let built = sandbox.retried(&[]);
        let (state, text) = state(&sandbox, &built, "test.rows");
        assert!(state == "failed" && text.contains(sentence), "{text}");
    }
    let sandbox = sandbox("values = { \"avg(n)\" = [4, 5], \"count(*)\" = [20, 20] }\nrows = [20, 20]");
    sandbox.built();
}

#[test]
fn columns_are_looked_at_before_anything_runs() {
    let cases = [
        ("not_null = \"txt\"", "`test.rows` reads a column that `rows` does not have"),
        ("range = { text = [0, 1] }", "`text` is string"),
        ("where = \"lenght(text) > 1\"", "lenght"),
        ("unique = [\"id\", \"other\"]", "other"),
        ("values = { \"avg(nn)\" = [0, 1] }", "nn"),
        ("values = { \"min(text)\" = [0, 1] }", "has to be a number"),
        ("schema = { id = \"string\" }", "the column `id` of `rows` is int, not string"),
        ("schema = { ID = \"int\" }", "`rows` has no column `ID`"),
        ("schema = { id = \"int\", n = \"int\", text = \"string\" }\nonly = true", "does not name: `twin`"),
    ];
    for (conditions, sentence) in cases {
        let sandbox = sandbox(conditions);
        let problems = render(&sandbox.build().unwrap_err(), Style::Plain);
        assert!(problems.contains(sentence), "{conditions}\n{problems}");
        assert!(sandbox.project().unwrap().check().is_err(), "{conditions}");
    }
    let all = "schema = { id = \"int\", n = \"int\", text = \"string\", twin = \"int\" }\nonly = true";
    sandbox(all).built();
}

#[test]
fn a_warning_is_told_and_holds_nothing_back() {
    let sandbox = sandbox("not_null = \"text\"\nschema = { id = \"string\" }\nseverity = \"warning\"");
    let built = sandbox.retried(&[]);
    assert_eq!(state(&sandbox, &built, "test.rows").0, "done");
    assert_eq!(state(&sandbox, &built, "export.out").0, "done");
    let expect = ["the column `id` of `rows` is int, not string", "2 of 20 rows fail: 2 by not_null text"];
    assert_eq!(tested(&sandbox, &built).1[0].broken, expect);
    let version = sandbox.project().unwrap().version("last").unwrap();
    assert_eq!(version.nodes["test.rows"].passed, Some(false));
    assert_eq!(sandbox.retried(&[]).run.ran, 0);
}

#[test]
fn a_row_for_which_a_condition_has_no_value_fails_the_test_with_the_reason() {
    let sandbox = sandbox("where = \"10 / n < 11\"\nmax_failing = 2");
    let built = sandbox.retried(&[]);
    assert_eq!(state(&sandbox, &built, "test.rows").0, "done");
    let (record, tables) = tested(&sandbox, &built);
    assert_eq!(tables[0].failing, 2);
    let project = sandbox.project().unwrap();
    let rows: Vec<Value> = failures(&project, &record);
    assert!(rows.iter().all(|row| row["failure"]["detail"] == "division by zero" && row["n"] == 0), "{rows:?}");
}

#[test]
fn a_test_of_a_part_holds_back_the_exports_of_the_part_and_of_the_whole_only() {
    let sandbox = sandbox("rows = [0, inf]");
    let part = "[dataset.all]\nfrom = \"rows\"\nsplit = { parts = { a = 0.5, b = 0.5 } }\n\
                [test.part]\non = \"all.a\"\nrows = [1000, inf]\n\
                [export.a]\nfrom = \"all.a\"\nto = \"a.jsonl\"\n[export.b]\nfrom = \"all.b\"\nto = \"b.jsonl\"\n\
                [export.all]\nfrom = \"all\"\nto = \"all.jsonl\"\n";
    sandbox.write("datamake.toml", PROJECT.replace("CONDITIONS", "rows = [0, inf]") + part);
    let built = sandbox.retried(&[]);
    let states =
        ["test.part", "export.a", "export.b", "export.all", "export.out"].map(|name| state(&sandbox, &built, name).0);
    assert_eq!(states, ["failed", "skipped", "done", "skipped", "done"]);
}

#[test]
fn what_is_wrong_with_a_test_is_said_with_its_place() {
    for (conditions, sentence) in [
        ("", "`test.rows` tests nothing"),
        ("severity = \"warning\"", "`test.rows` tests nothing"),
        ("range = { n = [2, 1] }", "nothing is between 2 and 1"),
        ("range = { n = [nan, 1] }", "a number, `inf` or `-inf`"),
        ("rows = [1, 2]\nmax_failing = 1", "`max_failing` in `test.rows` has no meaning without"),
        ("rows = [1, 2]\nonly = true", "`only` in `test.rows` has no meaning without"),
        ("unique = \"id\"\nseverity = \"bad\"", "severity"),
    ] {
        let problems = render(&sandbox(conditions).project().err().unwrap(), Style::Plain);
        assert!(problems.contains(sentence), "{conditions}\n{problems}");
    }
}
