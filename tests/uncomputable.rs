//! Rows that cannot be computed fail alone: counted, kept with the reason, and in nobody's way but their own.

mod common;
#[path = "common/server.rs"]
mod server;

use common::{Sandbox, failures, record};
use datamake::diag::{Style, render};
use datamake::exec::{Output, State};
use datamake::project::Built;
use serde_json::{Value, json};
use server::{Act, Play, Server};

/// A project of one dataset `made` of the rows 0 to 19; those with `id % 5 = 0` have an `n` of 0.
fn sandbox(keys: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let row = |id: u64| format!("{{\"id\": {id}, \"n\": {}, \"text\": \"t{id}\"}}\n", id % 5);
    sandbox.write("rows.jsonl", (0..20).map(row).collect::<String>());
    sandbox.write(
        "datamake.toml",
        format!("[dataset.rows]\nfiles = \"rows.jsonl\"\nkey = \"id\"\n\n[dataset.made]\nfrom = \"rows\"\n{keys}\n"),
    );
    sandbox
}

fn built(sandbox: &Sandbox) -> Built {
    sandbox.retried(&[])
}

/// Returns what is wrong with `made`, as it is printed; nothing if nothing is.
fn problem(sandbox: &Sandbox, built: &Built) -> String {
    let (id, _) = sandbox.project().unwrap().one("made").unwrap();
    match &built.run.of(id).unwrap().state {
        State::Failed(problems) => render(problems, Style::Plain),
        _ => String::new(),
    }
}

/// Returns the ids of failed rows, with what they failed of.
fn failed(sandbox: &Sandbox, built: &Built) -> Vec<(u64, String)> {
    let project = sandbox.project().unwrap();
    let rows = failures(&project, &record(&project, built, "made"));
    let one = |row: &Value| {
        assert_eq!(row["failure"]["kind"], "uncomputable");
        (row["id"].as_u64().unwrap(), row["failure"]["of"].as_str().unwrap().to_owned())
    };
    rows.iter().map(one).collect()
}

fn ids(sandbox: &Sandbox) -> Vec<u64> {
    sandbox.rows("made").iter().map(|row| row["id"].as_u64().unwrap()).collect()
}

/// The steps, what the rows 0, 5, 10 and 15 fail of, and the ids of the rows that are left.
type Failing = (&'static str, &'static str, fn(u64) -> bool);

const STEPS: [Failing; 9] = [
    ("columns = { share = \"10 / n\", more = \"n + 1\" }", "share", |_| true),
    ("where = \"10 / n < 6\"", "where", |id| id % 5 > 1),
    ("dedup = { by = \"10 / n\" }", "dedup", |id| id < 5),
    ("dedup = { by = \"text\", keep = { best = \"10 / n\" } }", "best", |_| true),
    ("render = { template = \"{{ 10 // n }}\", into = \"said\" }", "said", |_| true),
    ("steps = [{ columns = { a = \"10 / n\", b = \"id / n\" } }]", "a", |_| true),
    (
        "steps = [{ filter = [\"few\", \"many\"] }]\n[filter.few]\nwhere = \"10 // n > 2\"\n[filter.many]\nwhere = \"10 // n > 2\"",
        "few",
        |id| id % 5 < 4,
    ),
    ("split = { parts = { a = 0.5, b = 0.5 }, group_by = \"10 / n\" }", "split", |_| true),
    ("split = { parts = { a = 0.5, b = 0.5 }, group_by = \"n\", leak_check = [\"n\", \"10 / n\"] }", "10 / n", |_| {
        true
    }),
];

