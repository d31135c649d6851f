//! Failures are rows: typed, counted, with what came back; never a value, and never in anybody's way but their own.

mod common;
#[path = "common/server.rs"]
mod server;

use common::{Sandbox, build, failures, record};
use datamake::ask::FailureKind;
use datamake::exec::{Output, State};
use datamake::project::Built;
use serde_json::{Value, json};
use server::{Act, Asked, Play, Server};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const PROJECT: &str = r#"
[dataset.seeds]
files = "seeds.jsonl"
key = "id"

[model.writer]
provider = "openai"
url = "URL"
name = "m"
max_tokens = 64
attempts = 2

[prompt.question]
template = "Ask about {{ topic }}."

[prompt.answer]
template = "Answer: {{ question }}"

[dataset.questions]
from = "seeds"
max_failed = 0
steps = [
  { where = "id <> 9" },
  { generate = { prompt = "question", model = "writer", into = "question" } },
  { where = "id <> 19" },
]

[dataset.answers]
from = "questions"
generate = { prompt = "answer", model = "writer", into = "answer" }
"#;

/// A project, the endpoint that it asks, and whether that is ill.
struct World {
    sandbox: Sandbox,
    server: Server,
    ill: Arc<AtomicBool>,
}

impl World {
    /// The endpoint does `ill` about a row by the last digit of its number, as long as it is ill; none: it answers.
    fn new(rows: usize, project: &str, ill: fn(&Asked, u32) -> Option<Act>) -> World {
        let is_ill = Arc::new(AtomicBool::new(true));
        let shared = is_ill.clone();
        let server = Server::with(move |asked| {
            let digit = asked.text.split("topic ").nth(1).and_then(|rest| rest.split('.').next()?.chars().last());
            let digit = digit.and_then(|digit| digit.to_digit(10));
            let act = digit.filter(|_| shared.load(Ordering::SeqCst)).and_then(|digit| ill(asked, digit));
            Play::from(act.unwrap_or(Act::Answer))
        });
        let sandbox = Sandbox::on_real_disk();
        let line = |id| format!("{{\"id\": {id}, \"topic\": \"topic {id}\"}}\n");
        sandbox.write("seeds.jsonl", (0..rows).map(line).collect::<String>());
        sandbox.write("datamake.toml", project.replace("URL", &server.url()));
        World { sandbox, server, ill: is_ill }
    }

    fn heal(&self) {
        self.ill.store(false, Ordering::SeqCst);
    }

    /// Builds; returns what came of it and how much was asked.
    fn build(&self, retry: &[FailureKind]) -> (Built, u64) {
        let before = self.server.requests();
        let built = self.sandbox.retried(retry);
        (built, self.server.requests() - before)
    }

    fn failures(&self, built: &Built, name: &str) -> Vec<Value> {
        let project = self.sandbox.project().unwrap();
        failures(&project, &record(&project, built, name))
    }

    /// Returns how a node ended: `done`, `fresh`, `skipped`, or the code of what is wrong.
    fn state(&self, built: &Built, name: &str) -> String {
        let project = self.sandbox.project().unwrap();
        let (id, _) = project.one(name).unwrap();
        match &built.run.of(id).unwrap().state {
            State::Failed(problems) => problems.0[0].code.to_string(),
            State::Skipped(_) => "skipped".to_owned(),
            State::Fresh => "fresh".to_owned(),
            _ => "done".to_owned(),
        }
    }

    fn let_fail(&self, rows: u32) {
        self.sandbox.edit("datamake.toml", "max_failed = 0", &format!("max_failed = {rows}"));
    }
}

/// One kind of failure for each of the first digits.
fn every_kind(_: &Asked, digit: u32) -> Option<Act> {
    Some(match digit {
        0 => Act::Say("half of an ans".to_owned(), "length"),
        1 => Act::Refuse,
        2 => Act::Say(String::new(), "content_filter"),
        3 => Act::say("  \n"),
        4 => Act::error(400, "this one is too long"),
        5 => Act::error(500, "try later"),
        _ => return None,
    })
}

const KINDS: [&str; 6] = ["cut-off", "refusal", "content-filter", "empty", "rejected", "transport"];

