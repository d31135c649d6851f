//! `datamake watch` as a process of its own: rounds, errors on the way, and how it ends.
#![cfg(unix)]

#[path = "common/program.rs"]
mod program;
#[path = "common/server.rs"]
mod server;

use program::Sandbox;
use serde_json::Value;
use server::Server;
use std::io::{BufRead, BufReader, PipeReader};
use std::process::{Child, Command};

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
file = "question.md"

[dataset.questions]
from = "seeds"
generate = { prompt = "question", model = "writer", into = "question" }
"#;

/// A command that watches; what it writes on both streams comes as one text.
struct Watching {
    child: Child,
    told: BufReader<PipeReader>,
}

impl Watching {
    fn start(sandbox: &Sandbox, args: &str) -> Watching {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = sandbox.command(args);
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
        Watching { child: command.spawn().unwrap(), told: BufReader::new(reader) }
    }

    /// Returns what is told up to the line that says that it watches.
    fn round(&mut self, sandbox: &Sandbox) -> String {
        let mut text = String::new();
        while !text.ends_with("watching; Ctrl-C ends it\n") {
            assert_ne!(self.told.read_line(&mut text).unwrap(), 0, "it ended: {text}");
        }
        sandbox.plain(text.as_bytes())
    }

    fn line(&mut self) -> Value {
        let mut text = String::new();
        self.told.read_line(&mut text).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Sends Ctrl-C, and returns the exit code.
    fn interrupt(mut self) -> Option<i32> {
        Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

fn project(server: &Server) -> Sandbox {
    let sandbox = Sandbox::with(&MANIFEST.replace("URL", &server.url()));
    let seeds: String = (0..9).map(|id| format!("{{\"id\": {id}, \"topic\": \"topic {id}\"}}\n")).collect();
    sandbox.write("seeds.jsonl", &seeds);
    sandbox.write("question.md", "Ask about {{ topic }}.");
    sandbox
}

#[track_caller]
fn check(told: &str, expect: &str) {
    assert!(told == expect, "{told}\nexpected:\n{expect}");
}

#[test]
fn every_change_is_built_and_shown_beside_what_was_there() {
    let server = Server::start();
    let sandbox = project(&server);
    let mut watching = Watching::start(&sandbox, "watch questions --rows 2");
    check(
        &watching.round(&sandbox),
        r"new  seeds      9 rows
new  questions  2 rows
        dropped 7 rows by sample
        2 requests, 14 tokens in, 12 out, cost 0.00038: 0.00019 per row

built 2 nodes; 4 actions run, 1 reused; 0.00 s (build 1)
asked 2 requests, 14 tokens in, 12 out, cost 0.00038

questions: 2 rows

id  topic    question
 4  topic 4  answer 5ba85b0ff842a1fa
 6  topic 6  answer 5baf5b0ff848c0a8
watching; Ctrl-C ends it
",
    );
    sandbox.write("question.md", "Tell of {{ topic }}.");
    check(
        &watching.round(&sandbox),
        r"
── round 2 ──
made  questions  2 rows
        question.md changed: `Ask about {{ topic }}…` → `Tell of {{ topic }}…`
        dropped 7 rows by sample
        2 requests, 14 tokens in, 12 out, cost 0.00038: 0.00019 per row

built 1 node, 1 was fresh; 1 action run, 2 reused; 0.00 s (build 2)
asked 2 requests, 14 tokens in, 12 out, cost 0.00038

questions  ~2 changed
  question: 2 cells changed
~ id=4
  question
  - answer 5ba85b0ff842a1fa
  + answer 4361b22b827cf522
~ id=6
  question
  - answer 5baf5b0ff848c0a8
  + answer 4368b22b828313d0
spent 0.00076 in 2 rounds; watching; Ctrl-C ends it
",
    );
    // What is wrong meanwhile is told, and no reason to end.
    sandbox.write("question.md", "Tell of {{ topik }}.");
    check(
        &watching.round(&sandbox),
        r#"
error[unknown-column]: the prompt `question` reads a column that `questions` does not have here
  --> question.md:1:12
   |
 1 | Tell of {{ topik }}.
   |            ^^^^^ no column `topik`
   |
  ::: datamake.toml:18:24
   |
18 | generate = { prompt = "question", model = "writer", into = "question" }
   |                        -------- filled here
   |
   = note: columns: `id`, `topic`
   = help: did you mean `topic`?
watching; Ctrl-C ends it
"#,
    );
    sandbox.edit("datamake.toml", "[dataset.questions]", "[dataset.questions");
    check(
        &watching.round(&sandbox),
        r"
error[syntax]: unclosed table
  --> datamake.toml:16:19
   |
16 | [dataset.questions
   |                   ^ expected `]`
watching; Ctrl-C ends it
",
    );
    sandbox.write("question.md", "Ask about {{ topic }}.");
    sandbox.edit("datamake.toml", "[dataset.questions", "[dataset.questions]");
    check(
        &watching.round(&sandbox),
        r"
── round 5 ──
reused  questions  2 rows  nothing had to run
        question.md changed: `Tell of {{ topic }}…` → `Ask about {{ topic }}…`
        dropped 7 rows by sample
        2 answers were known and saved 0.00038: 0.00019 per row

built 1 node, 1 was fresh; 0 actions run, 0 reused; 0.00 s (build 3)
2 answers were known and saved 0.00038

questions  ~2 changed
  question: 2 cells changed
~ id=4
  question
  - answer 4361b22b827cf522
  + answer 5ba85b0ff842a1fa
~ id=6
  question
  - answer 4368b22b828313d0
  + answer 5baf5b0ff848c0a8
spent 0.00076 in 5 rounds; watching; Ctrl-C ends it
",
    );
    assert_eq!(server.requests(), 4, "what was answered once is not asked again");
    assert_eq!(watching.interrupt(), Some(130));
}

#[test]
fn programs_get_a_document_for_each_round() {
    let server = Server::start();
    let sandbox = project(&server);
    let mut watching = Watching::start(&sandbox, "watch questions --rows 2 --json");
    let first = watching.line();
    assert_eq!(
        (&first["round"], &first["table"], &first["build"]["asked"]["requests"]),
        (&1.into(), &Value::Null, &2.into())
    );
    sandbox.write("question.md", "Tell of {{ topic }}.");
    let second = watching.line();
    assert_eq!((&second["round"], &second["table"]["rows_changed"]), (&2.into(), &2.into()));
    sandbox.write("question.md", "{{ topik }}");
    assert_eq!(watching.line()["problems"][0]["code"], "unknown-column");
    assert_eq!(watching.interrupt(), Some(130));
}

#[test]
fn a_node_that_there_is_not_is_not_watched() {
    let server = Server::start();
    let sandbox = project(&server);
    let output = sandbox.run("watch question");
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}
