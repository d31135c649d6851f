//! Requests in batches, over real HTTP: nothing is lost and nothing is paid for twice, whenever the process ends.

#[path = "common/asking.rs"]
mod asking;
mod common;
#[path = "common/server.rs"]
mod server;

use asking::*;
use common::Sandbox;
use datamake::ask::{FailureKind, Price, Task};
use datamake::fetch::models::{
    Afoot, Asking, Batching, Budget, Cancel, Delivery, Endpoint, Models, Provider, Traffic, Wish, Word, survey,
};
use server::{Act, Plan, Server, answer_to, vector_of};
use std::path::Path;
use std::time::{Duration, Instant};

const PRICE: Price = Price { input: 1.0, output: 2.0 };

/// As in earnest, but faster.
fn fast() -> Batching {
    Batching {
        quiet: Duration::from_millis(40),
        first: Duration::from_millis(20),
        last: Duration::from_millis(50),
        grace: Duration::from_millis(200),
        ..Batching::default()
    }
}

fn batched(server: &Server) -> Endpoint {
    Endpoint { batch: true, price: Some(PRICE), ..endpoint(server.url()) }
}

fn open_with(folder: &Path, endpoint: Endpoint, asking: Asking) -> Models {
    Models::open_in(&nothing(), vec![endpoint], responses(folder), asking).unwrap()
}

fn open_at(folder: &Path, server: &Server) -> Models {
    open_with(folder, batched(server), Asking { batches: fast(), ..Asking::default() })
}

fn ask(models: &Models, texts: std::ops::Range<u64>) {
    let spec = spec(Task::Chat);
    texts.for_each(|text| models.order(order(text, &user(&spec, format!("text {text}")))));
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Returns the names of all notes of batches.
fn notes(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder.join("responses/batches")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Never to end by itself.
fn endless() -> Plan {
    Plan { polls: u32::MAX, ..Plan::default() }
}

#[test]
fn orders_that_come_together_go_out_as_one_batch_and_are_recorded() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let models = open_at(folder.path(), &server);
    assert!(models.gathers());
    ask(&models, 0..100);
    assert_answered(&take(&models, 100));
    assert_eq!(server.batches().iter().map(|batch| batch.requests).collect::<Vec<_>>(), [100]);
    assert_eq!((server.billed(), server.requests()), ((100, 1), 100));
    let Traffic { requests, usage, money, unpriced, .. } = models.traffic(0);
    let account = server.account();
    assert_eq!((requests, unpriced), (100, 0));
    assert_eq!((usage.input, usage.output), (account.input, account.output));
    assert!((money - PRICE.of(usage)).abs() < 1e-9);
    until("the note is removed", || notes(folder.path()).is_empty());
    drop(models);
    let models = open_at(folder.path(), &server);
    ask(&models, 0..101);
    assert_answered(&take(&models, 101));
    assert_eq!(server.batches().iter().map(|batch| batch.requests).collect::<Vec<_>>(), [100, 1]);
}

#[test]
fn the_same_request_is_in_one_batch_once() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let models = open_at(folder.path(), &server);
    let request = user(&spec(Task::Chat), "text");
    (0..10).for_each(|ticket| models.order(order(ticket, &request)));
    assert!(take(&models, 10).values().all(|delivery| response(delivery).text == answer_to("text")));
    assert_eq!(server.requests(), 1);
}

#[test]
fn a_batch_is_closed_when_it_is_full() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let asking = |batches| Asking { batches, ..Asking::default() };
    let models = open_with(folder.path(), batched(&server), asking(Batching { requests: 40, ..fast() }));
    assert_answered(&ask_all(&models, &spec(Task::Chat), 0..100));
    let mut sizes: Vec<usize> = server.batches().iter().map(|batch| batch.requests).collect();
    sizes.sort_unstable();
    assert_eq!((sizes.iter().sum::<usize>(), sizes.last()), (100, Some(&40)));
    drop(models);
    let models = open_with(folder.path(), batched(&server), asking(Batching { bytes: 20_000, ..fast() }));
    assert_answered(&ask_all(&models, &spec(Task::Chat), 100..300));
    let batches = server.batches();
    assert!(batches.len() > sizes.len() + 2 && batches.iter().all(|batch| batch.bytes <= 20_000), "{batches:?}");
}

