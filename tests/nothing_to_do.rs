//! A build with nothing to do is remembered as a whole: whatever it looked at, another answer is noticed.
#![cfg(unix)]

mod common;

use common::Sandbox;
use std::process::Command;
use std::time::Duration;

const PROJECT: &str = r#"
[project]
include = ["parts/*.toml"]

[params]
least = 2

[profile.small]
params.least = 3

[dataset.rows]
files = ["data/*.jsonl", "data/**/[b]*.jsonl"]

[dataset.kept]
from = "rows"
steps = [
  { where = "n >= ${params.least}" },
  { render = { prompt = "shown", into = "shown" } },
]

[prompt.shown]
file = "prompts/shown.md"

[export.kept]
from = "kept"
to = "out/kept.jsonl"
"#;

fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("datamake.toml", PROJECT);
    sandbox.write("parts/more.toml", "[metric.mean]\non = [\"kept\"]\nvalue = \"avg(n)\"\n");
    sandbox.write("prompts/shown.md", "{% include [\"prompts/own.md\", \"prompts/number.md\"] %}!");
    sandbox.write("prompts/number.md", "{{ n }}");
    sandbox.write("elsewhere/a.txt", "");
    sandbox.write("data/deep/er/b0.jsonl", "{\"n\": 8}\n");
    std::os::unix::fs::symlink("../elsewhere", sandbox.file("data/link")).expect("links can be made");
    sandbox.write("data/a.jsonl", (0..9).map(|n| format!("{{\"n\": {n}}}\n")).collect::<String>());
    sandbox
}

