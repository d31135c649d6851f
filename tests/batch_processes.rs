//! Batches and whole builds as processes: killed while a batch is at the endpoint, listed, cancelled and told.
//!
//! The program has its own pace here, so each of these takes some seconds.

#[path = "common/program.rs"]
mod program;
#[path = "common/server.rs"]
mod server;

use program::Sandbox;
use serde_json::{Value, json};
use server::{Plan, Server, answer_to};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const ROWS: usize = 40;

fn project(server: &Server) -> Sandbox {
    let sandbox = Sandbox::with(&format!(
        r#"
[dataset.seeds]
files = "seeds.jsonl"
key = "id"

[model.writer]
provider = "openai"
url = "{}"
name = "m"
max_tokens = 64
batch = true

[prompt.question]
template = "Ask about {{{{ topic }}}}."

[dataset.questions]
from = "seeds"
generate = {{ prompt = "question", model = "writer", into = "question" }}

[export.questions]
from = "questions"
to = "out.jsonl"
"#,
        server.url()
    ));
    sandbox.write("seeds.jsonl", &seeds(0..ROWS));
    sandbox
}

fn seeds(ids: std::ops::Range<usize>) -> String {
    ids.map(|id| format!("{{\"id\": {id}, \"topic\": \"topic {id}\"}}\n")).collect()
}

fn build(sandbox: &Sandbox) -> Child {
    let mut command = sandbox.command("build");
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("the program starts")
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Returns the names of all notes of batches, without what a kill left of one that was being written.
fn notes(sandbox: &Sandbox) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(sandbox.path(".datamake/store/responses/batches")) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.ends_with(".tmp")).collect()
}

/// Begins a build, and kills it at a moment.
fn kill_when(sandbox: &Sandbox, what: &str, is_so: impl FnMut() -> bool) {
    let mut child = build(sandbox);
    until(what, is_so);
    child.kill().expect("a process can be killed");
    child.wait().expect("the process can be waited for");
}

/// Never to end by itself, with some of it done.
fn endless(done: usize) -> Plan {
    Plan { polls: u32::MAX, done, ..Plan::default() }
}

#[track_caller]
fn builds_right(sandbox: &Sandbox, rows: usize) {
    let output = sandbox.run("build");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(sandbox.path("out.jsonl")).unwrap();
    let right = |(id, line): (usize, &str)| {
        let row: Value = serde_json::from_str(line).unwrap();
        assert_eq!(row["question"], answer_to(&format!("Ask about topic {id}.")).as_str());
    };
    assert_eq!(text.lines().count(), rows);
    text.lines().enumerate().for_each(right);
    assert_eq!(notes(sandbox), [""; 0], "all is harvested");
}

#[test]
fn a_build_that_is_killed_while_it_waits_for_a_batch_is_gone_on_with() {
    let server = Server::start();
    server.plan(endless(0));
    let sandbox = project(&server);
    kill_when(&sandbox, "it is asked about", || server.calls().iter().any(|call| call == "GET /batches/batch-0"));
    assert_eq!(notes(&sandbox).len(), 2);
    // Killed once more, and then let through, with more to ask than before.
    kill_when(&sandbox, "it is asked about again", || {
        server.calls().iter().filter(|call| *call == "GET /batches/batch-0").count() > 1
    });
    server.relent();
    sandbox.write("seeds.jsonl", &seeds(0..ROWS + 5));
    builds_right(&sandbox, ROWS + 5);
    assert_eq!(server.batches().iter().map(|batch| batch.requests).collect::<Vec<_>>(), [ROWS, 5]);
    assert_eq!(server.billed(), (ROWS as u64 + 5, 1));
}

#[test]
fn a_build_that_is_killed_right_after_the_creation_finds_the_batch() {
    let server = Server::start();
    server.plan(Plan { slow: Duration::from_secs(3600), ..Plan::default() });
    let sandbox = project(&server);
    kill_when(&sandbox, "it is created", || !server.batches().is_empty());
    assert_eq!(notes(&sandbox).len(), 1, "nobody knows its id");
    server.plan(Plan::default());
    server.relent();
    builds_right(&sandbox, ROWS);
    assert_eq!((server.billed(), server.batches().len()), ((ROWS as u64, 1), 1));
}

