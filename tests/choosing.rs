//! Which rows are taken, and what is made of them: samples by group and rank, splits that keep relatives together, mixes, noise.

mod common;

use common::{Sandbox, build, record};
use datamake::diag::{Style, render};
use datamake::exec::{Gave, Output};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Rows with a topic, a score and a question.
fn rows(n: usize) -> String {
    let row = |i: usize| {
        let topic = ["algebra", "algebra", "algebra", "geometry", "geometry", "history"][i % 6];
        let question = format!("Question {} of {topic} {}", i / 2, ["", "?"][i % 2]);
        format!("{{\"id\": {i}, \"topic\": \"{topic}\", \"score\": {}, \"question\": {question:?}}}\n", (i * 37) % 101)
    };
    (0..n).map(row).collect()
}

fn project(manifest: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("rows.jsonl", rows(120));
    sandbox.write("datamake.toml", format!("[dataset.rows]\nfiles = \"rows.jsonl\"\nkey = \"id\"\n{manifest}"));
    sandbox
}

/// What is said of a project that cannot be built.
fn refused(sandbox: &Sandbox) -> String {
    let problems = match sandbox.build() {
        Err(problems) => problems,
        Ok(built) => {
            let failed = built.run.nodes.iter().find_map(|node| match &node.state {
                datamake::exec::State::Failed(problems) => Some(problems.clone()),
                _ => None,
            });
            failed.expect("something is wrong")
        }
    };
    render(&problems, Style::Plain)
}

fn counts(rows: &[Value], column: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    rows.iter().for_each(|row| *counts.entry(row[column].as_str().unwrap().to_owned()).or_default() += 1);
    counts
}

fn gave(sandbox: &Sandbox, name: &str) -> Vec<(u64, u64, u64)> {
    let project = sandbox.project().unwrap();
    let built = build(&project, &[], None).unwrap();
    let Output::Table { gave, .. } = record(&project, &built, name).output else { panic!("a dataset is a table") };
    gave.iter().map(|Gave { rows, different, of }| (*rows, *different, *of)).collect()
}

fn map<const N: usize>(pairs: [(&str, usize); N]) -> BTreeMap<String, usize> {
    pairs.into_iter().map(|(name, n)| (name.to_owned(), n)).collect()
}

#[test]
fn a_sample_by_group_has_so_many_of_each_or_of_all_in_proportion() {
    let sandbox = project(
        "[dataset.each]\nfrom = \"rows\"\nsample = { per_group = 25, by = \"topic\" }\n\
         [dataset.shared]\nfrom = \"rows\"\nsample = { rows = 11, by = \"topic\" }\n\
         [dataset.pairs]\nfrom = \"rows\"\nsample = { per_group = 1, by = [\"topic\", \"score > 50\"] }\n",
    );
    sandbox.built();
    assert_eq!(counts(&sandbox.rows("each"), "topic"), map([("algebra", 25), ("geometry", 25), ("history", 20)]));
    // Of 120 rows: 5.5, 3.67 and 1.83.
    assert_eq!(counts(&sandbox.rows("shared"), "topic"), map([("algebra", 5), ("geometry", 4), ("history", 2)]));
    assert_eq!(sandbox.rows("pairs").len(), 6);
}

#[test]
fn the_top_rows_are_those_that_sorting_puts_first_and_nulls_come_last() {
    let sandbox = project(
        "[dataset.top]\nfrom = \"rows\"\nsample = { rows = 7, top = \"score\" }\n\
         [dataset.least]\nfrom = \"rows\"\nsample = { rows = 7, top = \"-score\" }\n\
         [dataset.best]\nfrom = \"rows\"\nsample = { per_group = 2, by = \"topic\", top = \"score\" }\n\
         [dataset.some]\nfrom = \"rows\"\nsample = { rows = 60, top = \"case when score > 50 then score end\" }\n",
    );
    sandbox.built();
    let scores = |name: &str| {
        let mut scores: Vec<i64> = sandbox.rows(name).iter().map(|row| row["score"].as_i64().unwrap()).collect();
        scores.sort_unstable();
        scores
    };
    let all = scores("rows");
    assert_eq!(scores("top"), all[113..]);
    assert_eq!(scores("least"), all[..7]);
    assert_eq!(counts(&sandbox.rows("best"), "topic"), map([("algebra", 2), ("geometry", 2), ("history", 2)]));
    let above = all.iter().filter(|score| **score > 50).count();
    assert_eq!(scores("some").iter().filter(|score| **score > 50).count(), above.min(60));
}

