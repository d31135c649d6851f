//! What the command line shows of models: whole outputs, against the scripted server.

#[path = "common/program.rs"]
mod program;
#[path = "common/server.rs"]
mod server;

use program::Sandbox;
use serde_json::{Value, json};
use server::{Act, Asked, Play, Server};
use std::fs;

/// Two chained prompts over some seeds.
const MANIFEST: &str = r#"
[dataset.seeds]
files = "seeds.jsonl"
key = "id"

[model.writer]
provider = "openai"
url = "URL"
name = "m"
max_tokens = 64
price = { input = 10, output = 20 }

[prompt.question]
template = "Ask about {{ topic }}."

[prompt.answer]
template = "Answer: {{ question }}"

[dataset.questions]
from = "seeds"
generate = { prompt = "question", model = "writer", into = "question" }

[dataset.answers]
from = "questions"
steps = [
  { where = "id > 1" },
  { generate = { prompt = "answer", model = "writer", into = "answer" } },
]
"#;

fn seeds(ids: std::ops::Range<usize>) -> String {
    ids.map(|id| format!("{{\"id\": {id}, \"topic\": \"topic {id}\"}}\n")).collect()
}

/// A project with six seeds.
fn project(server: &Server) -> Sandbox {
    let sandbox = Sandbox::with(&MANIFEST.replace("URL", &server.url()));
    sandbox.write("seeds.jsonl", &seeds(0..6));
    sandbox
}

/// Cuts one reply off while the limit is small, and refuses another.
fn faulty(asked: &Asked) -> Play {
    match asked.text {
        "Ask about topic 3." if asked.max_tokens == Some(64) => Act::Say("To be cut".to_owned(), "length").into(),
        "Ask about topic 4." => Act::Refuse.into(),
        _ => Act::Answer.into(),
    }
}

