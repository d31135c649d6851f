//! Whole builds that ask models, as processes: killed at any moment, two at once, within a budget, and with an endpoint that does
//! whatever endpoints do.
//!
//! `DATAMAKE_KILLS=200` and `DATAMAKE_BUDGETS=50` make the long runs.

mod common;
#[path = "common/server.rs"]
mod server;

use common::{Sandbox, failures};
use serde_json::Value;
use server::{Act, Asked, Play, Server, answer_to, hash};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PROJECT: &str = r#"
[dataset.seeds]
files = "seeds.jsonl"
key = "id"

[model.writer]
provider = "openai"
url = "URL"
name = "m"
max_tokens = 64
attempts = 3
limits = { concurrency = 64 }

[prompt.question]
template = "Ask about topic {{ id }}."

[prompt.answer]
template = "Answer: {{ question }}"

[dataset.questions]
from = "seeds"
generate = { prompt = "question", model = "writer", into = "question" }

[dataset.answers]
from = "questions"
generate = { prompt = "answer", model = "writer", into = "answer" }

[export.answers]
from = "answers"
to = "out/answers.jsonl"
"#;

fn project(rows: usize, server: &Server) -> Sandbox {
    let sandbox = Sandbox::on_real_disk();
    sandbox.write("seeds.jsonl", (0..rows).map(|id| format!("{{\"id\": {id}}}\n")).collect::<String>());
    sandbox.write("datamake.toml", PROJECT.replace("URL", &server.url()));
    sandbox
}

fn build(sandbox: &Sandbox, store: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datamake"));
    command.args(["build", "--quiet"]).current_dir(sandbox.path()).env("DATAMAKE_STORE", store);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("the program starts")
}

fn end(child: Child) -> Output {
    child.wait_with_output().expect("the process can be waited for")
}

fn finish(child: Child) {
    let output = end(child);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn exported(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.file("out/answers.jsonl")).expect("a build writes its exports")
}

