//! Responses that travel: what was answered here stays the answer, and what is missing in a file is said.

mod common;
#[path = "common/server.rs"]
mod server;

use common::Sandbox;
use datamake::ask::Finish;
use datamake::project::{Project, Travelled};

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