#[test]
fn a_plan_tells_what_would_be_asked_and_what_that_costs() {
    let server = Server::start();
    let sandbox = project(&server);
    sandbox.check(
        "plan",
        0,
        r"new  seeds      1 row group, 6 rows
new  questions  1 row group, 6 rows
        6 requests to writer: about 27 tokens in, at most 384 out, cost at most about 0.00795
new  answers    until questions ran
        4 requests to writer: tokens in not known yet, at most 256 out, cost not known yet

would make 2 nodes (2 row groups, 12 rows); 1 is unknown until others ran
would ask 10 requests: more than 27 tokens in, at most 640 out, cost at most about 0.00795 for what can be told
",
    );
    sandbox.check(
        "build",
        0,
        r"new  seeds      6 rows
new  questions  6 rows
        6 requests, 42 tokens in, 36 out, cost 0.00114: 0.00019 per row
new  answers    4 rows
        dropped 2 rows by where
        4 requests, 40 tokens in, 24 out, cost 0.00088: 0.00022 per row

built 3 nodes; 5 actions run, 2 reused; 0.00 s (build 1)
asked 10 requests, 82 tokens in, 60 out, cost 0.00202
",
    );
    sandbox.write("seeds.jsonl", &seeds(0..8));
    sandbox.check(
        "plan",
        0,
        r"stale    seeds      1 row group, 8 rows
        the file seeds.jsonl changed: rows 7–8 are new
stale    questions  1 row group, 8 rows
        its input seeds changed
        2 requests to writer: about 14 tokens in, 12 out (from past answers), cost about 0.00038
unknown  answers    until questions ran
        2 requests to writer: about 20 tokens in, 12 out (from past answers), cost about 0.00044

would make 2 nodes (2 row groups, 16 rows); 1 is unknown until others ran
would ask 4 requests: about 34 tokens in, 24 out, cost about 0.00082
",
    );
    let plan = sandbox.json("plan");
    let asks =
        |node: &str| plan["nodes"].as_array().unwrap().iter().find(|one| one["node"] == node).unwrap()["asks"].clone();
    let expected = json!([{
        "step": 1, "model": "writer", "requests": 2, "at_most": false, "sent_back": 0, "input_tokens": 14, "output_tokens": 12, "money": 0.00038,
        "estimate": "past",
    }]);
    assert_eq!(asks("dataset.questions"), expected);
    assert_eq!(asks("dataset.seeds"), json!([]));
    let total = json!({
        "requests": 4, "at_most": false, "sent_back": 0, "more": false, "input_tokens": 34, "output_tokens": 24, "money": 0.00082,
    });
    assert_eq!(plan["asks"], total);
    assert_eq!(server.requests(), 10, "a plan asks nothing");
    sandbox.check(
        "build",
        0,
        r"made  seeds      8 rows (+2)
        the file seeds.jsonl changed: rows 7–8 are new
made  questions  8 rows (+2)
        its input seeds changed
        2 requests, 14 tokens in, 12 out, cost 0.00038
        6 answers were known and saved 0.00114; all 8 cost 0.00152: 0.00019 per row
made  answers    6 rows (+2)
        its input questions changed
        dropped 2 rows by where
        2 requests, 20 tokens in, 12 out, cost 0.00044
        4 answers were known and saved 0.00088; all 6 cost 0.00132: 0.00022 per row

built 3 nodes; 5 actions run, 2 reused; 0.00 s (build 2)
asked 4 requests, 34 tokens in, 24 out, cost 0.00082; 10 answers were known and saved 0.00202
",
    );
    assert_eq!(server.requests(), 14, "as it was planned");
    sandbox.check(
        "log",
        0,
        r"build 2  TIME, AGO  0.00 s    datamake build
        made answers, questions, seeds
        asked 4 requests, 34 tokens in, 24 out, cost 0.00082
build 1  TIME, AGO  0.00 s    datamake build
        made answers, questions, seeds
        asked 10 requests, 82 tokens in, 60 out, cost 0.00202
",
    );
    sandbox.check(
        "diff",
        0,
        r"build 1 → build 2

dataset.answers  4 → 6 rows  +2 added  answers 4 → 6
  + id=6  topic=topic 6  question=answer 5baf5b0ff848c0a8  answer=answer ade8ff060f53e3e0
  + id=7  topic=topic 7  question=answer 5bb2bd0ff84b9d05  answer=answer 6e4e2b8d263bfec0

dataset.questions  6 → 8 rows  +2 added  answers 6 → 8
  + id=6  topic=topic 6  question=answer 5baf5b0ff848c0a8
  + id=7  topic=topic 7  question=answer 5bb2bd0ff84b9d05

dataset.seeds  6 → 8 rows  +2 added
  + id=6  topic=topic 6
  + id=7  topic=topic 7
",
    );
}

