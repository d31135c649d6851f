//! Plain text: files that are rows, and lines that are rows.

mod common;

use common::{Sandbox, failures, record, results};
use datamake::exec::State;
use datamake::plan::Reason;
use datamake::project::Built;
use serde_json::{Value, json};

fn column(sandbox: &Sandbox, dataset: &str, name: &str) -> Vec<Value> {
    sandbox.rows(dataset).into_iter().map(|row| row[name].clone()).collect()
}

/// Returns how many row groups of a dataset were made, and of how many.
fn made(sandbox: &Sandbox, built: &Built, name: &str) -> (u64, u64) {
    let (id, _) = sandbox.project().unwrap().one(name).unwrap();
    match &built.run.of(id).unwrap().state {
        State::Done(work) => (work.groups_made, work.groups),
        State::Fresh => (0, 0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_file_of_text_is_a_row() {
    let sandbox = Sandbox::new();
    sandbox.write("datamake.toml", "[dataset.pages]\nfiles = [\"pages/*.txt\", \"pages/*.md.zst\"]\nmax_failed = 1\n");
    for n in 0..30 {
        sandbox.write(&format!("pages/{n:02}.txt"), format!("Page {n}.\r\nIt has two lines.\n"));
    }
    sandbox.write("pages/empty.txt", "");
    sandbox.write("pages/wrong.txt", b"caf\xe9\n");
    sandbox.write("pages/packed.md.zst", zstd::encode_all(&b"\xef\xbb\xbf# Packed\n"[..], 1).unwrap());
    let built = sandbox.built();
    let rows = sandbox.rows("pages");
    assert_eq!(rows.len(), 32);
    assert_eq!(rows[7], json!({"path": "pages/07.txt", "text": "Page 7.\r\nIt has two lines.\n"}));
    assert_eq!(rows[30], json!({"path": "pages/empty.txt", "text": ""}));
    assert_eq!(rows[31], json!({"path": "pages/packed.md.zst", "text": "# Packed\n"}));
    let project = sandbox.project().unwrap();
    let bad = failures(&project, &record(&project, &built, "pages"));
    let (why, reason) = (&bad[0]["failure"], "the byte 0xe9 is not valid UTF-8");
    assert_eq!(
        (bad.len(), &why["file"], &why["line"], &why["column"]),
        (1, &json!("pages/wrong.txt"), &json!(1), &json!(4))
    );
    assert_eq!((&why["detail"], &why["text"]), (&json!(reason), &json!("caf\u{fffd}")));
    assert_eq!(project.table("pages").unwrap().key, ["path"]);
    let (_, groups) = made(&sandbox, &built, "pages");
    assert!(groups > 4, "{groups}");
    sandbox.write("pages/07.txt", "Another.");
    let (made, of) = made(&sandbox, &sandbox.built(), "pages");
    assert!((1..=3).contains(&made) && of == groups, "a changed file has its group read again: {made} of {of}");
    assert_eq!(results(&sandbox.project().unwrap()), sandbox.clean());
    std::fs::rename(sandbox.file("pages/08.txt"), sandbox.file("pages/zz.txt")).unwrap();
    sandbox.built();
    assert_eq!(column(&sandbox, "pages", "path").last(), Some(&json!("pages/zz.txt")));
    assert_eq!(results(&sandbox.project().unwrap()), sandbox.clean());
}

#[test]
fn each_line_is_a_row_that_knows_its_number_and_a_line_more_parses_one_segment() {
    let sandbox = Sandbox::new();
    sandbox.write("datamake.toml", "[dataset.log]\nfiles = \"*.log\"\nformat = \"lines\"\n");
    let text: String = (0..100).map(|n| format!("event {n}\n")).collect();
    sandbox.write("a.log", &text);
    sandbox.write("b.log", b"\xef\xbb\xbffirst\r\n\n\"last");
    let built = sandbox.built();
    let rows = sandbox.rows("log");
    assert_eq!(rows[4], json!({"path": "a.log", "line": 5, "text": "event 4"}));
    assert_eq!(
        rows[100..],
        [
            json!({"path": "b.log", "line": 1, "text": "first"}),
            json!({"path": "b.log", "line": 2, "text": ""}),
            json!({"path": "b.log", "line": 3, "text": "\"last"}),
        ]
    );
    assert_eq!(sandbox.project().unwrap().table("log").unwrap().key, ["path", "text"]);
    let (_, groups) = made(&sandbox, &built, "log");
    assert!(groups > 12, "{groups}");
    sandbox.write("a.log", format!("event 0\none more\n{}", &text["event 0\n".len()..]));
    let before = chunks(&sandbox, "text");
    let built = sandbox.built();
    let (made, _) = made(&sandbox, &built, "log");
    assert!((1..=3).contains(&made), "{made}");
    let new = chunks(&sandbox, "text").iter().filter(|chunk| !before.contains(chunk)).count();
    assert!(new <= 3, "the texts of the others are where they were: {new}");
    let lines: Vec<Value> = (1..=101).map(|n| json!(n)).collect();
    assert_eq!(column(&sandbox, "log", "line")[..101], lines);
    assert_eq!(results(&sandbox.project().unwrap()), sandbox.clean());
}

#[test]
fn before_the_first_build_check_and_plan_look_at_everything_that_a_build_makes() {
    let sandbox = Sandbox::new();
    for n in 0..3 {
        sandbox.write(&format!("s/{n}.txt"), format!("one {n}\ntwo\n\n"));
    }
    sandbox.write("rows.jsonl", "{\"id\": 1, \"t\": [1, 2]}\n{\"id\": 2, \"t\": []}\n");
    sandbox.write(
        "datamake.toml",
        r#"
        dataset.lines = { files = "s/*.txt", format = "lines" }
        dataset.texts = { files = "s/*.txt" }
        dataset.rows = { files = "rows.jsonl", key = "id" }
        dataset.long = { from = "lines", where = "line > 1" }
        dataset.sum = { sql = "select path, count(*) as n from lines group by path" }
        dataset.made = { run = { command = ["echo", '{"a": 1}'], columns = { a = "int" } } }
        dataset.run = { from = "rows", run = { command = ["cat"], per = "table", columns = { id = "int", t = "list<int>" } } }
        dataset.turns = { from = "rows", explode = "t" }
        dataset.both = { from = "lines", join = { with = "texts", on = "path", columns = ["text as whole"] } }
        test.lines = { on = "lines", not_null = ["path", "line", "text"] }
        test.both = { on = "both", unique = ["path", "line"] }
        export.lines = { from = "lines", to = "out/lines.jsonl" }
        "#,
    );
    sandbox.project().unwrap().check().unwrap();
    for node in sandbox.plan().nodes {
        assert!(matches!(node.state, State::Stale(_) | State::Unknown(_)), "{:?}", node.state);
    }
    sandbox.built();
    sandbox.project().unwrap().check().unwrap();
    assert!(sandbox.plan().nodes.iter().all(|node| matches!(node.state, State::Fresh)));
    sandbox.edit("datamake.toml", "line > 1", "lime > 1");
    assert!(sandbox.project().unwrap().check().is_err());
}

#[test]
fn a_line_that_changed_is_a_reason_that_names_it() {
    let sandbox = Sandbox::new();
    sandbox.write("datamake.toml", "[dataset.lines]\nfiles = \"log.txt\"\nformat = \"lines\"\n");
    sandbox.write("log.txt", "one\ntwo\nthree\n");
    sandbox.built();
    sandbox.write("log.txt", "one\ntwo\nthree\nfour\n");
    let built = sandbox.built();
    let reasons = built.reasons.values().next().unwrap();
    let [Reason::FileChanged { rows: Some(rows), .. }] = reasons.as_slice() else { panic!("{reasons:?}") };
    assert_eq!((rows.added.count, &rows.added.first[..], rows.removed.count), (1, &[4][..], 0));
}

fn chunks(sandbox: &Sandbox, column: &str) -> Vec<datamake::hash::Hash> {
    let table = sandbox.project().unwrap().table("log").unwrap();
    let at = table.schema.index(column).unwrap();
    table.groups.iter().map(|group| group.columns[at].chunk).collect()
}

#[test]
fn a_wrong_line_of_text_keeps_its_number_and_leaves_the_others_theirs() {
    let sandbox = Sandbox::new();
    sandbox.write("datamake.toml", "[dataset.log]\nfiles = \"*.log\"\nformat = \"lines\"\nmax_failed = 1\n");
    sandbox.write("a.log", b"one\ntwo\nth\xffree\nfour\n");
    let built = sandbox.built();
    assert_eq!(column(&sandbox, "log", "line"), [json!(1), json!(2), json!(4)]);
    let project = sandbox.project().unwrap();
    let bad = failures(&project, &record(&project, &built, "log"));
    let why = &bad[0]["failure"];
    assert_eq!((&why["line"], &why["column"]), (&json!(3), &json!(3)));
}