fn build(sandbox: &Sandbox, words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_datamake"))
        .arg("build")
        .args(words)
        .current_dir(sandbox.path())
        .env_remove("DATAMAKE_STORE")
        .output()
        .expect("the program starts");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn settle() {
    // Longer than a file has to be left alone to be known by its times.
    std::thread::sleep(Duration::from_millis(80));
}

const NOTHING: &str = "nothing to do: 4 nodes are fresh\n";

/// Builds until a build is remembered that had nothing to do.
fn at_rest() -> Sandbox {
    let sandbox = project();
    build(&sandbox, &[]);
    settle();
    assert_eq!(build(&sandbox, &[]), NOTHING);
    assert!(sandbox.file(".datamake/fresh").is_file());
    assert_eq!(build(&sandbox, &[]), NOTHING);
    sandbox
}

#[test]
fn nothing_is_read_when_nothing_changed() {
    let sandbox = at_rest();
    // Were the manifest read, its nodes would be counted.
    let path = sandbox.file(".datamake/fresh");
    let mut remembered = std::fs::read(&path).expect("it is there");
    let at = |remembered: &[u8], text: &str| {
        remembered.windows(text.len()).position(|part| part == text.as_bytes()).unwrap_or_else(|| panic!("no {text}"))
    };
    assert!(at(&remembered, "prompts/number.md") > 0 && at(&remembered, "data/*.jsonl") > 0);
    let (digit, end) = (at(&remembered, "\"nodes\":4") + 8, remembered.len() - 32);
    remembered[digit] = b'7';
    std::fs::write(&path, &remembered).expect("it can be written");
    assert_eq!(build(&sandbox, &[]), NOTHING, "it is damaged");
    remembered.truncate(end);
    remembered.extend_from_slice(datamake::hash::Hash::of(&remembered).as_bytes());
    std::fs::write(&path, &remembered).expect("it can be written");
    assert_eq!(build(&sandbox, &[]), "nothing to do: 7 nodes are fresh\n");
    assert_eq!(build(&sandbox, &["--json"]).matches("\"fresh\"").count(), 4);
}

/// Changes something that a build looks at.
type Edit = fn(&Sandbox);

#[test]
fn whatever_a_build_looked_at_another_answer_is_noticed() {
    let edits: [(&str, Edit); 15] = [
        ("a changed row", |s| s.edit("data/a.jsonl", "{\"n\": 7}", "{\"n\": 6}")),
        ("a new file", |s| s.write("data/b.jsonl", "{\"n\": 11}\n")),
        ("a new file in a folder of a folder", |s| s.write("data/deep/er/b.jsonl", "{\"n\": 11}\n")),
        ("a new file behind a link", |s| s.write("elsewhere/b.jsonl", "{\"n\": 11}\n")),
        ("a file that takes the place of a folder", |s| {
            std::fs::remove_dir_all(s.file("data/deep")).expect("it is there");
            s.write("data/deep", "");
            s.write("data/deep.jsonl", "{\"n\": 11}\n");
        }),
        ("a prompt", |s| s.edit("prompts/shown.md", "!", "?")),
        ("an included prompt", |s| s.edit("prompts/number.md", "n", "n + 1")),
        ("a prompt that was looked for and not there", |s| s.write("prompts/own.md", "my {{ n }}")),
        ("the manifest", |s| s.edit("datamake.toml", "least = 2", "least = 4")),
        ("an included file", |s| s.edit("parts/more.toml", "avg", "max")),
        ("one more included file", |s| s.write("parts/x.toml", "[metric.n]\non = [\"kept\"]\nvalue = \"count(*)\"\n")),
        ("an export gone", |s| s.remove("out/kept.jsonl")),
        ("an export edited", |s| s.write("out/kept.jsonl", "")),
        ("the store gone", |s| std::fs::remove_dir_all(s.file(".datamake/store")).expect("it is there")),
        ("a file gone", |s| s.remove("data/a.jsonl")),
    ];
    for (what, edit) in edits {
        let sandbox = at_rest();
        edit(&sandbox);
        let told = build(&sandbox, &[]);
        assert!(told.contains("built") || told.contains("matches no file"), "{what}: {told}");
    }
}

#[test]
fn a_lock_file_that_was_changed_by_hand_is_written_again() {
    let sandbox = at_rest();
    let lock = std::fs::read_to_string(sandbox.file("datamake.lock")).expect("it is there");
    sandbox.write("datamake.lock", "");
    build(&sandbox, &[]);
    assert_eq!(std::fs::read_to_string(sandbox.file("datamake.lock")).expect("it is there"), lock);
}

#[test]
fn other_arguments_ask_for_another_build() {
    let sandbox = at_rest();
    assert!(build(&sandbox, &["--profile", "small"]).contains("built"));
    assert!(build(&sandbox, &["--set", "params.least=5"]).contains("built"));
    assert_eq!(build(&sandbox, &["rows"]), "nothing to do: 1 node is fresh\n");
    assert_eq!(build(&sandbox, &["rows"]), "nothing to do: 1 node is fresh\n");
    assert_eq!(build(&sandbox, &["-q"]), "");
}

#[test]
fn files_that_were_too_young_to_be_known_by_their_times_are_known_the_next_time() {
    let sandbox = project();
    build(&sandbox, &[]);
    settle();
    // The build that writes down what it saw sees a file of the next moment.
    let soon = std::time::SystemTime::now() + Duration::from_secs(4);
    let file = std::fs::File::options().append(true).open(sandbox.file("data/a.jsonl")).expect("it is there");
    file.set_modified(soon).expect("it is ours");
    assert_eq!(build(&sandbox, &[]), NOTHING);
    let first = std::fs::read(sandbox.file(".datamake/fresh")).expect("it is there");
    std::thread::sleep(Duration::from_millis(4200));
    assert_eq!(build(&sandbox, &[]), NOTHING);
    let second = std::fs::read(sandbox.file(".datamake/fresh")).expect("it is there");
    assert!(second.len() > first.len(), "times are in it now");
    assert_eq!(build(&sandbox, &[]), NOTHING);
    assert_eq!(std::fs::read(sandbox.file(".datamake/fresh")).expect("it is there"), second);
}