#[test]
fn a_plan_says_what_it_cannot_know() {
    let server = Server::start();
    let sandbox = project(&server);
    // A filter that reads what is not answered yet may drop rows.
    sandbox.edit("datamake.toml", "id > 1", "length(question) > 5");
    let plan = sandbox.json("plan");
    assert_eq!((&plan["asks"]["requests"], &plan["asks"]["at_most"]), (&json!(12), &json!(true)));
    let told = String::from_utf8(sandbox.run("plan").stdout).unwrap();
    assert!(
        told.contains("        at most 6 requests to writer: ") && told.contains("\nwould ask at most 12 requests: "),
        "{told}"
    );
    sandbox.edit("datamake.toml", "length(question) > 5", "id > 1");
    sandbox.edit("datamake.toml", "{ where = \"id > 1\" },", "{ dedup = { by = \"question\" } },");
    sandbox.edit("datamake.toml", "price =", "# price =");
    sandbox.check("plan", 0, r"new  seeds      1 row group, 6 rows
new  questions  1 row group, 6 rows
        6 requests to writer: about 27 tokens in, at most 384 out, price unknown
new  answers    until questions ran
        how many requests is unknown until questions ran

would make 2 nodes (2 row groups, 12 rows); 1 is unknown until others ran
would ask at least 6 requests: about 27 tokens in, at most 384 out, cost unknown: no price of writer; and more for answers
");
    sandbox.edit("datamake.toml", "# price =", "price =");
    sandbox.edit("datamake.toml", "max_tokens = 64", "");
    sandbox.check(
        "plan questions",
        0,
        r"new  seeds      1 row group, 6 rows
new  questions  1 row group, 6 rows
        6 requests to writer: about 27 tokens in, cost unknown without `max_tokens`

would make 2 nodes (2 row groups, 12 rows)
would ask 6 requests: about 27 tokens in, cost unknown without `max_tokens`
",
    );
    let asks = &sandbox.json("plan")["nodes"][2]["asks"];
    assert_eq!(*asks, json!([{ "step": null, "model": null, "requests": null }]));
}

#[test]
fn an_unknown_price_is_said_to_be_unknown() {
    let server = Server::start();
    let sandbox = project(&server);
    sandbox.edit("datamake.toml", "price =", "# price =");
    sandbox.check(
        "build",
        0,
        r"new  seeds      6 rows
new  questions  6 rows
        6 requests, 42 tokens in, 36 out, cost unknown: no price of writer
new  answers    4 rows
        dropped 2 rows by where
        4 requests, 40 tokens in, 24 out, cost unknown: no price of writer

built 3 nodes; 5 actions run, 2 reused; 0.00 s (build 1)
asked 10 requests, 82 tokens in, 60 out, cost unknown: no price of writer
",
    );
    let built = sandbox.json("log")["builds"][0]["asked"].clone();
    assert_eq!((&built["money"], &built["unpriced"], &built["requests"]), (&Value::Null, &json!(10), &json!(10)));
    sandbox.check(
        "responses stats",
        0,
        r"10 responses, 3.5 kB

model  responses  tokens in  tokens out     cost  recorded
m             10         82          60  unknown  TIME
",
    );
    sandbox.edit("datamake.toml", "# price =", "price =");
    sandbox.check(
        "responses stats",
        0,
        r"10 responses, 3.5 kB

model  responses  tokens in  tokens out     cost  recorded
m             10         82          60  0.00202  TIME
",
    );
}

#[test]
fn rows_that_failed_are_told_and_led_on() {
    let server = Server::with(faulty);
    let sandbox = project(&server);
    sandbox.check("build", 1, r"new  seeds  6 rows
failed questions; not begun because of it: answers
        6 requests, 42 tokens in, 30 out, cost 0.00102: 0.000255 per row
        answers: 2 requests, 20 tokens in, 12 out, cost 0.00044

built 1 node, 1 failed, 1 skipped; 2 actions run, 2 reused; 0.00 s (build 1)
asked 8 requests, 62 tokens in, 42 out, cost 0.00146
! error[failed-rows]: 2 rows of `questions` have no value: 1 cut-off, 1 refusal
!   --> datamake.toml:19:10
!    |
! 19 | [dataset.questions]
!    |          ^^^^^^^^^ `max_failed` lets 0 fail
!    |
!    = note: every answer that came is recorded: building again asks for nothing that is known
!    = help: `datamake show questions --failed` has the rows and the replies
!    = help: `datamake build questions --retry cut-off --retry refusal` asks again about these rows; so does a larger `max_tokens`, of those cut off
!    = help: `max_failed` in the dataset lets rows go
");
    sandbox.check(
        "show questions --failed",
        0,
        r"questions: 2 rows failed, so it was not published

step 1: 1 cut-off, 1 refusal
failure  id  topic    detail                                           reply       attempts  cost     request
cut-off   3  topic 3  the reply was cut off at the limit of 64 tokens  To be cut          1  0.00013  a820120661fd
refusal   4  topic 4  the model refused to reply                       I will not         1  0.00013  0521c8af33a7

to ask again: datamake build questions --retry cut-off --retry refusal
",
    );
    sandbox.check(
        "show questions --failed --wide --reason refusal",
        0,
        r"questions: 2 rows failed, so it was not published

step 1: 1 refusal
row 2
  failure   refusal
  id        4
  topic     topic 4
  detail    the model refused to reply
  reply     I will not
  attempts  1
  cost      0.00013
  request   0521c8af33a727b81bd391b33dde13eb09c6668b4e082451adfe614d8ff7b5a6

to ask again: datamake build questions --retry cut-off --retry refusal
",
    );
    sandbox.check(
        "show questions --failed --reason refused",
        2,
        r"! error[unknown-reason]: no row failed as `refused`
!  |
!  = note: rows failed as `cut-off`, `refusal`
!  = help: did you mean `refusal`?
",
    );
    sandbox.check(
        "show seeds --failed",
        0,
        r"seeds: 0 rows failed

",
    );
    let rows = sandbox.run("show questions --failed --json");
    let first: Value = serde_json::from_slice(rows.stdout.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    let key = first["failure"]["request"].as_str().unwrap().to_owned();
    let expected = json!({
        "failed_step": 1, "id": 3, "topic": "topic 3",
        "failure": { "kind": "cut-off", "detail": "the reply was cut off at the limit of 64 tokens", "request": key,
            "attempts": 1, "input_tokens": 7, "output_tokens": 3, "cost": 0.00013, "reply": "To be cut" },
    });
    assert_eq!(first, expected);
    sandbox.check(
        &format!("responses show {}", &key[..12]),
        0,
        r"request a820120661fda9f57bf7664b236e95320b1e43e5f7d4231e807c6c187ba8f468
  chat by m
  user
    Ask about topic 3.
response: TIME, cut off, 7 tokens in, 3 out, at most 64 out, from m
    To be cut
",
    );
    // One digit of the key will do, and so will all of them.
    for end in [1, 3, 15, 16, 17, 64] {
        let found = sandbox.json(&format!("responses show {}", &key[..end]));
        let keys: Vec<&str> =
            found["requests"].as_array().unwrap().iter().map(|one| one["key"].as_str().unwrap()).collect();
        assert!(keys.contains(&key.as_str()) && keys.iter().all(|other| other.starts_with(&key[..end])), "{keys:?}");
    }

    sandbox.edit("datamake.toml", "max_tokens = 64", "max_tokens = 128");
    sandbox.edit("datamake.toml", "[dataset.questions]", "[dataset.questions]\nmax_failed = 1");
    sandbox.check(
        "build",
        0,
        r"new  questions  5 rows
        1 row failed: 1 refusal (datamake show questions --failed)
        1 request, 7 tokens in, 6 out, cost 0.00019
        5 answers were known and saved 0.00089; all 6 cost 0.00108: 0.000216 per row
new  answers    3 rows
        dropped 2 rows by where
        1 request, 10 tokens in, 6 out, cost 0.00022
        2 answers were known and saved 0.00044; all 3 cost 0.00066: 0.00022 per row

built 2 nodes, 1 was fresh; 4 actions run, 0 reused; 0.00 s (build 2)
asked 2 requests, 17 tokens in, 12 out, cost 0.00041; 7 answers were known and saved 0.00133
",
    );
    sandbox.check(
        "show questions --failed",
        0,
        r"questions: 1 row failed

step 1: 1 refusal
failure  id  topic    detail                      reply       attempts  cost     request
refusal   4  topic 4  the model refused to reply  I will not         1  0.00013  0521c8af33a7
",
    );
    sandbox.check(
        "build --retry refusal",
        0,
        r"made  questions  5 rows
        rows that failed are asked about again: refusal
        1 row failed: 1 refusal (datamake show questions --failed)
        1 request, 7 tokens in, 3 out, cost 0.00013
        5 answers were known and saved 0.00095; all 6 cost 0.00108: 0.000216 per row

built 1 node, 2 were fresh; 1 action run, 0 reused; 0.00 s (build 3)
asked 1 request, 7 tokens in, 3 out, cost 0.00013; 5 answers were known and saved 0.00095
",
    );
    let lock = fs::read_to_string(sandbox.path("datamake.lock")).unwrap();
    let asked = |name: &str| {
        let block = lock.split("\n\n").find(|block| block.starts_with(&format!("[dataset.{name}]"))).unwrap();
        block.lines().skip(2).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(asked("questions"), "rows = 5\nfailed = { refusal = 1 }\nanswers = 6\nreuse = \"always\"");
    assert_eq!(asked("answers"), "rows = 3\nanswers = 3\nreuse = \"always\"");
    assert_eq!(asked("seeds"), "rows = 6");
}

#[test]
fn a_dataset_that_is_not_published_shows_the_failed_rows_of_its_last_attempt() {
    let server = Server::with(faulty);
    let sandbox = project(&server);
    sandbox.write("seeds.jsonl", &seeds(0..3));
    assert_eq!(sandbox.run("build -q").status.code(), Some(0));
    sandbox.write("seeds.jsonl", &seeds(0..6));
    assert_eq!(sandbox.run("build -q").status.code(), Some(1));
    let failed =
        |args: &str| String::from_utf8(sandbox.run(&format!("show questions --failed {args}")).stdout).unwrap();
    let first = |text: &str| text.lines().next().unwrap().to_owned();
    assert_eq!(first(&failed("")), "questions: 2 rows failed, so it was not published");
    // A build of something else changes nothing about that; one that makes it does.
    sandbox.write("seeds.jsonl", &seeds(0..5));
    assert_eq!(sandbox.run("build -q seeds").status.code(), Some(0));
    assert_eq!(first(&failed("")), "questions: 2 rows failed, so it was not published");
    sandbox.edit("datamake.toml", "[dataset.questions]", "[dataset.questions]\nmax_failed = 2");
    assert_eq!(sandbox.run("build -q").status.code(), Some(0));
    assert_eq!(first(&failed("")), "questions: 2 rows failed");
    sandbox.write("seeds.jsonl", &seeds(0..3));
    assert_eq!(sandbox.run("build -q").status.code(), Some(0));
    assert_eq!(first(&failed("")), "questions: 0 rows failed");
}

#[test]
fn a_budget_that_is_reached_has_an_exit_code_of_its_own() {
    let server = Server::start();
    let sandbox = project(&server);
    sandbox.check(
        "build --budget 0",
        4,
        r"new  seeds  6 rows
failed questions; not begun because of it: answers

built 1 node, 1 failed, 1 skipped; 1 action run, 2 reused; 0.00 s (build 1)
! error[over-budget]: the next request to `writer` could pass the budget
!  --> datamake.toml:6:8
!   |
! 6 | [model.writer]
!   |        ^^^^^^ asked here
!   |
!   = note: the budget is 0 in money; spent: 0 and 0 requests
!   = help: run it again with a larger budget: what was answered is kept
",
    );
    sandbox.write("seeds.jsonl", &seeds(0..1));
    sandbox.check(
        "build --budget 0.01",
        0,
        r"made  seeds      1 row (−5)
        the file seeds.jsonl changed: rows 2–6 are gone
new   questions  1 row
        1 request, 7 tokens in, 6 out, cost 0.00019: 0.00019 per row
new   answers    0 rows
        dropped 1 row by where

built 3 nodes; 4 actions run, 2 reused; 0.00 s (build 2)
asked 1 request, 7 tokens in, 6 out, cost 0.00019; budget: 0.00019 of 0.01
",
    );
    let built = sandbox.json("build --budget 0.01");
    assert_eq!(built["budget"], Value::Null, "nothing had to be asked");
    assert_eq!(sandbox.run("build --budget nan").status.code(), Some(2));
    assert_eq!(sandbox.run("build --retry nothing").status.code(), Some(2));
}

#[test]
fn one_dead_endpoint_is_told_once() {
    let sandbox = Sandbox::with(
        &MANIFEST
            .replace("URL", "http://127.0.0.1:1/v1")
            .replace("from = \"questions\"", "from = \"seeds\"")
            .replace("{{ question }}", "{{ topic }}"),
    );
    sandbox.write("seeds.jsonl", &seeds(0..6));
    sandbox.check(
        "build",
        1,
        r"new  seeds  6 rows
failed answers
failed questions

built 1 node, 2 failed; 3 actions run, 2 reused; 0.00 s (build 1)
! error[model-unusable]: nothing listens at `HOST`
!  --> datamake.toml:6:8
!   |
! 6 | [model.writer]
!   |        ^^^^^^ the model `writer` is asked here
!   |
!   = note: connection refused
!   = help: start the server, or change `url`
",
    );
}

#[test]
fn a_first_look_at_some_rows_is_not_paid_twice() {
    let server = Server::start();
    let sandbox = project(&server);
    sandbox.check(
        "build --rows 3",
        0,
        r"new  seeds      6 rows
new  questions  3 rows
        dropped 3 rows by sample
        3 requests, 21 tokens in, 18 out, cost 0.00057: 0.00019 per row
new  answers    3 rows
        3 requests, 30 tokens in, 18 out, cost 0.00066: 0.00022 per row

built 3 nodes; 9 actions run, 1 reused; 0.00 s (build 1)
asked 6 requests, 51 tokens in, 36 out, cost 0.00123
",
    );
    let asked = server.requests();
    sandbox.check(
        "build",
        0,
        r"made  questions  6 rows (+3)
        models are asked about all rows
        3 requests, 21 tokens in, 18 out, cost 0.00057
        3 answers were known and saved 0.00057; all 6 cost 0.00114: 0.00019 per row
made  answers    4 rows (+1)
        its input questions changed
        models are asked about all rows
        dropped 2 rows by where
        1 request, 10 tokens in, 6 out, cost 0.00022
        3 answers were known and saved 0.00066; all 4 cost 0.00088: 0.00022 per row

built 2 nodes, 1 was fresh; 4 actions run, 0 reused; 0.00 s (build 2)
asked 4 requests, 31 tokens in, 24 out, cost 0.00079; 6 answers were known and saved 0.00123
",
    );
    assert_eq!(server.requests(), 10);
    assert!((4..=6).contains(&asked), "{asked}");
    sandbox.check(
        "why questions",
        0,
        r"questions is fresh
it was made last in build 2, AGO, 6 rows made
  models are asked about all rows
",
    );
}

#[test]
fn the_json_of_a_build_has_what_was_asked_and_what_reuse_saved() {
    let server = Server::start();
    let sandbox = project(&server);
    assert_eq!(sandbox.run("build -q").status.code(), Some(0));
    sandbox.write("seeds.jsonl", &seeds(0..8));
    let built = sandbox.json("build --budget 1");
    let node = |name: &str| built["nodes"].as_array().unwrap().iter().find(|one| one["node"] == name).unwrap();
    let asked = json!({
        "requests": 2, "retried": 0, "answers": 2, "input_tokens": 14, "output_tokens": 12, "money": 0.00038, "unpriced": 0,
    });
    assert_eq!(node("dataset.questions")["asked"], asked);
    let answers = &node("dataset.questions")["answers"];
    assert_eq!((&answers["all"], &answers["known"]), (&json!(8), &json!(6)));
    let near = |value: &Value, expect: f64| (value.as_f64().unwrap() - expect).abs() < 1e-12;
    assert!(near(&answers["money"], 0.00152) && near(&answers["saved"], 0.00114), "{answers}");
    assert!(near(&answers["money_per_row"], 0.00019), "{answers}");
    assert_eq!(node("dataset.seeds")["asked"], Value::Null);
    assert_eq!(built["asked"]["requests"], 4);
    assert_eq!((&built["budget"]["money"], &built["budget"]["requests_spent"]), (&json!(1.0), &json!(4)));
    assert!(near(&built["budget"]["money_spent"], 0.00082), "{}", built["budget"]);
}

#[test]
fn texts_are_counted_alike_before_and_after_they_are_embedded() {
    let server = Server::with(|_| Act::Answer.into());
    let sandbox = Sandbox::with(
        &r#"
[dataset.seeds]
files = "seeds.jsonl"
key = "id"

[model.vectors]
provider = "openai"
url = "URL"
name = "v"
price = { input = 10, output = 0 }

[dataset.near]
from = "seeds"
embed = { text = "topic", model = "vectors", into = "vector" }
"#
        .replace("URL", &server.url()),
    );
    sandbox.write("seeds.jsonl", &seeds(0..200));
    let plan = String::from_utf8(sandbox.run("plan").stdout).unwrap();
    assert!(plan.contains("200 texts to vectors: "), "{plan}");
    assert!(plan.contains("would embed 200 texts: "), "{plan}");
    let planned = sandbox.json("plan")["asks"]["requests"].clone();
    let built = String::from_utf8(sandbox.run("build").stdout).unwrap();
    let said = format!("asked 200 texts in {} requests, ", server.requests());
    assert!(server.requests() < 50 && built.contains(&said), "{said}: {built}");
    assert_eq!(planned, 200);
}

#[test]
fn responses_travel_as_files() {
    let server = Server::start();
    let sandbox = project(&server);
    sandbox.check(
        "responses stats",
        0,
        r"nothing is recorded yet
",
    );
    assert_eq!(sandbox.run("build -q").status.code(), Some(0));
    let other = project(&server);
    other.edit("datamake.toml", "provider = \"openai\"", "provider = \"replay\"");
    let folder = other.path("in").display().to_string();
    for file in ["all.jsonl", "all.jsonl.zst", "all.jsonl.gz"] {
        let exported = sandbox.run(&format!("responses export {folder}/{file}"));
        assert!(String::from_utf8_lossy(&exported.stdout).starts_with("wrote 10 responses to "), "{exported:?}");
    }
    let text = fs::read(other.path("in/all.jsonl")).unwrap();
    assert_eq!(sandbox.run("responses export").stdout, text);
    assert_eq!(sandbox.run("responses export - --json").stdout, text);
    let used = sandbox.run("responses export - --used questions").stdout;
    assert_eq!(used.iter().filter(|byte| **byte == b'\n').count(), 6);
    other.check(
        "responses export in/none.jsonl --used questions",
        1,
        r"wrote 0 responses to in/none.jsonl, 0 bytes
! error[incomplete]: not all responses behind the rows of `questions` can be told yet
!  |
!  = note: `questions`: 6 requests have no answer yet
!  = help: `datamake build` asks for them; export again when it is done
",
    );
    fs::remove_file(other.path("in/none.jsonl")).unwrap();

    other.check(
        "responses import in/all.jsonl.gz in/all.jsonl.zst",
        0,
        r"took in 10 responses of in/all.jsonl.gz
took in 0 responses of in/all.jsonl.zst; 10 were known
",
    );
    let json = json!({ "files": [{ "file": "in/all.jsonl", "responses": 0, "known": 10 }] });
    assert_eq!(other.json("responses import in/all.jsonl"), json);
    other.check(
        "build",
        0,
        r"new  seeds      6 rows
new  questions  6 rows
        6 answers were known and saved 0.00114: 0.00019 per row
new  answers    4 rows
        dropped 2 rows by where
        4 answers were known and saved 0.00088: 0.00022 per row

built 3 nodes; 5 actions run, 2 reused; 0.00 s (build 1)
10 answers were known and saved 0.00202
",
    );
    assert_eq!(server.requests(), 10, "the copy asked nothing");
    other.check(
        "gc",
        0,
        r"nothing to remove: 1 build and all 10 responses kept
",
    );
    other.check(
        "responses show 99",
        2,
        r"! error[not-recorded]: no response is recorded under a key that begins with `99`
",
    );
    other.check(
        "responses show x",
        2,
        r"! error[bad-key]: `x` is no key of a request, nor the beginning of one
!  |
!  = note: a key has 64 hexadecimal digits; the first few of them will do
!  = help: `datamake show NODE --failed` tells keys, and so does `datamake responses export`
",
    );
    other.check(
        "responses import in/none.jsonl",
        2,
        r"! error[unreadable-file]: cannot read `in/none.jsonl`: it is not there
",
    );
    other.write("in/bad.jsonl", "{}\n");
    other.check("responses import in/bad.jsonl", 2, r"! error[bad-responses]: line 1 of `in/bad.jsonl` is not a recorded response: missing field `request` at line 1 column 2
!  |
!  = help: a line is one response, as `datamake responses export` writes it
");
    other.check(
        "responses export in",
        1,
        r"! error[unwritable]: cannot write DIR/in: there is a folder in its place
",
    );
    let stats = other.json("responses stats");
    assert_eq!((&stats["responses"], &stats["models"][0]["input_tokens"]), (&json!(10), &json!(82)));
}
