//! Measures of datasets and of texts by a language model, as whole builds: against what reference implementations give, what is made
//! anew, and what is said of mistakes.

mod common;

use common::{Sandbox, texts};
use serde_json::{Value, json};
use std::fmt::Write;

fn read(name: &str) -> Vec<Value> {
    let path = format!("{}/tests/vectors/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the vectors are there");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

fn near(got: f64, expect: f64, relative: f64) -> bool {
    (got - expect).abs() <= relative * expect.abs().max(1.0)
}

#[test]
fn measures_of_a_dataset_are_those_of_nltk_scipy_and_numpy() {
    let vectors = read("measures");
    let sandbox = Sandbox::new();
    sandbox.write("texts.jsonl", texts(vectors[0]["texts"].as_array().expect("a list")));
    let mut manifest = "[dataset.texts]\nfiles = \"texts.jsonl\"\n".to_owned();
    for (at, vector) in vectors[1..].iter().enumerate() {
        let value = vector["value"].as_str().expect("a text");
        let _ = writeln!(manifest, "[metric.m{at}]\non = \"texts\"\nvalue = \"{value}\"");
    }
    sandbox.write("datamake.toml", manifest);
    sandbox.built();
    let version = sandbox.project().expect("it was built").version("last").expect("it was built");
    for (at, vector) in vectors[1..].iter().enumerate() {
        let (_, node) = version.nodes.iter().find(|(name, _)| **name == format!("metric.m{at}")).expect("it is there");
        let Some(expect) = vector["expect"].as_f64() else {
            assert!(node.value[0].as_str().is_some_and(|none| none == "null"), "{}: {:?}", vector["value"], node.value);
            continue;
        };
        let got = node.value[0].as_float().expect("a number");
        assert!(near(got, expect, 1e-9), "{}: {got}, {expect}", vector["value"]);
    }
}

#[test]
fn perplexities_are_those_of_kenlm() {
    let vectors = read("perplexity");
    for order in [2, 3, 5] {
        let asked: Vec<&Value> = vectors[1..].iter().filter(|vector| vector["order"] == order).collect();
        let sandbox = Sandbox::new();
        sandbox.write("train.jsonl", texts(vectors[0]["train"].as_array().expect("a list")));
        sandbox.write("asked.jsonl", texts(asked.iter().map(|vector| &vector["text"])));
        let manifest = format!(
            "[dataset.train]\nfiles = \"train.jsonl\"\n[dataset.asked]\nfiles = \"asked.jsonl\"\n\
             perplexity = {{ lm = \"own\", column = \"text\", into = \"ppl\" }}\n\
             [lm.own]\nfrom = \"train\"\ncolumn = \"text\"\norder = {order}\n"
        );
        sandbox.write("datamake.toml", manifest);
        sandbox.built();
        for (row, vector) in sandbox.rows("asked").iter().zip(asked) {
            let (got, expect) = (row["ppl"].as_f64().expect("a number"), vector["perplexity"].as_f64().expect("one"));
            assert!(near(got, expect, 1e-4), "order {order}, {}: {got}, {expect}", vector["text"]);
        }
    }
}

const MEASURED: &str = "[dataset.reference]\nfiles = \"reference/*.jsonl\"\nkey = \"id\"\n\
                        [dataset.texts]\nfiles = \"texts.jsonl\"\nkey = \"id\"\n\
                        [dataset.measured]\nfrom = \"texts\"\nsteps = [\n\
                        { perplexity = { lm = \"own\", column = \"text\", into = \"ppl\" } },\n{ where = \"ppl < 100\" },\n]\n\
                        [lm.own]\nfrom = \"reference\"\ncolumn = \"text\"\norder = 3\n";

fn measured() -> Sandbox {
    let sandbox = Sandbox::new();
    let some = |from: u64, to: u64| texts((from..to).map(|i| format!("the {} cat sees {} birds", i % 5, i % 7)));
    sandbox.write("reference/a.jsonl", some(0, 40));
    sandbox.write("reference/b.jsonl", some(50, 60).replace("\"id\":", "\"id\":1"));
    let asked = [Some("the 1 cat sees 2 birds"), None, Some("  "), Some("quite another text"), Some("birds")];
    sandbox.write("texts.jsonl", texts(asked));
    sandbox.write("datamake.toml", MEASURED);
    sandbox
}

#[test]
fn a_text_without_words_has_no_perplexity_and_no_row_is_lost_silently() {
    let sandbox = measured();
    sandbox.edit("datamake.toml", "{ where = \"ppl < 100\" },\n", "");
    sandbox.built();
    let has: Vec<bool> = sandbox.rows("measured").iter().map(|row| !row["ppl"].is_null()).collect();
    assert_eq!(has, [true, false, false, true, true]);
}

#[test]
fn a_model_is_made_of_remembered_counts_and_a_threshold_asks_it_nothing() {
    let sandbox = measured();
    let first = sandbox.actions()["dataset.measured"];
    sandbox.edit("datamake.toml", "ppl < 100", "ppl < 50");
    let threshold = sandbox.actions()["dataset.measured"];
    assert!(threshold < 3 && first > 4, "{first} {threshold}");
    // A name is not in the key.
    sandbox.edit("datamake.toml", "lm = \"own\"", "lm = \"other\"");
    sandbox.edit("datamake.toml", "[lm.own]", "[lm.other]");
    assert_eq!(sandbox.actions().get("dataset.measured"), None);
    // One more row in the reference is another model, which measures anew.
    sandbox.write("reference/c.jsonl", "{\"id\": 900, \"text\": \"quite another text\"}\n");
    let before = sandbox.rows("measured");
    assert!(sandbox.actions()["dataset.measured"] > 0);
    assert_eq!(sandbox.results(), sandbox.clean());
    assert_eq!(before[0]["id"], sandbox.rows("measured")[0]["id"]);
    // The same texts in other places are the same model where their row groups are.
    sandbox.edit("datamake.toml", "order = 3", "order = 2");
    assert!(sandbox.actions()["dataset.measured"] > 0);
    assert_eq!(sandbox.results(), sandbox.clean());
}

#[test]
fn mistakes_in_what_a_language_model_is_made_of_are_said_before_anything_runs() {
    let check = |old: &str, new: &str, expect: &[&str]| {
        let sandbox = measured();
        sandbox.edit("datamake.toml", old, new);
        sandbox.says(expect);
    };
    check("lm = \"own\"", "lm = \"owm\"", &["there is no lm `owm`", "did you mean `own`?"]);
    check("from = \"reference\"", "from = \"referense\"", &["there is no dataset `referense`"]);
    check("from = \"reference\"", "from = \"measured\"", &["cycle"]);
    check("column = \"text\"\norder", "column = \"txt\"\norder", &["`reference` has no column `txt`"]);
    check("column = \"text\"\norder", "column = \"id\"\norder", &["holds no texts", "it is int"]);
    check("column = \"text\", into", "column = \"id\", into", &["holds no texts", "it is int"]);
    check("order = 3", "order = 9", &["an integer from 1 to 6"]);
}

#[test]
fn tasks_with_too_few_samples_stop_the_metric_and_not_the_dataset() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "rows.jsonl",
        "{\"task\": 1, \"ok\": true}\n{\"task\": 1, \"ok\": false}\n{\"task\": 2, \"ok\": true}\n",
    );
    sandbox.write(
        "datamake.toml",
        "[dataset.rows]\nfiles = \"rows.jsonl\"\n[metric.pass]\non = \"rows\"\nvalue = \"pass_at_k(ok, task, 2)\"\n",
    );
    let said = sandbox.mistakes();
    assert!(said.contains("1 of 2 tasks have fewer than 2 samples, the least 1"), "{said}");
}

