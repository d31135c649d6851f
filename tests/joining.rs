//! Joins and lists taken apart, as whole builds: what comes out, what is dropped, what is made anew, and what is said of mistakes.

mod common;

use common::{Sandbox, build, fine, record};
use datamake::diag::{Style, render};
use serde_json::{Value, json};
use std::fmt::Write;

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n.max(1)
    }
}

fn lines(rows: &[Value]) -> String {
    rows.iter().fold(String::new(), |mut out, row| {
        let _ = writeln!(out, "{row}");
        out
    })
}

const OWN: &str = "types = { id = \"int\", lang = \"string\", a = \"int\" }";
const THEIRS: &str = "types = { id = \"int\", lang = \"string\", b = \"string\" }";

/// Rows with keys of which some are null, some come often, and some are in one table only.
fn table(random: &mut Random, rows: u64, payload: &str) -> Vec<Value> {
    let one = |n| {
        let id = match random.below(10) {
            0 => Value::Null,
            1..=4 => json!(7),
            _ => json!(random.below(20)),
        };
        let lang = if random.below(8) == 0 { Value::Null } else { json!(["en", "de"][random.below(2) as usize]) };
        let payload_value = if payload == "a" { json!(n) } else { json!(format!("text {n}")) };
        json!({ "id": id, "lang": lang, payload: payload_value })
    };
    (0..rows).map(one).collect()
}

#[test]
fn a_join_gives_what_a_nested_loop_gives_and_loses_no_row_silently() {
    for seed in 0..24 {
        let mut random = Random(seed);
        let (n, m) = (random.below(60), random.below(60));
        let (own, theirs) = (table(&mut random, n + 1, "a"), table(&mut random, m, "b"));
        let on: &[&str] = if seed % 2 == 0 { &["id"] } else { &["id", "lang"] };
        let sandbox = Sandbox::new();
        sandbox.write("own/a.jsonl", lines(&own));
        sandbox.write("theirs/b.jsonl", lines(&theirs));
        let mut manifest = format!(
            "[dataset.own]\nfiles = \"own/*.jsonl\"\n{OWN}\n[dataset.theirs]\nfiles = \"theirs/*.jsonl\"\n{THEIRS}\n"
        );
        for kind in ["inner", "left", "semi", "anti"] {
            let columns = if matches!(kind, "inner" | "left") { ", columns = [\"b\", \"lang as other\"]" } else { "" };
            let _ = write!(
                manifest,
                "[dataset.{kind}]\nfrom = \"own\"\njoin = {{ with = \"theirs\", on = {on:?}, kind = \"{kind}\"{columns} }}\n"
            );
        }
        sandbox.write("datamake.toml", manifest);
        let project = sandbox.project().unwrap_or_else(|problems| panic!("{}", render(&problems, Style::Plain)));
        let built = build(&project, &[], None).unwrap_or_else(|problems| panic!("{}", render(&problems, Style::Plain)));
        fine(&built);
        for kind in ["inner", "left", "semi", "anti"] {
            let (mut expected, mut dropped) = (Vec::new(), 0);
            for row in &own {
                let matches = |other: &&Value| on.iter().all(|key| !row[key].is_null() && row[key] == other[key]);
                let matches: Vec<&Value> = theirs.iter().filter(matches).collect();
                let with = |other: &Value| {
                    let mut all = row.clone();
                    all["b"] = other["b"].clone();
                    all["other"] = other["lang"].clone();
                    all
                };
                let before = expected.len();
                match (kind, matches.is_empty()) {
                    ("inner" | "left", false) => expected.extend(matches.into_iter().map(with)),
                    ("left", true) => expected.push(with(&Value::Null)),
                    ("semi", false) | ("anti", true) => expected.push(row.clone()),
                    _ => {}
                }
                dropped += u64::from(expected.len() == before);
            }
            assert_eq!(sandbox.rows(kind), expected, "seed {seed}, {kind}");
            let lost: u64 = record(&project, &built, kind).dropped.iter().map(|lost| lost.rows()).sum();
            assert_eq!(lost, dropped, "seed {seed}, {kind}: what does not come is counted");
        }
    }
}