#[test]
fn a_row_that_cannot_be_computed_fails_alone_at_every_step() {
    for (keys, of, left) in STEPS {
        let sandbox = sandbox(&format!("max_failed = 4\n{keys}"));
        let built = built(&sandbox);
        assert_eq!(problem(&sandbox, &built), "", "{keys}");
        let expect: Vec<(u64, String)> = [0, 5, 10, 15].map(|id| (id, of.to_owned())).into();
        assert_eq!(failed(&sandbox, &built), expect, "{keys}");
        let expect: Vec<u64> = (0..20).filter(|id| id % 5 != 0 && left(*id)).collect();
        assert_eq!(ids(&sandbox), expect, "{keys}");
        let project = sandbox.project().unwrap();
        let record = record(&project, &built, "made");
        let Output::Table { rows, made, .. } = record.output else { panic!("a dataset is a table") };
        let sum = |lost: &[datamake::exec::LostRows]| lost.iter().map(|lost| lost.rows()).sum::<u64>();
        assert_eq!(made, rows + sum(&record.dropped) + sum(&record.failed), "{keys}");
    }
}

#[test]
fn more_than_may_keep_the_dataset_back_and_the_message_shows_the_first_of_them() {
    let sandbox = sandbox("max_failed = 3\ncolumns = { share = \"10 / n\" }");
    let built = built(&sandbox);
    let expect = r#"error[failed-rows]: 4 rows of `made` cannot be computed: division by zero
 --> datamake.toml:8:22
  |
5 | [dataset.made]
  |          ---- `max_failed` lets 3 fail
...
8 | columns = { share = "10 / n" }
  |                      ^^^^^^ computed here
  |
  = note: where `id` is 0, `n` is 0: division by zero
  = note: where `id` is 5, `n` is 0: division by zero
  = note: where `id` is 10, `n` is 0: division by zero
  = note: and 1 more row
  = help: divide by `nullif(x, 0)` to get null instead
  = help: `datamake show made --failed` has the rows
  = help: `max_failed` in the dataset lets rows go
"#;
    assert_eq!(problem(&sandbox, &built), expect);
    assert_eq!(failed(&sandbox, &built).len(), 4, "they can be looked at");
    assert!(sandbox.project().unwrap().table("made").is_err(), "it is not published");
}

#[test]
fn what_failed_is_remembered_and_nothing_is_computed_again() {
    let sandbox = sandbox("max_failed = 3\ncolumns = { share = \"10 / n\" }");
    assert!(built(&sandbox).run.ran > 0);
    assert_eq!(built(&sandbox).run.ran, 0);
    sandbox.edit("datamake.toml", "max_failed = 3", "max_failed = \"20%\"");
    let again = built(&sandbox);
    assert_eq!((again.run.ran, problem(&sandbox, &again)), (0, String::new()));
    assert_eq!(ids(&sandbox).len(), 16);
}

#[test]
fn what_is_renamed_fails_under_its_new_name_as_in_a_clean_build() {
    let all = "max_failed = 12\n";
    let column = |name: &str| format!("{all}columns = {{ {name} = \"10 / n\" }}");
    for (old, new, of) in [
        (column("share"), column("part"), "part"),
        (format!("{all}where = \"10/n < 6\""), format!("{all}where = \"10 / n < 6\""), "where"),
        (column("share"), format!("{all}columns = {{ a = \"n\", b = \"10 / n\" }}"), "b"),
    ] {
        let sandbox = sandbox(&old);
        built(&sandbox);
        sandbox.edit("datamake.toml", &old, &new);
        let found = failed(&sandbox, &built(&sandbox));
        assert_eq!(found, [0, 5, 10, 15].map(|id| (id, of.to_owned())), "{new}");
        let once = self::sandbox(&new);
        let (mine, clean) = (built(&sandbox), built(&once));
        let table =
            |sandbox: &Sandbox, built: &Built| record(&sandbox.project().unwrap(), built, "made").failed[0].table;
        assert_eq!(table(&sandbox, &mine), table(&once, &clean), "{new}");
    }
    // Two datasets that share an expression under other names each know theirs.
    let sandbox = sandbox(
        "columns = { share = \"10 / n\" }\nmax_failed = 12\n\n[dataset.other]\nfrom = \"rows\"\ncolumns = { part = \"10 / n\" }",
    );
    let built = built(&sandbox);
    let (other, _) = sandbox.project().unwrap().one("other").unwrap();
    let State::Failed(problems) = &built.run.of(other).unwrap().state else { panic!("it lets no row fail") };
    let text = render(problems, Style::Plain);
    assert!(text.contains("computed here") && text.contains("part = \"10 / n\""), "{text}");
}