#[test]
fn chats_completions_and_embeddings_go_out_in_batches_of_their_own() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let models = open_at(folder.path(), &server);
    let tasks = [Task::Chat, Task::Completion, Task::Embedding];
    tasks.iter().enumerate().for_each(|(at, task)| models.order(order(at as u64, &user(&spec(*task), "one text"))));
    let taken = take(&models, 3);
    assert_eq!(response(&taken[&0]).text, answer_to("one text"));
    assert_eq!(response(&taken[&1]).text, answer_to("one text"));
    assert_eq!(response(&taken[&2]).vector, vector_of("one text"));
    let mut endpoints: Vec<String> = server.batches().iter().map(|batch| batch.endpoint.clone()).collect();
    endpoints.sort_unstable();
    assert_eq!(endpoints, ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"]);
}

#[test]
fn a_build_that_died_while_it_waited_finds_its_batch_again() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    server.plan(endless());
    let models = open_at(folder.path(), &server);
    ask(&models, 0..50);
    until("the id is noted", || notes(folder.path()).len() == 2);
    assert_eq!(models.afoot(), Afoot { batches: 1, requests: 50, done: 0 });
    drop(models);
    // Half of what is wanted now is in the batch; the rest of the batch is paid for, and kept as well.
    let models = open_at(folder.path(), &server);
    ask(&models, 25..75);
    until("the rest is sent", || server.batches().len() == 2);
    drop(models);
    assert_eq!(server.batches().iter().map(|batch| batch.requests).collect::<Vec<_>>(), [50, 25]);
    server.relent();
    let models = open_at(folder.path(), &server);
    ask(&models, 25..75);
    let taken = take(&models, 50);
    assert_answered(&taken);
    until("all notes are removed", || notes(folder.path()).is_empty());
    ask(&models, 0..25);
    assert_answered(&take(&models, 25));
    assert_eq!((server.billed(), server.batches().len()), ((75, 1), 2));
}

#[test]
fn a_build_that_died_while_a_batch_was_created_finds_it_by_its_label() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    server.plan(Plan { slow: Duration::from_secs(3600), ..Plan::default() });
    let models = open_at(folder.path(), &server);
    ask(&models, 0..50);
    until("the batch is created", || !server.batches().is_empty());
    drop(models);
    assert_eq!(notes(folder.path()).len(), 1, "nobody knows its id");
    server.plan(Plan::default());
    let models = open_at(folder.path(), &server);
    ask(&models, 0..50);
    assert_answered(&take(&models, 50));
    assert_eq!((server.billed(), server.batches().len()), ((50, 1), 1));
}

#[test]
fn a_creation_that_ended_in_an_error_is_looked_for_before_it_is_tried_again() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    server.plan(Plan { lies: 1, throttles: 1, ..Plan::default() });
    let models = open_at(folder.path(), &server);
    assert_answered(&ask_all(&models, &spec(Task::Chat), 0..20));
    assert_eq!((server.billed(), server.batches().len()), ((20, 1), 1));
}

#[test]
fn a_note_of_a_batch_that_was_never_created_is_forgotten() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    server.plan(Plan { throttles: u32::MAX, ..Plan::default() });
    let models = open_at(folder.path(), &server);
    ask(&models, 0..20);
    until("the note is written", || !notes(folder.path()).is_empty());
    drop(models);
    server.plan(Plan::default());
    let models = open_at(folder.path(), &server);
    assert_answered(&ask_all(&models, &spec(Task::Chat), 0..20));
    assert_eq!((server.billed(), server.batches().len()), ((20, 1), 1));
    until("the notes are removed", || notes(folder.path()).is_empty());
}

