//! Rows that are nearly alike, and rows with words of evaluation datasets: what stays, what is told of what goes, and what is made anew.

mod common;

use common::Sandbox;
use datamake::diag::{Style, render};
use datamake::manifest::{Manifest, Options};
use serde_json::{Value, json};
use std::fmt::Write;

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % n.max(1) as u64) as usize
    }

    fn words(&mut self, n: usize) -> Vec<String> {
        (0..n).map(|_| format!("w{}", self.below(500))).collect()
    }
}

/// Texts of which about half are edited copies of others.
fn texts(random: &mut Random, n: usize) -> Vec<String> {
    let mut texts: Vec<Vec<String>> = Vec::new();
    for _ in 0..n {
        let mut words = match texts.len() {
            0 => random.words(60),
            len if random.below(2) == 0 => texts[random.below(len)].clone(),
            _ => random.words(60),
        };
        for _ in 0..random.below(3) {
            let at = random.below(words.len());
            words[at] = format!("e{}", random.below(500));
        }
        texts.push(words);
    }
    texts.into_iter().map(|words| words.join(" ")).collect()
}

fn lines(texts: &[String]) -> String {
    texts.iter().enumerate().fold(String::new(), |mut out, (id, text)| {
        let _ = writeln!(out, "{}", json!({ "id": id, "text": text, "score": (id * 7) % 10 }));
        out
    })
}

/// The dropped rows of a dataset.
fn dropped(sandbox: &Sandbox, name: &str) -> Vec<Value> {
    let project = sandbox.project().unwrap();
    let mut rows = Vec::new();
    for (step, table) in project.dropped(name).unwrap() {
        let found = project.rows(&table, 0, usize::MAX).unwrap();
        assert_eq!(step.rows(), found.rows.len() as u64);
        rows.extend(found.rows.iter().map(|row| {
            let pairs = found.schema.names().zip(row);
            pairs.map(|(name, value)| (name.to_owned(), serde_json::to_value(value).unwrap())).collect::<Value>()
        }));
    }
    rows
}

/// Some columns of rows.
fn of(rows: &[Value], names: &[&str]) -> Vec<Value> {
    rows.iter().map(|row| names.iter().map(|name| row[name].clone()).collect()).collect()
}

const WEB: &str = "[dataset.web]\nfiles = \"web/*.jsonl\"\nkey = \"id\"\n[dataset.clean]\nfrom = \"web\"\n";

fn sandbox(texts: &[String], steps: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("web/a.jsonl", lines(texts));
    sandbox.write("datamake.toml", format!("{WEB}{steps}\n"));
    sandbox
}

fn long(more: &str) -> String {
    let words: Vec<String> = (0..40).map(|i| format!("word{i}")).collect();
    format!("{}{more}", words.join(" "))
}

#[test]
fn of_rows_that_are_nearly_alike_the_first_is_kept_and_those_that_go_name_it() {
    let texts = [
        long(""),
        "Something else entirely".to_owned(),
        long(" more"),
        long("").to_uppercase(),
        String::new(),
        String::new(),
    ];
    let sandbox = sandbox(&texts, "dedup = { by = \"text\", method = \"minhash\" }");
    sandbox.built();
    assert_eq!(of(&sandbox.rows("clean"), &["id"]), [[0], [1], [4], [5]].map(|id| json!(id)));
    assert_eq!(of(&dropped(&sandbox, "clean"), &["id", "alike"]), [json!([2, "0"]), json!([3, "0"])]);
}

#[test]
fn the_best_of_rows_that_are_alike_is_the_one_with_the_largest_value() {
    for method in ["minhash", "normalised"] {
        let texts = [long(""), long(""), "a b c".to_owned(), long(""), long("")];
        let steps = format!("dedup = {{ by = \"text\", method = \"{method}\", keep = {{ best = \"score\" }} }}");
        let sandbox = sandbox(&texts, &steps);
        sandbox.built();
        // Of 0, 7, 4, 1, 8.
        assert_eq!(of(&sandbox.rows("clean"), &["id"]), [json!([2]), json!([4])]);
        let gone = dropped(&sandbox, "clean");
        assert_eq!(of(&gone, &["id", "alike"]), [json!([0, "4"]), json!([1, "4"]), json!([3, "4"])]);
    }
}

