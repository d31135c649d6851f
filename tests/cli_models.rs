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
    sandbox.check("plan", 0, r"<1>");
    sandbox.check("build", 0, r"<2>");
    sandbox.write("seeds.jsonl", &seeds(0..8));
    sandbox.check("plan", 0, r"<3>");
    let plan = sandbox.json("plan");
    let asks =
        |node: &str| plan["nodes"].as_array().unwrap().iter().find(|one| one["node"] == node).unwrap()["asks"].clone();
    let expected = json!([{
        "step": 1, "model": "writer", "requests": 2, "at_most": false, "input_tokens": 14, "output_tokens": 12, "money": 0.00038,
        "estimate": "past",
    }]);
    assert_eq!(asks("dataset.questions"), expected);
    assert_eq!(asks("dataset.seeds"), json!([]));
    let total = json!({
        "requests": 4, "at_most": true, "more": false, "input_tokens": 34, "output_tokens": 24, "money": 0.00082,
    });
    assert_eq!(plan["asks"], total);
    assert_eq!(server.requests(), 10, "a plan asks nothing");
    sandbox.check("build", 0, r"<4>");
    assert_eq!(server.requests(), 14, "as it was planned");
    sandbox.check("log", 0, r"<5>");
    sandbox.check("diff", 0, r"<6>");
}

#[test]
fn a_plan_says_what_it_cannot_know() {
    let server = Server::start();
    let sandbox = project(&server);
    sandbox.edit("datamake.toml", "{ where = \"id > 1\" },", "{ dedup = { by = \"question\" } },");
    sandbox.edit("datamake.toml", "price =", "# price =");
    sandbox.check("plan", 0, r"<7>");
    sandbox.edit("datamake.toml", "# price =", "price =");
    sandbox.edit("datamake.toml", "max_tokens = 64", "");
    sandbox.check("plan questions", 0, r"<8>");
    let asks = &sandbox.json("plan")["nodes"][2]["asks"];
    assert_eq!(*asks, json!([{ "step": null, "model": null, "requests": null }]));
}

#[test]
fn an_unknown_price_is_said_to_be_unknown() {
    let server = Server::start();
    let sandbox = project(&server);
    sandbox.edit("datamake.toml", "price =", "# price =");
    sandbox.check("build", 0, r"<9>");
    let built = sandbox.json("log")["builds"][0]["asked"].clone();
    assert_eq!((&built["money"], &built["unpriced"], &built["requests"]), (&Value::Null, &json!(10), &json!(10)));
    sandbox.check("responses stats", 0, r"<10>");
    sandbox.edit("datamake.toml", "# price =", "price =");
    sandbox.check("responses stats", 0, r"<11>");
}

#[test]
fn rows_that_failed_are_told_and_led_on() {
    let server = Server::with(faulty);
    let sandbox = project(&server);
    sandbox.check("build", 1, r"<12>");
    sandbox.check("show questions --failed", 0, r"<13>");
    sandbox.check("show questions --failed --wide --reason refusal", 0, r"<14>");
    sandbox.check("show questions --failed --reason refused", 2, r"<15>");
    sandbox.check("show seeds --failed", 0, r"<16>");
    let rows = sandbox.run("show questions --failed --json");
    let first: Value = serde_json::from_slice(rows.stdout.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
    let key = first["failure"]["request"].as_str().unwrap().to_owned();
    let expected = json!({
        "failed_step": 1, "id": 3, "topic": "topic 3",
        "failure": { "kind": "cut-off", "detail": "the reply was cut off at the limit of 64 tokens", "request": key,
            "attempts": 1, "input_tokens": 7, "output_tokens": 3, "cost": 0.00013, "reply": "To be cut" },
    });
    assert_eq!(first, expected);
    sandbox.check(&format!("responses show {}", &key[..12]), 0, r"<17>");

    sandbox.edit("datamake.toml", "max_tokens = 64", "max_tokens = 128");
    sandbox.edit("datamake.toml", "[dataset.questions]", "[dataset.questions]\nmax_failed = 1");
    sandbox.check("build", 0, r"<18>");
    sandbox.check("show questions --failed", 0, r"<19>");
    sandbox.check("build --retry refusal", 0, r"<20>");
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
    sandbox.check("build --budget 0", 4, r"<21>");
    sandbox.write("seeds.jsonl", &seeds(0..1));
    sandbox.check("build --budget 0.01", 0, r"<22>");
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
    sandbox.check("build", 1, r"<23>");
}

#[test]
fn a_first_look_at_some_rows_is_not_paid_twice() {
    let server = Server::start();
    let sandbox = project(&server);
    sandbox.check("build --rows 3", 0, r"<24>");
    let asked = server.requests();
    sandbox.check("build", 0, r"<25>");
    assert_eq!(server.requests(), 10);
    assert!((4..=6).contains(&asked), "{asked}");
    sandbox.check("why questions", 0, r"<26>");
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
fn responses_travel_as_files() {
    let server = Server::start();
    let sandbox = project(&server);
    sandbox.check("responses stats", 0, r"<27>");
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

    other.check("responses import in/all.jsonl.gz in/all.jsonl.zst", 0, r"<28>");
    let json = json!({ "files": [{ "file": "in/all.jsonl", "responses": 0, "known": 10 }] });
    assert_eq!(other.json("responses import in/all.jsonl"), json);
    other.check("build", 0, r"<29>");
    assert_eq!(server.requests(), 10, "the copy asked nothing");
    other.check("gc", 0, r"<30>");
    other.check("responses show 99", 2, r"<31>");
    other.check("responses show x", 2, r"<32>");
    other.check("responses import in/none.jsonl", 2, r"<33>");
    other.write("in/bad.jsonl", "{}\n");
    other.check("responses import in/bad.jsonl", 2, r"<34>");
    other.check("responses export in", 1, r"<35>");
    let stats = other.json("responses stats");
    assert_eq!((&stats["responses"], &stats["models"][0]["input_tokens"]), (&json!(10), &json!(82)));
}