#[test]
fn another_rank_hashes_no_row_again() {
    let sandbox = project("[dataset.top]\nfrom = \"rows\"\nsample = { rows = 7, top = \"score\", by = \"topic\" }\n");
    sandbox.built();
    let groups = sandbox.project().unwrap().table("rows").unwrap().groups.len() as u64;
    sandbox.edit("datamake.toml", "top = \"score\"", "top = \"score * 2\"");
    // A rank per row group, and the decision; no identity and no group is made again.
    assert_eq!(sandbox.built().run.ran, groups + 1);
}

#[test]
fn relatives_stay_on_one_side_of_a_split() {
    let sandbox = project(
        "[dataset.split]\nfrom = \"rows\"\nsplit = { parts = { train = 0.6, test = 0.4 }, group_by = [\"topic\", \"score % 10\"] }\n",
    );
    sandbox.built();
    let groups = |part: &str| -> BTreeSet<(String, i64)> {
        let rows = sandbox.rows(part);
        rows.iter()
            .map(|row| (row["topic"].as_str().unwrap().to_owned(), row["score"].as_i64().unwrap() % 10))
            .collect()
    };
    let (train, test) = (groups("split.train"), groups("split.test"));
    assert!(train.is_disjoint(&test) && !train.is_empty() && !test.is_empty());
    assert_eq!(sandbox.rows("split.train").len() + sandbox.rows("split.test").len(), 120);
}

#[test]
fn a_leak_is_told_with_its_values_parts_and_rows_and_grouping_mends_it() {
    let sandbox = project(
        "[dataset.split]\nfrom = \"rows\"\nsteps = [\n  { columns = { text = \"trim(replace(question, '?', ''))\" } },\n  \
         { split = { parts = { train = 0.5, test = 0.5 }, leak_check = [\"text\"] } },\n]\n",
    );
    let said = refused(&sandbox);
    assert!(said.starts_with("error[leak]: "), "{said}");
    for part in [
        "values of `text` are in several parts of `split`",
        "`train` (`id` ",
        "`test` (`id` ",
        "`text` Question",
        "and ",
        "group_by = \"normalise(text)\"",
    ] {
        assert!(said.contains(part), "{part} is not said: {said}");
    }
    // What was found is remembered.
    assert_eq!(sandbox.build().unwrap().run.ran, 0);
    sandbox.edit("datamake.toml", "leak_check = [\"text\"]", "leak_check = { by = \"text\", severity = \"warning\" }");
    let project = sandbox.project().unwrap();
    let built = build(&project, &[], None).unwrap();
    let Output::Table { leaks, .. } = record(&project, &built, "split").output else { panic!("a dataset is a table") };
    let doubly = |part: &str| -> BTreeSet<String> {
        sandbox.rows(part).iter().map(|row| row["text"].as_str().unwrap().to_owned()).collect()
    };
    let both = doubly("split.train").intersection(&doubly("split.test")).count() as u64;
    assert!(leaks.len() == 1 && leaks[0].values == both && both > 0, "{leaks:?}");
    sandbox.edit("datamake.toml", "severity = \"warning\" }", "severity = \"error\" }, group_by = \"normalise(text)\"");
    sandbox.built();
}

const MIX: &str = "\
[dataset.few]\nfrom = \"rows\"\nwhere = \"topic = 'history'\"\n\
[dataset.many]\nfrom = \"rows\"\nwhere = \"topic <> 'history'\"\n";

#[test]
fn a_mix_repeats_rows_as_often_as_epochs_let_it_and_says_what_each_gave() {
    let sandbox = project(&format!(
        "{MIX}[dataset.mix]\nmix = {{ rows = 100, of = {{ few = {{ share = 1, epochs = 2.5 }}, many = {{ share = 1, cap = 60 }} }}, source = \"from\", epoch = \"epoch\" }}\n"
    ));
    sandbox.built();
    let rows = sandbox.rows("mix");
    assert_eq!(counts(&rows, "from"), map([("few", 50), ("many", 50)]));
    let mut times: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row["from"] == "few") {
        times.entry(row["id"].as_i64().unwrap()).or_default().push(row["epoch"].as_i64().unwrap());
    }
    assert!(times.len() == 20 && times.values().filter(|epochs| **epochs == [0, 1, 2]).count() == 10, "{times:?}");
    assert!(times.values().all(|epochs| epochs.len() >= 2));
    assert_eq!(gave(&sandbox, "mix"), [(50, 20, 20), (50, 50, 100)]);
    let table = sandbox.project().unwrap().table("mix").unwrap();
    assert_eq!(table.key, ["id", "from", "epoch"], "the copies of a row are rows of their own");
}

