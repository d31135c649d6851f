//! Ready filters: the verdicts of datatrove, a reason of its own for each condition, and thresholds that no text is read again for.

mod common;

use common::Sandbox;
use datamake::expr::Value;
use serde_json::Value as Json;
use std::collections::BTreeMap;

const NAMES: [&str; 4] = ["gopher_quality", "gopher_repetition", "c4", "fineweb"];

/// Made by `benches/peers/filters_datatrove.py` with datatrove 0.10.1.
const VECTORS: &str = include_str!("vectors/filters_datatrove.jsonl");

/// A project with the texts `text`, and a dataset for each ready filter that it goes through alone.
fn sandbox(texts: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("rows.jsonl", common::texts(texts));
    let of = |name: &&str| {
        format!("[dataset.by_{name}]\nfrom = \"rows\"\nfilter = \"{name}\"\n[filter.{name}]\nuse = \"{name}\"\n")
    };
    let filters: String = NAMES.iter().map(of).collect();
    sandbox.write("datamake.toml", format!("[dataset.rows]\nfiles = \"rows.jsonl\"\nkey = \"id\"\n{filters}"));
    sandbox
}

/// Returns why rows were dropped of a dataset, by `id`.
fn dropped(sandbox: &Sandbox, name: &str) -> BTreeMap<usize, String> {
    let project = sandbox.project().unwrap();
    let mut reasons = BTreeMap::new();
    for (lost, table) in project.dropped(name).unwrap() {
        let rows = project.rows(&table, 0, usize::MAX).unwrap();
        let at = |column: &str| rows.schema.index(column).unwrap();
        for row in &rows.rows {
            let (Value::Int(id), Value::Int(by)) = (&row[at("id")], &row[at("dropped_by")]) else { panic!("{row:?}") };
            reasons.insert(*id as usize, lost.reasons[*by as usize].0.clone());
        }
    }
    reasons
}

#[test]
fn verdicts_and_reasons_are_those_of_datatrove() {
    let vectors: Vec<Json> = VECTORS.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let texts: Vec<&str> = vectors.iter().map(|row| row["text"].as_str().unwrap()).collect();
    let sandbox = sandbox(&texts);
    sandbox.built();
    for name in NAMES {
        let own = dropped(&sandbox, &format!("by_{name}"));
        for (id, row) in vectors.iter().enumerate() {
            let reason = own.get(&id).map(|reason| reason.split_once('.').unwrap().1);
            let expect = row[name].as_str().map(|reason| match (name, reason) {
                // A text without lines ends none, and an empty one has no paragraphs.
                ("fineweb", "empty") => "line_punct_ratio",
                ("gopher_repetition", "empty") => "dup_para_frac",
                (_, reason) => reason,
            });
            assert_eq!(reason, expect, "{name} of row {id}: {:?}", texts[id]);
        }
        let reasons = vectors.iter().filter(|row| !row[name].is_null()).count();
        assert!(reasons > 0 && reasons < vectors.len(), "{name} decides");
    }
}

#[test]
fn the_lines_that_c4_keeps_are_those_of_datatrove() {
    let vectors: Vec<Json> = VECTORS.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let texts: Vec<&str> = vectors.iter().map(|row| row["text"].as_str().unwrap()).collect();
    let sandbox = sandbox(&texts);
    sandbox.edit(
        "datamake.toml",
        "filter = \"c4\"",
        "steps = [{ filter = \"c4\" }, { columns = { kept = \"c4_lines(text)\" } }]",
    );
    sandbox.built();
    let rows = sandbox.rows("by_c4");
    assert!(rows.len() > 5);
    for row in rows {
        let id = row["id"].as_u64().unwrap() as usize;
        assert_eq!(row["kept"], vectors[id]["c4_text"], "row {id}: {:?}", texts[id]);
    }
}

#[test]
fn a_changed_threshold_measures_no_text_again() {
    let sandbox = sandbox(&["One two three.", "The end of it, and that is that."]);
    sandbox.built();
    sandbox.edit("datamake.toml", "use = \"gopher_quality\"", "use = \"gopher_quality\"\nwith = { min_doc_words = 3 }");
    // The condition, and which rows stay.
    assert_eq!(sandbox.actions(), BTreeMap::from([("dataset.by_gopher_quality".to_owned(), 2)]));
    assert_eq!(sandbox.results(), sandbox.clean());
    // What a word is, is another matter: six measures of words, two conditions over those that came out otherwise, and which rows stay.
    sandbox.edit("datamake.toml", "min_doc_words = 3", "min_doc_words = 3, words = \"unicode\"");
    assert_eq!(sandbox.actions(), BTreeMap::from([("dataset.by_gopher_quality".to_owned(), 6 + 2 + 1)]));
    // Written out, a condition is the same one.
    sandbox.edit("datamake.toml", "use = \"fineweb\"", "where = \"line_break_ratio(text, 'space') <= 0.3\"");
    assert_eq!(sandbox.actions(), BTreeMap::from([("dataset.by_fineweb".to_owned(), 1)]));
}