#[test]
fn what_an_expired_batch_answered_is_kept_and_only_the_rest_is_sent_again() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    server.plan(Plan { answers: 30, status: "expired", polls: 3, ..Plan::default() });
    let models = open_at(folder.path(), &server);
    ask(&models, 0..50);
    until("the first batch is created", || !server.batches().is_empty());
    server.plan(Plan::default());
    assert_answered(&take(&models, 50));
    assert_eq!(server.batches().iter().map(|batch| batch.requests).collect::<Vec<_>>(), [50, 20]);
    assert_eq!(server.billed(), (50, 1));
}

#[test]
fn a_batch_that_expires_again_and_again_is_given_up_after_the_attempts() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    server.plan(Plan { answers: 0, status: "cancelled", polls: 1, ..Plan::default() });
    let models = open_at(folder.path(), &server);
    for delivery in ask_all(&models, &spec(Task::Chat), 0..5).values() {
        let (kind, why) = failure(delivery);
        assert_eq!(kind, FailureKind::Transport);
        assert!(why.contains("could not be executed in time"), "{why}");
    }
    assert_eq!(server.batches().len(), 4, "as often as the endpoint has attempts");
}

#[test]
fn errors_of_single_requests_are_those_of_plain_http() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with(|asked| match asked.text {
        "text 0" => Act::error(400, "too long").into(),
        "text 1" if asked.before == 0 => Act::throttle(None).into(),
        "text 2" if asked.before == 0 => Act::error(500, "broken").into(),
        "text 3" => Act::Say("cut".to_owned(), "length").into(),
        _ => Act::Answer.into(),
    });
    let models = open_at(folder.path(), &server);
    let mut taken = ask_all(&models, &spec(Task::Chat), 0..10);
    assert_eq!(
        failure(&taken.remove(&0).unwrap()),
        (FailureKind::Rejected, "400 X: too long".replace("X", "Bad Request").as_str())
    );
    assert_eq!(response(&taken.remove(&3).unwrap()).text, "cut");
    assert_eq!(response(&taken[&2]).attempts, 2);
    assert_answered(&taken);
    assert_eq!(server.batches().iter().map(|batch| batch.requests).collect::<Vec<_>>(), [10, 2]);
    assert_eq!(models.traffic(0).retried, 2);
}

#[test]
fn a_batch_that_is_refused_says_why_and_leaves_no_note() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    server.plan(Plan { refusal: Some(("invalid_model", "the model does not exist", 0)), ..Plan::default() });
    let models = open_at(folder.path(), &server);
    for delivery in ask_all(&models, &spec(Task::Chat), 0..5).values() {
        let problem = problem(delivery);
        assert_eq!(problem.code, "model-unusable");
        assert!(format!("{problem:?}").contains("the model does not exist"));
    }
    assert_eq!((server.batches().len(), notes(folder.path()).len()), (1, 0));
}

#[test]
fn a_batch_that_is_too_much_for_the_endpoint_is_made_smaller() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    server.plan(Plan { refusal: Some(("token_limit_exceeded", "too many tokens wait", 30)), ..Plan::default() });
    let models = open_at(folder.path(), &server);
    assert_answered(&ask_all(&models, &spec(Task::Chat), 0..50));
    assert_eq!(server.billed(), (50, 1));
}

#[test]
fn an_endpoint_without_batches_says_so() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let endpoint = Endpoint { url: Some(server.url().replace("/v1", "/v2")), ..batched(&server) };
    let gone = Server::with(|_| Act::error(404, "no such path").into());
    let endpoint = Endpoint { url: Some(gone.url().replace("/v1", "/v2")), ..endpoint };
    let models = open_with(folder.path(), endpoint, Asking { batches: fast(), ..Asking::default() });
    let taken = ask_all(&models, &spec(Task::Chat), 0..5);
    assert!(problem(&taken[&0]).title.contains("does not take requests in batches"));
    assert_eq!((gone.requests(), notes(folder.path()).len()), (1, 0));
    for provider in [Provider::Anthropic, Provider::Replay] {
        let other = Endpoint { provider, ..batched(&server) };
        let opened = Models::open_in(&nothing(), vec![other], responses(folder.path()), Asking::default());
        assert_eq!(codes(opened), ["no-batches"]);
    }
}