#[test]
fn every_failure_is_a_row_of_its_kind_and_none_is_a_value() {
    let world = World::new(20, PROJECT, every_kind);
    world.let_fail(12);
    let (built, _) = world.build(&[]);
    assert_eq!(world.state(&built, "answers"), "done");
    let failed = world.failures(&built, "questions");
    let expect: Vec<(u64, &str)> = (0..20).filter(|id| id % 10 < 6).map(|id| (id, KINDS[(id % 10) as usize])).collect();
    let found: Vec<(u64, &str)> =
        failed.iter().map(|row| (row["id"].as_u64().unwrap(), row["failure"]["kind"].as_str().unwrap())).collect();
    assert_eq!(found, expect);
    for row in &failed {
        let failure = &row["failure"];
        assert!(!failure["detail"].as_str().unwrap().is_empty(), "{row}");
        assert_eq!(failure["request"].as_str().map(str::len), Some(64), "{row}");
        let (attempts, reply) = match failure["kind"].as_str().unwrap() {
            "cut-off" => (1, json!("half of an ans")),
            "refusal" => (1, json!("I will not")),
            "content-filter" => (1, json!("")),
            "empty" => (1, json!("  \n")),
            "rejected" => (1, Value::Null),
            _ => (2, Value::Null),
        };
        assert_eq!((&failure["attempts"], &failure["reply"]), (&json!(attempts), &reply), "{row}");
        assert_eq!(failure["input_tokens"].is_null(), reply.is_null(), "what was paid for is known: {row}");
    }
    let rows = world.sandbox.rows("answers");
    assert_eq!(rows.iter().map(|row| row["id"].as_u64().unwrap()).collect::<Vec<_>>(), [6, 7, 8, 16, 17, 18]);
    for row in rows {
        let question = server::answer_to(&format!("Ask about topic {}.", row["id"]));
        assert_eq!(row["question"], question);
        assert_eq!(row["answer"], server::answer_to(&format!("Answer: {question}")));
    }
}

#[test]
fn rows_in_are_rows_out_and_dropped_and_failed() {
    let world = World::new(20, PROJECT, every_kind);
    world.let_fail(12);
    let (built, _) = world.build(&[]);
    let project = world.sandbox.project().unwrap();
    let record = record(&project, &built, "questions");
    let Output::Table { rows, made, repeated, .. } = record.output else { panic!("a dataset is a table") };
    let sum = |lost: &[datamake::exec::LostRows]| lost.iter().map(|lost| lost.rows()).sum::<u64>();
    assert_eq!((made, repeated, rows), (20, 0, 6));
    assert_eq!((sum(&record.dropped), sum(&record.failed)), (2, 12));
}

#[test]
fn more_failed_rows_than_may_keep_a_dataset_back_and_skip_what_is_made_of_it() {
    let world = World::new(20, PROJECT, every_kind);
    let (built, asked) = world.build(&[]);
    assert_eq!(world.state(&built, "questions"), "failed-rows");
    assert_eq!(world.state(&built, "answers"), "skipped");
    // Rows that went ahead were asked about the second prompt too: they are paid for, and known.
    assert_eq!(asked, 19 + 2 + 6);
    assert!(world.sandbox.project().unwrap().table("questions").is_err(), "it is not published");
    assert_eq!(world.failures(&built, "questions").len(), 12, "but its rows can be looked at");
    world.let_fail(11);
    let (built, asked) = world.build(&[]);
    // What was never recorded is asked again, twice for each that gets no answer.
    assert_eq!((world.state(&built, "questions"), asked), ("failed-rows".to_owned(), 2 + 4));
    world.sandbox.edit("datamake.toml", "max_failed = 11", "max_failed = 0.7");
    let (built, asked) = world.build(&[]);
    assert_eq!((world.state(&built, "answers"), asked), ("done".to_owned(), 2 + 4));
}

#[test]
fn a_share_of_failed_rows_is_one_of_the_rows_that_came_to_the_step() {
    // Four of twenty rows fail, and four of those that have a value stay.
    let project = PROJECT.replace("id <> 9", "id < 20").replace("id <> 19", "id < 6");
    let world = World::new(60, &project, |_, digit| (digit == 1 || digit == 2).then_some(Act::Refuse));
    let share = |old: &str, new: &str| world.sandbox.edit("datamake.toml", old, new);
    share("max_failed = 0", "max_failed = \"19.9%\"");
    let (built, _) = world.build(&[]);
    assert_eq!(world.state(&built, "questions"), "failed-rows");
    let (id, _) = world.sandbox.project().unwrap().one("questions").unwrap();
    let State::Failed(problems) = &built.run.of(id).unwrap().state else { panic!("it failed") };
    let text = format!("{problems:?}");
    assert!(text.contains("at step 2 it is 4 of 20 rows, 20 %"), "{text}");
    share("19.9%", "20%");
    let (built, asked) = world.build(&[]);
    assert_eq!((world.state(&built, "questions"), asked), ("done".to_owned(), 0));
    assert_eq!(world.sandbox.rows("questions").len(), 4);
}