#[test]
fn rows_like_those_of_another_dataset_go_and_name_it() {
    for (method, whole) in [("minhash", false), ("normalised", true), ("exact", true)] {
        let texts = [long(" one"), "a b c d e f".to_owned(), long(" two"), "A  text that is new".to_owned()];
        let steps = format!("dedup = {{ by = \"text\", method = \"{method}\", against = [\"real\", \"more\"] }}");
        let sandbox = sandbox(&texts, &steps);
        sandbox.write("real.jsonl", format!("{}\n", json!({ "name": "x", "text": long(" two") })));
        sandbox.write("more.jsonl", format!("{}\n{}\n", json!({ "text": "q" }), json!({ "text": "a b c d e f" })));
        let manifest =
            "[dataset.real]\nfiles = \"real.jsonl\"\nkey = \"name\"\n[dataset.more]\nfiles = \"more.jsonl\"\n";
        sandbox.write("datamake.toml", format!("{WEB}{steps}\n{manifest}"));
        sandbox.built();
        let gone = of(&dropped(&sandbox, "clean"), &["id", "alike"]);
        let expect = [json!([0, "real: x"]), json!([1, "more: a b c d e f"]), json!([2, "real: x"])];
        assert_eq!(gone, if whole { expect[1..].to_vec() } else { expect.to_vec() });
        // The other dataset is read as it is: what changes in it counts.
        sandbox.write("more.jsonl", format!("{}\n", json!({ "text": "q" })));
        sandbox.built();
        assert!(of(&sandbox.rows("clean"), &["id"]).contains(&json!([1])));
        assert_eq!(sandbox.results(), sandbox.clean());
    }
}

#[test]
fn clusters_are_the_same_in_every_run_with_any_number_of_threads() {
    let texts = texts(&mut Random(5), 150);
    let steps = "dedup = { by = \"text\", method = \"minhash\", threshold = 0.7, ngram = 3 }";
    let mut first = None;
    for run in 0..100 {
        let mut sandbox = sandbox(&texts, steps);
        sandbox.jobs = Some([1, 2, 8][run % 3]);
        sandbox.built();
        let found = (sandbox.results(), dropped(&sandbox, "clean"));
        assert!(!found.1.is_empty());
        assert_eq!(&found, first.get_or_insert_with(|| found.clone()));
    }
}

#[test]
fn a_change_of_the_threshold_signs_no_row_again_and_appended_rows_alone_are_signed() {
    let mut random = Random(9);
    let mut all = texts(&mut random, 200);
    let sandbox = sandbox(&all, "dedup = { by = \"text\", method = \"minhash\", threshold = 0.7 }");
    let groups = sandbox.actions()["dataset.clean"] - 2;
    assert!(groups > 20);
    for threshold in ["0.8", "0.95"] {
        let before = if threshold == "0.8" { "0.7" } else { "0.8" };
        sandbox.edit("datamake.toml", &format!("threshold = {before}"), &format!("threshold = {threshold}"));
        // It is decided anew, and told.
        assert_eq!(sandbox.actions()["dataset.clean"], 2, "{threshold}");
    }
    all.extend(texts(&mut random, 2));
    sandbox.write("web/a.jsonl", lines(&all));
    let made = sandbox.actions()["dataset.clean"];
    assert!(made <= 2 + 2, "{made}");
    assert_eq!(sandbox.results(), sandbox.clean());
}

