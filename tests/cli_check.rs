//! `datamake check` as its users see it: all mistakes at once, and how it ends.

#[path = "common/program.rs"]
mod program;

use program::Sandbox;

#[test]
fn a_check_tells_mistakes_of_every_kind_at_once_and_none_that_follow_from_another() {
    let sandbox = Sandbox::with(
        r#"[dataset.rows]
synth = { rows = 9, columns = { n = { sequence = 0 } } }

[dataset.shapeless]
from = "rows"
wher = "n > 1"

[dataset.heir]
from = "shapeless"
where = "whatever > 1"

[dataset.nameless]
from = "rows"
filter = ["unknown", "bad"]

[filter.bad]
where = 3

[dataset.columnless]
from = "rows"
columns = { m = "nn + 1" }

[dataset.lost]
files = "nowhere.jsonl"

[dataset.odd]
from = "rows"
where = "n / 2 > ${params.nothing}"

[metric.mean]
on = ["rows", "shapeless", "lost", "odd"]
value = "avg(n)"

[metric.most]
on = "rows"
value = "max(nnn)"

[export.heir]
from = "heir"
to = "out/heir.jsonl"
"#,
    );
    let problems = sandbox.json("check")["problems"].clone();
    let told: Vec<(String, u64)> = problems
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["title"].as_str().unwrap().to_owned(), one["labels"][0]["line"].as_u64().unwrap()))
        .collect();
    let told: Vec<(&str, u64)> = told.iter().map(|(title, line)| (title.as_str(), *line)).collect();
    let expect = [
        ("`dataset.shapeless` has no key `wher`", 6),
        ("`filter.bad.where` must be SQL (a string)", 17),
        ("there is no param `nothing`", 28),
        ("there is no filter `unknown`", 14),
        ("there is no file `nowhere.jsonl`", 24),
        ("there is no column `nn`", 21),
        ("there is no column `nnn`", 36),
    ];
    assert_eq!(told, expect);
    assert_eq!(sandbox.run("check").status.code(), Some(2));
}

#[test]
fn a_check_of_a_project_whose_nodes_failed_ends_as_their_build_did() {
    for (rest, sentence) in [
        ("[dataset.made]\nfrom = \"rows\"\ncolumns = { m = \"1 / n\" }\n", "cannot be computed"),
        ("[test.large]\non = \"rows\"\nwhere = \"n > 0\"\n", "the test `large` fails"),
    ] {
        let sandbox = Sandbox::with(&format!(
            "[dataset.rows]\nsynth = {{ rows = 9, columns = {{ n = {{ sequence = 0 }} }} }}\n{rest}"
        ));
        assert_eq!(sandbox.run("check").status.code(), Some(0), "nobody knows yet");
        assert_eq!(sandbox.run("build").status.code(), Some(1));
        let output = sandbox.run("check");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), told.contains(sentence)), (Some(1), true), "{told}");
        assert_eq!(sandbox.json("check")["fine"], false);
    }
}