#[test]
fn a_list_is_mixed_in_proportion_to_sizes_and_a_temperature_makes_them_alike() {
    let sandbox = project(&format!(
        "{MIX}[dataset.plain]\nmix = {{ rows = 60, of = [\"few\", \"many\"] }}\n\
         [dataset.warm]\nmix = {{ rows = 60, of = [\"few\", \"many\"], temperature = 2, epochs = 3 }}\n\
         [dataset.hot]\nmix = {{ of = {{ few = {{ epochs = 4 }}, many = {{ cap = 40 }} }}, temperature = 1000000 }}\n"
    ));
    sandbox.built();
    assert_eq!(gave(&sandbox, "plain"), [(10, 10, 20), (50, 50, 100)]);
    // √20 : √100 is 0.447 : 1.
    assert_eq!(gave(&sandbox, "warm"), [(19, 19, 20), (41, 41, 100)]);
    let hot = gave(&sandbox, "hot");
    assert!(hot[0].0.abs_diff(hot[1].0) <= 1 && hot[1].0 == 40, "{hot:?}");
}

#[test]
fn a_match_has_the_proportions_of_another_dataset_and_says_where_rows_are_missing() {
    let sandbox = project(
        "[dataset.real]\nsynth = { rows = 40, seed = 3, columns = { topic = { choice = [\"algebra\", \"geometry\"], weights = [1, 3] } } }\n\
         [dataset.mix]\nmix = { of = [\"rows\"], match = { to = \"real\", by = \"topic\" } }\n",
    );
    sandbox.built();
    let (wanted, found) = (counts(&sandbox.rows("real"), "topic"), counts(&sandbox.rows("mix"), "topic"));
    let total = found.values().sum::<usize>() as f64;
    assert!(found["geometry"] == 40, "all that there are: {found:?}");
    for (topic, n) in &wanted {
        assert!((found[topic] as f64 - total * *n as f64 / 40.0).abs() < 1.0, "{wanted:?} {found:?}");
    }
    sandbox.edit("datamake.toml", "mix = { of", "mix = { rows = 100, of");
    let said = refused(&sandbox);
    for part in
        ["error[too-few-rows]: `rows` can give 40 rows of a kind", "the kind: `topic` is geometry", "at most `rows = "]
    {
        assert!(said.contains(part), "{part} is not said: {said}");
    }
    sandbox.edit("datamake.toml", "mix = { rows = 100, of", "mix = { of");
    sandbox.edit("datamake.toml", "\"algebra\", \"geometry\"", "\"algebra\", \"physics\"");
    let said = refused(&sandbox);
    assert!(said.contains("`rows` can give 0 rows of a kind") && said.contains("`topic` is physics"), "{said}");
}

const NOISE: &str = "[dataset.noisy]\nfrom = \"rows\"\n\
    augment = { column = \"question\", into = \"noisy\", noise = { typo = 2, case = 1 }, intensity = 0.5, edits = \"edits\" }\n";

#[test]
fn a_row_keeps_its_noise_when_rows_are_added_or_come_in_another_order() {
    let sandbox = project(NOISE);
    sandbox.built();
    let noise = || -> BTreeMap<i64, (Value, Value)> {
        let rows = sandbox.rows("noisy");
        rows.into_iter()
            .map(|row| (row["id"].as_i64().unwrap(), (row["noisy"].clone(), row["edits"].clone())))
            .collect()
    };
    let before = noise();
    assert!(before.values().any(|(_, edits)| edits.as_array().unwrap().len() > 1));
    let mut lines: Vec<String> = rows(150).lines().map(|line| line.to_owned() + "\n").collect();
    lines.reverse();
    sandbox.write("rows.jsonl", lines.concat());
    sandbox.built();
    let after = noise();
    assert_eq!(after.len(), 150);
    assert!(before.iter().all(|(id, noise)| after[id] == *noise));
}

