//! Lines, paragraphs and runs of words that stood before: what is left of texts, and what is made anew.

mod common;

use common::Sandbox;
use serde_json::{Value, json};

const WEB: &str = "[dataset.web]\nfiles = \"web/*.jsonl\"\nkey = \"id\"\n[dataset.clean]\nfrom = \"web\"\n";

fn sandbox(texts: &[&str], steps: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("web/a.jsonl", common::texts(texts));
    sandbox.write("datamake.toml", format!("{WEB}{steps}\n"));
    sandbox
}

fn of(sandbox: &Sandbox, column: &str) -> Vec<Value> {
    sandbox.rows("clean").into_iter().map(|row| row[column].clone()).collect()
}

/// Words that stand nowhere else, but for those of the same `which`.
fn words(which: usize, n: usize) -> String {
    (0..n).map(|at| format!("w{which}x{at}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn lines_that_stood_before_go_and_short_ones_and_the_first_stay() {
    let texts = [
        "Welcome to our little page\nYes\n\nWelcome to  OUR little page\nOwls hunt at night, mostly alone",
        "Yes\nWelcome to our little page",
        "Moss has no roots at all\nowls hunt at night, mostly alone\n",
    ];
    let step = "dedup_spans = { column = \"text\", unit = \"line\", into = \"own\", share = \"gone\" }";
    let sandbox = sandbox(&texts, step);
    sandbox.write("web/b.jsonl", "{\"id\": 8, \"text\": null}\n{\"id\": 9, \"text\": \"\"}\n");
    sandbox.built();
    let own =
        ["Welcome to our little page\nYes\n\nOwls hunt at night, mostly alone", "Yes", "Moss has no roots at all\n"];
    assert_eq!(of(&sandbox, "own"), [json!(own[0]), json!(own[1]), json!(own[2]), Value::Null, json!("")]);
    let gone = |at: usize| json!(1.0 - own[at].len() as f64 / texts[at].len() as f64);
    assert_eq!(of(&sandbox, "gone"), [gone(0), gone(1), gone(2), Value::Null, json!(0.0)]);
    // The text itself stays as it is.
    assert_eq!(of(&sandbox, "text")[1], json!(texts[1]));
    sandbox.edit("datamake.toml", "\"line\",", "\"line\", min = 1,");
    sandbox.built();
    assert_eq!(of(&sandbox, "own")[1], json!(""));
    assert_eq!(sandbox.results(), sandbox.clean());
}

#[test]
fn paragraphs_and_runs_of_words_that_stood_before_go() {
    let (a, b, c) = (words(1, 60), words(2, 30), words(3, 70));
    let texts = [format!("{a}\n\n{b}"), format!("{c}\n \n{a}\n\n{c}"), format!("{c} and {b}")];
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let sandbox = sandbox(&texts, "dedup_spans = { column = \"text\", unit = \"paragraph\", into = \"own\" }");
    sandbox.built();
    assert_eq!(of(&sandbox, "own"), [json!(texts[0]), json!(c), json!(texts[2])]);
    sandbox.edit("datamake.toml", "paragraph", "words");
    sandbox.built();
    // Runs of 50 words: `b` alone is shorter.
    assert_eq!(of(&sandbox, "own"), [json!(texts[0]), json!(c), json!(format!("and {b}"))]);
    sandbox.edit("datamake.toml", "\"words\",", "\"words\", min = 30,");
    sandbox.built();
    assert_eq!(of(&sandbox, "own"), [json!(texts[0]), json!(c), json!("and")]);
    assert_eq!(sandbox.results(), sandbox.clean());
}

#[test]
fn what_stands_in_other_datasets_stood_before() {
    for (unit, text) in [("line", "a line of five words\nmine is this one"), ("words", "a line of five words and mine")]
    {
        let step = format!(
            "dedup_spans = {{ column = \"text\", unit = \"{unit}\", min = 5, into = \"own\", against = [\"real\"] }}"
        );
        let sandbox = sandbox(&[text], "");
        let real = "[dataset.real]\nfiles = \"real.jsonl\"\n";
        sandbox.write("datamake.toml", format!("{WEB}{step}\n{real}"));
        sandbox.write("real.jsonl", "{\"text\": \"A line of five words\"}\n");
        sandbox.built();
        let left = if unit == "line" { "mine is this one" } else { "and mine" };
        assert_eq!(of(&sandbox, "own"), [json!(left)]);
        sandbox.write("real.jsonl", "{\"text\": \"another line of five words\"}\n");
        sandbox.built();
        assert_eq!(of(&sandbox, "own"), [json!(text)]);
        assert_eq!(sandbox.results(), sandbox.clean());
    }
}

#[test]
fn appended_rows_alone_are_hashed_and_cut_and_texts_of_which_nothing_goes_are_not_copied() {
    for unit in ["line", "words"] {
        let texts: Vec<String> = (0..300).map(|i| words(i % 290, 8)).collect();
        let all: Vec<&str> = texts.iter().map(String::as_str).collect();
        let step = format!("dedup_spans = {{ column = \"text\", unit = \"{unit}\", min = 6, into = \"own\" }}");
        let sandbox = sandbox(&all[..299], &step);
        let first = sandbox.actions()["dataset.clean"];
        assert!(first > 20, "{first}");
        sandbox.write("web/a.jsonl", common::texts(&all));
        let made = sandbox.actions()["dataset.clean"];
        // What comes again is decided anew, and the last row group or two are hashed, looked into and cut.
        assert!(made <= 8, "{unit}: {made}");
        assert_eq!(sandbox.results(), sandbox.clean());
        let cut = of(&sandbox, "own").into_iter().filter(|own| own == "").count();
        assert_eq!(cut, 10);
    }
}

#[test]
fn any_number_of_threads_cuts_the_same() {
    let texts: Vec<String> =
        (0..120).map(|i| format!("{} {} {}", words(i % 7, 9), words(i, 3), words(i % 11, 12))).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut first = None;
    for jobs in [1, 2, 8] {
        let mut sandbox =
            sandbox(&texts, "dedup_spans = { column = \"text\", unit = \"words\", min = 8, into = \"own\" }");
        sandbox.jobs = Some(jobs);
        sandbox.built();
        let found = sandbox.results();
        assert_eq!(&found, first.get_or_insert_with(|| found.clone()));
    }
}

#[test]
fn mistakes_are_told_before_anything_runs() {
    let check = |step: &str, expect: &[&str]| {
        let sandbox = sandbox(&["a"], "");
        let other = "[dataset.other]\nsynth = { rows = 1, columns = { n = { sequence = 1 } } }\n";
        sandbox.write("datamake.toml", format!("{WEB}dedup_spans = {{ {step} }}\n{other}"));
        sandbox.says(expect);
    };
    check("column = \"text\", unit = \"line\"", &["needs `into`"]);
    check("column = \"tex\", unit = \"line\", into = \"own\"", &["has no column `tex`", "did you mean"]);
    check("column = \"id\", unit = \"line\", into = \"own\"", &["holds no texts", "it is int"]);
    check("column = \"text\", unit = \"line\", into = \"text\"", &["there is a column `text` already"]);
    check("column = \"text\", unit = \"line\", into = \"own\", share = \"own\"", &["there is a column `own` already"]);
    check("column = \"text\", unit = \"word\", into = \"own\"", &["`line`, `paragraph`, `words`"]);
    check("column = \"text\", unit = \"line\", min = 0, into = \"own\"", &["an integer from 1 to 10000"]);
    check(
        "column = \"text\", unit = \"line\", into = \"own\", against = \"other\"",
        &["`other` has no column `text`", "columns: `n`"],
    );
}