#[test]
fn what_was_recorded_stands_and_what_was_not_is_asked_again() {
    let world = World::new(20, PROJECT, every_kind);
    world.let_fail(12);
    world.build(&[]);
    world.heal();
    let (built, asked) = world.build(&[]);
    let kinds: Vec<Value> =
        world.failures(&built, "questions").iter().map(|row| row["failure"]["kind"].clone()).collect();
    assert_eq!(kinds.len(), 8, "{kinds:?}");
    assert!(!kinds.iter().any(|kind| kind == "rejected" || kind == "transport"), "{kinds:?}");
    assert_eq!(asked, 4 + 4, "four questions, and their answers");
    let (_, asked) = world.build(&[]);
    assert_eq!(asked, 0);
}

#[test]
fn a_retry_asks_for_the_rows_of_its_kind_and_their_new_answers_count() {
    let world = World::new(20, PROJECT, every_kind);
    world.let_fail(12);
    world.build(&[]);
    world.heal();
    world.build(&[]);
    for (kind, left) in [(FailureKind::Refusal, 6), (FailureKind::CutOff, 4), (FailureKind::Empty, 2)] {
        let (built, asked) = world.build(&[kind]);
        assert_eq!(asked, 2 + 2, "{kind}: two questions, and their answers");
        let failed = world.failures(&built, "questions");
        assert_eq!(failed.len(), left);
        assert!(failed.iter().all(|row| row["failure"]["kind"] != kind.word()));
        let (built, asked) = world.build(&[]);
        assert_eq!((asked, world.state(&built, "questions")), (0, "fresh".to_owned()));
        assert_eq!(world.build(&[kind]).1, 0, "nothing of the kind is left");
    }
    assert_eq!(world.sandbox.rows("answers").len(), 16);
}

#[test]
fn a_retry_that_fails_again_asks_once_in_each_build() {
    let world = World::new(20, PROJECT, every_kind);
    world.let_fail(12);
    world.build(&[]);
    for _ in 0..2 {
        let (built, asked) = world.build(&[FailureKind::Refusal]);
        // Two refusals; and two rejected and two without an answer, twice each, as in every build.
        assert_eq!(asked, 2 + 2 + 4);
        assert_eq!(world.failures(&built, "questions").len(), 12);
    }
    world.heal();
    world.build(&[]);
    assert_eq!(world.build(&[FailureKind::Refusal, FailureKind::CutOff]).1, 4 + 4);
}

const FORMED: &str = r#"
[dataset.seeds]
files = "seeds.jsonl"
key = "id"

[model.writer]
provider = "openai"
url = "URL"
name = "m"
attempts = 2

[prompt.facts]
template = "Facts about topic {{ id }}."
reply = { fields = { name = "string", size = "int" }, retries = 1 }

[dataset.facts]
from = "seeds"
max_failed = 0
generate = { prompt = "facts", model = "writer" }
"#;

/// Replies with the wrong form: to the first message only, or to the complaint as well.
fn wrong_forms(_: &Asked, digit: u32) -> Option<Act> {
    let good = r#"{"name": "it", "size": 3}"#;
    Some(Act::say(match digit {
        0 => good.to_owned(),
        1 => "It is big.".to_owned(),
        2 => r#"{"name": "it", "size": "three"}"#.to_owned(),
        3 => format!("Here you are:\n```json\n{good}\n```"),
        4 => r#"{"name": "it", "size": 3, "size": 4}"#.to_owned(),
        5 => r#"{"name": "it", "size": 3"#.to_owned(),
        _ => good.to_owned(),
    }))
}