const JOINED: &str = r#"
[dataset.own]
files = "own/*.jsonl"
key = "n"
[dataset.theirs]
files = "theirs/*.jsonl"
key = "id"
[dataset.both]
from = "own"
join = { with = "theirs", on = "id", columns = ["b"] }
"#;

/// 60 rows that match one row each of 60, with a column that is taken and one that is not.
fn joined() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("datamake.toml", JOINED);
    let own: Vec<Value> = (0..60).map(|n| json!({ "n": n, "id": n, "a": format!("a {n}") })).collect();
    let theirs: Vec<Value> =
        (0..60).map(|n| json!({ "id": n, "b": format!("b {n}"), "c": format!("c {n}") })).collect();
    sandbox.write("own/a.jsonl", lines(&own));
    sandbox.write("theirs/b.jsonl", lines(&theirs));
    sandbox.built();
    sandbox
}

#[test]
fn a_column_of_the_other_table_that_is_not_taken_joins_nothing_anew() {
    let sandbox = joined();
    sandbox.edit("theirs/b.jsonl", "\"c 30\"", "\"another\"");
    assert_eq!(sandbox.actions()["dataset.both"], 0);
    assert_eq!(sandbox.results(), sandbox.clean());
}

#[test]
fn a_column_that_is_taken_is_gathered_again_for_one_row_group_and_nothing_is_matched() {
    let sandbox = joined();
    sandbox.edit("theirs/b.jsonl", "\"b 30\"", "\"another\"");
    let ran = sandbox.actions()["dataset.both"];
    assert!((1..=3).contains(&ran), "the row groups that match rows of the changed one: {ran}");
    assert_eq!(sandbox.rows("both")[30], json!({ "n": 30, "id": 30, "a": "a 30", "b": "another" }));
    assert_eq!(sandbox.results(), sandbox.clean());
}

#[test]
fn a_changed_key_joins_its_row_group_alone() {
    let sandbox = joined();
    sandbox.edit("own/a.jsonl", "\"a 30\"", "\"another\"");
    assert_eq!(sandbox.actions()["dataset.both"], 0, "a column that is no key");
    sandbox.edit("own/a.jsonl", "\"id\":30", "\"id\":31");
    let ran = sandbox.actions()["dataset.both"];
    assert!((1..=6).contains(&ran), "keys, matches and what is gathered of one row group, or of two: {ran}");
    assert_eq!(sandbox.rows("both")[30]["b"], "b 31");
    assert_eq!(sandbox.results(), sandbox.clean());
}

#[test]
fn a_row_that_comes_into_the_other_table_and_matches_nothing_gathers_nothing() {
    let sandbox = joined();
    let groups = {
        let project = sandbox.project().unwrap();
        project.table("both").unwrap().groups.len() as u64
    };
    let text = std::fs::read_to_string(sandbox.file("theirs/b.jsonl")).unwrap();
    sandbox.write("theirs/b.jsonl", format!("{text}{{\"id\": 900, \"b\": \"x\", \"c\": \"y\"}}\n"));
    let ran = sandbox.actions()["dataset.both"];
    // Every row group is matched against the new keys, which is quick; of the last one or two of the other table the keys are new,
    // and what was gathered of them is gathered again.
    assert!(ran <= groups + 2 + 4, "{ran} actions for {groups} row groups");
    assert_eq!(sandbox.results(), sandbox.clean());
}

#[test]
fn rows_without_a_match_can_be_seen() {
    let sandbox = joined();
    sandbox.edit("theirs/b.jsonl", "\"id\":30", "\"id\":130");
    let project = sandbox.project().unwrap();
    let built = build(&project, &[], None).unwrap();
    let record = record(&project, &built, "both");
    assert_eq!(record.dropped.len(), 1);
    assert_eq!(record.dropped[0].reasons, [("join".to_owned(), 1)]);
}

