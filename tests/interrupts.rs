//! Ctrl-C: once, a build ends what is in hand and keeps it; twice, it leaves at once; and nothing is lost either way.
#![cfg(unix)]

#[path = "common/program.rs"]
mod program;
#[path = "common/server.rs"]
mod server;

use program::Sandbox;
use server::{Play, Server};
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PROJECT: &str = r#"
[dataset.seeds]
synth = { rows = 30, seed = 1, columns = { id = { sequence = 1 } } }

[model.writer]
provider = "openai"
url = "URL"
name = "m"
max_tokens = 64

[model.slow]
provider = "openai"
url = "URL"
name = "slow"
max_tokens = 64
limits = { concurrency = 4 }

[prompt.question]
template = "Ask about topic {{ id }}."

[prompt.answer]
template = "Answer: {{ question }}"

[dataset.questions]
from = "seeds"
generate = { prompt = "question", model = "writer", into = "question" }

[dataset.answers]
from = "questions"
generate = { prompt = "answer", model = "slow", into = "answer" }
"#;

/// A project whose answers take so long until the flag is set.
fn slow(latency: Duration) -> (Sandbox, Server, Arc<AtomicBool>) {
    let quick = Arc::new(AtomicBool::new(false));
    let is_quick = quick.clone();
    let server = Server::with(move |asked| {
        let slow = asked.text.starts_with("Answer") && !is_quick.load(Ordering::Relaxed);
        Play::after(if slow { latency } else { Duration::ZERO })
    });
    (Sandbox::with(&PROJECT.replace("URL", &server.url())), server, quick)
}

fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn interrupt(child: &Child) {
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("there is a kill");
}

/// Starts a build, and waits until all questions are answered, and the first answers are on their way.
fn in_flight(sandbox: &Sandbox, server: &Server) -> Child {
    let child = sandbox.command("build").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    wait_for("all questions and some answers are asked for", || server.requests() >= 30 + 2);
    child
}

fn counts(server: &Server) -> HashMap<String, u64> {
    let mut counts = HashMap::new();
    server.log().into_iter().for_each(|served| *counts.entry(served.body).or_default() += 1);
    counts
}

#[test]
fn the_first_interrupt_waits_for_the_answers_on_their_way_and_publishes_what_is_whole() {
    let (sandbox, server, quick) = slow(Duration::from_millis(400));
    let child = in_flight(&sandbox, &server);
    interrupt(&child);
    let output = child.wait_with_output().expect("it can be waited for");
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "\nstopping after what is in hand; again to leave at once\n");
    let asked = server.requests();
    assert!(asked < 60, "it stopped");
    quick.store(true, Ordering::Relaxed);
    assert_eq!(sandbox.run("verify").status.code(), Some(0));
    assert_eq!(sandbox.run("show seeds").status.code(), Some(0), "it is whole, and in the history");
    assert_eq!(sandbox.run("build").status.code(), Some(0));
    assert_eq!(server.requests(), 60);
    assert!(counts(&server).values().all(|n| *n == 1), "nothing is asked twice");
}

#[test]
fn the_second_interrupt_leaves_at_once_and_nothing_that_was_answered_is_lost() {
    let (sandbox, server, quick) = slow(Duration::from_secs(30));
    let mut child = in_flight(&sandbox, &server);
    let mut told = BufReader::new(child.stderr.take().expect("it is piped"));
    let begun = Instant::now();
    interrupt(&child);
    let mut line = String::new();
    while !line.contains("stopping after what is in hand") {
        told.read_line(&mut line).expect("it says something");
    }
    assert_eq!(child.try_wait().expect("it can be waited for"), None, "it waits for what is in hand");
    interrupt(&child);
    assert_eq!(child.wait().expect("it can be waited for").code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    quick.store(true, Ordering::Relaxed);
    assert_eq!(sandbox.run("verify").status.code(), Some(0));
    server.forget();
    assert_eq!(sandbox.run("build").status.code(), Some(0));
    let asked = counts(&server);
    assert!(asked.keys().all(|body| body.contains("Answer: ")), "the questions were answered before");
}
