//! The maker `sql`, as whole builds: what it gives, what makes it stale, and what is said of mistakes.

mod common;

use common::Sandbox;
use datamake::exec::State;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

const PROJECT: &str = r#"
[dataset.answers]
files = "answers/*.jsonl"
key = "id"
[dataset.people]
files = "people/*.jsonl"
key = "name"
[dataset.parts]
from = "answers"
split = { parts = { train = 0.7, test = 0.3 } }
[dataset.best]
sql = """
with ranked as (
  select a.id, a.score, p.town, row_number() over (partition by p.town order by a.score desc, a.id) as place
  from answers a join people p on p.name = a.name
)
select town, id, score, place from ranked where place <= 2 order by town, place
"""
[dataset.towns]
sql = { file = "queries/towns.sql", types = { first = "int" } }
key = "town"
[dataset.trained]
sql = "select count(*) as n, count(distinct id) as ids from parts.train"
"#;

const TOWNS: &str = "select p.town, count(*) as n, avg(a.score) as mean, max(a.ok) as any_ok, json_extract(min(a.tags), '$[0]') as first\n\
                     from answers as a join people as p using (name)\ngroup by p.town\norder by p.town\n";

fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("datamake.toml", PROJECT);
    let mut answers = String::new();
    for n in 0..60_i64 {
        let row = json!({ "id": n, "name": format!("p{}", n % 7), "score": (n * 37 % 101) as f64 / 4.0, "ok": n % 14 == 3, "text": format!("text {n}"), "tags": [n % 5, 1] });
        let _ = writeln!(answers, "{row}");
    }
    sandbox.write("answers/a.jsonl", answers);
    let people =
        (0..6).map(|n| format!("{{\"name\": \"p{n}\", \"town\": \"{}\", \"age\": {n}}}\n", ["Ulm", "Bonn"][n % 2]));
    sandbox.write("people/a.jsonl", people.collect::<String>());
    sandbox.write("queries/towns.sql", TOWNS);
    sandbox.built();
    sandbox
}

#[test]
fn a_query_joins_groups_and_ranks() {
    let sandbox = project();
    let answers = sandbox.rows("answers");
    let town = |row: &Value| match row["name"].as_str().unwrap()[1..].parse::<usize>().unwrap() {
        6 => None,
        n => Some(["Ulm", "Bonn"][n % 2]),
    };
    let mut expected = Vec::new();
    for name in ["Bonn", "Ulm"] {
        let mut rows: Vec<&Value> = answers.iter().filter(|row| town(row) == Some(name)).collect();
        rows.sort_by(|a, b| b["score"].as_f64().partial_cmp(&a["score"].as_f64()).unwrap());
        for (place, row) in rows[..2].iter().enumerate() {
            expected.push(json!({ "town": name, "id": row["id"], "score": row["score"], "place": place + 1 }));
        }
    }
    assert_eq!(sandbox.rows("best"), expected);
    let towns = sandbox.rows("towns");
    assert_eq!(towns.len(), 2);
    assert_eq!(towns[0]["town"], "Bonn");
    assert_eq!(towns[0]["any_ok"], true, "{towns:?}");
    assert_eq!(towns[0]["first"], 0);
    let (train, trained) = (sandbox.rows("parts.train").len(), sandbox.rows("trained"));
    assert_eq!(trained, [json!({ "n": train, "ids": train })]);
}

#[test]
fn only_the_columns_that_a_query_reads_make_it_stale() {
    let sandbox = project();
    sandbox.edit("people/a.jsonl", "\"age\": 3", "\"age\": 30");
    sandbox.edit("answers/a.jsonl", "text 10\"", "another\"");
    let ran = sandbox.actions();
    assert_eq!(
        (ran["dataset.best"], ran["dataset.towns"], ran.get("dataset.trained").copied().unwrap_or(0)),
        (0, 0, 0),
        "columns that no query reads"
    );
    assert_eq!(sandbox.results(), sandbox.clean());
    sandbox.edit("people/a.jsonl", "\"town\": \"Bonn\", \"age\": 1", "\"town\": \"Ulm\", \"age\": 1");
    let ran = sandbox.actions();
    assert_eq!((ran["dataset.best"], ran["dataset.towns"], ran.get("dataset.trained")), (1, 1, None));
    assert_eq!(sandbox.results(), sandbox.clean());
    sandbox.edit("queries/towns.sql", "order by p.town", "order by n, p.town");
    assert_eq!(sandbox.actions(), BTreeMap::from([("dataset.towns".to_owned(), 1)]));
    assert_eq!(sandbox.results(), sandbox.clean());
}

#[test]
fn a_plan_answers_queries_too_and_says_what_a_build_does() {
    let sandbox = project();
    sandbox.edit("people/a.jsonl", "\"town\": \"Bonn\", \"age\": 1", "\"town\": \"Ulm\", \"age\": 1");
    let planned = sandbox.plan();
    let stale = planned.nodes.iter().filter(|node| matches!(node.state, State::Stale(_))).count();
    assert_eq!(stale, 3, "people, best and towns");
}