#[test]
fn a_threshold_of_an_ordinary_condition_is_not_in_the_measure_either() {
    let sandbox = Sandbox::new();
    sandbox.write("rows.jsonl", "{\"text\": \"a b\"}\n{\"text\": null}\n{\"text\": \"a b c d\"}\n");
    let manifest = "[dataset.rows]\nfiles = \"rows.jsonl\"\n[dataset.long]\nfrom = \"rows\"\nwhere = \"top_ngram_share(text, 1) < 0.3 or word_count(text) > 3\"\n";
    sandbox.write("datamake.toml", manifest);
    sandbox.built();
    assert_eq!(sandbox.rows("long").len(), 1);
    sandbox.edit("datamake.toml", "> 3", "> 1");
    // The condition in two row groups, and which rows stay of one.
    assert_eq!(sandbox.actions(), BTreeMap::from([("dataset.long".to_owned(), 3)]));
    assert_eq!(sandbox.rows("long").len(), 2);
}

#[test]
fn what_is_dear_in_a_condition_is_computed_once_whatever_is_asked_of_it() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "rows.jsonl",
        "{\"text\": \"The owl hunts. Ask ann@b.org\", \"gold\": \"The owl sleeps.\"}\n{\"text\": null}\n",
    );
    let dear = [
        "compression_ratio(text)",
        "flesch_kincaid(text)",
        "language_confidence(text)",
        "pii_count(text, 'email')",
        "rouge_l(text, gold)",
        "edit_distance(lower(text), gold)",
        "word_count(text)",
        "ngram_entropy(text, 2)",
    ];
    let manifest = |threshold: &str| {
        let datasets = dear.iter().enumerate().map(|(at, dear)| {
            format!("[dataset.d{at}]\nfrom = \"rows\"\nwhere = \"coalesce({dear} <= {threshold}, false)\"\n")
        });
        format!("[dataset.rows]\nfiles = \"rows.jsonl\"\n{}", datasets.collect::<String>())
    };
    let each = |n: u64| (0..dear.len()).map(|at| (format!("dataset.d{at}"), n)).collect::<BTreeMap<_, _>>();
    sandbox.write("datamake.toml", manifest("1000"));
    sandbox.built();
    assert_eq!(sandbox.rows("d0").len(), 1);
    // The condition alone: it comes out as before, so the same rows stay.
    sandbox.write("datamake.toml", manifest("1001"));
    assert_eq!(sandbox.actions(), each(1));
    // What is dear was an action of its own: asked for by itself, it is there.
    let asked =
        manifest("1001").replace("where = \"coalesce(", "columns = { x = \"").replace(" <= 1001, false)\"", "\" }");
    sandbox.write("datamake.toml", &asked);
    assert_eq!(sandbox.actions(), each(0));
    assert_eq!(sandbox.rows("d3")[0]["x"], 1);
    assert_eq!(sandbox.results(), sandbox.clean());
}

#[test]
fn a_column_that_is_called_as_what_is_dear_in_a_condition_is_not_taken_for_it() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "rows.jsonl",
        "{\"text\": \"one two three\", \"word_count(text)\": 9}\n{\"text\": \"one\", \"word_count(text)\": 9}\n",
    );
    sandbox.write(
        "datamake.toml",
        "[dataset.rows]\nfiles = \"rows.jsonl\"\n\n[dataset.short]\nfrom = \"rows\"\nwhere = \"not word_count(text) > 2\"\n",
    );
    sandbox.built();
    assert_eq!(sandbox.rows("short").iter().map(|row| &row["text"]).collect::<Vec<_>>(), ["one"]);
}

#[test]
fn a_dear_call_that_fails_where_a_condition_does_not_ask_for_it_fails_no_row() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "rows.jsonl",
        "{\"n\": 0, \"text\": \"a a\"}\n{\"n\": 1, \"text\": \"a a\"}\n{\"n\": 1, \"text\": \"a b\"}\n",
    );
    let condition = "case when n > 0 then repetition(text, n) < 0.5 else true end";
    sandbox.write(
        "datamake.toml",
        format!("[dataset.rows]\nfiles = \"rows.jsonl\"\n[dataset.good]\nfrom = \"rows\"\nwhere = \"{condition}\"\n"),
    );
    sandbox.built();
    assert_eq!(sandbox.rows("good").iter().map(|row| row["text"].clone()).collect::<Vec<_>>(), ["a a", "a b"]);
}