#[test]
fn a_reply_of_the_wrong_form_is_sent_back_with_what_is_wrong_and_counted() {
    // Whoever reads a complaint does it right.
    let world = World::new(10, FORMED, wrong_forms);
    let server = Server::with(|asked: &Asked| {
        let digit = asked.text.split("topic ").nth(1).and_then(|rest| rest.chars().next()?.to_digit(10));
        match digit {
            Some(digit) => wrong_forms(asked, digit).unwrap().into(),
            None => Act::say(r#"{"name": "mended", "size": 0}"#).into(),
        }
    });
    world.sandbox.edit("datamake.toml", &world.server.url(), &server.url());
    let (built, _) = world.build(&[]);
    assert_eq!(world.state(&built, "facts"), "done");
    let rows = world.sandbox.rows("facts");
    let mended: Vec<u64> =
        rows.iter().filter(|row| row["name"] == "mended").map(|row| row["id"].as_u64().unwrap()).collect();
    assert_eq!(server.requests(), 10 + mended.len() as u64, "each complaint is a request");
    assert!([1, 2, 4, 5].iter().all(|id| mended.contains(id)), "{mended:?}");
    assert!(![0, 6, 7, 8, 9].iter().any(|id| mended.contains(id)), "{mended:?}");
    let complaints: Vec<String> =
        server.log().into_iter().map(|served| served.body).filter(|body| body.contains("not valid")).collect();
    assert_eq!(complaints.len(), mended.len());
    assert!(complaints.iter().all(|body| body.contains("assistant")), "the reply goes with it: {complaints:?}");
    let before = server.requests();
    world.build(&[]);
    assert_eq!(server.requests(), before, "what was sent back is remembered as well");
}

#[test]
fn a_reply_that_stays_wrong_is_a_row_that_failed() {
    let world = World::new(10, FORMED, wrong_forms);
    // Whoever reads a complaint says the same again.
    let server = Server::with(|asked: &Asked| {
        let digit = asked.body.split("topic ").nth(1).and_then(|rest| rest.chars().next()?.to_digit(10));
        wrong_forms(asked, digit.unwrap()).unwrap().into()
    });
    world.sandbox.edit("datamake.toml", &world.server.url(), &server.url());
    world.let_fail(9);
    let (built, _) = world.build(&[]);
    assert_eq!(world.state(&built, "facts"), "done");
    let failed = world.failures(&built, "facts");
    for row in &failed {
        assert_eq!(row["failure"]["attempts"], 2, "{row}");
        assert!(row["failure"]["reply"].is_string(), "{row}");
    }
    let kind = |id: u64| failed.iter().find(|row| row["id"] == id).map(|row| row["failure"]["kind"].clone());
    assert_eq!(kind(1), Some(json!("invalid-json")));
    assert_eq!(kind(2), Some(json!("invalid-schema")));
    assert!(kind(4).is_some(), "of two values for one name, neither is taken");
    assert_eq!(kind(5), Some(json!("invalid-json")));
    assert_eq!(kind(0), None);
    assert_eq!(world.sandbox.rows("facts").len() + failed.len(), 10);
    // After a retry of the kind, the whole dialogue may go otherwise.
    let before = server.requests();
    world.build(&[FailureKind::InvalidSchema]);
    assert!(server.requests() > before);
}

#[test]
fn a_judge_that_fails_fails_the_row_and_not_the_other_judges() {
    let project = PROJECT.replace(
        "generate = { prompt = \"answer\", model = \"writer\", into = \"answer\" }",
        "max_failed = 18\njudge = { prompt = \"answer\", model = [\"writer\", \"second\"], scale = { bad = 0, good = 1 }, into = \"score\" }",
    ) + "\n[model.second]\nprovider = \"openai\"\nurl = \"URL\"\nname = \"second\"\n";
    let server = Server::with(|asked| match () {
        () if !asked.body.contains("\"level\"") => Act::Answer.into(),
        () if asked.body.contains("\"second\"") && asked.hash().is_multiple_of(4) => Act::Refuse.into(),
        () => Act::say(r#"{"reason": "so", "level": "good"}"#).into(),
    });
    let world = World::new(20, &project, |_, _| None);
    world.sandbox.edit("datamake.toml", &world.server.url(), &server.url());
    let (built, _) = world.build(&[]);
    let failed = world.failures(&built, "answers");
    assert!(!failed.is_empty(), "some were refused");
    assert_eq!(failed.len() + world.sandbox.rows("answers").len(), 18);
    assert!(failed.iter().all(|row| row["failure"]["kind"] == "refusal"));
    assert_eq!(server.requests(), 19 + 2 * 18);
}

#[test]
fn without_any_endpoint_recorded_failures_are_the_same_rows() {
    let world = World::new(20, PROJECT, |asked, digit| if digit < 4 { every_kind(asked, digit) } else { None });
    world.let_fail(12);
    let (built, _) = world.build(&[]);
    let before = world.failures(&built, "questions");
    let mut exported = Vec::new();
    let project = world.sandbox.project().unwrap();
    project.export_responses(datamake::project::Which::All, &mut exported).unwrap();
    let other = Sandbox::on_real_disk();
    common::copy(world.sandbox.path(), other.path());
    std::fs::remove_dir_all(other.file("store")).unwrap();
    other.edit(
        "datamake.toml",
        &format!("provider = \"openai\"\nurl = \"{}\"", world.server.url()),
        "provider = \"replay\"",
    );
    let project = other.project().unwrap();
    project.import_responses("responses.jsonl", &mut &exported[..]).unwrap();
    let built = build(&project, &[], None).unwrap();
    common::fine(&built);
    let after = failures(&project, &record(&project, &built, "questions"));
    assert_eq!(before, after);
}