#[test]
fn batches_are_listed_and_cancelled_and_the_next_build_asks_for_the_rest_only() {
    let server = Server::start();
    server.plan(endless(15));
    let sandbox = project(&server);
    sandbox.check("responses batches", 0, "no batch is on its way\n");
    let mut child = build(&sandbox);
    until("it is asked about", || server.calls().iter().any(|call| call == "GET /batches/batch-0"));
    let awaited = r"model   endpoint        batch    sent  requests  state
writer  http://HOST/v1  batch-0  AGO         40  in_progress, 15 done
        not cancelled: a build waits for it, and would send its requests again; stop that first

cancelled nothing; the next build takes what was answered, and asks for the rest
";
    let told = |args: &str| squeezed(&sandbox.plain(&sandbox.run(args).stdout));
    assert_eq!(told("responses batches --cancel"), squeezed(awaited));
    assert_eq!(sandbox.run("responses batches --cancel").status.code(), Some(1));
    child.kill().expect("a process can be killed");
    child.wait().expect("the process can be waited for");
    assert!(!server.calls().iter().any(|call| call.ends_with("cancel")));

    let listed = sandbox.json("responses batches");
    let one = &listed["batches"][0];
    let facts = ["id", "node", "model", "requests", "awaited", "known", "status", "done", "why", "cancel"];
    let expected = json!(["batch-0", "writer", "m", 40, false, "told", "in_progress", 15, null, null]);
    assert_eq!(Value::from_iter(facts.map(|fact| one[fact].clone())), expected);

    let cancelled = r"model   endpoint        batch    sent  requests  state
writer  http://HOST/v1  batch-0  AGO         40  cancelling, 15 done

cancelled 1 batch; the next build takes what was answered, and asks for the rest
";
    assert_eq!(told("responses batches --cancel"), squeezed(cancelled));
    assert_eq!(notes(&sandbox).len(), 2, "the next build harvests it");
    assert_eq!(sandbox.json("responses batches")["batches"][0]["status"], "cancelled");
    server.plan(Plan::default());
    builds_right(&sandbox, ROWS);
    assert_eq!(server.batches().iter().map(|batch| batch.requests).collect::<Vec<_>>(), [ROWS, ROWS - 15]);
    assert_eq!(server.billed(), (ROWS as u64, 1));
}

#[test]
fn batches_of_endpoints_that_the_manifest_does_not_name_are_listed_as_out_of_reach() {
    let (server, other) = (Server::start(), Server::start());
    server.plan(endless(0));
    let sandbox = project(&server);
    kill_when(&sandbox, "the id is noted", || notes(&sandbox).len() == 2);
    sandbox.edit("datamake.toml", &server.url(), &other.url());
    let out_of_reach = r"model  endpoint             batch    sent  requests  state
m      not in the manifest  batch-0  AGO         40  out of reach
        no model of this project is asked where it was sent
";
    let told = |args: &str| squeezed(&sandbox.plain(&sandbox.run(args).stdout));
    assert_eq!(told("responses batches"), squeezed(out_of_reach));
    assert_eq!(sandbox.run("responses batches").status.code(), Some(0));
    assert_eq!(sandbox.run("responses batches --cancel").status.code(), Some(1), "it goes on");
    assert_eq!((other.calls().len(), server.calls().iter().any(|call| call.ends_with("cancel"))), (0, false));
    // Without `batch` the model is still asked there; but not when nobody listens.
    sandbox.edit("datamake.toml", &other.url(), &server.url());
    sandbox.edit("datamake.toml", "batch = true", "");
    assert_eq!(sandbox.json("responses batches")["batches"][0]["status"], "in_progress");
    drop(server);
    let silent = sandbox.json("responses batches")["batches"][0].clone();
    assert_eq!((&silent["known"], &silent["status"]), (&json!("silent"), &json!(null)));
    assert!(silent["why"].as_str().is_some_and(|why| why.contains("refused")), "{silent}");
}

#[test]
fn a_build_says_how_far_its_batch_is_although_nothing_is_answered() {
    let server = Server::start();
    server.plan(endless(15));
    let sandbox = project(&server);
    let mut child = build(&sandbox);
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let told = lines.next().expect("a line is written within a while").expect("it is a text");
    assert_eq!(told, "dataset.questions: batch of 40 requests at the endpoint, 15 done");
    child.kill().expect("a process can be killed");
    child.wait().expect("the process can be waited for");
}

/// Returns a table without the width of its columns.
fn squeezed(text: &str) -> String {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}