#[test]
fn mistakes_of_a_dedup_are_told_before_anything_runs() {
    let check = |step: &str, expect: &[&str]| {
        let sandbox = sandbox(&["a".to_owned()], step);
        let found = sandbox.mistakes();
        expect.iter().for_each(|expect| assert!(found.contains(expect), "{step}: {found}"));
    };
    check("dedup = { method = \"minhash\" }", &["has to know which", "by = \"text\""]);
    check("dedup = { by = \"score\", method = \"minhash\" }", &["`minhash` compares texts", "this is int"]);
    check("dedup = { by = \"text\", threshold = 0.5 }", &["has no meaning", "`threshold`"]);
    check(
        "dedup = { by = \"text\", method = \"normalised\", ngram = 2 }",
        &["`ngram` has no meaning for the method `normalised`"],
    );
    check("dedup = { by = \"text\", method = \"minhash\", bands = 3 }", &["bands", "rows"]);
    check("dedup = { by = \"text\", against = \"other\" }", &["there is no dataset `other`"]);
    check(
        "dedup = { by = \"text\", keep = { best = \"text\" } }",
        &["`best` has to be a number, a date or a timestamp"],
    );
    check("dedup = { by = \"text\", against = \"clean\" }", &["datasets need each other"]);
    check(
        "dedup = { by = \"text\", method = \"semantic\", threshold = 0.9 }",
        &["`semantic` compares vectors", "this is string"],
    );
    check("dedup = { by = \"text\", method = \"semantic\" }", &["has to know from which cosine"]);
    check("dedup = { method = \"semantic\", threshold = 0.9 }", &["by one column of vectors"]);
    check("decontaminate = {}", &["has no evaluation dataset to look for", "role"]);
    check(
        "decontaminate = { columns = [\"score\"], against = \"web\" }",
        &["the column `score` of `clean` holds no texts"],
    );
    check("decontaminate = { columns = [\"tex\"], against = \"web\" }", &["has no column `tex`", "did you mean"]);
}

#[test]
fn what_is_wrong_with_a_comparison_is_said_where_it_is() {
    let told = |step: &str, real: &str| {
        let sandbox = sandbox(&["a".to_owned(), "b".to_owned()], "");
        sandbox.write("real.jsonl", format!("{real}\n"));
        sandbox.write("datamake.toml", format!("{WEB}{step}\n[dataset.real]\nfiles = \"real.jsonl\"\n"));
        sandbox.mistakes()
    };
    let told_of = told("dedup = { by = \"lower(text)\", against = [\"real\"] }", "{\"txt\": \"a\"}");
    let expect = r#"error[unknown-column]: in the rows of `real`, with which ours are compared: there is no column `text`
 --> datamake.toml:6:23
  |
6 | dedup = { by = "lower(text)", against = ["real"] }
  |                       ^^^^ no such column ---- compared with these
  |
  = note: in `dataset.clean`
  = note: the columns are `txt`
  = help: did you mean `txt`?
"#;
    assert_eq!(told_of, expect);
    let lacks = told("dedup = { against = \"real\" }", "{\"text\": \"a\"}");
    let title = "rows of `clean` are compared by all columns, and `real` lacks some";
    assert!(lacks.contains(title) && lacks.contains("no `id`, `score` there"), "{lacks}");
    // Nor is a number ever like a text.
    let unlike = told("dedup = { by = \"text\", against = \"real\" }", "{\"text\": 1}");
    assert!(unlike.contains("`text` has unlike types") && unlike.contains("int in these"), "{unlike}");
    // What our own rows lack is said once.
    let own = told("dedup = { by = \"tex\", against = \"real\" }", "{\"text\": \"a\"}");
    assert_eq!(own.matches("error[").count(), 1, "{own}");
    let failing = told("dedup = { by = \"text\", keep = { best = \"10 / (score - 7)\" } }", "{}");
    assert!(failing.contains("datamake.toml:6:41") && failing.contains("^^^^^^^^^^^^^^^^ computed here"), "{failing}");
}