#[test]
fn stopping_leaves_a_batch_at_the_endpoint_and_the_next_build_harvests_it() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    server.plan(endless());
    let models = open_at(folder.path(), &server);
    ask(&models, 0..50);
    until("the id is noted", || notes(folder.path()).len() == 2);
    models.stop();
    assert!(take(&models, 50).values().all(|delivery| matches!(delivery, Delivery::Stopped)));
    assert_eq!(models.afoot(), Afoot { batches: 1, requests: 50, done: 0 });
    drop(models);
    assert!(!server.calls().iter().any(|call| call.contains("cancel")));
    server.relent();
    let models = open_at(folder.path(), &server);
    assert_answered(&ask_all(&models, &spec(Task::Chat), 0..50));
    assert_eq!((server.billed(), server.batches().len()), ((50, 1), 1));
    assert_eq!(models.afoot(), Afoot::default());
}

#[test]
fn another_process_waits_for_the_batch_of_the_first_and_takes_it_over_when_that_dies() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    server.plan(endless());
    let first = open_at(folder.path(), &server);
    ask(&first, 0..50);
    until("the id is noted", || notes(folder.path()).len() == 2);
    let second = open_at(folder.path(), &server);
    ask(&second, 0..50);
    assert!(second.deliver_within(Duration::from_millis(300)).is_none());
    assert_eq!(server.batches().len(), 1);
    drop(first);
    server.relent();
    assert_answered(&take(&second, 50));
    assert_eq!((server.billed(), server.batches().len()), ((50, 1), 1));
}

#[test]
fn what_another_process_is_just_taking_up_is_not_sent_a_second_time() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    server.plan(endless());
    let models = open_at(folder.path(), &server);
    ask(&models, 0..50);
    until("the id is noted", || notes(folder.path()).len() == 2);
    drop(models);
    // It has the batch, and none of the requests yet.
    let other = responses(folder.path());
    let name = notes(folder.path()).into_iter().find(|name| !name.ends_with(".id")).unwrap();
    let claim = datamake::hash::Hash::of(format!("batch {}", name.split_once('-').unwrap().1).as_bytes());
    assert_eq!(other.claim(&claim).unwrap(), datamake::store::Claim::Mine);
    let models = open_at(folder.path(), &server);
    ask(&models, 40..60);
    until("what is in no batch is sent", || server.batches().len() == 2);
    assert!(models.deliver_within(Duration::from_millis(300)).is_none());
    assert_eq!(server.batches().iter().map(|batch| batch.requests).collect::<Vec<_>>(), [50, 10]);
    other.release(&claim);
    server.relent();
    assert_answered(&take(&models, 20));
    assert_eq!((server.billed(), server.batches().len()), ((60, 1), 2));
}

#[test]
fn a_budget_is_never_passed_and_as_many_as_fit_go() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let cap = 0.0045;
    let asking = || Asking {
        budget: Budget { money: Some(cap), requests: None },
        ledger: folder.path().join("ledger"),
        batches: fast(),
    };
    let models = open_with(folder.path(), batched(&server), asking());
    let taken = ask_all(&models, &spec(Task::Chat), 0..60);
    let answered = taken.values().filter(|delivery| matches!(delivery, Delivery::Answer(_))).count();
    let over = taken.values().filter(|delivery| matches!(delivery, Delivery::OverBudget(_))).count();
    let paid = |server: &Server| {
        let account = server.account();
        PRICE.of(datamake::ask::Usage { input: account.input, output: account.output })
    };
    assert_eq!(answered + over, 60);
    assert!(server.batches().len() > 1, "what turned out cheaper than its worst made room: {:?}", server.batches());
    assert!(paid(&server) <= cap && answered > 20, "{} for {answered}", paid(&server));
    drop(models);

    // A crash while a batch waits: what it reserved counts, and is not reserved again.
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let asking = || Asking {
        budget: Budget { money: Some(cap), requests: None },
        ledger: folder.path().join("ledger"),
        batches: fast(),
    };
    server.plan(endless());
    let models = open_with(folder.path(), batched(&server), asking());
    ask(&models, 0..60);
    until("the id is noted", || notes(folder.path()).len() == 2);
    let sent = server.batches()[0].requests;
    drop(models);
    server.relent();
    let models = open_with(folder.path(), batched(&server), asking());
    let taken = ask_all(&models, &spec(Task::Chat), 0..60);
    let answered = taken.values().filter(|delivery| matches!(delivery, Delivery::Answer(_))).count();
    assert!(answered >= sent && answered < 60, "{answered} of {sent}");
    assert!(paid(&server) <= cap && models.spending().money <= cap);
    assert_eq!(server.billed().1, 1);
}