#[test]
fn variants_have_noise_of_their_own_and_an_intensity_each() {
    let sandbox = project(
        "[dataset.curve]\nfrom = \"rows\"\naugment = { column = \"question\", into = \"noisy\", noise = \"double\", n = 4, \
         variant = \"step\", intensity = \"step / 3.0\", edits = \"edits\" }\n\
         [dataset.several]\nfrom = \"rows\"\naugment = { column = \"question\", into = \"noisy\", noise = [\"double\", \"drop\"], n = 3, intensity = 0.5 }\n",
    );
    sandbox.built();
    let mut edits = [0; 4];
    for row in sandbox.rows("curve") {
        edits[row["step"].as_i64().unwrap() as usize] += row["edits"].as_array().unwrap().len();
    }
    assert!(edits[0] == 0 && edits[3] == 4 * 120, "four words in each question: {edits:?}");
    assert!(edits[0] < edits[1] && edits[1] < edits[2] && edits[2] < edits[3], "{edits:?}");
    let several = sandbox.rows("several");
    assert_eq!(several.len(), 360);
    assert!(several.chunks(3).any(|three| three[0]["noisy"] != three[1]["noisy"]));
    assert_eq!(sandbox.project().unwrap().table("several").unwrap().key, ["id", "variant"]);
}

#[test]
fn the_words_of_a_list_count_and_its_name_does_not() {
    let sandbox = project(
        "[dataset.noisy]\nfrom = \"rows\"\naugment = { column = \"question\", into = \"noisy\", noise = \"synonym\", intensity = 1, synonyms = \"words.tsv\" }\n",
    );
    sandbox.write("words.tsv", "question\tproblem,exercise\n");
    sandbox.built();
    let texts: Vec<String> =
        sandbox.rows("noisy").iter().map(|row| row["noisy"].as_str().unwrap().to_owned()).collect();
    assert!(texts.iter().all(|text| text.starts_with("Problem ") || text.starts_with("Exercise ")));
    sandbox.write("list.tsv", "question\tproblem,exercise\n");
    sandbox.edit("datamake.toml", "words.tsv", "list.tsv");
    assert!(sandbox.made().is_empty());
    sandbox.write("list.tsv", "question\triddle\n");
    assert_eq!(sandbox.made(), ["dataset.noisy"]);
    sandbox.write("list.tsv", "question\n");
    let said = refused(&sandbox);
    assert!(
        said.contains("error[bad-synonyms]") && said.contains("list.tsv:1:1") && said.contains("there is no tab"),
        "{said}"
    );
    sandbox.remove("list.tsv");
    assert!(refused(&sandbox).contains("cannot read the list of synonyms `list.tsv`"));
}

#[test]
fn all_that_is_wrong_with_columns_is_told_at_once_before_anything_runs() {
    let sandbox = project(
        "[dataset.a]\nfrom = \"rows\"\nsample = { rows = 3, top = \"topic\", by = \"tpic\" }\n\
         [dataset.b]\nfrom = \"rows\"\nsample = { rows = 3, weight = \"scor\" }\n\
         [dataset.c]\nfrom = \"rows\"\nsplit = { parts = { x = 1 }, group_by = \"idd\", leak_check = \"questio\" }\n\
         [dataset.d]\nmix = { of = [\"rows\"], match = { to = \"rows\", by = \"topix\" } }\n\
         [dataset.e]\nmix = { of = [\"rows\"], epoch = \"id\" }\n\
         [dataset.f]\nfrom = \"rows\"\naugment = { column = \"score\", into = \"question\", noise = \"drop\", intensity = \"topic\" }\n\
         [dataset.g]\nfrom = \"rows\"\nselect = [\"id\", \"cast(id as string) as topic\"]\n\
         [dataset.h]\nmix = { of = [\"rows\"], match = { to = \"i\", by = \"id\" } }\n\
         [dataset.i]\nsynth = { rows = 1, columns = { id = { constant = \"1\" } } }\n",
    );
    sandbox.edit("datamake.toml", "select = [\"id\", \"cast(id as string) as topic\"]", "select = [\"id\"]");
    let said = refused(&sandbox);
    for part in [
        "`top` has to be a number, a date or a timestamp",
        "tpic",
        "scor",
        "idd",
        "questio",
        "topix",
        "there is a column `id` already",
        "`augment` reads a text, and `score` is none",
        "there is a column `question` already",
        "`intensity` has to be a number from 0 to 1",
        "`id` has unlike types in the datasets that are matched",
    ] {
        assert!(said.contains(part), "{part} is not said: {said}");
    }
}