#[test]
fn mistakes_in_queries_are_told_at_their_places_and_all_at_once() {
    let sandbox = project();
    sandbox.write(
        "datamake.toml",
        format!(
            "{}\n[dataset.wrong]\nsql = \"select id, scor from answers\"\n[dataset.chance]\nsql = \"select id from answers order by random()\"\n\
             [dataset.untold]\nsql = \"select json_extract(tags, '$[0]') as one from answers\"\n",
            PROJECT
        ),
    );
    sandbox.write("queries/towns.sql", TOWNS.replace("avg(a.score)", "avg(a.socre)"));
    insta::assert_snapshot!(sandbox.mistakes(), @r#"
    error[not-repeatable]: this query is refused: `random` gives something else each time
      --> datamake.toml:28:40
       |
    28 | sql = "select id from answers order by random()"
       |                                        ^^^^^^ not in a query
       |
       = note: in `dataset.chance`
       = help: a query has to give the same rows for the same tables: use `sample` with a seed for chance, `[params]` for times

    error[unknown-column]: this query reads a column that its datasets do not have: `socre`
     --> queries/towns.sql:1:37
      |
    1 | select p.town, count(*) as n, avg(a.socre) as mean, max(a.ok) as any_ok, json_extract(min(a.tags), '$[0]') as first
      |                                     ^^^^^ no such column
      |
      = note: in `dataset.towns`
      = note: columns of `answers`: `id`, `name`, `ok`, `score`, `tags`, `text`
      = note: columns of `people`: `name`, `town`, `age`
      = help: did you mean `score`?

    error[unknown-type]: the type of the column `one` cannot be told
      --> datamake.toml:30:15
       |
    30 | sql = "select json_extract(tags, '$[0]') as one from answers"
       |               ^^^^^^^^^^^^^^^^^^^^^^^^^^ made here
       |
       = note: in `dataset.untold`
       = help: say it: `types = { one = "string" }` beside `query` or `file` in `sql`

    error[unknown-column]: this query reads a column that its datasets do not have: `scor`
      --> datamake.toml:26:19
       |
    26 | sql = "select id, scor from answers"
       |                   ^^^^ no such column
       |
       = note: in `dataset.wrong`
       = note: columns of `answers`: `id`, `name`, `ok`, `score`, `tags`, `text`
       = help: did you mean `score`?
    "#);
    sandbox.write("queries/towns.sql", TOWNS.replace("people", "peple"));
    insta::assert_snapshot!(sandbox.mistakes(), @r#"
    error[unknown-name]: there is no dataset `peple`
     --> queries/towns.sql:2:24
      |
    2 | from answers as a join peple as p using (name)
      |                        ^^^^^ no such dataset
      |
      = note: declared: `answers`, `best`, `chance`, `parts`, `people`, `towns`, `trained`, `untold`, `wrong`
      = help: did you mean `people`?
    "#);
}

#[test]
fn a_value_without_the_type_of_its_column_is_told_with_its_row() {
    let sandbox = project();
    sandbox.write(
        "datamake.toml",
        format!("{PROJECT}\n[dataset.mixed]\nsql = {{ query = \"select id from answers union all select name from people\", types = {{ id = \"int\" }} }}\n"),
    );
    insta::assert_snapshot!(sandbox.mistakes(), @r#"
    error[wrong-type]: row 61 of the query of `mixed` has the text "p0" in `id`, which is int
      --> datamake.toml:26:18
       |
    26 | sql = { query = "select id from answers union all select name from people", types = { id = "int" } }
       |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ this query
       |
       = help: bring it to one type in the query, for example `cast(… as text) as id`
       = help: or say another type: `types = { id = "…" }` beside `query` or `file` in `sql`
    "#);
}

#[test]
fn a_query_without_rows_has_its_columns_and_one_of_many_rows_has_many_row_groups() {
    let sandbox = project();
    sandbox.write(
        "datamake.toml",
        format!(
            "{PROJECT}\n[dataset.none]\nsql = \"select id, score from answers where id < 0\"\n[dataset.many]\n\
             sql = \"with recursive n(i) as (select 0 union all select i + 1 from n where i < 999) select i, a.id from n join answers a on a.id = i % 7\"\nkey = \"i\"\n\
             [dataset.after]\nfrom = \"many\"\nwhere = \"id = 3\"\n"
        ),
    );
    sandbox.built();
    let project = sandbox.project().unwrap();
    let (none, many) = (project.table("none").unwrap(), project.table("many").unwrap());
    assert_eq!((none.rows(), none.schema.0.len()), (0, 2));
    assert_eq!((many.rows(), many.key.as_slice()), (1000, &["i".to_owned()][..]));
    assert!(many.groups.len() > 50, "{}", many.groups.len());
    assert_eq!(project.table("after").unwrap().rows(), 143);
    assert_eq!(sandbox.results(), sandbox.clean());
}