#[test]
fn a_larger_limit_of_tokens_is_not_served_by_a_batch_with_a_smaller_one() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with(|asked| match asked.max_tokens {
        Some(100) => Act::Say("cut".to_owned(), "length").into(),
        _ => Act::Answer.into(),
    });
    server.plan(endless());
    let models = open_at(folder.path(), &server);
    ask(&models, 0..1);
    until("the id is noted", || notes(folder.path()).len() == 2);
    drop(models);
    server.relent();
    let models = open_at(folder.path(), &server);
    let larger = datamake::ask::Spec::new(0, Task::Chat, "small", Default::default(), None, Some(200));
    models.order(order(0, &user(&std::sync::Arc::new(larger), "text 0")));
    assert_answered(&take(&models, 1));
    assert_eq!((server.batches().len(), server.billed()), (2, (2, 2)));
}

#[test]
fn a_key_goes_with_every_exchange_and_is_in_no_note() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let config = folder.path().join("config.toml");
    std::fs::write(&config, format!("[keys]\nMY_KEY = [\"{}\"]\n", server.authority())).unwrap();
    let config = config.to_str().unwrap().to_owned();
    let environment = datamake::fetch::models::Environment::new(move |name| match name {
        "MY_KEY" => Some("canary-0123456789".to_owned()),
        "DATAMAKE_CONFIG" => Some(config.clone()),
        _ => None,
    });
    server.plan(endless());
    let endpoint = Endpoint { key: Some("MY_KEY".to_owned()), ..batched(&server) };
    let asking = Asking { batches: fast(), ..Asking::default() };
    let endpoints = [endpoint];
    let models = Models::open_in(&environment, endpoints.to_vec(), responses(folder.path()), asking).unwrap();
    ask(&models, 0..5);
    until("the id is noted", || notes(folder.path()).len() == 2);
    let word = |environment| {
        let found = survey(environment, &endpoints, &responses(folder.path()), Wish::Cancel).unwrap();
        assert_eq!(found.len(), 1);
        assert_ne!(found[0].cancel, Cancel::Yes, "a build waits for it");
        found[0].word.clone()
    };
    assert!(matches!(word(&environment), Word::Is { .. }));
    // Whose it is can be told without the key, but not how it is.
    assert!(matches!(word(&nothing()), Word::Silent(why) if why.contains("MY_KEY")));
    for name in notes(folder.path()) {
        let text = std::fs::read_to_string(folder.path().join("responses/batches").join(name)).unwrap();
        assert!(!text.contains("canary"));
    }
    server.relent();
    assert_answered(&take(&models, 5));
    assert!(server.keys().iter().all(|key| key == "Bearer canary-0123456789"), "{:?}", server.keys());
}

/// A project with two chained prompts, in batches.
fn project(server: &Server, rows: usize) -> Sandbox {
    let sandbox = Sandbox::on_real_disk();
    let seeds: String = (0..rows).map(|id| format!("{{\"id\": {id}, \"topic\": \"topic {id}\"}}\n")).collect();
    sandbox.write("seeds.jsonl", seeds);
    let manifest = format!(
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

[prompt.answer]
template = "Answer: {{{{ question }}}}"

[dataset.questions]
from = "seeds"
generate = {{ prompt = "question", model = "writer", into = "question" }}

[dataset.answers]
from = "questions"
generate = {{ prompt = "answer", model = "writer", into = "answer" }}
"#,
        server.url()
    );
    sandbox.write("datamake.toml", manifest);
    sandbox
}