#[test]
fn bands_that_find_nothing_or_take_too_much_are_refused_with_what_is_allowed() {
    let check = |more: &str, expect: &[&str]| {
        let step = format!("dedup = {{ by = \"text\", method = \"minhash\", {more} }}");
        let sandbox = sandbox(&["a".to_owned()], &step);
        if expect.is_empty() {
            sandbox.built();
            return;
        }
        let found = sandbox.mistakes();
        expect.iter().for_each(|expect| assert!(found.contains(expect), "{more}: {found}"));
    };
    check("bands = 1, rows = 112", &["find 0 of 100 pairs that are alike at 0.8", "with so many, `rows` is at most 3"]);
    check("bands = 1000, rows = 200", &["200000 places for each row", "at most 2048"]);
    check("bands = 0, rows = 8", &["an integer from 1 to 1024"]);
    check("ngram = 0", &["an integer from 1 to 100"]);
    check("threshold = 0.0", &["above 0"]);
    check("threshold = 1.5", &["at most 1"]);
    check("bands = 14, rows = 8", &[]);
}

#[test]
fn texts_without_a_word_are_like_no_other() {
    for (method, left) in
        [("exact", vec![0, 1, 2, 4]), ("normalised", vec![0, 1, 2, 3, 4]), ("minhash", vec![0, 1, 2, 3, 4])]
    {
        let texts = ["", "  ", "\u{a0}\n", "", "a b", " A  b"].map(str::to_owned);
        let sandbox = sandbox(&texts, &format!("dedup = {{ by = \"text\", method = \"{method}\" }}"));
        sandbox.built();
        let left: Vec<Value> = left.into_iter().chain((method == "exact").then_some(5)).map(|id| json!([id])).collect();
        assert_eq!(of(&sandbox.rows("clean"), &["id"]), left, "{method}");
    }
}

const EVAL: &str = "[dataset.eval]\nfiles = \"eval.jsonl\"\nkey = \"name\"\nrole = \"evaluation\"\n";

#[test]
fn rows_with_words_of_an_evaluation_dataset_go_with_the_words_and_the_row() {
    let question = "If Tom has three apples and eats two of them how many apples does he have left";
    let texts = [
        "Nothing of it".to_owned(),
        format!("A page. {}!", question.to_uppercase()),
        "Tom has three apples and eats two of them".to_owned(),
    ];
    let sandbox = sandbox(&texts, "decontaminate = {}");
    sandbox.write(
        "eval.jsonl",
        format!("{}\n{}\n", json!({ "name": "e1", "q": "short" }), json!({ "name": "e2", "q": question })),
    );
    sandbox.write("datamake.toml", format!("{WEB}decontaminate = {{}}\n{EVAL}"));
    sandbox.built();
    assert_eq!(of(&sandbox.rows("clean"), &["id"]), [json!([0]), json!([2])]);
    let common = "if tom has three apples and eats two of them how many apples does he have";
    assert_eq!(of(&dropped(&sandbox, "clean"), &["id", "common", "evaluation"]), [json!([1, common, "eval: e2"])]);
    sandbox.edit(
        "datamake.toml",
        "decontaminate = {}",
        "decontaminate = { columns = [\"text\"], against = [\"eval\"], ngram = 8 }",
    );
    sandbox.built();
    let gone = dropped(&sandbox, "clean");
    assert_eq!(of(&gone, &["id", "evaluation"]), [json!([1, "eval: e2"]), json!([2, "eval: e2"])]);
    // What the evaluation dataset has no more is no reason to go.
    sandbox.write("eval.jsonl", format!("{}\n", json!({ "name": "e1", "q": "short" })));
    sandbox.built();
    assert_eq!(sandbox.rows("clean").len(), 3);
    assert_eq!(sandbox.results(), sandbox.clean());
}