#[test]
fn a_row_that_an_earlier_filter_drops_does_not_fail_at_a_later_one() {
    let filters = "[filter.some]\nwhere = \"n <> 0 or id = 5\"\n[filter.large]\nwhere = \"10 / n > 2\"";
    let sandbox = sandbox(&format!("max_failed = 1\nfilter = [\"some\", \"large\"]\n{filters}"));
    let built = built(&sandbox);
    assert_eq!(failed(&sandbox, &built), [(5, "large".to_owned())]);
    let project = sandbox.project().unwrap();
    assert_eq!(record(&project, &built, "made").dropped[0].reasons, [("some".to_owned(), 3), ("large".to_owned(), 0)]);
}

#[test]
fn a_row_fails_of_the_first_column_that_has_no_value_for_it() {
    let sandbox = sandbox("max_failed = 20\ncolumns = { a = \"10 / n\", b = \"10 / (n - 1)\" }");
    let built = built(&sandbox);
    let expect: Vec<(u64, String)> =
        (0..20).filter(|id| id % 5 < 2).map(|id| (id, if id % 5 == 0 { "a" } else { "b" }.to_owned())).collect();
    assert_eq!(failed(&sandbox, &built), expect);
    assert_eq!(sandbox.rows("made")[0], json!({ "id": 2, "n": 2, "text": "t2", "a": 5.0, "b": 10.0 }));
}

#[test]
fn a_plan_says_that_rows_would_fail_as_the_build_does() {
    let sandbox = sandbox("columns = { share = \"10 / n\" }");
    let planned = sandbox.plan();
    let State::Failed(planned) = &planned.nodes[1].state else { panic!("it would fail") };
    assert_eq!(render(planned, Style::Plain), problem(&sandbox, &built(&sandbox)));
}

#[test]
fn the_same_rows_fail_with_one_thread_and_with_eight() {
    let results = [1, 8].map(|jobs| {
        let mut sandbox = sandbox(
            "max_failed = 20\nsteps = [{ columns = { a = \"10 / n\" } }, { dedup = { by = \"10 / (n - 1)\" } }]",
        );
        sandbox.jobs = Some(jobs);
        (sandbox.clean(), failed(&sandbox, &built(&sandbox)))
    });
    assert_eq!(results[0], results[1]);
}

/// A project whose prompt cannot be filled for the rows with an `n` of 0, and the endpoint that it asks.
fn asking(keys: &str) -> (Sandbox, Server) {
    let server = Server::with(|_| Play::from(Act::Answer));
    let prompts =
        "[prompt.ask]\ntemplate = \"Say {{ 10 // n }} of {{ id }}.\"\n[prompt.more]\ntemplate = \"More: {{ id }}.\"";
    let model =
        format!("[model.writer]\nprovider = \"openai\"\nurl = \"{}\"\nname = \"m\"\nmax_tokens = 64", server.url());
    let sandbox = sandbox(&format!("{keys}\n{prompts}\n{model}"));
    (sandbox, server)
}

#[test]
fn a_row_for_which_there_is_no_request_fails_and_the_others_are_asked_about() {
    let (sandbox, server) =
        asking("max_failed = 4\ngenerate = { prompt = \"ask\", model = \"writer\", into = \"said\" }");
    let plan = sandbox.plan();
    assert_eq!(plan.cost.iter().map(|cost| cost.count.requests).sum::<u64>(), 16);
    let built = built(&sandbox);
    assert_eq!((problem(&sandbox, &built), server.requests()), (String::new(), 16));
    let expect: Vec<(u64, String)> = [0, 5, 10, 15].map(|id| (id, "generate".to_owned())).into();
    assert_eq!(failed(&sandbox, &built), expect);
    assert_eq!(sandbox.rows("made").len(), 16);
}