/// Returns how often each body was asked.
fn counts(server: &Server) -> HashMap<String, u64> {
    let mut counts = HashMap::new();
    for served in server.log() {
        *counts.entry(served.body).or_default() += 1;
    }
    counts
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

fn next(random: &mut u64) -> u64 {
    *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *random >> 33
}

/// How long the endpoint takes to answer.
fn latency(body: &str) -> Duration {
    Duration::from_micros(hash(body) % 12_000)
}

/// The messages of the requests whose responses a store has.
fn recorded(sandbox: &Sandbox, store: &Path) -> HashSet<String> {
    let project = sandbox.project_at(std::sync::Arc::new(datamake::store::RealDisk), store).expect("the store opens");
    let mut keys = HashSet::new();
    let each = |_, record: &[u8]| {
        let record: Value = serde_json::from_slice(record).expect("records are JSON");
        keys.insert(record["request"]["messages"].to_string());
        Ok(())
    };
    project.store().responses().for_each(each).expect("the store can be read");
    keys
}

fn messages(body: &str) -> String {
    let body: Value = serde_json::from_str(body).expect("requests are JSON");
    body["messages"].to_string()
}

#[test]
fn after_a_kill_no_recorded_response_is_asked_for_again() {
    const ROWS: usize = 200;
    let server = Server::with(|asked| Play::after(latency(asked.body)));
    let undisturbed = project(ROWS, &server);
    let begun = Instant::now();
    finish(build(&undisturbed, &undisturbed.file("store")));
    let whole = begun.elapsed().as_micros() as u64;
    let expect = exported(&undisturbed);
    let mut random = 20_261_126_u64;
    let (mut repeated, mut most, mut in_flight, mut kept) = (0, 0, 0, 0);
    for round in 0..number("DATAMAKE_KILLS", 10) {
        server.forget();
        let sandbox = project(ROWS, &server);
        let store = sandbox.file("store");
        let mut child = build(&sandbox, &store);
        std::thread::sleep(Duration::from_micros(next(&mut random) % whole));
        let killed = Instant::now();
        child.kill().expect("a process can be killed");
        child.wait().expect("the process can be waited for");
        // What it sent last is on its way to the endpoint.
        std::thread::sleep(Duration::from_millis(30));
        let before = server.log();
        let known = recorded(&sandbox, &store);
        finish(build(&sandbox, &store));
        assert_eq!(exported(&sandbox), expect, "round {round}");
        let after = &server.log()[before.len()..];
        for served in after {
            assert!(
                !known.contains(&messages(&served.body)),
                "round {round}: asked again although recorded: {}",
                served.body
            );
        }
        let counts = counts(&server);
        assert_eq!(counts.len(), 2 * ROWS, "round {round}");
        let again = counts.values().map(|count| count - 1).sum::<u64>();
        // As many as may be on their way at once; and those that came back in the moment before they are written, which is a
        // longer one while the log is being made.
        assert!(again <= 3 * 64, "round {round}: {again} asked twice");
        let is_open = |served: &&server::Served| served.at + latency(&served.body) >= killed;
        in_flight += before.iter().filter(is_open).count();
        repeated += again;
        most = most.max(again);
        kept += known.len();
    }
    eprintln!(
        "{repeated} requests asked twice, {most} at most; {in_flight} unanswered at the kills; {kept} responses kept"
    );
}

#[test]
fn two_builds_on_one_store_at_once_send_each_request_once() {
    let server = Server::with(|asked| Play::after(latency(asked.body)));
    let (one, two) = (project(200, &server), project(300, &server));
    two.edit("datamake.toml", "Answer: ", "Answer in brief: ");
    let store = one.file("store");
    for round in 0..3 {
        for sandbox in [&one, &two] {
            sandbox.edit("datamake.toml", "Ask about", &format!("Ask{round} about"));
            sandbox.edit(
                "datamake.toml",
                &format!("Ask{round} about"),
                &format!("{} Ask about", ["So", "Now", "Then"][round]),
            );
        }
        server.forget();
        [&one, &two].map(|sandbox| build(sandbox, &store)).into_iter().for_each(finish);
        // The first prompt of both is the same for 200 rows.
        assert_eq!(server.requests(), 300 + 200 + 300);
        assert_eq!(counts(&server).len(), 800);
    }
    assert_eq!(exported(&one).lines().count() + exported(&two).lines().count(), 500);
}

#[test]
fn many_builds_of_one_project_at_once_send_each_request_once() {
    let server = Server::with(|asked| Play::after(latency(asked.body)));
    let sandbox = project(100, &server);
    let store = sandbox.file("store");
    (0..4).map(|_| build(&sandbox, &store)).collect::<Vec<_>>().into_iter().for_each(finish);
    assert_eq!(server.requests(), 200);
}

// --- Budget ----------------------------------------------------------------------------------------------------------

#[test]
fn what_is_billed_never_passes_the_budget_even_across_crashes() {
    const ROWS: usize = 150;
    // Tokens that a reply takes: anything up to the limit.
    let usage = |asked: &Asked| (asked.text.len() as u64 / (1 + asked.hash() % 4) + 1, 1 + (asked.hash() >> 9) % 64);
    let server = Server::with(move |asked| {
        let act = if asked.before == 0 && (asked.hash() >> 20).is_multiple_of(16) { Act::Reset } else { Act::Answer };
        Play { act, latency: latency(asked.body), usage: Some(usage(asked)) }
    });
    let billed = || {
        let account = server.account();
        (account.input as f64 * 3.0 + account.output as f64 * 15.0) / 1e6
    };
    let prices = |sandbox: &Sandbox, cap: f64| {
        sandbox.edit("datamake.toml", "name = \"m\"", "name = \"m\"\nprice = { input = 3, output = 15 }");
        let manifest = std::fs::read_to_string(sandbox.file("datamake.toml")).unwrap();
        sandbox.write("datamake.toml", format!("[budget]\nmoney = {cap:.9}\n{manifest}"));
    };
    let all = project(ROWS, &server);
    prices(&all, 1000.0);
    let begun = Instant::now();
    finish(build(&all, &all.file("store")));
    let (whole, total) = (begun.elapsed().as_micros() as u64, billed());
    let mut random = 77_u64;
    let (mut highest, mut stopped) = (0_f64, 0);
    let runs = number("DATAMAKE_BUDGETS", 6);
    for run in 0..runs {
        server.forget();
        let sandbox = project(ROWS, &server);
        let store = sandbox.file("store");
        let cap = total * (0.05 + (next(&mut random) % 120) as f64 / 100.0);
        prices(&sandbox, cap);
        let mut last = None;
        for _ in 0..next(&mut random) % 4 {
            let mut child = build(&sandbox, &store);
            std::thread::sleep(Duration::from_micros(next(&mut random) % whole));
            child.kill().expect("a process can be killed");
            assert!(billed() <= cap, "run {run}: {} billed, {cap} allowed", billed());
            let output = end(child);
            if output.status.signal().is_none() {
                // It had come to its end, and with it the budget.
                last = Some(output);
                break;
            }
            // Killed between its last step and its exit: it had come to its end as well.
            if billed() > 0.0 && !sandbox.file(".datamake/spending").exists() {
                server.forget();
            }
        }
        let output = last.unwrap_or_else(|| end(build(&sandbox, &store)));
        assert!(billed() <= cap, "run {run}: {} billed, {cap} allowed", billed());
        highest = highest.max(billed() / cap);
        if !output.status.success() {
            stopped += 1;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(said.contains("over-budget"), "run {run}: {said}");
            // Another build is another budget; what was paid for stays paid.
            let paid = recorded(&sandbox, &store);
            let before = server.log().len();
            sandbox.edit("datamake.toml", &format!("money = {cap:.9}"), "money = 1000");
            finish(build(&sandbox, &store));
            assert!(server.log()[before..].iter().all(|served| !paid.contains(&messages(&served.body))), "run {run}");
        }
        assert_eq!(exported(&sandbox), exported(&all), "run {run}");
    }
    assert!(stopped > 0, "some budgets are too small");
    eprintln!("{stopped} of {runs} were stopped; at most {:.3} of the budget was billed", highest);
}

// --- Faults ----------------------------------------------------------------------------------------------------------

/// What becomes of a row at a prompt.
#[derive(Clone, Debug, PartialEq)]
enum Fate {
    Good,
    Fails(&'static str),
}

/// What the endpoint does about a text, and what has to come of it; about one in five has something done to it.
fn fault(text: &str, is_json: bool) -> (Vec<Act>, Fate) {
    let chance = hash(text) >> 7;
    let good = if is_json { Act::say(json_to(text)) } else { Act::Answer };
    if chance % 100 >= 20 {
        return (vec![good], Fate::Good);
    }
    let choice = chance / 100;
    // Every fourth is never answered.
    let sometimes = |act: Act| match (choice / 64).is_multiple_of(4) {
        true => (vec![act], Fate::Fails("transport")),
        false => (vec![act, good.clone()], Fate::Good),
    };
    match choice % 20 {
        // A limit of requests is the endpoint's, and never one row's.
        0 => (vec![Act::throttle(None), Act::throttle(None), good], Fate::Good),
        1 => (vec![Act::throttle(Some(if choice.is_multiple_of(8) { "1" } else { "0" })), good], Fate::Good),
        2 => sometimes(Act::error(500, "broken")),
        3 => sometimes(Act::error(502, "bad gateway")),
        4 => sometimes(Act::error(503, "unavailable")),
        5 => sometimes(Act::error(529, "overloaded")),
        6 => sometimes(Act::Reset),
        7 => sometimes(Act::Stall),
        8 => sometimes(Act::html()),
        9 => sometimes(Act::error_object()),
        10 => sometimes(Act::Huge),
        11 => sometimes(Act::GzipBomb),
        12 => sometimes(Act::redirect("http://127.0.0.1:1/v1/chat/completions")),
        13 => sometimes(Act::Half),
        14 => (vec![Act::Say("half of it".to_owned(), "length")], Fate::Fails("cut-off")),
        15 => (vec![Act::Refuse], Fate::Fails("refusal")),
        16 => (vec![Act::error(400, &format!("this is too long: {choice}"))], Fate::Fails("rejected")),
        17 if is_json => (vec![Act::say("no JSON at all")], Fate::Fails("invalid-json")),
        18 if is_json => (vec![Act::say(format!("```json\n{}\n```", json_to(text)))], Fate::Good),
        19 if is_json => (vec![Act::say(r#"{"final": "a", "final": "b"}"#)], Fate::Fails("invalid-json")),
        17 => (vec![Act::NoUsage], Fate::Good),
        18 => (vec![Act::Gzip], Fate::Good),
        _ => (vec![Act::say("")], Fate::Fails("empty")),
    }
}

fn json_to(text: &str) -> String {
    format!(r#"{{"final": "{}"}}"#, answer_to(text))
}

#[test]
fn whatever_the_endpoint_does_good_rows_are_right_and_bad_ones_are_typed() {
    const ROWS: usize = 600;
    let server = Server::with(|asked| {
        let (acts, _) = fault(asked.text, asked.text.starts_with("Answer"));
        acts[(asked.before as usize).min(acts.len() - 1)].clone().into()
    });
    let sandbox = project(ROWS, &server);
    sandbox.edit("datamake.toml", "attempts = 3", "attempts = 3\ntimeout = 1");
    sandbox.edit("datamake.toml", "into = \"question\" }", "into = \"question\" }\nmax_failed = 0.5");
    sandbox.edit("datamake.toml", ", into = \"answer\" }", " }\nmax_failed = 0.5");
    sandbox.edit("datamake.toml", "{{ question }}\"", "{{ question }}\"\nreply = { fields = { final = \"string\" } }");
    let begun = Instant::now();
    let mut child = build(&sandbox, &sandbox.file("store"));
    let mut peak = 0;
    while child.try_wait().expect("the process can be asked").is_none() {
        peak = peak.max(peak_of(child.id()));
        assert!(begun.elapsed() < Duration::from_secs(120), "it hangs");
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = end(child);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(peak < 300_000, "it took {peak} kB of memory");

    let (mut rows, mut lost) = (BTreeMap::new(), BTreeMap::new());
    for id in 0..ROWS {
        let text = format!("Ask about topic {id}.");
        match fault(&text, false).1 {
            Fate::Fails(kind) => _ = lost.insert(id as u64, kind),
            Fate::Good => {
                let text = format!("Answer: {}", answer_to(&text));
                match fault(&text, true).1 {
                    Fate::Fails(kind) => _ = lost.insert(id as u64, kind),
                    Fate::Good => _ = rows.insert(id as u64, answer_to(&text)),
                }
            }
        }
    }
    let found: BTreeMap<u64, String> = exported(&sandbox)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("exports are JSON"))
        .map(|row| (row["id"].as_u64().unwrap(), row["final"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(found, rows, "all good rows are there and right");
    let mut typed = BTreeMap::new();
    let project = sandbox.project().unwrap();
    for name in ["questions", "answers"] {
        let record = project.record(project.one(name).unwrap().0).unwrap();
        for row in failures(&project, &record) {
            let kind = row["failure"]["kind"].as_str().unwrap().to_owned();
            assert!(typed.insert(row["id"].as_u64().unwrap(), kind).is_none(), "{row} failed twice");
        }
    }
    let lost: BTreeMap<u64, String> = lost.into_iter().map(|(id, kind)| (id, kind.to_owned())).collect();
    assert_eq!(typed, lost, "all bad rows are there, each of its kind");
    let kinds: HashSet<&String> = lost.values().collect();
    assert_eq!(kinds.len(), 6, "{kinds:?}");
    eprintln!(
        "{} rows, {} failed, {} requests, {} kB, {:?}",
        rows.len(),
        lost.len(),
        server.requests(),
        peak,
        begun.elapsed()
    );
}

/// Returns the most memory that a process took so far, in kilobytes; 0 if it is gone.
fn peak_of(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
