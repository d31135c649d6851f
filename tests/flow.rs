//! Rows do not wait for each other: not within a step, not for a group, not for another dataset. Without a clock: the endpoint holds
//! an answer back until it was asked for what must not wait for it.

mod common;
#[path = "common/server.rs"]
mod server;

use common::Sandbox;
use server::{Act, Asked, Play, Server};
use std::time::Duration;

const ROWS: u64 = 40;

/// A project with seeds, and two models at one endpoint.
fn project(server: &Server, limit: u64, rest: &str) -> Sandbox {
    let sandbox = Sandbox::on_real_disk();
    sandbox.write("seeds.jsonl", (0..ROWS).map(|id| format!("{{\"id\": {id}}}\n")).collect::<String>());
    let model = |name: &str| {
        format!(
            "[model.{name}]\nprovider = \"openai\"\nurl = \"{}\"\nname = \"{name}\"\ntimeout = 20\nattempts = 1\nlimits = {{ concurrency = {limit} }}\n",
            server.url()
        )
    };
    let prompts = "[prompt.ask]\ntemplate = \"Ask about topic {{ id }}.\"\n[prompt.answer]\ntemplate = \"Answer {{ id }}: {{ question }}\"\n";
    let seeds = "[dataset.seeds]\nfiles = \"seeds.jsonl\"\nkey = \"id\"\n";
    sandbox.write("datamake.toml", format!("{}{}{prompts}{seeds}{rest}", model("m"), model("other")));
    sandbox
}

/// Holds the first question of row 7 back until all other rows were asked both.
fn one_slow_row(asked: &Asked) -> Play {
    match asked.text {
        "Ask about topic 7." => Act::AfterRequests(2 * ROWS - 1).into(),
        _ => Act::Answer.into(),
    }
}

#[test]
fn the_second_prompt_of_a_row_does_not_wait_for_the_first_of_another() {
    let server = Server::with(one_slow_row);
    let rest = r#"
[dataset.both]
from = "seeds"
steps = [
  { generate = { prompt = "ask", model = "m", into = "question" } },
  { generate = { prompt = "answer", model = "m", into = "answer" } },
]
"#;
    let sandbox = project(&server, 64, rest);
    sandbox.built();
    assert_eq!((server.requests(), sandbox.rows("both").len() as u64), (2 * ROWS, ROWS));
}

#[test]
fn a_row_goes_on_into_the_next_dataset_before_the_first_is_made() {
    let server = Server::with(one_slow_row);
    let rest = r#"
[dataset.questions]
from = "seeds"
generate = { prompt = "ask", model = "m", into = "question" }

[dataset.long]
from = "questions"
where = "length(question) > 3"

[dataset.answers]
from = "long"
generate = { prompt = "answer", model = "other", into = "answer" }
"#;
    let sandbox = project(&server, 64, rest);
    sandbox.built();
    assert_eq!((server.requests(), sandbox.rows("answers").len() as u64), (2 * ROWS, ROWS));
}

#[test]
fn a_slow_dataset_does_not_keep_another_waiting() {
    // The first is answered when the second was asked for all its rows.
    let server = Server::with(|asked| match asked.body.contains("\"other\"") {
        false if asked.text.ends_with("topic 0.") => Act::AfterRequests(2 * ROWS).into(),
        _ => Act::Answer.into(),
    });
    let rest = r#"
[dataset.slow]
from = "seeds"
generate = { prompt = "ask", model = "m", into = "question" }

[dataset.quick]
from = "seeds"
generate = { prompt = "ask", model = "other", into = "question" }
"#;
    let sandbox = project(&server, 64, rest);
    sandbox.built();
    assert_eq!(server.requests(), 2 * ROWS);
}

#[test]
fn two_datasets_that_ask_one_model_take_turns() {
    let server = Server::start();
    let rest = r#"
[dataset.one]
from = "seeds"
generate = { prompt = "ask", model = "m", into = "question" }

[prompt.two]
template = "Two: {{ id }}"

[dataset.two]
from = "seeds"
generate = { prompt = "two", model = "m", into = "question" }
"#;
    let sandbox = project(&server, 2, rest);
    sandbox.built();
    let log = server.log();
    let of_two = |part: &[server::Served]| part.iter().filter(|served| served.body.contains("Two: ")).count();
    // The very first are sent before the other dataset's rows are there.
    let (first, last) = log.split_at(log.len() / 2);
    for half in [first, last] {
        assert!(of_two(half) >= half.len() / 4, "{} of {}", of_two(half), half.len());
        assert!(of_two(half) <= half.len() * 3 / 4, "{} of {}", of_two(half), half.len());
    }
}

#[test]
fn a_judge_that_is_of_no_use_leaves_no_row_waiting_and_no_answer_of_the_other_unrecorded() {
    let useless = Server::with(|_| Act::error(401, "no such key").into());
    let useful = Server::with(|asked| {
        let reply = r#"{"reason": "so", "level": "good"}"#;
        let act = if asked.body.contains("response_format") { Act::say(reply) } else { Act::Answer };
        Play { latency: Duration::from_millis(20), ..act.into() }
    });
    let sandbox = Sandbox::on_real_disk();
    sandbox.write("seeds.jsonl", (0..40).map(|id| format!("{{\"id\": {id}}}\n")).collect::<String>());
    let model = |name: &str, server: &Server| {
        format!(
            "[model.{name}]\nprovider = \"openai\"\nurl = \"{}\"\nname = \"{name}\"\nmax_tokens = 64\n",
            server.url()
        )
    };
    sandbox.write(
        "datamake.toml",
        model("writer", &useful)
            + &model("one", &useless)
            + &model("two", &useful)
            + r#"
[prompt.write]
template = "Write about {{ id }}"

[prompt.grade]
template = "Grade {{ text }}"

[dataset.judged]
files = "seeds.jsonl"
key = "id"
steps = [
  { generate = { prompt = "write", model = "writer", into = "text" } },
  { judge = { prompt = "grade", model = ["one", "two"], scale = { poor = 1, good = 2 }, into = "score" } },
]
"#,
    );
    // Row groups of four: most rows come to the judges after one of them is known to be of no use.
    let built = sandbox.build().expect("the manifest is right");
    assert!(matches!(built.run.nodes.last().map(|node| &node.state), Some(datamake::exec::State::Failed(_))));
    assert_eq!(useful.requests(), 80, "the other judge was asked about every row");
    sandbox.build().expect("the manifest is right");
    assert_eq!(useful.requests(), 80, "and all of its answers are recorded");
}
