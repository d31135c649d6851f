//! An API key is sent, and found in nothing that a command writes or prints: not in the store, the state folder, the lock file,
//! exports, reports, or what is said of failures. The endpoint hands it back wherever it can.

mod common;
#[path = "common/server.rs"]
mod server;

use common::Sandbox;
use datamake::hash::Hash;
use datamake::store::{RealDisk, Store};
use server::{Act, Server};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

const CANARY: &str = "canary-5f2c9e77d01b4a68";

fn project(server: &Server) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("user/config.toml", format!("[keys]\nCANARY_KEY = [\"{}\"]\n", server.authority()));
    sandbox.write("project/seeds.jsonl", (0..8).map(|id| format!("{{\"id\": {id}}}\n")).collect::<String>());
    sandbox.write(
        "project/datamake.toml",
        format!(
            r#"
[model.writer]
provider = "openai"
url = "{}"
name = "m"
key = "CANARY_KEY"
attempts = 2
max_tokens = 64

[prompt.ask]
template = "Row {{{{ id }}}}"

[prompt.form]
template = "Form {{{{ id }}}}"
reply = {{ fields = {{ answer = "string" }}, retries = 1 }}

[dataset.answers]
files = "seeds.jsonl"
key = "id"
max_failed = 8
steps = [
  {{ generate = {{ prompt = "ask", model = "writer", into = "answer" }} }},
  {{ generate = {{ prompt = "form", model = "writer", into = "form" }} }},
]

[dataset.refused]
files = "seeds.jsonl"
key = "id"
generate = {{ prompt = "form", model = "writer", into = "form" }}

[dataset.seen]
files = "seeds.jsonl"
run = {{ command = ["sh", "-c", "env > environment; env >&2; env | sed 's/.*/{{\"n\": \"&\"}}/'"], per = "group", columns = {{ n = "string" }} }}

[export.answers]
from = "answers"
to = "out/answers.jsonl"
"#,
            server.url()
        ),
    );
    sandbox
}

fn run(sandbox: &Sandbox, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_datamake"))
        .args(words)
        .current_dir(sandbox.file("project"))
        .env("CANARY_KEY", CANARY)
        .env("DATAMAKE_CONFIG", sandbox.file("user/config.toml"))
        .env("DATAMAKE_STORE", sandbox.file("store"))
        .output()
        .expect("the command runs")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in
        std::fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("it can be listed").path())
    {
        if entry.is_dir() { files(&entry, found) } else { found.push(entry) }
    }
}

fn assert_absent(what: &str, bytes: &[u8]) {
    let found = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
    assert!(!found, "the key is in {what}: {}", String::from_utf8_lossy(bytes));
}

#[test]
fn a_key_is_in_nothing_that_a_command_writes_or_prints() {
    let server = Server::with(|asked| {
        let key = asked.header("authorization").unwrap_or("nothing").to_owned();
        match asked.hash() % 4 {
            0 => Act::say(format!("your key is {key}")).into(),
            1 => Act::say(format!("{{\"answer\": \"{key}\"}}")).into(),
            2 => Act::error(400, &format!("bad request by {key}")).into(),
            _ => Act::Status(500, format!("<html>{key}</html>"), vec![("x-key", key)]).into(),
        }
    });
    let sandbox = project(&server);
    let commands: &[&[&str]] = &[
        &["plan"],
        &["build"],
        &["build", "--json", "-v"],
        &["show", "answers", "--json"],
        &["show", "answers", "--failed", "--wide"],
        &["show", "refused", "--failed", "--json"],
        &["responses", "export", "-"],
        &["show", "seen", "-n", "1000", "--json"],
        &["log", "--json"],
        &["why", "answers"],
        &["verify"],
    ];
    for words in commands {
        let output = run(&sandbox, words);
        assert_absent(&format!("the output of {words:?}"), &output.stdout);
        assert_absent(&format!("the messages of {words:?}"), &output.stderr);
    }
    assert!(server.log().iter().any(|served| served.headers.iter().any(|(_, value)| value.contains(CANARY))));
    let mut written = Vec::new();
    files(sandbox.path(), &mut written);
    assert!(written.iter().any(|file| file.ends_with("out/answers.jsonl")), "the export was written");
    assert!(written.iter().any(|file| file.ends_with("project/environment")), "a program wrote its environment");
    let store = Store::open(Arc::new(RealDisk), &sandbox.file("store")).expect("the store opens");
    for file in &written {
        assert_absent(&file.display().to_string(), &std::fs::read(file).expect("it can be read"));
        let digits: String = file.iter().rev().take(2).map(|part| part.to_string_lossy()).collect::<Vec<_>>().concat();
        let (name, folder) = digits.split_at(digits.len().saturating_sub(2));
        if let Ok(hash) = format!("{folder}{name}").parse::<Hash>() {
            assert_absent("a blob", &store.get(hash).expect("the blob is whole"));
        }
    }
}

#[test]
fn a_key_is_refused_to_a_program() {
    let server = Server::start();
    let sandbox = project(&server);
    // Known from the user's configuration alone: no model of the project has it.
    sandbox.edit("project/datamake.toml", "key = \"CANARY_KEY\"\n", "");
    sandbox.edit("project/datamake.toml", "per = \"group\"", "env = [\"CANARY_KEY\"], per = \"group\"");
    let output = run(&sandbox, &["build"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("the key in `CANARY_KEY` must not go to a program"), "{said}");
    assert!(!sandbox.file("project/environment").exists(), "nothing was started");
}

#[test]
fn a_key_is_refused_to_a_host_that_the_user_did_not_name_before_anything_is_sent() {
    let server = Server::start();
    let sandbox = project(&server);
    sandbox.write("user/config.toml", "[keys]\nCANARY_KEY = [\"llm.example.org\"]\n");
    let output = run(&sandbox, &["build"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("CANARY_KEY") && said.contains("[keys]") && said.contains("config.toml"), "{said}");
    assert_absent("the messages", &output.stderr);
    assert_eq!(server.requests(), 0);
}

#[test]
fn a_program_is_given_no_key_even_if_the_users_configuration_is_broken() {
    let server = Server::start();
    let sandbox = project(&server);
    let script = r#"env > seen; echo '{\"i\": 1}'"#;
    sandbox.write(
        "project/datamake.toml",
        format!("[dataset.d]\nrun = {{ command = [\"sh\", \"-c\", \"{script}\"], env = [\"CANARY_KEY\"], columns = {{ i = \"int\" }} }}\n"),
    );
    let config = std::fs::read_to_string(sandbox.file("user/config.toml")).expect("it was written");
    let cases = [
        (config.as_str(), "must not go to a program"),
        ("[keys\nCANARY_KEY = 1", "config.toml` cannot be used"),
        ("keys = 1", "config.toml` cannot be used"),
    ];
    for (config, words) in cases {
        sandbox.write("user/config.toml", config);
        let output = run(&sandbox, &["build"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(words), "{said}");
        assert!(!sandbox.file("project/seen").exists(), "it is not started");
    }
}