fn built(sandbox: &Sandbox) -> datamake::project::Built {
    let mut project = sandbox.project().unwrap();
    project.batches = fast();
    let built = common::build(&project, &[], None).unwrap();
    common::fine(&built);
    built
}

#[test]
fn a_project_with_two_chained_prompts_makes_a_batch_of_each() {
    let server = Server::start();
    let sandbox = project(&server, 60);
    built(&sandbox);
    assert_eq!(server.batches().iter().map(|batch| batch.requests).collect::<Vec<_>>(), [60, 60]);
    assert_eq!(sandbox.rows("answers").len(), 60);
    built(&sandbox);
    assert_eq!((server.batches().len(), server.requests()), (2, 120));
}

#[test]
fn whenever_a_build_dies_no_request_is_paid_for_twice_and_no_answer_is_lost() {
    for round in 0..30u64 {
        let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
        server.plan(Plan { slow: Duration::from_millis(round % 7), polls: 3, ..Plan::default() });
        for life in 0..3 {
            let models = open_at(folder.path(), &server);
            ask(&models, 0..200);
            // From before the upload to behind the first answers.
            std::thread::sleep(Duration::from_millis(25 + (round * 37 + life * 61) % 170));
            drop(models);
        }
        let models = open_at(folder.path(), &server);
        assert_answered(&ask_all(&models, &spec(Task::Chat), 0..200));
        assert_eq!(server.billed(), (200, 1), "round {round}: {:?}", server.calls());
        until("all notes are removed", || notes(folder.path()).is_empty());
    }
}

#[test]
fn a_lost_key_is_told_to_all_who_wait() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let config = folder.path().join("config.toml");
    std::fs::write(&config, format!("[keys]\nMY_KEY = [\"{}\"]\n", server.authority())).unwrap();
    let config = config.to_str().unwrap().to_owned();
    let looks = std::sync::atomic::AtomicU64::new(0);
    let environment = datamake::fetch::models::Environment::new(move |name| match name {
        // There when it is looked for, and gone when it is needed.
        "MY_KEY" => {
            (looks.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0).then(|| "secret-0123456789".to_owned())
        }
        "DATAMAKE_CONFIG" => Some(config.clone()),
        _ => None,
    });
    let endpoint = Endpoint { key: Some("MY_KEY".to_owned()), ..batched(&server) };
    let asking = Asking { batches: fast(), ..Asking::default() };
    let models = Models::open_in(&environment, vec![endpoint], responses(folder.path()), asking).unwrap();
    let taken = ask_all(&models, &spec(Task::Chat), 0..5);
    assert!(taken.values().all(|delivery| problem(delivery).code == "missing-key"));
}

#[test]
fn results_that_break_off_are_read_again_and_recorded_once() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    server.plan(Plan { breaks: 2, ..Plan::default() });
    let models = open_at(folder.path(), &server);
    assert_answered(&ask_all(&models, &spec(Task::Chat), 0..2000));
    assert_eq!((server.billed(), server.batches().len()), ((2000, 1), 1));
    let recorded = responses(folder.path()).stats().unwrap().responses;
    assert_eq!(recorded, 2000);
}

#[test]
#[ignore = "a measurement"]
fn what_a_batch_of_fifty_thousand_costs() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let models = open_at(folder.path(), &server);
    let text = "x".repeat(400);
    let spec = spec(Task::Chat);
    let begun = Instant::now();
    (0..50_000).for_each(|at| models.order(order(at, &user(&spec, format!("{text} {at}")))));
    let ordered = begun.elapsed();
    until("the batch is created", || !server.batches().is_empty());
    let created = begun.elapsed();
    let end = begun + Duration::from_secs(300);
    let mut count = 0;
    while count < 50_000 {
        assert!(Instant::now() < end);
        count += models.deliver_all(Duration::from_secs(1)).unwrap().len();
    }
    println!(
        "ordered {ordered:?}, created {created:?}, delivered {:?}, {:?}",
        begun.elapsed(),
        server.batches()[0].bytes
    );
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{:?}", status.lines().find(|line| line.starts_with("VmHWM")));
}