#[test]
fn one_key_that_is_everywhere_is_joined_within_the_limit_and_refused_beyond_it() {
    let mut sandbox = Sandbox::new();
    sandbox.write(
        "datamake.toml",
        "[dataset.own]\nsynth = { rows = 20, columns = { k = { constant = 1 }, n = { sequence = 0 } } }\n\
         [dataset.theirs]\nsynth = { rows = 3000, columns = { k = { constant = 1 }, m = { sequence = 0 } } }\n\
         [dataset.both]\nfrom = \"own\"\njoin = { with = \"theirs\", on = \"k\" }\n",
    );
    sandbox.built();
    let project = sandbox.project().unwrap();
    let table = project.table("both").unwrap();
    assert_eq!(table.rows(), 60_000);
    assert!(table.groups.iter().all(|group| group.rows <= 16), "row groups stay as small as they may be");
    let rows = project.rows(&table, 29_998, 3).unwrap().rows;
    let rows: Vec<String> = rows.iter().map(|row| format!("{} {}", row[1], row[2])).collect();
    assert_eq!(rows, ["9 2998", "9 2999", "10 0"], "in the order of both tables");
    sandbox.limits = datamake::table::Limits::DEFAULT;
    sandbox.edit("datamake.toml", "rows = 20,", "rows = 4000,");
    insta::assert_snapshot!(sandbox.mistakes(), @r#"
    error[too-many-rows]: 4,000 rows of `both` would become 12,000,000 by a join, more than 4,000,000
     --> datamake.toml:7:1
      |
    7 | join = { with = "theirs", on = "k" }
      | ^^^^ joined here
      |
      = note: `k` is 1 in one of them, which alone matches 3,000 rows
      = help: join by more columns, or `dedup` the other dataset by its key first
      = help: to keep rows that have any match, `kind = "semi"`
    "#);
}

#[test]
fn mistakes_in_a_join_are_told_before_anything_runs() {
    let sandbox = joined();
    sandbox.write(
        "datamake.toml",
        r#"
[dataset.own]
files = "own/*.jsonl"
[dataset.theirs]
files = "theirs/*.jsonl"
[dataset.types]
from = "own"
join = { with = "theirs", on = { a = "id" } }
[dataset.columns]
from = "own"
join = { with = "theirs", on = ["id", "lang"] }
[dataset.twice]
from = "theirs"
join = { with = "theirs", on = "id" }
[dataset.useless]
from = "own"
join = { with = "theirs", on = "id", kind = "anti", columns = ["b"] }
[dataset.plain]
from = "own"
explode = "a"
"#,
    );
    insta::assert_snapshot!(sandbox.mistakes(), @r#"
    error[unknown-column]: `columns` has no column `lang` here
      --> datamake.toml:11:40
       |
    11 | join = { with = "theirs", on = ["id", "lang"] }
       |                                        ^^^^ no such column
       |
       = note: columns: `a`, `id`, `n`

    error[unknown-column]: `theirs` has no column `lang` to join on
      --> datamake.toml:11:40
       |
    11 | join = { with = "theirs", on = ["id", "lang"] }
       |                  ------                ^^^^ no such column
       |                  |
       |                  joined with this
       |
       = note: columns: `b`, `c`, `id`
       = help: where it is called differently: `on = { lang = "…" }`

    error[not-a-list]: the column `a` holds no lists
      --> datamake.toml:20:12
       |
    20 | explode = "a"
       |            ^ it is string
       |
       = help: only a list has elements to make rows of

    error[duplicate-column]: both datasets of this join have `b`, `c`
      --> datamake.toml:14:18
       |
    14 | join = { with = "theirs", on = "id" }
       |                  ^^^^^^ columns are never overwritten
       |
       = help: rename what is taken: `columns = ["b as theirs_b", "c as theirs_c"]`

    error[type-conflict]: the keys of this join are of unlike types: `a` is string, and `id` of `theirs` is int
     --> datamake.toml:8:34
      |
    8 | join = { with = "theirs", on = { a = "id" } }
      |                                  ^ string here, int there
      |
      = help: convert it in a step before: `{ columns = { a_int = "cast(a as int)" } }`, and join `on = { a_int = "id" }`

    error[stray-key]: a join of the kind `anti` takes no columns of the other dataset
      --> datamake.toml:17:65
       |
    17 | join = { with = "theirs", on = "id", kind = "anti", columns = ["b"] }
       |                                                                 ^ has no effect
       |
       = help: leave `columns` out, or join with `kind = "inner"` or `"left"`
    "#);
}

#[test]
fn each_element_of_a_list_becomes_a_row() {
    let rows = r#"{"id": 1, "turns": [{"who": "a", "text": "x"}, {"who": "b", "text": "y"}]}
{"id": 2, "turns": []}
{"id": 3, "turns": null}
{"id": 4, "turns": [null, {"who": "c", "text": "z"}]}
"#;
    let sandbox = Sandbox::new();
    sandbox.write("data/a.jsonl", rows);
    let manifest = |step: &str| {
        format!("[dataset.rows]\nfiles = \"data/*.jsonl\"\nkey = \"id\"\n[dataset.flat]\nfrom = \"rows\"\n{step}\n")
    };
    let build_with = |step: &str| {
        sandbox.write("datamake.toml", manifest(step));
        let project = sandbox.project().unwrap_or_else(|problems| panic!("{}", render(&problems, Style::Plain)));
        let built = build(&project, &[], None).unwrap_or_else(|problems| panic!("{}", render(&problems, Style::Plain)));
        fine(&built);
        let lost: Vec<(String, u64)> =
            record(&project, &built, "flat").dropped.into_iter().flat_map(|lost| lost.reasons).collect();
        (sandbox.rows("flat"), lost, project.table("flat").unwrap().key.clone())
    };
    let (a, b, c) =
        (json!({"who": "a", "text": "x"}), json!({"who": "b", "text": "y"}), json!({"who": "c", "text": "z"}));
    let (found, lost, key) = build_with("explode = \"turns\"");
    assert_eq!(
        found,
        [
            json!({"id": 1, "turns": a}),
            json!({"id": 1, "turns": b}),
            json!({"id": 4, "turns": null}),
            json!({"id": 4, "turns": c})
        ]
    );
    assert_eq!((lost, key), (vec![("explode".to_owned(), 2)], vec!["id".to_owned(), "turns".to_owned()]));
    let (found, lost, key) = build_with(
        "steps = [{ explode = { column = \"turns\", into = \"turn\", index = \"at\", keep_empty = true } }, { select = [\"id\", \"at\", \"turn\"] }]",
    );
    assert_eq!(
        found,
        [
            json!({"id": 1, "at": 0, "turn": a}),
            json!({"id": 1, "at": 1, "turn": b}),
            json!({"id": 2, "at": null, "turn": null}),
            json!({"id": 3, "at": null, "turn": null}),
            json!({"id": 4, "at": 0, "turn": null}),
            json!({"id": 4, "at": 1, "turn": c}),
        ]
    );
    assert_eq!((lost, key), (vec![], vec!["id".to_owned(), "at".to_owned()]));
}

#[test]
fn lists_taken_apart_are_what_a_loop_makes_of_them_and_a_changed_row_redoes_its_group_alone() {
    let mut random = Random(5);
    let rows: Vec<Value> = (0..200)
        .map(|n| {
            let list: Vec<u64> = (0..random.below(9) * random.below(9)).map(|at| at + n).collect();
            json!({ "id": n, "items": if n % 11 == 3 { Value::Null } else { json!(list) }, "text": format!("text {n}") })
        })
        .collect();
    let sandbox = Sandbox::new();
    sandbox.write("data/a.jsonl", lines(&rows));
    sandbox.write(
        "datamake.toml",
        "[dataset.rows]\nfiles = \"data/*.jsonl\"\nkey = \"id\"\n[dataset.flat]\nfrom = \"rows\"\nsteps = [{ explode = { column = \"items\", index = \"at\" } }]\n",
    );
    sandbox.built();
    let expected: Vec<Value> = rows
        .iter()
        .flat_map(|row| {
            let items = row["items"].as_array().cloned().unwrap_or_default().into_iter().enumerate();
            items.map(|(at, item)| json!({ "id": row["id"], "items": item, "text": row["text"], "at": at }))
        })
        .collect();
    assert_eq!(sandbox.rows("flat"), expected);
    sandbox.edit("data/a.jsonl", "\"text 100\"", "\"another\"");
    assert_eq!(sandbox.actions()["dataset.flat"], 0, "a column that is not read");
    let (old, new) = (format!("{}", rows[100]["items"]), "[1, 2, 3]");
    sandbox.edit(
        "data/a.jsonl",
        &format!("\"items\":{old},\"text\":\"another\""),
        &format!("\"items\":{new},\"text\":\"another\""),
    );
    let ran = sandbox.actions()["dataset.flat"];
    assert!((1..=2).contains(&ran), "{ran}");
    assert_eq!(sandbox.results(), sandbox.clean());
}
