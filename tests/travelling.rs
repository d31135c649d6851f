//! Responses that travel: what was answered here stays the answer, and what is missing in a file is said.

mod common;
#[path = "common/server.rs"]
mod server;

use common::{Sandbox, build};
use datamake::ask::Finish;
use datamake::project::{Project, Travelled, Which};
use server::{Act, Server};

const REQUEST: &str = r#"{"task":"chat","model":"m","params":{},"schema":null,"messages":[],"sample":0}"#;

/// A response as a line: what it says, under which limit, with how many tokens, and whether that cut it off.
fn line(text: &str, limit: u64, tokens: u64) -> String {
    let finish = if tokens < limit { "stop" } else { "length" };
    format!(
        r#"{{"request":{REQUEST},"response":{{"text":"{text}","finish":"{finish}","max_tokens":{limit},"usage":{{"input":1,"output":{tokens}}}}}}}"#
    ) + "\n"
}

fn import(project: &Project, lines: &str) -> (u64, u64) {
    let Travelled { responses, known } = project.import_responses("in.jsonl", &mut lines.as_bytes()).unwrap();
    (responses, known)
}

/// Returns what a request with this limit is answered.
fn answer(project: &Project, limit: u32) -> Option<String> {
    let key = datamake::hash::Hash::of(REQUEST.as_bytes()).to_string();
    let kept = project.recorded(&key).unwrap().pop()?;
    kept.responses.into_iter().rev().find(|response| response.fits(Some(limit))).map(|response| response.text)
}

fn here(lines: &str) -> (Sandbox, Project) {
    let sandbox = Sandbox::on_real_disk();
    sandbox.write("datamake.toml", "");
    let project = sandbox.project().unwrap();
    import(&project, lines);
    (sandbox, project)
}

#[test]
fn what_was_answered_here_stays_the_answer() {
    // Whole here, and whole under a larger, a smaller and the same limit there.
    for limit in [400, 64, 50, 100] {
        let (_folder, project) = here(&line("ours", 100, 30));
        assert_eq!(import(&project, &line("theirs", limit, 20)), (0, 1), "{limit}");
        assert_eq!(answer(&project, 100).as_deref(), Some("ours"));
    }
    // Too long for a limit under which there is a shorter one: but that one would count under ours as well.
    let (_folder, project) = here(&line("ours", 100, 60));
    assert_eq!(import(&project, &line("theirs", 50, 40)), (0, 1));
    assert_eq!(answer(&project, 100).as_deref(), Some("ours"));
    // Cut off here: whatever was made under no larger limit is no better.
    let (_folder, project) = here(&line("ours", 100, 100));
    assert_eq!(import(&project, &(line("theirs", 100, 30) + &line("theirs", 50, 50))), (0, 2));
    assert_eq!(answer(&project, 100).as_deref(), Some("ours"));
}

#[test]
fn what_is_not_answered_here_comes_in() {
    let (_folder, project) = here(&line("ours", 100, 100));
    assert_eq!(import(&project, &line("theirs", 200, 150)), (1, 0));
    assert_eq!(answer(&project, 200).as_deref(), Some("theirs"));
    assert_eq!(answer(&project, 100).as_deref(), Some("ours"));
    // Of what one file says of a request the last counts, as where it was asked.
    let (_folder, project) = here("");
    assert_eq!(import(&project, &(line("first", 100, 30) + &line("second", 100, 20))), (2, 0));
    assert_eq!(answer(&project, 100).as_deref(), Some("second"));
    assert_eq!(import(&project, &(line("first", 100, 30) + &line("second", 100, 20))), (0, 2));
    let key = datamake::hash::Hash::of(REQUEST.as_bytes()).to_string();
    assert!(project.recorded(&key).unwrap()[0].responses.iter().all(|response| response.finish == Finish::Stop));
}

/// Two chained prompts, and one that stands alone.
const CHAIN: &str = r#"
[dataset.seeds]
files = "seeds.jsonl"
key = "id"

[model.writer]
provider = "openai"
url = "URL"
name = "m"
max_tokens = 64

[prompt.question]
template = "Ask about {{ id }}."

[prompt.answer]
template = "Answer: {{ question }}"

[dataset.questions]
from = "seeds"
generate = { prompt = "question", model = "writer", into = "question" }

[dataset.answers]
from = "questions"
generate = { prompt = "answer", model = "writer", into = "answer" }
"#;

/// Exports what is behind nodes; returns how many lines there are, and what is said to be missing.
fn used(sandbox: &Sandbox, targets: &[&str]) -> (usize, String) {
    let targets: Vec<String> = targets.iter().map(|name| (*name).to_owned()).collect();
    let mut lines = Vec::new();
    let exported = sandbox.project().unwrap().export_responses(Which::Used(&targets), &mut lines).unwrap();
    let missing =
        exported.missing.map_or(String::new(), |missing| format!("{}\n{}", missing.title, missing.notes.join("\n")));
    let lines = String::from_utf8(lines).unwrap().lines().count();
    assert_eq!(exported.responses as usize, lines);
    (lines, missing)
}

#[test]
fn an_export_of_what_is_used_says_what_is_missing() {
    let server = Server::with(|asked| if asked.text == "Ask about 3." { Act::Refuse } else { Act::Answer }.into());
    let sandbox = Sandbox::on_real_disk();
    let seeds = |rows| (0..rows).map(|id| format!("{{\"id\": {id}}}\n")).collect::<String>();
    sandbox.write("seeds.jsonl", seeds(8));
    sandbox.write("datamake.toml", CHAIN.replace("URL", &server.url()));
    let (lines, missing) = used(&sandbox, &[]);
    assert_eq!(lines, 0);
    assert!(missing.contains("`questions`: 8 requests have no answer yet"), "{missing}");
    assert!(missing.contains("rows of `questions`, `answers` can"), "{missing}");
    // One row fails, so nothing is made from what is not published.
    build(&sandbox.project().unwrap(), &[], None).unwrap();
    assert_eq!(used(&sandbox, &["questions"]), (8, String::new()), "a failed row has a response too");
    let (lines, missing) = used(&sandbox, &["answers"]);
    assert_eq!(lines, 15, "they are known of the rows that go ahead");
    assert!(missing.contains("`answers`: `questions` fails"), "{missing}");
    sandbox.edit("datamake.toml", "[dataset.questions]", "[dataset.questions]\nmax_failed = 1");
    build(&sandbox.project().unwrap(), &[], None).unwrap();
    assert_eq!(used(&sandbox, &[]), (15, String::new()));
    // More rows than were answered.
    sandbox.write("seeds.jsonl", seeds(10));
    let (_, missing) = used(&sandbox, &["questions"]);
    assert!(missing.contains("`questions`: 2 requests have no answer yet"), "{missing}");
}