#[test]
fn parts_can_be_overridden_and_switched_off() {
    let sandbox = sandbox(&["The end of it. And that is that.", "no end"]);
    sandbox.edit(
        "datamake.toml",
        "use = \"gopher_quality\"",
        "use = \"gopher_quality\"\nwith = { min_doc_words = 2, min_stop_words = false, min_avg_word_length = 2.5 }",
    );
    sandbox.edit(
        "datamake.toml",
        "use = \"c4\"",
        "use = \"c4\"\nwith = { min_num_sentences = 1, filter_no_terminal_punct = false, min_words_per_line = false }",
    );
    sandbox.built();
    assert_eq!(sandbox.rows("by_gopher_quality").len(), 2);
    assert_eq!(sandbox.rows("by_c4").len(), 2);
    assert_eq!(dropped(&sandbox, "by_fineweb"), BTreeMap::from([(1, "fineweb.line_punct_ratio".to_owned())]));
}

#[test]
fn mistakes_in_a_ready_filter_are_pointed_at() {
    let check = |old: &str, new: &str, expect: &[&str]| {
        let sandbox = sandbox(&["One."]);
        sandbox.edit("datamake.toml", old, new);
        let told = sandbox.says(expect);
        assert_eq!(told.matches("error[").count(), 1, "{told}");
    };
    check("use = \"c4\"", "use = \"c5\"", &["use = \"c5\""]);
    check(
        "use = \"c4\"",
        "use = \"c4\"\nwith = { min_num_sentence = 3 }",
        &["error[unknown-parameter]", "did you mean `min_num_sentences`?"],
    );
    check(
        "use = \"c4\"",
        "use = \"c4\"\nwith = { filter_policy = 3 }",
        &["`filter_policy` of `c4` must be true or false"],
    );
    let with = |ready: &str, with: &str, expect: &[&str]| {
        let of = format!("use = \"{ready}\"");
        check(&of, &format!("{of}\nwith = {{ {with} }}"), expect);
    };
    with("fineweb", "new_line_ratio = true", &["must be a number of at least 0, or false"]);
    with(
        "fineweb",
        "words = \"unicod\"",
        &["with = { words = \"unicod\"", "must be `space` or `unicode`", "did you mean `unicode`?"],
    );
    with("gopher_quality", "stop_words = \" \"", &["must be words with blanks between them", "found ` `"]);
    with("gopher_quality", "min_doc_words = -3", &["must be a whole number of at least 0, or false", "found -3"]);
    with("gopher_quality", "min_stop_words = 1.5", &["must be a whole number of at least 0, or false", "found 1.5"]);
    with("gopher_quality", "max_symbol_word_ratio = -0.1", &["must be a number of at least 0, or false"]);
    with("gopher_repetition", "top_2_gram = 1.2", &["must be a number from 0 to 1, or false"]);
    with(
        "gopher_quality",
        "max_doc_words = 20",
        &["nothing is between", "`min_doc_words` is 50, `max_doc_words` is 20"],
    );
    with("gopher_quality", "min_avg_word_length = 11", &["`min_avg_word_length` is 11, `max_avg_word_length` is 10"]);
    check(
        "filter = \"c4\"\n[filter.c4]\nuse = \"c4\"",
        "filter = \"c4\"",
        &["there is no filter `c4`", "`[filter.good]` with `use = \"c4\"`"],
    );
    check("use = \"fineweb\"", "use = \"fineweb\"\ncolumn = \"txt\"", &["no column `txt`", "column = \"txt\""]);
    check("use = \"fineweb\"", "use = \"fineweb\"\ncolumn = \"id\"", &["column = \"id\""]);
    check(
        "use = \"fineweb\"",
        "use = \"fineweb\"\nwhere = \"true\"",
        &["a filter is a condition of its own, or a ready one"],
    );
    check("use = \"fineweb\"", "title = \"none\"", &["needs one of `where`, `use`"]);
}

#[test]
fn a_mistake_in_a_ready_filter_hides_none_in_other_nodes() {
    let sandbox = sandbox(&["One."]);
    sandbox.edit("datamake.toml", "use = \"c4\"", "use = \"c4\"\ncolumn = 3\nwith = { min_num_sentence = 3 }");
    sandbox.edit("datamake.toml", "filter = \"fineweb\"", "where = \"txt = ''\"");
    let project = datamake::project::Project::find_all(sandbox.path(), &datamake::manifest::Options::default());
    let problems = project.map_or_else(|problems| problems, |found| found.problems);
    let codes: Vec<&str> = problems.0.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["wrong-type", "unknown-parameter", "unknown-column"]);
}

#[test]
fn a_row_without_a_text_is_dropped_for_just_that() {
    let sandbox = sandbox(&["One."]);
    sandbox.write("rows.jsonl", "{\"id\": 0, \"text\": \"One.\"}\n{\"id\": 1, \"text\": null}\n");
    sandbox.built();
    for name in NAMES {
        assert_eq!(dropped(&sandbox, &format!("by_{name}"))[&1], format!("{name}.no_text"));
    }
}