#[test]
fn a_row_that_is_not_to_find_itself_has_to_be_told_from_the_others() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "rows.jsonl",
        "{\"id\": 1, \"v\": [1.0, 0.0]}\n{\"id\": 2, \"v\": [1.0, 0.0]}\n{\"id\": 3, \"v\": [0.0, 1.0]}\n",
    );
    sandbox.write(
        "datamake.toml",
        "[dataset.rows]\nfiles = \"rows.jsonl\"\nkey = \"id\"\n[dataset.near]\nfrom = \"rows\"\nsteps = [\n\
         { nearest = { to = \"rows\", by = \"v\", not_itself = true, into = \"near\" } },\n]\n",
    );
    sandbox.built();
    let ids: Vec<Value> = sandbox.rows("near").iter().map(|row| row["near"][0]["id"].clone()).collect();
    assert_eq!(ids, [json!(2), json!(1), json!(1)]);
    sandbox.edit("datamake.toml", "steps = [\n", "steps = [\n{ select = [\"id as name\", \"v\"] },\n");
    let said = sandbox.mistakes();
    assert!(said.contains("it cannot be told which row of `rows` is the row itself"), "{said}");
    assert!(said.contains("its rows are told by `id`, which are not all here"), "{said}");
}

#[test]
fn a_column_of_nothing_but_nulls_is_one_of_texts() {
    let sandbox = Sandbox::new();
    sandbox.write("texts.jsonl", texts([json!(null), json!(null)]));
    let tokenizer = format!("{}/tests/vectors/tokenizers/bytes.json", env!("CARGO_MANIFEST_DIR"));
    sandbox.write("bytes.json", std::fs::read(tokenizer).expect("the vectors are there"));
    sandbox.write(
        "datamake.toml",
        "[dataset.texts]\nfiles = \"texts.jsonl\"\n[lm.none]\nfrom = \"texts\"\ncolumn = \"text\"\norder = 2\n\
         [dataset.measured]\nfrom = \"texts\"\nsteps = [\n\
         { tokens = { column = \"text\", tokenizer = \"bytes.json\", into = \"n\" } },\n\
         { perplexity = { lm = \"none\", column = \"text\", into = \"p\" } },\n\
         { dedup_spans = { column = \"text\", unit = \"line\", into = \"own\" } },\n]\n",
    );
    sandbox.built();
    let rows = sandbox.rows("measured");
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| ["n", "p", "own"].iter().all(|column| row[column].is_null())), "{rows:?}");
}