#[test]
fn rows_that_fail_on_their_way_stay_behind_and_more_than_may_let_nothing_more_be_asked() {
    let steps = "steps = [{ columns = { share = \"10 / n\" } }, { generate = { prompt = \"more\", model = \"writer\", into = \"said\" } }]";
    for (most, asked) in [("4", 16), ("\"20%\"", 16)] {
        let (sandbox, server) = asking(&format!("max_failed = {most}\n{steps}"));
        assert_eq!(sandbox.plan().cost.iter().map(|cost| cost.count.requests).sum::<u64>(), asked);
        assert_eq!((problem(&sandbox, &built(&sandbox)), server.requests()), (String::new(), asked));
    }
    let (sandbox, server) = asking(&format!("max_failed = 1\n{steps}"));
    let text = problem(&sandbox, &built(&sandbox));
    assert!(text.contains("cannot be computed: division by zero") && text.contains("nothing more was asked"), "{text}");
    assert!(server.requests() < 16, "{}", server.requests());
}

#[test]
fn a_row_that_fails_at_a_split_is_in_none_of_its_parts_and_the_others_are_where_they_were() {
    let split = "steps = [{ columns = { m = \"n + 1\" } }, { split = { parts = { a = 0.5, b = 0.5 }, group_by = \"10 / KEY\" } }]";
    let divided = |key: &str| {
        let sandbox = sandbox(&format!("max_failed = 4\n{}", split.replace("KEY", key)));
        let built = built(&sandbox);
        assert_eq!(problem(&sandbox, &built), "");
        let failed = failed(&sandbox, &built);
        let steps = record(&sandbox.project().unwrap(), &built, "made").failed;
        assert!(steps.iter().all(|lost| lost.step == Some(1)), "the second step");
        let ids =
            |part: &str| -> Vec<u64> { sandbox.rows(part).iter().map(|row| row["id"].as_u64().unwrap()).collect() };
        (ids("made.a"), ids("made.b"), failed.len())
    };
    let (some_a, some_b, failed) = divided("n");
    assert_eq!((some_a.len() + some_b.len(), failed), (16, 4));
    // Of the same values all rows have one: 10 / (n + 1) is another, so divide by what is n where it is not 0.
    let (all_a, all_b, failed) = divided("case when n = 0 then 7 else n end");
    assert_eq!((all_a.len() + all_b.len(), failed), (20, 0));
    let without = |ids: Vec<u64>| ids.into_iter().filter(|id| id % 5 != 0).collect::<Vec<_>>();
    assert_eq!((some_a, some_b), (without(all_a), without(all_b)));
}

/// Two datasets whose `n` is int in the first and float in the second; two ints are no floats.
fn unlike(keys: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let int = |id: u64| {
        format!("{{\"id\": {id}, \"n\": {}}}\n", if id.is_multiple_of(5) { 9_007_199_254_740_993 } else { id })
    };
    sandbox.write("ints.jsonl", (0..10).map(int).collect::<String>());
    sandbox.write("floats.jsonl", (10..15).map(|id| format!("{{\"id\": {id}, \"n\": {id}.5}}\n")).collect::<String>());
    let rows = |name: &str| format!("[dataset.{name}]\nfiles = \"{name}.jsonl\"\nkey = \"id\"\n");
    let some = "[dataset.some]\nfrom = \"ints\"\nwhere = \"id <> 5\"\n";
    sandbox.write("datamake.toml", format!("{}{}{some}\n[dataset.made]\n{keys}\n", rows("ints"), rows("floats")));
    sandbox
}