#[test]
fn an_export_that_was_not_looked_through_for_evaluation_datasets_is_warned_of() {
    let warned = |manifest: &str| {
        let sandbox = Sandbox::new();
        sandbox.write("web/a.jsonl", lines(&["a".to_owned()]));
        sandbox.write("datamake.toml", manifest);
        let workspace = datamake::fetch::Workspace::open(sandbox.path());
        let (manifest, mut problems) = Manifest::load_sound_parts(&workspace, &Options::default()).unwrap();
        datamake::graph::Graph::resolve_sound_parts(manifest, &workspace, &mut problems);
        render(&problems, Style::Plain)
    };
    let export = "[export.out]\nfrom = \"last\"\nto = \"out.jsonl\"\n";
    let last = "[dataset.last]\nconcat = [\"clean\", \"web\"]\n";
    let told = warned(&format!("{WEB}decontaminate = {{}}\n{EVAL}{last}{export}"));
    assert!(
        told.contains("warning[contaminated]: `last` is exported, and may have texts of evaluation datasets in it"),
        "{told}"
    );
    // It looks for something, but not for all that models are measured with.
    let others = format!("{WEB}decontaminate = {{ against = [\"eval\"] }}\n{EVAL}{}", EVAL.replace("eval]", "exam]"));
    let told = warned(&format!("{others}{}", export.replace("last", "clean")));
    assert!(told.contains("no step on the way looks for `exam`"), "{told}");
    let told = warned(&format!("{}{}", others.replace("[\"eval\"]", "[\"web\"]"), export.replace("last", "clean")));
    assert!(told.contains("no step `decontaminate` on the way"), "{told}");
    let both = others.replace(
        "[\"eval\"] }",
        "[\"eval\"] }\n[dataset.more]\nfrom = \"clean\"\ndecontaminate = { against = \"exam\" }",
    );
    assert_eq!(warned(&format!("{both}{}", export.replace("last", "more"))), "");
    let silent = [
        format!("{WEB}{last}{export}"),
        format!("{WEB}decontaminate = {{}}\n{EVAL}{}{export}", last.replace(", \"web\"", "")),
        format!("{WEB}{EVAL}{last}decontaminate = {{}}\n{export}").replace("concat", "concat "),
        format!("{WEB}{EVAL}{last}{export}contaminated = true\n"),
        format!("{WEB}{EVAL}{}", export.replace("last", "eval")),
    ];
    for manifest in silent {
        assert_eq!(warned(&manifest), "", "{manifest}");
    }
}

#[test]
fn rows_with_vectors_of_nearly_one_direction_are_alike() {
    let sandbox = Sandbox::new();
    let vectors = [
        json!([1.0, 0.0, 0.5]),
        json!([0.0, 1.0, 0.0]),
        json!([2.0, 0.02, 1.0]),
        Value::Null,
        json!([0.0, 3.0, 0.1]),
        Value::Null,
    ];
    let rows = vectors.iter().enumerate().fold(String::new(), |mut out, (id, v)| {
        let _ = writeln!(out, "{}", json!({ "id": id, "v": v }));
        out
    });
    sandbox.write("web/a.jsonl", rows);
    let step = "dedup = { by = \"v\", method = \"semantic\", threshold = 0.99 }\n";
    sandbox.write("datamake.toml", format!("{WEB}{step}"));
    sandbox.built();
    assert_eq!(of(&dropped(&sandbox, "clean"), &["id", "alike"]), [json!([2, "0"]), json!([4, "1"])]);
    sandbox.edit("datamake.toml", "0.99", "0.9999");
    sandbox.built();
    assert_eq!(of(&dropped(&sandbox, "clean"), &["id", "alike"]), [json!([2, "0"])]);
    sandbox.write("web/b.jsonl", format!("{}\n", json!({ "id": 9, "v": [1.0, 0.0] })));
    sandbox.write("web/c.jsonl", format!("{}\n", json!({ "id": 10, "v": [1.0, 0.0] })));
    assert!(sandbox.mistakes().contains("vectors of unlike numbers of dimensions"));
}