#[test]
fn a_value_that_has_no_form_of_the_common_type_fails_its_row_in_concat_and_mix() {
    for (maker, ints, rows) in [
        ("concat = [\"ints\", \"floats\"]", vec![0, 5], 13),
        ("concat = { of = [\"ints\", \"floats\"], source = \"whence\" }", vec![0, 5], 13),
        // The row is in the chunk, and not among the rows.
        ("concat = [\"some\", \"floats\"]", vec![0], 13),
        ("mix = { of = { ints = 2, floats = 1 } }", vec![0, 5], 13),
        (
            "mix = { source = \"whence\", epoch = \"time\", of = { ints = { share = 4, epochs = 2 }, floats = 1 } }",
            vec![0, 5, 0, 5],
            21,
        ),
    ] {
        let sandbox = unlike(&format!("{maker}\nmax_failed = 4"));
        let built = built(&sandbox);
        assert_eq!(problem(&sandbox, &built), "", "{maker}");
        let mut failed = failed(&sandbox, &built);
        failed.sort_unstable();
        let mut expect: Vec<(u64, String)> = ints.iter().map(|id| (*id, "n".to_owned())).collect();
        expect.sort_unstable();
        assert_eq!(failed, expect, "{maker}");
        assert_eq!(sandbox.rows("made").len(), rows, "{maker}");
        let Output::Table { made, .. } = record(&sandbox.project().unwrap(), &built, "made").output else { panic!() };
        assert_eq!(made as usize, rows + ints.len(), "rows in = rows out + failed");
        assert_eq!(self::built(&sandbox).run.ran, 0);
    }
    let sandbox = unlike("concat = [\"some\", \"floats\"]");
    let expect = r#"error[failed-rows]: 1 row of `made` cannot be computed: a value is 9007199254740993, which no float is
  --> datamake.toml:12:12
   |
11 | [dataset.made]
   |          ---- `max_failed` lets 0 fail
12 | concat = ["some", "floats"]
   |            ^^^^ computed here
   |
   = note: in that row `id` is 0
   = help: convert it with `columns` first, for example `cast(x as string)`
   = help: `datamake show made --failed` has the rows
   = help: `max_failed` in the dataset lets rows go
"#;
    assert_eq!(problem(&sandbox, &built(&sandbox)), expect);
}

#[test]
fn a_row_of_a_mix_whose_kind_cannot_be_computed_is_not_taken_and_fails() {
    let sandbox = sandbox("");
    let made = "mix = { of = { rows = 1, more = 1 }, source = \"whence\", match = { to = \"like\", by = [\"10 / n\"] } }\nmax_failed = 8\n\
         [dataset.more]\nfiles = \"rows.jsonl\"\nkey = \"id\"\n[dataset.like]\nfrom = \"rows\"\nwhere = \"n > 0\"";
    sandbox.edit("datamake.toml", "from = \"rows\"\n", made);
    let built = built(&sandbox);
    assert_eq!(problem(&sandbox, &built), "");
    let expect: Vec<(u64, String)> = [0, 5, 10, 15, 0, 5, 10, 15].map(|id| (id, "match".to_owned())).into();
    assert_eq!(failed(&sandbox, &built), expect);
    let rows = failures(&sandbox.project().unwrap(), &record(&sandbox.project().unwrap(), &built, "made"));
    assert_eq!((&rows[0]["whence"], &rows[7]["whence"]), (&json!("more"), &json!("rows")), "the columns of the mix");
    assert_eq!(sandbox.rows("made").len(), 32);
    sandbox.edit("datamake.toml", "max_failed = 8", "max_failed = 7");
    let text = problem(&sandbox, &self::built(&sandbox));
    assert!(text.contains("8 rows of `made` cannot be computed: division by zero"), "{text}");
    assert!(text.contains("where `id` is 0, `whence` is more, `n` is 0: division by zero"), "{text}");
    // Those of the dataset that is matched are no rows of the mix.
    sandbox.edit("datamake.toml", "where = \"n > 0\"", "where = \"true\"");
    let text = problem(&sandbox, &self::built(&sandbox));
    assert!(text.contains("a row of `made` cannot be computed: division by zero"), "{text}");
}

#[test]
fn nothing_is_asked_about_a_row_that_fails_at_a_split_before_it() {
    let split = "max_failed = 4\nsplit = { parts = { a = 0.5, b = 0.5 }, group_by = \"10 / n\" }";
    let (sandbox, server) = asking(&format!(
        "{split}\n[dataset.said]\nfrom = \"made\"\ngenerate = {{ prompt = \"more\", model = \"writer\", into = \"said\" }}"
    ));
    assert_eq!(sandbox.plan().cost.iter().map(|cost| cost.count.requests).sum::<u64>(), 16);
    assert_eq!((problem(&sandbox, &built(&sandbox)), server.requests()), (String::new(), 16));
}
